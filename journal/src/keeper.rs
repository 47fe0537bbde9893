//! The journal keeper: a thread that keeps pages present, a spare segment ready and, in the modes
//! that promise it, bytes on the disk.
//!
//! Owns: the thread, the spare segments on their way, the retired ones to unmap. Invariants: spares
//! are handed over in order; the hot thread never waits for it; a failed preparation is shown and
//! tried again after a second; a failed sync is final (see `sync.rs`). Must not know: entries.
//! Threads: its own. It polls, because waking it would cost the hot thread a system call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};

use crate::error::{JournalError, JournalErrorKind};
use crate::progress::Progress;
use crate::segment::{PreparedSegment, RetiredSegment, SegmentPreparer};
use crate::sync::{Mode, OpenSegment, SyncDevice, SyncPasses};

/// Spares that wait in the ring; the writer may hold one more.
pub(crate) const SPARES_AHEAD: usize = 1;
/// Retired segments on their way back: more than can be rolled without the keeper's help.
pub(crate) const RETIRED_CAPACITY: usize = 4;
const POLL_PROCESS: Duration = Duration::from_millis(2);
const POLL_GROUP: Duration = Duration::from_micros(400);
const POLL_STRICT: Duration = Duration::from_micros(50);
/// The kernel writes dirty pages back after a while, also of an idle journal, and protects them.
const REPOPULATE_EVERY: Duration = Duration::from_secs(1);
const PREPARE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Handle of the keeper thread; dropping it ends the thread after a last sync pass.
#[derive(Debug)]
pub struct Keeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
}

/// The keeper's ends of the rings to the writer.
pub(crate) struct KeeperEnds {
    pub(crate) spares: Producer<PreparedSegment>,
    pub(crate) retired: Consumer<RetiredSegment>,
}

/// Work of the keeper, a turn at a time; the thread does nothing else.
pub(crate) struct KeeperWork<D> {
    sync: SyncPasses<D>,
    preparer: SegmentPreparer,
    ends: KeeperEnds,
    progress: Arc<Progress>,
    populate_bytes: u32,
    /// Segment and end of what was populated last.
    populated: (u32, u32),
    /// Segments below this index came back from the writer.
    sealed_below_index: u32,
    repopulate_at: Instant,
    prepare_at: Instant,
}

impl<D: SyncDevice> KeeperWork<D> {
    pub(crate) fn new(
        sync: SyncPasses<D>,
        preparer: SegmentPreparer,
        ends: KeeperEnds,
        progress: Arc<Progress>,
        populate_bytes: u32,
    ) -> Self {
        let now = Instant::now();
        Self {
            sync,
            preparer,
            ends,
            progress,
            populate_bytes,
            populated: (0, 0),
            sealed_below_index: 0,
            repopulate_at: now,
            prepare_at: now,
        }
    }

    /// One turn. `true` if there is more to do at once.
    pub(crate) fn turn(&mut self, now: Instant) -> bool {
        self.sync.sync_behind_limit();
        if now >= self.repopulate_at {
            self.repopulate_at = now + REPOPULATE_EVERY;
            self.populated = (0, 0);
            self.sync.sync_markers();
        }
        self.populate_ahead();
        while let Ok(retired) = self.ends.retired.pop() {
            self.sealed_below_index = retired.segment_index() + 1;
        }
        self.sync.forget_finished(self.sealed_below_index);
        self.prepare(now)
    }

    /// Last pass at the end of a run.
    pub(crate) fn finish(&mut self) {
        self.sync.sync_behind_limit();
        self.sync.sync_markers();
    }

    /// Keeps the window ahead of the cursor present and writable.
    fn populate_ahead(&mut self) {
        let (_, limit) = self.progress.limit();
        let (index, offset) = (limit.segment_index(), limit.offset_bytes());
        let is_same = self.populated.0 == index;
        let from = if is_same {
            self.populated.1.max(offset)
        } else {
            offset
        };
        // In steps of a quarter window, so that a busy journal costs few calls.
        if is_same && from - offset > self.populate_bytes / 4 * 3 {
            return;
        }
        let active = self
            .sync
            .open_segments
            .iter()
            .find(|s| s.identity.segment_index == index);
        if let Some(active) = active {
            let end = offset
                .saturating_add(self.populate_bytes)
                .min(active.identity.segment_bytes);
            if end > from {
                // Failing costs page faults on the hot thread, nothing else.
                let _only_slower = active.region.populate(from, end - from);
            }
            self.populated = (index, end.max(from));
        }
    }

    fn prepare(&mut self, now: Instant) -> bool {
        self.progress
            .set_spares_ready((SPARES_AHEAD - self.ends.spares.slots()) as u32);
        if self.ends.spares.is_full() || now < self.prepare_at {
            return false;
        }
        match self.preparer.advance() {
            Ok(None) => return true,
            Ok(Some(spare)) => {
                let (identity, region) = (*spare.identity(), Arc::clone(spare.region()));
                self.sync
                    .open_segments
                    .push_back(OpenSegment::fresh(identity, region));
                self.progress.set_prepare_failure(0);
                self.ends
                    .spares
                    .push(spare)
                    .expect("looked for room above, sole producer");
                self.progress.set_spares_ready(SPARES_AHEAD as u32);
            }
            Err(error) => {
                self.progress.set_prepare_failure(errno_of(&error));
                self.prepare_at = now + PREPARE_AGAIN_AFTER;
            }
        }
        false
    }
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Io` if the system gives no thread.
    pub(crate) fn start<D: SyncDevice + 'static>(
        mode: Mode,
        mut work: KeeperWork<D>,
        directory: &std::path::Path,
    ) -> Result<Self, JournalError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, progress) = (Arc::clone(&stop), Arc::clone(&work.progress));
        let poll = match mode {
            Mode::Process => POLL_PROCESS,
            Mode::Group => POLL_GROUP,
            Mode::Strict => POLL_STRICT,
        };
        let on_panic = LatchOnPanic(Arc::clone(&progress));
        let body = move || {
            let _on_panic = on_panic;
            while !stopping.load(Ordering::Acquire) {
                if !work.turn(Instant::now()) {
                    thread::park_timeout(poll);
                }
            }
            work.finish();
        };
        let thread = thread::Builder::new()
            .name("journal-keeper".to_owned())
            .spawn(body)
            .map_err(|error| JournalError::io("starting the keeper", directory, error))?;
        Ok(Self {
            stop,
            thread: Some(thread),
            progress,
        })
    }

    /// State shared with the writer.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release); // pairs with the Acquire in the thread's loop
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been printed; there is nobody to hand it to.
            let _ended = thread.join();
        }
    }
}

/// A keeper that dies syncs no more: as final as a failed sync, and as loud.
struct LatchOnPanic(Arc<Progress>);

impl Drop for LatchOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.latch_sync_failure(-1);
            self.0.wake();
        }
    }
}

fn errno_of(error: &JournalError) -> i32 {
    match error.kind() {
        JournalErrorKind::Io { source, .. } => source.raw_os_error().unwrap_or(-1),
        _ => -1,
    }
}
