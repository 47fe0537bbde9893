//! Entries of the journal -> times of stages, per venue.
//!
//! A stage may need more than one entry: the request's own moment is in its entry, the stamps come
//! in the turn's `Sent`, the answer's in a later one. Invariants: each stage of an intent or frame
//! is told once; bounded memory; entries that are not held (a walk that begins late) make no sample
//! instead of a wrong one. Threads: any; one per reader of the journal.

use std::collections::{BTreeMap, VecDeque};

use journal::Entry;
use model::identifiers::Text;
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::order_change::ChangeBody;
use model::sent_record::{FrameStamp, SentRecord, SentStamp};
use model::stage::{Stage, between};
use model::{BytesError, Decision, EngineConfig, InstrumentId, MonotonicNs, OrderIntent, VenueId};

use super::answer_times::AnswerTimes;

/// Intents and frames that are remembered for what comes later.
const REMEMBERED_MAX: usize = 64 * 1024;

/// One stage that took so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageSample {
    /// At which venue.
    pub venue: VenueId,
    /// Which stage.
    pub stage: Stage,
    /// How long, nanoseconds.
    pub ns: u64,
}

/// An intent that was seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    venue: VenueId,
    requested_at: MonotonicNs,
    is_told: bool,
    written_at: MonotonicNs,
}

/// Follows a journal and tells the times.
#[derive(Debug, Default)]
pub struct StageTimer {
    /// Where each instrument trades, at the place of its id.
    instrument_venues: Vec<VenueId>,
    venue_names: Vec<(VenueId, Text<15>)>,
    answers: AnswerTimes,
    /// By number; numbers only grow, so the first is the oldest.
    intents: BTreeMap<u64, Seen>,
    /// Frames whose stamps are still to come: the entry, and where it came from.
    frames: VecDeque<(u64, VenueId)>,
    /// Entries whose frame answered an intent that had been written at this moment.
    answered: VecDeque<(u64, VenueId, MonotonicNs)>,
}

impl StageTimer {
    /// A timer for a journal that is read from its first entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// A timer for a journal whose configuration was read before.
    pub fn with_config(config: &EngineConfig) -> Self {
        let mut timer = Self::default();
        timer.take_config(config);
        timer
    }

    /// The venue's name in the configuration; its number when that was not seen.
    pub fn venue_name(&self, venue: VenueId) -> String {
        let named = self.venue_names.iter().find(|(id, _)| *id == venue);
        named.map_or_else(
            || format!("venue-{}", venue.0),
            |(_, name)| name.to_string(),
        )
    }

    /// The venues' names in the configuration that was seen last.
    pub fn venue_names(&self) -> Vec<String> {
        let names = self.venue_names.iter();
        names.map(|(_, name)| name.to_string()).collect()
    }

    /// Follows one entry; tells every stage that it completes.
    ///
    /// # Errors
    /// [`BytesError`] when the entry's body is not what its kind says.
    pub fn see(
        &mut self,
        entry: &Entry<'_>,
        buffers: &mut EntryBuffers,
        mut tell: impl FnMut(StageSample),
    ) -> Result<(), BytesError> {
        let kind = u8::try_from(entry.kind)
            .ok()
            .and_then(EntryKind::from_number);
        let kind = kind.ok_or(BytesError::Invalid {
            what: "entry kind",
            found: u64::from(entry.kind),
        })?;
        match kind {
            EntryKind::Checkpoint => return Ok(()),
            EntryKind::Sent => {
                let record = SentRecord::take(entry.body)?;
                record
                    .intents
                    .iter()
                    .for_each(|it| self.sent(it, &mut tell));
                record.frames.iter().for_each(|it| self.came(it, &mut tell));
                return Ok(());
            }
            _ => {}
        }
        let (input, decisions) = take_entry(kind, entry.body, buffers)?;
        match &input {
            Input::ConfigApplied(config) => self.take_config(config),
            Input::InstrumentApplied(known) => self.take_instrument(known.id, known.venue),
            Input::RecoveryStarted(_) => self.forget(),
            Input::VenueFrame { venue, .. } => {
                remember(&mut self.frames, (entry.sequence, *venue));
            }
            _ => {}
        }
        let requested_at = match &input {
            Input::Request(request) => request.written_at,
            _ => MonotonicNs(0),
        };
        for decision in decisions {
            if let Decision::Order(change) = decision
                && let ChangeBody::CommandStarted(intent) = &change.body
            {
                self.started(intent, requested_at);
            }
        }
        self.answers(entry, &input, decisions, &mut tell);
        Ok(())
    }

    fn take_config(&mut self, config: &EngineConfig) {
        let venues = config.venues.iter();
        self.venue_names = venues.map(|venue| (venue.id, venue.name)).collect();
        for policy in &config.instruments {
            self.take_instrument(policy.instrument.id, policy.instrument.venue);
        }
    }

    fn take_instrument(&mut self, instrument: InstrumentId, venue: VenueId) {
        let Ok(at) = usize::try_from(instrument.0) else {
            return;
        };
        if self.instrument_venues.len() <= at {
            self.instrument_venues.resize(at + 1, venue);
        }
        self.instrument_venues[at] = venue;
    }

    /// Moments of a former run mean nothing.
    fn forget(&mut self) {
        self.intents.clear();
        self.frames.clear();
        self.answered.clear();
    }

    fn started(&mut self, intent: &OrderIntent, requested_at: MonotonicNs) {
        let at = usize::try_from(intent.instrument.0).unwrap_or(usize::MAX);
        let Some(venue) = self.instrument_venues.get(at).copied() else {
            return;
        };
        let seen = Seen {
            venue,
            requested_at,
            is_told: false,
            written_at: MonotonicNs(0),
        };
        self.intents.insert(intent.intent_seq, seen);
        if self.intents.len() > REMEMBERED_MAX {
            self.intents.pop_first();
        }
    }

    fn sent(&mut self, stamp: &SentStamp, tell: &mut impl FnMut(StageSample)) {
        let Some(seen) = self.intents.get_mut(&stamp.intent_seq) else {
            return;
        };
        seen.written_at = stamp.written_at;
        let was_told = core::mem::replace(&mut seen.is_told, true);
        for (stage, ns) in stamp.stages(seen.requested_at) {
            // An intent that left our backlog later is told again with its last boundary only.
            let is_last = matches!(stage, Stage::Write | Stage::RingToKernel);
            if !was_told || is_last {
                let venue = seen.venue;
                tell(StageSample { venue, stage, ns });
            }
        }
    }

    fn came(&mut self, stamp: &FrameStamp, tell: &mut impl FnMut(StageSample)) {
        let sequence = stamp.entry_sequence;
        while self
            .frames
            .front()
            .is_some_and(|(held, _)| *held < sequence)
        {
            self.frames.pop_front();
        }
        if let Some((held, venue)) = self.frames.front().copied()
            && held == sequence
        {
            for (stage, ns) in stamp.stages() {
                tell(StageSample { venue, stage, ns });
            }
        }
        while let Some((held, venue, written_at)) = self.answered.front().copied() {
            if held > sequence {
                break;
            }
            self.answered.pop_front();
            let time = between(Stage::VenueAck, written_at, stamp.received_at);
            if let Some((stage, ns)) = time.filter(|_| held == sequence) {
                tell(StageSample { venue, stage, ns });
            }
        }
    }

    fn answers(
        &mut self,
        entry: &Entry<'_>,
        input: &Input<'_>,
        decisions: &[Decision],
        tell: &mut impl FnMut(StageSample),
    ) {
        let (intents, answered) = (&mut self.intents, &mut self.answered);
        let now = MonotonicNs(entry.now_ns);
        self.answers.see(now, input, decisions, |answer| {
            let Some(seen) = intents.remove(&answer.intent_seq) else {
                return;
            };
            if !answer.is_pushed {
                return;
            }
            let (venue, stage, ns) = (seen.venue, Stage::IntentToAck, answer.latency_ns);
            tell(StageSample { venue, stage, ns });
            remember(answered, (entry.sequence, venue, seen.written_at));
        });
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= REMEMBERED_MAX {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests;
