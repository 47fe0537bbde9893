//! `millrun start`: runs the engine until a signal stops it.

use super::logging;
use crate::assemble::Running;
use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::hot_thread::HotEnd;
use crate::start::{RunOptions, start};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::time::Duration;

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  millrun start --config millrun.toml

SIGTERM or SIGINT stop the engine: no new requests, goodbye to the venues, exit 0 within 10 s.
A second one ends the process at once. Open orders stay at the venue unless --cancel-on-stop.")]
pub struct StartArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// On a stop, cancel every open order and wait for the answers, at most 10 s.
    #[arg(long)]
    cancel_on_stop: bool,
    /// How log lines look, instead of what `log.format` says.
    #[arg(long)]
    log_format: Option<LogFormat>,
    /// Print `ready recover_ms=…` on standard output once every venue is open.
    #[arg(long)]
    print_ready: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Runs the command.
///
/// # Errors
/// Everything that a start can refuse; a journal that closed while running.
pub fn run(arguments: &StartArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    let is_json = match arguments.log_format {
        None => settings.log.is_json,
        Some(format) => format == LogFormat::Json,
    };
    logging::begin(&settings, is_json);
    // Signals are caught before anything runs, so that none can end the process half-way.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGXFSZ]).context("catching signals")?;
    let print_ready = arguments.print_ready;
    let options = RunOptions {
        cancel_on_stop: arguments.cancel_on_stop,
        on_live: Box::new(move |recover_ms| announce(recover_ms, print_ready)),
    };
    tracing::info!(
        journal = settings.journal.mode.name(),
        idle = ?settings.hot.idle,
        cpu = ?settings.hot.cpu,
        memory_kib = config::memory_estimate(&settings).total_bytes().div_ceil(1024),
        "millrun starts"
    );
    announce_modes(&settings);
    let running = start(&settings, options)?;
    wait(&running, signals);
    match running.join()? {
        HotEnd::Stopped { open_orders } => {
            tracing::info!(open_orders, "stopped");
            Ok(Exit::Ok)
        }
        HotEnd::JournalFull => {
            tracing::error!(
                "JOURNAL_FULL: the journal takes no more entries; cancels of all open orders were \
                 sent as far as there was room and a connection. Look at the venue, free space \
                 on the journal's disk and start again: the venue is asked about everything since"
            );
            Ok(Exit::Journal)
        }
        HotEnd::JournalSyncFailed { open_orders } => {
            tracing::error!(
                open_orders,
                "JOURNAL_FAILED: a sync of the journal failed in this run: what is on the disk is \
                 not known. Check the disk (dmesg), then start again: the segment is written once \
                 more, and the venue is asked about everything that is open"
            );
            Ok(Exit::SyncFailed)
        }
    }
}

/// Says at each venue whether orders are real.
fn announce_modes(settings: &Settings) {
    for venue in &settings.venues {
        let (name, mode) = (venue.name.as_str(), venue.trading_mode());
        if venue.is_dry_run {
            tracing::warn!(venue = name, %mode, "DRY_RUN: no order command is sent to this venue");
        } else {
            tracing::info!(venue = name, %mode, "orders are sent to this venue");
        }
    }
}

fn announce(recover_ms: u128, print_ready: bool) {
    tracing::info!(recover_ms, "every venue is open");
    if print_ready {
        let mut out = std::io::stdout();
        // Whoever wanted to read this may be gone; the engine goes on.
        let _ = writeln!(out, "ready recover_ms={recover_ms}").and_then(|()| out.flush());
    }
}

/// Waits for a signal or the hot thread's own end.
fn wait(running: &Running, mut signals: Signals) {
    let mut asked = false;
    let mut degraded = false;
    while running.is_running() {
        if !degraded && !running.is_cold_alive() {
            degraded = true;
            tracing::error!(
                "DEGRADED: the cold side ended; trading goes on, but the venue is asked nothing \
                 any more. Stop the engine and start it again"
            );
        }
        for signal in signals.pending() {
            match signal {
                SIGTERM | SIGINT if asked => {
                    tracing::warn!("second signal: ending at once; the journal is whole");
                    std::process::exit(i32::from(Exit::Failed as u8));
                }
                SIGTERM | SIGINT => {
                    asked = true;
                    tracing::info!("stopping");
                    running.request_stop();
                }
                SIGXFSZ => tracing::error!("a file reached its size limit (ulimit -f): raise it"),
                _ => tracing::info!("SIGHUP is ignored: configuration changes need a restart"),
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
