//! The walk over a journal: from its oldest entry to the end, or on and on.
//!
//! Owns: range, limit, totals, waiting, and what happens when something cannot be read. Invariants:
//! everything shown before an error is written out before the error is returned; entries before
//! `--from` are read for names, scales, clocks and intents only, and what cannot be read there is
//! noted instead of ending the walk, so that an operator can look behind it.
//! Must not know: terminals, signals. Threads: one.

use std::io::{self, Write};
use std::path::Path;

use journal::layout::segment_index_of;
use journal::{Entry, JournalErrorKind, Reader};
use model::journal_record::EntryBuffers;

use crate::arguments::ReplayArgs;
use crate::describe_input::describe;
use crate::failure::ReplayError;
use crate::in_force::InForce;
use crate::record::{kind_of, read};
use crate::selection::Selection;
use crate::{human_lines, json_lines};

/// Where a replay writes.
pub struct Streams<'a> {
    /// Entries and totals.
    pub out: &'a mut dyn Write,
    /// What an operator should know beside them.
    pub notes: &'a mut dyn Write,
}

/// When a replay waits, and when it stops.
pub trait Pace {
    /// True once the replay shall end. Asked after every entry and every wait.
    fn is_over(&mut self) -> bool;
    /// Waits a short time for new entries; at most 20 ms, so that following feels immediate.
    fn wait(&mut self);
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries read, from the oldest, silent ones included.
    pub entries: u64,
    /// Entries shown.
    pub shown: u64,
}

/// Prints the entries that `args` select. A reader that closed `out` ends it without an error.
///
/// # Errors
/// [`ReplayError`]; whatever was read before is written out.
pub fn run(
    args: &ReplayArgs,
    streams: Streams<'_>,
    pace: &mut impl Pace,
) -> Result<Totals, ReplayError> {
    args.check()?;
    let oldest = oldest_sequence(&args.dir)?;
    if let Some(from) = args.from.filter(|from| *from != 0) {
        // Says which sequence is the oldest when `--from` lies before it.
        Reader::open(&args.dir, from)?;
    }
    let mut walk = Walk::new(args, InForce::ahead(&args.dir, oldest)?, streams);
    let walked = walk.read_all(oldest, pace).and_then(|()| walk.finish());
    let written = walk.streams.out.flush().map_err(ReplayError::Output);
    match walked.and(written) {
        Err(ReplayError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(walk.totals)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(walk.totals),
    }
}

/// The oldest entry that is held; 1 unless older ones were pruned.
fn oldest_sequence(directory: &Path) -> Result<u64, ReplayError> {
    match Reader::open(directory, 1) {
        Ok(_) => Ok(1),
        Err(error) => match error.kind() {
            JournalErrorKind::SequenceNotHeld { oldest, .. } => Ok(*oldest),
            _ => Err(error.into()),
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    GoOn,
    Enough,
}

struct Walk<'a, 's> {
    args: &'a ReplayArgs,
    in_force: InForce,
    selection: Selection,
    buffers: EntryBuffers,
    streams: Streams<'s>,
    totals: Totals,
    noted: bool,
}

impl<'a, 's> Walk<'a, 's> {
    fn new(args: &'a ReplayArgs, in_force: InForce, streams: Streams<'s>) -> Self {
        let mut selection = Selection::new(args);
        selection.resolve(&in_force);
        Self {
            args,
            in_force,
            selection,
            buffers: EntryBuffers::default(),
            streams,
            totals: Totals::default(),
            noted: false,
        }
    }

    fn read_all(&mut self, oldest: u64, pace: &mut impl Pace) -> Result<(), ReplayError> {
        let mut reader = Reader::open(&self.args.dir, oldest)?;
        let mut jumped = false;
        loop {
            let sequence = reader.next_sequence();
            match reader.next_entry() {
                Ok(Some(entry)) => {
                    if self.step(&entry)? == Step::Enough || pace.is_over() {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    self.caught_up()?;
                    if !self.args.follow {
                        return Ok(());
                    }
                    self.streams.out.flush()?;
                    pace.wait();
                    if pace.is_over() {
                        return Ok(());
                    }
                }
                Err(error) if self.is_silent(sequence) && !jumped => {
                    jumped = true;
                    reader = self.behind_damage(error.into())?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Looks for `--from` in a later segment when what lies before it cannot be read.
    fn behind_damage(&mut self, error: ReplayError) -> Result<Reader, ReplayError> {
        let from = self.args.from.unwrap_or(0);
        match Reader::open(&self.args.dir, from) {
            Ok(reader) => {
                self.note(&error)?;
                Ok(reader)
            }
            Err(_) => Err(error),
        }
    }

    fn step(&mut self, entry: &Entry<'_>) -> Result<Step, ReplayError> {
        let last = self.args.to;
        if last.is_some_and(|last| entry.sequence > last) {
            return Ok(Step::Enough);
        }
        self.totals.entries = self.totals.entries.saturating_add(1);
        match self.look_at(entry) {
            Err(ReplayError::Output(error)) => return Err(ReplayError::Output(error)),
            Err(error) if self.is_silent(entry.sequence) => self.note(&error)?,
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        let limited = self
            .args
            .limit
            .is_some_and(|limit| self.totals.shown >= limit.get());
        Ok(if limited || last == Some(entry.sequence) {
            Step::Enough
        } else {
            Step::GoOn
        })
    }

    fn look_at(&mut self, entry: &Entry<'_>) -> Result<(), ReplayError> {
        let kind = kind_of(entry)?;
        if self.in_force.observe(kind, entry, &mut self.buffers)? {
            self.selection.resolve(&self.in_force);
        }
        let can_be_shown = !self.is_silent(entry.sequence) && self.selection.takes_kind(kind);
        if !can_be_shown && !self.selection.follows_intents() {
            return Ok(());
        }
        let body = read(kind, entry, &mut self.buffers)?;
        if self.selection.follows_intents() {
            self.selection.note_intents(&body);
        }
        if !can_be_shown || !self.selection.takes(&body) {
            return Ok(());
        }
        let told = describe(&self.in_force, &body);
        let (known, raw) = (&self.in_force, self.args.raw);
        if self.args.json {
            let line = json_lines::line(entry, kind, told, known, raw)?;
            self.streams.out.write_all(&line)?;
        } else {
            let lines = human_lines::lines(entry, kind, &told, known, raw);
            self.streams.out.write_all(lines.as_bytes())?;
        }
        self.totals.shown = self.totals.shown.saturating_add(1);
        Ok(())
    }

    /// All that is written was read: what is still missing is not there.
    fn caught_up(&mut self) -> Result<(), ReplayError> {
        self.selection.check_names(&self.in_force)?;
        let expected = self.args.dir.join("journal");
        if self.totals.entries == 0 && !holds_segments(&self.args.dir) && holds_segments(&expected)
        {
            let found = self.args.dir.clone();
            return Err(ReplayError::WrongDirectory { found, expected });
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ReplayError> {
        if self.totals.shown == 0 {
            self.selection.check_names(&self.in_force)?;
        }
        if !self.args.json {
            let Totals { entries, shown } = self.totals;
            writeln!(self.streams.out, "entries={entries} shown={shown}")?;
        }
        Ok(())
    }

    fn is_silent(&self, sequence: u64) -> bool {
        self.args.from.is_some_and(|from| sequence < from)
    }

    /// Once is enough: what follows from it is the same for all.
    fn note(&mut self, error: &ReplayError) -> Result<(), ReplayError> {
        if !self.noted {
            self.noted = true;
            writeln!(
                self.streams.notes,
                "note: before --from: {error}\nnote: names, scales and times may be out of date, \
                 and entries may be missing from the count"
            )?;
        }
        Ok(())
    }
}

fn holds_segments(directory: &Path) -> bool {
    let Ok(listed) = directory.read_dir() else {
        return false;
    };
    listed.flatten().any(|found| {
        found
            .file_name()
            .to_str()
            .and_then(segment_index_of)
            .is_some()
    })
}
