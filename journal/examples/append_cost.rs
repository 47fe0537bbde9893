//! Prints what one append costs: `cargo run --release -p millrun-journal --example append_cost
//! [DIR]`.
//!
//! A quick look, not a benchmark: one thread, entries of 192 bytes, mode `process`, the mean over
//! batches and the smallest batch. The keeper works beside it as in production.

use std::path::PathBuf;
use std::time::Instant;

use millrun_journal::{AppendError, Journal, JournalError, JournalOptions, Mode};

const ENTRY_BYTES: usize = 192;
const BATCH: u32 = 1_000;
const BATCHES: u32 = 1_000;

fn main() -> Result<(), JournalError> {
    let directory = std::env::args().nth(1).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| std::env::temp_dir().join("millrun-append-cost"));
    let mut options = JournalOptions::new(directory, 1, 497_520);
    options.mode = Mode::Process;
    options.allow_tmpfs = true;
    let mut journal = Journal::open(&options)?;
    let body = [0x5A; ENTRY_BYTES - 40];
    let (mut total_ns, mut batch_ns_min, mut waits) = (0, u128::MAX, 0_u64);
    for _ in 0..BATCHES {
        let started = Instant::now();
        for now_ns in 0..u64::from(BATCH) {
            loop {
                match journal.writer.begin(7, now_ns, body.len()) {
                    Ok(mut entry) => {
                        entry.put(&body);
                        std::hint::black_box(entry.commit());
                        break;
                    }
                    Err(AppendError::NoSpareSegment) => {
                        waits += 1;
                        std::thread::yield_now();
                    }
                    Err(error) => {
                        eprintln!("{error}");
                        std::process::exit(1);
                    }
                }
            }
        }
        let batch_ns = started.elapsed().as_nanos();
        total_ns += batch_ns;
        batch_ns_min = batch_ns_min.min(batch_ns);
    }
    let appends = u128::from(BATCH) * u128::from(BATCHES);
    println!(
        "entry_bytes={ENTRY_BYTES} appends={appends} mean_ns={:.1} best_batch_ns={:.1} \
         waits={waits}",
        total_ns as f64 / appends as f64,
        batch_ns_min as f64 / f64::from(BATCH),
    );
    drop(journal);
    let started = Instant::now();
    let journal = Journal::open(&options)?;
    let entries = journal.recovered.entries;
    println!(
        "recovered_entries={entries} open_ms={}",
        started.elapsed().as_millis()
    );
    Ok(())
}
