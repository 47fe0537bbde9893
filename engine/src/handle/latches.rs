//! Latches: closed and opened by order; what a closed one refuses, and the cancels of a kill.
//!
//! A kill cancels in rounds. A round gives every open order under the latch one cancel, as fast as
//! the venue's rates allow; while orders are still open after it, another follows after a pause.
//! So an order that turns out to be alive later is cancelled too, and one whose cancel has no
//! effect cannot keep the others from theirs.

use super::request_checks::RequestChecks;
use crate::engine::Pass;
use crate::order::Order;
use crate::risk::check::{Breach, Terms, require};
use crate::risk::check_run::CheckWitness;
use crate::risk::reduce_only;
use model::control::{ControlScope, Latch, LatchOrder};
use model::decision::WideTask;
use model::time::NS_PER_S;
use model::{Decision, InstrumentId, RejectReason, Request, StrategyId};

/// Between the first round of cancels and the second; doubled from round to round.
const ROUND_PAUSE_NS: u64 = NS_PER_S;
/// The longest pause between two rounds.
const ROUND_PAUSE_NS_MAX: u64 = 8 * NS_PER_S;

impl Pass<'_> {
    /// Closes or opens a latch. Closing a closed one begins its cancels anew.
    pub(super) fn set_latch(&mut self, order: &LatchOrder) {
        self.emit(Decision::LatchSet {
            latch: order.latch,
            scope: order.scope,
            closed: order.close,
        });
        if order.latch == Latch::Kill && order.close {
            self.start_kill_cancel(order.scope, 0);
        }
    }

    /// The cancels of every closed kill latch that covers some order: at a new run.
    pub(super) fn resume_kills(&mut self) {
        for place in 0..self.state.latches.closed().len() {
            let closed = self.state.latches.closed().get(place).copied();
            if let Some((Latch::Kill, scope)) = closed {
                self.start_kill_cancel(scope, 0);
            }
        }
    }

    /// An order that nobody expected came to be open: under a kill latch it is cancelled too. A
    /// round that is under way or to come will reach it.
    pub(super) fn cancel_if_killed(&mut self, strategy: StrategyId, instrument: InstrumentId) {
        let venue = self.state.venue_of(instrument);
        for place in 0..self.state.latches.closed().len() {
            let closed = self.state.latches.closed().get(place).copied();
            if let Some((Latch::Kill, scope)) = closed
                && scope.covers(strategy, instrument, venue)
                && !self.is_cancelling(scope)
            {
                self.start_kill_cancel(scope, 0);
            }
        }
    }

    fn is_cancelling(&self, scope: ControlScope) -> bool {
        let mut tasks = self.state.tasks.iter();
        tasks.any(|waiting| {
            matches!(waiting.task, WideTask::KillCancel { scope: other, .. } if other == scope)
        })
    }

    fn start_kill_cancel(&mut self, scope: ControlScope, round: u16) {
        let now = self.moment.now;
        let due_at = match round {
            0 => model::MonotonicNs(0),
            later => {
                let doublings = u32::from(later).saturating_sub(1).min(16);
                now.after_ns(
                    ROUND_PAUSE_NS
                        .saturating_mul(1 << doublings)
                        .min(ROUND_PAUSE_NS_MAX),
                )
            }
        };
        // Cancels of this very entry belong to the round that ends with it.
        let since = self.moment.sequence.saturating_add(1);
        let task = WideTask::KillCancel {
            scope,
            round,
            since,
            due_at,
        };
        self.emit(Decision::TaskStarted { task });
    }

    /// True when a kill's cancels have nothing more to do: the latch was opened, or nothing under
    /// it is open.
    pub(super) fn kill_is_over(&self, task: &WideTask) -> bool {
        match task {
            WideTask::KillCancel { scope, .. } => {
                !self.state.latches.is_closed(Latch::Kill, *scope)
                    || self.state.open_in_scope(*scope) == 0
            }
            _ => false,
        }
    }

    /// After a round that passed nobody over: the next one, while orders are still open.
    pub(super) fn next_kill_round(&mut self, task: &WideTask) {
        if let WideTask::KillCancel { scope, round, .. } = task
            && !self.kill_is_over(task)
        {
            self.start_kill_cancel(*scope, round.saturating_add(1));
        }
    }
}

impl RequestChecks<'_> {
    /// No new order under a kill latch; asked before the room for it, so that its sender is told.
    pub(super) fn not_killed(&self, witness: &mut impl CheckWitness) -> Result<(), Breach> {
        let Request::New(order) = &self.input.request else {
            return Ok(());
        };
        let killed = self.state.is_killed(self.input.strategy, order.instrument);
        require(witness, RejectReason::Killed, !killed)
    }

    /// Under a reduce-only latch, only terms that make the worst-case position smaller. `replaced`:
    /// the order whose terms they would be.
    pub(super) fn reduce_only(
        &self,
        instrument: InstrumentId,
        terms: &Terms,
        replaced: Option<&Order>,
        witness: &mut impl CheckWitness,
    ) -> Result<(), Breach> {
        if !self.state.is_reduce_only(self.input.strategy, instrument) {
            return Ok(());
        }
        let shrinks = |order: &Order| terms.order_quantity < order.order_quantity;
        if replaced.is_some_and(shrinks) {
            return Ok(());
        }
        let exposure = self.state.exposures.get(crate::state::place(instrument.0));
        let exposure = exposure.ok_or(Breach::bare(RejectReason::RiskNotAllowed))?;
        reduce_only::check(exposure, terms, witness)
    }
}
