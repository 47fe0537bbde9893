//! When bytes reach the disk: the durability modes and one sync pass.
//!
//! Owns: [`Mode`], the segments that still have bytes to sync, the sync marker in their headers.
//! Invariants: only whole pages behind the hot thread's published limit are synced; the synced
//! sequence moves after a success only; the first failure ends syncing for good, since the kernel
//! may have marked the lost pages clean. Must not know: entries. Threads: the keeper's.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::error::{JournalError, JournalErrorKind};
use crate::header::{self, SyncMarker};
use crate::layout::{ENTRIES_START, PAGE_BYTES, SegmentIdentity};
use crate::loss_window::UnsyncedWalk;
use crate::mapping::Region;
use crate::progress::{LimitPosition, Progress};

/// What survives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Survives the death of the process, not of the machine: nothing is synced.
    Process,
    /// Survives power loss but for a short window: synced behind the published limit.
    Group,
    /// As `Group`, polled more often; who sends waits for the synced sequence.
    Strict,
}

impl Mode {
    /// Reads the name from a configuration.
    ///
    /// # Errors
    /// `UnknownMode` with the text.
    pub fn parse(text: &str) -> Result<Self, JournalErrorKind> {
        match text {
            "process" => Ok(Self::Process),
            "group" => Ok(Self::Group),
            "strict" => Ok(Self::Strict),
            _ => Err(JournalErrorKind::UnknownMode {
                found: text.to_owned(),
            }),
        }
    }

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Group => "group",
            Self::Strict => "strict",
        }
    }

    /// Whether anything is promised to be on the disk.
    pub fn syncs(self) -> bool {
        self != Self::Process
    }
}

/// Brings a range of a mapped segment to the disk. A seam for tests that make it fail or stall.
pub trait SyncDevice: Send {
    /// Returns when the range is on the disk.
    ///
    /// # Errors
    /// Those of the system; one is enough.
    fn sync(&mut self, region: &Region, offset: u32, range_bytes: u32) -> io::Result<()>;
}

/// The real device: `msync(MS_SYNC)` of the range.
#[derive(Clone, Copy, Debug, Default)]
pub struct MappedFileSync;

impl SyncDevice for MappedFileSync {
    fn sync(&mut self, region: &Region, offset: u32, range_bytes: u32) -> io::Result<()> {
        region.sync(offset, range_bytes)
    }
}

/// A segment that may hold bytes which are not on the disk yet.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) identity: SegmentIdentity,
    pub(crate) region: Arc<Region>,
    /// All below was synced in this run, or by the start.
    pub(crate) synced_to: u32,
    unsynced: UnsyncedWalk,
    marker: SyncMarker,
    marker_is_synced: bool,
}

impl OpenSegment {
    /// A new segment, of which nothing is synced.
    pub(crate) fn fresh(identity: SegmentIdentity, region: Arc<Region>) -> Self {
        Self::new(identity, region, 0, ENTRIES_START)
    }

    /// A segment whose next entry begins at `entries_to`.
    pub(crate) fn new(
        identity: SegmentIdentity,
        region: Arc<Region>,
        synced_to: u32,
        entries_to: u32,
    ) -> Self {
        let (marker, _damaged) = header::read_sync_marker(&region, &identity);
        Self {
            identity,
            region,
            synced_to,
            unsynced: UnsyncedWalk::new(entries_to),
            marker,
            marker_is_synced: true,
        }
    }

    fn is_synced(&self) -> bool {
        self.synced_to == self.identity.segment_bytes && self.marker_is_synced
    }
}

/// Syncs open segments in order.
pub(crate) struct SyncPasses<D> {
    mode: Mode,
    device: D,
    /// The writer's clock.
    clock: fn() -> u64,
    progress: Arc<Progress>,
    /// In order of their index; the last ones may be spares.
    pub(crate) open_segments: VecDeque<OpenSegment>,
}

impl<D: SyncDevice> SyncPasses<D> {
    pub(crate) fn new(mode: Mode, device: D, clock: fn() -> u64, progress: Arc<Progress>) -> Self {
        Self {
            mode,
            device,
            clock,
            progress,
            open_segments: VecDeque::new(),
        }
    }

    /// One pass over all that lies behind the limit; nothing in mode `process` or once failed.
    pub(crate) fn sync_behind_limit(&mut self) {
        if !self.mode.syncs() || self.progress.sync_failure().is_some() {
            return;
        }
        let (sequence, limit) = self.progress.limit();
        let synced_sequence = self.progress.synced_sequence();
        let started = Instant::now();
        let oldest_ns = self.oldest_unsynced_ns(limit);
        self.progress.set_oldest_unsynced(oldest_ns);
        let mut synced_bytes = 0;
        for at in 0..self.open_segments.len() {
            let end = sync_end(&self.open_segments[at].identity, limit);
            match self.sync_segment(at, end, sequence) {
                Ok(range_bytes) => synced_bytes += range_bytes,
                Err(error) => return self.latch(at, &error),
            }
        }
        self.progress.set_oldest_unsynced(None);
        if let Some(oldest_ns) = oldest_ns {
            let age_ns = (self.clock)().saturating_sub(oldest_ns);
            self.progress.record_loss_window(age_ns);
        }
        if synced_bytes > 0 {
            let took_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.progress
                .count_sync(took_ns, sequence.saturating_sub(synced_sequence));
        }
        self.progress.publish_synced(sequence);
        if self.mode == Mode::Strict && sequence > synced_sequence {
            self.progress.wake();
        }
    }

    /// The writer's clock at the oldest entry that a sync up to the limit covers.
    fn oldest_unsynced_ns(&self, limit: LimitPosition) -> Option<u64> {
        self.open_segments.iter().find_map(|open| {
            let end = sync_end(&open.identity, limit);
            open.unsynced.oldest_ns(&open.region, &open.identity, end)
        })
    }

    /// Brings the markers themselves to the disk. They are a lower bound, so seldom is enough.
    pub(crate) fn sync_markers(&mut self) {
        if !self.mode.syncs() || self.progress.sync_failure().is_some() {
            return;
        }
        for at in 0..self.open_segments.len() {
            let segment = &mut self.open_segments[at];
            if segment.marker_is_synced {
                continue;
            }
            match self.device.sync(&segment.region, 0, PAGE_BYTES) {
                Ok(()) => segment.marker_is_synced = true,
                Err(error) => return self.latch(at, &error),
            }
        }
    }

    /// Forgets sealed segments that need no more syncing.
    pub(crate) fn forget_finished(&mut self, sealed_below_index: u32) {
        let (_, limit) = self.progress.limit();
        if self
            .open_segments
            .iter()
            .any(|open| open.synced_to == open.identity.segment_bytes && !open.marker_is_synced)
        {
            self.sync_markers();
        }
        let given_up = !self.mode.syncs() || self.progress.sync_failure().is_some();
        self.open_segments.retain(|open| {
            let index = open.identity.segment_index;
            let sealed = index < sealed_below_index && index < limit.segment_index();
            !(sealed && (given_up || open.is_synced()))
        });
    }

    fn sync_segment(&mut self, at: usize, end: u32, sequence: u64) -> io::Result<u32> {
        let segment = &mut self.open_segments[at];
        if end <= segment.synced_to {
            return Ok(0);
        }
        let range_bytes = end - segment.synced_to;
        self.device
            .sync(&segment.region, segment.synced_to, range_bytes)?;
        segment.synced_to = end;
        segment
            .unsynced
            .advance(&segment.region, &segment.identity, end);
        segment.marker = SyncMarker {
            generation: segment.marker.generation + 1,
            synced_offset: u64::from(end),
            synced_sequence: sequence,
        };
        header::write_sync_marker(&segment.region, &segment.identity, &segment.marker);
        segment.marker_is_synced = false;
        Ok(range_bytes)
    }

    fn latch(&mut self, at: usize, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(-1);
        header::mark_suspect(&self.open_segments[at].region, errno);
        self.progress.latch_sync_failure(errno);
        self.progress.wake();
    }
}

/// Up to where a segment may be synced under this limit.
fn sync_end(identity: &SegmentIdentity, limit: LimitPosition) -> u32 {
    match identity.segment_index.cmp(&limit.segment_index()) {
        std::cmp::Ordering::Less => identity.segment_bytes,
        std::cmp::Ordering::Equal => limit.offset_bytes(),
        std::cmp::Ordering::Greater => 0,
    }
}

/// Syncs all that recovery found, before anything new is promised.
///
/// # Errors
/// `Io`.
pub(crate) fn sync_at_start(
    open: &mut OpenSegment,
    path: &std::path::Path,
    end: u32,
    last_sequence: u64,
) -> Result<(), JournalError> {
    let io_error = |error| JournalError::io("syncing at start", path, error);
    open.region
        .sync(0, open.identity.segment_bytes)
        .map_err(io_error)?;
    let synced_offset = u64::from(end - end % PAGE_BYTES);
    let generation = open.marker.generation + 1;
    open.marker = SyncMarker {
        generation,
        synced_offset,
        synced_sequence: last_sequence,
    };
    header::write_sync_marker(&open.region, &open.identity, &open.marker);
    open.region.sync(0, PAGE_BYTES).map_err(io_error)?;
    open.synced_to = end - end % PAGE_BYTES;
    Ok(())
}
