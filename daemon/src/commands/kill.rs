//! `millrun kill`: closes the kill latch, wakes the engine, and watches until nothing is open.
//!
//! The latch comes first: it needs a writable data directory and nothing else. Everything after it
//! only tells what happens: the engine may be off, its journal full or damaged.

mod journal_watch;

pub use journal_watch::{Figures, JournalWatch, figures_of};

use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::latch_files::{self, LatchName, NamedScope};
use crate::start::journal_directory;
use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use model::control::{ControlOrigin, ControlScope, Latch};
use model::time::NS_PER_MS;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks at the journal.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A running engine that has not taken the latch by then is stuck.
const ACCEPT_WITHIN: Duration = Duration::from_secs(5);

/// What a latch is over; nothing = everything.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub struct ScopeArgs {
    /// Only this venue.
    #[arg(long, value_name = "NAME")]
    venue: Option<String>,
    /// Only this instrument.
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// Only this strategy.
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
}

impl ScopeArgs {
    /// The latch over it.
    ///
    /// # Errors
    /// A name that cannot be part of a file's name.
    pub fn latch(&self, latch: Latch) -> Result<LatchName> {
        let scope = match (&self.venue, &self.instrument, &self.strategy) {
            (Some(name), ..) => NamedScope::Venue(name.clone()),
            (_, Some(symbol), _) => NamedScope::Instrument(symbol.clone()),
            (.., Some(name)) => NamedScope::Strategy(name.clone()),
            (None, None, None) => NamedScope::All,
        };
        LatchName::new(latch, scope)
    }
}

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millrun kill --config millrun.toml --reason 'runaway quoter'
  millrun kill --strategy grid               only one strategy
  millrun kill --plan                        how long the cancels would take; closes nothing
  touch data/KILLED                          the same latch without this program

From the engine's next turn on nothing new goes out, and every open order is cancelled as fast as
the venues' cancel rates allow. The latch is a file: it holds over restarts until `millrun rearm`.

Exit codes: 0 nothing is open any more; 3 configuration refused; 9 the latch is closed, but orders
are still open, the engine is off, or it does not answer; 1 the latch could not be closed.")]
pub struct KillArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why; kept in the journal.
    #[arg(long, default_value = "")]
    reason: String,
    /// Only print how many orders are open and how long their cancels would take.
    #[arg(long)]
    plan: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A latch file that could not be written; a journal that could not be read.
pub fn run(arguments: &KillArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    let data = &settings.data.directory;
    let name = arguments.scope.latch(Latch::Kill)?;
    let journal = journal_directory(&settings);
    if !arguments.plan {
        let author = latch_files::author_now(ControlOrigin::File, &arguments.reason);
        std::fs::create_dir_all(data).with_context(|| format!("making {}", data.display()))?;
        latch_files::close(data, &name, &author)?;
        let engine = running_engine(&journal);
        if name.is_kill_all()
            && let Some(engine) = &engine
        {
            engine.wake()?;
        }
        if !arguments.json {
            println!(
                "the kill latch is closed: {}",
                data.join(name.file_name()).display()
            );
        }
    }
    watch(&settings, &journal, &name, arguments)
}

/// Follows the kill in the journal until nothing is open, or time is up.
fn watch(
    settings: &Settings,
    journal: &Path,
    name: &LatchName,
    arguments: &KillArgs,
) -> Result<Exit> {
    let mut watch = JournalWatch::open(journal).context(
        "the latch is closed and holds; the journal cannot be read to tell what is open",
    )?;
    watch.read_on(Latch::Kill, None, true)?;
    let config = watch.engine().map(|engine| engine.state().config.clone());
    let scope = config.as_ref().and_then(|config| name.resolve(config));
    if arguments.plan {
        return Ok(print_plan(
            &figures_of(watch.engine(), scope),
            arguments.json,
        ));
    }
    let mut watch = JournalWatch::open(journal)?;
    let began = Instant::now();
    while running_engine(journal).is_some() && began.elapsed() < ACCEPT_WITHIN {
        watch.read_on(Latch::Kill, scope, true)?;
        if is_closed(&watch, scope) {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    watch.read_on(Latch::Kill, scope, true)?;
    if running_engine(journal).is_none() || !is_closed(&watch, scope) {
        let now = figures_of(watch.engine(), scope);
        return Ok(print_not_taken(
            &now,
            running_engine(journal).is_some(),
            arguments.json,
        ));
    }
    // Taken before the watch could see it: what is open by now.
    let planned = match watch.accepted_at_ns() {
        Some(_) => watch.at_acceptance(),
        None => figures_of(watch.engine(), scope),
    };
    if !arguments.json {
        print_figures(&planned);
    }
    let within = Duration::from_nanos(planned.cancels_take_ns)
        + Duration::from_millis(settings.kill.cancel_timeout_ms);
    let bar = ProgressBar::new(u64::from(planned.open));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} orders ended, {elapsed}")
    {
        bar.set_style(style);
    }
    let began = Instant::now();
    while figures_of(watch.engine(), scope).open > 0 && began.elapsed() < within {
        watch.read_on(Latch::Kill, scope, true)?;
        let open = figures_of(watch.engine(), scope).open;
        bar.set_position(u64::from(planned.open.saturating_sub(open)));
        std::thread::sleep(LOOK_EVERY);
    }
    bar.finish_and_clear();
    Ok(print_end(&watch, scope, arguments.json))
}

fn is_closed(watch: &JournalWatch, scope: Option<ControlScope>) -> bool {
    let state = watch.engine().map(engine::Engine::state);
    state
        .zip(scope)
        .is_some_and(|(state, scope)| state.latches.is_closed(Latch::Kill, scope))
}

fn print_figures(figures: &Figures) {
    println!(
        "{} orders are open, {} of them unknown; their cancels take at most {} ms by the venues' \
         rates",
        figures.open,
        figures.unknown,
        figures.cancels_take_ns.div_ceil(NS_PER_MS)
    );
}

fn print_plan(figures: &Figures, is_json: bool) -> Exit {
    if is_json {
        let cancels_take_ms = figures.cancels_take_ns.div_ceil(NS_PER_MS);
        println!(
            "{}",
            json!({"open_orders": figures.open, "unknown_orders": figures.unknown,
                "cancels_take_ms": cancels_take_ms})
        );
    } else {
        print_figures(figures);
    }
    Exit::Ok
}

fn print_not_taken(now: &Figures, is_running: bool, is_json: bool) -> Exit {
    if is_json {
        println!(
            "{}",
            json!({"latch": "closed", "accepted": false, "engine_running": is_running,
                "open_orders": now.open, "unknown_orders": now.unknown})
        );
    } else if is_running {
        println!(
            "the engine has not taken the latch within {} s: end its process (SIGKILL), cancel \
             at the venue by hand; the next start begins killed",
            ACCEPT_WITHIN.as_secs()
        );
    } else {
        println!(
            "the engine is off: the latch holds for its next start. {} orders are open by the \
             journal, {} of them unknown: start the engine to cancel them, or cancel at the venue",
            now.open, now.unknown
        );
    }
    Exit::Incomplete
}

fn print_end(watch: &JournalWatch, scope: Option<ControlScope>, is_json: bool) -> Exit {
    let left = figures_of(watch.engine(), scope);
    let planned = watch.at_acceptance();
    let last_new_us = watch.last_new_after_ns() / 1_000;
    let last_cancel_ms = watch.last_cancel_after_ns().div_ceil(NS_PER_MS);
    if is_json {
        println!(
            "{}",
            json!({"latch": "closed", "accepted": true, "engine_running": true,
                "open_at_kill": planned.open, "unknown_at_kill": planned.unknown,
                "cancels_take_ms": planned.cancels_take_ns.div_ceil(NS_PER_MS),
                "kill_to_last_new_us": last_new_us, "kill_to_last_cancel_ms": last_cancel_ms,
                "open_orders": left.open, "unknown_orders": left.unknown})
        );
    } else {
        println!(
            "last new order or replace {last_new_us} us after the kill, last cancel \
             {last_cancel_ms} ms; {} orders are still open, {} of them unknown",
            left.open, left.unknown
        );
        if left.open > 0 {
            println!("the engine goes on cancelling: watch `millrun status`, look at the venue");
        }
    }
    if left.open == 0 {
        Exit::Ok
    } else {
        Exit::Incomplete
    }
}

/// The engine that holds a journal.
pub struct RunningEngine {
    pid: Pid,
}

impl RunningEngine {
    /// Tells it to look at the latch at once.
    ///
    /// # Errors
    /// A process that this user may not signal.
    pub fn wake(&self) -> Result<()> {
        let process = pidfd_open(self.pid, PidfdFlags::empty());
        let told = process.and_then(|process| pidfd_send_signal(process, Signal::USR1));
        told.with_context(|| format!("signalling the engine, pid {}", self.pid.as_raw_nonzero()))
    }
}

/// The engine that holds the journal's lock, by the kernel's word; its pid by the lock file's.
pub fn running_engine(journal: &Path) -> Option<RunningEngine> {
    let lock = std::fs::File::open(journal.join("LOCK")).ok()?;
    if lock.try_lock_shared().is_ok() {
        return None;
    }
    let text = std::fs::read_to_string(journal.join("LOCK")).ok()?;
    let pid = Pid::from_raw(text.trim().parse().ok()?)?;
    Some(RunningEngine { pid })
}
