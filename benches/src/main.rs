//! Measurements of millrun: `millrun-benches [--rounds N] [--quick] [--json]`, and one scene of
//! `cargo xtask instructions`: `millrun-benches --scene NAME`; and the reading of a long journal:
//! `millrun-benches --recovery ENTRIES`.
//!
//! Owns the command line and the order of things: set up what is measured, warm up, run the
//! rounds, print one report. Every round measures every stage between two looks at the machine
//! itself. A figure over its target is printed as `over`; it fails nothing. Must not know what a
//! stage does. One measuring thread; a second thread spins only for the probe and the ring.

#![forbid(unsafe_code)]

mod host;
mod instructions;
mod jitter;
mod journal_append;
mod journal_port;
#[cfg(test)]
mod no_alloc;
mod recovery;
mod report;
mod ring;
mod rounds;
mod samples;
mod scene;
mod stage_ports;
mod tls_end;
mod turn;
mod turn_stages;

use anyhow::Result;
use clap::{Parser, value_parser};

use crate::rounds::Sizes;

/// Rounds of a run; a median of fewer says little.
const ROUNDS_MIN: u32 = 5;

/// What can be asked for.
#[derive(Debug, Parser)]
#[command(
    about = "Measures millrun's stages on this machine",
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --quick"
)]
struct Arguments {
    /// Rounds; each measures every stage once
    #[arg(
        long,
        default_value_t = ROUNDS_MIN,
        value_parser = value_parser!(u32).range(i64::from(ROUNDS_MIN)..=100)
    )]
    rounds: u32,
    /// A tenth of the samples
    #[arg(long)]
    quick: bool,
    /// One JSON document instead of the table
    #[arg(long)]
    json: bool,
    /// Only run this scene for `cargo xtask instructions`, which counts under valgrind; `list`
    /// prints their names
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rounds", "quick", "json"])]
    scene: Option<String>,
    /// Make a journal of so many entries and measure how long a start reads it
    #[arg(long, value_name = "N", conflicts_with_all = ["rounds", "quick", "json", "scene"])]
    recovery: Option<u64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(scene) = arguments.scene {
        return instructions::run(&scene);
    }
    if let Some(entries) = arguments.recovery {
        return recovery::run(entries);
    }
    let sizes = if arguments.quick {
        Sizes::quick()
    } else {
        Sizes::full()
    };
    let report = rounds::run(arguments.rounds, &sizes)?;
    if arguments.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(())
}
