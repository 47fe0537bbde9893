//! The cold thread: follows the journal, has the venues asked, and says what an operator should
//! know.
//!
//! It reads every entry of this run from the mapped journal by its own cursor; the second ring only
//! tells that there is something. It may stall or be slow without harm: the hot thread never waits
//! for it, and a question that it loses is asked again by the engine.

use crate::clock::{monotonic_now, utc_anchor};
use crate::message_port::Message;
use crate::position_log::log_position;
use crate::recovery::entry_kind;
use crate::venue_connection::ConnectionNote;
use anyhow::{Context, Result};
use cold::venue_queries::{NoteSeverity, QueryJob, QueryNote, QueryOutcome, VenueQueries};
use journal::Follower;
use model::control::{Control, ControlScope, Latch};
use model::decision::{AlarmCode, VenueState};
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::order_change::ChangeBody;
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    Decision, Instrument, InstrumentId, MonotonicNs, OrderChange, UnixNs, UtcAnchor, VenueId,
};
use rings::in_process::{Consumer, Producer};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;
use transport::poll_loop::PollLoop;

/// Between two looks when nothing happened.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two measurements of the clocks.
const ANCHOR_EVERY_NS: u64 = NS_PER_S;
/// The hot thread is told of the clocks when they are this far from where they were.
const ANCHOR_DRIFT_NS: u64 = NS_PER_MS;
/// Fill queries begin so long before the last one that was complete.
const FILLS_OVERLAP_NS: u64 = 60 * NS_PER_S;

/// One venue, as the cold thread deals with it.
pub struct ColdVenue {
    /// Its number.
    pub venue: VenueId,
    /// Its name.
    pub name: String,
    /// Who asks it.
    pub queries: VenueQueries,
    /// From when on fills are asked for in the next sweep.
    pub fills_since: UnixNs,
}

/// What the cold thread works with.
pub struct ColdThread {
    /// The journal's directory.
    pub journal_directory: PathBuf,
    /// The first entry to read: the first of this run.
    pub from_sequence: u64,
    /// Sequences that were committed; a wake-up only.
    pub committed: Consumer<u64>,
    /// Facts and clocks for the hot thread.
    pub messages: Producer<Message>,
    /// Answers of the venues' queries.
    pub outcomes: Receiver<QueryOutcome>,
    /// What the connections have to say.
    pub notes: Vec<Consumer<(VenueId, ConnectionNote)>>,
    /// The venues, each at the place of its id.
    pub venues: Vec<ColdVenue>,
    /// The instruments, each at the place of its id.
    pub instruments: Vec<Instrument>,
    /// Wakes a parked hot thread.
    pub waker: HotWaker,
    /// The clocks' pair that the hot thread has.
    pub anchor: UtcAnchor,
    /// Set when the hot thread has ended.
    pub stop: Arc<AtomicBool>,
    /// Called once when every venue is open for the first time.
    pub on_live: Option<Box<dyn FnOnce() + Send>>,
}

/// Wakes the hot thread out of its poll.
#[derive(Clone)]
pub struct HotWaker(Arc<dyn Fn() + Send + Sync>);

impl HotWaker {
    /// A waker of this poll loop.
    pub fn of(poll: &PollLoop) -> Self {
        let waker = poll.waker();
        // Fails only when the poll is gone, and then nobody is left to wake.
        Self(Arc::new(move || drop(waker.wake())))
    }

    /// Wakes.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl ColdThread {
    /// Runs until the hot thread has ended and everything that it wrote was read.
    ///
    /// # Errors
    /// A journal that cannot be read: the hot thread goes on, this process should be restarted.
    pub fn run(mut self) -> Result<()> {
        let mut follower = Follower::open(&self.journal_directory, self.from_sequence)
            .context("following the journal on the cold side")?;
        let mut buffers = EntryBuffers::default();
        let mut pending: Option<Message> = None;
        let mut live = vec![false; self.venues.len()];
        let mut anchor_due = MonotonicNs(0);
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let mut idle = true;
            while self.committed.pop().is_some() {}
            while let Some(entry) = follower
                .poll()
                .context("reading the journal on the cold side")?
            {
                idle = false;
                let sequence = entry.sequence;
                let kind = entry_kind(entry.kind)?;
                if matches!(kind, EntryKind::Sent | EntryKind::Checkpoint) {
                    continue;
                }
                let (input, decisions) = take_entry(kind, entry.body, &mut buffers)?;
                log_input(&input);
                for decision in decisions {
                    self.see(sequence, decision, &mut live);
                }
            }
            idle &= !self.pass_on(&mut pending);
            self.log_notes();
            let now = monotonic_now();
            if now >= anchor_due {
                anchor_due = now.after_ns(ANCHOR_EVERY_NS);
                self.measure_clocks(&mut pending);
            }
            if stopping && idle {
                self.venues
                    .into_iter()
                    .for_each(|venue| venue.queries.stop());
                return Ok(());
            }
            if idle {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// What a decision asks of the cold side.
    fn see(&mut self, sequence: u64, decision: &Decision, live: &mut [bool]) {
        match decision {
            Decision::Order(change) => {
                match change.body {
                    ChangeBody::Asked {
                        ask_no,
                        venue_order_id,
                    } => {
                        self.look_up(sequence, change, ask_no, venue_order_id);
                    }
                    ChangeBody::Created { created_at, .. } => {
                        if let Some(venue) = self.venue_of(change.instrument) {
                            venue
                                .queries
                                .note_placed(change.client_order_id, created_at);
                        }
                    }
                    _ => {}
                }
                log_change(change);
            }
            Decision::SweepStarted { venue, sweep_no } => self.sweep(sequence, *venue, *sweep_no),
            Decision::SweepEnded {
                venue,
                complete: true,
                ..
            } => {
                if let Some(venue) = self.venues.get_mut(usize::from(venue.0)) {
                    let now = self.anchor.unix_at(monotonic_now());
                    venue.fills_since = UnixNs(now.0.saturating_sub(FILLS_OVERLAP_NS));
                }
            }
            Decision::Venue { venue, state } => {
                let at = usize::from(venue.0);
                let name = self.venues.get(at).map_or("?", |venue| venue.name.as_str());
                tracing::info!(venue = name, %state, "venue");
                if let Some(is_live) = live.get_mut(at) {
                    *is_live |= *state == VenueState::Live;
                }
                if live.iter().all(|is_live| *is_live)
                    && let Some(on_live) = self.on_live.take()
                {
                    on_live();
                }
            }
            Decision::Position { .. } => log_position(decision, &self.instruments),
            other => log_decision(other),
        }
    }

    fn venue_of(&self, instrument: InstrumentId) -> Option<&ColdVenue> {
        let instrument = self.instruments.get(usize::try_from(instrument.0).ok()?)?;
        self.venues.get(usize::from(instrument.venue.0))
    }

    fn look_up(
        &self,
        sequence: u64,
        change: &OrderChange,
        ask_no: u16,
        venue_order_id: model::VenueOrderId,
    ) {
        let Some(venue) = self.venue_of(change.instrument) else {
            return;
        };
        venue.queries.submit(QueryJob::Lookup {
            client_order_id: change.client_order_id,
            venue_order_id,
            instrument: change.instrument,
            ask_no,
            asked_at_seq: sequence,
        });
    }

    fn sweep(&self, sequence: u64, venue: VenueId, sweep_no: u32) {
        if let Some(venue) = self.venues.get(usize::from(venue.0)) {
            let fills_since = venue.fills_since;
            venue.queries.submit(QueryJob::Sweep {
                sweep_no,
                asked_at_seq: sequence,
                fills_since,
            });
        }
    }

    /// Passes answers on to the hot thread; keeps one back when the ring is full. True if any went.
    fn pass_on(&mut self, pending: &mut Option<Message>) -> bool {
        let mut passed = false;
        loop {
            let message = match pending.take() {
                Some(message) => message,
                None => match self.outcomes.try_recv() {
                    Ok(QueryOutcome::Fact(fact)) => Message::Fact(fact),
                    Ok(QueryOutcome::Note(note)) => {
                        log_query_note(&note);
                        continue;
                    }
                    Err(_) => break,
                },
            };
            if let Err(full) = self.messages.push(message) {
                *pending = Some(full.0);
                break;
            }
            passed = true;
        }
        if passed {
            self.waker.wake();
        }
        passed
    }

    fn measure_clocks(&mut self, pending: &mut Option<Message>) {
        let measured = utc_anchor();
        let expected = self.anchor.unix_at(measured.monotonic);
        let drift_ns = expected
            .since_ns(measured.unix)
            .max(measured.unix.since_ns(expected));
        if drift_ns < ANCHOR_DRIFT_NS || pending.is_some() {
            return;
        }
        tracing::info!(drift_ns, "the system clock moved against the monotonic one");
        self.anchor = measured;
        *pending = Some(Message::Anchor(measured));
    }

    fn log_notes(&mut self) {
        for notes in &mut self.notes {
            while let Some((venue, note)) = notes.pop() {
                let name = self
                    .venues
                    .get(usize::from(venue.0))
                    .map_or("?", |v| v.name.as_str());
                log_connection(name, note);
            }
        }
    }
}

/// What an operator should know of a decision that asks nothing of the cold side.
fn log_decision(decision: &Decision) {
    match decision {
        // Said with both numbers where the comparison is.
        Decision::Alarm {
            code: AlarmCode::ReconBreak,
            ..
        } => {}
        Decision::Alarm {
            code,
            client_order_id,
        } => log_alarm(*code, *client_order_id),
        Decision::Strategy {
            strategy,
            attached,
            generation,
            ..
        } => {
            tracing::info!(%strategy, attached, generation, "strategy");
        }
        Decision::Refused(refused) => {
            tracing::debug!(
                strategy = %refused.strategy,
                request = %refused.request_id,
                reason = %refused.reason,
                limit = refused.limit,
                actual = refused.actual,
                "request refused"
            );
        }
        Decision::RunRefused {
            strategy,
            count,
            reason,
            ..
        } => {
            tracing::warn!(%strategy, count, %reason, "requests refused");
        }
        Decision::Intake { open } => tracing::info!(open, "intake of requests"),
        Decision::LatchSet {
            latch,
            scope,
            closed,
        } => log_latch(*latch, *scope, *closed),
        Decision::Order(_)
        | Decision::Venue { .. }
        | Decision::SweepStarted { .. }
        | Decision::SweepEnded { .. }
        | Decision::CancelAllAccepted { .. }
        | Decision::TaskStarted { .. }
        | Decision::TaskMoved { .. }
        | Decision::TaskDone
        | Decision::Ignored(_)
        | Decision::Position { .. }
        | Decision::Foreign(_)
        | Decision::Evicted { .. } => {}
    }
}

fn log_latch(latch: Latch, scope: ControlScope, closed: bool) {
    match (latch, closed) {
        (Latch::Kill, true) => tracing::error!(
            %scope,
            "KILLED: no new order and no replace goes out; every open order is being cancelled; \
             cancels and fills go on. `millrun rearm` opens again"
        ),
        (Latch::ReduceOnly, true) => tracing::error!(
            %scope,
            "REDUCE_ONLY: only orders that make the position smaller are taken"
        ),
        (latch, false) => tracing::warn!(%latch, %scope, "re-armed: orders are taken again"),
    }
}

fn log_connection(venue: &str, note: ConnectionNote) {
    match note {
        ConnectionNote::Up => tracing::info!(venue, "connection up"),
        ConnectionNote::ConnectFailed(failed) => {
            // The error says what to do by itself.
            tracing::warn!(venue, attempt = failed.attempt, "{}", failed.error);
        }
        ConnectionNote::Down {
            reason,
            link_reason,
        } => match reason {
            Some(protocol::session::CloseReason::LoginRefused { code }) => tracing::error!(
                venue,
                code,
                "AUTH_FAILED: the venue refused the login with code {code}: check the key, its \
                 passphrase, its permissions and its allowed addresses; the next attempt is in 30 s"
            ),
            _ => tracing::warn!(venue, reason = %link_reason, "connection down"),
        },
    }
}

fn log_input(input: &Input<'_>) {
    match input {
        Input::StrategyLost {
            strategy, reason, ..
        } => {
            tracing::warn!(%strategy, %reason, "strategy lost");
        }
        Input::Control(Control::SetLatch(order)) => {
            let (latch, scope, close) = (order.latch, order.scope, order.close);
            let (uid, origin) = (order.author.uid, order.author.origin);
            let reason = order.author.reason;
            tracing::warn!(%latch, %scope, close, %origin, uid, %reason, "ordered");
        }
        Input::LinkChanged(change) => {
            let (state, reason) = (change.state, change.reason);
            tracing::info!(link = %change.link, %state, %reason, "link");
        }
        _ => {}
    }
}

fn log_change(change: &OrderChange) {
    let order = change.client_order_id;
    match &change.body {
        ChangeBody::NeedsOperator { command_seq } => tracing::error!(
            %order,
            command_seq,
            "NEEDS_OPERATOR: asking the venue did not settle this order: look it up at the venue"
        ),
        ChangeBody::CommandUnknown { command_seq, cause } => {
            tracing::warn!(%order, command_seq, %cause, "the effect of a command is not known");
        }
        _ => tracing::debug!(%order, status = %change.status, "order"),
    }
}

fn log_alarm(code: AlarmCode, client_order_id: u64) {
    tracing::error!(order = client_order_id, "ALARM {code}");
}

fn log_query_note(note: &QueryNote) {
    match note.kind.severity() {
        NoteSeverity::Error => tracing::error!("{note}"),
        NoteSeverity::Warning => tracing::warn!("{note}"),
        NoteSeverity::Info => tracing::debug!("{note}"),
    }
}
