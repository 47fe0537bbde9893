//! The watch over the journal's health: says what an operator must know, and keeps the figures of
//! the run in a file that `millrun status` shows.
//!
//! Owns: `<data.directory>/journal-health.json`, replaced whole. Invariants: it only reads what the
//! hot thread and the keeper publish; nobody waits for it; each trouble is said once when it begins
//! and once when it is over. Threads: one of its own.

use crate::clock::monotonic_now;
use crate::journal_gauge::{JournalGauge, JournalLevel, cause_of};
use crate::journal_port::JournalRules;
use anyhow::{Context, Result};
use journal::Progress;
use model::MonotonicNs;
use model::time::NS_PER_MS;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two writes of the file.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// What is watched.
#[derive(Clone)]
pub struct Watched {
    /// What the keeper publishes.
    pub progress: Arc<Progress>,
    /// What the hot thread publishes.
    pub gauge: Arc<JournalGauge>,
    /// What was promised.
    pub rules: JournalRules,
    /// Where the file lies.
    pub file: PathBuf,
}

/// The watch's thread.
pub struct JournalWatch {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// Where the figures of a data directory's run are.
pub fn health_file(data_directory: &Path) -> PathBuf {
    data_directory.join("journal-health.json")
}

impl JournalWatch {
    /// Starts the watch.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(watched: Watched) -> Result<Self> {
        say_promise(&watched.rules);
        let (stop, stopped) = channel();
        let body = move || {
            let mut watch = Watch::new(watched);
            loop {
                watch.look();
                match stopped.recv_timeout(LOOK_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            watch.finish();
        };
        let thread = std::thread::Builder::new().name("journal-watch".to_owned());
        let thread = thread.spawn(body).context("starting the journal's watch")?;
        Ok(Self { stop, thread })
    }

    /// A last look, the figures of the run into the log, and the end.
    pub fn stop(self) {
        // A watch that ended already is told nothing.
        let _gone = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the journal's watch ended by a panic; the journal is whole");
        }
    }
}

fn say_promise(rules: &JournalRules) {
    let max_ms = rules.loss_window_max_ns / NS_PER_MS;
    match rules.mode {
        journal::Mode::Process => tracing::info!(
            "journal mode process: survives the death of the process; power loss may take the end \
             of the journal"
        ),
        journal::Mode::Group => tracing::info!(
            max_ms,
            "journal mode group: power loss may take what is not synced yet; the aim is 1 ms and \
             one sync; above max_ms new orders are refused"
        ),
        journal::Mode::Strict => tracing::info!(
            max_ms,
            "journal mode strict: no order is sent before it is on the disk; above max_ms new \
             orders are refused"
        ),
    }
}

struct Watch {
    watched: Watched,
    written_at: Option<Instant>,
    level: JournalLevel,
    prepare_errno: Option<i32>,
    is_late: bool,
    has_failed: bool,
    cannot_write: bool,
}

impl Watch {
    fn new(watched: Watched) -> Self {
        Self {
            watched,
            written_at: None,
            level: JournalLevel::Ample,
            prepare_errno: None,
            is_late: false,
            has_failed: false,
            cannot_write: false,
        }
    }

    fn look(&mut self) {
        let before = (
            self.has_failed,
            self.prepare_errno,
            self.level,
            self.is_late,
        );
        self.say_failure();
        self.say_room();
        self.say_window();
        let has_changed = before
            != (
                self.has_failed,
                self.prepare_errno,
                self.level,
                self.is_late,
            );
        if has_changed || self.written_at.is_none_or(|at| at.elapsed() >= WRITE_EVERY) {
            self.written_at = Some(Instant::now());
            self.write();
        }
    }

    fn finish(&mut self) {
        self.say_failure();
        self.write();
        let figures = self.watched.progress.loss_window();
        if figures.passes > 0 {
            tracing::info!(
                syncs = figures.passes,
                p50_us = figures.p50_ns / 1_000,
                p99_us = figures.p99_ns / 1_000,
                max_us = figures.max_ns / 1_000,
                "loss window of this run"
            );
        }
    }

    fn say_failure(&mut self) {
        let failure = self.watched.progress.sync_failure();
        let Some(errno) = failure.filter(|_| !self.has_failed) else {
            return;
        };
        self.has_failed = true;
        self.write();
        let cause = cause_of(errno);
        let synced = self.watched.progress.synced_sequence();
        tracing::error!(
            synced,
            "JOURNAL_FAILED: a sync of the journal failed ({cause}), which is final: HALTED, no \
             new orders; cancels and fills go on. Power loss may take every entry after `synced`. \
             Check the disk (dmesg), cancel what is open, stop, and start again on a good disk"
        );
    }

    fn say_room(&mut self) {
        let errno = self.watched.progress.prepare_failure();
        if errno != self.prepare_errno {
            self.prepare_errno = errno;
            match errno {
                Some(errno) => tracing::error!(
                    "the next segment of the journal cannot be made ({}): free space on its disk, \
                     or raise the limit; it is tried again each second",
                    cause_of(errno)
                ),
                None => tracing::info!("the next segment of the journal could be made"),
            }
        }
        let level = self.watched.gauge.level();
        if level == self.level {
            return;
        }
        self.level = level;
        let remaining_bytes = self.watched.gauge.remaining_bytes();
        match level {
            JournalLevel::Ample => tracing::info!(remaining_bytes, "the journal has room again"),
            JournalLevel::Low => tracing::error!(
                remaining_bytes,
                "JOURNAL_LOW: the journal keeps its last room for what is open: no new orders and \
                 replaces; cancels and fills are recorded, frames by their hash"
            ),
            JournalLevel::CancelsOnly => tracing::error!(
                remaining_bytes,
                "JOURNAL_FULL is near: every open order is cancelled, then the run ends"
            ),
        }
    }

    fn say_window(&mut self) {
        let Some(age_ns) = self.oldest_age_ns() else {
            if std::mem::take(&mut self.is_late) {
                tracing::info!("the disk caught up: new orders are taken again");
            }
            return;
        };
        let is_late = age_ns > self.watched.rules.loss_window_max_ns && !self.has_failed;
        if is_late && !self.is_late {
            self.is_late = true;
            tracing::error!(
                age_ms = age_ns / NS_PER_MS,
                max_ms = self.watched.rules.loss_window_max_ns / NS_PER_MS,
                "LOSS_WINDOW: a sync of the journal does not end; new orders are refused until it \
                 does; cancels and fills go on. Power loss now would take what is that old"
            );
        }
    }

    fn oldest_age_ns(&self) -> Option<u64> {
        let oldest_ns = self.watched.progress.oldest_unsynced_ns()?;
        Some(monotonic_now().since_ns(MonotonicNs(oldest_ns)))
    }

    fn write(&mut self) {
        let written = write_whole(&self.watched.file, &self.health());
        match (written, self.cannot_write) {
            (Ok(()), _) => self.cannot_write = false,
            (Err(_), true) => {}
            (Err(error), false) => {
                self.cannot_write = true;
                let file = self.watched.file.display();
                tracing::warn!("{file} cannot be written ({error}): status shows old figures");
            }
        }
    }

    fn health(&self) -> Value {
        let (progress, gauge) = (&self.watched.progress, &self.watched.gauge);
        let window = progress.loss_window();
        json!({
            "pid": std::process::id(),
            "mode": self.watched.rules.mode.name(),
            "room": gauge.level().name(),
            "remaining_bytes": gauge.remaining_bytes(),
            "spare_segments": progress.spares_ready(),
            "synced_sequence": progress.synced_sequence(),
            "syncs": window.passes,
            "loss_window_p50_us": window.p50_ns.div_ceil(1_000),
            "loss_window_p99_us": window.p99_ns.div_ceil(1_000),
            "loss_window_max_us": window.max_ns.div_ceil(1_000),
            "loss_window_now_us": self.oldest_age_ns().map(|age_ns| age_ns.div_ceil(1_000)),
            "loss_window_limit_us": self.watched.rules.loss_window_max_ns / 1_000,
            "sync_failure": progress.sync_failure().map(cause_of),
            "segment_failure": progress.prepare_failure().map(cause_of),
        })
    }
}

fn write_whole(file: &Path, health: &Value) -> std::io::Result<()> {
    let temporary = file.with_extension("json.tmp");
    std::fs::write(&temporary, format!("{health:#}\n"))?;
    std::fs::rename(&temporary, file)
}

/// The figures of the run that goes on, or of the last one; `None` if there are none.
pub fn read_health(data_directory: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(health_file(data_directory)).ok()?;
    serde_json::from_str(&text).ok()
}
