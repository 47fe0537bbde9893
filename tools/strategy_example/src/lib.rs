//! A grid strategy that trades through millrun's rings, in a process of its own.
//!
//! It keeps limit orders on both sides of a price, renews them all the time, follows its own fills,
//! and goes on after the engine's death. It owns no market data: the engine gives none in this
//! version, so the first price is an argument and the later ones are its own fills. It is an
//! example of the client library and a load for tests; it is not a way to make money.
//!
//! Must not know: the engine's insides, the venue. Threads: one.

#![forbid(unsafe_code)]

pub mod arguments;
pub use arguments::{GridArguments, GridOptions};

mod grid;
mod ledger;
mod pace;
mod price_grid;

mod session;
pub use session::Summary;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use clap::Parser;

/// `millrun strategy …`
#[derive(Debug, Parser)]
#[command(
    name = "millrun strategy",
    about = "Example strategies, each in its own process"
)]
enum StrategyCommand {
    /// Quotes a grid around a price and renews it all the time.
    Grid(GridArguments),
}

/// Trades until the target, the time or `stop`; then cancels everything and waits for quiet.
///
/// # Errors
/// Options that do not fit the engine's instruments; an engine that cannot be reached in time; the
/// ledger's file.
pub fn run(options: &GridOptions, stop: &AtomicBool) -> anyhow::Result<Summary> {
    session::run(options, stop)
}

/// Runs what `arguments` say (without the program's name: `grid --socket …`), ends on SIGINT and
/// SIGTERM as on its time, and prints the summary as the last line.
///
/// # Errors
/// Those of [`run`], bad arguments, and orders that are still open at the end.
pub fn run_cli(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let program = std::iter::once(OsString::from("millrun strategy"));
    let StrategyCommand::Grid(arguments) =
        StrategyCommand::try_parse_from(program.chain(arguments))?;
    run_grid(&arguments)
}

/// As [`run_cli`], for arguments that are parsed already.
///
/// # Errors
/// As [`run_cli`].
pub fn run_grid(arguments: &GridArguments) -> anyhow::Result<()> {
    let options = arguments.options()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).context("handling signals")?;
    }
    let summary = run(&options, &stop)?;
    println!("{summary}");
    let still_open = summary.still_open;
    ensure!(
        still_open == 0,
        "{still_open} orders are still open or unknown"
    );
    Ok(())
}
