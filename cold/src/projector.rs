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

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use journal::JournalError;
use model::BytesError;

use crate::retrying::{Stretch, follow};
use crate::store::StoreError;
pub use rebuild::{Rebuilt, rebuild};
use session::Session;
use state_file::StateFile;
pub use state_file::{ReportedState, read_state};

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
        let mut owner = Owner {
            state: StateFile::new(&settings.database),
            settings,
            notices,
        };
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("projector".to_owned())
            .spawn(move || follow::<Session>(&mut owner, &stopping))?;
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

struct Owner {
    settings: ProjectorSettings,
    notices: NoticeSink,
    state: StateFile,
}

impl Stretch for Session {
    type Owner = Owner;

    fn begin(owner: &mut Owner) -> Result<Self, String> {
        Self::open(&owner.settings).map_err(|error| error.to_string())
    }

    fn step(&mut self, owner: &mut Owner) -> Result<u64, String> {
        let batch_entries = owner.settings.batch_entries;
        let step = self
            .take_batch(batch_entries)
            .map_err(|error| error.to_string())?;
        for sequence in step.doubled_fills {
            (owner.notices)(ProjectorNotice::FillDoubled { sequence });
        }
        Ok(step.entries)
    }

    fn is_well(&mut self, owner: &mut Owner) {
        let sequence = self.sequence();
        owner.state.following();
        (owner.notices)(ProjectorNotice::Following { sequence });
    }

    fn end(self, owner: &mut Owner) -> Result<(), String> {
        owner.state.stopped();
        Ok(())
    }

    fn degraded(owner: &mut Owner, detail: String, retry_in: Duration) {
        owner.state.degraded(&detail);
        (owner.notices)(ProjectorNotice::Degraded { detail, retry_in });
    }
}
