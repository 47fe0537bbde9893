//! Snapshots: states at a sequence, kept beside the journal so that a start need not fold all of
//! it.
//!
//! Owns: their names, which of them is used, how many are kept. A snapshot is a cache: one that is
//! damaged, foreign, of another version or newer than the journal is passed over with a note, and
//! the next older one is tried; without any the journal is folded from its first entry. Invariants:
//! none is believed before its hash, its digest and every part of it were checked. Must not know:
//! the journal's entries. Threads: any.

use std::path::{Path, PathBuf};

use engine::ENGINE_VERSION;
use engine::state::{State, StateBytesError};
use journal::state_file::{
    StateFileWriter, StateHeader, create_state_directory, read_state_file, read_state_header,
    remove_state_file,
};
use journal::{HeldSegment, JournalError};

use crate::state_fold::{FoldError, StateFold};

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".mrs";

/// Why a snapshot was passed over.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotProblem {
    /// The file cannot be read, or is damaged.
    #[error(transparent)]
    File(#[from] JournalError),
    /// The bytes are no state of this version.
    #[error(transparent)]
    State(#[from] StateBytesError),
    /// It belongs to another journal.
    #[error("it belongs to another journal: id {found:032x}, not {expected:032x}")]
    Foreign {
        /// The journal's id.
        expected: u128,
        /// The snapshot's.
        found: u128,
    },
    /// Another version of the engine made it.
    #[error("engine version {found} made it, this is {expected}")]
    EngineVersion {
        /// This engine's version.
        expected: u32,
        /// The snapshot's.
        found: u32,
    },
    /// The journal does not hold what comes behind it.
    #[error("it ends at {found}, and the journal begins at {oldest}")]
    TooOld {
        /// First sequence of the journal.
        oldest: u64,
        /// The snapshot's.
        found: u64,
    },
    /// The journal ends before it.
    #[error("it ends at {found}, behind the journal's last entry {last}")]
    TooNew {
        /// Last sequence of the journal.
        last: u64,
        /// The snapshot's.
        found: u64,
    },
    /// The journal's entries do not go on from it.
    #[error(transparent)]
    Fold(FoldError),
    /// The state has not the digest that the header says.
    #[error("the state's digest is {found:016x}, not {expected:016x}")]
    Digest {
        /// From the header.
        expected: u64,
        /// Computed.
        found: u64,
    },
}

/// A snapshot that was passed over.
#[derive(Debug)]
pub struct PassedOver {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub problem: SnapshotProblem,
}

/// A snapshot file by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its last sequence, from its name.
    pub sequence: u64,
    /// The file.
    pub path: PathBuf,
}

/// The directory of snapshots.
#[derive(Debug, Clone)]
pub struct Snapshots {
    directory: PathBuf,
}

impl Snapshots {
    /// The snapshots in this directory, which need not exist.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where the snapshots of a journal lie: beside it.
    pub fn of_journal(journal_directory: &Path) -> Self {
        let parent = journal_directory.parent().unwrap_or(Path::new("."));
        Self::new(parent.join("snapshots"))
    }

    /// Every snapshot, newest first. A directory that cannot be listed has none.
    pub fn list(&self) -> Vec<SnapshotFile> {
        let Ok(found) = std::fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let mut files: Vec<SnapshotFile> = found
            .filter_map(|file| {
                let path = file.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
                let sequence = digits.parse().ok()?;
                Some(SnapshotFile { sequence, path })
            })
            .collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.sequence));
        files
    }

    /// The newest snapshot that fits the journal and ends at `newest` or before. What was passed
    /// over on the way goes to `passed_over`.
    pub fn load(
        &self,
        held: &[HeldSegment],
        newest: u64,
        passed_over: &mut Vec<PassedOver>,
    ) -> Option<(StateFold, StateHeader)> {
        let oldest = held.first()?;
        let journal_id = oldest.identity.journal_id;
        for SnapshotFile { path, .. } in self.list() {
            match load_state(&path, journal_id, oldest.first_sequence, newest) {
                Ok((state, header)) => {
                    return Some((StateFold::from_state(state, &header), header));
                }
                Err(problem) => passed_over.push(PassedOver { path, problem }),
            }
        }
        None
    }

    /// Begins to write a snapshot of a fold as it stands. Encoding is done here, at once; writing
    /// goes on in the steps of what is given back. `None` when there is nothing to write.
    ///
    /// # Errors
    /// `Io`.
    pub fn begin(
        &self,
        fold: &StateFold,
        journal_id: u128,
    ) -> Result<Option<StateFileWriter>, JournalError> {
        create_state_directory(&self.directory)?;
        let path = self.path_of(fold.last_sequence());
        if path.exists() {
            return Ok(None);
        }
        let file = fold.state_file(journal_id);
        Ok(file.map(|(header, body)| StateFileWriter::new(path, header, body)))
    }

    /// Removes all but the newest `keep` snapshots, and unfinished files of earlier runs.
    ///
    /// # Errors
    /// `Io`.
    pub fn remove_old(&self, keep: usize) -> Result<(), JournalError> {
        for old in self.list().into_iter().skip(keep) {
            remove_state_file(&old.path)?;
        }
        Ok(())
    }

    /// The file of the snapshot at a sequence.
    pub fn path_of(&self, sequence: u64) -> PathBuf {
        self.directory
            .join(format!("{PREFIX}{sequence:020}{SUFFIX}"))
    }
}

/// Reads a state file and checks that it is a state which the journal goes on from.
///
/// # Errors
/// [`SnapshotProblem`].
pub fn load_state(
    path: &Path,
    journal_id: u128,
    oldest: u64,
    newest: u64,
) -> Result<(State, StateHeader), SnapshotProblem> {
    let header = read_state_header(path)?;
    let (expected, found) = (journal_id, header.journal_id);
    if expected != found {
        return Err(SnapshotProblem::Foreign { expected, found });
    }
    let (expected, found) = (ENGINE_VERSION, header.engine_version);
    if expected != found {
        return Err(SnapshotProblem::EngineVersion { expected, found });
    }
    let found = header.sequence;
    if found.saturating_add(1) < oldest {
        return Err(SnapshotProblem::TooOld { oldest, found });
    }
    if found > newest {
        let last = newest;
        return Err(SnapshotProblem::TooNew { last, found });
    }
    let (header, body) = read_state_file(path)?;
    let (expected, found) = (header.state_digest, State::digest_of(&body));
    if expected != found {
        return Err(SnapshotProblem::Digest { expected, found });
    }
    Ok((State::from_bytes(&body)?, header))
}
