//! Missed events come complete, in order and from the right place, over real journals.

use super::*;
use journal::{Journal, JournalOptions, Mode};
use model::identifiers::RequestId;
use model::input::Input;
use model::journal_record::put_entry;

const US: StrategyId = StrategyId(1);
const THEM: StrategyId = StrategyId(0);

struct Written {
    _temporary: tempfile::TempDir,
    directory: PathBuf,
    last_sequence: u64,
}

fn event_of(strategy: StrategyId, event_seq: u64) -> Decision {
    Decision::CancelAllAccepted {
        strategy,
        event_seq,
        request_id: RequestId(event_seq * 10),
    }
}

/// A journal whose entries hold the given decisions, behind one of no interest to anybody.
fn written(entries: impl IntoIterator<Item = Vec<Decision>>) -> Written {
    let temporary = tempfile::tempdir_in("/dev/shm").unwrap();
    let directory = temporary.path().join("journal");
    let mut options = JournalOptions::new(directory.clone(), 1, 497_520);
    (options.mode, options.segment_bytes) = (Mode::Process, 1 << 20);
    options.allow_tmpfs = true;
    let mut journal = Journal::open(&options).unwrap();
    let mut last_sequence = 0;
    for decisions in std::iter::once(Vec::new()).chain(entries) {
        let mut body = Vec::new();
        put_entry(&Input::Timer, &decisions, &mut body);
        let kind = EntryKind::Timer.number().into();
        let mut entry = loop {
            match journal.writer.begin(kind, 1, body.len()) {
                Ok(entry) => break entry,
                Err(_) => std::thread::yield_now(), // the keeper makes the next segment
            }
        };
        entry.put(&body);
        last_sequence = entry.commit().sequence();
    }
    Written {
        _temporary: temporary,
        directory,
        last_sequence,
    }
}

/// Streams and checks that the events are the right ones; gives the gaps and the count.
fn streamed(index: &EventIndex, missed: &Missed) -> (Vec<(u64, u64)>, u64) {
    let (mut gaps, mut count, mut next) = (Vec::new(), 0, missed.first);
    let outcome = index.stream(missed, &mut |piece| -> Result<(), ()> {
        match piece {
            Piece::Events(events) => {
                assert!(events.len() <= LIST_MAX);
                for event in events {
                    let event = OrderEvent::from_words(&event.0).unwrap();
                    assert_eq!((event.event_seq, event.request_id.0), (next, next * 10));
                    (next, count) = (next + 1, count + 1);
                }
            }
            Piece::Gap(from, to) => {
                assert_eq!(from, next);
                gaps.push((from, to));
                next = to + 1;
            }
        }
        Ok(())
    });
    assert_eq!(outcome, Ok(None));
    assert_eq!(next, missed.end.max(missed.first));
    (gaps, count)
}

fn missed(written: &Written, first: u64, end: u64) -> Missed {
    Missed {
        strategy: US,
        first,
        end,
        last_sequence: written.last_sequence,
    }
}

#[test]
fn every_start_in_a_journal_of_many_segments_gives_every_event_behind_it_once() {
    // Two events of ours in an entry, then seven entries of theirs.
    let entries = (0..24_000u64).map(|entry| {
        if entry % 8 == 0 {
            let first = entry / 4 + 1;
            vec![
                event_of(US, first),
                event_of(THEM, 1),
                event_of(US, first + 1),
            ]
        } else {
            vec![event_of(THEM, entry + 1)]
        }
    });
    let written = written(entries);
    let index = EventIndex::new(written.directory.clone());
    // Backwards first, so that the places are found by guesses and not from the index.
    for first in [6_001, 6_000, 5_999, 4_097, 1_024, 1_023, 2, 1, 1_025, 5_000] {
        let (gaps, count) = streamed(&index, &missed(&written, first, 6_001));
        assert_eq!((gaps, count), (vec![], 6_001 - first), "from {first}");
    }
    let some = missed(&written, 3_000, 3_010);
    assert_eq!(streamed(&index, &some), (vec![], 10));
    let marks = index.marks.lock().unwrap();
    let ours: Vec<u64> = marks
        .range((US, 0)..)
        .map(|((_, event), _)| *event)
        .collect();
    assert_eq!(ours, [1_024, 2_048, 3_072, 4_096, 5_120]);
}

#[test]
fn events_that_the_journal_does_not_hold_are_named_as_a_gap() {
    let entries = [5, 6, 9].map(|event_seq| vec![event_of(US, event_seq)]);
    let written = written(entries);
    let index = EventIndex::new(written.directory.clone());
    let (gaps, count) = streamed(&index, &missed(&written, 2, 12));
    assert_eq!((gaps, count), (vec![(2, 4), (7, 8), (10, 11)], 3));
}

#[test]
fn a_journal_that_cannot_be_read_gives_a_gap_and_says_why() {
    let entries = (1..=40).map(|event_seq| vec![event_of(US, event_seq)]);
    let written = written(entries);
    let path = journal::layout::segment_path(&written.directory, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    // The first committed entry stays good, one behind it does not.
    let commit = 4_096 + 1_000;
    bytes[commit..commit + 64].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let index = EventIndex::new(written.directory.clone());
    let mut pieces = Vec::new();
    let why = index.stream(&missed(&written, 1, 41), &mut |piece| -> Result<(), ()> {
        pieces.push(piece);
        Ok(())
    });
    let why = why.unwrap().unwrap();
    assert!(why.contains("segment-"), "{why}");
    assert!(matches!(pieces.last(), Some(Piece::Gap(_, 40))));
}

#[test]
fn a_taker_that_fails_ends_the_stream() {
    let written = written((1..=2_000).map(|event_seq| vec![event_of(US, event_seq)]));
    let index = EventIndex::new(written.directory.clone());
    let mut pieces = 0;
    let outcome = index.stream(&missed(&written, 1, 2_001), &mut |_| {
        pieces += 1;
        if pieces == 2 { Err("gone") } else { Ok(()) }
    });
    assert_eq!((outcome, pieces), (Err("gone"), 2));
}
