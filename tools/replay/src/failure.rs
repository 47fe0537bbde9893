//! Why a replay ended early, in words that say where, what is still good, and what to do.
//!
//! Owns: [`ReplayError`] and its exit codes. Invariant: an error about an entry names its sequence,
//! an error about a file names the file. Threads: any.

use std::fmt;
use std::io;
use std::path::PathBuf;

use engine::replay::NoConfiguration;
use journal::{Entry, JournalError, JournalErrorKind};
use model::BytesError;
use model::input::EntryKind;

use crate::venue_codec::CodecError;

/// A replay ended early. Nothing was changed; what was shown before is right.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The journal could not be opened or read on.
    Journal(JournalError),
    /// The directory holds no journal, but one below it does.
    WrongDirectory {
        /// What was asked for.
        found: PathBuf,
        /// Where the journal is.
        expected: PathBuf,
    },
    /// An entry is written in a record layout of another version.
    RecordVersion {
        /// The entry.
        sequence: u64,
        /// Its record version.
        found: u8,
        /// The record version of this build.
        expected: u8,
    },
    /// An entry is of a kind that this build does not know.
    UnknownKind {
        /// The entry.
        sequence: u64,
        /// Its kind.
        found: u16,
    },
    /// An entry whose bytes are intact cannot be read.
    UnreadableRecord {
        /// The entry.
        sequence: u64,
        /// Its kind.
        kind: EntryKind,
        /// The segment that holds it.
        segment_index: u32,
        /// Where in the segment.
        offset_bytes: u32,
        /// What is wrong with its body.
        source: BytesError,
    },
    /// A frame or command of an entry has no codec here.
    Codec {
        /// The entry.
        sequence: u64,
        /// Why.
        source: CodecError,
    },
    /// The journal's first input is no configuration.
    NoConfiguration {
        /// The entry.
        sequence: u64,
        /// What stands there instead.
        source: NoConfiguration,
    },
    /// The engine stopped at a broken invariant while it was fed with an entry.
    BrokenInvariant {
        /// The entry.
        sequence: u64,
    },
    /// No configuration that was read has this name.
    UnknownName {
        /// `strategy` or `instrument`.
        what: &'static str,
        /// What was asked for.
        found: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No entry is about an order or request of this name.
    OrderNotFound {
        /// What was asked for.
        name: String,
    },
    /// The journal ends before the entry that was asked for.
    NoSuchEntry {
        /// What was asked for.
        found: u64,
        /// The last entry; 0 for none.
        last: u64,
    },
    /// An export goes into a new place only.
    OutputExists {
        /// What is there already.
        path: PathBuf,
    },
    /// An export cannot be written.
    Export {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A SQLite file is made by the projector, which this program does not hold.
    FormatNotHere,
    /// There is nothing to run the engine over.
    NoEntries {
        /// Where.
        directory: PathBuf,
    },
    /// `--from` lies behind `--to`.
    EmptyRange {
        /// First sequence asked for.
        from: u64,
        /// Last sequence asked for.
        to: u64,
    },
    /// The output cannot be written.
    Output(io::Error),
    /// Signals cannot be received.
    Signals(io::Error),
}

impl ReplayError {
    pub(crate) fn codec(entry: &Entry<'_>, source: CodecError) -> Self {
        let sequence = entry.sequence;
        Self::Codec { sequence, source }
    }

    pub(crate) fn no_configuration(entry: &Entry<'_>, source: NoConfiguration) -> Self {
        let sequence = entry.sequence;
        Self::NoConfiguration { sequence, source }
    }

    /// The process's exit code, as in all of `millrun`: 1 operation, 2 options, 5 the journal.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Journal(error) => match error.code() {
                "JOURNAL_DAMAGED" | "JOURNAL_VERSION" => 5,
                "SEQUENCE_NOT_HELD" => 2,
                _ => 1,
            },
            Self::WrongDirectory { .. }
            | Self::OrderNotFound { .. }
            | Self::OutputExists { .. }
            | Self::Export { .. }
            | Self::NoEntries { .. }
            | Self::Output(_)
            | Self::Signals(_) => 1,
            Self::UnknownName { .. }
            | Self::EmptyRange { .. }
            | Self::NoSuchEntry { .. }
            | Self::FormatNotHere => 2,
            Self::RecordVersion { .. }
            | Self::UnknownKind { .. }
            | Self::UnreadableRecord { .. }
            | Self::Codec { .. }
            | Self::NoConfiguration { .. }
            | Self::BrokenInvariant { .. } => 5,
        }
    }
}

impl From<JournalError> for ReplayError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<io::Error> for ReplayError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => write_journal_error(error, f),
            Self::WrongDirectory { found, expected } => write!(
                f,
                "{} holds no journal; did you mean --dir {}?",
                found.display(),
                expected.display()
            ),
            Self::RecordVersion {
                sequence,
                found,
                expected,
            } => write!(
                f,
                "JOURNAL_VERSION: entry {sequence} has record version {found}, this build reads \
                 {expected}; use the millrun version that wrote it, or a later one"
            ),
            Self::UnknownKind { sequence, found } => write!(
                f,
                "JOURNAL_VERSION: entry {sequence} is of kind {found}, which this build does not \
                 know; use the millrun version that wrote it, or a later one"
            ),
            Self::UnreadableRecord {
                sequence,
                kind,
                segment_index,
                offset_bytes,
                source,
            } => {
                write!(
                    f,
                    "RECORD_UNREADABLE: entry {sequence} ({kind}, segment {segment_index}, offset \
                     {offset_bytes}) has intact bytes that are no record of its kind: {source}; \
                     a defect of the program that wrote it, please report it; go on behind it with \
                     --from {}",
                    sequence.saturating_add(1)
                )
            }
            Self::Codec { .. } | Self::NoConfiguration { .. } | Self::BrokenInvariant { .. } => {
                self.write_stop(f)
            }
            Self::UnknownName { what, found, known } => {
                write!(
                    f,
                    "the journal names no {what} {found:?}; it names {}",
                    known.join(", ")
                )
            }
            Self::OutputExists { .. } | Self::Export { .. } | Self::FormatNotHere => {
                self.write_export(f)
            }
            Self::NoSuchEntry { .. } | Self::OrderNotFound { .. } | Self::NoEntries { .. } => {
                self.write_absence(f)
            }
            Self::EmptyRange { from, to } => write!(f, "--from {from} lies behind --to {to}"),
            Self::Output(error) => write!(f, "writing the output: {error}"),
            Self::Signals(error) => write!(f, "listening for signals: {error}"),
        }
    }
}

impl ReplayError {
    /// What is not in the journal.
    fn write_absence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchEntry { found, last } => write!(
                f,
                "there is no entry {found}: the journal's last one is {last}"
            ),
            Self::OrderNotFound { name } => write!(
                f,
                "ORDER_NOT_FOUND: no entry of this journal is about {name}; see `millrun order \
                 list --all`, or name it STRATEGY:REQUEST"
            ),
            Self::NoEntries { directory } => write!(
                f,
                "{} holds no journal entries; name the journal's directory with --dir (it is \
                 `journal` below the data directory)",
                directory.display()
            ),
            _ => Ok(()),
        }
    }

    /// Why an export was not made.
    fn write_export(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputExists { path } => write!(
                f,
                "{} is there already: name a new place with --out, or remove it",
                path.display()
            ),
            Self::Export { path, source } => write!(
                f,
                "writing {}: {source}; nothing was kept: check space and rights, then try again",
                path.display()
            ),
            Self::FormatNotHere => f.write_str(
                "this program writes jsonl and csv; SQLite is written by `millrun replay --export \
                 sqlite`",
            ),
            _ => Ok(()),
        }
    }

    /// Why running the engine over the journal stopped.
    fn write_stop(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec { sequence, source } => write!(
                f,
                "NO_CODEC: entry {sequence} cannot be decoded or encoded again: {source}; use the \
                 millrun version that wrote it, or a later one"
            ),
            Self::NoConfiguration { sequence, source } => write!(
                f,
                "RECORD_UNREADABLE: entry {sequence}: {source}; the engine can only be run over a \
                 journal from its first entry on"
            ),
            Self::BrokenInvariant { sequence } => write!(
                f,
                "INVARIANT_BROKEN: the engine stopped at entry {sequence}, for the reason above: \
                 what is recorded before it is no history that this engine can have; keep a copy \
                 of the journal and report it"
            ),
            _ => Ok(()),
        }
    }
}

/// The error as one paragraph. `Display` of the journal's own error advises to run this very tool.
fn write_journal_error(error: &JournalError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (code, path, kind) = (error.code(), error.path().display(), error.kind());
    write!(f, "{code}: {path}: {kind}")?;
    match code {
        "JOURNAL_DAMAGED" => {
            write!(f, "; offset {}", error.offset_bytes())?;
            match error.last_good_sequence() {
                Some(last) => write!(f, "; last good sequence {last}")?,
                None => write!(f, "; no entry of this file could be read")?,
            }
            f.write_str(
                "; nothing was changed. Copy the whole directory before anything else, and neither \
                 edit nor delete the file. If the damage is a torn tail, the next `millrun start` \
                 cuts it by rule, prints what it cut and keeps the bytes aside; otherwise it \
                 refuses to start, and the journal must be restored from a copy",
            )
        }
        "JOURNAL_VERSION" => f.write_str("; use the millrun version that wrote it, or a later one"),
        _ => match kind {
            JournalErrorKind::Io { source, .. } => f.write_str(advice(source.kind())),
            JournalErrorKind::SequenceNotHeld { oldest, .. } => {
                write!(f, "; read from the oldest with --from {oldest}")
            }
            _ => Ok(()),
        },
    }
}

/// What to do about a refusal by the system.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => {
            "; name the journal's directory with --dir (it is `journal` below the data directory)"
        }
        io::ErrorKind::PermissionDenied => {
            "; a journal is readable for its owner only: run as the user that runs the engine"
        }
        io::ErrorKind::NotADirectory => "; --dir takes the directory, not a file in it",
        _ => "",
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The paragraph already holds the journal's and the record's own words.
        match self {
            Self::Output(error) | Self::Signals(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_the_system_says_what_to_do() {
        assert!(advice(io::ErrorKind::PermissionDenied).contains("run as the user"));
        assert!(advice(io::ErrorKind::NotFound).contains("--dir"));
        assert!(advice(io::ErrorKind::NotADirectory).contains("not a file"));
        assert_eq!(advice(io::ErrorKind::StorageFull), "");
    }
}
