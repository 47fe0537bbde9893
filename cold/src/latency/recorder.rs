//! The running engine's own recorder: follows the journal and writes the interval log.
//!
//! Invariants: it reads by its own cursor and is needed by nobody; what it cannot write is told
//! and does not end it; the log is bounded, the oldest files make room.
//! Threads: one, which ends when it has read everything that was written before the stop.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use journal::Follower;
use model::journal_record::EntryBuffers;
use model::stage::Stage;
use model::{EngineConfig, UnixNs};

use super::interval_log::{Interval, begin_interval_log, write_interval};
use super::stage_histograms::StageHistograms;
use super::stage_timer::StageTimer;

/// Between two looks when nothing happened: nobody waits for these figures.
const PAUSE: Duration = Duration::from_millis(20);
/// Digits that the histograms keep: small enough for the caches, exact to a percent.
const DIGITS: u8 = 2;
/// A file of the log that is larger is ended.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files of the log that are kept, the one being written included.
const FILES_MAX: usize = 8;
/// How a file of the log is called: with the second in which it began.
const FILE_PREFIX: &str = "latency-";
const FILE_SUFFIX: &str = ".hlog";
/// Stages of which an interval's figures are told.
const TOLD: [Stage; 3] = [Stage::RingToWire, Stage::WireToRing, Stage::IntentToAck];

/// What the recorder works with.
#[derive(Debug, Clone)]
pub struct LatencySettings {
    /// Where the journal lies.
    pub journal_directory: PathBuf,
    /// The first entry to read: the first of this run.
    pub from_sequence: u64,
    /// The configuration that is in force before that entry.
    pub config: EngineConfig,
    /// Where the interval log goes; it is made when it is missing.
    pub log_directory: PathBuf,
    /// How long an interval is.
    pub interval: Duration,
}

/// The figures of one stage in an interval that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalNotice {
    /// At which venue.
    pub venue: String,
    /// Which stage.
    pub stage: Stage,
    /// How often.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_ns: u64,
    /// All but one of a hundred took no longer.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LatencyNotice {
    /// A stage's figures.
    Interval(IntervalNotice),
    /// The interval log could not be written; the next interval is tried again.
    LogUnwritable {
        /// What and why.
        detail: String,
    },
    /// The journal could not be read: no more figures until the next start.
    Ended {
        /// What and why.
        detail: String,
    },
}

/// The recorder's thread.
#[derive(Debug)]
pub struct LatencyRecorder {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl LatencyRecorder {
    /// Starts following.
    ///
    /// # Errors
    /// A thread that could not be started.
    pub fn start(
        settings: LatencySettings,
        notify: Arc<dyn Fn(LatencyNotice) + Send + Sync>,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("latency".to_owned());
        let thread = thread.spawn(move || {
            if let Err(detail) = Recording::new(&settings, &*notify).run(&stopped) {
                notify(LatencyNotice::Ended { detail });
            }
        })?;
        Ok(Self { thread, stop })
    }

    /// Reads what is written by now, writes the last interval, and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // A panic was told on standard error; there is nothing left to take down.
        let _ = self.thread.join();
    }
}

struct Recording<'a> {
    settings: &'a LatencySettings,
    notify: &'a (dyn Fn(LatencyNotice) + Send + Sync),
    timer: StageTimer,
    histograms: StageHistograms,
    log: IntervalLog<'a>,
    began: UnixNs,
    due: Instant,
}

impl<'a> Recording<'a> {
    fn new(
        settings: &'a LatencySettings,
        notify: &'a (dyn Fn(LatencyNotice) + Send + Sync),
    ) -> Self {
        Self {
            settings,
            notify,
            timer: StageTimer::with_config(&settings.config),
            histograms: StageHistograms::new(DIGITS),
            log: IntervalLog::new(&settings.log_directory),
            began: unix_now(),
            due: Instant::now() + settings.interval,
        }
    }

    fn run(&mut self, stop: &AtomicBool) -> Result<(), String> {
        let directory = &self.settings.journal_directory;
        let mut follower = Follower::open(directory, self.settings.from_sequence)
            .map_err(|error| error.to_string())?;
        let mut buffers = EntryBuffers::default();
        loop {
            let stopping = stop.load(Ordering::Acquire);
            while let Some(entry) = follower.poll().map_err(|error| error.to_string())? {
                let histograms = &mut self.histograms;
                let seen = self
                    .timer
                    .see(&entry, &mut buffers, |sample| histograms.record(sample));
                seen.map_err(|error| format!("entry {}: {error}", entry.sequence))?;
                if Instant::now() >= self.due {
                    self.end_interval();
                }
            }
            if stopping || Instant::now() >= self.due {
                self.end_interval();
            }
            if stopping {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn end_interval(&mut self) {
        self.due = Instant::now() + self.settings.interval;
        let now = unix_now();
        let interval = Interval {
            from: self.began,
            length: Duration::from_nanos(now.since_ns(self.began)),
        };
        self.began = now;
        if self.histograms.is_empty() {
            return;
        }
        let (timer, histograms) = (&self.timer, &self.histograms);
        if let Err(error) = self.log.append(interval, histograms, timer) {
            let directory = self.settings.log_directory.display();
            (self.notify)(LatencyNotice::LogUnwritable {
                detail: format!("{directory}: {error}"),
            });
        }
        for (venue, stage, histogram) in histograms.iter() {
            if TOLD.contains(&stage) {
                (self.notify)(LatencyNotice::Interval(IntervalNotice {
                    venue: timer.venue_name(venue),
                    stage,
                    count: histogram.len(),
                    p50_ns: histogram.value_at_quantile(0.5),
                    p99_ns: histogram.value_at_quantile(0.99),
                    max_ns: histogram.max(),
                }));
            }
        }
        self.histograms.reset();
    }
}

/// The files of the log.
struct IntervalLog<'a> {
    directory: &'a Path,
    file: Option<File>,
    bytes: u64,
}

impl<'a> IntervalLog<'a> {
    fn new(directory: &'a Path) -> Self {
        Self {
            directory,
            file: None,
            bytes: 0,
        }
    }

    fn append(
        &mut self,
        interval: Interval,
        histograms: &StageHistograms,
        timer: &StageTimer,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        if self.file.is_none() || self.bytes >= FILE_BYTES_MAX {
            self.file = Some(self.next_file(interval.from)?);
            self.bytes = 0;
            begin_interval_log(&mut lines, "millrun stages", interval.from)?;
        }
        write_interval(&mut lines, interval, histograms, |venue| {
            timer.venue_name(venue)
        })?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = file.write_all(&lines);
        match written {
            Ok(()) => self.bytes += u64::try_from(lines.len()).unwrap_or(u64::MAX),
            // A line may be half written: the next interval begins a new file.
            Err(_) => self.file = None,
        }
        written
    }

    /// Makes the next file, and room for it.
    fn next_file(&self, from: UnixNs) -> io::Result<File> {
        fs::create_dir_all(self.directory)?;
        let mut kept: Vec<PathBuf> = fs::read_dir(self.directory)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| is_log(path))
            .collect();
        kept.sort();
        let over = (kept.len() + 1).saturating_sub(FILES_MAX);
        for path in kept.iter().take(over) {
            fs::remove_file(path)?;
        }
        let second = from.as_ms() / 1_000;
        let name = format!("{FILE_PREFIX}{second:012}{FILE_SUFFIX}");
        let path = self.directory.join(name);
        OpenOptions::new().create(true).append(true).open(path)
    }
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(FILE_PREFIX) && name.ends_with(FILE_SUFFIX))
}

fn unix_now() -> UnixNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    UnixNs(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
