//! `millrun status`: what the journal says, engine on or off.
//!
//! Folds the journal read-only, so it shows exactly what a recovery would begin with and needs
//! nobody's cooperation. It owns no state of its own and cannot disagree with the journal.

use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::journal_watch::read_health;
use crate::latch_files::LatchName;
use crate::position_log::position_text;
use crate::recovery::{Folded, fold};
use crate::start::journal_directory;
use anyhow::{Context, Result};
use clap::Args;
use engine::Engine;
use model::EngineConfig;
use serde_json::{Value, json};
use std::path::Path;

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  millrun status --config millrun.toml --json")]
pub struct StatusArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A journal that cannot be read.
pub fn run(arguments: &StatusArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    let directory = journal_directory(&settings);
    let folded = fold(&directory, |_| {})?;
    let status = status_of(&settings, &directory, &folded)?;
    if arguments.json {
        println!("{status:#}");
    } else {
        print_human(&status);
    }
    Ok(Exit::Ok)
}

fn status_of(settings: &Settings, directory: &Path, folded: &Folded) -> Result<Value> {
    let mut status = json!({
        "data_directory": settings.data.directory,
        "engine_pid": running_pid(directory),
        "journal_mode": settings.journal.mode.name(),
        "entries": folded.entries,
        "last_sequence": folded.last_sequence,
        "database": super::db::database_status(settings),
        "journal_health": read_health(&settings.data.directory),
    });
    let (Some(engine), Some(config)) = (&folded.engine, &folded.config) else {
        return Ok(status);
    };
    let state = engine.state();
    let unknown = state
        .orders
        .iter()
        .filter(|order| order.is_unknown())
        .count();
    let operator = state
        .orders
        .iter()
        .filter(|order| order.needs_operator)
        .count();
    let object = status.as_object_mut().context("a status is an object")?;
    object.insert("config_version".into(), json!(config.version));
    object.insert("epoch".into(), json!(state.epoch.map(|epoch| epoch.get())));
    object.insert("open_orders".into(), json!(state.orders.open_count()));
    object.insert("unknown_orders".into(), json!(unknown));
    object.insert("needs_operator".into(), json!(operator));
    let latches = state.latches.closed().iter();
    let latches = latches.filter_map(|(latch, scope)| LatchName::of(*latch, *scope, config));
    let latches: Vec<String> = latches.map(|name| name.file_name()).collect();
    object.insert("latches".into(), json!(latches));
    object.insert("venues".into(), venues(engine, config));
    object.insert("strategies".into(), strategies(engine, config));
    object.insert("positions".into(), positions(engine, config));
    object.insert("balances".into(), balances(engine, config));
    Ok(status)
}

fn venues(engine: &Engine, config: &EngineConfig) -> Value {
    let venues = config.venues.iter().zip(&engine.state().venues);
    let shown = venues.map(|(policy, status)| {
        json!({
            "venue": policy.name.as_str(),
            "mode": policy.mode.name(),
            "state": engine.state().venue_state(policy.id).unwrap_or(status.state).name(),
            "sweeps": status.sweep_no,
            "positions_elsewhere": status.positions_elsewhere,
        })
    });
    shown.collect()
}

fn strategies(engine: &Engine, config: &EngineConfig) -> Value {
    let strategies = config.strategies.iter().zip(&engine.state().strategies);
    let shown = strategies.map(|(policy, state)| {
        json!({
            "strategy": policy.name.as_str(),
            "attached": state.attached,
            "open_orders": state.open_orders,
            "events": state.next_event_seq.saturating_sub(1),
            "last_request_id": state.last_request_id.0,
        })
    });
    shown.collect()
}

fn positions(engine: &Engine, config: &EngineConfig) -> Value {
    let state = engine.state();
    let exposures = config.instruments.iter().zip(&state.exposures);
    let shown = exposures.zip(&state.positions);
    let shown = shown.map(|((policy, exposure), position)| {
        let instrument = &policy.instrument;
        let text = |units| position_text(instrument, units);
        json!({
            "instrument": instrument.symbol.as_str(),
            "position": text(exposure.position_units),
            "worst_buy": text(exposure.open_buy_units),
            "worst_sell": text(exposure.open_sell_units),
            "open_orders": exposure.open_orders,
            "account_position": text(state.expected_units(instrument.id)),
            "position_at_start": position.baseline_units.map(text),
            "foreign": text(position.foreign_units),
            "venue_position": position.is_stated.then(|| text(position.stated_units())),
            "recon_break": position.break_units.map(text),
        })
    });
    shown.collect()
}

fn balances(engine: &Engine, config: &EngineConfig) -> Value {
    let shown = engine.state().balances.iter().map(|known| {
        let venue = config.venues.get(usize::from(known.venue.0));
        let balance = &known.balance;
        json!({
            "venue": venue.map(|policy| policy.name.as_str()),
            "currency": balance.currency.as_str(),
            "total": balance.total.to_string(),
            "available": balance.available.map(|amount| amount.to_string()),
            "venue_time_ms": balance.venue_time.as_ms(),
        })
    });
    shown.collect()
}

/// The process that owns the journal, if it is alive.
fn running_pid(directory: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(directory.join("LOCK")).ok()?;
    let pid = text
        .split_whitespace()
        .find_map(|word| word.parse::<u32>().ok())?;
    Path::new("/proc")
        .join(pid.to_string())
        .exists()
        .then_some(pid)
}

fn print_human(status: &Value) {
    let text = |key: &str| match &status[key] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let running = match &status["engine_pid"] {
        Value::Null => "not running".to_owned(),
        pid => format!("running, pid {pid}"),
    };
    println!(
        "engine     {running}; journal mode {}",
        text("journal_mode")
    );
    println!(
        "journal    {} entries, last sequence {}, epoch {}",
        text("entries"),
        text("last_sequence"),
        text("epoch")
    );
    print_health(status);
    println!(
        "orders     {} open, {} unknown, {} need an operator",
        text("open_orders"),
        text("unknown_orders"),
        text("needs_operator")
    );
    print_database(&status["database"]);
    for latch in status["latches"].as_array().into_iter().flatten() {
        println!("latch      {} is closed", word(latch));
    }
    for venue in status["venues"].as_array().into_iter().flatten() {
        println!(
            "venue      {:15} {} {} ({} sweeps)",
            word(&venue["venue"]),
            word(&venue["mode"]),
            word(&venue["state"]),
            venue["sweeps"]
        );
    }
    for strategy in status["strategies"].as_array().into_iter().flatten() {
        let attached = if strategy["attached"] == true {
            "attached"
        } else {
            "away"
        };
        println!(
            "strategy   {:15} {attached}, {} open orders, {} events, last request {}",
            word(&strategy["strategy"]),
            strategy["open_orders"],
            strategy["events"],
            strategy["last_request_id"]
        );
    }
    for position in status["positions"].as_array().into_iter().flatten() {
        println!(
            "position   {:20} {:>14}  could buy {} and sell {} more, {} open orders",
            word(&position["instrument"]),
            word(&position["position"]),
            word(&position["worst_buy"]),
            word(&position["worst_sell"]),
            position["open_orders"]
        );
        print_account_position(position);
    }
    print_balances(status);
}

fn print_balances(status: &Value) {
    for balance in status["balances"].as_array().into_iter().flatten() {
        println!(
            "balance    {:15} {:>8} {}, {} available",
            word(&balance["venue"]),
            word(&balance["currency"]),
            word(&balance["total"]),
            word(&balance["available"]),
        );
    }
}

/// The account's position beside the venue's, where the venue states one.
fn print_account_position(position: &Value) {
    if position["venue_position"].is_null() {
        return;
    }
    println!(
        "           {:20} {:>14}  in the account ({} at the start, {} foreign); \
         the venue says {}{}",
        "",
        word(&position["account_position"]),
        word(&position["position_at_start"]),
        word(&position["foreign"]),
        word(&position["venue_position"]),
        match &position["recon_break"] {
            Value::String(difference) => format!("  RECON_BREAK {difference}"),
            _ => String::new(),
        }
    );
}

fn print_database(database: &Value) {
    let mut line = word(&database["state"]).to_owned();
    if let Some(behind) = database["behind"].as_u64() {
        line.push_str(&format!(", {behind} entries behind"));
    }
    for key in ["reason", "unreadable"] {
        if let Some(text) = database[key].as_str() {
            line.push_str(&format!("; {text}"));
        }
    }
    println!("database   {line}");
}

/// The journal's health in the run that goes on, or in the last one.
fn print_health(status: &Value) {
    let health = &status["journal_health"];
    if health.is_null() {
        return;
    }
    let run = if health["pid"] == status["engine_pid"] {
        "this run"
    } else {
        "last run"
    };
    println!(
        "room       {} ({run}), {} bytes and {} segments ready",
        word(&health["room"]),
        health["remaining_bytes"],
        health["spare_segments"]
    );
    if health["syncs"] != 0 {
        println!(
            "loss       window of {run}: p50 {} us, p99 {} us, max {} us over {} syncs; now {}",
            health["loss_window_p50_us"],
            health["loss_window_p99_us"],
            health["loss_window_max_us"],
            health["syncs"],
            match &health["loss_window_now_us"] {
                Value::Null => "nothing waits".to_owned(),
                now => format!("{now} us"),
            }
        );
    }
    for (key, what) in [
        ("sync_failure", "JOURNAL_FAILED: a sync failed"),
        ("segment_failure", "the next segment cannot be made"),
    ] {
        if let Some(cause) = health[key].as_str() {
            println!("trouble    {what} in {run}: {cause}");
        }
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
