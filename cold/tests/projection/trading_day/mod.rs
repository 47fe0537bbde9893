//! A day of trading, decided by the real engine and journaled as the hot thread does it.
//!
//! Everything is drawn from one seed: orders at two instruments by two strategies, acknowledged,
//! refused, filled in parts, replaced, cancelled, lost on the way, filled after their end, shed by
//! a run of refusals; restarts of the engine in between.

mod configuration; // what the engine runs with
mod orders; // what is asked of it, and what becomes of that
mod venue; // what the venue says

use std::path::{Path, PathBuf};

use engine::{Decisions, Engine, Moment};
use journal::{AppendError, Journal, JournalOptions, Mode};
use model::execution_report::*;
use model::input::*;
use model::journal_record::put_entry;
use model::recon_fact::{ReconFact, SweepEnded};
use model::sent_record::{SentRecord, SentStamp};
use model::time::NS_PER_S;
use model::*;

use self::configuration::config;

const FIRST_EPOCH: u32 = 497_520;
/// 2026-01-01T00:00:00Z.
const DAY: UnixNs = UnixNs(1_767_225_600_000_000_000);
const VENUE: VenueId = VenueId(0);
const LINK: LinkId = LinkId(3);

/// An order that is at the venue.
#[derive(Clone, Copy)]
struct Working {
    id: ClientOrderId,
    strategy: u16,
    instrument: InstrumentId,
    side: Side,
    quantity: i64,
    price: i64,
    filled: i64,
    number: u64,
}

/// The engine, its journal and a venue that does anything.
pub(crate) struct TradingDay {
    pub(crate) engine: Engine,
    pub(crate) directory: PathBuf,
    decisions: Decisions,
    journal: Option<Journal>,
    segment_bytes: u32,
    runs: u32,
    now: MonotonicNs,
    seed: u64,
    next_request: [u64; 2],
    working: Vec<Working>,
    ended: Vec<Working>,
    numbers: u64,
}

impl TradingDay {
    /// Opens a journal in `directory` and the venue with it.
    pub(crate) fn begin(directory: &Path, segment_bytes: u32, seed: u64) -> Self {
        let mut day = Self {
            engine: Engine::new(&config()),
            directory: directory.to_owned(),
            decisions: Decisions::with_capacity(4096),
            journal: None,
            segment_bytes,
            runs: 0,
            now: MonotonicNs(NS_PER_S),
            seed: seed.max(1),
            next_request: [1, 1],
            working: Vec::new(),
            ended: Vec::new(),
            numbers: 0,
        };
        day.open_journal();
        day.feed(&Input::ConfigApplied(&config()));
        day.begin_run();
        day
    }

    /// The engine dies between two entries and comes back on another clock.
    pub(crate) fn restart(&mut self) {
        self.journal = None;
        self.now = MonotonicNs(self.draw(NS_PER_S) + 1);
        self.open_journal();
        self.begin_run();
    }

    /// Ends the run; the journal stays.
    pub(crate) fn close(&mut self) {
        self.journal = None;
    }

    /// Trades until the journal holds this many entries.
    pub(crate) fn trade_to(&mut self, entries: u64) {
        while self.sequence() < entries {
            self.step();
        }
    }

    /// The last entry.
    pub(crate) fn sequence(&mut self) -> u64 {
        self.journal().writer.next_sequence() - 1
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    fn open_journal(&mut self) {
        let minutes = u64::from(FIRST_EPOCH + self.runs);
        let mut options = JournalOptions::new(self.directory.clone(), 9, minutes);
        (options.mode, options.allow_tmpfs) = (Mode::Process, true);
        options.segment_bytes = self.segment_bytes;
        self.journal = Some(Journal::open(&options).unwrap());
    }

    fn begin_run(&mut self) {
        self.runs += 1;
        let unix = UnixNs(DAY.0 + u64::from(self.runs) * 3_600 * NS_PER_S);
        let epoch = self.journal().boot_epoch;
        let started = RecoveryStarted {
            epoch: BootEpoch::new(epoch).unwrap(),
            engine_version: 1,
            anchor: UtcAnchor {
                monotonic: self.now,
                unix,
                error_ns: 50_000,
            },
        };
        self.feed(&Input::RecoveryStarted(started));
        for state in [LinkState::Down, LinkState::Up] {
            let change = LinkChanged {
                venue: VENUE,
                link: LINK,
                state,
                reason: LinkReason::Ready,
            };
            self.feed(&Input::LinkChanged(change));
        }
        self.fire_timers();
        // The sweep shows what is open, so that commands whose fate was unknown are settled.
        for order in self.working.clone() {
            self.show(&order, VenueOrderState::Live, None);
        }
        let ended = SweepEnded {
            asked_at_seq: self.sequence(),
            venue: VENUE,
            sweep_no: self.engine.state().venues[0].sweep_no,
            complete: true,
        };
        self.feed(&Input::ReconFact(ReconFact::SweepEnded(ended)));
        self.fire_timers();
    }

    fn fire_timers(&mut self) {
        for _ in 0..64 {
            if self.engine.next_deadline() > self.now {
                return;
            }
            self.feed(&Input::Timer);
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below.max(1)
    }

    fn step(&mut self) {
        self.now = MonotonicNs(self.now.0 + 1_000 + self.draw(3_000_000));
        self.fire_timers();
        match self.draw(100) {
            0..45 if self.working.len() < 800 => self.place(),
            0..55 => self.fill(),
            55..62 => self.replace(),
            62..66 => self.late_fill(),
            66 => self.shed(),
            _ => self.cancel(),
        }
    }

    /// Asks; the order that was created, if one was.
    fn ask(&mut self, strategy: u16, request: Request) -> Option<ClientOrderId> {
        let next = &mut self.next_request[usize::from(strategy)];
        let request_id = RequestId(*next);
        *next += 1;
        let input = Input::Request(RequestInput {
            strategy: StrategyId(strategy),
            request_id,
            written_at: self.now,
            admission: Admission::Granted,
            request,
        });
        self.feed(&input);
        let created = self.decisions.as_slice().iter().find_map(created);
        let intents: Vec<OrderIntent> = self
            .decisions
            .as_slice()
            .iter()
            .filter_map(started)
            .collect();
        if !intents.is_empty() {
            self.stamp(&intents);
        }
        created
    }

    fn stamp(&mut self, intents: &[OrderIntent]) {
        let (entry_sequence, now) = (self.sequence(), self.now);
        let stamps: Vec<SentStamp> = intents
            .iter()
            .map(|intent| SentStamp {
                intent_seq: intent.intent_seq,
                entry_sequence,
                payload_hash: intent.intent_seq.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                taken_at: now,
                decided_at: now,
                committed_at: now,
                released_at: MonotonicNs(0),
                encoded_at: now.after_ns(300),
                flushed_at: now.after_ns(310),
                sealed_at: now.after_ns(600),
                written_at: now.after_ns(5_000),
            })
            .collect();
        let mut body = Vec::new();
        let frames = Vec::new();
        SentRecord {
            intents: stamps,
            frames,
        }
        .put(&mut body);
        self.append(EntryKind::Sent, &body);
    }

    fn feed(&mut self, input: &Input<'_>) {
        let moment = Moment {
            sequence: self.sequence() + 1,
            now: self.now,
        };
        self.engine.handle(moment, input, &mut self.decisions);
        let mut body = Vec::new();
        put_entry(input, self.decisions.as_slice(), &mut body);
        self.append(input.kind(), &body);
    }

    fn append(&mut self, kind: EntryKind, body: &[u8]) {
        let (kind, now_ns) = (u16::from(kind.number()), self.now.0);
        loop {
            // The keeper makes the next segment; a full one is tried again.
            match self.journal().writer.begin(kind, now_ns, body.len()) {
                Ok(mut entry) => {
                    entry.put(body);
                    entry.commit();
                    return;
                }
                Err(AppendError::NoSpareSegment) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn created(decision: &Decision) -> Option<ClientOrderId> {
    match decision {
        Decision::Order(OrderChange {
            client_order_id,
            body: ChangeBody::Created { .. },
            ..
        }) => Some(*client_order_id),
        _ => None,
    }
}

fn started(decision: &Decision) -> Option<OrderIntent> {
    match decision {
        Decision::Order(OrderChange {
            body: ChangeBody::CommandStarted(intent),
            ..
        }) => Some(*intent),
        _ => None,
    }
}
