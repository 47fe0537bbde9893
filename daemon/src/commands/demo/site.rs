//! Where a demo lives: its directory, its configuration and its key file.

use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use venue_simulator::{AccountConfig, Instrument, default_instruments};

/// Swaps that the demo trades: enough for its rate, as the venue counts orders per instrument.
const INSTRUMENTS: usize = 8;

/// The demo's directory and what is in it.
pub(super) struct Site {
    pub(super) directory: PathBuf,
    is_kept: bool,
}

impl Site {
    /// Makes the directory: the given one, or a new one below the system's temporary directory.
    pub(super) fn new(keep: Option<&Path>) -> Result<Self> {
        let directory = match keep {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("millrun-demo-{}", std::process::id())),
        };
        if directory.join("data").exists() {
            anyhow::bail!(
                "{} holds a demo already: give another --keep",
                directory.display()
            );
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        Ok(Self {
            directory,
            is_kept: keep.is_some(),
        })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("millrun.toml")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.directory.join("data/journal")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("data/attach.sock")
    }

    pub(super) fn engine_log(&self) -> PathBuf {
        self.directory.join("engine.log")
    }

    pub(super) fn strategy_log(&self) -> PathBuf {
        self.directory.join("strategy.log")
    }

    pub(super) fn strategy_ledger(&self) -> PathBuf {
        self.directory.join("strategy-ledger.jsonl")
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.directory.join("simulator-ca.pem")
    }

    /// Writes configuration and key file for a simulator at `venue`.
    pub(super) fn write(&self, venue: SocketAddr, account: &AccountConfig) -> Result<()> {
        let keys = self.directory.join("okx.credentials");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&keys)?;
        writeln!(file, "api_key = \"{}\"", account.api_key)?;
        writeln!(file, "api_secret = \"{}\"", account.secret)?;
        writeln!(file, "passphrase = \"{}\"", account.passphrase)?;
        let text = self.config_text(venue);
        fs::write(self.config(), text).context("writing the demo's configuration")
    }

    fn config_text(&self, venue: SocketAddr) -> String {
        let directory = self.directory.display();
        let uid = rustix::process::geteuid().as_raw();
        let port = venue.port();
        let mut text = format!(
            r#"# Written by `millrun demo`.
[engine]
instance_tag = 7
order_capacity = 65536
execution_capacity = 262144
answer_window = 65536
terminal_keep_s = 600
max_request_age_ms = 5000
[data]
directory = "{directory}/data"
[journal]
mode = "process"
segment_mib = 16
allow_tmpfs = true
[hot]
idle = "park"
lock_memory = false
requests_per_turn = 16
[attach]
socket = "{directory}/data/attach.sock"
request_capacity = 1024
event_capacity = 16384
[venue.okx]
kind = "okx"
environment = "simulator"
rest_url = "https://localhost:{port}"
ws_url = "wss://localhost:{port}/ws/v5/private"
ca_file = "{directory}/simulator-ca.pem"
credentials_file = "{directory}/okx.credentials"
command_window_ms = 2000
settle_ms = 1000
command_timeout_ms = 1500
sweep_interval_s = 5
ask_interval_ms = 500
ask_attempts = 20
recon = true
recon_lookback_s = 60
heartbeat_ms = 10000
connect_timeout_ms = 5000
reconnect_base_ms = 50
reconnect_cap_ms = 1000
reconnects_per_minute = 60
[risk]
max_order_qty = "1000000"
max_order_notional = "100000000"
max_open_orders = 500
max_long = "100000000"
max_short = "100000000"
max_orders_per_s = 1000
[[strategy]]
name = "grid"
uid = {uid}
max_open_orders = 2000
max_orders_per_s = 1000
on_loss = "keep"
[log]
level = "info"
format = "text"
"#
        );
        for instrument in traded() {
            let symbol = &instrument.symbol;
            let _ = write!(
                text,
                "[[instrument]]\nvenue = \"okx\"\nsymbol = \"{symbol}\"\ntrade_mode = \"cross\"\n"
            );
        }
        text
    }

    /// Removes the directory, unless it was asked for.
    pub(super) fn clean_up(&self) {
        if !self.is_kept {
            // What cannot be removed is in the system's temporary directory, where it does no harm.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// The swaps that the demo trades.
pub(super) fn traded() -> Vec<Instrument> {
    let swaps = default_instruments()
        .into_iter()
        .filter(|it| it.symbol.ends_with("-SWAP"));
    swaps.take(INSTRUMENTS).collect()
}
