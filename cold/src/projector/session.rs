//! One stretch of following: from an open database to the first thing that fails.
//!
//! Invariant: it begins only where the database's last entry is the journal's entry of that number,
//! so rows of a journal that lost its end, or of another one, are never gone on from.

use std::path::Path;

use journal::Follower;

use super::projection::Projection;
use super::{ProjectorError, ProjectorSettings};
use crate::journal_context::{PlaceFault, begin_at_first, go_on};
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
        let found = store.cursor()?;
        let placed = match &found {
            None => begin_at_first(directory),
            Some(cursor) => go_on(directory, cursor).map(|follower| (follower, cursor.clone())),
        };
        let (follower, cursor) =
            placed.map_err(|fault| refusal(&store, directory, &found, fault))?;
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
    pub(super) fn take_batch(&mut self, batch_entries: u32) -> Result<StepReport, ProjectorError> {
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

fn refusal(
    store: &Store,
    directory: &Path,
    found: &Option<Cursor>,
    fault: PlaceFault,
) -> ProjectorError {
    let sequence = found.as_ref().map_or(0, |cursor| cursor.sequence);
    let text = |id: Option<u128>| id.map_or("none".to_owned(), |id| format!("{id:032x}"));
    let kind = match fault {
        PlaceFault::Journal(error) => return error.into(),
        PlaceFault::NoJournal => return ProjectorError::NoJournal(directory.to_owned()),
        PlaceFault::OtherJournal(expected) => StoreErrorKind::OtherJournal {
            expected: text(expected),
            found: text(found.as_ref().map(|cursor| cursor.journal_id)),
        },
        PlaceFault::Beyond => StoreErrorKind::BeyondJournal { found: sequence },
        PlaceFault::TooOld(oldest) => StoreErrorKind::TooOld {
            found: sequence,
            oldest,
        },
    };
    StoreError::new(store.path(), kind).into()
}
