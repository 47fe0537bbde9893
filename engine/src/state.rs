//! Everything that the engine knows. Changed in one way only: inputs and decisions are applied.
//!
//! The live engine and recovery run the same two functions (`apply_input`, `apply`), so what a
//! journal folds to is what the live engine was. Nothing in here decides.

mod apply_change;
mod deadlines;
pub(crate) mod digest;
mod facts;
mod latches;
mod may_send;
mod positions;
mod rates;
mod reconfigure;
mod runs;
mod state_bytes;
mod strategy;
mod tasks;

pub use deadlines::{DeadlineKey, Deadlines};
pub use latches::Latches;
use positions::ForeignFills;
pub use positions::{AccountPosition, BALANCES_MAX, BalanceBook, KnownBalance};
pub(crate) use rates::VenueRates;
pub use state_bytes::{STATE_VERSION, StateBytesError};
pub use strategy::{Answer, RequestNovelty, StrategyState};
pub use tasks::{TASKS_MAX, TaskProgress};

use crate::engine::Moment;
use crate::order::{ASK_LOST_NS, ExecutionTable, OrderStore, PROBES_MAX};
use crate::risk::exposure::Exposure;
use model::decision::VenueState;
use model::engine_config::VenuePolicy;
use model::input::{Input, LinkState};
use model::{
    BootEpoch, ClientOrderId, Decision, EngineConfig, InstrumentId, LinkId, MonotonicNs,
    RejectReason, UnixNs, UtcAnchor, VenueId, canonical_struct,
};
use std::collections::VecDeque;

canonical_struct! {
    /// What is known of one venue.
    #[derive(Debug, Clone)]
    pub struct VenueStatus {
        /// Whether it takes new orders.
        pub state: VenueState,
        /// The connection that is up.
        pub link: Option<LinkId>,
        /// Sweeps so far.
        pub sweep_no: u32,
        /// When the next sweep is due.
        pub sweep_due: MonotonicNs,
        /// Rows of position pushes about what is not in our instruments.
        pub positions_elsewhere: u64,
    }
}

/// Where a sweep stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SweepStep {
    /// The venue is being asked.
    Started,
    /// Something could not be read.
    Failed,
    /// Every page of every list was read.
    Complete,
}

impl SweepStep {
    const fn ended(complete: bool) -> Self {
        if complete {
            Self::Complete
        } else {
            Self::Failed
        }
    }
}

/// The engine's whole state.
#[derive(Debug)]
pub struct State {
    /// The configuration in force.
    pub config: EngineConfig,
    /// The run; `None` before the first RecoveryStarted.
    pub epoch: Option<BootEpoch>,
    /// The clocks' pair.
    pub anchor: UtcAnchor,
    /// Past runs, each with the highest sequence that it gave to an order.
    pub past_runs: Vec<(BootEpoch, u32)>,
    /// The sequence that the next new order tries first.
    pub next_order_sequence: u32,
    /// How far behind it the search for a free slot goes on, after slots that were all taken.
    pub probe_offset: u32,
    /// Number of the next command.
    pub next_intent_seq: u64,
    /// Every order.
    pub orders: OrderStore,
    /// Every booked execution of them.
    pub executions: ExecutionTable,
    /// By instrument.
    pub exposures: Vec<Exposure>,
    /// What the account holds, by instrument.
    pub positions: Vec<AccountPosition>,
    /// Foreign executions that count already.
    pub(crate) foreign_fills: ForeignFills,
    /// What the venues state of money.
    pub balances: BalanceBook,
    /// By strategy.
    pub strategies: Vec<StrategyState>,
    /// By venue.
    pub venues: Vec<VenueStatus>,
    /// By venue, rule and instrument.
    pub(crate) rates: Vec<VenueRates>,
    /// False while an operator or a stop keeps new requests out.
    pub intake_open: bool,
    /// What a person has closed.
    pub latches: Latches,
    /// Acts over many orders, oldest first.
    pub tasks: VecDeque<TaskProgress>,
    /// What is due when.
    pub(crate) deadlines: Deadlines,
}

impl State {
    /// An empty state under a configuration.
    pub fn new(config: &EngineConfig) -> Self {
        let instruments = config.instruments.len();
        let venue = |_: &VenuePolicy| VenueStatus {
            state: VenueState::Down,
            link: None,
            sweep_no: 0,
            sweep_due: MonotonicNs::NEVER,
            positions_elsewhere: 0,
        };
        Self {
            epoch: None,
            past_runs: Vec::new(),
            anchor: UtcAnchor::default(),
            next_order_sequence: 1,
            probe_offset: 0,
            next_intent_seq: 1,
            orders: OrderStore::with_capacity(config.order_capacity),
            executions: ExecutionTable::with_capacity(config.execution_capacity),
            exposures: vec![Exposure::default(); instruments],
            positions: vec![AccountPosition::default(); instruments],
            foreign_fills: ForeignFills::default(),
            balances: BalanceBook::default(),
            strategies: config
                .strategies
                .iter()
                .map(|policy| StrategyState::new(config.answer_window, policy.orders_per_s_max))
                .collect(),
            venues: config.venues.iter().map(venue).collect(),
            rates: config
                .venues
                .iter()
                .map(|policy| VenueRates::new(policy, instruments))
                .collect(),
            intake_open: true,
            latches: Latches::with_room_for(config),
            tasks: VecDeque::with_capacity(TASKS_MAX),
            deadlines: Deadlines::with_capacity(config.order_capacity),
            config: config.clone(),
        }
    }

    /// The UTC moment of `now`.
    pub fn unix_at(&self, now: MonotonicNs) -> UnixNs {
        self.anchor.unix_at(now)
    }

    /// The policy of an instrument's venue.
    pub fn venue_of(&self, instrument: InstrumentId) -> Option<VenueId> {
        self.config
            .instruments
            .get(place(instrument.0))
            .map(|policy| policy.instrument.venue)
    }

    /// A venue's policy.
    pub fn venue_policy(&self, venue: VenueId) -> Option<&VenuePolicy> {
        self.config.venues.get(usize::from(venue.0))
    }

    /// Applies what an input says by itself, before anything is decided on it.
    pub(crate) fn apply_input(&mut self, moment: Moment, input: &Input<'_>) {
        match input {
            Input::Request(request) => {
                if let Some(strategy) = self.strategies.get_mut(usize::from(request.strategy.0)) {
                    strategy.note_request(request);
                }
            }
            Input::LinkChanged(change) => {
                if let Some(venue) = self.venues.get_mut(usize::from(change.venue.0)) {
                    match change.state {
                        LinkState::Up => venue.link = Some(change.link),
                        LinkState::Down if venue.link == Some(change.link) => venue.link = None,
                        LinkState::Down => {}
                    }
                }
            }
            Input::InstrumentApplied(instrument) => {
                if let Some(policy) = self.config.instruments.get_mut(place(instrument.id.0)) {
                    policy.instrument = *instrument;
                }
            }
            Input::UtcAnchor(anchor) => self.anchor = *anchor,
            Input::RecoveryStarted(started) => {
                if let Some(past) = self.epoch {
                    self.past_runs
                        .push((past, self.next_order_sequence.saturating_sub(1)));
                }
                self.epoch = Some(started.epoch);
                self.anchor = started.anchor;
                self.next_order_sequence = 1;
                self.begin_run(moment.now);
            }
            Input::ReconFact(fact) => self.apply_fact(moment, fact),
            Input::VenueFrame { venue, reports, .. } => {
                self.apply_statements(moment, *venue, reports);
            }
            Input::Timer
            | Input::Control(_)
            | Input::StrategyAttached { .. }
            | Input::StrategyLost { .. }
            | Input::NotSent { .. } => {}
            Input::ConfigApplied(config) => self.reconfigure(config),
            // A slot that is no request has no id that could be believed: its number moves nothing.
            Input::RoomRefused(run) if run.reason == RejectReason::BadRequest => {}
            Input::RoomRefused(run) => {
                if let Some(strategy) = self.strategies.get_mut(usize::from(run.strategy.0)) {
                    strategy.last_request_id = strategy.last_request_id.max(run.last);
                }
            }
        }
    }

    /// The order that a report means: by our id, else by the venue's.
    pub fn find_order(
        &self,
        client_order_id: Option<ClientOrderId>,
        venue_order_id: &model::VenueOrderId,
    ) -> Option<ClientOrderId> {
        match client_order_id {
            Some(id) => self.orders.get(id).map(|order| order.client_order_id),
            None if venue_order_id.is_empty() => None,
            None => self
                .orders
                .get_by_venue_id(venue_order_id)
                .map(|order| order.client_order_id),
        }
    }

    /// When a timer is wanted: at once while an act over many orders can go on.
    pub(crate) fn next_deadline(&self) -> MonotonicNs {
        let tasks = self.tasks.iter().map(|progress| progress.due_at);
        let task = tasks.min().unwrap_or(MonotonicNs::NEVER);
        let first = self
            .deadlines
            .first()
            .map_or(MonotonicNs::NEVER, |(at, _)| at);
        task.min(first)
    }

    /// Drops entries that their owner no longer has from the front of the deadlines.
    ///
    /// So no timer is fed in vain, and the live engine (which takes entries out as they fire) and a
    /// folded one (which fires nothing) wait for the same moment.
    pub(crate) fn drop_stale_deadlines(&mut self) {
        while let Some((at, key)) = self.deadlines.first() {
            if is_current(&self.orders, &self.venues, &self.positions, at, key) {
                break;
            }
            self.deadlines.pop();
        }
    }

    /// Applies one decision.
    pub(crate) fn apply(&mut self, moment: Moment, decision: &Decision) {
        match decision {
            Decision::Order(change) => self.apply_change(moment, change),
            Decision::Refused(refused) => {
                self.move_probe(refused.reason);
                let answer = Answer::Refused(refused.reason);
                self.note_event(refused.strategy, refused.event_seq);
                self.note_answer(refused.strategy, refused.request_id, answer);
            }
            Decision::CancelAllAccepted {
                strategy,
                event_seq,
                request_id,
            } => {
                self.note_event(*strategy, *event_seq);
                self.note_answer(*strategy, *request_id, Answer::Taken(None));
            }
            Decision::RunRefused {
                strategy,
                event_seq,
                ..
            } => {
                self.note_event(*strategy, *event_seq);
            }
            Decision::TaskStarted { .. } | Decision::TaskMoved { .. } | Decision::TaskDone => {
                self.apply_task(moment.now, decision);
            }
            Decision::Venue { venue, state } => {
                if let Some(status) = self.venues.get_mut(usize::from(venue.0)) {
                    status.state = *state;
                    if *state == VenueState::Down {
                        status.sweep_due = MonotonicNs::NEVER;
                    }
                }
            }
            Decision::SweepStarted { venue, sweep_no } => {
                self.set_sweep(*venue, *sweep_no, moment.now, SweepStep::Started);
            }
            Decision::SweepEnded {
                venue,
                sweep_no,
                complete,
            } => {
                self.set_sweep(*venue, *sweep_no, moment.now, SweepStep::ended(*complete));
            }
            Decision::Strategy {
                strategy,
                generation,
                attached,
                ..
            } => {
                if let Some(state) = self.strategies.get_mut(usize::from(strategy.0)) {
                    state.generation = *generation;
                    state.attached = *attached;
                }
            }
            Decision::Evicted { client_order_id } => {
                if let Some(order) = self.orders.remove(*client_order_id) {
                    self.executions
                        .remove_all(*client_order_id, order.first_execution);
                }
            }
            Decision::Intake { open } => self.intake_open = *open,
            Decision::LatchSet { .. } => self.latches.apply(decision),
            Decision::Position { .. } | Decision::Foreign(_) => {
                self.apply_position_decision(moment, decision);
            }
            Decision::Alarm { .. } | Decision::Ignored(_) => {}
        }
    }

    /// After a search that found every slot taken, the next one goes on behind it.
    fn move_probe(&mut self, reason: RejectReason) {
        if reason == RejectReason::StoreFull {
            let next = self.probe_offset.saturating_add(PROBES_MAX);
            self.probe_offset = if next < self.config.order_capacity {
                next
            } else {
                0
            };
        }
    }

    /// A sweep began or ended: when is the next one due?
    fn set_sweep(&mut self, venue: VenueId, sweep_no: u32, now: MonotonicNs, step: SweepStep) {
        let at = usize::from(venue.0);
        let Some(policy) = self.config.venues.get(at) else {
            return;
        };
        let pause_ns = match step {
            SweepStep::Started => ASK_LOST_NS,
            SweepStep::Failed => policy.ask_interval_ns,
            SweepStep::Complete => policy.sweep_interval_ns,
        };
        if let Some(status) = self.venues.get_mut(at) {
            status.sweep_no = sweep_no;
            status.sweep_due = now.after_ns(pause_ns);
            self.deadlines
                .set(status.sweep_due, DeadlineKey::Sweep(venue));
        }
    }

    pub(crate) fn note_event(&mut self, strategy: model::StrategyId, event_seq: u64) {
        if event_seq == 0 {
            return;
        }
        if let Some(state) = self.strategies.get_mut(usize::from(strategy.0)) {
            assert_eq!(
                state.next_event_seq, event_seq,
                "events have no gap and no repeat"
            );
            state.next_event_seq = event_seq.wrapping_add(1);
        }
    }

    pub(crate) fn note_answer(
        &mut self,
        strategy: model::StrategyId,
        request_id: model::RequestId,
        answer: Answer,
    ) {
        if let Some(state) = self.strategies.get_mut(usize::from(strategy.0)) {
            state.note_answer(request_id, answer);
        }
    }
}

/// True while the owner of a deadline still wants it.
fn is_current(
    orders: &OrderStore,
    venues: &[VenueStatus],
    positions: &[AccountPosition],
    at: MonotonicNs,
    key: DeadlineKey,
) -> bool {
    match key {
        DeadlineKey::Order(id) => orders.get(id).is_some_and(|order| order.deadline == at),
        DeadlineKey::Sweep(venue) => venues
            .get(usize::from(venue.0))
            .is_some_and(|status| status.sweep_due == at),
        DeadlineKey::Position(instrument) => positions
            .get(place(instrument.0))
            .is_some_and(|position| position.check_due == at),
    }
}

/// True when the venue's state is an end.
pub(crate) const fn ends(state: model::execution_report::VenueOrderState) -> bool {
    use model::execution_report::VenueOrderState as V;
    match state {
        V::Live | V::PartiallyFilled => false,
        V::Filled | V::Cancelled | V::Expired | V::Rejected => true,
    }
}

/// A 32-bit id as a place in a list.
pub(crate) fn place(id: u32) -> usize {
    usize::try_from(id).expect("a u32 fits a usize")
}
