//! Snapshots: used when they fit, passed over with a reason when not; the state is the same.

use crate::journal_with_engine::{SEGMENT_BYTES, Written};
use journal::{Reader, held_segments};
use millrun_cold::snapshots::{PassedOver, SnapshotProblem, Snapshots};
use millrun_cold::state_fold::StateFold;
use model::journal_record::EntryBuffers;
use std::fs;
use std::path::PathBuf;

/// The state at the journal's end, folded from a snapshot or from the first entry; with the
/// snapshot's sequence and what was passed over.
fn fold(written: &Written) -> (u64, Option<u64>, Vec<PassedOver>) {
    let directory = written.journal_directory();
    let held = held_segments(&directory).unwrap();
    let mut passed_over = Vec::new();
    let snapshots = Snapshots::of_journal(&directory);
    let loaded = snapshots.load(&held, written.last_sequence(), &mut passed_over);
    let (mut fold, from) = match loaded {
        Some((fold, header)) => (fold, Some(header.sequence)),
        None => (StateFold::default(), None),
    };
    read_to(&mut fold, written, u64::MAX);
    (fold.engine().unwrap().state().digest(), from, passed_over)
}

fn read_to(fold: &mut StateFold, written: &Written, to: u64) {
    let mut reader = Reader::open(&written.journal_directory(), fold.last_sequence()).unwrap();
    let mut buffers = EntryBuffers::default();
    while fold.last_sequence() < to
        && let Some(entry) = reader.next_entry().unwrap()
    {
        fold.take(&entry, &mut buffers).unwrap();
    }
}

/// Writes a snapshot of the state at a sequence.
fn snapshot_at(written: &Written, sequence: u64) -> PathBuf {
    let directory = written.journal_directory();
    let mut fold = StateFold::default();
    read_to(&mut fold, written, sequence);
    let journal_id = held_segments(&directory).unwrap()[0].identity.journal_id;
    let snapshots = Snapshots::of_journal(&directory);
    let writer = snapshots.begin(&fold, journal_id).unwrap().unwrap();
    writer.write_now().unwrap();
    snapshots.path_of(sequence)
}

#[test]
fn the_state_is_the_same_with_a_snapshot_anywhere_and_without_one() {
    let mut written = Written::new();
    written.orders(60);
    let digest = written.engine.state().digest();
    let (without, from, _) = fold(&written);
    assert_eq!((without, from), (digest, None));
    for sequence in [10, 11, 57, 90, written.last_sequence()] {
        let path = snapshot_at(&written, sequence);
        let (with, from, passed_over) = fold(&written);
        assert_eq!((with, from), (digest, Some(sequence)));
        assert!(passed_over.is_empty());
        fs::remove_file(path).unwrap();
    }
}

// covers: D17
#[test]
fn a_snapshot_damaged_in_any_region_is_passed_over_for_the_next_older_one() {
    let mut written = Written::new();
    written.orders(40);
    let digest = written.engine.state().digest();
    snapshot_at(&written, 30);
    let path = snapshot_at(&written, 80);
    let good = fs::read(&path).unwrap();
    let header = (0..512).step_by(16);
    let body = (512..good.len()).step_by(good.len() / 60);
    for at in header.chain(body).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        fs::write(&path, &bad).unwrap();
        let (found, from, passed_over) = fold(&written);
        assert_eq!((found, from), (digest, Some(30)), "byte {at}");
        assert_eq!(passed_over.len(), 1, "byte {at}");
        assert_eq!(passed_over[0].path, path);
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert_eq!(fold(&written).1, Some(30), "cut in half");
    fs::write(&path, b"").unwrap();
    assert_eq!(fold(&written).1, Some(30), "empty");
}

// covers: D17
#[test]
fn a_foreign_and_a_newer_snapshot_are_passed_over_and_the_journal_is_folded_whole() {
    let mut written = Written::new();
    written.orders(20);
    let mut other = Written::new();
    other.orders(30);
    let foreign = snapshot_at(&other, 50);
    let directory = written.data().join("snapshots");
    fs::create_dir(&directory).unwrap();
    let name = foreign.file_name().unwrap();
    fs::copy(&foreign, directory.join(name)).unwrap();
    let (found, from, passed_over) = fold(&written);
    assert_eq!((found, from), (written.engine.state().digest(), None));
    assert!(matches!(
        passed_over[0].problem,
        SnapshotProblem::Foreign { .. }
    ));

    let newer = snapshot_at(&written, written.last_sequence());
    let held = held_segments(&written.journal_directory()).unwrap();
    let mut passed_over = Vec::new();
    let snapshots = Snapshots::of_journal(&written.journal_directory());
    let last = written.last_sequence() - 1;
    assert!(snapshots.load(&held, last, &mut passed_over).is_none());
    let newer = passed_over.iter().find(|one| one.path == newer).unwrap();
    assert!(matches!(newer.problem, SnapshotProblem::TooNew { .. }));
}

#[test]
fn a_snapshot_of_another_history_of_the_same_journal_is_found_by_its_epoch() {
    let mut written = Written::new();
    written.orders(20);
    let path = snapshot_at(&written, 40);
    let held = held_segments(&written.journal_directory()).unwrap();
    let snapshots = Snapshots::of_journal(&written.journal_directory());
    let (_, mut header) = snapshots.load(&held, u64::MAX, &mut Vec::new()).unwrap();
    let (_, body) = journal::state_file::read_state_file(&path).unwrap();
    fs::remove_file(&path).unwrap();
    header.boot_epoch -= 1;
    journal::state_file::StateFileWriter::new(path, header, body)
        .write_now()
        .unwrap();
    let (mut fold, _) = snapshots.load(&held, u64::MAX, &mut Vec::new()).unwrap();
    let mut reader = Reader::open(&written.journal_directory(), fold.last_sequence()).unwrap();
    let entry = reader.next_entry().unwrap().unwrap();
    let error = fold.take(&entry, &mut EntryBuffers::default()).unwrap_err();
    assert!(error.to_string().contains("epoch"), "{error}");
}

// covers: D04
#[test]
fn sealed_segments_below_a_verified_state_are_not_read_and_damage_behind_it_refuses_the_start() {
    let mut written = Written::new();
    written.orders(400);
    let last = written.last_sequence();
    written.close();
    let held = held_segments(&written.journal_directory()).unwrap();
    assert!(held.len() >= 3, "{} segments", held.len());
    let trusted = held[2].first_sequence + 1;
    assert_eq!(written.reopen(0).unwrap(), (1..=last).collect::<Vec<_>>());
    let behind: Vec<u64> = (held[2].first_sequence..=last).collect();
    assert_eq!(written.reopen(trusted).unwrap(), behind);

    damage(&held[0].path);
    assert!(written.reopen(0).is_err());
    assert_eq!(written.reopen(trusted).unwrap(), behind);
    damage(&held[2].path);
    let refused = written.reopen(trusted).unwrap_err();
    assert!(refused.contains("JOURNAL_DAMAGED"), "{refused}");
}

fn damage(segment: &PathBuf) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[SEGMENT_BYTES as usize / 2] ^= 1;
    fs::write(segment, bytes).unwrap();
}

#[test]
fn only_the_newest_snapshots_are_kept() {
    let mut written = Written::new();
    written.orders(20);
    for sequence in [10, 20, 30] {
        snapshot_at(&written, sequence);
    }
    let snapshots = Snapshots::of_journal(&written.journal_directory());
    snapshots.remove_old(2).unwrap();
    let left: Vec<u64> = snapshots.list().iter().map(|one| one.sequence).collect();
    assert_eq!(left, [30, 20]);
}
