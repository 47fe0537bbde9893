//! What can go wrong, and where: segment file and offset in every error of the cold side.
//!
//! Owns: [`AppendError`] (hot thread: `Copy`, no text) and [`JournalError`] (everything else).
//! Invariants: every kind has a stable code in capitals; a refusal to start names file, offset,
//! last good sequence and the command to inspect. Must not know: who shows it. Threads: any.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the writer did not take an entry. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The segment is full and the keeper has no spare ready; the next try may succeed.
    #[error("NO_SPARE_SEGMENT: the segment is full and no spare is ready")]
    NoSpareSegment,
    /// As `NoSpareSegment`, and the keeper's last try to make one failed (disk full, quota, limit).
    #[error("JOURNAL_FULL: the segment is full and no further one can be made")]
    Full,
    /// The entry could never fit into a segment.
    #[error("ENTRY_TOO_LONG: {found_bytes} bytes, a segment holds at most {max_bytes}")]
    EntryTooLong {
        /// Announced length of the body.
        found_bytes: u64,
        /// Longest body that fits.
        max_bytes: u32,
    },
}

/// An operation on the journal failed: what, in which file, at which offset.
#[derive(Debug)]
pub struct JournalError {
    kind: JournalErrorKind,
    path: PathBuf,
    offset_bytes: u64,
    last_good_sequence: Option<u64>,
}

/// What is wrong. Expected values are what the rule asks, found values what the disk holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// Not a segment at all.
    #[error("no segment: magic is {found:#018x}")]
    BadMagic {
        /// First eight bytes.
        found: u64,
    },
    /// Written by a machine of the other byte order.
    #[error("written in another byte order (mark {found:#010x})")]
    ForeignByteOrder {
        /// The mark as read here.
        found: u32,
    },
    /// Written by another version of the format.
    #[error("format version {found}, this build reads {expected}")]
    Version {
        /// The version of this build.
        expected: u32,
        /// The version in the file.
        found: u32,
    },
    /// Header, opening or epoch file: the checksum does not match.
    #[error("checksum of {what} is {found:#010x}, must be {expected:#010x}")]
    ChecksumMismatch {
        /// Which bytes.
        what: &'static str,
        /// Computed over the bytes.
        expected: u32,
        /// Stored.
        found: u32,
    },
    /// The SHA-256 of a state file's body is not the one in its header.
    #[error("the SHA-256 of the body is not the header's")]
    BodyHash,
    /// A field of the header contradicts its file or its neighbours.
    #[error("{what} is {found}, must be {expected}")]
    WrongField {
        /// Which field.
        what: &'static str,
        /// What it must be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The segment belongs to another journal.
    #[error("belongs to another journal: id {found:032x}, must be {expected:032x}")]
    ForeignJournal {
        /// Id of the first segment.
        expected: u128,
        /// Id of this one.
        found: u128,
    },
    /// The file has no bytes.
    #[error("segment has zero length")]
    ZeroLength,
    /// The file is shorter or longer than its header says.
    #[error("segment is {found_bytes} bytes long, must be {expected_bytes}")]
    WrongLength {
        /// From its header, or the least a segment can have.
        expected_bytes: u64,
        /// From the file system.
        found_bytes: u64,
    },
    /// A segment is missing between others, or before the first.
    #[error("segment {segment_index} is missing")]
    MissingSegment {
        /// The missing one.
        segment_index: u32,
    },
    /// Numbers do not follow one another: a gap or a repeat.
    #[error("sequence {found}, expected {expected}: gap or repeat")]
    SequenceBreak {
        /// Last good plus one.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Valid entries lie behind bytes that are none, and the tail rule does not cover it.
    #[error("damage followed by valid entries ({fault})")]
    DamageBeforeValidEntries {
        /// What the bytes at the offset are.
        fault: EntryFault,
    },
    /// The region that was reported as synced holds bytes that are no entry.
    #[error("damage inside the synced region, which reaches sequence {synced_sequence} ({fault})")]
    DamageInSyncedRegion {
        /// What the bytes at the offset are.
        fault: EntryFault,
        /// Last sequence that was reported as synced.
        synced_sequence: u64,
    },
    /// A reader met bytes that are no entry.
    #[error("damaged entry ({fault})")]
    DamagedEntry {
        /// What the bytes at the offset are.
        fault: EntryFault,
    },
    /// A segment that was never opened holds entries: its opening sector was lost.
    #[error("segment holds bytes but was never opened")]
    LostOpening,
    /// Another process holds the directory.
    #[error("held by process {pid}")]
    AlreadyRunning {
        /// From the lock file; 0 if it could not be read.
        pid: u32,
    },
    /// Others than the owner may enter or read.
    #[error("mode is {found:04o}, must be {expected:04o}")]
    TooOpen {
        /// 0700 for the directory, 0600 for files.
        expected: u32,
        /// What it is.
        found: u32,
    },
    /// The directory belongs to somebody else.
    #[error("owned by user {found}, we are {expected}")]
    WrongOwner {
        /// Our effective user id.
        expected: u32,
        /// The owner.
        found: u32,
    },
    /// The file system cannot keep a journal.
    #[error("file system {name} is refused: {why}")]
    FileSystem {
        /// Its name.
        name: &'static str,
        /// What it does not promise.
        why: &'static str,
    },
    /// Mounted read-only.
    #[error("file system is mounted read-only")]
    ReadOnly,
    /// The epoch file is missing although the journal holds entries.
    #[error("epoch file is missing beside a journal that was used")]
    EpochMissing,
    /// The epoch file cannot be understood.
    #[error("epoch file is damaged: {what}")]
    EpochDamaged {
        /// Which part.
        what: &'static str,
    },
    /// The next epoch does not fit its 25 bits.
    #[error("boot epoch {found} is beyond {max}")]
    EpochOutOfRange {
        /// The epoch.
        found: u64,
        /// Largest allowed.
        max: u32,
    },
    /// No such durability mode.
    #[error("durability mode {found:?} is unknown: process, group or strict")]
    UnknownMode {
        /// The text.
        found: String,
    },
    /// Reading was to start before the oldest segment.
    #[error("sequence {asked} is not held, the oldest is {oldest}")]
    SequenceNotHeld {
        /// Asked for.
        asked: u64,
        /// First of the oldest segment.
        oldest: u64,
    },
    /// A segment size that the format does not allow.
    #[error("segment size of {found_bytes} bytes is not allowed")]
    SegmentBytes {
        /// The size.
        found_bytes: u64,
    },
    /// The system refused an operation.
    #[error("{operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Why bytes are no entry. `Copy`; also used on the reading side of a live journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// The commit word is zero: never written, or never completed.
    #[error("no commit word")]
    NotCommitted,
    /// Commit word and sequence do not belong together.
    #[error("commit word {found:#018x}, must be {expected:#018x}")]
    CommitWord {
        /// From the sequence field.
        expected: u64,
        /// Stored.
        found: u64,
    },
    /// The length cannot be.
    #[error("length {found_bytes}, at most {max_bytes} fit")]
    Length {
        /// Stored.
        found_bytes: u32,
        /// Room up to the end of the segment.
        max_bytes: u32,
    },
    /// The checksum does not match.
    #[error("checksum {found:#010x}, must be {expected:#010x}")]
    Checksum {
        /// Computed.
        expected: u32,
        /// Stored.
        found: u32,
    },
    /// Bytes that must be zero are not.
    #[error("alignment or pad bytes are not zero")]
    Padding,
    /// A valid entry with the wrong number.
    #[error("sequence {found}, expected {expected}")]
    Sequence {
        /// Last plus one.
        expected: u64,
        /// Stored.
        found: u64,
    },
    /// A valid entry whose epoch is older than the one before.
    #[error("boot epoch {found} after {previous}")]
    EpochBack {
        /// Of the entry before.
        previous: u32,
        /// Stored.
        found: u32,
    },
}

impl JournalErrorKind {
    /// The stable reason code that an operator sees and a script may match.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } | Self::ForeignByteOrder { .. } => "JOURNAL_VERSION",
            Self::AlreadyRunning { .. } => "ALREADY_RUNNING",
            Self::TooOpen { .. } | Self::WrongOwner { .. } | Self::ReadOnly => "JOURNAL_DIRECTORY",
            Self::FileSystem { .. } => "JOURNAL_FILE_SYSTEM",
            Self::EpochMissing | Self::EpochDamaged { .. } => "JOURNAL_EPOCH",
            Self::EpochOutOfRange { .. } => "EPOCH_OUT_OF_RANGE",
            Self::UnknownMode { .. } | Self::SegmentBytes { .. } => "JOURNAL_CONFIG",
            Self::SequenceNotHeld { .. } => "SEQUENCE_NOT_HELD",
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => "JOURNAL_FULL",
                _ => "JOURNAL_IO",
            },
            _ => "JOURNAL_DAMAGED",
        }
    }
}

impl JournalError {
    pub(crate) fn new(kind: JournalErrorKind, path: &Path, offset_bytes: u64) -> Self {
        Self {
            kind,
            path: path.to_path_buf(),
            offset_bytes,
            last_good_sequence: None,
        }
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::new(JournalErrorKind::Io { operation, source }, path, 0)
    }

    /// Adds the last sequence that could be read before the fault.
    pub(crate) fn after(mut self, last_good_sequence: u64) -> Self {
        self.last_good_sequence = Some(last_good_sequence);
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> &JournalErrorKind {
        &self.kind
    }

    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Which file or directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where in the file; 0 if the whole file is meant.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }

    /// Last sequence before the fault, where entries were read.
    pub fn last_good_sequence(&self) -> Option<u64> {
        self.last_good_sequence
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            path,
            offset_bytes,
            last_good_sequence,
        } = self;
        write!(f, "{}: {}: {kind}", kind.code(), path.display())?;
        if let Some(last_good) = last_good_sequence {
            let directory = path.parent().unwrap_or(path).display();
            write!(
                f,
                "; offset {offset_bytes}; last good sequence {last_good}; nothing was changed"
            )?;
            write!(
                f,
                "; inspect with `millrun replay --dir {directory} --from {last_good}`"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}
