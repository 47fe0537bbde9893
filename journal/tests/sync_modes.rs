//! What each mode promises, checked against a disk that forgets, fails or stalls.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::fs;
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fixture::{Fixture, append_many, append_next, expected, strides};
use millrun_journal::mapping::Region;
use millrun_journal::recovery::RecoveryCase;
use millrun_journal::{Journal, JournalOptions, MappedFileSync, Mode, Note, SyncDevice, Writer};

const SEGMENT_BYTES: usize = 65_536;
const SECTOR_BYTES: usize = 512;

fn options(fixture: &Fixture, mode: Mode) -> JournalOptions {
    JournalOptions {
        mode,
        ..fixture.options()
    }
}

#[track_caller]
fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn pad(writer: &mut Writer) {
    wait_until("room for a pad", || writer.pad_to_page(1).is_ok());
}

#[test]
fn modes_are_read_by_name_and_unknown_ones_refused() {
    for mode in [Mode::Process, Mode::Group, Mode::Strict] {
        assert_eq!(Mode::parse(mode.name()).unwrap(), mode);
    }
    for text in ["", "GROUP", "sync", "process "] {
        let error = Mode::parse(text).unwrap_err();
        assert_eq!(error.code(), "JOURNAL_CONFIG");
        assert!(error.to_string().contains(&format!("{text:?}")));
    }
}

#[test]
fn process_mode_promises_nothing_and_never_syncs() {
    struct NoSync;
    impl SyncDevice for NoSync {
        fn sync(&mut self, _: &Region, _: u32, _: u32) -> io::Result<()> {
            panic!("process mode must not sync");
        }
    }
    let fixture = Fixture::in_memory();
    let mut journal = Journal::open_with(&options(&fixture, Mode::Process), NoSync).unwrap();
    append_many(&mut journal.writer, 1_000);
    pad(&mut journal.writer);
    wait_until("the keeper's turn", || {
        journal.keeper.progress().spares_ready() == 1
    });
    assert_eq!(journal.keeper.progress().synced_sequence(), 0);
    assert_eq!(journal.keeper.progress().sync_figures().sync_passes, 0);
}

#[test]
fn a_lone_entry_is_synced_after_a_pad_in_group_and_strict() {
    for mode in [Mode::Group, Mode::Strict] {
        let fixture = Fixture::on_disk();
        let mut journal = Journal::open(&options(&fixture, mode)).unwrap();
        let committed = append_next(&mut journal.writer);
        assert!(journal.writer.progress().synced_sequence() < committed.sequence());
        pad(&mut journal.writer);
        let progress = Arc::clone(journal.writer.progress());
        wait_until("the sync", || {
            progress.synced_sequence() >= committed.sequence()
        });
        let figures = progress.sync_figures();
        assert!(figures.sync_passes > 0 && figures.sync_pass_ns_max > 0);
        append_many(&mut journal.writer, 2_000); // across segments
        pad(&mut journal.writer);
        wait_until("the sync of all", || progress.synced_sequence() == 2_001);
        drop(journal);
        let journal = Journal::open(&options(&fixture, mode)).unwrap();
        assert_eq!(
            journal.writer.progress().synced_sequence(),
            2_001,
            "synced at start"
        );
    }
}

/// Fails from the n-th sync on.
struct FailingDisk {
    good_syncs: u32,
}

impl SyncDevice for FailingDisk {
    fn sync(&mut self, region: &Region, offset: u32, range_bytes: u32) -> io::Result<()> {
        if self.good_syncs == 0 {
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        self.good_syncs -= 1;
        MappedFileSync.sync(region, offset, range_bytes)
    }
}

// The journal's part of D07.
#[test]
fn a_failed_sync_is_final_latched_and_remembered_by_the_segment() {
    for good_syncs in 0..4 {
        let fixture = Fixture::in_memory();
        let disk = FailingDisk { good_syncs };
        let mut journal = Journal::open_with(&options(&fixture, Mode::Group), disk).unwrap();
        let progress = Arc::clone(journal.writer.progress());
        let mut synced_before = 0;
        wait_until("the failure", || {
            let _committed = append_next(&mut journal.writer);
            pad(&mut journal.writer);
            synced_before = progress.synced_sequence();
            progress.sync_failure().is_some()
        });
        assert_eq!(progress.sync_failure(), Some(5));
        let latched = progress.synced_sequence();
        append_many(&mut journal.writer, 20); // cancels and fills are still recorded
        pad(&mut journal.writer);
        let count = journal.writer.last_sequence();
        drop(journal);
        assert_eq!(
            progress.synced_sequence(),
            latched,
            "nothing is tried again"
        );
        assert!(latched < count && synced_before <= latched);
        let recovered = fixture.recover().unwrap();
        let suspect = Note::SuspectSegment(fixture.segment(1), 5);
        assert!(recovered.notes.contains(&suspect), "{:?}", recovered.notes);
        assert_eq!(recovered.last_sequence, count);
        // The next run writes the segment again, and only then the mark is gone.
        drop(Journal::open(&options(&fixture, Mode::Process)).unwrap());
        let recovered = fixture.recover().unwrap();
        assert!(!recovered.notes.contains(&suspect), "{:?}", recovered.notes);
        assert_eq!(fixture.read_all(), expected(count));
    }
}

/// Every sync waits for leave.
struct StalledDisk {
    leave: Receiver<()>,
}

impl SyncDevice for StalledDisk {
    fn sync(&mut self, region: &Region, offset: u32, range_bytes: u32) -> io::Result<()> {
        // An error means that the test is over and syncs are free.
        let _given = self.leave.recv();
        MappedFileSync.sync(region, offset, range_bytes)
    }
}

// The journal's part of D09.
#[test]
fn a_stalled_sync_does_not_hold_the_writer_and_the_growing_window_shows() {
    let fixture = Fixture::in_memory();
    let (give, leave) = channel();
    let mut journal =
        Journal::open_with(&options(&fixture, Mode::Group), StalledDisk { leave }).unwrap();
    let progress = Arc::clone(journal.writer.progress());
    append_many(&mut journal.writer, 300);
    pad(&mut journal.writer);
    assert_eq!(progress.synced_sequence(), 0);
    assert_eq!(
        progress.limit_sequence(),
        300,
        "the window is what lies between"
    );
    drop(give);
    wait_until("the sync", || progress.synced_sequence() == 300);
}

fn append_now(writer: &mut Writer, clock: fn() -> u64) {
    let mut entry = writer.begin(7, clock(), 8).unwrap();
    entry.put(b"now");
    let _committed = entry.commit();
}

// covers: P11 D09
#[test]
fn loss_window_is_the_age_of_the_oldest_entry_when_its_sync_ends_and_shows_while_it_stalls() {
    let fixture = Fixture::in_memory();
    let (give, leave) = channel();
    let options = options(&fixture, Mode::Group);
    let clock = options.clock;
    let mut journal = Journal::open_with(&options, StalledDisk { leave }).unwrap();
    let progress = Arc::clone(journal.writer.progress());
    let began = clock();
    append_now(&mut journal.writer, clock);
    pad(&mut journal.writer);
    wait_until("the sync's begin", || {
        progress.oldest_unsynced_ns().is_some()
    });
    // Younger entries do not make the oldest one younger.
    (0..20).for_each(|_| append_now(&mut journal.writer, clock));
    let oldest = progress.oldest_unsynced_ns().unwrap();
    assert!((began..=clock()).contains(&oldest));
    assert_eq!(progress.loss_window().passes, 0);
    std::thread::sleep(Duration::from_millis(30)); // a disk that stalls
    give.send(()).unwrap();
    wait_until("the sync's end", || progress.loss_window().passes == 1);
    let window = progress.loss_window();
    assert!(window.max_ns >= 30_000_000, "{window:?}");
    assert!(window.max_ns <= clock() - began, "{window:?}");
    drop(give);
    // Entries of many segments, each found by the walk.
    for _ in 0..3_000 {
        wait_until("room", || journal.writer.begin(7, clock(), 8).is_ok());
        append_now(&mut journal.writer, clock);
    }
    pad(&mut journal.writer);
    let last = journal.writer.last_sequence();
    wait_until("the sync of all", || progress.synced_sequence() == last);
    wait_until("nothing left", || progress.oldest_unsynced_ns().is_none());
    let after = progress.loss_window();
    assert!(after.passes > 1, "{after:?}");
    assert!(after.max_ns <= clock() - began, "{after:?}");
}

// covers: D03
#[test]
fn damage_inside_the_synced_region_is_refused_even_at_the_tail_and_after_a_restart() {
    let fixture = Fixture::in_memory();
    let mut journal = Journal::open(&options(&fixture, Mode::Group)).unwrap();
    let progress = Arc::clone(journal.writer.progress());
    append_many(&mut journal.writer, 10);
    pad(&mut journal.writer);
    wait_until("the sync", || progress.synced_sequence() == 10);
    drop(journal);
    let path = fixture.segment(1);
    let entries = strides(&fs::read(&path).unwrap());
    let (tenth, stride) = entries[9];
    fixture.edit(&path, |bytes| bytes[tenth..].fill(0));
    let before = fixture.image();
    for error in [
        fixture.recover().unwrap_err(),
        fixture.recover_after_restart().unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.contains("synced region") && text.contains("last good sequence 9"),
            "{text}"
        );
        assert!(stride > 0 && fixture.image() == before);
    }
}

/// Remembers what a power cut would leave: the bytes of each range at the time of its sync.
#[derive(Clone)]
struct RecordingDisk {
    durable: Arc<Mutex<Vec<u8>>>,
}

impl SyncDevice for RecordingDisk {
    fn sync(&mut self, region: &Region, offset: u32, range_bytes: u32) -> io::Result<()> {
        let mut bytes = vec![0; range_bytes as usize];
        region.copy_out(offset, &mut bytes);
        let mut durable = self.durable.lock().unwrap();
        durable[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
        Ok(())
    }
}

/// A small generator with a fixed start, so that a failure repeats.
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

// The journal's part of D01.
#[test]
fn after_a_power_cut_with_any_mix_of_sectors_every_synced_entry_is_there_and_no_wrong_one() {
    let mut choice = Choice(20_260_101);
    let (mut images, mut holes, mut lost) = (0, 0, 0);
    for _ in 0..6 {
        let fixture = Fixture::in_memory().with_one_segment(0);
        let durable = Arc::new(Mutex::new(fs::read(fixture.segment(1)).unwrap()));
        let disk = RecordingDisk {
            durable: Arc::clone(&durable),
        };
        let mut journal = Journal::open_with(&options(&fixture, Mode::Group), disk).unwrap();
        let progress = Arc::clone(journal.writer.progress());
        for _ in 0..4 {
            append_many(&mut journal.writer, choice.next() % 20);
            pad(&mut journal.writer);
            let committed = journal.writer.last_sequence();
            wait_until("the sync", || progress.synced_sequence() == committed);
        }
        append_many(&mut journal.writer, choice.next() % 60 + 20);
        let synced = progress.synced_sequence();
        let last = journal.writer.last_sequence();
        let live = fs::read(fixture.segment(1)).unwrap();
        assert!(
            !live[SEGMENT_BYTES - 4096..].iter().any(|byte| *byte != 0),
            "one segment only"
        );
        std::mem::forget(journal.keeper); // no last pass; the thread idles until the test ends
        drop((journal.writer, journal.lock));
        let durable = durable.lock().unwrap().clone();
        let fixture = Fixture::in_memory().with_one_segment(0);
        for _ in 0..120 {
            let mut image = durable.clone();
            for sector in 0..SEGMENT_BYTES / SECTOR_BYTES {
                if !choice.next().is_multiple_of(3) {
                    let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
                    image[range.clone()].copy_from_slice(&live[range]);
                }
            }
            fs::write(fixture.segment(1), &image).unwrap();
            let recovered = fixture.recover_after_restart().unwrap();
            assert!(recovered.last_sequence >= synced, "a synced entry is gone");
            assert_eq!(fixture.read_all(), expected(recovered.last_sequence));
            if let Some(cut) = &recovered.cut {
                let behind = cut.later.iter().all(|later| {
                    later.sequence > recovered.last_sequence
                        && later.body == fixture::body_of(later.sequence)
                });
                assert!(behind, "{:?}", cut.later);
            }
            images += 1;
            holes += u64::from(recovered.case == RecoveryCase::UnsyncedHole);
            lost += last - recovered.last_sequence;
        }
    }
    println!("images={images} holes={holes} unsynced_entries_lost={lost} synced_entries_lost=0");
    assert!(images == 720 && holes > 100 && lost > 0);
}
