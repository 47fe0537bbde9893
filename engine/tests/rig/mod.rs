//! The rig: an engine whose every input is journaled, read back, folded and checked along the way.
//!
//! Whatever a test or the simulation feeds goes through [`Rig::feed`], so that is checked for every
//! input sequence of every test: the entry's bytes read back to the same input and decisions; a
//! second engine that only folds them, and goes through bytes now and then, has the same digest;
//! events have no gap; no message rate is
//! passed; exposure is the sum of the orders; limits hold when an order passes them.

#![allow(dead_code, reason = "each test crate uses its own part of the rig")]

pub(crate) mod config;

use millrun_engine::risk::check_run::CheckRun;
use millrun_engine::state::State;
use millrun_engine::{DECISIONS_PER_REPORT_MAX, Decisions, Engine, Moment};
use model::input::{EntryKind, Input};
use model::journal_record::{DECISIONS_MAX, EntryBuffers, put_entry, take_entry};
use model::order_change::ChangeBody;
use model::{
    CommandKind, Decision, EngineConfig, MonotonicNs, OrderEvent, OrderIntent, RejectReason, Side,
    StrategyId, VenueReport,
};
use std::collections::{BTreeMap, VecDeque};

/// Decisions of the largest frame that a test makes.
const DECISIONS_CAPACITY: usize = 4096;

/// Refusals for want of room for an order, and those that stand for a number that does not exist:
/// no check comes before them.
const WITHOUT_A_CHECK: [RejectReason; 5] = [
    RejectReason::StoreFull,
    RejectReason::IdsExhausted,
    RejectReason::Recovering,
    RejectReason::Overflow,
    RejectReason::RiskNotAllowed,
];

/// At each so many entries the follower decides by itself instead of folding.
const REEXECUTE_EACH: u64 = 3;
/// At each so many entries the follower is written to bytes, and the one read from them goes on.
const REREAD_EACH: u64 = 13;

/// One journal entry.
pub(crate) struct Entry {
    pub(crate) moment: Moment,
    pub(crate) kind: EntryKind,
    pub(crate) bytes: Vec<u8>,
}

/// An engine, its journal, and a second engine that follows by folding.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    folded: Engine,
    config: EngineConfig,
    pub(crate) journal: Vec<Entry>,
    decisions: Decisions,
    again: Decisions,
    buffers: EntryBuffers,
    events: Vec<Vec<OrderEvent>>,
    sent: BTreeMap<(usize, usize, u32), VecDeque<u64>>,
    /// The digests are compared at each so many entries; 0 = never.
    pub(crate) compare_each: u64,
}

impl Rig {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            engine: Engine::new(config),
            folded: Engine::new(config),
            config: config.clone(),
            journal: Vec::new(),
            decisions: Decisions::with_capacity(DECISIONS_CAPACITY),
            again: Decisions::with_capacity(DECISIONS_CAPACITY),
            buffers: EntryBuffers::default(),
            events: vec![Vec::new(); config.strategies.len()],
            sent: BTreeMap::new(),
            compare_each: 1,
        }
    }

    /// Sequence of the newest entry.
    pub(crate) fn sequence(&self) -> u64 {
        u64::try_from(self.journal.len()).expect("small in tests")
    }

    /// Every event that a strategy was sent.
    pub(crate) fn events(&self, strategy: StrategyId) -> &[OrderEvent] {
        &self.events[usize::from(strategy.0)]
    }

    /// Handles an input as the hot thread does, and checks all that holds for every input.
    pub(crate) fn feed(&mut self, now: MonotonicNs, input: &Input<'_>) -> Vec<Decision> {
        let moment = Moment {
            sequence: self.sequence() + 1,
            now,
        };
        self.engine.handle(moment, input, &mut self.decisions);
        let decisions = self.decisions.as_slice().to_vec();
        check_bounds(input, &decisions);
        self.check_limits(&decisions);
        self.note_sendings(now, &decisions);
        self.note_events(&decisions);
        self.check_sums();
        self.commit(moment, input, &decisions);
        decisions
    }

    /// Lets decisions that no test could wait for come true, as if a journal held them.
    pub(crate) fn fold_in(&mut self, now: MonotonicNs, decisions: &[Decision]) {
        let sequence = self.sequence() + 1;
        let moment = Moment { sequence, now };
        self.engine.fold(moment, &Input::Timer, decisions);
        self.note_events(decisions);
        let (kind, mut bytes) = (EntryKind::Timer, Vec::new());
        put_entry(&Input::Timer, decisions, &mut bytes);
        self.folded.fold(moment, &Input::Timer, decisions);
        self.journal.push(Entry {
            moment,
            kind,
            bytes,
        });
    }

    fn commit(&mut self, moment: Moment, input: &Input<'_>, decisions: &[Decision]) {
        let mut bytes = Vec::new();
        put_entry(input, decisions, &mut bytes);
        let kind = input.kind();
        let (read, read_decisions) =
            take_entry(kind, &bytes, &mut self.buffers).expect("what was written can be read");
        assert_eq!(
            (&read, read_decisions),
            (input, decisions),
            "an entry reads back as written"
        );
        // The follower mostly folds, and now and then decides by itself: it must decide the same.
        if moment.sequence.is_multiple_of(REEXECUTE_EACH) {
            self.folded.handle(moment, &read, &mut self.again);
            assert_eq!(
                self.again.as_slice(),
                decisions,
                "a folded engine decides the same"
            );
        } else {
            if let Input::Request(request) = &read {
                let runs = self.folded.checks_of(moment, request);
                assert_checks_tell(&runs, decisions);
            }
            self.folded.fold(moment, &read, read_decisions);
        }
        if moment.sequence.is_multiple_of(REREAD_EACH) {
            self.folded = reread(&self.folded);
        }
        self.journal.push(Entry {
            moment,
            kind,
            bytes,
        });
        if self.compare_each != 0 && self.sequence().is_multiple_of(self.compare_each) {
            self.compare_folded();
        }
    }

    /// The folded engine has the live one's state.
    pub(crate) fn compare_folded(&self) {
        assert_same(&self.engine, &self.folded, "the folded engine");
    }

    /// The engine dies, and another folds its journal from the first entry.
    pub(crate) fn restart(&mut self) {
        let mut reborn = Engine::new(&self.config);
        for entry in &self.journal {
            let (input, decisions) = take_entry(entry.kind, &entry.bytes, &mut self.buffers)
                .expect("what was written can be read");
            reborn.fold(entry.moment, &input, decisions);
        }
        assert_same(&self.engine, &reborn, "the reborn engine");
        self.engine = reborn;
    }

    /// A hash of every entry so far: equal for equal histories.
    pub(crate) fn trace_hash(&self) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        for entry in &self.journal {
            entry
                .moment
                .now
                .0
                .to_le_bytes()
                .into_iter()
                .for_each(&mut eat);
            entry.bytes.iter().copied().for_each(&mut eat);
        }
        hash
    }

    /// In-flight and unknown orders are inside the limits from the moment of the intent.
    fn check_limits(&self, decisions: &[Decision]) {
        for intent in decisions.iter().filter_map(started) {
            if intent.command == CommandKind::Cancel {
                continue;
            }
            let at = usize::try_from(intent.instrument.0).expect("small in tests");
            let exposure = &self.engine.state().exposures[at];
            let policy = &self.engine.state().config.instruments[at];
            let none = model::Quantity::ZERO;
            let order = self.engine.state().orders.get(intent.client_order_id);
            let adds = intent.command == CommandKind::New
                || order.is_some_and(|order| intent.order_quantity > order.order_quantity);
            let (worst, limit) = match intent.side {
                Side::Buy => (exposure.worst_long(none), policy.position_long_max),
                Side::Sell => (exposure.worst_short(none), policy.position_short_max),
            };
            let limit = i128::from(limit.units());
            assert!(
                !adds || worst <= Some(limit),
                "P7: worst {worst:?} above {limit}"
            );
            if intent.command == CommandKind::New {
                assert!(
                    exposure.open_orders <= policy.open_orders_max,
                    "P7: open orders"
                );
            }
        }
    }

    /// No window of the venue's rules ever holds more commands than it allows, across restarts too.
    fn note_sendings(&mut self, now: MonotonicNs, decisions: &[Decision]) {
        let at = self.engine.state().unix_at(now).0;
        for intent in decisions.iter().filter_map(started) {
            let instrument = usize::try_from(intent.instrument.0).expect("small in tests");
            let venue = self.config.instruments[instrument].instrument.venue;
            let rules = &self.config.venues[usize::from(venue.0)].rates;
            for (number, rule) in rules.iter().enumerate() {
                if !rule.counts(intent.command) {
                    continue;
                }
                let scope = match rule.scope {
                    model::engine_config::RateScope::Instrument => intent.instrument.0,
                    model::engine_config::RateScope::Account => u32::MAX,
                };
                let times = self
                    .sent
                    .entry((usize::from(venue.0), number, scope))
                    .or_default();
                times.push_back(at);
                if times.len() > usize::try_from(rule.messages).expect("small in tests") {
                    let first = times.pop_front().expect("small in tests");
                    assert!(
                        at >= first + rule.window_ns,
                        "more commands than {rule:?} allows"
                    );
                }
            }
        }
    }

    fn note_events(&mut self, decisions: &[Decision]) {
        for (strategy, event) in decisions.iter().filter_map(Decision::event) {
            let events = &mut self.events[usize::from(strategy.0)];
            let expected = u64::try_from(events.len()).expect("small in tests") + 1;
            assert_eq!(
                event.event_seq, expected,
                "events of {strategy} have no gap"
            );
            assert_eq!(OrderEvent::from_words(&event.to_words()), Some(event));
            events.push(event);
        }
    }

    /// Exposure and counts are what the orders themselves add up to.
    fn check_sums(&self) {
        let state = self.engine.state();
        let mut sums = vec![(0i128, 0i128, 0u32); state.exposures.len()];
        let mut open_of = vec![0u32; state.strategies.len()];
        let mut open = 0;
        for order in state.orders.iter() {
            let worst = i128::from(order.worst_leaves_quantity().units());
            let sum = &mut sums[usize::try_from(order.instrument.0).expect("small in tests")];
            match order.side {
                Side::Buy => sum.0 += worst,
                Side::Sell => sum.1 += worst,
            }
            if order.status.is_terminal() {
                continue;
            }
            sum.2 += 1;
            open += 1;
            if let Some(count) = open_of.get_mut(usize::from(order.strategy.0)) {
                *count += 1;
            }
        }
        for (exposure, sum) in state.exposures.iter().zip(sums) {
            let found = (
                exposure.open_buy_units,
                exposure.open_sell_units,
                exposure.open_orders,
            );
            assert_eq!(found, sum, "exposure is the sum of the orders");
        }
        let found: Vec<u32> = state.strategies.iter().map(|one| one.open_orders).collect();
        assert_eq!(found, open_of, "open orders of each strategy");
        assert_eq!(state.orders.open_count(), open);
    }
}

/// The intent of a decision that starts a command.
pub(crate) fn started(decision: &Decision) -> Option<&OrderIntent> {
    match decision {
        Decision::Order(change) => match &change.body {
            ChangeBody::CommandStarted(intent) => Some(intent),
            _ => None,
        },
        _ => None,
    }
}

/// An entry holds no more decisions than its bound, and every report of a frame is accounted for.
fn check_bounds(input: &Input<'_>, decisions: &[Decision]) {
    match input {
        Input::VenueFrame { reports, .. } => {
            // A statement leaves its trace in the state, and what follows from it comes by a timer.
            let is_statement = |report: &&VenueReport| {
                matches!(
                    report,
                    VenueReport::Position(_)
                        | VenueReport::Balance(_)
                        | VenueReport::PositionsElsewhere { .. }
                )
            };
            let statements = reports.iter().filter(is_statement).count();
            assert!(
                decisions.len() >= reports.len() - statements,
                "P5: a report left no trace: {reports:?}"
            );
            assert!(decisions.len() <= reports.len() * DECISIONS_PER_REPORT_MAX);
        }
        _ => assert!(
            decisions.len() <= DECISIONS_MAX,
            "{} decisions",
            decisions.len()
        ),
    }
}

/// The engine that the bytes of an engine's state make.
pub(crate) fn reread(engine: &Engine) -> Engine {
    let mut bytes = Vec::new();
    engine.state().put_bytes(&mut bytes);
    let state = State::from_bytes(&bytes).expect("what was written can be read");
    assert_eq!(
        state.digest(),
        engine.state().digest(),
        "a state reads back"
    );
    Engine::from_state(state)
}

fn assert_same(live: &Engine, other: &Engine, name: &str) {
    if live.state().digest() == other.state().digest() {
        return;
    }
    let (live, other) = (live.state(), other.state());
    for (one, two) in live.orders.iter().zip(other.orders.iter()) {
        assert_eq!(one, two, "an order of {name}");
    }
    assert_eq!(live.exposures, other.exposures, "exposures of {name}");
    assert_eq!(live.tasks, other.tasks, "acts of {name}");
    assert_eq!(live.positions, other.positions, "positions of {name}");
    assert_eq!(
        format!("{:?}", live.venues),
        format!("{:?}", other.venues),
        "{name}"
    );
    panic!("{name} differs in its numbers, answers, rates, executions or deadlines");
}

/// What a witness is told of a request's checks is what decided on it, with the same numbers.
fn assert_checks_tell(runs: &[CheckRun], decisions: &[Decision]) {
    let refused = decisions.iter().find_map(|decision| match decision {
        Decision::Refused(refused) => Some(refused),
        _ => None,
    });
    let (last, earlier) = runs.split_last().expect("a request meets a check");
    assert!(earlier.iter().all(|run| run.passed), "{runs:?}");
    match refused {
        Some(refused) if !last.passed => assert_eq!(
            (refused.reason, refused.limit, refused.actual),
            (last.reason, last.limit, last.actual)
        ),
        // A repeated request is answered again as it was answered before.
        Some(refused) => assert!(
            WITHOUT_A_CHECK.contains(&refused.reason) || runs.len() == 1,
            "{refused:?} after {runs:?}"
        ),
        None => assert!(last.passed, "{last:?} decided nothing: {decisions:?}"),
    }
}
