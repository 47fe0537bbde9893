//! Damaged, mixed, foreign and incomplete journals: detected or harmless, never silently different.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::fs;
use std::os::unix::fs::FileExt;

use fixture::{Fixture, expected, read_from, strides};
use millrun_journal::recovery::RecoveryCase;
use millrun_journal::{JournalErrorKind, Note};

/// Recovery refuses with this code, names the file, and changes no byte.
#[track_caller]
fn check_refused(fixture: &Fixture, code: &str, named: &str) -> String {
    let before = fixture.image();
    let error = fixture.recover().unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    let text = error.to_string();
    assert!(text.contains(named), "{text} does not name {named}");
    assert!(fixture.image() == before, "a refusal changed files");
    text
}

// covers: D03 D04 P10
#[test]
fn every_flipped_bit_is_detected_or_harmless() {
    let count = 9;
    let fixture = Fixture::in_memory().with_one_segment(count);
    let path = fixture.segment(1);
    let image = fixture.image();
    let clean = fs::read(&path).unwrap();
    let used_to = strides(&clean)
        .last()
        .map(|(at, stride)| at + stride)
        .unwrap();
    let (mut refused, mut cut, mut harmless) = (0, 0, 0);
    let used_bits = (0..used_to * 8).filter(|bit| bit / 8 < 2080 || bit / 8 >= 4096);
    // Every byte of the page behind the entries, every fifth of the blank rest.
    let near = used_to..used_to + 4_096;
    let blank_bytes = near.chain((used_to + 4_096..clean.len()).step_by(5));
    let blank_bits = blank_bytes.map(|byte| byte * 8 + byte % 8);
    for bit in used_bits.chain(blank_bits) {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let byte = (bit / 8) as u64;
        file.write_all_at(&[clean[bit / 8] ^ (1 << (bit % 8))], byte)
            .unwrap();
        match fixture.recover() {
            Err(_) => {
                refused += 1;
                file.write_all_at(&[clean[bit / 8]], byte).unwrap();
                assert!(
                    fs::read(&path).unwrap() == clean,
                    "bit {bit}: a refusal changed the file"
                );
            }
            Ok(recovered) => {
                let read = fixture.read_all();
                let is_prefix = expected(count).starts_with(&read);
                assert!(is_prefix, "bit {bit}: entries differ silently");
                assert_eq!(read.len() as u64, recovered.entries, "bit {bit}");
                if let Some(report) = recovered.cut {
                    assert!(report.cut_bytes > 0, "bit {bit}");
                    cut += 1;
                    fs::remove_dir_all(fixture.directory.join("aside")).unwrap();
                    if bit / 8 < used_to {
                        fixture.restore(&image);
                    } else {
                        assert!(
                            fs::read(&path).unwrap() == clean,
                            "bit {bit}: cut back to zeros"
                        );
                    }
                } else {
                    assert_eq!(
                        read.len() as u64,
                        count,
                        "bit {bit}: entries vanished silently"
                    );
                    harmless += 1;
                    file.write_all_at(&[clean[bit / 8]], byte).unwrap();
                }
            }
        }
    }
    println!("refused={refused} cut={cut} harmless={harmless} silent=0");
    assert!(refused > 1000 && cut > 1000 && harmless > 0);
}

// covers: D04
#[test]
fn every_flipped_byte_of_a_closed_segment_is_refused_or_lies_behind_its_seal() {
    let count = 800;
    let fixture = Fixture::in_memory().with_entries(count);
    let path = fixture.segment(1);
    let clean = fs::read(&path).unwrap();
    let seal_end = strides(&clean)
        .last()
        .map(|(at, stride)| at + stride)
        .unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut refused = 0;
    for byte in (0..540).chain((4096..clean.len()).step_by(7)) {
        file.write_all_at(&[clean[byte] ^ (1 << (byte % 8))], byte as u64)
            .unwrap();
        match fixture.recover() {
            Err(error) => {
                assert!(
                    ["JOURNAL_DAMAGED", "JOURNAL_VERSION"].contains(&error.code()),
                    "{error}"
                );
                refused += 1;
            }
            Ok(recovered) => {
                assert!(byte >= seal_end || byte == 539, "byte {byte} went unseen");
                assert_eq!(recovered.entries, count);
            }
        }
        file.write_all_at(&[clean[byte]], byte as u64).unwrap();
    }
    assert!(refused > 8_000);
    assert_eq!(fixture.read_all(), expected(count));
}

// covers: D03 P10
#[test]
fn damage_before_valid_entries_is_refused_with_file_offset_sequence_and_command() {
    let fixture = Fixture::in_memory().with_one_segment(12);
    let path = fixture.segment(1);
    let (at, _) = strides(&fs::read(&path).unwrap())[6];
    fixture.edit(&path, |bytes| bytes[at + 20] ^= 1);
    let text = check_refused(&fixture, "JOURNAL_DAMAGED", "segment-0000000001.mrj");
    assert!(text.contains(&format!("offset {at}")), "{text}");
    assert!(text.contains("last good sequence 6"), "{text}");
    let directory = fixture.directory.display();
    let command = format!("millrun replay --dir {directory} --from 6");
    assert!(text.contains(&command), "{text}");
}

// The journal's part of D01.
#[test]
fn after_a_restart_of_the_machine_a_hole_is_cut_and_what_lay_behind_is_reported() {
    let fixture = Fixture::in_memory().with_one_segment(12);
    let path = fixture.segment(1);
    let (at, stride) = strides(&fs::read(&path).unwrap())[6];
    fixture.edit(&path, |bytes| bytes[at..at + stride].fill(0));
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment-0000000001.mrj");
    let recovered = fixture.recover_after_restart().unwrap();
    assert_eq!(recovered.case, RecoveryCase::UnsyncedHole);
    assert_eq!((recovered.last_sequence, recovered.entries), (6, 6));
    let cut = recovered.cut.unwrap();
    let later: Vec<u64> = cut.later.iter().map(|entry| entry.sequence).collect();
    assert_eq!(later, [8, 9, 10, 11, 12]);
    assert_eq!(cut.later[0].body, fixture::body_of(8));
    assert_eq!(
        fs::metadata(cut.aside.unwrap()).unwrap().len(),
        cut.cut_bytes
    );
    assert_eq!(fixture.read_all(), expected(6));
    assert_eq!(fixture.recover().unwrap().case, RecoveryCase::CleanEnd);
}

// The journal's part of D01.
#[test]
fn after_a_restart_whole_segments_behind_a_lost_one_go_aside_and_the_journal_goes_on() {
    let fixture = Fixture::in_memory().with_entries(1_500);
    let in_first = strides(&fs::read(fixture.segment(1)).unwrap()).len() as u64 - 1;
    assert!(fixture.segment(3).exists(), "three segments at least");
    // The page with the opening of segment 2 and its first entries never reached the disk.
    fixture.edit(&fixture.segment(2), |bytes| bytes[512..8192].fill(0));
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment-0000000002.mrj");
    let recovered = fixture.recover_after_restart().unwrap();
    assert_eq!(recovered.case, RecoveryCase::UnsyncedSegments);
    assert_eq!(recovered.last_sequence, in_first);
    let cut = recovered.cut.unwrap();
    assert!(cut.segments_aside.len() >= 2 && cut.segments_aside.iter().all(|path| path.exists()));
    assert!(cut.later_entries > 100);
    let mut journal = fixture.open();
    assert_eq!(
        fixture::append_next(&mut journal.writer).sequence(),
        in_first + 1
    );
    assert_eq!(fixture.read_all(), expected(in_first + 1));
}

#[test]
fn a_lost_opening_of_the_only_segment_is_refused() {
    let fixture = Fixture::in_memory().with_one_segment(3);
    fixture.edit(&fixture.segment(1), |bytes| bytes[512..520].fill(0));
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment-0000000001.mrj");
}

// covers: D10
#[test]
fn a_missing_middle_segment_is_refused() {
    let fixture = Fixture::in_memory().with_entries(1_500);
    fs::remove_file(fixture.segment(2)).unwrap();
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment 2 is missing");
}

// covers: D10
#[test]
fn a_missing_first_segment_is_refused_unless_a_base_holds_it() {
    let fixture = Fixture::in_memory().with_entries(1_500);
    let in_first = strides(&fs::read(fixture.segment(1)).unwrap()).len() as u64 - 1;
    fs::remove_file(fixture.segment(1)).unwrap();
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment 1 is missing");
    let mut options = fixture.options();
    options.base_sequence = in_first;
    let journal = millrun_journal::Journal::open(&options).unwrap();
    assert_eq!(journal.recovered.first_sequence, in_first + 1);
    assert_eq!(journal.recovered.last_sequence, 1_500);
    let error = read_from(&fixture.directory, 1).unwrap_err();
    assert_eq!(error.code(), "SEQUENCE_NOT_HELD");
    assert_eq!(
        read_from(&fixture.directory, in_first + 1).unwrap().len() as u64,
        1_500 - in_first
    );
}

// covers: D10
#[test]
fn zero_length_and_truncated_segments_are_refused_at_every_page() {
    let fixture = Fixture::in_memory().with_one_segment(20);
    let path = fixture.segment(1);
    let image = fixture.image();
    for length in [0, 1, 511, 512, 4_095, 4_096, 8_192, 65_535] {
        fixture.edit(&path, |bytes| bytes.truncate(length));
        let named = if length == 0 {
            "zero length"
        } else {
            "bytes long"
        };
        check_refused(&fixture, "JOURNAL_DAMAGED", named);
        fixture.restore(&image);
    }
    fixture.edit(&path, |bytes| bytes.push(0));
    check_refused(&fixture, "JOURNAL_DAMAGED", "65537");
}

// covers: D10
#[test]
fn stray_files_are_ignored_with_a_note() {
    let fixture = Fixture::in_memory().with_one_segment(5);
    let stray = fixture.directory.join("segment-0000000001.mrj.bak");
    fs::write(&stray, b"whatever").unwrap();
    let recovered = fixture.recover().unwrap();
    assert_eq!(recovered.notes, [Note::StrayFile(stray.clone())]);
    assert_eq!(recovered.last_sequence, 5);
    assert_eq!(fs::read(stray).unwrap(), b"whatever");
}

// covers: D11
#[test]
fn other_versions_and_another_byte_order_are_refused_by_name() {
    let fixture = Fixture::in_memory().with_one_segment(5);
    let path = fixture.segment(1);
    let image = fixture.image();
    for version in [0_u32, 2, 77, u32::MAX] {
        fixture.edit(&path, |bytes| {
            bytes[8..12].copy_from_slice(&version.to_le_bytes())
        });
        check_refused(
            &fixture,
            "JOURNAL_VERSION",
            &format!("format version {version}"),
        );
        fixture.restore(&image);
    }
    fixture.edit(&path, |bytes| bytes[12..16].reverse());
    check_refused(&fixture, "JOURNAL_VERSION", "byte order");
    fixture.restore(&image);
    fixture.edit(&path, |bytes| bytes[0] = 0);
    check_refused(&fixture, "JOURNAL_DAMAGED", "no segment");
}

// covers: D12
#[test]
fn absurd_lengths_are_never_followed() {
    let fixture = Fixture::in_memory().with_one_segment(6);
    let path = fixture.segment(1);
    let image = fixture.image();
    let (at, _) = strides(&fs::read(&path).unwrap())[5];
    for length in [0_u32, 1, 39, 61_400, 65_536, 1 << 31, u32::MAX] {
        fixture.edit(&path, |bytes| {
            bytes[at + 24..at + 28].copy_from_slice(&length.to_le_bytes())
        });
        let error = read_from(&fixture.directory, 1).unwrap_err();
        assert!(
            matches!(error.kind(), JournalErrorKind::DamagedEntry { .. }),
            "{error}"
        );
        assert_eq!(error.last_good_sequence(), Some(5));
        let recovered = fixture.recover().unwrap();
        assert_eq!(
            (recovered.case, recovered.last_sequence),
            (RecoveryCase::TornTail, 5)
        );
        fixture.restore(&image);
    }
    let (third, _) = strides(&fs::read(&path).unwrap())[2];
    fixture.edit(&path, |bytes| bytes[third + 24..third + 28].fill(0xFF));
    check_refused(&fixture, "JOURNAL_DAMAGED", "last good sequence 2");
}

// covers: D15
#[test]
fn entries_of_a_segments_former_life_are_never_accepted() {
    let old = Fixture::in_memory().with_one_segment(60);
    let new = Fixture::in_memory().with_one_segment(5);
    let stale = fs::read(old.segment(1)).unwrap();
    let end = strides(&fs::read(new.segment(1)).unwrap())
        .last()
        .map(|(at, len)| at + len)
        .unwrap();
    // The same offsets hold the same numbers in both, so only the binding tells them apart.
    new.edit(&new.segment(1), |bytes| {
        bytes[end..].copy_from_slice(&stale[end..])
    });
    let recovered = new.recover().unwrap();
    assert_eq!(
        (recovered.case, recovered.last_sequence),
        (RecoveryCase::TornTail, 5)
    );
    assert_eq!(new.read_all(), expected(5));
}

// covers: D16
#[test]
fn swapped_duplicated_and_foreign_segments_are_refused() {
    let fixture = Fixture::in_memory().with_entries(1_500);
    let image = fixture.image();
    let (one, two) = (fixture.segment(1), fixture.segment(2));
    let swap = fixture.directory.join("swap");
    fs::rename(&one, &swap).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&swap, &two).unwrap();
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment index");
    fixture.restore(&image);
    fs::copy(&one, &two).unwrap();
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment index");
    fixture.restore(&image);
    let other = Fixture::in_memory().with_entries(1_500);
    fs::copy(other.segment(2), &two).unwrap();
    check_refused(&fixture, "JOURNAL_DAMAGED", "another journal");
}

// covers: D16
#[test]
fn a_segment_from_an_older_copy_of_the_same_journal_is_refused() {
    let fixture = Fixture::in_memory().with_one_segment(20);
    let (copy, image) = (fs::read(fixture.segment(1)).unwrap(), fixture.image());
    // Two futures of one journal: the seal of the first segment differs.
    let mut journal = fixture.open();
    fixture::append_many(&mut journal.writer, 1_200);
    drop(journal);
    let second = fs::read(fixture.segment(2)).unwrap();
    fixture.restore(&image);
    assert_eq!(fs::read(fixture.segment(1)).unwrap(), copy);
    let mut journal = fixture.open();
    let mut builder = journal.writer.begin(1, 5, 8).unwrap();
    builder.put_u64(7);
    let _other_future = builder.commit();
    fixture::append_many(&mut journal.writer, 1_200);
    drop(journal);
    fs::write(fixture.segment(2), second).unwrap();
    check_refused(&fixture, "JOURNAL_DAMAGED", "segment-0000000002.mrj");
}

#[test]
fn another_instances_journal_is_refused() {
    let fixture = Fixture::in_memory().with_one_segment(2);
    let mut options = fixture.options();
    options.instance_tag += 1;
    let error = millrun_journal::Journal::open(&options).unwrap_err();
    assert!(
        error.to_string().contains("instance tag is 3, must be 4"),
        "{error}"
    );
}

#[test]
fn a_missing_or_damaged_epoch_file_beside_entries_is_refused() {
    let fixture = Fixture::in_memory().with_one_segment(2);
    let path = fixture.directory.join("EPOCH");
    fixture.edit(&path, |bytes| bytes[20] ^= 1);
    check_refused(&fixture, "JOURNAL_EPOCH", "EPOCH");
    fs::remove_file(&path).unwrap();
    check_refused(&fixture, "JOURNAL_EPOCH", "EPOCH");
}

// covers: D14
#[test]
fn a_segment_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::in_memory().with_one_segment(2);
    let open_mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(fixture.segment(1), open_mode).unwrap();
    check_refused(&fixture, "JOURNAL_DIRECTORY", "0640");
}
