//! The events that a strategy has missed, read from the journal.
//!
//! Owns: the search for the place to start and a sparse index of places once seen (every
//! [`MARK_EVERY`]th event). Invariants: events come in order, each once; what the journal does not
//! hold any more is named as a gap, never skipped silently; the cost grows with what was missed,
//! not with the journal. Must not know: sockets, who asks. Threads: any; the index is locked only
//! to look and to note.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use journal::{JournalError, JournalErrorKind, Reader};
use model::attach_message::{EventWords, LIST_MAX};
use model::decision::Decision;
use model::identifiers::StrategyId;
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::order_event::OrderEvent;

/// Distance of events whose places are kept.
const MARK_EVERY: u64 = 1_024;
/// The first guess reaches back at least this many entries.
const REACH_MIN: u64 = 256;
/// Each further guess reaches back this many times as far.
const REACH_GROWTH: u64 = 8;

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    /// Whose.
    pub(super) strategy: StrategyId,
    /// The first event that is wanted.
    pub(super) first: u64,
    /// The first event that is not wanted any more.
    pub(super) end: u64,
    /// No wanted event lies in an entry behind this one.
    pub(super) last_sequence: u64,
}

/// One message's worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Events in order.
    Events(Vec<EventWords>),
    /// Events that are not held, first and last.
    Gap(u64, u64),
}

/// The journal's events, by strategy and number.
#[derive(Debug)]
pub(super) struct EventIndex {
    directory: PathBuf,
    /// Sequence of the entry that holds an event.
    marks: Mutex<BTreeMap<(StrategyId, u64), u64>>,
}

impl EventIndex {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            marks: Mutex::default(),
        }
    }

    /// Gives every missed event, or names it as missing, in order. `Some` says why the journal
    /// could not be read to the end; the rest was named as missing.
    pub(super) fn stream<E>(
        &self,
        missed: &Missed,
        sink: &mut dyn FnMut(Piece) -> Result<(), E>,
    ) -> Result<Option<String>, E> {
        let mut collector = Collector {
            next: missed.first,
            events: Vec::new(),
            sink,
        };
        if missed.first >= missed.end {
            return Ok(None);
        }
        let mut failed = None;
        let walked = self.start_of(missed).and_then(|reader| {
            self.walk(reader, missed, |event| {
                if event.event_seq >= missed.end {
                    return ControlFlow::Break(());
                }
                failed = collector.take(event).err();
                if failed.is_some() || collector.next == missed.end {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        collector.finish(missed.end)?;
        Ok(walked.err())
    }

    /// A reader at or before the first missed event: from the nearest known place, or by guesses
    /// that reach back farther and farther.
    fn start_of(&self, missed: &Missed) -> Result<Reader, String> {
        let known = self.mark_before(missed);
        let wanted_events = missed.end.saturating_sub(missed.first);
        let mut reach = wanted_events.saturating_mul(2).max(REACH_MIN);
        loop {
            let at = missed.last_sequence.saturating_sub(reach).max(known);
            let (reader, from) = self.open_at(at)?;
            if at == known || from > at {
                return Ok(reader);
            }
            let mut first_seen = None;
            self.walk(reader, missed, |event| {
                first_seen = Some(event.event_seq);
                ControlFlow::Break(())
            })?;
            if first_seen.is_some_and(|seen| seen <= missed.first) {
                return self.open_at(at).map(|(reader, _)| reader);
            }
            reach = reach.saturating_mul(REACH_GROWTH);
        }
    }

    /// Opens at `sequence`, or at the oldest entry that is still held.
    fn open_at(&self, sequence: u64) -> Result<(Reader, u64), String> {
        let open = |from| Reader::open(&self.directory, from);
        match open(sequence) {
            Ok(reader) => Ok((reader, sequence)),
            Err(error) => match oldest_held(&error) {
                Some(oldest) => open(oldest)
                    .map(|reader| (reader, oldest))
                    .map_err(|error| error.to_string()),
                None => Err(error.to_string()),
            },
        }
    }

    /// Shows every event of the strategy up to the last sequence, and keeps places for later.
    fn walk(
        &self,
        mut reader: Reader,
        missed: &Missed,
        mut visit: impl FnMut(&OrderEvent) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let mut buffers = EntryBuffers::default();
        while let Some(entry) = reader.next_entry().map_err(|error| error.to_string())? {
            let sequence = entry.sequence;
            if sequence > missed.last_sequence {
                break;
            }
            let Some(kind) = input_kind(entry.kind) else {
                continue;
            };
            let (_, decisions) = take_entry(kind, entry.body, &mut buffers)
                .map_err(|error| format!("entry {sequence}: {error}"))?;
            for (strategy, event) in decisions.iter().filter_map(Decision::event) {
                if event.event_seq.is_multiple_of(MARK_EVERY) {
                    self.note(strategy, event.event_seq, sequence);
                }
                if strategy == missed.strategy && visit(&event).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The nearest known place at or before the first missed event; 1 when there is none.
    fn mark_before(&self, missed: &Missed) -> u64 {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (missed.strategy, 0)..=(missed.strategy, missed.first);
        let nearest = marks.range(before).next_back();
        nearest.map_or(1, |(_, sequence)| *sequence)
    }

    fn note(&self, strategy: StrategyId, event_seq: u64, sequence: u64) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.insert((strategy, event_seq), sequence);
    }
}

/// Makes messages of single events.
struct Collector<'a, E> {
    next: u64,
    events: Vec<EventWords>,
    sink: &'a mut dyn FnMut(Piece) -> Result<(), E>,
}

impl<E> Collector<'_, E> {
    fn take(&mut self, event: &OrderEvent) -> Result<(), E> {
        if event.event_seq < self.next {
            return Ok(()); // the start lies before the first missed event
        }
        if event.event_seq > self.next {
            self.gap(event.event_seq)?;
        }
        self.events.push(EventWords(event.to_words()));
        self.next = event.event_seq + 1;
        if self.events.len() == LIST_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// Names everything before `end` as missing.
    fn gap(&mut self, end: u64) -> Result<(), E> {
        self.flush()?;
        let from = std::mem::replace(&mut self.next, end);
        (self.sink)(Piece::Gap(from, end - 1))
    }

    fn flush(&mut self) -> Result<(), E> {
        if self.events.is_empty() {
            return Ok(());
        }
        (self.sink)(Piece::Events(std::mem::take(&mut self.events)))
    }

    fn finish(mut self, end: u64) -> Result<(), E> {
        if self.next < end {
            return self.gap(end);
        }
        self.flush()
    }
}

/// The kind of an entry that holds decisions.
fn input_kind(kind: u16) -> Option<EntryKind> {
    let kind = EntryKind::from_number(u8::try_from(kind).ok()?)?;
    match kind {
        EntryKind::Sent | EntryKind::Checkpoint => None,
        _ => Some(kind),
    }
}

fn oldest_held(error: &JournalError) -> Option<u64> {
    match error.kind() {
        JournalErrorKind::SequenceNotHeld { oldest, .. } => Some(*oldest),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
