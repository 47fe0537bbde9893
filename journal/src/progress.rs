//! What the hot thread, the keeper and whoever shows state tell one another, as atomics.
//!
//! Owns: the published sync limit, the synced sequence, the latch of a failed sync, the figures of
//! the keeper. Invariants: `synced_sequence` never runs ahead of what a successful sync covered;
//! once latched, a sync failure stays. Must not know: files. Threads: any; no locks.

use std::fmt;

use crate::loss_window::{LossWindow, LossWindowFigures};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

/// Segment and offset below which the hot thread will not write any more, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LimitPosition(u64);

impl LimitPosition {
    pub(crate) fn new(segment_index: u32, offset_bytes: u32) -> Self {
        Self(u64::from(segment_index) << 32 | u64::from(offset_bytes))
    }

    pub(crate) fn segment_index(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) fn offset_bytes(self) -> u32 {
        self.0 as u32
    }
}

/// One cache line, so that the hot thread's stores do not fight with the keeper's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug, Default)]
struct FromHot {
    limit_position: AtomicU64,
    limit_sequence: AtomicU64,
}

#[derive(Debug, Default)]
struct FromKeeper {
    synced_sequence: AtomicU64,
    sync_errno: AtomicI32,
    prepare_errno: AtomicI32,
    spares_ready: AtomicU32,
    sync_passes: AtomicU64,
    sync_pass_ns_max: AtomicU64,
    sync_lag_entries_max: AtomicU64,
    oldest_unsynced_ns: AtomicU64,
}

/// Whom the keeper wakes; nobody unless one was named.
#[derive(Default)]
struct Waker(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waker(named: {})", self.0.get().is_some())
    }
}

/// Shared state of a journal that is being written.
#[derive(Debug, Default)]
pub struct Progress {
    from_hot: Line<FromHot>,
    from_keeper: Line<FromKeeper>,
    loss_window: LossWindow,
    waker: Waker,
}

/// What the keeper measured since start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFigures {
    /// Successful syncs.
    pub sync_passes: u64,
    /// Longest single sync, nanoseconds.
    pub sync_pass_ns_max: u64,
    /// Most entries that were ever waiting behind the published limit at the start of a sync.
    pub sync_lag_entries_max: u64,
}

impl Progress {
    /// Last sequence known to be on the disk; 0 if none. In mode `process` nothing is promised and
    /// it stays where the start put it.
    pub fn synced_sequence(&self) -> u64 {
        self.from_keeper.0.synced_sequence.load(Ordering::Acquire)
    }

    /// Error number of the sync that failed, for ever: no later sync is tried, and
    /// `synced_sequence` stays. The engine must halt.
    pub fn sync_failure(&self) -> Option<i32> {
        let errno = self.from_keeper.0.sync_errno.load(Ordering::Acquire);
        (errno != 0).then_some(errno)
    }

    /// Error number of the last try to make a segment, if it failed (disk full, quota, limit).
    pub fn prepare_failure(&self) -> Option<i32> {
        let errno = self.from_keeper.0.prepare_errno.load(Ordering::Acquire);
        (errno != 0).then_some(errno)
    }

    /// Segments made and not yet taken by the writer.
    pub fn spares_ready(&self) -> u32 {
        self.from_keeper.0.spares_ready.load(Ordering::Acquire)
    }

    /// Last sequence below the published limit.
    pub fn limit_sequence(&self) -> u64 {
        self.from_hot.0.limit_sequence.load(Ordering::Acquire)
    }

    /// The writer's clock at the oldest entry that the sync under way covers: what a power cut
    /// could take began then. `None` when nothing that the writer gave waits for the disk.
    pub fn oldest_unsynced_ns(&self) -> Option<u64> {
        let oldest = self
            .from_keeper
            .0
            .oldest_unsynced_ns
            .load(Ordering::Relaxed);
        (oldest != 0).then_some(oldest)
    }

    /// The loss window, measured since the start.
    pub fn loss_window(&self) -> LossWindowFigures {
        self.loss_window.figures()
    }

    /// Keeper: what the sync that begins covers; `None` when it is over.
    pub(crate) fn set_oldest_unsynced(&self, now_ns: Option<u64>) {
        let oldest = now_ns.map_or(0, |now_ns| now_ns.max(1));
        self.from_keeper
            .0
            .oldest_unsynced_ns
            .store(oldest, Ordering::Relaxed);
    }

    /// Keeper: an entry was so old when its sync ended.
    pub(crate) fn record_loss_window(&self, age_ns: u64) {
        self.loss_window.record(age_ns);
    }

    /// The keeper's measurements.
    pub fn sync_figures(&self) -> SyncFigures {
        let keeper = &self.from_keeper.0;
        SyncFigures {
            sync_passes: keeper.sync_passes.load(Ordering::Relaxed),
            sync_pass_ns_max: keeper.sync_pass_ns_max.load(Ordering::Relaxed),
            sync_lag_entries_max: keeper.sync_lag_entries_max.load(Ordering::Relaxed),
        }
    }

    /// Names whom the keeper wakes when the synced sequence moved in mode `strict`, and when a sync
    /// failed. Counts once; `wake` is called on the keeper's thread and must not wait.
    pub fn wake_by(&self, wake: impl Fn() + Send + Sync + 'static) {
        // A second name is a mistake of the caller that harms nobody: the first is woken.
        let _first_counts = self.waker.0.set(Box::new(wake));
    }

    /// Keeper: something happened that the writer's thread waits for.
    pub(crate) fn wake(&self) {
        if let Some(wake) = self.waker.0.get() {
            wake();
        }
    }

    /// Hot thread: all entries up to `sequence` lie below `position`, and it will not write there.
    pub(crate) fn publish_limit(&self, position: LimitPosition, sequence: u64) {
        // Position first: whoever sees the sequence sees a position that covers it.
        self.from_hot
            .0
            .limit_position
            .store(position.0, Ordering::Release);
        self.from_hot
            .0
            .limit_sequence
            .store(sequence, Ordering::Release); // pairs with `limit`
    }

    /// Keeper: a sequence, and a position that covers at least that sequence.
    pub(crate) fn limit(&self) -> (u64, LimitPosition) {
        let sequence = self.from_hot.0.limit_sequence.load(Ordering::Acquire);
        // It may be newer than the sequence; Acquire, so that all below it is seen as well.
        (
            sequence,
            LimitPosition(self.from_hot.0.limit_position.load(Ordering::Acquire)),
        )
    }

    /// Keeper: everything up to `sequence` is on the disk.
    pub(crate) fn publish_synced(&self, sequence: u64) {
        self.from_keeper
            .0
            .synced_sequence
            .fetch_max(sequence, Ordering::AcqRel);
    }

    /// Keeper: one sync went well.
    pub(crate) fn count_sync(&self, took_ns: u64, lag_entries: u64) {
        let keeper = &self.from_keeper.0;
        keeper.sync_passes.fetch_add(1, Ordering::Relaxed);
        keeper
            .sync_pass_ns_max
            .fetch_max(took_ns, Ordering::Relaxed);
        keeper
            .sync_lag_entries_max
            .fetch_max(lag_entries, Ordering::Relaxed);
    }

    /// Keeper: a sync failed; the first failure stays.
    pub(crate) fn latch_sync_failure(&self, errno: i32) {
        let errno = if errno == 0 { -1 } else { errno };
        let latch = &self.from_keeper.0.sync_errno;
        let _first_wins = latch.compare_exchange(0, errno, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Keeper: the last try to make a segment ended so; 0 is success.
    pub(crate) fn set_prepare_failure(&self, errno: i32) {
        self.from_keeper
            .0
            .prepare_errno
            .store(errno, Ordering::Release);
    }

    /// Keeper: so many spares wait.
    pub(crate) fn set_spares_ready(&self, spares: u32) {
        self.from_keeper
            .0
            .spares_ready
            .store(spares, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sync_failure_stays_latched() {
        let progress = Progress::default();
        assert_eq!(progress.sync_failure(), None);
        progress.latch_sync_failure(5);
        progress.latch_sync_failure(28);
        assert_eq!(progress.sync_failure(), Some(5));
    }

    #[test]
    fn synced_sequence_never_goes_back() {
        let progress = Progress::default();
        progress.publish_synced(9);
        progress.publish_synced(4);
        assert_eq!(progress.synced_sequence(), 9);
    }

    #[test]
    fn positions_order_by_segment_then_offset() {
        assert!(LimitPosition::new(2, 4096) > LimitPosition::new(1, u32::MAX));
        let position = LimitPosition::new(7, 8192);
        assert_eq!(
            (position.segment_index(), position.offset_bytes()),
            (7, 8192)
        );
    }
}
