//! How long a start reads: a synthetic journal of many entries, folded without a snapshot and with.
//!
//! The journal is made by the real turn through the real writer: orders, answers, fills with the
//! venue's own frames, cancels, what was sent. Then it is opened as the daemon opens it, in one
//! pass, and again from a snapshot that lies a hundredth of the entries before the end. The
//! directory is removed at the end. Must not know what a daemon does besides.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cold::snapshots::Snapshots;
use cold::state_fold::StateFold;
use journal::{Journal, JournalOptions, Mode, held_segments};
use model::journal_record::EntryBuffers;

use crate::turn::World;

/// What a start may take without a snapshot, and with one, for ten million entries.
const TARGET_WITHOUT: Duration = Duration::from_secs(5);
const TARGET_WITH: Duration = Duration::from_secs(1);
/// Orders that stay open in the journal's history.
const OPEN_ORDERS: u32 = 1_000;
/// Slots of the order store: the default of the configuration.
const ORDER_CAPACITY: u32 = 1 << 16;

/// Makes a journal of `entries` entries and reads it.
///
/// # Errors
/// What the journal refuses; a fold that gives another state than the engine had.
pub(crate) fn run(entries: u64) -> Result<()> {
    let directory = tempfile::tempdir().context("making a directory for the journal")?;
    let made = Instant::now();
    let (journal, digest) = make(directory.path(), entries)?;
    let held = held_segments(&journal)?;
    let bytes: u64 = held
        .iter()
        .map(|one| u64::from(one.identity.segment_bytes))
        .sum();
    println!(
        "made entries={entries} segments={} bytes={bytes} took_ms={}",
        held.len(),
        made.elapsed().as_millis()
    );
    let snapshots = Snapshots::new(directory.path().join("snapshots"));
    let whole = open(&journal, &snapshots, digest, entries - entries / 100)?;
    say("without_snapshot", &whole, TARGET_WITHOUT, entries);
    let again = open(&journal, &snapshots, digest, u64::MAX)?;
    say("with_snapshot", &again, TARGET_WITH, entries);
    if again.folded * 2 > whole.folded {
        bail!("the snapshot was not used: {} entries folded", again.folded);
    }
    Ok(())
}

/// One opening of the journal.
struct Opened {
    took: Duration,
    load: Duration,
    folded: u64,
}

fn say(what: &str, opened: &Opened, target: Duration, entries: u64) {
    let over = opened.took > target && entries >= 10_000_000;
    println!(
        "{what} took_ms={} of_it_loading_ms={} folded={} ns_per_entry={} target_ms={} {}",
        opened.took.as_millis(),
        opened.load.as_millis(),
        opened.folded,
        opened.took.as_nanos() / u128::from(opened.folded.max(1)),
        target.as_millis(),
        if over { "over" } else { "ok" }
    );
}

/// Opens and folds, and leaves a snapshot at `snapshot_at`.
fn open(journal: &Path, snapshots: &Snapshots, digest: u64, snapshot_at: u64) -> Result<Opened> {
    let began = Instant::now();
    let held = held_segments(journal)?;
    let mut passed_over = Vec::new();
    let loaded = snapshots.load(&held, u64::MAX, &mut passed_over);
    let load = began.elapsed();
    let (mut fold, from) = match loaded {
        Some((fold, header)) => (fold, header.sequence),
        None => (StateFold::default(), 0),
    };
    let mut options = options(journal);
    options.trusted_sequence = from;
    let mut buffers = EntryBuffers::default();
    let mut failed = None;
    let mut writing = Duration::ZERO;
    let opened = Journal::open_visiting(&options, &mut |entry| {
        if let Err(error) = fold.take(entry, &mut buffers) {
            failed.get_or_insert(error);
        }
        if entry.sequence == snapshot_at {
            let writes = Instant::now();
            write(snapshots, &fold, held[0].identity.journal_id);
            writing = writes.elapsed();
        }
    })?;
    let took = began.elapsed().saturating_sub(writing);
    if let Some(error) = failed {
        return Err(error.into());
    }
    drop(opened);
    let folded = fold.last_sequence() - from;
    let engine = fold
        .into_engine()
        .context("the journal has a configuration")?;
    if engine.state().digest() != digest {
        bail!("the folded state is not the engine's");
    }
    Ok(Opened { took, load, folded })
}

fn write(snapshots: &Snapshots, fold: &StateFold, journal_id: u128) {
    let began = Instant::now();
    let writer = snapshots
        .begin(fold, journal_id)
        .expect("a directory can be made");
    let encoded = began.elapsed();
    if let Some(writer) = writer {
        writer.write_now().expect("a snapshot can be written");
    }
    println!(
        "snapshot encode_us={} write_and_sync_us={}",
        encoded.as_micros(),
        (began.elapsed() - encoded).as_micros()
    );
}

fn options(journal: &Path) -> JournalOptions {
    let mut options = JournalOptions::new(journal.to_owned(), 9, 900_000);
    options.mode = Mode::Process;
    options.allow_tmpfs = true;
    options
}

/// Makes the journal; gives its directory and the digest of the engine that wrote it.
fn make(directory: &Path, entries: u64) -> Result<(PathBuf, u64)> {
    let journal = directory.join("journal");
    let mut world = World::open_journaled(&journal, OPEN_ORDERS, ORDER_CAPACITY)?;
    while world.last_sequence() < entries {
        world.step(World::run, World::run)?;
    }
    Ok((journal, world.digest()))
}
