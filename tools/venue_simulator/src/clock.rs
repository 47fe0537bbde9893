//! The venue's clock: real time plus a skew that tests can change.
//!
//! Invariants: all venue timestamps come from here. Threads: any; the skew is one atomic.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct VenueClock {
    skew_ms: AtomicI64,
}

impl VenueClock {
    pub(crate) fn new(skew_ms: i64) -> Self {
        Self {
            skew_ms: AtomicI64::new(skew_ms),
        }
    }

    pub(crate) fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    pub(crate) fn now_us(&self) -> i64 {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let real_us = i64::try_from(real.as_micros()).unwrap_or(i64::MAX);
        real_us.saturating_add(self.skew_ms.load(Ordering::Relaxed).saturating_mul(1_000))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_us() / 1_000
    }
}
