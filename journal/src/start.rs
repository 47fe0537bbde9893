//! Opening a journal for writing: checks, lock, recovery, epoch, keeper, writer, in this order.
//!
//! Owns: the order. Invariants: nothing is changed before directory and lock are right; the epoch
//! is durable before the writer exists; in modes that sync, all that was recovered is on the disk
//! before the writer exists. Must not know: what entries mean. Threads: called once, at start; may
//! block.

use std::path::PathBuf;
use std::sync::Arc;

use crate::boot_epoch::claim_epoch;
use crate::directory::{check_directory, create_directory};
use crate::entry::Entry;
use crate::error::JournalError;
use crate::header::{self, Opening};
use crate::keeper::{Keeper, KeeperEnds, KeeperWork, RETIRED_CAPACITY, SPARES_AHEAD};
use crate::layout::{ENTRIES_START, PAGE_BYTES, SEGMENT_BYTES_DEFAULT};
use crate::lock::DirectoryLock;
use crate::mapping::Region;
use crate::progress::Progress;
use crate::recovery::{Continuation, Recovered, RecoveryOptions, recover_and_continue};
use crate::segment::{PreparedSegment, SegmentPlan, SegmentPreparer, open_segment, random_u128};
use crate::sync::{MappedFileSync, Mode, OpenSegment, SyncDevice, SyncPasses, sync_at_start};
use crate::writer::{ResumePoint, Writer};

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Directory of the journal, its own; made with mode 0700 if missing.
    pub directory: PathBuf,
    /// Instance that owns it.
    pub instance_tag: u16,
    /// What survives what.
    pub mode: Mode,
    /// Size of new segments, whole pages from 64 KiB to 1 GiB.
    pub segment_bytes: u32,
    /// Window ahead of the cursor that the keeper keeps present.
    pub populate_bytes: u32,
    /// Minutes since 2025-01-01 UTC, now: a lower bound of the epoch.
    pub minutes_since_2025: u64,
    /// Last sequence that a base holds; 0 for none.
    pub base_sequence: u64,
    /// Last sequence of a state that was verified; 0 for none. See
    /// [`RecoveryOptions::trusted_sequence`].
    pub trusted_sequence: u64,
    /// Whether a file system in memory is good enough; for tests.
    pub allow_tmpfs: bool,
    /// The clock that entries are stamped with, in nanoseconds: for the measured loss window.
    pub clock: fn() -> u64,
}

impl JournalOptions {
    /// 64 MiB segments, a 4 MiB window, mode `group`, no base, no tmpfs.
    pub fn new(directory: PathBuf, instance_tag: u16, minutes_since_2025: u64) -> Self {
        Self {
            directory,
            instance_tag,
            mode: Mode::Group,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            populate_bytes: 4 * 1024 * 1024,
            minutes_since_2025,
            base_sequence: 0,
            trusted_sequence: 0,
            allow_tmpfs: false,
            clock: monotonic_ns,
        }
    }
}

/// `CLOCK_MONOTONIC`.
fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// A journal that is open for writing. The parts go to their threads; fields drop in this order.
#[derive(Debug)]
pub struct Journal {
    /// For the hot thread.
    pub writer: Writer,
    /// Keep it; dropping ends the keeper thread.
    pub keeper: Keeper,
    /// What recovery found.
    pub recovered: Recovered,
    /// Epoch of this run, durable.
    pub boot_epoch: u32,
    /// Keep it as long as anything may write.
    pub lock: DirectoryLock,
}

impl Journal {
    /// Opens or creates the journal.
    ///
    /// # Errors
    /// Every refusal of directory, lock, recovery and epoch; `Io`.
    pub fn open(options: &JournalOptions) -> Result<Self, JournalError> {
        Self::open_with(options, MappedFileSync)
    }

    /// As [`open`](Self::open), and shows every entry that is read and good to `visit`: once, in
    /// order, so that nobody has to read the journal a second time. What a refused journal showed
    /// before the refusal is to be forgotten.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_visiting(
        options: &JournalOptions,
        visit: &mut dyn FnMut(&Entry<'_>),
    ) -> Result<Self, JournalError> {
        Self::open_all(options, MappedFileSync, visit)
    }

    /// As [`open`](Self::open) with another way to the disk: for tests that make syncing fail.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with<D: SyncDevice + 'static>(
        options: &JournalOptions,
        device: D,
    ) -> Result<Self, JournalError> {
        Self::open_all(options, device, &mut |_| {})
    }

    fn open_all<D: SyncDevice + 'static>(
        options: &JournalOptions,
        device: D,
        visit: &mut dyn FnMut(&Entry<'_>),
    ) -> Result<Self, JournalError> {
        let directory = &options.directory;
        let opening = OpeningJournal::recover(options, visit)?;
        let Parts {
            writer,
            keeper,
            outcome,
        } = opening.into_parts(device);
        let keeper = Keeper::start(options.mode, keeper, directory)?;
        let Outcome {
            recovered,
            boot_epoch,
            lock,
        } = outcome;
        Ok(Self {
            writer,
            keeper,
            recovered,
            boot_epoch,
            lock,
        })
    }
}

/// All that is known before the keeper starts.
struct OpeningJournal {
    options: JournalOptions,
    active: PreparedSegment,
    point: ResumePoint,
    preparer: SegmentPreparer,
    synced_to: u32,
    outcome: Outcome,
}

struct Outcome {
    recovered: Recovered,
    boot_epoch: u32,
    lock: DirectoryLock,
}

struct Parts<D> {
    writer: Writer,
    keeper: KeeperWork<D>,
    outcome: Outcome,
}

impl OpeningJournal {
    fn recover(
        options: &JournalOptions,
        visit: &mut dyn FnMut(&Entry<'_>),
    ) -> Result<Self, JournalError> {
        let directory = &options.directory;
        create_directory(directory)?;
        check_directory(directory, options.allow_tmpfs)?;
        let lock = DirectoryLock::acquire(directory)?;
        let recovery = RecoveryOptions {
            instance_tag: options.instance_tag,
            base_sequence: options.base_sequence,
            machine: None,
            trusted_sequence: options.trusted_sequence,
        };
        let (recovered, continuation) = recover_and_continue(directory, &recovery, visit)?;
        crate::suspect::write_again(&recovered.notes)?;
        let boot_epoch = claim_epoch(directory, recovered.boot_epoch, options.minutes_since_2025)?;
        let resume = Resume {
            options,
            boot_epoch,
            last_sequence: recovered.last_sequence,
        };
        let (active, offset, segment_entries, preparer) = resume.active_segment(&continuation)?;
        let point = ResumePoint {
            offset,
            last_sequence: recovered.last_sequence,
            segment_entries,
            boot_epoch,
        };
        let outcome = Outcome {
            recovered,
            boot_epoch,
            lock,
        };
        let synced_to = if options.mode.syncs() {
            offset - offset % PAGE_BYTES
        } else {
            0
        };
        let mut this = Self {
            options: options.clone(),
            active,
            point,
            preparer,
            synced_to,
            outcome,
        };
        this.sync_recovered()?;
        Ok(this)
    }

    /// In modes that promise it, nothing new is written before the old is on the disk.
    fn sync_recovered(&mut self) -> Result<(), JournalError> {
        let directory = &self.options.directory;
        if !self.options.mode.syncs() {
            return Ok(());
        }
        let index = self.active.identity().segment_index;
        for (older, path) in crate::directory::take_inventory(directory)?.segments {
            if older < index {
                std::fs::File::open(&path)
                    .and_then(|file| file.sync_all())
                    .map_err(|error| JournalError::io("syncing at start", &path, error))?;
            }
        }
        let path = crate::layout::segment_path(directory, index);
        let (identity, region) = (*self.active.identity(), Arc::clone(self.active.region()));
        let mut open = OpenSegment::fresh(identity, region);
        sync_at_start(
            &mut open,
            &path,
            self.point.offset,
            self.point.last_sequence,
        )
    }

    fn into_parts<D: SyncDevice>(self, device: D) -> Parts<D> {
        let Self {
            options,
            active,
            point,
            preparer,
            synced_to,
            outcome,
        } = self;
        let progress = Arc::new(Progress::default());
        if options.mode.syncs() {
            progress.publish_synced(point.last_sequence);
        }
        let (spares_in, spares_out) = rtrb::RingBuffer::new(SPARES_AHEAD);
        let (retired_in, retired_out) = rtrb::RingBuffer::new(RETIRED_CAPACITY);
        let mut sync = SyncPasses::new(options.mode, device, options.clock, Arc::clone(&progress));
        let (identity, region) = (*active.identity(), Arc::clone(active.region()));
        sync.open_segments
            .push_back(OpenSegment::new(identity, region, synced_to, point.offset));
        let writer = Writer::resume(active, point, spares_out, retired_in, Arc::clone(&progress));
        let ends = KeeperEnds {
            spares: spares_in,
            retired: retired_out,
        };
        let keeper = KeeperWork::new(sync, preparer, ends, progress, options.populate_bytes);
        Parts {
            writer,
            keeper,
            outcome,
        }
    }
}

struct Resume<'a> {
    options: &'a JournalOptions,
    boot_epoch: u32,
    last_sequence: u64,
}

impl Resume<'_> {
    /// The segment to write on, the offset in it, its entries so far, and who makes the next one.
    fn active_segment(
        &self,
        continuation: &Continuation,
    ) -> Result<(PreparedSegment, u32, u64, SegmentPreparer), JournalError> {
        match continuation {
            Continuation::NewJournal => {
                let directory = &self.options.directory;
                let journal_id =
                    random_u128().map_err(|error| JournalError::io("random", directory, error))?;
                self.fresh_segment(1, journal_id, 0)
            }
            Continuation::NextSegment {
                segment_index,
                journal_id,
                seal_checksum,
            } => self.fresh_segment(*segment_index, *journal_id, *seal_checksum),
            Continuation::Within {
                segment_index,
                path,
                offset,
                segment_entries,
            } => {
                let (file, identity) = open_segment(path, *segment_index, true)?;
                let region = Region::map_file(&file, identity.segment_bytes as usize)
                    .map_err(|error| JournalError::io("mapping", path, error))?;
                let from = offset - offset % PAGE_BYTES;
                let ahead = self
                    .options
                    .populate_bytes
                    .min(identity.segment_bytes - from);
                region
                    .populate(from, ahead)
                    .map_err(|error| JournalError::io("pre-faulting (Linux 5.14)", path, error))?;
                let active = PreparedSegment::over(identity, &Arc::new(region));
                let plan = self.plan(identity.journal_id);
                let preparer = SegmentPreparer::new(plan, segment_index + 1)?;
                Ok((active, *offset, *segment_entries, preparer))
            }
        }
    }

    fn fresh_segment(
        &self,
        segment_index: u32,
        journal_id: u128,
        previous_seal_checksum: u32,
    ) -> Result<(PreparedSegment, u32, u64, SegmentPreparer), JournalError> {
        let mut preparer = SegmentPreparer::new(self.plan(journal_id), segment_index)?;
        let mut active = preparer.prepare_now()?;
        let first_sequence = self.last_sequence + 1;
        let boot_epoch = self.boot_epoch;
        let opened = Opening {
            first_sequence,
            boot_epoch,
            previous_seal_checksum,
        };
        let identity = *active.identity();
        header::write_opening(active.writer(), &identity, &opened);
        Ok((active, ENTRIES_START, 0, preparer))
    }

    fn plan(&self, journal_id: u128) -> SegmentPlan {
        SegmentPlan {
            directory: self.options.directory.clone(),
            journal_id,
            instance_tag: self.options.instance_tag,
            boot_epoch: self.boot_epoch,
            segment_bytes: self.options.segment_bytes,
            populate_bytes: self.options.populate_bytes,
        }
    }
}
