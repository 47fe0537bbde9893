//! The command line: what `millrun` can be told, and the exit codes that scripts match on.

use crate::commands::{
    check_config, db, demo, export_sqlite, kill, latency, order, rearm, start, status,
};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Everything that a command can end with. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and everything agrees.
    Ok = 0,
    /// Failed; the message says what to do.
    Failed = 1,
    /// The configuration or a key file was refused.
    Config = 3,
    /// Another engine owns the data directory.
    AlreadyRunning = 4,
    /// The journal is damaged, foreign or full.
    Journal = 5,
    /// The engine refused the request.
    Refused = 6,
    /// A sync of the journal failed while the engine ran.
    SyncFailed = 8,
    /// The kill latch is closed, but not everything under it has ended.
    Incomplete = 9,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // Every number is below 256.
        Self::from(exit as u8)
    }
}

/// A journaled, low-latency order management engine.
#[derive(Debug, Parser)]
#[command(name = "millrun", version, about, after_help = EXAMPLES)]
struct Millrun {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  millrun demo                                 trade on the simulator, kill, recover, compare
  millrun check-config --config millrun.toml   every error of a configuration at once
  millrun start --config millrun.toml          run the engine
  millrun status --config millrun.toml         what the journal says, engine on or off
  millrun kill --config millrun.toml           stop everything new, cancel everything open
  millrun order list --config millrun.toml     open orders
  millrun db rebuild --config millrun.toml     the database, made anew from the journal
  millrun replay --dir data/journal --from 1   the journal, entry by entry
  millrun explain 504403158265495553           one order's whole story
  millrun latency --config millrun.toml        percentiles of every stage
  millrun replay --verify                      the engine over its journal again, compared

Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 configuration or key file refused;
4 already running; 5 journal damaged, foreign or full; 6 request refused by the engine;
7 re-execution differs from the journal; 8 a sync of the journal failed while the engine ran;
9 killed, but orders are still open.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Trade on the simulator over TLS, kill the engine with SIGKILL on the way, compare all
    /// ledgers.
    Demo(demo::DemoArgs),
    /// Run the engine until a signal stops it.
    Start(start::StartArgs),
    /// Check a configuration and its key files; print what would be in force.
    CheckConfig(check_config::CheckConfigArgs),
    /// What the journal says: venues, positions, open and unknown orders. Works with the engine
    /// off.
    Status(status::StatusArgs),
    /// Close the kill latch: nothing new goes out, everything open is cancelled.
    Kill(kill::KillArgs),
    /// Open a kill latch again.
    Rearm(rearm::RearmArgs),
    /// Place, cancel and list orders from the command line.
    Order(order::OrderArgs),
    /// The database that the journal is projected into: status, rebuild, migrate.
    Db(db::DbArgs),
    /// Run a venue simulator (see `millrun simulate --help`).
    #[command(disable_help_flag = true)]
    Simulate(Forwarded),
    /// Print, filter, follow and re-execute a journal.
    Replay(replay::ReplayArgs),
    /// The whole story of one order, from the journal alone.
    Explain(replay::ExplainArgs),
    /// Percentiles of every stage, made of the journal: table, histograms, plot. Engine on or off.
    Latency(latency::LatencyCommand),
    /// Run an example strategy in this process.
    #[command(subcommand)]
    Strategy(Strategy),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// The example strategies.
#[derive(Debug, Subcommand)]
enum Strategy {
    /// Quotes a grid around a price and renews it all the time.
    Grid(strategy_example::GridArguments),
}

/// Arguments that another program of this binary reads by itself.
#[derive(Debug, Args)]
struct Forwarded {
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The configuration file, as every command takes it.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(
        long,
        default_value = "millrun.toml",
        env = "MILLRUN_CONFIG_FILE",
        global = true
    )]
    pub config: PathBuf,
}

/// Runs a command and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let millrun = Millrun::parse_from(arguments);
    let result = match millrun.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Start(arguments) => start::run(&arguments),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Kill(arguments) => kill::run(&arguments),
        Command::Rearm(arguments) => rearm::run(&arguments),
        Command::Order(arguments) => order::run(&arguments),
        Command::Db(arguments) => db::run(&arguments),
        Command::Simulate(forwarded) => {
            let arguments = named("millrun simulate", forwarded);
            venue_simulator::run_cli(arguments, None).map(|()| Exit::Ok)
        }
        Command::Replay(arguments) => match (arguments.export, &arguments.out) {
            (Some(replay::ExportFormat::Sqlite), Some(out)) => export_sqlite::run(&arguments, out),
            _ => return replay::run_cli(&arguments),
        },
        Command::Explain(arguments) => return replay::run_explain(&arguments),
        Command::Latency(arguments) => return latency::run(&arguments),
        Command::Strategy(Strategy::Grid(arguments)) => {
            strategy_example::run_grid(&arguments).map(|()| Exit::Ok)
        }
        Command::Completions { shell } => {
            let mut command = Millrun::command();
            clap_complete::generate(shell, &mut command, "millrun", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
    };
    let exit = result.unwrap_or_else(|error| {
        eprintln!("millrun: {error:#}");
        exit_of(&error)
    });
    exit.into()
}

fn named(name: &str, forwarded: Forwarded) -> Vec<OsString> {
    std::iter::once(OsString::from(name))
        .chain(forwarded.arguments)
        .collect()
}

/// The exit code of an error, by what is at the bottom of it.
fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if cause.is::<crate::config::ConfigErrors>()
            || cause.is::<crate::secrets::CredentialsError>()
        {
            return Exit::Config;
        }
        if let Some(error) = cause.downcast_ref::<journal::JournalError>() {
            return if error.code() == "ALREADY_RUNNING" {
                Exit::AlreadyRunning
            } else {
                Exit::Journal
            };
        }
        if cause.is::<crate::journal_port::NoRoom>() {
            return Exit::Journal;
        }
    }
    Exit::Failed
}
