//! Sliding-window request limits.
//!
//! Invariants: a refused request does not count. Memory per key is bounded by its limit. Must not
//! know: which limits exist; time comes as an argument in milliseconds.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Counters of one family of limits, by key.
pub(crate) struct SlidingWindows<K> {
    window_ms: i64,
    taken: HashMap<K, VecDeque<(i64, u32)>>,
}

impl<K: Eq + Hash> SlidingWindows<K> {
    pub(crate) fn new(window_ms: i64) -> Self {
        Self {
            window_ms,
            taken: HashMap::new(),
        }
    }

    /// Takes `count` from a key's budget of `limit` per window. Returns whether there was room.
    pub(crate) fn take(&mut self, key: K, now_ms: i64, count: u32, limit: u32) -> bool {
        let taken = self.taken.entry(key).or_default();
        while taken
            .front()
            .is_some_and(|(at_ms, _)| now_ms - at_ms >= self.window_ms)
        {
            taken.pop_front();
        }
        if taken.back().is_some_and(|(at_ms, _)| *at_ms > now_ms) {
            // The clock was set back; what it said before is no measure any more.
            taken.clear();
        }
        let used: u32 = taken.iter().map(|(_, amount)| amount).sum();
        if used.saturating_add(count) > limit {
            return false;
        }
        match taken.back_mut() {
            Some((at_ms, amount)) if *at_ms == now_ms => *amount += count,
            _ => taken.push_back((now_ms, count)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::SlidingWindows;

    #[test]
    fn a_full_window_refuses_until_the_oldest_request_leaves_it() {
        let mut windows = SlidingWindows::new(2_000);
        for request in 0..60 {
            assert!(windows.take("a", request, 1, 60));
        }
        assert!(!windows.take("a", 1_999, 1, 60));
        assert!(
            windows.take("b", 1_999, 1, 60),
            "another key has its own budget"
        );
        assert!(
            windows.take("a", 2_000, 1, 60),
            "the request of t=0 left the window"
        );
        assert!(
            !windows.take("a", 2_000, 1, 60),
            "the refused request did not count"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_block_for_ever() {
        let mut windows = SlidingWindows::new(2_000);
        assert!(windows.take("a", 600_000, 1, 1));
        assert!(windows.take("a", 0, 1, 1));
        assert!(!windows.take("a", 1, 1, 1));
    }

    #[test]
    fn a_batch_that_does_not_fit_whole_takes_nothing() {
        let mut windows = SlidingWindows::new(2_000);
        assert!(windows.take("a", 0, 290, 300));
        assert!(!windows.take("a", 1, 20, 300));
        assert!(windows.take("a", 2, 10, 300));
    }
}
