//! A strategy's request quota, and the run of refusals that one record covers.
//!
//! A flood costs its sender its own requests and one journal entry per tenth of a second, nothing
//! more: not the journal's room, not the other strategies' turns.

use model::input::RoomRefused;
use model::time::{NS_PER_MS, NS_PER_S};
use model::{MonotonicNs, RejectReason, RequestId, StrategyId};

/// A run is journaled when it is this old.
const RUN_NS: u64 = 100 * NS_PER_MS;

/// One strategy's quota.
#[derive(Debug)]
pub(super) struct RequestQuota {
    per_second: u32,
    second_began: MonotonicNs,
    taken: u32,
    run: Option<(MonotonicNs, RoomRefused)>,
}

impl RequestQuota {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            second_began: MonotonicNs(0),
            taken: 0,
            run: None,
        }
    }

    /// Counts a request; false when it is over the quota of its second.
    pub(super) fn take(&mut self, now: MonotonicNs) -> bool {
        if now.since_ns(self.second_began) >= NS_PER_S {
            self.second_began = now;
            self.taken = 0;
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= self.per_second
    }

    /// True when a refusal for `reason` belongs to the run under way.
    pub(super) fn joins_run(&self, reason: RejectReason) -> bool {
        self.run.is_none_or(|(_, run)| run.reason == reason)
    }

    pub(super) fn refuse(
        &mut self,
        now: MonotonicNs,
        strategy: StrategyId,
        request_id: RequestId,
        reason: RejectReason,
    ) {
        let fresh = RoomRefused {
            strategy,
            first: request_id,
            last: request_id,
            count: 0,
            reason,
        };
        let (_, run) = self.run.get_or_insert((now, fresh));
        run.last = request_id;
        run.count = run.count.saturating_add(1);
    }

    /// The run, when it is over or has become old.
    pub(super) fn close(&mut self, now: MonotonicNs, over: bool) -> Option<RoomRefused> {
        let (began, run) = self.run?;
        if !over && now.since_ns(began) < RUN_NS {
            return None;
        }
        self.run = None;
        Some(run)
    }

    /// When the run under way must be journaled.
    pub(super) fn run_due(&self) -> MonotonicNs {
        self.run
            .map_or(MonotonicNs::NEVER, |(began, _)| began.after_ns(RUN_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: R10
    #[test]
    fn a_flood_is_refused_in_runs_and_the_next_second_is_free_again() {
        let mut quota = RequestQuota::new(10);
        let mut runs = Vec::new();
        for request in 1..=1_000u64 {
            let now = MonotonicNs(request * NS_PER_MS);
            if !quota.take(now) {
                quota.refuse(
                    now,
                    StrategyId(0),
                    RequestId(request),
                    RejectReason::RateLimit,
                );
            }
            runs.extend(quota.close(now, false));
        }
        let refused: u64 = runs.iter().map(|run| run.count).sum();
        assert!(runs.len() <= 10, "{} records for one second", runs.len());
        assert!((900..=990).contains(&refused), "{refused} refused");
        assert!(quota.take(MonotonicNs(2 * NS_PER_S)));
    }
}
