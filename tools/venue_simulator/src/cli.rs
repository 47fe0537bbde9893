//! The command line of the simulator, for its own binary and for `millrun simulate`.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use serde_json::json;

use crate::config::{AccountConfig, SimulatorConfig};
use crate::faults::FaultRule;
use crate::simulator::Simulator;
use crate::witness::CommandWitness;

/// Venues that can be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum VenueName {
    /// OKX API v5.
    Okx,
}

/// A wire-true simulator of a trading venue.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// Venue to simulate.
    #[arg(long, value_enum, default_value = "okx")]
    venue: VenueName,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Seed of the background market and of random faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of standard accounts.
    #[arg(long, default_value_t = 2)]
    accounts: u32,
    /// Write the accounts' keys here (JSON).
    #[arg(long)]
    accounts_out: Option<PathBuf>,
    /// Write the certificate authority here (PEM).
    #[arg(long)]
    ca_out: Option<PathBuf>,
    /// Write the ledger here at shutdown (JSON lines).
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Print `ready addr=… ca=…` once the port listens.
    #[arg(long)]
    print_ready: bool,
    /// No background market.
    #[arg(long)]
    no_market: bool,
    /// Market steps per second and instrument.
    #[arg(long, default_value_t = 10)]
    market_rate: u32,
    /// No request limits.
    #[arg(long)]
    no_limits: bool,
    /// Delay of acks in milliseconds.
    #[arg(long, default_value_t = 0)]
    ack_delay_ms: u64,
    /// Delay of pushes in milliseconds.
    #[arg(long, default_value_t = 0)]
    push_delay_ms: u64,
    /// Take `instId` instead of `instIdCode` on the WebSocket.
    #[arg(long)]
    allow_inst_id: bool,
    /// Serve clear text on the same port too.
    #[arg(long)]
    allow_clear_text: bool,
    /// File with an array of fault rules (JSON).
    #[arg(long)]
    faults: Option<PathBuf>,
    /// Stop after so many seconds; without it, at SIGINT or SIGTERM.
    #[arg(long)]
    run_seconds: Option<u64>,
}

/// Runs a simulator as the command line says, until a signal or `--run-seconds`. The first item of
/// `arguments` is the program's name.
///
/// Prints totals as one JSON line on standard output at the end.
///
/// # Errors
/// When the simulator cannot start or its files cannot be written. Wrong arguments end the process.
pub fn run_cli<I, T>(arguments: I, witness: Option<Arc<dyn CommandWitness>>) -> anyhow::Result<()>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let arguments = Arguments::parse_from(arguments);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(run(arguments, witness))
}

async fn run(arguments: Arguments, witness: Option<Arc<dyn CommandWitness>>) -> anyhow::Result<()> {
    let config = config_of(&arguments)?;
    if let Some(path) = &arguments.accounts_out {
        write_accounts(path, &config.accounts)?;
    }
    let running = match arguments.venue {
        VenueName::Okx => Simulator::start_with_witness(config, witness).await?,
    };
    if arguments.print_ready {
        let mut out = std::io::stdout();
        writeln!(
            out,
            "ready addr={} ca={}",
            running.addr(),
            running.ca_pem_path().display()
        )
        .context("printing the ready line")?;
        out.flush().context("printing the ready line")?;
    }
    wait_for_end(arguments.run_seconds).await?;
    let stats = running.shutdown()?;
    let line = serde_json::to_string(&stats).context("writing the totals")?;
    writeln!(std::io::stdout(), "{line}").context("printing the totals")
}

fn config_of(arguments: &Arguments) -> anyhow::Result<SimulatorConfig> {
    let mut config = SimulatorConfig {
        listen: arguments.listen,
        seed: arguments.seed,
        accounts: (1..=arguments.accounts)
            .map(AccountConfig::numbered)
            .collect(),
        ack_delay: Duration::from_millis(arguments.ack_delay_ms),
        push_delay: Duration::from_millis(arguments.push_delay_ms),
        allows_instrument_name: arguments.allow_inst_id,
        allows_clear_text: arguments.allow_clear_text,
        ca_out: arguments.ca_out.clone(),
        ledger: arguments.ledger.clone(),
        ..SimulatorConfig::default()
    };
    config.market.is_on = !arguments.no_market;
    config.market.steps_per_second = arguments.market_rate;
    config.limits.is_on = !arguments.no_limits;
    if let Some(path) = &arguments.faults {
        let describe = || format!("reading fault rules from {}", path.display());
        let text = std::fs::read_to_string(path).with_context(describe)?;
        config.faults = serde_json::from_str::<Vec<FaultRule>>(&text).with_context(describe)?;
    }
    Ok(config)
}

fn write_accounts(path: &std::path::Path, accounts: &[AccountConfig]) -> anyhow::Result<()> {
    let keys: Vec<_> = accounts
        .iter()
        .map(|account| {
            json!({
                "apiKey": account.api_key,
                "secret": account.secret,
                "passphrase": account.passphrase,
            })
        })
        .collect();
    std::fs::write(path, json!(keys).to_string())
        .with_context(|| format!("writing the accounts to {}", path.display()))
}

async fn wait_for_end(run_seconds: Option<u64>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let limit = async {
        match run_seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = limit => {}
    }
    Ok(())
}
