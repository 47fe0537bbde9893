//! A database made anew from a journal: the repair for every database, and the export of one.
//!
//! Invariant: the target changes in one rename, when the new one is whole and on the disk.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::session::Session;
use super::{ProjectorError, ProjectorSettings};
use crate::store::{CountedTable, Store, StoreLock, beside};

/// Entries of one transaction, and between two calls of `progress`.
const BATCH_ENTRIES: u32 = 16_384;

/// What a rebuild made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The last entry in the rows.
    pub sequence: u64,
    /// Rows of `orders`.
    pub orders: u64,
    /// Rows of `fills`.
    pub fills: u64,
    /// Rows of `trade_intents`.
    pub intents: u64,
    /// Rows of `execution_logs`.
    pub logs: u64,
}

/// Makes `target` from everything that the journal in `journal_directory` holds. `progress` is
/// called with the sequence that was reached.
///
/// # Errors
/// `DATABASE_IN_USE` when an engine writes to `target`; a journal or an entry that cannot be read;
/// a disk that is full. The target is unchanged then.
pub fn rebuild(
    journal_directory: &Path,
    target: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Rebuilt, ProjectorError> {
    let target_lock = StoreLock::take(target)?;
    let fresh = beside(target, "rebuild");
    remove_database(&fresh)?;
    let settings = ProjectorSettings {
        journal_directory: journal_directory.to_owned(),
        database: fresh.clone(),
        batch_entries: BATCH_ENTRIES,
    };
    let mut session = Session::open(&settings)?;
    while session.take_batch(BATCH_ENTRIES)?.entries > 0 {
        progress(session.sequence());
    }
    let sequence = session.sequence();
    let (store, fresh_lock) = session.into_store();
    let rebuilt = counts(&store, sequence)?;
    store.close()?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| ProjectorError::Io { path, error }
    };
    let file = File::open(&fresh).map_err(io(&fresh))?;
    file.sync_all().map_err(io(&fresh))?;
    // The old one's log must not be applied to the new one.
    for suffix in ["-wal", "-shm"] {
        remove(&with_suffix(target, suffix))?;
    }
    std::fs::rename(&fresh, target).map_err(io(target))?;
    remove(&beside(&fresh, "lock"))?;
    drop((fresh_lock, target_lock));
    Ok(rebuilt)
}

fn counts(store: &Store, sequence: u64) -> Result<Rebuilt, ProjectorError> {
    Ok(Rebuilt {
        sequence,
        orders: store.count(CountedTable::Orders)?,
        fills: store.count(CountedTable::Fills)?,
        intents: store.count(CountedTable::Intents)?,
        logs: store.count(CountedTable::Logs)?,
    })
}

fn remove_database(path: &Path) -> Result<(), ProjectorError> {
    remove(path)?;
    remove(&with_suffix(path, "-wal"))?;
    remove(&with_suffix(path, "-shm"))
}

fn remove(path: &Path) -> Result<(), ProjectorError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ProjectorError::Io {
            path: path.to_owned(),
            error,
        }),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
