//! What the shadow's thread does: follow, compare, write a snapshot step by step.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::replay::Compared;
use journal::state_file::StateFileWriter;
use journal::{Entry, Follower, JournalError, held_segments};
use model::Decision;
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::time::NS_PER_S;
use rustix::time::{ClockId, clock_gettime};

use super::aside::write_aside;
use super::{Notify, ShadowError, ShadowFigures, ShadowNotice, ShadowSettings};
use crate::snapshots::Snapshots;
use crate::state_fold::{FoldError, StateFold, entry_kind};

/// An entry older than this is folded and not decided again.
const LAG_MAX_NS: u64 = NS_PER_S;
/// Entries between two looks at everything else.
const BATCH: u32 = 256;
/// Between two looks when nothing happened.
const PAUSE: Duration = Duration::from_millis(2);
/// A last snapshot is written at the end when so many entries came since the one before.
const LAST_SNAPSHOT_ENTRIES: u64 = 1_000;

/// Runs to the end, and tells why when that is before its time.
pub(super) fn run(
    settings: ShadowSettings,
    stop: &AtomicBool,
    figures: &ShadowFigures,
    notify: &Notify,
) {
    let work = AssertUnwindSafe(|| follow(settings, stop, figures, notify));
    let ended = catch_unwind(work).unwrap_or_else(|_told_by_the_hook| {
        let sequence = figures.sequence();
        Err(ShadowError::Panicked { sequence })
    });
    if let Err(error) = ended {
        notify(ShadowNotice::Ended(error));
    }
}

fn follow(
    settings: ShadowSettings,
    stop: &AtomicBool,
    figures: &ShadowFigures,
    notify: &Notify,
) -> Result<(), ShadowError> {
    let fold = begin(&settings, notify)?;
    // From the snapshot's own last entry on, which shows that the two belong together.
    let mut follower = Follower::open(&settings.journal_directory, fold.last_sequence())?;
    let mut work = Work {
        last_snapshot: fold.last_sequence(),
        fold,
        settings,
        figures,
        notify,
        buffers: EntryBuffers::default(),
        writing: None,
        diverged: false,
    };
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let mut taken = 0;
        while taken < BATCH {
            let Some(entry) = follower.poll()? else { break };
            work.take(&entry)?;
            taken += 1;
        }
        figures
            .sequence
            .store(work.fold.last_sequence(), Ordering::Relaxed);
        let journal_id = follower.journal_id();
        let wrote = work.snapshot_step(journal_id, stopping && taken == 0);
        if taken == 0 && !wrote {
            if stopping {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The newest snapshot that fits, or nothing.
fn begin(settings: &ShadowSettings, notify: &Notify) -> Result<StateFold, ShadowError> {
    let held = held_segments(&settings.journal_directory)?;
    let mut passed_over = Vec::new();
    let loaded = settings.snapshots.load(&held, u64::MAX, &mut passed_over);
    for passed in passed_over {
        notify(ShadowNotice::PassedOver(passed));
    }
    let oldest = held.first().map_or(1, |segment| segment.first_sequence);
    let (fold, snapshot) = match loaded {
        Some((fold, header)) => (fold, Some(header.sequence)),
        None => (StateFold::behind(oldest.saturating_sub(1)), None),
    };
    let state = fold.state_file(0).map_or(0, |(_, body)| body.len());
    notify(ShadowNotice::Following {
        sequence: fold.last_sequence(),
        snapshot,
        state_bytes: u64::try_from(state).unwrap_or(u64::MAX),
    });
    Ok(fold)
}

/// A snapshot that is being written.
struct Writing {
    file: StateFileWriter,
    bytes: u64,
    encoded_in: Duration,
    began: Instant,
}

struct Work<'a> {
    settings: ShadowSettings,
    fold: StateFold,
    figures: &'a ShadowFigures,
    notify: &'a Notify,
    buffers: EntryBuffers,
    last_snapshot: u64,
    writing: Option<Writing>,
    diverged: bool,
}

impl Work<'_> {
    fn take(&mut self, entry: &Entry<'_>) -> Result<(), ShadowError> {
        let kind = entry_kind(entry)?;
        let is_input = !matches!(kind, EntryKind::Sent | EntryKind::Checkpoint);
        if entry.sequence <= self.fold.last_sequence() || !is_input {
            return Ok(self.fold.take(entry, &mut self.buffers)?);
        }
        let is_current = entry.boot_epoch == self.settings.run_epoch
            && monotonic_ns().saturating_sub(entry.now_ns) <= LAG_MAX_NS;
        let sequence = entry.sequence;
        let (input, recorded) = take_entry(kind, entry.body, &mut self.buffers)
            .map_err(|error| FoldError::Bytes { sequence, error })?;
        if self.diverged || !is_current {
            self.fold.fold(entry, &input, recorded)?;
            self.figures.folded.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let compared = self.fold.reexecute(entry, &input, recorded)?;
        self.figures.reexecuted.fetch_add(1, Ordering::Relaxed);
        if let Compared::Differs { at } = compared {
            let decisions = describe(recorded, self.fold.decided(), at);
            self.diverge(sequence, at, decisions)?;
        }
        Ok(())
    }

    /// Both states go aside; from here on what was recorded counts.
    fn diverge(&mut self, sequence: u64, at: usize, decisions: String) -> Result<(), ShadowError> {
        self.diverged = true;
        self.writing = None;
        self.figures.diverged.store(sequence, Ordering::Relaxed);
        let recorded = fold_to(&self.settings, sequence)?;
        let aside = write_aside(
            &self.settings.aside_directory,
            sequence,
            [("recorded", &recorded), ("decided", &self.fold)],
        );
        self.fold = recorded;
        (self.notify)(ShadowNotice::Diverged {
            sequence,
            at,
            decisions,
            aside: aside.unwrap_or_default(),
        });
        Ok(())
    }

    /// One step of the snapshot that is being written, or the beginning of the next. True when
    /// something was done.
    fn snapshot_step(&mut self, journal_id: Option<u128>, is_last: bool) -> bool {
        if let Some(writing) = &mut self.writing {
            match writing.file.advance() {
                Ok(false) => {}
                Ok(true) => self.snapshot_written(),
                Err(error) => self.snapshot_failed(error),
            }
            return true;
        }
        let since = self.fold.last_sequence().saturating_sub(self.last_snapshot);
        let last_due = LAST_SNAPSHOT_ENTRIES.min(self.settings.snapshot_every);
        let due = since >= self.settings.snapshot_every || (is_last && since >= last_due);
        let (true, false, Some(journal_id)) = (due, self.diverged, journal_id) else {
            return false;
        };
        self.last_snapshot = self.fold.last_sequence();
        let began = Instant::now();
        match self.settings.snapshots.begin(&self.fold, journal_id) {
            Ok(Some(file)) => {
                self.writing = Some(Writing {
                    bytes: file.file_bytes(),
                    file,
                    encoded_in: began.elapsed(),
                    began,
                });
            }
            Ok(None) => {}
            Err(error) => self.snapshot_failed(error),
        }
        true
    }

    fn snapshot_written(&mut self) {
        let Some(written) = self.writing.take() else {
            return;
        };
        let sequence = written.file.header().sequence;
        self.figures.snapshot.store(sequence, Ordering::Relaxed);
        (self.notify)(ShadowNotice::SnapshotWritten {
            sequence,
            bytes: written.bytes,
            encoded_in: written.encoded_in,
            written_in: written.began.elapsed(),
        });
        if let Err(error) = self
            .settings
            .snapshots
            .remove_old(self.settings.snapshots_kept)
        {
            (self.notify)(ShadowNotice::SnapshotFailed(error));
        }
    }

    fn snapshot_failed(&mut self, error: JournalError) {
        self.writing = None;
        (self.notify)(ShadowNotice::SnapshotFailed(error));
    }
}

/// What the journal's own decisions add up to, from the newest snapshot to an entry.
fn fold_to(settings: &ShadowSettings, sequence: u64) -> Result<StateFold, ShadowError> {
    let held = held_segments(&settings.journal_directory)?;
    let snapshots: &Snapshots = &settings.snapshots;
    let loaded = snapshots.load(&held, sequence.saturating_sub(1), &mut Vec::new());
    let oldest = held.first().map_or(1, |segment| segment.first_sequence);
    let mut fold = loaded.map_or_else(
        || StateFold::behind(oldest.saturating_sub(1)),
        |(fold, _)| fold,
    );
    let mut follower = Follower::open(&settings.journal_directory, fold.last_sequence())?;
    let mut buffers = EntryBuffers::default();
    while fold.last_sequence() < sequence
        && let Some(entry) = follower.poll()?
    {
        fold.take(&entry, &mut buffers)?;
    }
    Ok(fold)
}

fn describe(recorded: &[Decision], decided: &[Decision], at: usize) -> String {
    format!(
        "recorded {} decisions, at {at} {:?}; decided {}, at {at} {:?}",
        recorded.len(),
        recorded.get(at),
        decided.len(),
        decided.get(at)
    )
}

/// The clock that the hot thread's moments are of.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_S).saturating_add(nanoseconds)
}
