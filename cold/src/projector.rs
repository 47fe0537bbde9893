//! The projector: follows the journal and keeps the database's rows up to it.
//!
//! Owns a thread, a follower of the mapped journal and the database. Invariants: rows and cursor
//! move together, so a kill at any point loses and doubles nothing; whatever fails, nothing is kept
//! but the database itself, and following begins again at its cursor; the hot thread is never
//! waited for and never waits. Must not know: SQL, the live engine.

mod order_fold;
mod order_log_rows;
mod projection;
mod rebuild;
mod session;
mod state_file;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use journal::JournalError;
use model::BytesError;

use crate::store::StoreError;
pub use rebuild::{Rebuilt, rebuild};
use session::Session;
use state_file::StateFile;
pub use state_file::{ReportedState, read_state};

/// Between two looks when nothing happened.
const PAUSE: Duration = Duration::from_millis(5);
/// The first wait after a failure; doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What a projector works with.
#[derive(Debug, Clone)]
pub struct ProjectorSettings {
    /// The journal's directory.
    pub journal_directory: PathBuf,
    /// The database's file.
    pub database: PathBuf,
    /// Most entries that one transaction holds.
    pub batch_entries: u32,
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectorNotice {
    /// Following, behind this entry.
    Following {
        /// The last entry in the rows.
        sequence: u64,
    },
    /// DEGRADED: the rows stand still. Trading goes on; following is tried again by itself.
    Degraded {
        /// What failed, and what to do.
        detail: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// An execution that the table had already: the journal booked it twice.
    FillDoubled {
        /// The entry.
        sequence: u64,
    },
}

/// Who is told.
pub type NoticeSink = Arc<dyn Fn(ProjectorNotice) + Send + Sync>;

/// Why a projection stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The journal.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// There is no journal yet.
    #[error("{}: no journal is there: check data.directory", .0.display())]
    NoJournal(PathBuf),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that is not what this version writes.
    #[error("entry {sequence} of the journal: {error}")]
    Entry {
        /// Which.
        sequence: u64,
        /// What is wrong with it.
        error: BytesError,
    },
    /// An entry of a kind that this version does not know.
    #[error("entry {sequence} of the journal has kind {kind}: a newer version wrote it")]
    UnknownKind {
        /// Which.
        sequence: u64,
        /// Its kind.
        kind: u16,
    },
    /// An order at an instrument that no configuration names.
    #[error("entry {sequence} of the journal is about instrument {instrument}, never configured")]
    UnknownInstrument {
        /// Which.
        sequence: u64,
        /// The instrument's number.
        instrument: u32,
    },
    /// The projector's own bug.
    #[error("PROJECTOR_PANICKED: a bug, named on standard error: please report it")]
    Panicked,
    /// A file of the target could not be made or moved.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl ProjectorError {
    fn entry(sequence: u64, error: BytesError) -> Self {
        Self::Entry { sequence, error }
    }
}

/// A running projector.
#[derive(Debug)]
pub struct Projector {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Projector {
    /// Starts it.
    ///
    /// # Errors
    /// A thread that could not be started. A database that cannot be used is no error here: it is
    /// DEGRADED, said through `notices` and tried again.
    pub fn start(settings: ProjectorSettings, notices: NoticeSink) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut following = Following {
            state: StateFile::new(&settings.database),
            settings,
            notices,
            stop: Arc::clone(&stop),
            retry_in: RETRY_FIRST,
        };
        let thread = std::thread::Builder::new()
            .name("projector".to_owned())
            .spawn(move || following.run())?;
        Ok(Self { stop, thread })
    }

    /// Writes what the journal holds by now and ends. A database that fails then is left behind its
    /// journal; the next start catches up.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // It catches its own panics; one outside of that has nothing left to lose.
        drop(self.thread.join());
    }
}

struct Following {
    settings: ProjectorSettings,
    notices: NoticeSink,
    stop: Arc<AtomicBool>,
    state: StateFile,
    retry_in: Duration,
}

impl Following {
    fn run(&mut self) {
        loop {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.follow()));
            let error = match outcome {
                Ok(Ok(())) => return self.state.stopped(),
                Ok(Err(error)) => error,
                Err(_) => ProjectorError::Panicked,
            };
            let retry_in = self.retry_in;
            self.retry_in = (retry_in * 2).min(RETRY_MAX);
            let detail = error.to_string();
            self.state.degraded(&detail);
            let notice = ProjectorNotice::Degraded { detail, retry_in };
            // A sink that panics must not end the projector.
            drop(catch_unwind(AssertUnwindSafe(|| self.tell(notice))));
            if self.is_stopped_within(retry_in) {
                return;
            }
        }
    }

    /// Follows until it is told to stop and the journal has no more.
    fn follow(&mut self) -> Result<(), ProjectorError> {
        let mut session = Session::open(&self.settings)?;
        let mut told = false;
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let step = session.step(self.settings.batch_entries)?;
            if !told {
                // Only a transaction that went through shows that the database is well.
                told = true;
                let sequence = session.sequence();
                self.state.following();
                self.tell(ProjectorNotice::Following { sequence });
            }
            if step.entries > 0 {
                self.retry_in = RETRY_FIRST;
            }
            for sequence in step.doubled_fills {
                self.tell(ProjectorNotice::FillDoubled { sequence });
            }
            if step.entries == 0 {
                if stopping {
                    return Ok(());
                }
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn tell(&self, notice: ProjectorNotice) {
        (self.notices)(notice);
    }

    fn is_stopped_within(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if self.stop.load(Ordering::Acquire) {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        self.stop.load(Ordering::Acquire)
    }
}
