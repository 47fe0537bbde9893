//! Why a report could not be made, each with what to do. Threads: any.

use std::path::PathBuf;

use journal::JournalError;
use model::BytesError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    /// A range without an entry.
    #[error("--from {from} lies behind --to {to}: swap them")]
    EmptyRange {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A venue that no configuration of the journal has.
    #[error("no venue is called {found}; the journal has {known}")]
    UnknownVenue {
        /// The name.
        found: String,
        /// The names that there are.
        known: String,
    },
    /// Nothing was sent or received in what was selected.
    #[error(
        "no order was sent and no frame came in within what was selected ({entries} entries read): \
         take a longer range, or leave --venue, --stage, --since, --last-run out"
    )]
    NoSamples {
        /// Entries that were read.
        entries: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry is not what its kind says.
    #[error(
        "entry {sequence} cannot be read: {source}; a newer version may have written it: \
         use that version"
    )]
    Unreadable {
        /// Which.
        sequence: u64,
        /// Why.
        source: BytesError,
    },
    /// A file could not be written.
    #[error("{path}: {source}; free space, or name another place")]
    Output {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The plot could not be drawn.
    #[error("the plot could not be drawn as PNG: {detail}; use --svg, and please report this")]
    Plot {
        /// Why.
        detail: String,
    },
}

impl LatencyError {
    /// The exit code, as the help text says.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::EmptyRange { .. } | Self::UnknownVenue { .. } => 2,
            Self::NoSamples { .. } | Self::Output { .. } | Self::Plot { .. } => 1,
            Self::Journal(_) | Self::Unreadable { .. } => 5,
        }
    }
}
