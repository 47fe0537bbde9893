//! Timers, and acts over more orders than one entry may hold.

use super::requests::may_be_cancelled;
use crate::engine::Pass;
use crate::order::{Certainty, Order};
use crate::state::{DeadlineKey, TASKS_MAX};
use model::decision::{VenueState, WideTask};
use model::journal_record::DECISIONS_MAX;
use model::order_change::{ChangeBody, UnknownCause};
use model::{ClientOrderId, CommandKind, Decision, MonotonicNs, RequestId, VenueId};

/// Decisions that one order can cause in a timer or task: the next one must fit whole.
const DECISIONS_PER_ORDER: usize = 8;
/// Slots that one step of a task looks at, so that a turn stays short.
const SLOTS_PER_STEP: u32 = 4096;

impl Pass<'_> {
    pub(super) fn start_task(&mut self, task: WideTask) {
        if self
            .state
            .tasks
            .iter()
            .any(|progress| progress.task == task)
        {
            return;
        }
        assert!(
            self.state.tasks.len() < TASKS_MAX,
            "distinct acts are bounded by venues and strategies"
        );
        self.emit(Decision::TaskStarted { task });
    }

    /// Fires everything that is due, in (deadline, id) order, as far as one entry holds it.
    pub(crate) fn timer(&mut self) {
        if self
            .state
            .tasks
            .front()
            .is_some_and(|progress| progress.due_at <= self.moment.now)
        {
            self.move_task();
        }
        while let Some((at, key)) = self.state.deadlines.first() {
            if at > self.moment.now || !self.has_room() {
                break;
            }
            self.state.deadlines.pop();
            match key {
                DeadlineKey::Order(id) => self.order_deadline(id, at),
                DeadlineKey::Sweep(venue) => self.sweep_due(venue, at),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.out
            .as_slice()
            .len()
            .saturating_add(DECISIONS_PER_ORDER)
            <= DECISIONS_MAX
    }

    fn order_deadline(&mut self, id: ClientOrderId, at: MonotonicNs) {
        let order = self.state.orders.get(id).copied();
        if let Some(order) = order.filter(|order| order.deadline == at) {
            self.order_due(&order);
        }
    }

    fn sweep_due(&mut self, venue: VenueId, at: MonotonicNs) {
        let status = self.state.venues.get(usize::from(venue.0));
        if status.is_some_and(|status| status.sweep_due == at && status.state != VenueState::Down) {
            self.start_sweep(venue);
        }
    }

    pub(super) fn start_sweep(&mut self, venue: VenueId) {
        let status = self.state.venues.get(usize::from(venue.0));
        let sweep_no = status.map_or(0, |status| status.sweep_no).wrapping_add(1);
        self.emit(Decision::SweepStarted { venue, sweep_no });
    }

    /// One step of the oldest task.
    fn move_task(&mut self) {
        let Some(progress) = self.state.tasks.front().copied() else {
            return;
        };
        let slots = self.state.orders.slot_count();
        let mut slot = progress.next_slot;
        let end = slot.saturating_add(SLOTS_PER_STEP).min(slots);
        let mut passed_over = progress.passed_over;
        while slot < end && self.has_room() {
            if let Some(order) = self.state.orders.at(slot).copied() {
                passed_over |= !self.task_on(&progress.task, &order);
            }
            slot = slot.saturating_add(1);
        }
        let decision = if slot < slots {
            Decision::TaskMoved {
                next_slot: slot,
                due_at: MonotonicNs(0),
                passed_over,
            }
        } else if passed_over {
            let due_at = self.moment.now.after_ns(20 * model::time::NS_PER_MS);
            Decision::TaskMoved {
                next_slot: 0,
                due_at,
                passed_over: false,
            }
        } else {
            Decision::TaskDone
        };
        self.emit(decision);
    }

    /// Does a task's work on one order. False when the order must be visited again.
    fn task_on(&mut self, task: &WideTask, order: &Order) -> bool {
        match *task {
            WideTask::MarkUnknown { venue, cause } => {
                if self.state.venue_of(order.instrument) == Some(venue) {
                    self.mark_all_unknown(order, cause);
                }
                true
            }
            WideTask::AskUnseen {
                venue,
                sweep_no,
                asked_at_seq,
            } => {
                let unseen = self.state.venue_of(order.instrument) == Some(venue)
                    && Self::is_at_venue(order.status)
                    && order.seen_in_sweep != sweep_no
                    && order.news_sequence <= asked_at_seq
                    && !order.needs_asking();
                if unseen && !order.needs_operator && order.pending_of(CommandKind::New).is_none() {
                    let change = Self::change(order, ChangeBody::Unseen);
                    self.emit_change(order, change);
                }
                true
            }
            WideTask::CancelAll {
                strategy,
                instrument,
            } => {
                let in_scope = strategy.is_none_or(|strategy| strategy == order.strategy)
                    && instrument.is_none_or(|instrument| instrument == order.instrument);
                !in_scope || self.cancel_for_task(order)
            }
        }
    }

    fn mark_all_unknown(&mut self, order: &Order, cause: UnknownCause) {
        for command in order.pending.iter().flatten() {
            let current = self.state.orders.get(order.client_order_id).copied();
            if let Some(current) = current.filter(|_| command.certainty == Certainty::InFlight) {
                self.mark_unknown(&current, command.command_seq, cause);
            }
        }
    }

    /// Cancels an order unless that is under way. False when the venue's rate lets none go now.
    fn cancel_for_task(&mut self, order: &Order) -> bool {
        if !may_be_cancelled(order) || order.pending_is_full() {
            return true;
        }
        let now = self.moment.now;
        if self
            .state
            .command_free_at(order.instrument, CommandKind::Cancel, now)
            > now
        {
            return false;
        }
        let (quantity, price) = (order.order_quantity, order.limit_price);
        self.start_command(order, CommandKind::Cancel, RequestId(0), quantity, price);
        true
    }
}
