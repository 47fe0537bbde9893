//! The measured loss window: how old the oldest entry was when the sync that covers it ended.
//!
//! Owns: a histogram of ages, and the walk that finds the oldest entry of a pass. Invariants: what
//! is reported is never below what was measured (buckets are shown by their upper end, 6 % wide);
//! the walk reads only entries that are committed. Must not know: what entries mean. Threads: the
//! keeper records, anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::header::{u32_at, u64_at};
use crate::layout::{
    ENTRY_ALIGN_BYTES, ENTRY_OVERHEAD_BYTES, KIND_PAD, KIND_SEAL, SegmentIdentity, entry,
};
use crate::mapping::Region;

/// Buckets for each doubling.
const STEPS: u64 = 16;
const BUCKETS: usize = (STEPS * 61) as usize;

/// Ages of passes, in logarithmic buckets.
#[derive(Debug)]
pub(crate) struct LossWindow {
    buckets: Box<[AtomicU64]>,
    max_ns: AtomicU64,
}

/// What was measured since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossWindowFigures {
    /// Syncs that covered an entry.
    pub passes: u64,
    /// In half of them the oldest entry was younger than this, nanoseconds.
    pub p50_ns: u64,
    /// In 99 of 100.
    pub p99_ns: u64,
    /// The oldest ever.
    pub max_ns: u64,
}

impl Default for LossWindow {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            max_ns: AtomicU64::new(0),
        }
    }
}

impl LossWindow {
    /// Keeper: the oldest entry of a pass was so old when its sync ended.
    pub(crate) fn record(&self, age_ns: u64) {
        self.buckets[bucket_of(age_ns)].fetch_add(1, Ordering::Relaxed);
        self.max_ns.fetch_max(age_ns, Ordering::Relaxed);
    }

    /// What was recorded so far. Passes that end meanwhile may be half in it.
    pub(crate) fn figures(&self) -> LossWindowFigures {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let passes: u64 = counts.iter().sum();
        let max_ns = self.max_ns.load(Ordering::Relaxed);
        let at = |percent: u64| {
            let rank = (passes * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let bucket = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            bucket.map_or(0, upper_end).min(max_ns)
        };
        LossWindowFigures {
            passes,
            p50_ns: at(50),
            p99_ns: at(99),
            max_ns,
        }
    }
}

fn bucket_of(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let doubling = u64::from(value.ilog2()) - 3;
    let step = (value >> (doubling - 1)) & (STEPS - 1);
    (doubling * STEPS + step) as usize
}

/// The largest value that falls into the bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    let width = 1_u64 << (doubling - 1);
    ((STEPS + step) << (doubling - 1)).saturating_add(width - 1)
}

/// Where the entries of a segment that are not on the disk begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnsyncedWalk {
    at: u32,
}

/// What lies at a place: an entry of the user's, or one of the journal's own.
struct Met {
    next: u32,
    now_ns: u64,
    is_own: bool,
}

impl UnsyncedWalk {
    /// `at`: start of the first entry that is not wholly on the disk.
    pub(crate) fn new(at: u32) -> Self {
        Self { at }
    }

    /// The clock reading of the oldest entry that begins below `end`, if there is one.
    pub(crate) fn oldest_ns(
        &self,
        region: &Region,
        identity: &SegmentIdentity,
        end: u32,
    ) -> Option<u64> {
        let mut at = self.at;
        while let Some(met) = meet(region, identity, at).filter(|_| at < end) {
            if !met.is_own {
                return Some(met.now_ns);
            }
            at = met.next;
        }
        None
    }

    /// All below `end` is on the disk.
    pub(crate) fn advance(&mut self, region: &Region, identity: &SegmentIdentity, end: u32) {
        while let Some(met) = meet(region, identity, self.at).filter(|met| met.next <= end) {
            self.at = met.next;
        }
    }
}

fn meet(region: &Region, identity: &SegmentIdentity, at: u32) -> Option<Met> {
    if at + ENTRY_OVERHEAD_BYTES > identity.segment_bytes || region.load_acquire(at) == 0 {
        return None;
    }
    // The smallest entry: its header in whole words.
    let mut header = [0; ENTRY_OVERHEAD_BYTES as usize];
    region.copy_out(at, &mut header);
    let length_bytes = u32_at(&header, entry::LENGTH);
    let stride_bytes = length_bytes.checked_next_multiple_of(ENTRY_ALIGN_BYTES)?;
    let next = at.checked_add(stride_bytes)?;
    let is_entry = length_bytes >= ENTRY_OVERHEAD_BYTES && next <= identity.segment_bytes;
    let kind = u16::from_le_bytes([
        header[entry::KIND as usize],
        header[entry::KIND as usize + 1],
    ]);
    is_entry.then_some(Met {
        next,
        now_ns: u64_at(&header, entry::NOW_NS),
        is_own: kind == KIND_PAD || kind == KIND_SEAL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_a_bucket_whose_end_is_not_below_it_and_at_most_a_sixteenth_above() {
        let mut values: Vec<u64> = (0..5_000).collect();
        values.extend((0..64).map(|shift| 1_u64 << shift));
        values.extend((1..64).map(|shift| (1_u64 << shift) - 1));
        values.push(u64::MAX);
        for value in values {
            let end = upper_end(bucket_of(value));
            assert!(end >= value && end - value <= value / 16, "{value} {end}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values_and_the_largest_is_exact() {
        let window = LossWindow::default();
        assert_eq!(window.figures(), LossWindowFigures::default());
        for value in 1..=1_000 {
            window.record(value * 1_000);
        }
        let figures = window.figures();
        assert_eq!((figures.passes, figures.max_ns), (1_000, 1_000_000));
        assert!((500_000..=532_000).contains(&figures.p50_ns), "{figures:?}");
        assert!(
            (990_000..=1_000_000).contains(&figures.p99_ns),
            "{figures:?}"
        );
    }
}
