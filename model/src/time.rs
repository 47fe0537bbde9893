//! Two kinds of time that never mix, and the anchor that joins them. Types only: no clock is read.

use crate::canonical_struct;

/// Nanoseconds on the process's monotonic clock. Only differences mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct MonotonicNs(pub u64);

/// Nanoseconds since 1970-01-01 UTC. To show, to sign, and to pass to venues; never to order
/// events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct UnixNs(pub u64);

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;

macro_rules! time_arithmetic {
    ($($name:ident),*) => {$(
        impl $name {
            /// The farthest moment: a deadline that never comes.
            pub const NEVER: Self = Self(u64::MAX);

            /// `duration_ns` later; stops at [`Self::NEVER`].
            #[must_use]
            pub const fn after_ns(self, duration_ns: u64) -> Self {
                Self(self.0.saturating_add(duration_ns))
            }

            /// Nanoseconds since `earlier`; zero when `earlier` is later.
            pub const fn since_ns(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }
        impl $crate::canonical_bytes::CanonicalBytes for $name {
            #[inline]
            fn put(&self, sink: &mut impl $crate::canonical_bytes::ByteSink) {
                self.0.put(sink);
            }
            fn take(
                source: &mut $crate::canonical_bytes::ByteSource<'_>,
            ) -> Result<Self, $crate::canonical_bytes::BytesError> {
                u64::take(source).map(Self)
            }
        }
    )*};
}
time_arithmetic!(MonotonicNs, UnixNs);

impl UnixNs {
    /// Whole milliseconds, rounded down: what OKX and Bybit take.
    pub const fn as_ms(self) -> u64 {
        match self.0.checked_div(NS_PER_MS) {
            Some(ms) => ms,
            None => 0,
        }
    }
}

canonical_struct! {
    /// Which UTC moment a monotonic moment was. UTC = `unix` + (now - `monotonic`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct UtcAnchor {
        /// The monotonic side.
        pub monotonic: MonotonicNs,
        /// The UTC side.
        pub unix: UnixNs,
        /// How far the pair may be off, nanoseconds.
        pub error_ns: u64,
    }
}

impl UtcAnchor {
    /// The UTC moment of `now`. Before the anchor, the anchor's own moment: never backwards.
    pub const fn unix_at(&self, now: MonotonicNs) -> UnixNs {
        self.unix.after_ns(now.since_ns(self.monotonic))
    }
}
