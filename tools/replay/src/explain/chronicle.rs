//! One walk over the journal that hands every entry to the orders that it is about.
//!
//! Owns: which orders an entry concerns, and what of it is told to each. Invariants: the engine is
//! folded entry by entry, so that checks are told with the numbers of their moment; what was
//! decided is taken from the journal and never decided again. Must not know: how a story is shown.
//! Threads: the caller's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::Moment;
use engine::replay::Replay;
use engine::risk::check_run::CheckRun;
use journal::{Entry, Reader};
use model::input::{EntryKind, RequestInput};
use model::journal_record::EntryBuffers;
use model::sent_record::{FrameStamp, SentRecord, SentStamp};
use model::{
    ChangeBody, ClientOrderId, Decision, Input, MonotonicNs, ReconFact, VenueOrderId, VenueReport,
};

use super::reference::Subject;
use super::story::{Found, Story};
use crate::describe_input::describe;
use crate::failure::ReplayError;
use crate::in_force::InForce;
use crate::json_lines;
use crate::record::{Body, kind_of, read};
use crate::venue_codec::VenueCodecs;

/// Between two reports of progress.
const PROGRESS_ENTRIES: u64 = 1_000;

/// The stories of what is wanted; of every order when `wanted` is `None`.
pub(crate) fn chronicle(
    directory: &Path,
    wanted: Option<Subject>,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Story>, ReplayError> {
    let mut reader = Reader::open(directory, 1)?;
    let mut chronicle = Chronicle {
        wanted,
        in_force: InForce::default(),
        replay: Replay::new(),
        codecs: VenueCodecs::new(),
        names: EntryBuffers::default(),
        engine_version: None,
        stories: BTreeMap::new(),
        requested: None,
        intents: BTreeMap::new(),
        frames: BTreeMap::new(),
    };
    let mut buffers = EntryBuffers::default();
    let mut entries = 0;
    while let Some(entry) = reader.next_entry()? {
        chronicle.take(&entry, &mut buffers)?;
        entries += 1;
        if entries % PROGRESS_ENTRIES == 0 {
            progress(entries);
        }
    }
    progress(entries);
    Ok(chronicle.finish())
}

struct Chronicle {
    wanted: Option<Subject>,
    in_force: InForce,
    replay: Replay,
    codecs: VenueCodecs,
    names: EntryBuffers,
    engine_version: Option<u32>,
    stories: BTreeMap<ClientOrderId, Story>,
    /// The story of a request of which no order came.
    requested: Option<Story>,
    /// Intents of wanted orders whose `Sent` entry may still come.
    intents: BTreeMap<u64, ClientOrderId>,
    /// Frames about wanted orders whose `Sent` entry, that of their turn, may still come.
    frames: BTreeMap<u64, BTreeSet<ClientOrderId>>,
}

impl Chronicle {
    fn take(&mut self, entry: &Entry<'_>, buffers: &mut EntryBuffers) -> Result<(), ReplayError> {
        let kind = kind_of(entry)?;
        self.in_force.observe(kind, entry, &mut self.names)?;
        match read(kind, entry, buffers)? {
            Body::Input(input, decisions) => self.take_input(entry, kind, &input, decisions),
            Body::Sent(record) => {
                self.take_stamps(entry, kind, &record);
                Ok(())
            }
            Body::Opaque(_) => Ok(()),
        }
    }

    fn take_input(
        &mut self,
        entry: &Entry<'_>,
        kind: EntryKind,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<(), ReplayError> {
        match input {
            Input::ConfigApplied(config) => self.codecs.apply_config(config),
            Input::InstrumentApplied(instrument) => self
                .codecs
                .apply_instrument(instrument)
                .map_err(|source| ReplayError::codec(entry, source))?,
            Input::RecoveryStarted(started) => {
                self.engine_version = Some(started.engine_version);
                self.intents.clear();
                self.frames.clear();
            }
            _ => {}
        }
        let orders = self.concerned(input, decisions);
        let is_the_request = self.is_the_request(input);
        let moment = Moment {
            sequence: entry.sequence,
            now: MonotonicNs(entry.now_ns),
        };
        let checks = match input {
            Input::Request(asked) if is_the_request || !orders.is_empty() => {
                self.replay.checks_of(moment, asked)
            }
            _ => Vec::new(),
        };
        self.replay
            .fold(moment, input, decisions)
            .map_err(|source| ReplayError::no_configuration(entry, source))?;
        if kind == EntryKind::VenueFrame && !orders.is_empty() {
            self.frames.insert(entry.sequence, orders.clone());
        }
        for order in orders {
            self.tell(entry, kind, input, decisions, Some(order), &checks);
        }
        if is_the_request {
            self.tell(entry, kind, input, decisions, None, &checks);
        }
        Ok(())
    }

    /// The wanted orders that an entry is about, by everything in it.
    fn concerned(&self, input: &Input<'_>, decisions: &[Decision]) -> BTreeSet<ClientOrderId> {
        let mut orders = BTreeSet::new();
        for decision in decisions {
            orders.extend(order_of_decision(decision));
        }
        if let Input::VenueFrame { reports, .. } = input {
            orders.extend(reports.iter().filter_map(|it| self.order_of_report(it)));
        }
        match input {
            Input::ReconFact(fact) => orders.extend(self.order_of_fact(fact)),
            Input::NotSent { intent_seq, .. } => orders.extend(self.intents.get(intent_seq)),
            _ => {}
        }
        match self.wanted {
            None => {}
            Some(Subject::Order(wanted)) => orders.retain(|order| *order == wanted),
            Some(Subject::Request(..)) => orders.clear(),
        }
        orders
    }

    fn is_the_request(&self, input: &Input<'_>) -> bool {
        matches!((self.wanted, input), (Some(Subject::Request(strategy, request_id)),
            Input::Request(RequestInput { strategy: by, request_id: id, .. }))
            if strategy == *by && request_id == *id)
    }

    fn order_of_report(&self, report: &VenueReport) -> Option<ClientOrderId> {
        match report {
            VenueReport::Reply(reply) => Some(reply.client_order_id),
            VenueReport::Order(update) => {
                self.known_order(update.client_order_id, &update.venue_order_id)
            }
            _ => None,
        }
    }

    fn order_of_fact(&self, fact: &ReconFact) -> Option<ClientOrderId> {
        match fact {
            ReconFact::OrderSeen(seen) => {
                self.known_order(seen.update.client_order_id, &seen.update.venue_order_id)
            }
            ReconFact::FillSeen(seen) => {
                self.known_order(seen.client_order_id, &seen.venue_order_id)
            }
            ReconFact::OrderAbsent(absent) => Some(absent.client_order_id),
            ReconFact::LookupEnded(ended) => Some(ended.client_order_id),
            _ => None,
        }
    }

    /// By our id, else by the venue's, as the engine looks for it.
    fn known_order(
        &self,
        client_order_id: Option<ClientOrderId>,
        venue_order_id: &VenueOrderId,
    ) -> Option<ClientOrderId> {
        let state = self.replay.engine()?.state();
        client_order_id.or_else(|| state.find_order(None, venue_order_id))
    }

    fn tell(
        &mut self,
        entry: &Entry<'_>,
        kind: EntryKind,
        input: &Input<'_>,
        decisions: &[Decision],
        order: Option<ClientOrderId>,
        checks: &[CheckRun],
    ) {
        let reports: Vec<VenueReport> = match input {
            Input::VenueFrame { reports, .. } => {
                let mine = reports
                    .iter()
                    .filter(|it| self.order_of_report(it) == order);
                mine.copied().collect()
            }
            _ => Vec::new(),
        };
        let (input, all_are_mine) = match *input {
            Input::VenueFrame {
                venue,
                link,
                raw,
                reports: all,
            } => {
                let reports = reports.as_slice();
                let all_are_mine = reports.len() == all.len();
                let mine = Input::VenueFrame {
                    venue,
                    link,
                    raw,
                    reports,
                };
                (mine, all_are_mine)
            }
            // A fact and a request are about one order each.
            other => (other, true),
        };
        let mine: Vec<Decision> = decisions
            .iter()
            .filter(|it| match order_of_decision(it) {
                Some(of) => Some(of) == order,
                None => all_are_mine && (order.is_none() || matches!(it, Decision::Ignored(_))),
            })
            .copied()
            .collect();
        let body = Body::Input(input, &mine);
        let told = describe(&self.in_force, &body);
        let object = json_lines::object(entry, kind, told, &self.in_force, true);
        let found = Found {
            entry,
            known: &self.in_force,
            engine_version: self.engine_version,
            object,
        };
        let story = match order {
            Some(order) => self.stories.entry(order).or_default(),
            None => self.requested.get_or_insert_default(),
        };
        story.tell_input(found, &input, &mine, checks, &mut self.codecs);
        for decision in &mine {
            if let (Decision::Order(change), Some(order)) = (decision, order)
                && let ChangeBody::CommandStarted(intent) = &change.body
            {
                self.intents.insert(intent.intent_seq, order);
            }
        }
    }

    fn take_stamps(&mut self, entry: &Entry<'_>, kind: EntryKind, record: &SentRecord) {
        for stamp in &record.frames {
            self.take_frame(stamp);
        }
        let mut by_order: BTreeMap<ClientOrderId, Vec<SentStamp>> = BTreeMap::new();
        for stamp in &record.intents {
            // What is still in the backlog is stamped again when it left.
            if let Some(order) = self.intents.get(&stamp.intent_seq) {
                by_order.entry(*order).or_default().push(*stamp);
            }
        }
        for (order, intents) in by_order {
            let mine = SentRecord {
                intents,
                frames: Vec::new(),
            };
            let body = Body::Sent(mine.clone());
            let told = describe(&self.in_force, &body);
            let object = json_lines::object(entry, kind, told, &self.in_force, true);
            let found = Found {
                entry,
                known: &self.in_force,
                engine_version: self.engine_version,
                object,
            };
            if let Some(story) = self.stories.get_mut(&order) {
                story.tell_sent(found, &mine.intents);
            }
        }
    }

    fn take_frame(&mut self, stamp: &FrameStamp) {
        for order in self
            .frames
            .remove(&stamp.entry_sequence)
            .unwrap_or_default()
        {
            if let Some(story) = self.stories.get_mut(&order) {
                story.tell_frame(stamp);
            }
        }
    }

    fn finish(self) -> Vec<Story> {
        let mut stories = Vec::new();
        for (id, mut story) in self.stories {
            let state = self.replay.engine().map(|engine| engine.state());
            let order = state.and_then(|state| state.orders.get(id));
            story.end(Some(id), order, &self.in_force);
            stories.push(story);
        }
        if let Some(mut story) = self.requested {
            story.end(None, None, &self.in_force);
            stories.push(story);
        }
        stories
    }
}

fn order_of_decision(decision: &Decision) -> Option<ClientOrderId> {
    match decision {
        Decision::Order(change) => Some(change.client_order_id),
        Decision::Refused(refused) => refused.client_order_id,
        Decision::Evicted { client_order_id } => Some(*client_order_id),
        Decision::Alarm {
            client_order_id, ..
        } => ClientOrderId::from_integer(*client_order_id),
        _ => None,
    }
}
