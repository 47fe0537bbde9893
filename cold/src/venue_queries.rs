//! Asking a venue over REST: one order, all open orders, recent fills, rules, clock, account.
//!
//! Owns: the HTTPS connection to the one configured host, the query budgets, the measured clock
//! offset, and one worker thread per venue. Invariants: a list with a hole proves no absence; fills
//! are told before the order that counts them; the caller never waits; a question that is lost or
//! replaced is asked again by the engine. Must not know: order status, the journal, the hot thread.
//!
//! Threads: callers submit from any thread; one worker asks and answers.

mod asker;
mod https_client;
mod job_queue;
mod lookup;
mod paging;
mod placed_marks;
mod query_budget;
mod query_error;
mod query_note;
mod start_up;
mod statements;
mod sweep;
mod time_offset;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use model::{ClientOrderId, InstrumentId, ReconFact, UnixNs, VenueId, VenueOrderId};
use protocol::venue::okx::credentials::Credentials;
use protocol::venue::okx::instrument_table::InstrumentTable;

pub use https_client::HttpFailure;
pub use query_error::QueryError;
pub use query_note::{NoteKind, NoteSeverity, QueryNote};
pub use start_up::{
    AccountFacts, FetchedInstrument, fetch_account, fetch_instruments, fetch_time_offset,
};
pub use time_offset::TimeOffset;

use asker::{Asker, OutcomeSink};
use job_queue::JobQueue;
use worker::Worker;

/// Which certificate authorities may vouch for the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those of the operating system.
    System,
    /// Only those of this file (PEM).
    PemFile(PathBuf),
}

/// What one venue's queries need.
#[derive(Clone)]
pub struct QuerySettings {
    /// The venue's number, for facts.
    pub venue: VenueId,
    /// Its name, for notes.
    pub name: String,
    /// `https://host` or `https://host:port`; no other host is ever talked to.
    pub rest_url: String,
    /// Who may vouch for it.
    pub roots: Roots,
    /// The venue's demo environment (`x-simulated-trading: 1`).
    pub simulated_trading: bool,
    /// The key that signs.
    pub credentials: Credentials,
    /// What answers are read with.
    pub table: InstrumentTable,
    /// Longest time for one request, from name look-up to the last byte.
    pub timeout: Duration,
}

/// Bounds of the work. [`Default`] is what production uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows asked for per page, 1 to 100 (okx.com/docs-v5, "Order List": `limit`).
    pub page_rows: u16,
    /// Most pages of one list; a longer list counts as not read.
    pub pages_max: u32,
    /// Tries of one request while the venue is busy or silent.
    pub attempts: u32,
    /// Wait before the second try; each further wait is twice as long.
    pub backoff: Duration,
    /// Nothing signed is asked for so long after the key was refused.
    pub auth_cool_down: Duration,
    /// Longest time for one look-up or one sweep, waiting for budgets included.
    pub job_bound: Duration,
    /// The clock offset is measured again after so long.
    pub offset_interval: Duration,
    /// Look-ups that may wait; more are refused with a note.
    pub lookups_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            page_rows: protocol::venue::okx::rest::PAGE_ROWS_MAX,
            pages_max: 2_000,
            attempts: 3,
            backoff: Duration::from_millis(200),
            auth_cool_down: Duration::from_secs(30),
            job_bound: Duration::from_secs(120),
            offset_interval: Duration::from_secs(30),
            lookups_max: 65_536,
        }
    }
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryJob {
    /// What became of one order. Ends with [`ReconFact::LookupEnded`]. A newer look-up of the same
    /// order replaces one that waits, which then has no answer of its own.
    Lookup {
        /// The order.
        client_order_id: ClientOrderId,
        /// The venue's id; empty when not known.
        venue_order_id: VenueOrderId,
        /// What it trades.
        instrument: InstrumentId,
        /// Which look-up of the order.
        ask_no: u16,
        /// Journal sequence when it was decided.
        asked_at_seq: u64,
    },
    /// Every open order, and every fill since a moment. Ends with [`ReconFact::SweepEnded`]. Goes
    /// before waiting look-ups; a newer sweep replaces one that waits.
    Sweep {
        /// Which sweep of the venue.
        sweep_no: u32,
        /// Journal sequence when it was decided.
        asked_at_seq: u64,
        /// Fills booked earlier are not asked for; our UTC.
        fills_since: UnixNs,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryOutcome {
    /// Something that was proved, for the engine.
    Fact(ReconFact),
    /// Something for the log.
    Note(QueryNote),
}

/// The queries of one venue: a queue and the thread that works through it.
pub struct VenueQueries {
    queue: Arc<JobQueue>,
    client: https_client::HttpsClient,
    thread: Option<JoinHandle<()>>,
    instruments: Vec<InstrumentId>,
}

impl VenueQueries {
    /// Starts the worker with [`QueryLimits::default`]. Connects only when there is something to
    /// ask.
    ///
    /// `on_outcome` is called on the worker's thread after outcomes were put into `outcomes`.
    ///
    /// # Errors
    /// A URL or roots that cannot be used, or a thread that cannot be made.
    pub fn start(
        settings: QuerySettings,
        outcomes: Sender<QueryOutcome>,
        on_outcome: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_with_limits(settings, QueryLimits::default(), outcomes, on_outcome)
    }

    /// As [`Self::start`], with bounds of one's own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_limits(
        settings: QuerySettings,
        limits: QueryLimits,
        outcomes: Sender<QueryOutcome>,
        on_outcome: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(JobQueue::new(limits.lookups_max));
        let client = https_client::HttpsClient::new(&settings).map_err(io::Error::other)?;
        let instruments = settings.table.instruments();
        let instruments = instruments.map(|it| it.instrument.id).collect();
        let thread_name = format!("query-{}", settings.name);
        let sink = OutcomeSink::new(&settings, Some((outcomes, Box::new(on_outcome))));
        let asker = Asker::new(&settings, limits, client.clone(), Arc::clone(&queue), sink);
        let worker = Worker::new(settings.venue, settings.table, asker);
        let thread = std::thread::Builder::new()
            .name(thread_name)
            .spawn(move || worker.run())?;
        Ok(Self {
            queue,
            client,
            thread: Some(thread),
            instruments,
        })
    }

    /// Puts a question into the queue and returns at once.
    pub fn submit(&self, job: QueryJob) {
        self.queue.submit(job);
    }

    /// Tells when an order was placed (our UTC), at best for every order as it is created, and for
    /// every open order after a start. Without it a look-up that must read the history begins at
    /// the order's boot epoch, which in a long run is many pages. Returns at once.
    pub fn note_placed(&self, client_order_id: ClientOrderId, placed_at: UnixNs) {
        self.queue.note_placed(client_order_id, placed_at);
    }

    /// True when the instrument is one of this venue's.
    pub fn trades(&self, instrument: InstrumentId) -> bool {
        self.instruments.contains(&instrument)
    }

    /// The venue's clock minus ours, as last measured; `None` until it was.
    pub fn time_offset(&self) -> Option<TimeOffset> {
        self.queue.time_offset()
    }

    /// Ends the worker. A request under way is broken off; questions that wait are dropped.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for VenueQueries {
    fn drop(&mut self) {
        self.queue.stop();
        self.client.shut_down();
        if let Some(thread) = self.thread.take() {
            // A panic of the worker was already printed by its own thread.
            let _ = thread.join();
        }
    }
}
