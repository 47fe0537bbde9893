//! The hot thread's clock: the time stamp counter, kept beside `CLOCK_MONOTONIC`.
//!
//! Strategies stamp their requests with `CLOCK_MONOTONIC`, so our nanoseconds must count from the
//! same moment. The counter is 2.5 times cheaper to read; once a second it is brought back to the
//! system's clock, never backwards. Stamps of stages never bring it back: between two stamps of a
//! turn lies no jump, so that a stage is never longer or shorter than it was.

use engine::ports::StageClock;
use model::time::NS_PER_S;
use model::{MonotonicNs, UnixNs, UtcAnchor};
use quanta::Clock as Counter;
use rustix::time::{ClockId, clock_gettime};

/// One thread's clock.
#[derive(Debug)]
pub struct Clock {
    counter: Counter,
    base_raw: u64,
    base_ns: u64,
    last_ns: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Calibrates the counter. Takes up to 200 ms the first time in a process.
    pub fn new() -> Self {
        let counter = Counter::new();
        let base_raw = counter.raw();
        let base_ns = monotonic_now().0;
        Self {
            counter,
            base_raw,
            base_ns,
            last_ns: base_ns,
        }
    }

    fn counted_ns(&self, raw: u64) -> u64 {
        let since_base_ns = self.counter.delta_as_nanos(self.base_raw, raw);
        self.base_ns.saturating_add(since_base_ns)
    }

    /// Now, once a turn. Never before an earlier reading.
    pub fn now(&mut self) -> MonotonicNs {
        let raw = self.counter.raw();
        let mut now_ns = self.counted_ns(raw);
        if now_ns.saturating_sub(self.base_ns) >= NS_PER_S {
            now_ns = monotonic_now().0;
            self.base_raw = raw;
            self.base_ns = now_ns;
        }
        self.last_ns = self.last_ns.max(now_ns);
        MonotonicNs(self.last_ns)
    }
}

impl StageClock for Clock {
    fn stamp(&self) -> MonotonicNs {
        MonotonicNs(self.counted_ns(self.counter.raw()).max(self.last_ns))
    }
}

/// `CLOCK_MONOTONIC`, for threads that are not in a hurry.
pub fn monotonic_now() -> MonotonicNs {
    MonotonicNs(nanoseconds(clock_gettime(ClockId::Monotonic)))
}

/// Which UTC moment it is: the system clock between two readings of the monotonic one.
pub fn utc_anchor() -> UtcAnchor {
    let before = monotonic_now();
    let unix = UnixNs(nanoseconds(clock_gettime(ClockId::Realtime)));
    let error_ns = monotonic_now().since_ns(before);
    UtcAnchor {
        monotonic: before,
        unix,
        error_ns,
    }
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_S).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_and_the_system_clock_agree_and_never_go_back() {
        let mut clock = Clock::new();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = clock.stamp();
            assert!(last >= now, "a stamp lies before its turn");
        }
        let system = monotonic_now();
        let apart_ns = last.since_ns(system).max(system.since_ns(last));
        assert!(apart_ns < 50_000_000, "{apart_ns} ns apart");
    }
}
