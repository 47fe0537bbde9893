//! `millrun rearm`: opens a kill latch again, after showing what is still open.

use super::kill::{JournalWatch, ScopeArgs, figures_of, running_engine};
use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::latch_files;
use crate::start::journal_directory;
use anyhow::Result;
use clap::Args;
use model::control::{ControlOrigin, Latch};
use serde_json::json;
use std::time::{Duration, Instant};

/// A running engine that has not opened the latch by then is stuck.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millrun rearm --config millrun.toml --reason 'quoter fixed'
  millrun rearm --strategy grid

Who re-armed, when and why is in the journal. With the engine off it takes effect, and is journaled,
at the next start.

Exit codes: 0 opened; 3 configuration refused; 6 refused: no such latch is closed, or orders are
unknown (--force overrides); 9 the engine does not answer.")]
pub struct RearmArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Open a reduce-only latch instead of the kill latch.
    #[arg(long)]
    reduce_only: bool,
    /// Why; kept in the journal.
    #[arg(long, default_value = "")]
    reason: String,
    /// Although orders are unknown.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A journal that cannot be read; a data directory that cannot be written.
pub fn run(arguments: &RearmArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    let data = &settings.data.directory;
    let journal = journal_directory(&settings);
    let latch = if arguments.reduce_only {
        Latch::ReduceOnly
    } else {
        Latch::Kill
    };
    let name = arguments.scope.latch(latch)?;
    if !latch_files::list(data)?.contains(&name) {
        return Ok(told(
            arguments,
            "not_closed",
            "no such latch is closed",
            Exit::Refused,
        ));
    }
    let mut watch = JournalWatch::open(&journal)?;
    watch.read_on(latch, None, false)?;
    let config = watch.engine().map(|engine| engine.state().config.clone());
    let scope = config.as_ref().and_then(|config| name.resolve(config));
    let now = figures_of(watch.engine(), scope);
    if !arguments.json {
        println!(
            "{} orders are open, {} of them unknown",
            now.open, now.unknown
        );
    }
    if now.unknown > 0 && !arguments.force && latch == Latch::Kill {
        let why = "orders are unknown: wait until they are settled (`millrun status`), or --force";
        return Ok(told(arguments, "unknown_orders", why, Exit::Refused));
    }
    let mut watch = JournalWatch::open(&journal)?;
    watch.read_on(latch, scope, false)?;
    watch.expect_another();
    let author = latch_files::author_now(ControlOrigin::File, &arguments.reason);
    latch_files::open(data, &name, &author)?;
    let Some(_engine) = running_engine(&journal) else {
        let text = "the engine is off: its next start journals the re-arm and takes orders again";
        return Ok(told(arguments, "at_next_start", text, Exit::Ok));
    };
    let began = Instant::now();
    while began.elapsed() < OPEN_WITHIN {
        watch.read_on(latch, scope, false)?;
        if watch.accepted_at_ns().is_some() {
            return Ok(told(
                arguments,
                "open",
                "re-armed: orders are taken again",
                Exit::Ok,
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = "the latch file is gone, but the engine has not taken the re-arm: see its log";
    Ok(told(arguments, "not_taken", text, Exit::Incomplete))
}

fn told(arguments: &RearmArgs, result: &str, text: &str, exit: Exit) -> Exit {
    if arguments.json {
        println!("{}", json!({"result": result, "text": text}));
    } else {
        println!("{text}");
    }
    exit
}
