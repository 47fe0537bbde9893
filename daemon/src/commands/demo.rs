//! `millrun demo`: everything at once, on a fresh machine with nothing but this binary.
//!
//! The OKX simulator over TLS in this process, the engine and a grid strategy each in a process of
//! its
//! own; the engine is killed with SIGKILL on the way and started again. At the end three ledgers
//! must
//! agree (the simulator's, the journal's, the strategy's), no order may have been accepted twice,
//! no fill
//! may be missing or doubled, every command must have been in the journal before it was on the
//! wire, and the engine, run over its journal again, must decide and send the same.

mod reexecution;
mod rehearsal;
mod site;
mod strategy_ledger;
mod verdict;

use crate::cli::Exit;
use anyhow::Result;
use clap::Args;
use rehearsal::Rehearsal;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millrun demo
  millrun demo --orders 2000 --kills 20 --seed 7 --keep /tmp/demo

Exit 0 only when everything agrees; the last line says so.")]
pub struct DemoArgs {
    /// Orders that the strategy places.
    #[arg(long, default_value_t = 5_000)]
    orders: u64,
    /// How often the engine is killed on the way.
    #[arg(long, default_value_t = 1)]
    kills: u32,
    /// Seed of the market and of the moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep all files in this directory; without it they are removed when everything agrees.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 180)]
    give_up_s: u64,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the demo from coming to a verdict.
pub fn run(arguments: &DemoArgs) -> Result<Exit> {
    let verdict = Rehearsal::new(arguments)?.run()?;
    verdict.print();
    Ok(if verdict.is_ok() {
        Exit::Ok
    } else {
        Exit::Failed
    })
}
