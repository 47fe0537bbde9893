//! Whether a command that waited at the gate may still be sent.
//!
//! Asked by the turn when it releases a command, long after the engine decided on it. Reads only:
//! a refusal comes back as `NotSent`, which is the input that changes state.

use super::State;
use model::input::NotSentReason;
use model::{MonotonicNs, OrderIntent};

impl State {
    /// Whether a command may be sent now. `written_at`: when the request behind it was written.
    ///
    /// # Errors
    /// `Killed` under a kill latch that was closed since;
    /// `TooOld` past the command's own validity or `engine.max_request_age_ms`; `Withdrawn` when
    /// the order ended or the command is no longer one of its own.
    pub fn may_send(
        &self,
        now: MonotonicNs,
        intent: &OrderIntent,
        written_at: MonotonicNs,
    ) -> Result<(), NotSentReason> {
        if self.is_barred(intent.client_order_id, intent.command) {
            return Err(NotSentReason::Killed);
        }
        let age_ns = now.since_ns(written_at);
        let is_old = age_ns > self.config.request_age_max_ns;
        if is_old || self.unix_at(now) >= intent.valid_until {
            return Err(NotSentReason::TooOld);
        }
        let order = self.orders.get(intent.client_order_id);
        let is_pending = order.is_some_and(|order| {
            let mut pending = order.pending.iter().flatten();
            pending.any(|command| command.intent_seq == intent.intent_seq)
        });
        if is_pending {
            Ok(())
        } else {
            Err(NotSentReason::Withdrawn)
        }
    }
}
