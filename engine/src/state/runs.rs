//! Runs of the engine: what a new one keeps of the last, and which ids the journal gave out.

use super::{State, TaskProgress};
use model::decision::{VenueState, WideTask};
use model::{ClientOrderId, MonotonicNs};

impl State {
    /// True when this journal holds the birth of the order with this id, in the store or not.
    pub fn is_journaled(&self, id: ClientOrderId) -> bool {
        let current = self
            .epoch
            .map(|epoch| (epoch, self.next_order_sequence.saturating_sub(1)));
        let mut runs = self.past_runs.iter().copied().chain(current);
        runs.any(|(epoch, highest)| epoch.get() == id.epoch() && id.sequence() <= highest)
    }

    /// A new run: monotonic moments of the last one mean nothing any more.
    pub(super) fn begin_run(&mut self, now: MonotonicNs) {
        for rates in &mut self.rates {
            rates
                .by_rule
                .iter_mut()
                .flatten()
                .for_each(|rate| rate.assume_full(now));
        }
        for venue in &mut self.venues {
            venue.link = None;
            venue.state = VenueState::Down;
            venue.sweep_due = MonotonicNs::NEVER;
        }
        for strategy in &mut self.strategies {
            strategy.begin_run(now);
        }
        self.intake_open = true;
        // Cancels that were asked for go on; the rest begins anew with the connections.
        self.tasks
            .retain(|progress| matches!(progress.task, WideTask::CancelAll { .. }));
        for progress in &mut self.tasks {
            *progress = TaskProgress::begun(progress.task);
        }
        self.deadlines.clear();
        let ids: Vec<ClientOrderId> = self
            .orders
            .iter()
            .map(|order| order.client_order_id)
            .collect();
        for id in ids {
            if let Some(order) = self.orders.get_mut(id) {
                order.asked_at = MonotonicNs(0);
                order.ask_open = false;
                order.deadline = MonotonicNs::NEVER;
                order.ended_at = if order.status.is_terminal() {
                    now
                } else {
                    MonotonicNs(0)
                };
                for command in order.pending.iter_mut().flatten() {
                    command.decided_at = now;
                    command.answer_due = MonotonicNs::NEVER;
                }
            }
            self.renew_deadline(id);
        }
        self.begin_run_of_positions(now);
    }
}
