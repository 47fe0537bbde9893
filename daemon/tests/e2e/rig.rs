//! What a test stands on: a simulator with TLS, a directory with configuration and key, engines.
//!
//! The market is off: the books hold only what the test and the engine put there. Account 1 is the
//! engine's, account 2 the test's counterparty.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun::ledger::{Ledger, compare};
use millrun_client::Resume;
use serde_json::{Value, json};
use tempfile::TempDir;
use venue_simulator::{
    AccountConfig, BackgroundMarket, CommandWitness, OwnedSimulator, Simulator, SimulatorConfig,
};

use crate::engine_process::{EngineProcess, PATIENCE};
use crate::trader::Trader;

/// What the tests trade: ticks of 0.1, lots of 0.01, price band 60 800 to 67 200.
pub(crate) const SWAP: &str = "BTC-USDT-SWAP";

/// A site with a running venue.
pub(crate) struct Rig {
    pub(crate) venue: OwnedSimulator,
    directory: TempDir,
}

impl Rig {
    /// A venue without faults.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A venue that `change` has shaped.
    pub(crate) fn with(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        Self::witnessed(change, |_| None)
    }

    /// A venue that shows every command to the witness that `witness` makes for the journal there.
    pub(crate) fn witnessed(
        change: impl FnOnce(&mut SimulatorConfig),
        witness: impl FnOnce(PathBuf) -> Option<Arc<dyn CommandWitness>>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = SimulatorConfig {
            market: BackgroundMarket {
                is_on: false,
                ..BackgroundMarket::default()
            },
            ca_out: Some(directory.path().join("ca.pem")),
            ..SimulatorConfig::default()
        };
        change(&mut config);
        let witness = witness(directory.path().join("data/journal"));
        let venue = Simulator::start_blocking(config, witness).unwrap();
        let rig = Self { venue, directory };
        rig.write_keys(0o600);
        rig.write_config(|text| text);
        rig
    }

    /// A path in the site.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("millrun.toml")
    }

    /// Where the journal lies.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path("data/journal")
    }

    /// Writes the key file with this mode.
    pub(crate) fn write_keys(&self, mode: u32) {
        let path = self.path("okx.credentials");
        let _ = fs::remove_file(&path);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
            .unwrap();
        let account = AccountConfig::numbered(1);
        writeln!(file, "api_key = \"{}\"", account.api_key).unwrap();
        writeln!(file, "api_secret = \"{}\"", account.secret).unwrap();
        writeln!(file, "passphrase = \"{}\"", account.passphrase).unwrap();
    }

    /// Writes the configuration as `edit` leaves it.
    pub(crate) fn write_config(&self, edit: impl FnOnce(String) -> String) {
        let port = self.venue.addr().port();
        let uid = rustix::process::geteuid().as_raw();
        let text = format!(
            r#"[engine]
instance_tag = 7
max_request_age_ms = 10000
order_capacity = 4096
execution_capacity = 16384
answer_window = 4096
[data]
directory = "data"
[journal]
mode = "process"
segment_mib = 4
allow_tmpfs = true
[hot]
idle = "park"
[attach]
request_capacity = 256
event_capacity = 4096
[venue.okx]
kind = "okx"
environment = "simulator"
rest_url = "https://localhost:{port}"
ws_url = "wss://localhost:{port}/ws/v5/private"
ca_file = "ca.pem"
credentials_file = "okx.credentials"
command_window_ms = 1000
settle_ms = 300
command_timeout_ms = 400
sweep_interval_s = 60
ask_interval_ms = 200
ask_attempts = 20
recon_lookback_s = 60
heartbeat_ms = 500
connect_timeout_ms = 5000
reconnect_base_ms = 20
reconnect_cap_ms = 200
reconnects_per_minute = 60
[risk]
max_order_qty = "1000"
max_order_notional = "10000000"
max_open_orders = 2000
max_long = "100000"
max_short = "100000"
max_orders_per_s = 1000
[[instrument]]
venue = "okx"
symbol = "{SWAP}"
trade_mode = "cross"
[[strategy]]
name = "grid"
uid = {uid}
max_open_orders = 2000
max_orders_per_s = 1000
on_loss = "keep"
[[strategy]]
name = "second"
uid = {uid}
max_open_orders = 2000
max_orders_per_s = 1000
on_loss = "cancel_all"
[log]
level = "info"
format = "text"
"#
        );
        fs::write(self.config(), edit(text)).unwrap();
    }

    /// Starts an engine and waits until it is open.
    pub(crate) fn start(&self) -> EngineProcess {
        let engine = self.spawn();
        engine.wait_ready();
        engine
    }

    /// Starts an engine.
    pub(crate) fn spawn(&self) -> EngineProcess {
        EngineProcess::spawn(&self.config(), &[])
    }

    /// Runs `millrun` with these arguments and the site's configuration to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_millrun"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output()
            .unwrap()
    }

    /// Attaches as a strategy that has seen nothing yet.
    pub(crate) fn attach(&self, strategy: &str) -> Trader {
        Trader::attach(&self.path("data/attach.sock"), strategy, Resume::FROM_START)
    }

    /// Arms a fault, written as `{"fault": …, "when": …}`.
    pub(crate) fn arm(&self, rule: Value) {
        self.venue.arm(serde_json::from_value(rule).unwrap());
    }

    /// Has the venue do something of itself.
    pub(crate) fn act(&self, act: Value) -> Value {
        self.venue.act(&act).unwrap()
    }

    /// The counterparty places a limit order.
    pub(crate) fn counterparty(&self, side: &str, quantity: &str, price: &str) {
        self.act(
            json!({"act": "place", "api_key": AccountConfig::numbered(2).api_key,
            "order": {"instId": SWAP, "tdMode": "cross", "side": side, "ordType": "limit",
                "px": price, "sz": quantity}}),
        );
    }

    /// The venue's line of an order, by our id.
    pub(crate) fn venue_order(&self, client_order_id: impl ToString) -> Option<Value> {
        let id = client_order_id.to_string();
        let lines = self.venue.ledger(&AccountConfig::numbered(1).api_key);
        let lines = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut orders = lines.filter(|line| line["kind"] == "order");
        orders.find(|line| line["clOrdId"] == id.as_str())
    }

    /// Waits until journal and venue hold the same orders and the same executions, each once.
    pub(crate) fn ledgers_agree(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ours = Ledger::of_journal(&self.journal()).unwrap();
            let lines = self.venue.ledger(&AccountConfig::numbered(1).api_key);
            let venue = Ledger::of_simulator(&lines).unwrap();
            let differences = compare(&ours, &venue);
            if differences.is_equal() {
                return;
            }
            assert!(Instant::now() < deadline, "{:#?}", differences.details);
            // The journal is written by another process: there is nothing to wait on.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `holds` is true of the venue's totals.
    pub(crate) fn wait_stats(&self, holds: impl Fn(&venue_simulator::SimulatorStats) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.venue.stats()) {
            assert!(Instant::now() < deadline, "{:#?}", self.venue.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
