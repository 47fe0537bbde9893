//! One stretch of following: from an open database to the first thing that fails.
//!
//! Invariant: it begins only where the database's last entry is the journal's entry of that number,
//! so rows of a journal that lost its end, or of another one, are never gone on from.

use std::path::Path;

use journal::{Follower, JournalError, JournalErrorKind};
use model::{MonotonicNs, UtcAnchor};

use super::projection::Projection;
use super::{ProjectorError, ProjectorSettings};
use crate::store::rows::Cursor;
use crate::store::{Store, StoreError, StoreErrorKind, StoreLock};

/// An open database and where the journal is read next.
pub(super) struct Session {
    store: Store,
    follower: Follower,
    projection: Projection,
    _lock: StoreLock,
}

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct StepReport {
    /// Entries that are in the rows now.
    pub(super) entries: u64,
    /// Entries whose execution was in the table already.
    pub(super) doubled_fills: Vec<u64>,
}

impl Session {
    /// Opens the database and finds its place in the journal.
    ///
    /// # Errors
    /// A database that cannot be used with this journal, by name; a journal that cannot be read.
    pub(super) fn open(settings: &ProjectorSettings) -> Result<Self, ProjectorError> {
        let lock = StoreLock::take(&settings.database)?;
        let store = Store::open(&settings.database)?;
        Self::begin(store, lock, &settings.journal_directory)
    }

    /// Begins with a database that is open.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn begin(
        store: Store,
        lock: StoreLock,
        directory: &Path,
    ) -> Result<Self, ProjectorError> {
        let (follower, cursor) = match store.cursor()? {
            None => begin_at_first(&store, directory)?,
            Some(cursor) => (go_on(&store, directory, &cursor)?, cursor),
        };
        let projection = Projection::new(cursor).map_err(|error| {
            let kind = StoreErrorKind::BadRow {
                table: "cursor",
                column: "config",
                found: error.to_string(),
            };
            StoreError::new(store.path(), kind)
        })?;
        Ok(Self {
            projection,
            store,
            follower,
            _lock: lock,
        })
    }

    /// The last entry in the rows.
    pub(super) fn sequence(&self) -> u64 {
        self.projection.sequence()
    }

    /// The database.
    pub(super) fn into_store(self) -> (Store, StoreLock) {
        (self.store, self._lock)
    }

    /// Folds what the journal has, at most `batch_entries`, and writes it in one transaction.
    ///
    /// # Errors
    /// The journal, an entry, or the database; the session must be dropped then.
    pub(super) fn step(&mut self, batch_entries: u32) -> Result<StepReport, ProjectorError> {
        while self.projection.pending_entries() < u64::from(batch_entries) {
            let Some(entry) = self.follower.poll()? else {
                break;
            };
            self.projection.take(&entry, &self.store)?;
        }
        let entries = self.projection.pending_entries();
        if entries == 0 {
            return Ok(StepReport::default());
        }
        let (batch, cursor) = self.projection.seal();
        let doubled_fills = self.store.write(batch, cursor)?;
        self.projection.written();
        Ok(StepReport {
            entries,
            doubled_fills,
        })
    }
}

fn begin_at_first(store: &Store, directory: &Path) -> Result<(Follower, Cursor), ProjectorError> {
    let follower = match Follower::open(directory, 1) {
        Ok(follower) => follower,
        Err(error) => return Err(too_old_or(store, 0, error)),
    };
    let Some(journal_id) = follower.journal_id() else {
        return Err(ProjectorError::NoJournal(directory.to_owned()));
    };
    let cursor = Cursor {
        journal_id,
        sequence: 0,
        entry_epoch: 0,
        entry_now: MonotonicNs(0),
        boot_epoch: 0,
        anchor: UtcAnchor::default(),
        config: Vec::new(),
    };
    Ok((follower, cursor))
}

fn go_on(store: &Store, directory: &Path, cursor: &Cursor) -> Result<Follower, ProjectorError> {
    let refuse = |kind| Err(StoreError::new(store.path(), kind).into());
    let beyond = StoreErrorKind::BeyondJournal {
        found: cursor.sequence,
    };
    let mut follower = match Follower::open(directory, cursor.sequence) {
        Ok(follower) => follower,
        // The entry itself is archived, and the next one is the oldest that is left.
        Err(error) if oldest_of(&error) == Some(cursor.sequence + 1) => {
            let follower = Follower::open(directory, cursor.sequence + 1)?;
            return match other_journal(&follower, cursor) {
                Some(kind) => refuse(kind),
                None => Ok(follower),
            };
        }
        Err(error) => return Err(too_old_or(store, cursor.sequence, error)),
    };
    if let Some(kind) = other_journal(&follower, cursor) {
        return refuse(kind);
    }
    let is_same = match follower.poll()? {
        None => false,
        Some(entry) => {
            entry.sequence == cursor.sequence
                && entry.boot_epoch == cursor.entry_epoch
                && entry.now_ns == cursor.entry_now.0
        }
    };
    if is_same {
        Ok(follower)
    } else {
        refuse(beyond)
    }
}

fn other_journal(follower: &Follower, cursor: &Cursor) -> Option<StoreErrorKind> {
    let id = follower.journal_id();
    if id == Some(cursor.journal_id) {
        return None;
    }
    let text = |id: Option<u128>| id.map_or("none".to_owned(), |id| format!("{id:032x}"));
    Some(StoreErrorKind::OtherJournal {
        expected: text(id),
        found: text(Some(cursor.journal_id)),
    })
}

fn oldest_of(error: &JournalError) -> Option<u64> {
    match *error.kind() {
        JournalErrorKind::SequenceNotHeld { oldest, .. } => Some(oldest),
        _ => None,
    }
}

fn too_old_or(store: &Store, found: u64, error: JournalError) -> ProjectorError {
    match oldest_of(&error) {
        Some(oldest) => {
            StoreError::new(store.path(), StoreErrorKind::TooOld { found, oldest }).into()
        }
        None => error.into(),
    }
}
