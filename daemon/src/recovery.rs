//! What the journal says: the engine's state, folded entry by entry from the first one.
//!
//! Reads only. Used by the daemon at its start and by every command that shows state, whether a
//! daemon runs or not, so both always say the same.

use anyhow::{Context, Result};
use engine::replay::Replay;
use engine::{Engine, Moment};
use journal::{Entry, Reader};
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::{Decision, EngineConfig, MonotonicNs};
use std::path::Path;

/// What folding a journal gave.
pub struct Folded {
    /// The engine; `None` for a journal without a configuration.
    pub engine: Option<Engine>,
    /// The configuration in force.
    pub config: Option<EngineConfig>,
    /// Entries read.
    pub entries: u64,
    /// The last sequence; 0 for none.
    pub last_sequence: u64,
}

/// Folds a journal from its first entry to its last.
///
/// # Errors
/// Damage, with file, offset and last good sequence; an entry that this version cannot read.
pub fn fold(directory: &Path, mut progress: impl FnMut(u64)) -> Result<Folded> {
    let mut replay = Replay::new();
    let mut folded = Folded {
        engine: None,
        config: None,
        entries: 0,
        last_sequence: 0,
    };
    walk(directory, |entry, decided| {
        if let Some((input, decisions)) = decided {
            if let Input::ConfigApplied(config) = input {
                folded.config = Some(config.clone());
            }
            replay.fold(moment_of(entry), &input, decisions)?;
        }
        folded.entries = folded.entries.saturating_add(1);
        folded.last_sequence = entry.sequence;
        if folded.entries.is_multiple_of(100_000) {
            progress(folded.entries);
        }
        Ok(())
    })?;
    folded.engine = replay.into_engine();
    Ok(folded)
}

fn moment_of(entry: &Entry<'_>) -> Moment {
    Moment {
        sequence: entry.sequence,
        now: MonotonicNs(entry.now_ns),
    }
}

/// What an entry holds when it is an input: the input and what was decided on it.
pub type Decided<'a> = Option<(Input<'a>, &'a [Decision])>;

/// Visits every entry of a journal, from the first to the last. Entries that are no inputs come
/// with `None`.
///
/// # Errors
/// Damage, with file, offset and last good sequence; an entry that this version cannot read, by its
/// sequence; what `visit` gives.
pub fn walk(
    directory: &Path,
    mut visit: impl FnMut(&Entry<'_>, Decided<'_>) -> Result<()>,
) -> Result<()> {
    let mut reader = Reader::open(directory, 1)?;
    let mut buffers = EntryBuffers::default();
    while let Some(entry) = reader.next_entry()? {
        visit_entry(&entry, &mut buffers, &mut visit)
            .with_context(|| format!("reading entry {} of the journal", entry.sequence))?;
    }
    Ok(())
}

fn visit_entry(
    entry: &Entry<'_>,
    buffers: &mut EntryBuffers,
    visit: &mut impl FnMut(&Entry<'_>, Decided<'_>) -> Result<()>,
) -> Result<()> {
    let kind = entry_kind(entry.kind)?;
    let decided = match kind {
        EntryKind::Sent | EntryKind::Checkpoint => None,
        kind => Some(take_entry(kind, entry.body, buffers)?),
    };
    visit(entry, decided)
}

/// The kind of an entry.
///
/// # Errors
/// A number that this version does not know.
pub fn entry_kind(number: u16) -> Result<EntryKind> {
    let kind = u8::try_from(number).ok().and_then(EntryKind::from_number);
    kind.with_context(|| format!("entry kind {number} is not known: a newer version wrote it"))
}
