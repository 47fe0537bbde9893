//! Orders of people: taken before anything else of a turn, so that a kill holds from their reading.
//!
//! What was let go before and has not left yet hears of a kill at once: commands that wait for the
//! disk, and plaintext that waits for its connection.

use super::Turn;
use crate::ports::{IntentJournal, JournalClosed, Messages, StageClock, Strategies, Venues};
use model::MonotonicNs;
use model::control::{Control, Latch};
use model::input::Input;

impl<J: IntentJournal, V: Venues, S: Strategies, M: Messages, C: StageClock> Turn<J, V, S, M, C> {
    pub(super) fn take_controls(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        while let Some(control) = self.messages.next_control() {
            self.take(now, &Input::Control(control))?;
            if let Control::SetLatch(order) = control
                && order.latch == Latch::Kill
                && order.close
            {
                let state = self.recorder.engine.state();
                let is_barred = |order, command| state.is_barred(order, command);
                self.venues.withdraw(now, is_barred);
                self.release_parked(now)?;
            }
        }
        Ok(())
    }
}
