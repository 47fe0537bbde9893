//! How far the venue's clock is from ours, and how well that is known.
//!
//! Our side is counted on from one reading of the system's clock, so that a step of it between two
//! measurements cannot date an answer too late. Must not know: how the offset is measured over the
//! network. Threads: none.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::UnixNs;
use model::time::NS_PER_MS;

/// UTC as it was read once, and counted on since by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct SteadyUtc {
    unix: UnixNs,
    read_at: Instant,
}

impl SteadyUtc {
    /// Reads the system's clock. Before 1970 it is no clock: whatever is signed with it is refused.
    pub(super) fn read() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ns = since.map_or(0, |since| since.as_nanos());
        Self {
            unix: UnixNs(u64::try_from(ns).unwrap_or(u64::MAX)),
            read_at: Instant::now(),
        }
    }

    /// UTC at a moment since the reading.
    pub(super) fn at(self, moment: Instant) -> UnixNs {
        let since = moment.saturating_duration_since(self.read_at).as_nanos();
        self.unix.after_ns(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

/// The venue's clock minus ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOffset {
    /// Nanoseconds; positive when the venue's clock is ahead.
    pub offset_ns: i64,
    /// The true offset is at most this far from `offset_ns`.
    pub error_ns: u64,
}

impl TimeOffset {
    /// Two clocks that agree as far as anybody knows: what is signed with before a measurement.
    pub(crate) const UNMEASURED: Self = Self {
        offset_ns: 0,
        error_ns: u64::MAX,
    };

    /// From one exchange: asked at `left`, answered `round_trip_ns` later with the venue's
    /// `venue_ms`, which is rounded down to a millisecond.
    pub(crate) fn measured(left: UnixNs, round_trip_ns: u64, venue: UnixNs) -> Self {
        let half_ns = round_trip_ns / 2;
        let ours = i128::from(left.after_ns(half_ns).0);
        let theirs = i128::from(venue.after_ns(NS_PER_MS / 2).0);
        Self {
            offset_ns: i64::try_from(theirs - ours).unwrap_or(if theirs < ours {
                i64::MIN
            } else {
                i64::MAX
            }),
            error_ns: half_ns.saturating_add(NS_PER_MS / 2),
        }
    }

    /// The venue's time at our moment.
    pub fn venue_time(self, ours: UnixNs) -> UnixNs {
        UnixNs(ours.0.saturating_add_signed(self.offset_ns))
    }

    /// The earliest that the venue's clock can have shown at our moment.
    pub(crate) fn earliest_venue_time(self, ours: UnixNs) -> UnixNs {
        UnixNs(self.venue_time(ours).0.saturating_sub(self.error_ns))
    }

    /// True when the two differ by more than either can be wrong and `least_ns` besides.
    pub(crate) fn differs(self, other: Self, least_ns: u64) -> bool {
        let slack_ns = self.error_ns.saturating_add(other.error_ns);
        self.offset_ns.abs_diff(other.offset_ns) > slack_ns.saturating_add(least_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    // covers: V24
    #[test]
    fn an_offset_is_the_middle_of_the_exchange_and_its_error_half_the_round_trip() {
        let left = UnixNs(1_000_000_000_000);
        let offset = TimeOffset::measured(left, 20 * NS_PER_MS, UnixNs(1_005_000_000_000));
        assert_eq!(offset.offset_ns, 4_990_500_000);
        assert_eq!(offset.error_ns, 10_500_000);
        assert_eq!(offset.venue_time(left), UnixNs(1_004_990_500_000));
        assert_eq!(offset.earliest_venue_time(left), UnixNs(1_004_980_000_000));
        let behind = TimeOffset::measured(left, 0, UnixNs(999_000_000_000));
        assert_eq!(behind.offset_ns, -999_500_000);
    }

    #[test]
    fn utc_goes_on_by_the_monotonic_clock_and_never_backwards() {
        let clock = SteadyUtc::read();
        let later = clock.read_at + Duration::from_millis(1_500);
        assert_eq!(clock.at(later).since_ns(clock.unix), 1_500 * NS_PER_MS);
        let earlier = clock.read_at.checked_sub(Duration::from_millis(1));
        assert_eq!(clock.at(earlier.unwrap()), clock.unix);
    }

    #[test]
    fn an_unmeasured_clock_proves_no_moment() {
        assert_eq!(
            TimeOffset::UNMEASURED.earliest_venue_time(UnixNs(5)),
            UnixNs(0)
        );
    }

    #[test]
    fn two_measurements_differ_only_beyond_both_errors() {
        let of = |offset_ns, error_ns| TimeOffset {
            offset_ns,
            error_ns,
        };
        assert!(!of(0, 40).differs(of(100, 60), 0));
        assert!(of(0, 40).differs(of(101, 60), 0));
        assert!(!of(-50, 0).differs(of(50, 0), 100));
    }
}
