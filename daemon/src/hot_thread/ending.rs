//! How a run comes to its end: asked to, halted by a failed sync, or out of room.
//!
//! A failed sync is final: no new orders from then on, cancels and fills go on, and the run ends by
//! itself once nothing is open. A journal without room sends a cancel for every open order out of
//! what was kept for that, takes nothing in any more, and ends.

use super::{HotEnd, HotThread};
use engine::order::{Certainty, Order};
use model::MonotonicNs;
use model::input::{Control, Input, NotSentReason};
use model::time::{NS_PER_MS, NS_PER_S};
use std::time::Duration;

/// Between two looks at what the closing still has to write.
const CLOSING_LOOK: Duration = Duration::from_millis(2);

impl HotThread {
    /// The end, when it has come.
    pub(super) fn ending(&mut self, now: MonotonicNs) -> Option<HotEnd> {
        let has_failed = self.turn.journal.sync_failure().is_some();
        if has_failed && !self.is_halted {
            self.is_halted = true;
            let cancel_all = Input::Control(Control::CancelAll);
            if self.settings.cancel_on_journal_failure && self.turn.take(now, &cancel_all).is_err()
            {
                return Some(HotEnd::JournalFull);
            }
        }
        let is_asked = self.stop.is_requested();
        if !is_asked && !has_failed {
            return None;
        }
        if is_asked {
            self.turn.strategies.close_intake();
        }
        let state = self.turn.engine().state();
        let open_orders = state.orders.open_count();
        let waits_for_orders = !is_asked || self.stop.waits_for_orders();
        // Hanging up on an answer would make its command unknown. It comes, or times out.
        let is_busy = (waits_for_orders && open_orders > 0)
            || !state.tasks.is_empty()
            || state.orders.iter().any(awaits_answer);
        // A halt has no deadline of its own: what is open is watched until it ends.
        if is_busy && !is_asked {
            return None;
        }
        let began = *self.stop_began.get_or_insert(now);
        let quiet_ns = now.since_ns(began);
        if is_busy && quiet_ns < self.settings.stop_within_ns {
            return None;
        }
        // What still waits for the disk is not sent any more.
        if self
            .turn
            .give_parked_back(now, NotSentReason::LinkGone)
            .is_err()
        {
            return Some(HotEnd::JournalFull);
        }
        self.turn.venues.stop();
        let closing_ns = self.settings.stop_within_ns.saturating_add(NS_PER_S);
        if !self.turn.venues.is_closed() && quiet_ns < closing_ns {
            return None;
        }
        Some(match has_failed {
            true => HotEnd::JournalSyncFailed { open_orders },
            false => HotEnd::Stopped { open_orders },
        })
    }

    /// The journal's room is down to what the cancels need: they go out, and nothing else happens.
    pub(super) fn cancel_all_and_end(&mut self) -> HotEnd {
        let began = self.turn.clock.now();
        let cancel_all = Input::Control(Control::CancelAll);
        if self.turn.take(began, &cancel_all).is_err() {
            return HotEnd::JournalFull;
        }
        let mut cancels_out_at = None;
        loop {
            let now = self.turn.clock.now();
            self.turn.venues.service(now, &self.poll);
            if self.turn.run_closing(now).is_err() {
                return HotEnd::JournalFull;
            }
            if self.turn.engine().state().tasks.is_empty() {
                cancels_out_at.get_or_insert(now);
            }
            // What is in the sockets' queues still needs a moment to leave.
            let is_out =
                cancels_out_at.is_some_and(|at: MonotonicNs| now.since_ns(at) > 50 * NS_PER_MS);
            if is_out || now.since_ns(began) > self.settings.stop_within_ns {
                self.turn.venues.stop();
                self.turn.venues.service(now, &self.poll);
                return HotEnd::JournalFull;
            }
            self.look(Some(CLOSING_LOOK));
        }
    }
}

fn awaits_answer(order: &Order) -> bool {
    let mut commands = order.pending.iter().flatten();
    commands.any(|command| command.certainty == Certainty::InFlight)
}
