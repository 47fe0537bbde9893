//! The projection's database: the one place that knows SQL.
//!
//! Owns the file (mode 0600), its schema and its migrations, and the rows' way in and out.
//! Invariants: rows and cursor change in one transaction; a database that a newer version made is
//! refused unchanged; every value is bound, never written into SQL. Must not know: entries,
//! decisions, who calls. Threads: any, one `Store` each; other processes may read at the same time.

mod error;
pub(crate) mod exact_text;
mod migrations;
mod read;
pub mod rows;
mod write;

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

pub use error::{StoreError, StoreErrorKind};
pub use migrations::SCHEMA_VERSION;
pub use read::CountedTable;
pub use write::Batch;

/// How long a statement waits for another process's lock before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);

/// An open database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

/// The right to write to a database; one holder on a machine. Released when dropped.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the right.
    ///
    /// # Errors
    /// `DATABASE_IN_USE` when somebody has it; a lock file that cannot be made.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let lock_path = beside(path, "lock");
        let failed = |error| StoreError::io("making its lock file", path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(lock_path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::new(path, StoreErrorKind::InUse)),
            Err(error) => Err(failed(error.into())),
        }
    }
}

impl Store {
    /// Opens or makes a database and brings it to this version's schema.
    ///
    /// # Errors
    /// `DATABASE_NEWER`; whatever SQLite or the file system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut store = Self::open_as_it_is(path)?;
        store.migrate_to(SCHEMA_VERSION)?;
        Ok(store)
    }

    /// Opens or makes a database without looking at its version.
    ///
    /// # Errors
    /// Whatever SQLite or the file system says.
    pub fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        make_private(path).map_err(|error| StoreError::io("opening it", path, error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Self::connect(path, flags)?;
        store.run("choosing its journal mode", |connection| {
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                 PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
                 PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;",
            )
        })?;
        Ok(store)
    }

    /// Opens a database that exists, to look at it.
    ///
    /// # Errors
    /// Whatever SQLite says; also that there is none.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::connect(path, flags)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|error| StoreError::sqlite("opening it", path, error))?;
        connection.set_prepared_statement_cache_capacity(64);
        let store = Self {
            connection,
            path: path.to_owned(),
        };
        store.run("setting its timeout", |connection| {
            connection.busy_timeout(BUSY_TIMEOUT)
        })?;
        Ok(store)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of its schema; 0 = none yet.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub fn schema_version(&self) -> Result<u32, StoreError> {
        self.run("reading its version", |connection| {
            migrations::version(connection)
        })
    }

    /// Brings its schema up or down to `version`, step by step, all in one transaction.
    ///
    /// # Errors
    /// `DATABASE_NEWER` when it is newer than this binary knows; `DATABASE_NO_SUCH_VERSION` for a
    /// version that this binary does not have; whatever SQLite says, with nothing changed.
    pub fn migrate_to(&mut self, version: u32) -> Result<(), StoreError> {
        migrations::migrate(&mut self.connection, &self.path, version)
    }

    /// Makes everything durable in the one file, so that it can be moved.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub fn close(self) -> Result<(), StoreError> {
        self.run("writing it out", |connection| {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;")
        })?;
        let path = self.path;
        let closed = self.connection.close();
        closed.map_err(|(_, error)| StoreError::sqlite("closing it", &path, error))
    }

    fn run<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        act(&self.connection).map_err(|error| StoreError::sqlite(doing, &self.path, error))
    }
}

/// A file beside a database: its path with `.suffix` behind.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the file if it is missing and closes it to others; SQLite gives its `-wal` and `-shm` the
/// same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}
