//! The jitter sentinel: what this machine takes away from a thread that does nothing but look.
//!
//! A pinned loop reads the counter; a gap between two readings is time in which the thread did not
//! run. Printed beside every run, because a tail that is as long as these gaps is not ours.

use crate::samples::Counter;

/// Gaps from here on are counted, nanoseconds.
const GAP_MIN_NS: u64 = 200;
/// Lower bounds of the classes, nanoseconds.
pub(crate) const CLASSES_NS: [u64; 8] = [
    GAP_MIN_NS, 1_000, 2_000, 5_000, 10_000, 50_000, 500_000, 5_000_000,
];

/// Gaps seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gaps {
    /// How many of each class of [`CLASSES_NS`].
    pub(crate) counts: [u64; CLASSES_NS.len()],
    /// Time in gaps, nanoseconds.
    pub(crate) stolen_ns: u64,
    /// The longest, nanoseconds.
    pub(crate) longest_ns: u64,
    /// Time watched, nanoseconds.
    pub(crate) watched_ns: u64,
}

impl Gaps {
    /// Watches for so long, on the calling thread's processor.
    pub(crate) fn watch(&mut self, counter: &Counter, for_ns: u64) {
        let begun = counter.raw();
        let mut last = begun;
        loop {
            let now = counter.raw();
            let gap_ns = counter.ns(last, now);
            last = now;
            if gap_ns >= GAP_MIN_NS {
                self.note(gap_ns);
            }
            if counter.ns(begun, now) >= for_ns {
                self.watched_ns += counter.ns(begun, now);
                return;
            }
        }
    }

    fn note(&mut self, gap_ns: u64) {
        let class = CLASSES_NS.iter().rposition(|from| gap_ns >= *from);
        if let Some(class) = class {
            self.counts[class] += 1;
            self.stolen_ns += gap_ns;
            self.longest_ns = self.longest_ns.max(gap_ns);
        }
    }

    /// Share of the time watched that was taken away, percent.
    pub(crate) fn stolen_percent(&self) -> f64 {
        100.0 * self.stolen_ns as f64 / (self.watched_ns.max(1)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_counted_in_the_class_that_begins_below_it() {
        let mut gaps = Gaps::default();
        for gap_ns in [199, 200, 999, 1_000, 7_000_000] {
            gaps.note(gap_ns);
        }
        assert_eq!(gaps.counts, [2, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(gaps.longest_ns, 7_000_000);
    }

    #[test]
    fn the_watch_lasts_as_long_as_asked() {
        let mut gaps = Gaps::default();
        gaps.watch(&Counter::new(), 100_000);
        assert!(gaps.watched_ns >= 100_000);
        assert!(gaps.stolen_ns <= gaps.watched_ns);
    }
}
