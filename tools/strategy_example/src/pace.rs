//! An even pace: at most so many messages in two seconds, never two at once.
//!
//! Must not know: what is sent. Threads: plain values; the caller has the clock.

const WINDOW_NS: u64 = 2_000_000_000;

/// Evenly spaced permits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    interval_ns: u64,
    next_at_ns: u64,
}

impl Pace {
    /// `messages` in two seconds, at least 1.
    pub(crate) fn per_two_seconds(messages: u32) -> Self {
        Self {
            interval_ns: WINDOW_NS / u64::from(messages.max(1)),
            next_at_ns: 0,
        }
    }

    /// When the next message may go.
    pub(crate) fn next_at_ns(&self) -> u64 {
        self.next_at_ns
    }

    pub(crate) fn is_free(&self, now_ns: u64) -> bool {
        self.next_at_ns <= now_ns
    }

    /// Counts one message. A caller that is late may catch up by one interval, not more.
    pub(crate) fn take(&mut self, now_ns: u64) {
        let earliest = now_ns.saturating_sub(self.interval_ns / 2);
        self.next_at_ns = self.next_at_ns.max(earliest) + self.interval_ns;
    }

    /// Nothing goes before this moment.
    pub(crate) fn hold_until(&mut self, until_ns: u64) {
        self.next_at_ns = self.next_at_ns.max(until_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_seconds_hold_more_than_the_limit_however_late_the_caller_is() {
        for step_ns in [1_000_000, 7_300_000, 41_000_000, 900_000_000] {
            let mut pace = Pace::per_two_seconds(56);
            let mut sent = Vec::new();
            let mut now_ns = 0;
            while now_ns < 10_000_000_000 {
                while pace.is_free(now_ns) {
                    pace.take(now_ns);
                    sent.push(now_ns);
                }
                now_ns += step_ns;
            }
            for (at, first) in sent.iter().enumerate() {
                let in_window = sent[at..]
                    .iter()
                    .take_while(|sent| **sent - first < WINDOW_NS);
                assert!(in_window.count() <= 60, "step {step_ns}");
            }
            if step_ns <= 7_300_000 {
                assert!(sent.len() > 270, "{} at step {step_ns}", sent.len());
            }
        }
    }

    #[test]
    fn a_hold_is_kept_and_does_not_save_up_messages() {
        let mut pace = Pace::per_two_seconds(20);
        pace.hold_until(5_000_000_000);
        assert!(!pace.is_free(4_999_999_999));
        pace.take(5_000_000_000);
        assert_eq!(pace.next_at_ns(), 5_100_000_000);
    }
}
