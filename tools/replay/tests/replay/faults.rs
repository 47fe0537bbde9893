//! Damage, records of other versions, and options that are wrong.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::replaying::{NoWait, arguments, replay};
use crate::story::Stage;
use journal::layout::segment_path;
use journal::{Place, Reader};
use millrun_replay::{ReplayError, Streams, run};
use model::Input;
use model::input::EntryKind;

fn place_of(directory: &Path, sequence: u64) -> Place {
    Reader::open(directory, sequence)
        .unwrap()
        .next_entry()
        .unwrap()
        .unwrap()
        .place
}

/// Flips one bit in the body of an entry.
fn damage(directory: &Path, sequence: u64) -> Place {
    let place = place_of(directory, sequence);
    let path = segment_path(directory, place.segment_index);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(place.offset_bytes).unwrap() + 40] ^= 1;
    fs::write(&path, bytes).unwrap();
    place
}

#[test]
fn damage_is_told_with_file_offset_last_good_sequence_and_what_to_do() {
    let stage = Stage::told();
    let place = damage(&stage.directory, 8);
    let before = fs::read(segment_path(&stage.directory, 1)).unwrap();
    let replayed = replay(&stage.directory, &[]);
    assert_eq!(replayed.sequences(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(
        !replayed.out.contains("entries="),
        "a damaged journal has no totals"
    );
    let error = replayed.result.unwrap_err();
    assert_eq!(error.exit_code(), 5);
    let text = error.to_string();
    let offset = format!("offset {}", place.offset_bytes);
    for part in [
        "JOURNAL_DAMAGED",
        "segment-0000000001.mrj",
        &offset,
        "last good sequence 7",
        "checksum",
        "Copy the whole directory",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains('\n'), "one paragraph");
    assert_eq!(fs::read(segment_path(&stage.directory, 1)).unwrap(), before);
}

#[test]
fn damage_before_from_in_the_same_segment_is_an_error_too() {
    let stage = Stage::told();
    damage(&stage.directory, 3);
    let replayed = replay(&stage.directory, &["--from", "5"]);
    assert!(replayed.sequences().is_empty());
    assert!(matches!(replayed.result, Err(ReplayError::Journal(_))));
}

#[test]
fn a_later_segment_can_be_read_behind_damage_and_the_damage_is_noted() {
    let mut stage = Stage::empty();
    stage.tell_beginning();
    stage.append_large_frames(200);
    stage.append(&Input::Timer, &[]);
    stage.close();
    assert!(place_of(&stage.directory, 205).segment_index > 2);
    damage(&stage.directory, 20);
    let replayed = replay(&stage.directory, &["--from", "204"]);
    assert_eq!(replayed.sequences(), [204, 205]);
    assert!(
        replayed.notes.contains("last good sequence 19"),
        "{}",
        replayed.notes
    );
    assert!(replayed.result.is_ok());
    assert!(replay(&stage.directory, &["--from", "21"]).result.is_err());
}

// covers: P10
#[test]
fn a_flipped_bit_in_any_byte_is_reported_or_changes_nothing_that_is_shown() {
    let stage = Stage::told();
    let path = segment_path(&stage.directory, 1);
    let last = place_of(&stage.directory, 13);
    let end = u64::from(last.offset_bytes + last.length_bytes) + 16;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let whole = replay(&stage.directory, &["--raw"]).out;
    let mut reported = 0;
    for offset in 0..end {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << (offset % 8))], offset)
            .unwrap();
        let replayed = replay(&stage.directory, &["--raw"]);
        match replayed.result {
            Ok(_) => assert_eq!(replayed.out, whole, "offset {offset}"),
            Err(error) => {
                assert_eq!(error.exit_code(), 5, "offset {offset}: {error}");
                assert!(whole.starts_with(&replayed.out), "offset {offset}");
                reported += 1;
            }
        }
        file.write_all_at(&byte, offset).unwrap();
    }
    let entry_bytes = u64::from(last.offset_bytes + last.length_bytes) - 4096;
    assert!(reported >= entry_bytes, "{reported} of {entry_bytes}");
    assert_eq!(replay(&stage.directory, &["--raw"]).out, whole);
}

#[test]
fn an_empty_journal_is_no_error() {
    let stage = Stage::empty();
    let replayed = replay(&stage.directory, &["--strategy", "grid"]);
    assert_eq!(replayed.out, "entries=0 shown=0\n");
    assert!(replayed.result.is_ok());
    assert_eq!(replay(&stage.directory, &["--json"]).out, "");
}

#[test]
fn a_missing_directory_is_named_with_the_option_that_sets_it() {
    let error = replay(Path::new("/nonexistent/journal"), &[])
        .result
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("/nonexistent/journal") && text.contains("--dir"),
        "{text}"
    );
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let stage = Stage::told();
    let error = replay(&segment_path(&stage.directory, 1), &[])
        .result
        .unwrap_err();
    assert!(error.to_string().contains("takes the directory"), "{error}");
}

#[test]
fn the_data_directory_in_place_of_its_journal_is_recognised() {
    let stage = Stage::told();
    let error = replay(stage.directory.parent().unwrap(), &[])
        .result
        .unwrap_err();
    assert!(matches!(error, ReplayError::WrongDirectory { .. }));
    assert!(error.to_string().contains("did you mean"), "{error}");
}

#[test]
fn an_unknown_kind_is_refused_with_the_list_of_valid_ones() {
    let text = arguments(Path::new("j"), &["--kind", "Reqest"])
        .unwrap_err()
        .to_string();
    for kind in EntryKind::ALL {
        assert!(text.contains(kind.name()), "{kind} is not in: {text}");
    }
}

#[test]
fn wrong_options_are_refused_by_name() {
    for options in [
        &["--order", "0"][..],
        &["--order", "abc"],
        &["--limit", "0"],
        &["--from", "x"],
        &["--at"],
        &["--at", "0"],
    ] {
        assert!(arguments(Path::new("j"), options).is_err(), "{options:?}");
    }
    let stage = Stage::told();
    let error = replay(&stage.directory, &["--from", "5", "--to", "4"])
        .result
        .unwrap_err();
    assert!(matches!(error, ReplayError::EmptyRange { from: 5, to: 4 }));
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_name_that_no_configuration_has_is_refused_with_those_that_are_there() {
    let stage = Stage::told();
    for options in [["--strategy", "gird"], ["--strategy", "2"]] {
        let error = replay(&stage.directory, &options).result.unwrap_err();
        assert!(matches!(error, ReplayError::UnknownName { .. }));
        assert!(
            error.to_string().ends_with("it names grid, hedge"),
            "{error}"
        );
    }
    let error = replay(&stage.directory, &["--instrument", "BTC"])
        .result
        .unwrap_err();
    assert!(
        error.to_string().ends_with("it names BTC-USDT, ETH-USDT"),
        "{error}"
    );
}

#[test]
fn a_record_that_cannot_be_read_names_its_sequence_and_can_be_passed() {
    let mut stage = Stage::empty();
    stage.tell_beginning();
    let broken = stage.append_bytes(u16::from(EntryKind::Request.number()), &[1, 9, 9]);
    stage.append(&Input::Timer, &[]);
    let replayed = replay(&stage.directory, &[]);
    assert_eq!(replayed.sequences(), [1, 2, 3, 4]);
    let error = replayed.result.unwrap_err();
    assert!(matches!(error, ReplayError::UnreadableRecord { sequence, .. } if sequence == broken));
    assert!(error.to_string().contains("entry 5 (Request"), "{error}");
    assert!(error.to_string().contains("--from 6"), "{error}");
    assert_eq!(replay(&stage.directory, &["--from", "6"]).sequences(), [6]);
    // Needed for its intents, it is noted, and the walk goes on.
    let replayed = replay(&stage.directory, &["--from", "6", "--strategy", "grid"]);
    assert!(replayed.notes.contains("entry 5"), "{}", replayed.notes);
    assert!(replayed.result.is_ok());
}

#[test]
fn a_newer_record_version_is_told_as_such() {
    let mut stage = Stage::empty();
    stage.append_bytes(u16::from(EntryKind::Timer.number()), &[2, 0, 0]);
    let error = replay(&stage.directory, &[]).result.unwrap_err();
    assert!(matches!(
        error,
        ReplayError::RecordVersion {
            sequence: 1,
            found: 2,
            ..
        }
    ));
    assert!(
        error
            .to_string()
            .contains("record version 2, this build reads 1"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 5);
}

#[test]
fn a_kind_that_is_not_known_is_told_as_a_newer_version() {
    let mut stage = Stage::empty();
    stage.append_bytes(200, &[1]);
    stage.append_bytes(300, &[1]);
    let error = replay(&stage.directory, &[]).result.unwrap_err();
    assert!(matches!(
        error,
        ReplayError::UnknownKind {
            sequence: 1,
            found: 200
        }
    ));
    let error = replay(&stage.directory, &["--from", "2"])
        .result
        .unwrap_err();
    assert!(matches!(
        error,
        ReplayError::UnknownKind {
            sequence: 2,
            found: 300
        }
    ));
}

#[test]
fn a_reserved_kind_is_shown_by_its_length() {
    let mut stage = Stage::empty();
    stage.append_bytes(u16::from(EntryKind::Checkpoint.number()), &[7; 40]);
    let replayed = replay(&stage.directory, &[]);
    assert!(
        replayed.out.contains("Checkpoint  body_bytes=40"),
        "{}",
        replayed.out
    );
}

/// A reader that went away after so many bytes.
struct ClosedPipe {
    room_bytes: usize,
    kind: io::ErrorKind,
}

impl Write for ClosedPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room_bytes < bytes.len() {
            return Err(self.kind.into());
        }
        self.room_bytes -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_ends_a_replay_without_an_error_and_a_full_disk_does_not() {
    let stage = Stage::told();
    let args = arguments(&stage.directory, &[]).unwrap();
    let into = |kind| {
        let mut out = ClosedPipe {
            room_bytes: 1_500,
            kind,
        };
        let streams = Streams {
            out: &mut out,
            notes: &mut io::sink(),
        };
        run(&args, streams, &mut NoWait)
    };
    assert!(into(io::ErrorKind::BrokenPipe).unwrap().shown < 13);
    let error = into(io::ErrorKind::StorageFull).unwrap_err();
    assert!(matches!(error, ReplayError::Output(_)));
    assert_eq!(error.exit_code(), 1);
}
