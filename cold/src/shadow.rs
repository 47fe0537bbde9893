//! The shadow engine: the same engine, fed by the journal, that decides again and compares.
//!
//! It re-executes every entry of this run while it keeps up, and folds while it lags by more than a
//! second or reads the past; the share that was re-executed is counted. A decision that differs is
//! an alarm: both states are written aside, and it goes on folding what was recorded. It writes the
//! snapshots, so that the hot thread never does. It finds what is not deterministic and what was
//! damaged in memory; a wrong rule it has too. Invariants: it sends nothing, nobody waits for it,
//! and no snapshot is written once a decision differed. Must not know: the live engine's memory,
//! who is told. Threads: one of its own.

mod aside;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use journal::JournalError;

use crate::snapshots::{PassedOver, Snapshots};
use crate::state_fold::FoldError;

/// What a shadow works with.
#[derive(Debug, Clone)]
pub struct ShadowSettings {
    /// The journal's directory.
    pub journal_directory: PathBuf,
    /// Where the snapshots go.
    pub snapshots: Snapshots,
    /// Where both states go when a decision differs.
    pub aside_directory: PathBuf,
    /// The run whose entries are re-executed; older ones are folded.
    pub run_epoch: u32,
    /// A snapshot is written after so many entries.
    pub snapshot_every: u64,
    /// So many snapshots are kept.
    pub snapshots_kept: usize,
}

/// What a shadow has to tell.
#[derive(Debug)]
pub enum ShadowNotice {
    /// It has a state and follows.
    Following {
        /// Behind this entry.
        sequence: u64,
        /// The snapshot that it began with.
        snapshot: Option<u64>,
        /// Bytes of the state as a snapshot: about what it holds twice while it writes one.
        state_bytes: u64,
    },
    /// A snapshot that it could not begin with.
    PassedOver(PassedOver),
    /// A snapshot is whole and synced.
    SnapshotWritten {
        /// Its sequence.
        sequence: u64,
        /// Its length.
        bytes: u64,
        /// How long the shadow stood still to encode it.
        encoded_in: Duration,
        /// From its beginning to its end, entries followed in between.
        written_in: Duration,
    },
    /// A snapshot could not be written; the next one is tried in its time.
    SnapshotFailed(JournalError),
    /// An entry's decisions are not what the same engine decides.
    Diverged {
        /// The entry.
        sequence: u64,
        /// The first decision, from 0, that one side lacks or has otherwise.
        at: usize,
        /// What was recorded, and what was decided, at that place.
        decisions: String,
        /// Where both states are; empty when they could not be written.
        aside: Vec<PathBuf>,
    },
    /// It has ended before its time.
    Ended(ShadowError),
}

/// Why a shadow ended.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The engine broke an invariant of its own.
    #[error("the engine broke an invariant behind entry {sequence}: its panic is above")]
    Panicked {
        /// The last entry that it took.
        sequence: u64,
    },
}

/// Numbers that anybody may read while the shadow works.
#[derive(Debug, Default)]
pub struct ShadowFigures {
    sequence: AtomicU64,
    reexecuted: AtomicU64,
    folded: AtomicU64,
    snapshot: AtomicU64,
    diverged: AtomicU64,
}

impl ShadowFigures {
    /// The last entry that it took.
    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// Entries of this run that it decided again.
    pub fn reexecuted(&self) -> u64 {
        self.reexecuted.load(Ordering::Relaxed)
    }

    /// Entries that it only folded, because it lagged or they are of an older run.
    pub fn folded(&self) -> u64 {
        self.folded.load(Ordering::Relaxed)
    }

    /// The last snapshot that it wrote; 0 for none.
    pub fn snapshot(&self) -> u64 {
        self.snapshot.load(Ordering::Relaxed)
    }

    /// The first entry whose decisions differed; 0 for none.
    pub fn diverged(&self) -> u64 {
        self.diverged.load(Ordering::Relaxed)
    }
}

/// A shadow that runs.
#[derive(Debug)]
pub struct Shadow {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    figures: Arc<ShadowFigures>,
}

/// Who is told.
pub type Notify = Arc<dyn Fn(ShadowNotice) + Send + Sync>;

impl Shadow {
    /// Starts it.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn start(settings: ShadowSettings, notify: Notify) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let figures = Arc::new(ShadowFigures::default());
        let (stopping, shown) = (Arc::clone(&stop), Arc::clone(&figures));
        let body = move || work::run(settings, &stopping, &shown, &notify);
        let thread = std::thread::Builder::new()
            .name("shadow".to_owned())
            .spawn(body)?;
        Ok(Self {
            thread,
            stop,
            figures,
        })
    }

    /// Its numbers.
    pub fn figures(&self) -> Arc<ShadowFigures> {
        Arc::clone(&self.figures)
    }

    /// Lets it read what the journal holds by now and write a last snapshot, and ends it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // A panic was told when it happened.
        let _ended = self.thread.join();
    }
}
