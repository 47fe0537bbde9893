//! Segments: made ahead, entered, sealed, followed from outside, and the disk that is full.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fixture::{Fixture, append_many, append_next, expected, options_for, strides};
use millrun_journal::recovery::RecoveryCase;
use millrun_journal::{AppendError, Follower, Journal, Note, SegmentPlan, SegmentPreparer};

/// Waits for something that the keeper does, without burning a core.
#[track_caller]
fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn plan_of(fixture: &Fixture) -> SegmentPlan {
    let first = fs::read(fixture.segment(1)).unwrap();
    SegmentPlan {
        directory: fixture.directory.clone(),
        journal_id: u128::from_le_bytes(first[16..32].try_into().unwrap()),
        instance_tag: fixture::INSTANCE_TAG,
        boot_epoch: 1_000,
        segment_bytes: 65_536,
        populate_bytes: 65_536,
    }
}

#[test]
fn entries_go_on_across_many_segments_without_a_gap() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    append_many(&mut journal.writer, 4_000);
    assert!(fixture.segment(8).exists());
    assert_eq!(fixture.read_all(), expected(4_000));
    let from = fixture::read_from(&fixture.directory, 2_345).unwrap();
    assert_eq!(from, expected(4_000)[2_344..]);
    drop(journal);
    let mut journal = fixture.open();
    assert_eq!(journal.recovered.entries, 4_000);
    assert!(journal.boot_epoch > 1_000, "a second run has a later epoch");
    append_many(&mut journal.writer, 100);
    assert_eq!(fixture.read_all(), expected(4_100));
}

// covers: C07
#[test]
fn a_kill_after_any_step_of_making_a_segment_leaves_one_valid_journal() {
    let fixture = Fixture::in_memory().with_one_segment(50);
    let image = fixture.image();
    let mut steps = 0;
    loop {
        let mut preparer = SegmentPreparer::new(plan_of(&fixture), 2).unwrap();
        let done = (0..steps).any(|_| preparer.advance().unwrap().is_some());
        std::mem::forget(preparer); // as a kill would: nothing is cleaned up
        let recovered = fixture.recover().unwrap();
        assert_eq!(
            (recovered.case, recovered.last_sequence),
            (RecoveryCase::CleanEnd, 50)
        );
        let leftovers = usize::from(steps > 0);
        assert_eq!(
            recovered.notes.len(),
            leftovers,
            "after {steps} steps: {:?}",
            recovered.notes
        );
        assert!(!fixture.segment(2).exists());
        let mut journal = fixture.open();
        assert_eq!(append_next(&mut journal.writer).sequence(), 51);
        drop(journal);
        assert_eq!(fixture.read_all(), expected(51));
        fixture.restore(&image);
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 8, "every stage was a step: {steps}");
}

// covers: C07
#[test]
fn a_kill_at_any_point_of_the_roll_leaves_one_head() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    let mut last = append_next(&mut journal.writer);
    while last.place().segment_index == 1 {
        last = append_next(&mut journal.writer);
    }
    drop(journal);
    let in_first = last.sequence() - 1;
    let image = fixture.image();
    let (seal_at, seal_stride) = *strides(&image[&fixture.segment(1)]).last().unwrap();
    let before_entry = |bytes: &mut Vec<u8>| bytes[4096..].fill(0);
    let before_opening = |bytes: &mut Vec<u8>| bytes[512..].fill(0);
    let check = |what: &str, case: RecoveryCase| {
        let recovered = fixture.recover().unwrap();
        assert_eq!(
            (recovered.case, recovered.last_sequence),
            (case, in_first),
            "{what}"
        );
        let mut journal = fixture.open();
        assert_eq!(
            append_next(&mut journal.writer).sequence(),
            in_first + 1,
            "{what}"
        );
        drop(journal);
        assert_eq!(fixture.read_all(), expected(in_first + 1), "{what}");
        fixture.restore(&image);
    };
    fixture.edit(&fixture.segment(2), before_entry);
    check("entered, nothing written", RecoveryCase::CleanEnd);
    for written in 0..32 {
        // The opening's fields are there in part, its word is not.
        fixture.edit(&fixture.segment(2), |bytes| {
            bytes[512..520].fill(0);
            bytes[520 + written..].fill(0);
        });
        check("opening half written", RecoveryCase::SealedEnd);
    }
    for written in 8..seal_stride {
        fixture.edit(&fixture.segment(2), before_opening);
        fixture.edit(&fixture.segment(1), |bytes| {
            bytes[seal_at..seal_at + 8].fill(0);
            bytes[seal_at + written..].fill(0);
        });
        let blank = fs::read(fixture.segment(1)).unwrap()[seal_at..]
            .iter()
            .all(|byte| *byte == 0);
        let case = if blank {
            RecoveryCase::CleanEnd
        } else {
            RecoveryCase::TornTail
        };
        check("seal half written", case);
    }
}

#[test]
fn an_unfinished_segment_file_is_removed_with_a_note() {
    let fixture = Fixture::in_memory().with_one_segment(5);
    let unfinished = fixture.directory.join("segment-0000000002.mrj.tmp");
    fs::write(&unfinished, b"half").unwrap();
    let recovered = fixture.recover().unwrap();
    assert_eq!(recovered.notes, [Note::RemovedTemporary(unfinished)]);
}

#[test]
fn a_live_follower_sees_every_entry_once_and_in_order() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    let mut follower = Follower::open(&fixture.directory, 1).unwrap();
    assert!(follower.poll().unwrap().is_none(), "nothing yet");
    let count = 3_000;
    let reading = std::thread::spawn(move || {
        while follower.next_sequence() <= count {
            let next = follower.next_sequence();
            match follower.poll().unwrap() {
                Some(entry) => {
                    assert_eq!(entry.sequence, next);
                    assert_eq!(entry.body, fixture::body_of(next));
                }
                None => std::thread::yield_now(),
            }
        }
        assert!(follower.poll().unwrap().is_none());
    });
    append_many(&mut journal.writer, count);
    reading.join().unwrap();
}

#[test]
fn padding_fills_the_page_is_invisible_to_readers_and_publishes_the_limit() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    for round in 1..=30_u64 {
        append_many(&mut journal.writer, round % 7 + 1);
        assert!(journal.writer.has_entries_above_limit());
        while journal.writer.pad_to_page(5).is_err() {
            std::thread::yield_now(); // the spare is on its way
        }
        assert!(!journal.writer.has_entries_above_limit());
        assert_eq!(
            journal.writer.progress().limit_sequence(),
            journal.writer.last_sequence()
        );
        journal.writer.pad_to_page(5).unwrap();
    }
    let count = journal.writer.last_sequence();
    drop(journal);
    assert_eq!(fixture.read_all(), expected(count));
    assert_eq!(fixture.recover().unwrap().entries, count);
}

#[test]
fn a_pad_of_every_gap_length_is_read_back() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    for body_bytes in (0..512_usize).map(|step| 3_500 + step) {
        loop {
            if let Ok(mut builder) = journal.writer.begin(1, 1, body_bytes) {
                builder.put(&vec![7; body_bytes]);
                let _committed = builder.commit();
                break;
            }
            std::thread::yield_now(); // the spare is on its way
        }
        while journal.writer.pad_to_page(1).is_err() {
            std::thread::yield_now();
        }
    }
    drop(journal);
    assert_eq!(fixture.recover().unwrap().entries, 512);
}

// covers: C12
#[test]
fn a_second_engine_on_the_same_directory_is_refused_and_changes_nothing() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    append_many(&mut journal.writer, 10);
    let error = Journal::open(&fixture.options()).unwrap_err();
    assert_eq!(error.code(), "ALREADY_RUNNING");
    assert!(
        error
            .to_string()
            .contains(&format!("{}", std::process::id())),
        "{error}"
    );
    append_many(&mut journal.writer, 10);
    drop(journal);
    assert_eq!(fixture.open().recovered.entries, 20);
}

#[test]
fn sizes_that_the_format_does_not_allow_are_refused() {
    for segment_bytes in [0, 4_096, 65_537, 61_440, u32::MAX] {
        let fixture = Fixture::in_memory();
        let mut options = fixture.options();
        options.segment_bytes = segment_bytes;
        let error = Journal::open(&options).unwrap_err();
        assert_eq!(error.code(), "JOURNAL_CONFIG", "{error}");
    }
}

#[test]
fn without_a_spare_the_writer_refuses_and_goes_on_when_one_is_there() {
    let fixture = Fixture::in_memory();
    let journal = fixture.open();
    let (mut writer, keeper) = (journal.writer, journal.keeper);
    wait_for("a spare", || writer.progress().spares_ready() == 1);
    drop(keeper); // nobody makes segments any more
    assert!(
        writer.remaining_bytes() > 65_536,
        "this segment and the spare"
    );
    let mut written = 0;
    let error = loop {
        let seen = fixture::seen_of(writer.next_sequence());
        match writer.begin(seen.kind, seen.now_ns, seen.body.len()) {
            Ok(mut builder) => {
                builder.put(&seen.body);
                written = builder.commit().sequence();
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, AppendError::NoSpareSegment);
    assert_eq!(writer.last_sequence(), written);
    assert!(writer.remaining_bytes() < 400);
    assert!(fixture.segment(2).exists() && !fixture.segment(3).exists());
    assert_eq!(fixture.read_all(), expected(written));
}

/// A file system of one mebibyte, unmounted on drop. `None` where mounting is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "millrun-test"])
            .arg(directory.path())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(directory))
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", options])
            .arg(self.0.path())
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

// The journal's part of D05.
#[test]
fn a_full_disk_is_an_error_with_a_name_never_a_signal_and_ends_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("size=1m,mode=0700") else {
        assert!(!is_root(), "root may mount");
        println!("not_run: mounting needs root");
        return;
    };
    let directory = disk.path().join("journal");
    let mut options = options_for(&directory);
    options.segment_bytes = 256 * 1024;
    let mut journal = Journal::open(&options).unwrap();
    let writer = &mut journal.writer;
    let mut waited = Duration::ZERO;
    loop {
        let seen = fixture::seen_of(writer.next_sequence());
        match writer.begin(seen.kind, seen.now_ns, seen.body.len()) {
            Ok(mut builder) => {
                builder.put(&seen.body);
                let _committed = builder.commit();
            }
            Err(AppendError::Full) => break,
            Err(error) => {
                assert_eq!(error, AppendError::NoSpareSegment);
                std::thread::park_timeout(Duration::from_millis(1));
                waited += Duration::from_millis(1);
                assert!(
                    waited < Duration::from_secs(20),
                    "the keeper never said why"
                );
            }
        }
    }
    let enospc = 28;
    assert_eq!(writer.progress().prepare_failure(), Some(enospc));
    let full_at = writer.last_sequence();
    assert_eq!(
        fixture::read_from(&directory, 1).unwrap(),
        expected(full_at)
    );
    disk.remount("remount,size=4m");
    wait_for("a spare after room was made", || {
        writer.progress().spares_ready() == 1
    });
    append_many(writer, 100);
    drop(journal);
    let journal = Journal::open(&options).unwrap();
    assert_eq!(journal.recovered.last_sequence, full_at + 100);
}

// The journal's part of D05.
#[test]
fn a_start_on_a_full_disk_is_refused_by_name_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount("size=128k,mode=0700") else {
        assert!(!is_root(), "root may mount");
        println!("not_run: mounting needs root");
        return;
    };
    let mut options = options_for(&disk.path().join("journal"));
    options.segment_bytes = 256 * 1024;
    let error = Journal::open(&options).unwrap_err();
    assert_eq!(error.code(), "JOURNAL_FULL", "{error}");
    let segments = fs::read_dir(&options.directory).unwrap().filter(|found| {
        found
            .as_ref()
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .contains("segment")
    });
    assert_eq!(segments.count(), 0);
}

// covers: D14
#[test]
fn a_read_only_file_system_is_refused_with_its_path() {
    let Some(disk) = SmallDisk::mount("size=1m,mode=0700") else {
        assert!(!is_root(), "root may mount");
        println!("not_run: mounting needs root");
        return;
    };
    let directory = disk.path().join("journal");
    drop(Journal::open(&options_for(&directory)).unwrap());
    disk.remount("remount,ro");
    let error = Journal::open(&options_for(&directory)).unwrap_err();
    assert_eq!(error.code(), "JOURNAL_DIRECTORY");
    assert!(error.to_string().contains("read-only"), "{error}");
    assert!(
        error.to_string().contains(directory.to_str().unwrap()),
        "{error}"
    );
}

// covers: D13
#[test]
fn a_journal_in_memory_is_refused_unless_allowed() {
    let fixture = Fixture::in_memory();
    let mut options = fixture.options();
    options.allow_tmpfs = false;
    let error = Journal::open(&options).unwrap_err();
    assert_eq!(error.code(), "JOURNAL_FILE_SYSTEM");
    let on_disk = Fixture::on_disk();
    let mut options = on_disk.options();
    options.allow_tmpfs = false;
    assert!(Journal::open(&options).is_ok());
}

#[test]
fn the_hot_thread_never_unmaps_and_all_retired_segments_are_let_go() {
    let fixture = Fixture::in_memory();
    let mut journal = fixture.open();
    append_many(&mut journal.writer, 6_000);
    let mapped = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let own = fixture.directory.to_str().unwrap();
        maps.lines().filter(|line| line.contains(own)).count()
    };
    wait_for("unmapping of retired segments", || mapped() <= 2);
    assert_eq!(fixture.read_all().len(), 6_000);
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}
