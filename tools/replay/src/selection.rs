//! Which entries are shown: the filters of the command line over what an entry names.
//!
//! Owns: [`Selection`], and the list of what each entry is about. Invariants: an entry passes when
//! one and the same thing in it (a decision, a report, a request) satisfies order, strategy and
//! instrument together; a `Sent` or `NotSent` entry passes when it is about an intent that passed.
//! Threads: any.

use std::collections::BTreeSet;

use model::control::{Control, ControlScope};
use model::decision::{RequestRefused, WideTask};
use model::order_request::OrderReference;
use model::{
    ChangeBody, ClientOrderId, Decision, Input, InstrumentId, ReconFact, Request, StrategyId,
    VenueReport, input::EntryKind,
};

use crate::arguments::ReplayArgs;
use crate::failure::ReplayError;
use crate::in_force::InForce;
use crate::record::Body;

/// Intents that passed and whose `Sent` entry may still come. Stamps follow within a few turns, so
/// the oldest are forgotten first, and memory stays bounded on a journal of any length.
const INTENTS_REMEMBERED_MAX: usize = 64 * 1024;

/// The filters of the command line.
pub(crate) struct Selection {
    kinds: BTreeSet<EntryKind>,
    order: Option<ClientOrderId>,
    strategy: Option<Named<StrategyId>>,
    instrument: Option<Named<InstrumentId>>,
    grep: Option<Vec<u8>>,
    intents: BTreeSet<u64>,
}

/// A name and the numbers that it stands for now.
struct Named<I> {
    name: String,
    ids: BTreeSet<I>,
    /// Whether any configuration so far had the name.
    found: bool,
}

impl<I> Named<I> {
    fn new(name: String) -> Self {
        Self {
            name,
            ids: BTreeSet::new(),
            found: false,
        }
    }
}

/// What one thing in an entry is about.
#[derive(Clone, Copy, Default)]
struct Subject {
    order: Option<ClientOrderId>,
    strategy: Option<StrategyId>,
    instrument: Option<InstrumentId>,
}

impl Selection {
    pub(crate) fn new(args: &ReplayArgs) -> Self {
        Self {
            kinds: args.kind.iter().copied().collect(),
            order: args.order,
            strategy: args.strategy.clone().map(Named::new),
            instrument: args.instrument.clone().map(Named::new),
            grep: args.grep.as_ref().map(|text| text.as_bytes().to_vec()),
            intents: BTreeSet::new(),
        }
    }

    /// Looks names up again after the configuration changed.
    pub(crate) fn resolve(&mut self, in_force: &InForce) {
        if let Some(wanted) = &mut self.strategy {
            let named = in_force
                .strategies
                .iter()
                .filter(|(_, name)| **name == wanted.name);
            wanted.ids = named.map(|(id, _)| *id).collect();
            if wanted.ids.is_empty() {
                let number = wanted.name.parse().ok().map(StrategyId);
                wanted
                    .ids
                    .extend(number.filter(|id| in_force.strategies.contains_key(id)));
            }
            wanted.found |= !wanted.ids.is_empty();
        }
        if let Some(wanted) = &mut self.instrument {
            let named = in_force
                .instruments
                .iter()
                .filter(|(_, instrument)| instrument.symbol.as_str() == wanted.name);
            wanted.ids = named.map(|(id, _)| *id).collect();
            wanted.found |= !wanted.ids.is_empty();
        }
    }

    /// Refuses a name that no configuration so far has. Without a configuration nothing is known.
    pub(crate) fn check_names(&self, in_force: &InForce) -> Result<(), ReplayError> {
        let unknown = |what, found: &str, known: Vec<String>| {
            let found = found.to_owned();
            if known.is_empty() {
                return Ok(());
            }
            Err(ReplayError::UnknownName { what, found, known })
        };
        if let Some(wanted) = self.strategy.as_ref().filter(|wanted| !wanted.found) {
            unknown(
                "strategy",
                &wanted.name,
                in_force.strategies.values().cloned().collect(),
            )?;
        }
        if let Some(wanted) = self.instrument.as_ref().filter(|wanted| !wanted.found) {
            let symbols = in_force
                .instruments
                .values()
                .map(|known| known.symbol.to_string());
            unknown("instrument", &wanted.name, symbols.collect())?;
        }
        Ok(())
    }

    /// Whether bodies must be read even of entries that are not shown, to know their intents.
    pub(crate) fn follows_intents(&self) -> bool {
        self.order.is_some() || self.strategy.is_some() || self.instrument.is_some()
    }

    /// Whether an entry of this kind can be shown.
    pub(crate) fn takes_kind(&self, kind: EntryKind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.grep.is_none() || kind == EntryKind::VenueFrame)
    }

    /// Remembers the intents of an entry that pass, so that their stamps are recognised.
    pub(crate) fn note_intents(&mut self, body: &Body<'_>) {
        let Body::Input(_, decisions) = body else {
            return;
        };
        for decision in *decisions {
            let Decision::Order(change) = decision else {
                continue;
            };
            let ChangeBody::CommandStarted(intent) = &change.body else {
                continue;
            };
            if self.is_about(&subject_of_decision(decision)) {
                self.intents.insert(intent.intent_seq);
            }
        }
        while self.intents.len() > INTENTS_REMEMBERED_MAX {
            self.intents.pop_first();
        }
    }

    /// Whether an entry of a kind that can be shown passes the other filters.
    pub(crate) fn takes(&self, body: &Body<'_>) -> bool {
        self.grep
            .as_ref()
            .is_none_or(|wanted| holds_text(body, wanted))
            && (!self.follows_intents() || self.names_subject(body))
    }

    fn names_subject(&self, body: &Body<'_>) -> bool {
        match body {
            Body::Sent(record) => record
                .intents
                .iter()
                .any(|stamp| self.intents.contains(&stamp.intent_seq)),
            Body::Opaque(_) => false,
            Body::Input(input, decisions) => {
                let intent_passed = matches!(input, Input::NotSent { intent_seq, .. }
                    if self.intents.contains(intent_seq));
                intent_passed
                    || self.is_about(&subject_of_input(input))
                    || reports_of(input)
                        .iter()
                        .any(|it| self.is_about(&subject_of_report(it)))
                    || decisions
                        .iter()
                        .any(|it| self.is_about(&subject_of_decision(it)))
            }
        }
    }

    fn is_about(&self, subject: &Subject) -> bool {
        let order = self
            .order
            .is_none_or(|wanted| subject.order == Some(wanted));
        let strategy = self.strategy.as_ref().is_none_or(|wanted| {
            subject
                .strategy
                .is_some_and(|strategy| wanted.ids.contains(&strategy))
        });
        let instrument = self.instrument.as_ref().is_none_or(|wanted| {
            subject
                .instrument
                .is_some_and(|instrument| wanted.ids.contains(&instrument))
        });
        order && strategy && instrument
    }
}

fn holds_text(body: &Body<'_>, wanted: &[u8]) -> bool {
    let Body::Input(Input::VenueFrame { raw, .. }, _) = body else {
        return false;
    };
    // `windows` refuses a width of zero; the empty text is in every frame.
    wanted.is_empty() || raw.windows(wanted.len()).any(|window| window == wanted)
}

fn reports_of<'a>(input: &Input<'a>) -> &'a [VenueReport] {
    match input {
        Input::VenueFrame { reports, .. } => reports,
        _ => &[],
    }
}

fn subject_of_input(input: &Input<'_>) -> Subject {
    let mut subject = Subject::default();
    match input {
        Input::Request(asked) => {
            subject.strategy = Some(asked.strategy);
            match &asked.request {
                Request::New(order) => subject.instrument = Some(order.instrument),
                Request::CancelAll { instrument } => subject.instrument = *instrument,
                Request::Cancel { order }
                | Request::Replace { order, .. }
                | Request::Query { order } => {
                    if let OrderReference::ClientOrderId(id) = order {
                        subject.order = Some(*id);
                    }
                }
            }
        }
        Input::StrategyAttached { strategy, .. } | Input::StrategyLost { strategy, .. } => {
            subject.strategy = Some(*strategy);
        }
        Input::RoomRefused(run) => subject.strategy = Some(run.strategy),
        Input::Control(Control::SetLatch(order)) => note_scope(&mut subject, order.scope),
        Input::InstrumentApplied(instrument) => subject.instrument = Some(instrument.id),
        Input::ReconFact(fact) => match fact {
            ReconFact::OrderSeen(seen) => {
                subject.order = seen.update.client_order_id;
                subject.instrument = Some(seen.update.instrument);
            }
            ReconFact::FillSeen(seen) => {
                subject.order = seen.client_order_id;
                subject.instrument = Some(seen.instrument);
            }
            ReconFact::OrderAbsent(absent) => subject.order = Some(absent.client_order_id),
            ReconFact::LookupEnded(ended) => subject.order = Some(ended.client_order_id),
            ReconFact::PositionSeen(seen) => subject.instrument = Some(seen.instrument),
            ReconFact::SweepEnded(_) | ReconFact::BalanceSeen(_) => {}
        },
        Input::VenueFrame { .. }
        | Input::LinkChanged(_)
        | Input::Timer
        | Input::Control(Control::StopIntake | Control::CancelAll)
        | Input::ConfigApplied(_)
        | Input::UtcAnchor(_)
        | Input::NotSent { .. }
        | Input::RecoveryStarted(_) => {}
    }
    subject
}

fn note_scope(subject: &mut Subject, scope: ControlScope) {
    match scope {
        ControlScope::Strategy(strategy) => subject.strategy = Some(strategy),
        ControlScope::Instrument(instrument) => subject.instrument = Some(instrument),
        ControlScope::All | ControlScope::Venue(_) => {}
    }
}

fn subject_of_report(report: &VenueReport) -> Subject {
    let mut subject = Subject::default();
    match report {
        VenueReport::Reply(reply) => subject.order = Some(reply.client_order_id),
        VenueReport::Order(update) => {
            subject.order = update.client_order_id;
            subject.instrument = Some(update.instrument);
        }
        VenueReport::Position(stated) => subject.instrument = Some(stated.instrument),
        VenueReport::Quarantined(_)
        | VenueReport::Balance(_)
        | VenueReport::PositionsElsewhere { .. } => {}
    }
    subject
}

fn subject_of_decision(decision: &Decision) -> Subject {
    let mut subject = Subject::default();
    match decision {
        Decision::Order(change) => {
            subject.order = Some(change.client_order_id);
            subject.strategy = Some(change.strategy);
            subject.instrument = Some(change.instrument);
        }
        Decision::Refused(RequestRefused {
            strategy,
            client_order_id,
            ..
        }) => {
            subject.order = *client_order_id;
            subject.strategy = Some(*strategy);
        }
        Decision::CancelAllAccepted { strategy, .. }
        | Decision::Strategy { strategy, .. }
        | Decision::RunRefused { strategy, .. } => subject.strategy = Some(*strategy),
        Decision::TaskStarted {
            task:
                WideTask::CancelAll {
                    strategy,
                    instrument,
                },
        } => {
            subject.strategy = *strategy;
            subject.instrument = *instrument;
        }
        Decision::LatchSet { scope, .. }
        | Decision::TaskStarted {
            task: WideTask::KillCancel { scope, .. },
        } => note_scope(&mut subject, *scope),
        Decision::Alarm {
            client_order_id, ..
        } => {
            subject.order = ClientOrderId::from_integer(*client_order_id);
        }
        Decision::Evicted { client_order_id } => subject.order = Some(*client_order_id),
        Decision::Position { instrument, .. } => subject.instrument = Some(*instrument),
        Decision::Foreign(foreign) => subject.instrument = Some(foreign.instrument),
        Decision::TaskStarted {
            task: WideTask::MarkUnknown { .. } | WideTask::AskUnseen { .. },
        }
        | Decision::TaskMoved { .. }
        | Decision::TaskDone
        | Decision::Venue { .. }
        | Decision::SweepStarted { .. }
        | Decision::SweepEnded { .. }
        | Decision::Ignored(_)
        | Decision::Intake { .. } => {}
    }
    subject
}
