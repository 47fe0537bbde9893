//! When the next connection attempt may begin.
//!
//! Invariants: the wait doubles from `base_ns` to `cap_ns`, half of it drawn from the seed, so many
//! links do not come back at once; in any 60 seconds at most `attempts_per_minute` begin, whatever
//! succeeded between. Owns no clock and no other randomness: same seed, same calls, same waits.
//! Must not know: links. Threads: none.

use std::collections::VecDeque;

/// The window of the budget in nanoseconds.
pub const BUDGET_WINDOW_NS: u64 = 60_000_000_000;

/// Bounds of the waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffRules {
    /// Wait before the first attempt after a success, in nanoseconds; at least 1.
    pub base_ns: u64,
    /// Longest wait in nanoseconds; the budget may ask for a longer one.
    pub cap_ns: u64,
    /// Attempts that may begin within any 60 seconds; at least 1.
    pub attempts_per_minute: u32,
}

/// The waits of one link.
#[derive(Clone, Debug)]
pub struct Backoff {
    rules: BackoffRules,
    failures: u32,
    random_state: u64,
    /// Begin of the last attempts, oldest first; never more than the budget.
    begun_at_ns: VecDeque<u64>,
}

impl Backoff {
    /// Starts with no failure and the whole budget. Allocates for the budget.
    ///
    /// # Panics
    /// When a rule is zero or `cap_ns` is below `base_ns`.
    pub fn new(rules: BackoffRules, seed: u64) -> Self {
        assert!(rules.base_ns > 0, "backoff base must be at least 1 ns");
        assert!(
            rules.cap_ns >= rules.base_ns,
            "backoff cap must not be below its base"
        );
        assert!(
            rules.attempts_per_minute > 0,
            "at least one attempt a minute"
        );
        let begun_at_ns = VecDeque::with_capacity(rules.attempts_per_minute as usize);
        Self {
            rules,
            failures: 0,
            random_state: seed,
            begun_at_ns,
        }
    }

    /// Books an attempt and says when it may begin, on the clock of `now_ns`. Each call is taken
    /// for one more failure until [`Self::succeeded`].
    pub fn next_attempt_at_ns(&mut self, now_ns: u64) -> u64 {
        let doubled = 1u64
            .checked_shl(self.failures)
            .and_then(|factor| self.rules.base_ns.checked_mul(factor));
        let whole_ns = doubled.unwrap_or(u64::MAX).min(self.rules.cap_ns);
        self.failures = self.failures.saturating_add(1);
        let half_ns = whole_ns / 2;
        let wait_ns = (whole_ns - half_ns) + self.random() % (half_ns + 1);
        let mut at_ns = now_ns.saturating_add(wait_ns);
        // Attempts are in order, even when one was put off by the budget.
        if let Some(last_ns) = self.begun_at_ns.back() {
            at_ns = at_ns.max(*last_ns);
        }
        if self.begun_at_ns.len() == self.rules.attempts_per_minute as usize
            && let Some(oldest_ns) = self.begun_at_ns.pop_front()
        {
            at_ns = at_ns.max(oldest_ns.saturating_add(BUDGET_WINDOW_NS));
        }
        self.begun_at_ns.push_back(at_ns);
        at_ns
    }

    /// The last attempt led to a working link: waits start again at the base. The budget stays.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Attempts booked since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random_state = self.random_state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
