//! Where a demo lives: its directory, its configuration and its key file.

use anyhow::{Context, Result};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use venue_simulator::{AccountConfig, Instrument, default_instruments};

/// Swaps that the demo trades: enough for its rate, as the venue counts orders per instrument.
const INSTRUMENTS: usize = 8;

/// The demo's configuration, with places for what is known only when it runs.
const CONFIG_TEMPLATE: &str = include_str!("millrun.toml.template");

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
        let uid = rustix::process::geteuid().as_raw();
        let mut text = CONFIG_TEMPLATE
            .replace("@DIRECTORY@", &self.directory.display().to_string())
            .replace("@PORT@", &venue.port().to_string())
            .replace("@UID@", &uid.to_string());
        for instrument in traded() {
            let symbol = &instrument.symbol;
            text.push_str("[[instrument]]\nvenue = \"okx\"\ntrade_mode = \"cross\"\n");
            text.push_str(&format!("symbol = \"{symbol}\"\n"));
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
