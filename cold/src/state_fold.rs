//! A journal's entries folded into an engine, one after the other, from the first or from a state.
//!
//! Owns: the count of what was folded. Used by recovery, by every command that shows state, and by
//! the shadow engine, so all of them know the same. Invariants: entries come in order without a
//! gap; decisions are taken as recorded, never taken again; a checkpoint that does not fit is an
//! error. Must not know: where entries come from, files. Threads: one owner.

use engine::replay::{Compared, Replay};
use engine::state::State;
use engine::{ENGINE_VERSION, Engine, Moment};
use journal::Entry;
use journal::state_file::StateHeader;
use model::canonical_bytes::BytesError;
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::{Decision, MonotonicNs};

/// Why an entry was not folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A kind of entry that this version does not know.
    #[error("entry {sequence}: kind {kind} is not known: a newer version wrote it")]
    Kind {
        /// The entry.
        sequence: u64,
        /// Its kind.
        kind: u16,
    },
    /// A body that this version cannot read.
    #[error("entry {sequence}: {error}")]
    Bytes {
        /// The entry.
        sequence: u64,
        /// What is wrong with it.
        error: BytesError,
    },
    /// An input before the first configuration.
    #[error("entry {sequence}: the journal begins with {kind} instead of a configuration")]
    NoConfig {
        /// The entry.
        sequence: u64,
        /// Its kind.
        kind: EntryKind,
    },
    /// An entry that does not follow the one before it.
    #[error("entry {found} came where {expected} was due")]
    OutOfOrder {
        /// Due.
        expected: u64,
        /// Came.
        found: u64,
    },
    /// The state belongs to another history: its last entry is of another run than the journal's.
    #[error(
        "the state ends with an entry {sequence} of epoch {expected}; the journal's is {found}"
    )]
    OtherHistory {
        /// The entry.
        sequence: u64,
        /// The state's epoch.
        expected: u32,
        /// The journal's.
        found: u32,
    },
}

/// An engine that follows a journal.
#[derive(Debug, Default)]
pub struct StateFold {
    replay: Replay,
    entries: u64,
    last_sequence: u64,
    boot_epoch: u32,
}

impl StateFold {
    /// Goes on from a state, behind its last entry.
    pub fn from_state(state: State, header: &StateHeader) -> Self {
        Self {
            replay: Replay::resume(Engine::from_state(state)),
            entries: header.entries,
            last_sequence: header.sequence,
            boot_epoch: header.boot_epoch,
        }
    }

    /// Begins behind `sequence` without a state: for a journal whose first entries are gone.
    pub fn behind(sequence: u64) -> Self {
        Self {
            last_sequence: sequence,
            ..Self::default()
        }
    }

    /// Folds the next entry. Entries up to the last one are passed over, but that the last one must
    /// be of the epoch that the state says.
    ///
    /// # Errors
    /// [`FoldError`]; then the entry changed nothing.
    pub fn take(&mut self, entry: &Entry<'_>, buffers: &mut EntryBuffers) -> Result<(), FoldError> {
        if entry.sequence <= self.last_sequence {
            return self.check_known(entry);
        }
        let kind = entry_kind(entry)?;
        if matches!(kind, EntryKind::Sent | EntryKind::Checkpoint) {
            return self.note(entry);
        }
        let sequence = entry.sequence;
        let (input, decisions) = take_entry(kind, entry.body, buffers)
            .map_err(|error| FoldError::Bytes { sequence, error })?;
        self.fold(entry, &input, decisions)
    }

    /// Folds an entry that was read already.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn fold(
        &mut self,
        entry: &Entry<'_>,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<(), FoldError> {
        let sequence = entry.sequence;
        self.replay
            .fold(moment_of(entry), input, decisions)
            .map_err(|none| FoldError::NoConfig {
                sequence,
                kind: none.found,
            })?;
        self.note(entry)
    }

    /// Decides on an entry's input again and compares with what is recorded.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn reexecute(
        &mut self,
        entry: &Entry<'_>,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<Compared, FoldError> {
        let sequence = entry.sequence;
        let compared = self
            .replay
            .reexecute(moment_of(entry), input, decisions)
            .map_err(|none| FoldError::NoConfig {
                sequence,
                kind: none.found,
            })?;
        self.note(entry)?;
        Ok(compared)
    }

    fn note(&mut self, entry: &Entry<'_>) -> Result<(), FoldError> {
        let (expected, found) = (self.last_sequence.saturating_add(1), entry.sequence);
        if expected != found {
            return Err(FoldError::OutOfOrder { expected, found });
        }
        self.entries = self.entries.saturating_add(1);
        self.last_sequence = entry.sequence;
        self.boot_epoch = entry.boot_epoch;
        Ok(())
    }

    fn check_known(&self, entry: &Entry<'_>) -> Result<(), FoldError> {
        let (expected, found) = (self.boot_epoch, entry.boot_epoch);
        if entry.sequence == self.last_sequence && self.entries > 0 && expected != found {
            return Err(FoldError::OtherHistory {
                sequence: entry.sequence,
                expected,
                found,
            });
        }
        Ok(())
    }

    /// The engine; `None` before the first configuration.
    pub fn engine(&self) -> Option<&Engine> {
        self.replay.engine()
    }

    /// What was decided by the last [`Self::reexecute`].
    pub fn decided(&self) -> &[Decision] {
        self.replay.decided()
    }

    /// The engine, for somebody who lets it decide.
    pub fn into_engine(self) -> Option<Engine> {
        self.replay.into_engine()
    }

    /// Entries that are in the state.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The last sequence that is in the state; 0 for none.
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// What a state file says about the state as it stands, and the state's bytes.
    pub fn state_file(&self, journal_id: u128) -> Option<(StateHeader, Vec<u8>)> {
        let state = self.replay.engine()?.state();
        let mut body = Vec::new();
        state.put_bytes(&mut body);
        let header = StateHeader {
            journal_id,
            sequence: self.last_sequence,
            boot_epoch: self.boot_epoch,
            engine_version: ENGINE_VERSION,
            state_digest: State::digest_of(&body),
            config_hash: state.config_digest(),
            entries: self.entries,
        };
        Some((header, body))
    }
}

/// Where and when an entry was handled.
pub fn moment_of(entry: &Entry<'_>) -> Moment {
    Moment {
        sequence: entry.sequence,
        now: MonotonicNs(entry.now_ns),
    }
}

/// The kind of an entry.
///
/// # Errors
/// A number that this version does not know.
pub fn entry_kind(entry: &Entry<'_>) -> Result<EntryKind, FoldError> {
    let kind = u8::try_from(entry.kind)
        .ok()
        .and_then(EntryKind::from_number);
    kind.ok_or(FoldError::Kind {
        sequence: entry.sequence,
        kind: entry.kind,
    })
}
