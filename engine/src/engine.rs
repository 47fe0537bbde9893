//! The engine: one input in, decisions out, and the same state changes whether live or folded.

use crate::decisions::Decisions;
use crate::handle::request_checks::RequestChecks;
use crate::order::Order;
use crate::risk::check_run::CheckRun;
use crate::state::State;
use model::input::{Input, RequestInput};
use model::order_change::ChangeBody;
use model::{Decision, EngineConfig, MonotonicNs, OrderChange, RejectReason, RequestId};

/// Version of the engine's decisions. Re-execution compares entries of one version only.
pub const ENGINE_VERSION: u32 = 1;

/// Where in the journal, and when, an input is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The sequence that the input's entry will have.
    pub sequence: u64,
    /// The turn's one reading of the monotonic clock.
    pub now: MonotonicNs,
}

/// The order engine.
#[derive(Debug)]
pub struct Engine {
    state: State,
}

impl Engine {
    /// An engine that knows no order, under a configuration.
    ///
    /// Allocates everything that it will ever need.
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            state: State::new(config),
        }
    }

    /// An engine that knows what a state says: one that was read from bytes.
    pub fn from_state(state: State) -> Self {
        Self { state }
    }

    /// What the engine knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Decides on one input. `decisions` is cleared first; what is in it afterwards is applied.
    ///
    /// # Panics
    /// When an invariant is broken: the caller's guard ends the process, and recovery begins anew.
    pub fn handle(&mut self, moment: Moment, input: &Input<'_>, decisions: &mut Decisions) {
        decisions.clear();
        let mut pass = Pass {
            state: &mut self.state,
            moment,
            out: decisions,
        };
        match input {
            Input::Request(request) => pass.request(request),
            Input::VenueFrame { reports, .. } => pass.venue_frame(input, reports),
            Input::LinkChanged(change) => pass.link_changed(input, change),
            Input::Timer => pass.timer(),
            Input::Control(control) => pass.control(*control),
            Input::ReconFact(fact) => pass.recon_fact(input, fact),
            Input::StrategyAttached {
                strategy,
                generation,
            } => {
                pass.strategy_attached(*strategy, *generation);
            }
            Input::StrategyLost {
                strategy,
                generation,
                ..
            } => {
                pass.strategy_lost(*strategy, *generation);
            }
            Input::RoomRefused(run) => pass.room_refused(input, run),
            Input::NotSent { intent_seq, reason } => pass.not_sent(*intent_seq, *reason),
            Input::RecoveryStarted(_) => pass.recovery_started(input),
            Input::ConfigApplied(_) | Input::InstrumentApplied(_) | Input::UtcAnchor(_) => {
                pass.state.apply_input(moment, input);
            }
        }
        self.state.drop_stale_deadlines();
    }

    /// Every check that a request meets, with its numbers, up to the first that it fails: the very
    /// checks that [`Self::handle`] runs.
    ///
    /// Call it behind the entry before the request's own, and fold the request's entry next: the
    /// request is taken note of here already, as `handle` does first.
    pub fn checks_of(&mut self, moment: Moment, input: &RequestInput) -> Vec<CheckRun> {
        let Some(strategy) = self.state.strategies.get(usize::from(input.strategy.0)) else {
            return vec![CheckRun::bare(RejectReason::BadRequest, false)];
        };
        let novelty = strategy.novelty(input.request_id, &input.request);
        let highest = strategy.last_request_id;
        self.state.apply_input(moment, &Input::Request(*input));
        let checks = RequestChecks {
            state: &self.state,
            moment,
            input,
        };
        checks.run_all(novelty, highest)
    }

    /// Takes over an input and the decisions that were recorded on it, deciding nothing.
    pub fn fold(&mut self, moment: Moment, input: &Input<'_>, decisions: &[Decision]) {
        self.state.apply_input(moment, input);
        for decision in decisions {
            self.state.apply(moment, decision);
        }
        self.state.drop_stale_deadlines();
    }

    /// When the engine wants a [`Input::Timer`]: at once while acts over many orders are under way.
    pub fn next_deadline(&self) -> MonotonicNs {
        self.state.next_deadline()
    }
}

/// One input being decided on. Every decision is applied as it is taken.
pub(crate) struct Pass<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) moment: Moment,
    pub(crate) out: &'a mut Decisions,
}

impl Pass<'_> {
    pub(crate) fn emit(&mut self, decision: Decision) {
        self.state.apply(self.moment, &decision);
        self.out.push(decision);
    }

    /// The change of an order as it stands, with `body`. Numbers that change are set by the caller.
    pub(crate) fn change(order: &Order, body: ChangeBody) -> OrderChange {
        OrderChange {
            strategy: order.strategy,
            event_seq: 0,
            client_order_id: order.client_order_id,
            request_id: order.request_id,
            instrument: order.instrument,
            side: order.side,
            status: order.status,
            unknown: false,
            order_quantity: order.order_quantity,
            limit_price: order.limit_price,
            cum_quantity: order.cum_quantity,
            body,
        }
    }

    /// Numbers the change for its strategy if it is published, and takes it.
    pub(crate) fn emit_change(&mut self, order: &Order, mut change: OrderChange) {
        change.unknown = unknown_after(order, &change);
        if change.event_kind().is_some() {
            change.event_seq = self.next_event_seq(change.strategy);
        }
        self.emit(Decision::Order(change));
    }

    /// The number of the strategy's next event; 0 for orders that no strategy owns.
    pub(crate) fn next_event_seq(&self, strategy: model::StrategyId) -> u64 {
        let strategy = self.state.strategies.get(usize::from(strategy.0));
        strategy.map_or(0, |strategy| strategy.next_event_seq)
    }

    /// The request that asked for a pending command.
    pub(crate) fn request_of(order: &Order, command_seq: u16) -> RequestId {
        let command = order
            .pending
            .iter()
            .flatten()
            .find(|command| command.command_seq == command_seq);
        command.map_or(order.request_id, |command| command.request_id)
    }
}

/// Whether a command's effect is unknown once the change is applied.
fn unknown_after(order: &Order, change: &OrderChange) -> bool {
    use crate::order::Certainty;
    if change.status.is_terminal() {
        return false;
    }
    let ended = match change.body {
        ChangeBody::CommandUnknown { .. } | ChangeBody::NeedsOperator { .. } => return true,
        ChangeBody::CommandEnded { command_seq, .. } | ChangeBody::Replaced { command_seq, .. } => {
            command_seq
        }
        _ => 0,
    };
    let heard = matches!(
        change.body,
        ChangeBody::Acknowledged { .. } | ChangeBody::Executed { .. } | ChangeBody::Linked { .. }
    );
    order.pending.iter().flatten().any(|command| {
        command.certainty != Certainty::InFlight
            && command.command_seq != ended
            && !(heard && command.command == model::CommandKind::New)
    })
}
