//! What the journal says: the engine's state, folded entry by entry from the first one.
//!
//! Reads only. Used by the daemon at its start and by every command that shows state, whether a
//! daemon runs or not, so both always say the same.

use anyhow::{Context, Result, bail};
use engine::{Engine, Moment};
use journal::Reader;
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::{EngineConfig, MonotonicNs};
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
    let mut folded = Folded {
        engine: None,
        config: None,
        entries: 0,
        last_sequence: 0,
    };
    let mut reader = Reader::open(directory, 1)?;
    let mut buffers = EntryBuffers::default();
    while let Some(entry) = reader.next_entry()? {
        fold_entry(&mut folded, &entry, &mut buffers)
            .with_context(|| format!("reading entry {} of the journal", entry.sequence))?;
        folded.entries = folded.entries.saturating_add(1);
        folded.last_sequence = entry.sequence;
        if folded.entries.is_multiple_of(100_000) {
            progress(folded.entries);
        }
    }
    Ok(folded)
}

/// Folds one entry.
///
/// # Errors
/// A kind that this version does not know, or a body that is not one.
pub fn fold_entry(
    folded: &mut Folded,
    entry: &journal::Entry<'_>,
    buffers: &mut EntryBuffers,
) -> Result<()> {
    let kind = entry_kind(entry.kind)?;
    if matches!(kind, EntryKind::Sent | EntryKind::Checkpoint) {
        return Ok(());
    }
    let (input, decisions) = take_entry(kind, entry.body, buffers)?;
    if let Input::ConfigApplied(config) = &input {
        folded.config = Some((*config).clone());
        if folded.engine.is_none() {
            folded.engine = Some(Engine::new(config));
        }
    }
    let Some(engine) = &mut folded.engine else {
        bail!("the journal begins with {kind} instead of a configuration");
    };
    let moment = Moment {
        sequence: entry.sequence,
        now: MonotonicNs(entry.now_ns),
    };
    engine.fold(moment, &input, decisions);
    Ok(())
}

/// The kind of an entry.
///
/// # Errors
/// A number that this version does not know.
pub fn entry_kind(number: u16) -> Result<EntryKind> {
    let kind = u8::try_from(number).ok().and_then(EntryKind::from_number);
    kind.with_context(|| format!("entry kind {number} is not known: a newer version wrote it"))
}
