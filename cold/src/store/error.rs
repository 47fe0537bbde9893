//! Why a database cannot be used, with a stable code and what to do.

use std::path::{Path, PathBuf};

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("database {}: {kind}", path.display())]
pub struct StoreError {
    path: PathBuf,
    #[source]
    kind: StoreErrorKind,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum StoreErrorKind {
    /// A newer version made it.
    #[error(
        "DATABASE_NEWER: its schema is version {found} and this binary knows up to {known}: start \
         the newer binary, or have that one run `millrun db migrate --to {known}`, or delete the \
         file (it is rebuilt from the journal)"
    )]
    Newer {
        /// Its version.
        found: u32,
        /// The newest that this binary has.
        known: u32,
    },
    /// There is no such version to migrate to.
    #[error("DATABASE_NO_SUCH_VERSION: there is no schema version {asked}; the newest is {known}")]
    NoSuchVersion {
        /// What was asked for.
        asked: u32,
        /// The newest that this binary has.
        known: u32,
    },
    /// Another process writes to it.
    #[error(
        "DATABASE_IN_USE: another process of millrun writes to it: stop the engine first, or give \
         another target"
    )]
    InUse,
    /// It is the projection of another journal.
    #[error(
        "DATABASE_OTHER_JOURNAL: its rows come from journal {found} and this journal is \
         {expected}: check data.directory and database.path; to replace it by this journal's \
         rows, run `millrun db rebuild`"
    )]
    OtherJournal {
        /// The journal's id.
        expected: String,
        /// The id in the database.
        found: String,
    },
    /// It knows entries that the journal does not have.
    #[error(
        "DATABASE_BEYOND_JOURNAL: its rows go up to entry {found} and the journal has none with \
         that number, or another one: its end was lost (power loss) or the directory is an older \
         copy; the journal is the truth: run `millrun db rebuild`"
    )]
    BeyondJournal {
        /// The cursor's sequence.
        found: u64,
    },
    /// The journal no longer holds the entries that come next.
    #[error(
        "DATABASE_TOO_OLD: its rows go up to entry {found} and the journal's oldest entry is \
         {oldest}: put the archived segments back and run `millrun db rebuild`"
    )]
    TooOld {
        /// The cursor's sequence.
        found: u64,
        /// The journal's first entry.
        oldest: u64,
    },
    /// A row that this version does not write.
    #[error(
        "DATABASE_BAD_ROW: {table}.{column} holds {found:?}, which millrun never writes: somebody \
         changed it: run `millrun db rebuild`"
    )]
    BadRow {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// What it holds.
        found: String,
    },
    /// SQLite failed.
    #[error("{doing}: {source}{}", advice(source))]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// In its words.
        source: rusqlite::Error,
    },
    /// The file system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// In its words.
        source: std::io::Error,
    },
}

impl StoreError {
    pub(crate) fn new(path: &Path, kind: StoreErrorKind) -> Self {
        let path = path.to_owned();
        Self { path, kind }
    }

    pub(crate) fn sqlite(doing: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        Self::new(path, StoreErrorKind::Sqlite { doing, source })
    }

    pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::new(path, StoreErrorKind::Io { doing, source })
    }

    /// What is wrong.
    pub fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }

    /// True when waiting cannot mend it: a person must act.
    pub fn needs_a_person(&self) -> bool {
        match self.kind {
            StoreErrorKind::Newer { .. }
            | StoreErrorKind::NoSuchVersion { .. }
            | StoreErrorKind::OtherJournal { .. }
            | StoreErrorKind::BeyondJournal { .. }
            | StoreErrorKind::TooOld { .. }
            | StoreErrorKind::BadRow { .. } => true,
            StoreErrorKind::InUse | StoreErrorKind::Sqlite { .. } | StoreErrorKind::Io { .. } => {
                false
            }
        }
    }
}

/// What to do about SQLite's own errors that are not mended here.
fn advice(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "; another process holds its lock",
        Some(Code::DiskFull) => "; free space on its disk",
        Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => {
            "; make the file and its directory writable for millrun"
        }
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
            "; it is damaged: run `millrun db rebuild`"
        }
        _ => "",
    }
}
