//! The run of a demo: who is started when, when the engine is killed, when it is over.

use super::DemoArgs;
use super::reexecution::{Reexecuted, Reexecution};
use super::site::{Site, traded};
use super::strategy_ledger;
use super::verdict::Verdict;
use crate::journal_witness::JournalWitness;
use crate::ledger::{Ledger, compare};
use crate::recovery::fold;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use latency_report::{Report, Selection, collect};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use venue_simulator::{AccountConfig, BackgroundMarket, Running, Simulator, SimulatorConfig};

/// Between two looks at the run.
const PAUSE: Duration = Duration::from_millis(20);
/// An engine that is not open after this long has failed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// After the strategy's end, open questions must be settled within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// One run.
pub(super) struct Rehearsal<'a> {
    arguments: &'a DemoArgs,
    site: Site,
    runtime: Runtime,
}

/// The engine's process and what it prints.
struct EngineProcess {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        // A demo that fails half-way leaves no engine behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Rehearsal<'a> {
    pub(super) fn new(arguments: &'a DemoArgs) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("starting the simulator's runtime")?;
        Ok(Self {
            arguments,
            site: Site::new(arguments.keep.as_deref())?,
            runtime,
        })
    }

    pub(super) fn run(self) -> Result<Verdict> {
        let account = AccountConfig::numbered(1);
        let simulator = self.start_simulator(&account)?;
        self.site.write(simulator.addr(), &account)?;
        println!(
            "simulator at {} (TLS), files in {}",
            simulator.addr(),
            self.site.directory.display()
        );
        let result = self.trade(&simulator, &account);
        match &result {
            Ok(verdict) if verdict.is_ok() => self.site.clean_up(),
            Ok(_) | Err(_) => println!(
                "logs and journal are kept in {}",
                self.site.directory.display()
            ),
        }
        result
    }

    fn start_simulator(&self, account: &AccountConfig) -> Result<Running> {
        let config = SimulatorConfig {
            seed: self.arguments.seed,
            accounts: vec![account.clone()],
            market: BackgroundMarket {
                symbols: traded()
                    .into_iter()
                    .map(|instrument| instrument.symbol)
                    .collect(),
                ..BackgroundMarket::default()
            },
            ca_out: Some(self.site.ca()),
            ..SimulatorConfig::default()
        };
        let witness = Arc::new(JournalWitness::new(self.site.journal()));
        self.runtime
            .block_on(Simulator::start_with_witness(config, Some(witness)))
    }

    fn trade(&self, simulator: &Running, account: &AccountConfig) -> Result<Verdict> {
        let began = Instant::now();
        let give_up = Duration::from_secs(self.arguments.give_up_s);
        let mut engine = self.start_engine()?;
        engine
            .wait_ready(READY_WITHIN)
            .context("the engine's first start")?;
        let mut strategy = self.start_strategy()?;
        let progress = progress(self.arguments.orders);
        let mut recover_ms = Vec::new();
        let mut reexecution = Reexecution::new(&self.site.journal());
        let mut kills = 0;
        let status = loop {
            let stats = simulator.stats();
            progress.set_position(stats.orders_accepted.min(self.arguments.orders));
            progress.set_message(format!("{} fills, {kills} kills", stats.fills));
            if let Some(status) = strategy.try_wait().context("watching the strategy")? {
                break status;
            }
            if kills < self.arguments.kills && stats.orders_accepted >= self.kill_at(kills) {
                let killed_at = Instant::now();
                engine.kill()?;
                drop(engine);
                engine = self.start_engine()?;
                engine
                    .wait_ready(READY_WITHIN)
                    .context("the engine's start after a kill")?;
                recover_ms.push(killed_at.elapsed().as_millis());
                kills += 1;
                reexecution.round()?;
            }
            if engine
                .child
                .try_wait()
                .context("watching the engine")?
                .is_some()
            {
                let _ = strategy.kill();
                bail!(
                    "the engine ended by itself: see {}",
                    self.site.engine_log().display()
                );
            }
            if began.elapsed() > give_up {
                let _ = strategy.kill();
                bail!(
                    "no end after {} s: see {}",
                    give_up.as_secs(),
                    self.site.strategy_log().display()
                );
            }
            std::thread::sleep(PAUSE);
        };
        progress.finish_and_clear();
        let left_open = self.wait_settled()?;
        let stopped = engine.stop()?;
        self.judge(
            simulator,
            account,
            Outcome {
                kills,
                recover_ms,
                status,
                stopped,
                left_open,
                reexecuted: reexecution.finish()?,
            },
        )
    }

    /// The order count at which the engine is killed for the `kill`-th time: spread over the run,
    /// each moved a little by the seed.
    fn kill_at(&self, kill: u32) -> u64 {
        let step = self.arguments.orders / u64::from(self.arguments.kills + 1);
        let jitter = self
            .arguments
            .seed
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(u64::from(kill) * 7919);
        step * u64::from(kill + 1) + jitter % (step / 2).max(1)
    }

    fn judge(
        &self,
        simulator: &Running,
        account: &AccountConfig,
        outcome: Outcome,
    ) -> Result<Verdict> {
        let ours = Ledger::of_journal(&self.site.journal())?;
        let venue = Ledger::of_simulator(&simulator.ledger(&account.api_key))?;
        let mut problems = Vec::new();
        if !outcome.status.success() {
            let log = self.site.strategy_log();
            problems.push(format!(
                "the strategy ended with {}: see {}",
                outcome.status,
                log.display()
            ));
        }
        if !outcome.stopped.success() {
            let log = self.site.engine_log();
            problems.push(format!(
                "the engine ended with {}: see {}",
                outcome.stopped,
                log.display()
            ));
        }
        let orders = venue.orders.len() as u64;
        Ok(Verdict {
            orders,
            fills: venue.fills.len() as u64,
            wanted_orders: self.arguments.orders,
            kills: outcome.kills,
            wanted_kills: self.arguments.kills,
            recover_ms: outcome.recover_ms,
            journal_differences: compare(&ours, &venue),
            strategy_differences: strategy_ledger::compare(&self.site.strategy_ledger(), &venue)?,
            stats: simulator.stats(),
            left_open: outcome.left_open,
            reexecuted: outcome.reexecuted,
            latency: latency(&self.site.journal(), &mut problems),
            problems,
        })
    }

    fn start_engine(&self) -> Result<EngineProcess> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.site.engine_log())?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["start", "--print-ready", "--cancel-on-stop", "--config"])
            .arg(self.site.config())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("starting the engine")?;
        let out = child.stdout.take().context("the engine's output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(EngineProcess { child, lines })
    }

    fn start_strategy(&self) -> Result<Child> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.site.strategy_log())?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["strategy", "grid", "--strategy", "grid", "--socket"])
            .arg(self.site.socket());
        command.args(["--orders", &self.arguments.orders.to_string()]);
        command.args(["--seed", &self.arguments.seed.to_string(), "--ledger"]);
        command.arg(self.site.strategy_ledger());
        command.args(["--max-seconds", &self.arguments.give_up_s.to_string()]);
        for instrument in traded() {
            command.args(["--symbol", &instrument.symbol, "--center"]);
            command.arg(format!(
                "{}={}",
                instrument.symbol,
                instrument.initial_price.normalize()
            ));
        }
        let error_log = log.try_clone().context("sharing the strategy's log")?;
        command.stdin(Stdio::null()).stdout(log).stderr(error_log);
        command.spawn().context("starting the strategy")
    }

    /// Waits until the journal has no open and no unknown order; how many are left.
    fn wait_settled(&self) -> Result<u64> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let folded = fold(&self.site.journal(), |_| {})?;
            let open = folded
                .engine
                .map_or(0, |engine| engine.state().orders.open_count());
            if open == 0 || Instant::now() > deadline {
                return Ok(u64::from(open));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// How the processes of a run ended.
struct Outcome {
    kills: u32,
    recover_ms: Vec<u128>,
    status: ExitStatus,
    stopped: ExitStatus,
    left_open: u64,
    reexecuted: Reexecuted,
}

impl EngineProcess {
    /// Waits for the line that says that every venue is open.
    fn wait_ready(&mut self, within: Duration) -> Result<()> {
        match self.lines.recv_timeout(within) {
            Ok(line) if line.starts_with("ready ") => Ok(()),
            Ok(line) => bail!("the engine printed {line:?} instead of ready"),
            Err(_) => bail!("the engine was not open within {} s", within.as_secs()),
        }
    }

    /// SIGKILL: nothing can be flushed, said or put in order.
    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the engine")?;
        self.child.wait().context("waiting for the killed engine")?;
        Ok(())
    }

    /// SIGTERM, and the exit status.
    fn stop(&mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("the engine's process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("stopping the engine")?;
        self.child.wait().context("waiting for the engine's end")
    }
}

fn progress(orders: u64) -> ProgressBar {
    let bar = ProgressBar::new(orders);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} orders, {msg}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// The stages' figures of all runs. A demo without them has not shown what it promises.
fn latency(journal: &Path, problems: &mut Vec<String>) -> Option<Report> {
    match collect(journal, &Selection::default(), |_, _| {}) {
        Ok(collected) => Some(Report::new(collected)),
        Err(error) => {
            problems.push(format!("no latency report: {error}"));
            None
        }
    }
}
