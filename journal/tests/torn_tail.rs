//! The end of a journal after a kill: what was not committed never happened, and nothing else is
//! lost.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::fs;

use fixture::{Fixture, append_many, append_next, expected, strides};
use millrun_journal::recovery::RecoveryCase;

// covers: D02
#[test]
fn torn_final_record_is_cut_and_every_earlier_record_survives() {
    let count = 8;
    let fixture = Fixture::in_memory().with_one_segment(count);
    let path = fixture.segment(1);
    let image = fixture.image();
    let clean = fs::read(&path).unwrap();
    let (at, stride) = *strides(&clean).last().unwrap();
    assert!(stride > 64, "long enough to be worth tearing");
    for kept in 0..stride {
        fixture.edit(&path, |bytes| bytes[at + kept..at + stride].fill(0));
        let changed = fs::read(&path).unwrap() != clean;
        let before_cut = fs::read(&path).unwrap();
        let recovered = fixture.recover().unwrap();
        if !changed {
            assert_eq!(
                recovered.last_sequence, count,
                "only zero alignment bytes were torn off"
            );
            continue;
        }
        assert_eq!(recovered.last_sequence, count - 1, "{kept} bytes kept");
        if kept == 0 {
            assert_eq!(recovered.case, RecoveryCase::CleanEnd);
        } else {
            assert_eq!(recovered.case, RecoveryCase::TornTail, "{kept} bytes kept");
            let cut = recovered.cut.unwrap();
            let aside = fs::read(cut.aside.unwrap()).unwrap();
            assert_eq!(aside.len() as u64, cut.cut_bytes);
            assert!(!aside.is_empty() && aside.len() <= kept.next_multiple_of(8));
            assert_eq!(
                aside,
                before_cut[at..at + aside.len()],
                "bytes are kept as they were"
            );
        }
        assert_eq!(fixture.read_all(), expected(count - 1));
        let mut journal = fixture.open();
        assert_eq!(append_next(&mut journal.writer).sequence(), count);
        drop(journal);
        assert_eq!(fixture.read_all(), expected(count));
        fixture.restore(&image);
    }
}

// covers: D02
#[test]
fn an_entry_without_commit_word_never_happened() {
    let fixture = Fixture::in_memory().with_one_segment(8);
    let path = fixture.segment(1);
    let (at, stride) = *strides(&fs::read(&path).unwrap()).last().unwrap();
    fixture.edit(&path, |bytes| bytes[at..at + 8].fill(0));
    let recovered = fixture.recover().unwrap();
    assert_eq!(
        (recovered.case, recovered.last_sequence),
        (RecoveryCase::TornTail, 7)
    );
    let cut = recovered.cut.unwrap();
    assert!(cut.cut_bytes as usize <= stride && cut.later_entries == 0);
}

// covers: C08
#[test]
fn the_twentieth_recovery_gives_what_the_first_gave() {
    let fixture = Fixture::in_memory().with_entries(700);
    let path = fixture.last_entered();
    assert_ne!(path, fixture.segment(1));
    let (at, _) = *strides(&fs::read(&path).unwrap()).last().unwrap();
    fixture.edit(&path, |bytes| bytes[at + 30] ^= 0x10);
    let first = fixture.recover().unwrap();
    assert_eq!(
        (first.case, first.last_sequence),
        (RecoveryCase::TornTail, 699)
    );
    let image = fixture.image();
    for _ in 0..20 {
        let again = fixture.recover().unwrap();
        assert_eq!(again.case, RecoveryCase::CleanEnd);
        assert_eq!((again.last_sequence, again.entries), (699, 699));
        assert!(
            fixture.image() == image,
            "a recovery with nothing to do changed files"
        );
    }
    assert_eq!(fixture.read_all(), expected(699));
}

// covers: C08
#[test]
fn a_cut_that_was_killed_at_any_page_is_finished_by_the_next_recovery() {
    let fixture = Fixture::in_memory().with_one_segment(100);
    let path = fixture.segment(1);
    let (at, _) = strides(&fs::read(&path).unwrap())[10];
    fixture.edit(&path, |bytes| bytes[at + 30] ^= 0x10);
    let image = fixture.image();
    let end = fs::read(&path).unwrap().len();
    for zeroed_from in (at.next_multiple_of(4096)..end).step_by(4096).rev() {
        // Zeroing runs from the end to the start: this is what a kill in between leaves.
        fixture.edit(&path, |bytes| bytes[zeroed_from..].fill(0));
        let recovered = fixture.recover_after_restart().unwrap();
        assert_eq!(recovered.last_sequence, 10);
        assert_eq!(fixture.read_all(), expected(10));
        fixture.restore(&image);
    }
}

#[test]
fn a_dropped_builder_leaves_no_trace_and_its_number_to_the_next() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    append_many(&mut journal.writer, 2);
    let before = fs::read(fixture.segment(1)).unwrap();
    let mut builder = journal.writer.begin(9, 9, 500).unwrap();
    builder.put(&[0xAB; 500]);
    assert_eq!(builder.sequence(), 3);
    drop(builder);
    assert!(fs::read(fixture.segment(1)).unwrap() == before);
    let mut forgotten = journal.writer.begin(9, 9, 500).unwrap();
    forgotten.put(&[0xCD; 500]);
    std::mem::forget(forgotten);
    assert_eq!(append_next(&mut journal.writer).sequence(), 3);
    assert_eq!(fixture.recover_while_open(), expected(3));
}

impl Fixture {
    /// Reads while the writer lives: what is behind the last entry must be blank.
    fn recover_while_open(&self) -> Vec<fixture::Seen> {
        let bytes = fs::read(self.segment(1)).unwrap();
        let end = strides(&bytes)
            .last()
            .map(|(at, stride)| at + stride)
            .unwrap();
        assert!(
            bytes[end..].iter().all(|byte| *byte == 0),
            "leftovers behind the last entry"
        );
        self.read_all()
    }
}

#[test]
fn patches_and_truncations_reach_the_entry_and_its_checksum() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    let mut builder = journal.writer.begin(1, 2, 100).unwrap();
    let count_at = builder.position();
    builder.put_u32(0);
    builder.put_u8(1);
    builder.put_u16(0x0203);
    builder.put_i64(-1);
    builder.put_u128(5);
    let keep = builder.position();
    builder.put_u64(u64::MAX);
    builder.truncate(keep);
    builder.patch_u32(count_at, 77);
    builder.set_flags(6);
    assert_eq!((builder.position(), builder.room_bytes()), (31, 69));
    let committed = builder.commit();
    assert_eq!(committed.place().length_bytes, 40 + 31);
    let mut reader = millrun_journal::Reader::open(&fixture.directory, 1).unwrap();
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!((entry.kind, entry.flags, entry.now_ns), (1, 6, 2));
    assert_eq!(entry.place, committed.place());
    assert_eq!(entry.body[..7], [77, 0, 0, 0, 1, 3, 2]);
    assert_eq!(entry.body[7..15], [0xFF; 8]);
}

#[test]
fn longer_than_announced_or_longer_than_a_segment_is_caught() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    let error = journal.writer.begin(1, 1, 65_536).unwrap_err();
    assert!(error.to_string().contains("ENTRY_TOO_LONG"), "{error}");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut builder = journal.writer.begin(1, 1, 8).unwrap();
        builder.put(&[0; 9]);
    }));
    assert!(result.is_err());
    assert_eq!(
        append_next(&mut journal.writer).sequence(),
        1,
        "a caught bug leaves no trace"
    );
    assert_eq!(fixture.read_all(), expected(1));
}
