//! How many queries of each kind the venue takes, counted by us: it sends no headers about it.
//!
//! okx.com/docs-v5, "Rate Limits" and the heading of each endpoint. Invariant: in any window no
//! more
//! than nine tenths of the venue's limit are taken; the rest is for other programs with the same
//! account. Must not know: what is asked. Threads: none.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::venue::okx::rate_rules::RATE_WINDOW_NS;

/// The venue's 2 s and a margin for what the network does to our spacing.
const WINDOW: Duration = Duration::from_nanos(RATE_WINDOW_NS);

/// The budgets of one account, by path.
#[derive(Debug, Default)]
pub(super) struct QueryBudget {
    taken: BTreeMap<&'static str, VecDeque<Instant>>,
}

impl QueryBudget {
    /// Takes one query of the path, or tells how long to wait before the next try.
    pub(super) fn take(&mut self, path: &'static str, now: Instant) -> Result<(), Duration> {
        let taken = self.taken.entry(path).or_default();
        while taken
            .front()
            .is_some_and(|first| now.duration_since(*first) >= WINDOW)
        {
            taken.pop_front();
        }
        match taken.front() {
            Some(first) if taken.len() >= queries_per_window(path) => {
                Err(WINDOW.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                taken.push_back(now);
                Ok(())
            }
        }
    }
}

/// Nine tenths of the documented requests per 2 s.
fn queries_per_window(path: &str) -> usize {
    let documented: usize = match path {
        "/api/v5/trade/order" | "/api/v5/trade/orders-pending" | "/api/v5/trade/fills" => 60,
        "/api/v5/trade/orders-history" => 40,
        "/api/v5/public/instruments" | "/api/v5/account/instruments" => 20,
        "/api/v5/public/time" | "/api/v5/account/balance" | "/api/v5/account/positions" => 10,
        _ => 5,
    };
    documented * 9 / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: V16
    #[test]
    fn no_window_holds_more_than_nine_tenths_of_the_limit() {
        let mut budget = QueryBudget::default();
        let began = Instant::now();
        let mut taken = Vec::new();
        let mut now = began;
        while now < began + 5 * WINDOW {
            match budget.take("/api/v5/trade/fills", now) {
                Ok(()) => taken.push(now),
                Err(wait) => now += wait,
            }
        }
        assert_eq!(taken.len(), 54 * 5);
        for start in &taken {
            let within = taken
                .iter()
                .filter(|at| *at >= start && **at < *start + WINDOW);
            assert!(within.count() <= 54);
        }
    }

    #[test]
    fn paths_do_not_share_a_budget() {
        let mut budget = QueryBudget::default();
        let now = Instant::now();
        while budget.take("/api/v5/public/time", now).is_ok() {}
        assert_eq!(budget.take("/api/v5/trade/order", now), Ok(()));
        assert_eq!(budget.take("/api/v5/public/time", now), Err(WINDOW));
        assert_eq!(budget.take("/api/v5/public/time", now + WINDOW), Ok(()));
    }
}
