//! `orders.jsonl`: one line when an order is submitted, one when it has ended.
//!
//! Owns a thread, a follower of the mapped journal and the file. Invariants: the file's length is
//! part of the cursor, and a restart cuts what stands behind it, so a kill neither drops nor
//! doubles a line; a line is a function of the journal alone. Must not know: SQL, the live engine.

mod envelope;
mod line_file;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use journal::Follower;

use crate::journal_context::{PlaceFault, begin_at_first, go_on};
use crate::retrying::{Stretch, follow};
use envelope::Envelopes;
use line_file::LineFile;

/// Most entries of one step.
const STEP_ENTRIES: u64 = 8_192;
/// Between two moments at which the cursor is made durable.
const CURSOR_EVERY: Duration = Duration::from_millis(500);

/// What an order log works with.
#[derive(Debug, Clone)]
pub struct OrderLogSettings {
    /// The journal's directory.
    pub journal_directory: PathBuf,
    /// The file; full ones are moved to `<path>.NNNNN`, its cursor is `<path>.cursor`.
    pub path: PathBuf,
    /// A file of more bytes is full.
    pub file_bytes_max: u64,
    /// So many full files are kept.
    pub files_kept: u32,
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderLogNotice {
    /// Following.
    Following,
    /// DEGRADED: no lines are written. Trading goes on; it is tried again by itself.
    Degraded {
        /// What failed, and what to do.
        detail: String,
        /// When it is tried again.
        retry_in: Duration,
    },
}

/// Who is told.
pub type OrderLogSink = Arc<dyn Fn(OrderLogNotice) + Send + Sync>;

/// A running order log.
#[derive(Debug)]
pub struct OrderLog {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl OrderLog {
    /// Starts it.
    ///
    /// # Errors
    /// A thread that could not be started.
    pub fn start(settings: OrderLogSettings, notices: OrderLogSink) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let mut owner = Owner { settings, notices };
        let thread = std::thread::Builder::new()
            .name("order-log".to_owned())
            .spawn(move || follow::<Writing>(&mut owner, &stopping))?;
        Ok(Self { stop, thread })
    }

    /// Writes what the journal holds by now, and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // It catches its own panics; one outside of that has nothing left to lose.
        drop(self.thread.join());
    }
}

struct Owner {
    settings: OrderLogSettings,
    notices: OrderLogSink,
}

struct Writing {
    follower: Follower,
    envelopes: Envelopes,
    file: LineFile,
    cursor_due: Instant,
}

impl Stretch for Writing {
    type Owner = Owner;

    fn begin(owner: &mut Owner) -> Result<Self, String> {
        let settings = &owner.settings;
        let (file, stored) = LineFile::open(settings)?;
        let directory = &settings.journal_directory;
        let placed = match &stored {
            None => begin_at_first(directory).map(|(follower, cursor)| (follower, cursor, None)),
            Some(stored) => {
                let cursor = stored.cursor()?;
                let follower = go_on(directory, &cursor);
                follower.map(|follower| (follower, cursor, Some(stored)))
            }
        };
        let (follower, cursor, stored) = placed.map_err(|fault| refusal(settings, fault))?;
        let open = stored.map(|stored| stored.open_orders.clone());
        Ok(Self {
            follower,
            envelopes: Envelopes::new(cursor, open.unwrap_or_default())?,
            file,
            cursor_due: Instant::now(),
        })
    }

    fn step(&mut self, owner: &mut Owner) -> Result<u64, String> {
        let mut entries = 0;
        while entries < STEP_ENTRIES {
            let polled = self.follower.poll().map_err(|error| error.to_string())?;
            let Some(entry) = polled else { break };
            self.envelopes.take(&entry, self.file.waiting())?;
            entries += 1;
        }
        self.file.write_waiting()?;
        if entries > 0 && (self.file.is_full(&owner.settings) || Instant::now() >= self.cursor_due)
        {
            self.store()?;
            self.file
                .rotate_if_full(&owner.settings, &mut self.envelopes)?;
        }
        Ok(entries)
    }

    fn is_well(&mut self, owner: &mut Owner) {
        (owner.notices)(OrderLogNotice::Following);
    }

    fn end(mut self, _owner: &mut Owner) -> Result<(), String> {
        self.store()
    }

    fn degraded(owner: &mut Owner, detail: String, retry_in: Duration) {
        (owner.notices)(OrderLogNotice::Degraded { detail, retry_in });
    }
}

impl Writing {
    fn store(&mut self) -> Result<(), String> {
        self.cursor_due = Instant::now() + CURSOR_EVERY;
        self.file.store(&self.envelopes)
    }
}

fn refusal(settings: &OrderLogSettings, fault: PlaceFault) -> String {
    let path = settings.path.display();
    match fault {
        PlaceFault::Journal(error) => error.to_string(),
        PlaceFault::NoJournal => format!(
            "{}: no journal is there: check data.directory",
            settings.journal_directory.display()
        ),
        PlaceFault::OtherJournal(_) => format!(
            "ORDER_LOG_OTHER_JOURNAL: {path} belongs to another journal: move it and {path}.cursor \
             away, and a new one is written from this journal's first entry"
        ),
        PlaceFault::Beyond => format!(
            "ORDER_LOG_BEYOND_JOURNAL: {path} tells of entries that the journal lost (power loss, \
             or an older copy): move it and {path}.cursor away, and it is written anew"
        ),
        PlaceFault::TooOld(oldest) => format!(
            "ORDER_LOG_TOO_OLD: the journal's oldest entry is {oldest}, and {path} is not that \
             far: put the archived segments back, or move {path}.cursor away with the segments kept"
        ),
    }
}
