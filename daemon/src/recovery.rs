//! What the journal says: the engine's state, folded from the newest snapshot that fits or from the
//! first entry.
//!
//! Used by the daemon at its start and by every command that shows state, whether a daemon runs or
//! not, so both always say the same. Reads only, but that a start opens the journal for writing.

use anyhow::{Context, Result, bail};
use cold::snapshots::{PassedOver, SnapshotProblem, Snapshots};
use cold::state_fold::{FoldError, StateFold};
use engine::Engine;
use journal::{Entry, HeldSegment, Journal, JournalOptions, Reader, held_segments};
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::{Decision, EngineConfig};
use std::path::Path;
use std::time::{Duration, Instant};

/// What folding a journal gave.
pub struct Folded {
    /// The engine; `None` for a journal without a configuration.
    pub engine: Option<Engine>,
    /// The configuration in force.
    pub config: Option<EngineConfig>,
    /// Entries that the state is made of.
    pub entries: u64,
    /// The last sequence; 0 for none.
    pub last_sequence: u64,
    /// The snapshot that the fold began with, by its sequence.
    pub snapshot: Option<u64>,
    /// Entries that were folded behind the snapshot, or all.
    pub folded_entries: u64,
    /// Snapshots that could not be used.
    pub passed_over: Vec<PassedOver>,
    /// How long it took, snapshot and all.
    pub took: Duration,
}

/// Folds a journal: the newest snapshot that fits it, and every entry behind that.
///
/// # Errors
/// Damage, with file, offset and last good sequence; an entry that this version cannot read.
pub fn fold(directory: &Path, mut progress: impl FnMut(u64)) -> Result<Folded> {
    let mut work = Work::begin(directory, u64::MAX)?;
    loop {
        // From the snapshot's own last entry on: it shows whether the two belong together.
        let from = work.fold.last_sequence().max(work.oldest);
        let mut reader = Reader::open(directory, from)?;
        let mut read_any = false;
        while let Some(entry) = reader.next_entry()? {
            read_any = true;
            work.take(&entry, &mut progress);
            if work.failed.is_some() {
                break;
            }
        }
        let end = if read_any { u64::MAX } else { 0 };
        if !work.begins_again(end)? {
            return work.finish();
        }
    }
}

/// Opens a journal for writing and folds it, in one pass over its entries.
///
/// # Errors
/// As [`fold`], and every refusal of opening.
pub(crate) fn open_and_fold(
    options: &JournalOptions,
    mut progress: impl FnMut(u64),
) -> Result<(Journal, Folded)> {
    let directory = &options.directory;
    let mut work = Work::begin(directory, u64::MAX)?;
    let mut options = options.clone();
    options.trusted_sequence = work.fold.last_sequence();
    let journal = Journal::open_visiting(&options, &mut |entry| work.take(entry, &mut progress))?;
    if !work.begins_again(journal.recovered.last_sequence)? {
        return Ok((journal, work.finish()?));
    }
    let passed_over = work.passed_over;
    let mut folded = fold(directory, progress)?;
    folded.passed_over.splice(0..0, passed_over);
    Ok((journal, folded))
}

/// A fold under way.
struct Work {
    fold: StateFold,
    snapshots: Snapshots,
    snapshot: Option<u64>,
    held: Vec<HeldSegment>,
    oldest: u64,
    passed_over: Vec<PassedOver>,
    buffers: EntryBuffers,
    failed: Option<FoldError>,
    began: Instant,
}

impl Work {
    fn begin(directory: &Path, newest: u64) -> Result<Self> {
        let began = Instant::now();
        let held = if directory.is_dir() {
            held_segments(directory)?
        } else {
            Vec::new()
        };
        let mut work = Self {
            fold: StateFold::default(),
            snapshots: Snapshots::of_journal(directory),
            snapshot: None,
            oldest: held.first().map_or(1, |segment| segment.first_sequence),
            held,
            passed_over: Vec::new(),
            buffers: EntryBuffers::default(),
            failed: None,
            began,
        };
        work.load(newest);
        Ok(work)
    }

    /// The newest snapshot that ends at `newest` or before, or nothing.
    fn load(&mut self, newest: u64) {
        let loaded = self
            .snapshots
            .load(&self.held, newest, &mut self.passed_over);
        (self.fold, self.snapshot) = match loaded {
            Some((fold, header)) => (fold, Some(header.sequence)),
            None => (StateFold::default(), None),
        };
        self.failed = None;
    }

    fn take(&mut self, entry: &Entry<'_>, progress: &mut impl FnMut(u64)) {
        if self.failed.is_some() {
            return;
        }
        if let Err(failed) = self.fold.take(entry, &mut self.buffers) {
            self.failed = Some(failed);
        } else if entry.sequence.is_multiple_of(100_000) {
            progress(entry.sequence);
        }
    }

    /// True when the snapshot turned out to be no part of this journal, which ends at `last`: the
    /// fold begins again with an older one.
    fn begins_again(&mut self, last: u64) -> Result<bool> {
        let other_history = matches!(self.failed, Some(FoldError::OtherHistory { .. }));
        let Some(found) = self.snapshot.filter(|at| *at > last || other_history) else {
            return match self.failed.take() {
                Some(failed) => Err(failed).context("reading the journal"),
                None => Ok(false),
            };
        };
        let path = self.snapshots.path_of(found);
        let problem = match self.failed.take() {
            Some(failed) => SnapshotProblem::Fold(failed),
            None => SnapshotProblem::TooNew { last, found },
        };
        self.passed_over.push(PassedOver { path, problem });
        self.load(found.saturating_sub(1));
        Ok(true)
    }

    fn finish(self) -> Result<Folded> {
        let (entries, last_sequence) = (self.fold.entries(), self.fold.last_sequence());
        let first = self.snapshot.map_or(self.oldest, |sequence| sequence + 1);
        let engine = self.fold.into_engine();
        if engine.is_none() && self.oldest > 1 {
            bail!(
                "the journal begins at entry {} and no state is there to begin with: put the \
                 older segments, a base or a snapshot back",
                self.oldest
            );
        }
        Ok(Folded {
            config: engine.as_ref().map(|engine| engine.state().config.clone()),
            engine,
            entries,
            last_sequence,
            snapshot: self.snapshot,
            folded_entries: (last_sequence + 1).saturating_sub(first),
            passed_over: self.passed_over,
            took: self.began.elapsed(),
        })
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
    let mut reader = Reader::open(directory, first_held(directory)?)?;
    let mut buffers = EntryBuffers::default();
    while let Some(entry) = reader.next_entry()? {
        visit_entry(&entry, &mut buffers, &mut visit)
            .with_context(|| format!("reading entry {} of the journal", entry.sequence))?;
    }
    Ok(())
}

/// The first sequence that a journal holds.
fn first_held(directory: &Path) -> Result<u64> {
    let held = held_segments(directory)?;
    Ok(held.first().map_or(1, |segment| segment.first_sequence))
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
