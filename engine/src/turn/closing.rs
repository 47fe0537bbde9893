//! The last turns of a run whose journal has no room left: cancels go out, nothing comes in.

use super::{TIMERS_PER_TURN, Turn};
use crate::ports::{IntentJournal, JournalClosed, Messages, StageClock, Strategies, Venues};
use model::MonotonicNs;
use model::input::{Input, NotSentReason};

impl<J: IntentJournal, V: Venues, S: Strategies, M: Messages, C: StageClock> Turn<J, V, S, M, C> {
    /// A turn that takes nothing in: what waits for its sync comes back, acts under way go on, and
    /// what they send is written. No `Sent` entry is made of it: a missing one means "not known".
    ///
    /// # Errors
    /// [`JournalClosed`] as [`Turn::run`].
    pub fn run_closing(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        self.give_parked_back(now, NotSentReason::JournalFailed)?;
        for _ in 0..TIMERS_PER_TURN {
            if self.recorder.engine.state().tasks.is_empty() || self.next_deadline() > now {
                break;
            }
            self.take(now, &Input::Timer)?;
        }
        self.stamps.clear();
        self.venues.flush(&self.clock, &mut self.stamps.intents);
        Ok(())
    }
}
