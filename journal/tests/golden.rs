//! Files written by each released format version are read by this build, byte for byte.
//!
//! `golden/version_1_segment.bin` is a 64 KiB segment of version 1 without its zeros at the end:
//! three entries, a pad between the second and the third. It is never written anew.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::fs;

use fixture::{Fixture, Seen};
use millrun_journal::boot_epoch::claim_epoch;
use millrun_journal::recovery::RecoveryCase;

const VERSION_1: &[u8] = include_bytes!("golden/version_1_segment.bin");

fn golden_journal() -> Fixture {
    let fixture = Fixture::in_memory();
    millrun_journal::directory::create_directory(&fixture.directory).unwrap();
    claim_epoch(&fixture.directory, 0, 1_000).unwrap();
    let mut segment = VERSION_1.to_vec();
    segment.resize(65_536, 0);
    fs::write(fixture.segment(1), segment).unwrap();
    fixture::private(&fixture.segment(1));
    fixture
}

// covers: D11
#[test]
fn a_segment_of_version_1_is_still_read_and_written_on() {
    let fixture = golden_journal();
    let seen = |sequence, kind, now_ns, body: &[u8]| {
        let body = body.to_vec();
        Seen {
            sequence,
            kind,
            now_ns,
            body,
        }
    };
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut expected = vec![
        seen(1, 1, 1_000, b""),
        seen(2, 2, 2_000, b"golden"),
        seen(3, 0xFEFF, u64::MAX, &all_bytes),
    ];
    assert_eq!(fixture.read_all(), expected);
    assert_eq!(fixture.recover().unwrap().case, RecoveryCase::CleanEnd);
    let mut journal = fixture.open();
    assert_eq!(fixture::append_next(&mut journal.writer).sequence(), 4);
    expected.push(fixture::seen_of(4));
    assert_eq!(fixture.read_all(), expected);
}

#[test]
fn the_golden_bytes_lie_where_the_format_document_says() {
    assert_eq!(&VERSION_1[..8], b"MLRNJRNL");
    assert_eq!(VERSION_1[8..16], [1, 0, 0, 0, 0x0D, 0x0C, 0x0B, 0x0A]);
    assert_eq!(VERSION_1[40..52], [1, 0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0]);
    let word = |at: usize| u64::from_le_bytes(VERSION_1[at..at + 8].try_into().unwrap());
    let salt = word(32);
    assert_eq!(salt >> 63, 1);
    assert_eq!(word(512), 1 ^ salt, "opening word");
    let second = 4_096 + 40;
    assert_eq!(
        (word(second), word(second + 8), word(second + 16)),
        (2 ^ salt, 2, 2_000)
    );
    assert_eq!(VERSION_1[second + 24..second + 28], [46, 0, 0, 0]);
    assert_eq!(&VERSION_1[second + 36..second + 42], b"golden");
    let pad = second + 48;
    assert_eq!(VERSION_1[pad + 32..pad + 34], [0xFE, 0xFF]);
    assert_eq!(
        word(8_192),
        3 ^ salt,
        "the third entry starts on the next page"
    );
}
