//! Timers, and acts over more orders than one entry may hold.

use super::request_checks::{COMMANDS_MAX, may_be_cancelled};
use crate::engine::Pass;
use crate::order::{Certainty, Order};
use crate::state::{DeadlineKey, TaskProgress};
use model::decision::{VenueState, WideTask};
use model::journal_record::DECISIONS_MAX;
use model::order_change::{ChangeBody, UnknownCause};
use model::{ClientOrderId, CommandKind, Decision, MonotonicNs, RequestId, VenueId};

/// Decisions that one order can cause in a timer or task: the next one must fit whole, and the
/// progress of the task behind it.
const DECISIONS_PER_ORDER: usize = 8;
/// Slots that one step of a task looks at, so that a turn stays short.
const SLOTS_PER_STEP: u32 = 4096;
/// How soon a task comes back to orders that it had to pass over: at least, and at most.
const PAUSE_MIN_NS: u64 = 20 * model::time::NS_PER_MS;
const PAUSE_MAX_NS: u64 = 250 * model::time::NS_PER_MS;

impl Pass<'_> {
    /// Starts an act, unless one that waits will do the same.
    ///
    /// One that has passed some slots already does not reach what changed in them since. So at most
    /// two of a kind wait; what strategies ask for is bounded where they ask.
    pub(super) fn start_task(&mut self, task: WideTask) {
        let will_do = |progress: &TaskProgress| match (progress.task, task) {
            // The next sweep finds what this one would.
            (WideTask::AskUnseen { venue, .. }, WideTask::AskUnseen { venue: other, .. }) => {
                venue == other
            }
            (waiting, task) => waiting == task && progress.next_slot == 0,
        };
        if !self.state.tasks.iter().any(will_do) {
            self.emit(Decision::TaskStarted { task });
        }
    }

    /// Fires everything that is due, in (deadline, id) order, as far as one entry holds it.
    pub(crate) fn timer(&mut self) {
        if let Some(due) = self.state.due_task(self.moment.now) {
            self.move_task(due);
        }
        while let Some((at, key)) = self.state.deadlines.first() {
            if at > self.moment.now || !self.has_room() {
                break;
            }
            self.state.deadlines.pop();
            match key {
                DeadlineKey::Order(id) => self.order_deadline(id, at),
                DeadlineKey::Sweep(venue) => self.sweep_due(venue, at),
                DeadlineKey::Position(instrument) => self.position_due(instrument, at),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.out
            .as_slice()
            .len()
            .saturating_add(DECISIONS_PER_ORDER)
            < DECISIONS_MAX
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

    /// One step of the oldest task that is due.
    fn move_task(&mut self, due: usize) {
        let Some(progress) = self.state.tasks.get(due).copied() else {
            return;
        };
        if self.state.orders.open_count() == 0 || self.kill_is_over(&progress.task) {
            // Every act is about open orders only.
            return self.emit(Decision::TaskDone);
        }
        let slots = self.state.orders.slot_count();
        let mut slot = progress.next_slot;
        let end = slot.saturating_add(SLOTS_PER_STEP).min(slots);
        let now = self.moment.now;
        let mut passed_over = progress.passed_over;
        let mut again_at = now.after_ns(if passed_over {
            PAUSE_MIN_NS
        } else {
            PAUSE_MAX_NS
        });
        while slot < end && self.has_room() {
            if let Some(order) = self.state.orders.at(slot).copied()
                && let Some(free_at) = self.task_on(&progress.task, &order)
            {
                passed_over = true;
                again_at = again_at.min(free_at);
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
            let due_at = again_at.max(now.after_ns(PAUSE_MIN_NS));
            Decision::TaskMoved {
                next_slot: 0,
                due_at,
                passed_over: false,
            }
        } else {
            Decision::TaskDone
        };
        self.emit(decision);
        if decision == Decision::TaskDone {
            self.next_kill_round(&progress.task);
        }
    }

    /// Does a task's work on one order. When the order must be visited again: not before when.
    fn task_on(&mut self, task: &WideTask, order: &Order) -> Option<MonotonicNs> {
        match *task {
            WideTask::MarkUnknown { venue, cause } => {
                if self.state.venue_of(order.instrument) == Some(venue) {
                    self.mark_all_unknown(order, cause);
                }
                None
            }
            WideTask::AskUnseen {
                venue,
                sweep_no,
                asked_at_seq,
            } => {
                let unseen = self.state.venue_of(order.instrument) == Some(venue)
                    && Self::is_at_venue(order.status)
                    && order.seen_in_sweep < sweep_no
                    && order.news_sequence <= asked_at_seq
                    && !order.needs_asking();
                if unseen && !order.needs_operator && order.pending_of(CommandKind::New).is_none() {
                    let change = Self::change(order, ChangeBody::Unseen);
                    self.emit_change(order, change);
                }
                None
            }
            WideTask::CancelAll {
                strategy,
                instrument,
            } => {
                let in_scope = strategy.is_none_or(|strategy| strategy == order.strategy)
                    && instrument.is_none_or(|instrument| instrument == order.instrument);
                if in_scope {
                    self.cancel_for_task(order)
                } else {
                    None
                }
            }
            WideTask::KillCancel { scope, since, .. } => {
                let is_due = order.cancel_sequence < since;
                if is_due && self.state.is_in_scope(order, scope) {
                    self.cancel_for_task(order)
                } else {
                    None
                }
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

    /// Cancels an order unless that is under way. When the venue's connection or rate lets no
    /// cancel go now: when one may.
    fn cancel_for_task(&mut self, order: &Order) -> Option<MonotonicNs> {
        // One cancel whose effect is not known yet must not keep the others from their first.
        let is_under_way = order.pending_of(CommandKind::Cancel).is_some();
        let is_used_up = order.pending_is_full() || order.commands == COMMANDS_MAX;
        if is_under_way || is_used_up || !may_be_cancelled(order) {
            return None;
        }
        let now = self.moment.now;
        let venue = self.state.venue_of(order.instrument);
        let status = venue.and_then(|venue| self.state.venues.get(usize::from(venue.0)));
        if status.is_none_or(|status| status.link.is_none()) {
            return Some(now.after_ns(PAUSE_MAX_NS));
        }
        let free_at = self
            .state
            .command_free_at(order.instrument, CommandKind::Cancel, now);
        if free_at > now {
            return Some(free_at);
        }
        let (quantity, price) = (order.order_quantity, order.limit_price);
        let cancel = CommandKind::Cancel;
        self.start_command(order, cancel, RequestId(0), quantity, price, u64::MAX);
        None
    }
}
