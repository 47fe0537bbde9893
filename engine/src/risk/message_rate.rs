//! How many messages went out lately: an exact sliding window, no bucket that lets a burst through.

use model::MonotonicNs;
use model::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes, put_count};

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

    /// Another limit over the same past. What the old limit was too small to remember counts as
    /// sent at the oldest moment that it does remember.
    pub(crate) fn changed(&self, messages: u32, window_ns: u64) -> Self {
        let mut changed = Self::new(messages, window_ns);
        let (newer, older) = self.times.split_at(self.next.min(self.times.len()));
        let past = older.iter().chain(newer).copied();
        let forgotten = changed.times.len().saturating_sub(self.times.len());
        let oldest = older.first().copied().unwrap_or_default();
        let padded = core::iter::repeat_n(oldest, forgotten).chain(past);
        let surplus = self.times.len().saturating_sub(changed.times.len());
        for (place, time) in changed.times.iter_mut().zip(padded.skip(surplus)) {
            *place = time;
        }
        changed
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

    /// Puts the times that were counted, and the place of the next; what the policy says is not.
    pub(crate) fn put(&self, sink: &mut impl ByteSink) {
        let Self {
            times,
            next,
            window_ns: _,
        } = self;
        for time in times {
            time.put(sink);
        }
        put_count(*next, sink);
    }

    /// Takes a rate of so many messages. Nothing is reserved for times that are not there.
    ///
    /// # Errors
    /// [`BytesError`] for too few times, and for a place behind the last one.
    pub(crate) fn take(
        messages: u32,
        window_ns: u64,
        source: &mut ByteSource<'_>,
    ) -> Result<Self, BytesError> {
        let wanted = usize::try_from(messages)
            .unwrap_or(usize::MAX)
            .saturating_mul(8);
        if wanted > source.remaining() {
            let found = source.remaining();
            return Err(BytesError::TooShort { wanted, found });
        }
        let mut rate = Self::new(messages, window_ns);
        for time in &mut rate.times {
            *time = CanonicalBytes::take(source)?;
        }
        let next = u32::take(source)?;
        rate.next = usize::try_from(next).unwrap_or(usize::MAX);
        if rate.next != 0 && rate.next >= rate.times.len() {
            return Err(BytesError::Invalid {
                what: "place of a message rate",
                found: u64::from(next),
            });
        }
        Ok(rate)
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

    #[test]
    fn another_limit_counts_what_was_sent_before_it() {
        let mut rate = MessageRate::new(3, 100);
        for now in [10, 20, 30, 40] {
            rate.count(MonotonicNs(now));
        }
        let fewer = rate.changed(2, 100);
        assert_eq!(fewer.free_at(MonotonicNs(41)), MonotonicNs(130));
        let more = rate.changed(5, 100);
        assert_eq!(
            more.free_at(MonotonicNs(41)),
            MonotonicNs(120),
            "what it forgot counts too"
        );
        let mut young = MessageRate::new(3, 100);
        young.count(MonotonicNs(50));
        assert_eq!(young.changed(5, 100).room(MonotonicNs(60)), 4);
        assert_eq!(
            rate.changed(0, 100).free_at(MonotonicNs(41)),
            MonotonicNs::NEVER
        );
        assert_eq!(
            MessageRate::new(0, 100)
                .changed(2, 100)
                .room(MonotonicNs(60)),
            2
        );
    }
}
