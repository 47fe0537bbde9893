//! How fast the projection is: entries of a journal that become rows in a second.
//!
//! `cargo run --release -p millrun-cold --example projection_throughput [ENTRIES [DIRECTORY]]`
//! Makes a day of trading with the real engine, rebuilds a database of it and prints the rate.
//! Ends with 1 when it is under the target.
#![allow(clippy::unwrap_used, reason = "a measurement ends where it fails")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/projection/trading_day/mod.rs"]
mod trading_day;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use millrun_cold::projector::rebuild;
use rustix::time::{ClockId, clock_gettime};
use trading_day::TradingDay;

/// Entries per second that the projection must reach.
const TARGET: u128 = 50_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let entries = arguments
        .next()
        .map_or(500_000, |text| text.parse().unwrap());
    let parent = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(parent).unwrap();
    let mut day = TradingDay::begin(&directory.path().join("journal"), 64 << 20, 1);
    day.trade_to(entries);
    day.close();
    let (began, cpu_before) = (Instant::now(), cpu_us());
    let rebuilt = rebuild(&day.directory, &directory.path().join("millrun.db"), |_| {}).unwrap();
    let took_us = began.elapsed().as_micros().max(1);
    let took_cpu_us = (cpu_us() - cpu_before).max(1);
    let per_cpu_s = u128::from(rebuilt.sequence) * 1_000_000 / took_cpu_us;
    let per_s = u128::from(rebuilt.sequence) * 1_000_000 / took_us;
    println!(
        "entries={} orders={} intents={} fills={} logs={} wall_ms={} entries_per_s={per_s} \
         cpu_ms={} entries_per_cpu_s={per_cpu_s} target={TARGET}",
        rebuilt.sequence,
        rebuilt.orders,
        rebuilt.intents,
        rebuilt.fills,
        rebuilt.logs,
        took_us / 1_000,
        took_cpu_us / 1_000
    );
    if per_s >= TARGET {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What this thread has used of a processor: on a machine that others load, the wall says less.
fn cpu_us() -> u128 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    u128::from(used.tv_sec.unsigned_abs()) * 1_000_000
        + u128::from(used.tv_nsec.unsigned_abs()) / 1_000
}
