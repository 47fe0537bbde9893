//! Starting and stopping a simulator inside a process.
//!
//! Invariants: `start` returns once the port listens; `shutdown` writes the ledger. Threads: runs
//! on the caller's tokio runtime.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::SimulatorConfig;
use crate::faults::FaultRule;
use crate::okx::admin;
use crate::okx::rest_router::router;
use crate::okx::{Shared, run_timers};
use crate::witness::CommandWitness;
use crate::{ledger, market, server, tls};

/// Totals of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulatorStats {
    /// WebSocket connections opened.
    pub connections: u64,
    /// Successful logins.
    pub logins: u64,
    /// REST requests.
    pub rest_requests: u64,
    /// Legs of order operations received.
    pub legs_received: u64,
    /// New-order legs received.
    pub orders_received: u64,
    /// New orders accepted.
    pub orders_accepted: u64,
    /// New orders refused.
    pub orders_refused: u64,
    /// Cancel legs received.
    pub cancels_received: u64,
    /// Amend legs received.
    pub amends_received: u64,
    /// Fills of all accounts but the house.
    pub fills: u64,
    /// Orders accepted under a client order id that had been accepted before.
    pub client_order_ids_accepted_twice: u64,
    /// Commands judged by the witness.
    pub commands_checked: u64,
    /// Commands whose intent the witness did not find.
    pub witness_misses: u64,
    /// First witness misses, in words.
    pub witness_miss_details: Vec<String>,
    /// Requests refused by a rate limit.
    pub rate_limited: u64,
    /// Faults that struck.
    pub faults_struck: u64,
    /// Channel pushes queued.
    pub pushes: u64,
}

/// Makes simulators.
pub struct Simulator;

/// A simulator that is running. Dropping it stops it without writing the ledger.
pub struct Running {
    shared: Arc<Shared>,
    addr: SocketAddr,
    ca_pem_path: PathBuf,
    ca_pem: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator on the current tokio runtime.
    ///
    /// # Errors
    /// When the certificate cannot be made or written, or the address cannot be listened on.
    pub async fn start(config: SimulatorConfig) -> anyhow::Result<Running> {
        Self::start_with_witness(config, None).await
    }

    /// As [`Self::start`], with a judge of received commands.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with_witness(
        config: SimulatorConfig,
        witness: Option<Arc<dyn CommandWitness>>,
    ) -> anyhow::Result<Running> {
        let identity =
            tls::make_identity(&config.certificate_names, config.has_expired_certificate)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("listening on {}", config.listen))?;
        let addr = listener
            .local_addr()
            .context("reading the listening address")?;
        let ca_pem_path = config
            .ca_out
            .clone()
            .unwrap_or_else(|| default_ca_path(addr));
        tls::write_ca(&ca_pem_path, &identity.ca_pem)?;
        let allows_clear_text = config.allows_clear_text;
        let has_market = config.market.is_on;
        let shared = Arc::new(Shared::new(config, witness));
        let acceptor = TlsAcceptor::from(identity.tls);
        let mut tasks = vec![
            tokio::spawn(server::accept_loop(
                listener,
                acceptor,
                router(Arc::clone(&shared)),
                allows_clear_text,
            )),
            tokio::spawn(run_timers(Arc::clone(&shared))),
        ];
        if has_market {
            tasks.push(tokio::spawn(market::run_market(Arc::clone(&shared))));
        }
        Ok(Running {
            shared,
            addr,
            ca_pem_path,
            ca_pem: identity.ca_pem,
            tasks,
        })
    }

    /// Starts a simulator on a runtime of its own with one worker thread.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_blocking(
        config: SimulatorConfig,
        witness: Option<Arc<dyn CommandWitness>>,
    ) -> anyhow::Result<OwnedSimulator> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("starting the simulator's runtime")?;
        let running = runtime.block_on(Self::start_with_witness(config, witness))?;
        Ok(OwnedSimulator {
            running: Some(running),
            _runtime: runtime,
        })
    }
}

/// A simulator with a runtime of its own, for callers that are not async. Use it and drop it
/// outside of async code only.
pub struct OwnedSimulator {
    running: Option<Running>,
    // Dropped after the simulator it carries.
    _runtime: tokio::runtime::Runtime,
}

impl OwnedSimulator {
    /// Stops the simulator as [`Running::shutdown`] does.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn shutdown(mut self) -> anyhow::Result<SimulatorStats> {
        self.running
            .take()
            .context("the simulator was stopped before")?
            .shutdown()
    }
}

impl std::ops::Deref for OwnedSimulator {
    type Target = Running;

    fn deref(&self) -> &Running {
        self.running
            .as_ref()
            .expect("only shutdown takes it, and consumes the owner")
    }
}

fn default_ca_path(addr: SocketAddr) -> PathBuf {
    let name = format!(
        "venue-simulator-ca-{}-{}.pem",
        std::process::id(),
        addr.port()
    );
    std::env::temp_dir().join(name)
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// File with the certificate authority (PEM).
    #[must_use]
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca_pem_path
    }

    /// The certificate authority (PEM).
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Arms a fault and returns its id.
    pub fn arm(&self, rule: FaultRule) -> u64 {
        self.shared.faults().arm(rule)
    }

    /// Removes all armed faults.
    pub fn disarm_all(&self) {
        self.shared.faults().disarm(None);
    }

    /// Breaks all WebSocket connections of an account, or of all, without a close.
    pub fn cut_connections(&self, api_key: Option<&str>) {
        let account = api_key.and_then(|key| self.shared.account_by_key(key));
        let venue = self.shared.venue();
        for id in venue.hub.ids_of(account) {
            if let Some(connection) = venue.hub.connections.get(&id) {
                connection.link.cut();
            }
        }
    }

    /// Does something as the venue itself, as `POST /sim/act` does: `{"act":"disconnect"}`,
    /// `disconnect_at_byte`, `stall`, `service_notice`, `close`, `inject`, `clock_skew`, `place`,
    /// `cancel`, `fill`, `cash`, `instrument`.
    ///
    /// # Errors
    /// When the act is not known, or cannot be done; the text says why.
    pub fn act(&self, act: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
        admin::act(&self.shared, act).map_err(anyhow::Error::msg)
    }

    /// Sets the venue clock's distance from real time in milliseconds.
    pub fn set_clock_skew_ms(&self, skew_ms: i64) {
        self.shared.clock.set_skew_ms(skew_ms);
    }

    /// Ledger lines (JSON) of an account; empty for an unknown key.
    #[must_use]
    pub fn ledger(&self, api_key: &str) -> Vec<String> {
        match self.shared.account_by_key(api_key) {
            Some(account) => ledger::account_lines(&self.shared, &self.shared.venue(), account),
            None => Vec::new(),
        }
    }

    /// Totals so far.
    #[must_use]
    pub fn stats(&self) -> SimulatorStats {
        stats_of(&self.shared)
    }

    /// Stops, writes the ledger if one was asked for, and returns the totals.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn shutdown(self) -> anyhow::Result<SimulatorStats> {
        for task in &self.tasks {
            task.abort();
        }
        self.cut_connections(None);
        if let Some(path) = &self.shared.config.ledger {
            ledger::write(&self.shared, path)?;
        }
        Ok(stats_of(&self.shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Totals of a venue.
pub(crate) fn stats_of(shared: &Shared) -> SimulatorStats {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &shared.counters;
    let (fills, repeated, rate_limited) = {
        let venue = shared.venue();
        let accounts = 0..shared.config.accounts.len();
        let fills = accounts
            .map(|index| venue.exchange.executions_of(index).len() as u64)
            .sum();
        (fills, venue.exchange.repeated_accepts, venue.limits.refused)
    };
    SimulatorStats {
        connections: read(&counters.connections),
        logins: read(&counters.logins),
        rest_requests: read(&counters.rest_requests),
        legs_received: read(&counters.legs_received),
        orders_received: read(&counters.orders_received),
        orders_accepted: read(&counters.orders_accepted),
        orders_refused: read(&counters.orders_refused),
        cancels_received: read(&counters.cancels_received),
        amends_received: read(&counters.amends_received),
        fills,
        client_order_ids_accepted_twice: repeated,
        commands_checked: read(&counters.commands_checked),
        witness_misses: read(&counters.witness_misses),
        witness_miss_details: shared.miss_details(),
        rate_limited,
        faults_struck: shared.faults().struck,
        pushes: read(&counters.pushes),
    }
}
