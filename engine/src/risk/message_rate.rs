//! How many messages went out lately: an exact sliding window, no bucket that lets a burst through.

use model::MonotonicNs;
use model::canonical_bytes::{ByteSink, CanonicalBytes};

/// The times of the last `messages` sendings.
#[derive(Debug, Clone)]
pub struct MessageRate {
    times: Vec<MonotonicNs>,
    next: usize,
    window_ns: u64,
}

impl MessageRate {
    /// At most `messages` in any `window_ns`; zero messages means none ever.
    pub fn new(messages: u32, window_ns: u64) -> Self {
        let size = usize::try_from(messages).unwrap_or(usize::MAX);
        Self {
            times: vec![MonotonicNs(0); size],
            next: 0,
            window_ns,
        }
    }

    /// The first moment, not before `now`, at which one more may go.
    pub fn free_at(&self, now: MonotonicNs) -> MonotonicNs {
        match self.times.get(self.next) {
            None => MonotonicNs::NEVER,
            Some(MonotonicNs(0)) => now,
            Some(oldest) => now.max(oldest.after_ns(self.window_ns)),
        }
    }

    /// How many more may go at `now`.
    pub fn room(&self, now: MonotonicNs) -> usize {
        let is_free = |time: &&MonotonicNs| time.0 == 0 || time.after_ns(self.window_ns) <= now;
        self.times.iter().filter(is_free).count()
    }

    /// True when exactly so many messages are allowed in the window.
    pub(crate) fn allows(&self, messages: u32) -> bool {
        usize::try_from(messages).is_ok_and(|messages| messages == self.times.len())
    }

    /// Counts a sending at `now`.
    pub(crate) fn count(&mut self, now: MonotonicNs) {
        if let Some(time) = self.times.get_mut(self.next) {
            *time = now.max(MonotonicNs(1));
            self.next = self.next.wrapping_add(1);
            if self.next >= self.times.len() {
                self.next = 0;
            }
        }
    }

    pub(crate) fn put(&self, sink: &mut impl ByteSink) {
        for time in &self.times {
            time.put(sink);
        }
        let next = u64::try_from(self.next).expect("a usize fits 64 bits");
        next.put(sink);
    }

    /// A new run does not know when the last run sent: it counts the window as full from `now`.
    pub(crate) fn assume_full(&mut self, now: MonotonicNs) {
        let full = now.max(MonotonicNs(1));
        self.times
            .iter_mut()
            .filter(|time| time.0 != 0)
            .for_each(|time| *time = full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_ever_holds_more_than_the_limit() {
        let mut rate = MessageRate::new(3, 100);
        let mut sent = Vec::new();
        for now in (1..2_000).step_by(7) {
            if rate.free_at(MonotonicNs(now)) <= MonotonicNs(now) {
                rate.count(MonotonicNs(now));
                sent.push(now);
            }
        }
        assert!(sent.len() > 40);
        for window in sent.windows(4) {
            assert!(window[3] - window[0] >= 100, "{window:?}");
        }
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_through() {
        let rate = MessageRate::new(0, 100);
        assert_eq!(rate.free_at(MonotonicNs(5)), MonotonicNs::NEVER);
    }
}
