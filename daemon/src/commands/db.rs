//! `millrun db`: the database that the journal is projected into: how far it is, made anew, or
//! brought to another version.

use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::start::journal_directory;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use cold::projector::{read_state, rebuild};
use cold::store::{CountedTable, SCHEMA_VERSION, Store, StoreLock};
use indicatif::{ProgressBar, ProgressStyle};
use journal::Reader;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millrun db status --config millrun.toml --json
  millrun db rebuild --config millrun.toml
  millrun db rebuild --config millrun.toml --out copy.db
  millrun db migrate --config millrun.toml --to 1

The database holds nothing that the journal does not: rebuild makes it anew at any time. Rebuild
and migrate need an engine that is stopped or does not follow; --out writes another file.")]
pub struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// How far the rows go, and whether they follow.
    Status,
    /// Make the database anew from the journal.
    Rebuild {
        /// Write this file instead of the configured one.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Bring the schema up or down to a version. The next start brings it up again.
    Migrate {
        /// The version; 0 = no tables.
        #[arg(long)]
        to: u32,
    },
}

/// Runs the command.
///
/// # Errors
/// A database or journal that cannot be used, by name.
pub fn run(arguments: &DbArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    let done = match &arguments.command {
        DbCommand::Status => {
            let status = database_status(&settings);
            let is_well = status["state"] != "degraded";
            print(arguments.json, &status);
            return Ok(if is_well { Exit::Ok } else { Exit::Failed });
        }
        DbCommand::Rebuild { out } => rebuild_with_progress(&settings, out.as_deref())?,
        DbCommand::Migrate { to } => migrate(&settings.database.path, *to)?,
    };
    print(arguments.json, &done);
    Ok(Exit::Ok)
}

/// What is known about the database without asking its projector: `state`, `reason`, `sequence` and
/// `behind` (entries that the journal has more).
pub(super) fn database_status(settings: &Settings) -> Value {
    let database = &settings.database;
    let mut status = json!({ "path": database.path, "state": "disabled" });
    if !database.is_enabled {
        return status;
    }
    let said = read_state(&database.path);
    let said_by_living = said.filter(|said| {
        said.state == "stopped" || Path::new("/proc").join(said.pid.to_string()).exists()
    });
    let state = said_by_living
        .as_ref()
        .map_or("stopped", |said| &said.state);
    status["state"] = json!(state);
    status["reason"] = json!(said_by_living.as_ref().and_then(|said| said.reason.clone()));
    if let Err(error) = add_figures(&mut status, settings) {
        status["unreadable"] = json!(format!("{error:#}"));
    }
    status
}

fn add_figures(status: &mut Value, settings: &Settings) -> Result<()> {
    let path = &settings.database.path;
    if !path.exists() {
        status["state"] = json!("missing");
        return Ok(());
    }
    let store = Store::open_to_read(path)?;
    let version = store.schema_version()?;
    status["schema_version"] = json!(version);
    if version == 0 {
        return Ok(());
    }
    let sequence = store.cursor()?.map_or(0, |cursor| cursor.sequence);
    status["sequence"] = json!(sequence);
    status["orders"] = json!(store.count(CountedTable::Orders)?);
    status["fills"] = json!(store.count(CountedTable::Fills)?);
    let mut reader = Reader::open(&journal_directory(settings), sequence + 1)?;
    let mut behind = 0u64;
    while reader.next_entry()?.is_some() {
        behind += 1;
    }
    status["behind"] = json!(behind);
    Ok(())
}

fn rebuild_with_progress(settings: &Settings, out: Option<&Path>) -> Result<Value> {
    let target = out.unwrap_or(&settings.database.path);
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {pos} entries, {per_sec}, {elapsed}");
    bar.set_style(style.context("the progress line's template")?);
    let rebuilt = rebuild(&journal_directory(settings), target, |sequence| {
        bar.set_position(sequence);
    });
    bar.finish_and_clear();
    let rebuilt = rebuilt?;
    Ok(json!({
        "path": target,
        "sequence": rebuilt.sequence,
        "orders": rebuilt.orders,
        "fills": rebuilt.fills,
        "trade_intents": rebuilt.intents,
        "execution_logs": rebuilt.logs,
    }))
}

fn migrate(path: &Path, to: u32) -> Result<Value> {
    let _lock = StoreLock::take(path)?;
    let mut store = Store::open_as_it_is(path)?;
    let from = store.schema_version()?;
    store.migrate_to(to)?;
    store.close()?;
    Ok(json!({ "path": path, "from": from, "to": to, "newest": SCHEMA_VERSION }))
}

fn print(as_json: bool, value: &Value) {
    if as_json {
        println!("{value:#}");
        return;
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => println!("{key:15} {text}"),
            other => println!("{key:15} {other}"),
        }
    }
}
