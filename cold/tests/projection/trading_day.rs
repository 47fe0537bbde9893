//! A day of trading, decided by the real engine and journaled as the hot thread does it.
//!
//! Everything is drawn from one seed: orders at two instruments by two strategies, acknowledged,
//! refused, filled in parts, replaced, cancelled, lost on the way, filled after their end, shed by
//! a run of refusals; restarts of the engine in between.

use std::path::{Path, PathBuf};

use engine::{Decisions, Engine, Moment};
use journal::{AppendError, Journal, JournalOptions, Mode};
use model::engine_config::*;
use model::execution_report::*;
use model::identifiers::Symbol;
use model::input::*;
use model::instrument::*;
use model::journal_record::put_entry;
use model::order_request::OrderReference;
use model::recon_fact::{ReconFact, SweepEnded};
use model::sent_record::{SentRecord, SentStamp};
use model::time::{NS_PER_MS, NS_PER_S};
use model::*;

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

    fn place(&mut self) {
        let strategy = self.draw(2) as u16;
        let instrument = InstrumentId(self.draw(2) as u32);
        let side = if self.draw(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let quantity = (self.draw(50) as i64 + 1) * 10;
        let price = (self.draw(1_000) as i64 + 1_000) * 5;
        let order = NewOrder {
            instrument,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: self.draw(2) == 0,
            reduce_only: false,
            order_quantity: Quantity::from_units(quantity),
            limit_price: Price::from_units(price),
            valid_for_ns: 0,
        };
        let Some(id) = self.ask(strategy, Request::New(order)) else {
            return;
        };
        self.numbers += 1;
        let order = Working {
            id,
            strategy,
            instrument,
            side,
            quantity,
            price,
            filled: 0,
            number: self.numbers,
        };
        self.now = MonotonicNs(self.now.0 + 40_000 + self.draw(900_000));
        match self.draw(40) {
            0 => self.reply(&order, CommandKind::New, 1, ReplyOutcome::Refused, 51008),
            1 => self.give_back(&order),
            2 => {
                self.reply(&order, CommandKind::New, 1, ReplyOutcome::Unknown, 50026);
                self.show(&order, VenueOrderState::Live, None);
                self.working.push(order);
            }
            _ => {
                self.reply(&order, CommandKind::New, 1, ReplyOutcome::Accepted, 0);
                self.show(&order, VenueOrderState::Live, None);
                self.working.push(order);
            }
        }
    }

    fn fill(&mut self) {
        let Some(at) = self.pick() else { return };
        let mut order = self.working[at];
        let left = order.quantity - order.filled;
        let part = (self.draw((left / 10).unsigned_abs()) as i64 + 1) * 10;
        order.filled += part.min(left);
        let fill = self.execution(&order, part.min(left));
        if order.filled == order.quantity {
            self.working.swap_remove(at);
            self.show(&order, VenueOrderState::Filled, Some(fill));
            self.ended.push(order);
        } else {
            self.working[at] = order;
            self.show(&order, VenueOrderState::PartiallyFilled, Some(fill));
        }
    }

    fn replace(&mut self) {
        let Some(at) = self.pick() else { return };
        let mut order = self.working[at];
        let quantity = order.quantity + 10;
        let price = order.price + 5;
        let request = Request::Replace {
            order: OrderReference::ClientOrderId(order.id),
            order_quantity: Quantity::from_units(quantity),
            limit_price: Price::from_units(price),
        };
        self.ask(order.strategy, request);
        let Some(command_seq) = self.pending(order.id, CommandKind::Replace) else {
            return;
        };
        if self.draw(4) == 0 {
            let refused = ReplyOutcome::Refused;
            return self.reply(&order, CommandKind::Replace, command_seq, refused, 51503);
        }
        let accepted = ReplyOutcome::Accepted;
        self.reply(&order, CommandKind::Replace, command_seq, accepted, 0);
        (order.quantity, order.price) = (quantity, price);
        self.working[at] = order;
        let mut update = self.update(&order, VenueOrderState::Live, None);
        let applied = true;
        update.replace = Some(ReplaceResult {
            command_seq,
            applied,
        });
        self.push(&[VenueReport::Order(update)]);
    }

    fn cancel(&mut self) {
        let Some(at) = self.pick() else { return };
        let order = self.working[at];
        let request = Request::Cancel {
            order: OrderReference::ClientOrderId(order.id),
        };
        self.ask(order.strategy, request);
        let Some(command_seq) = self.pending(order.id, CommandKind::Cancel) else {
            return;
        };
        self.now = MonotonicNs(self.now.0 + 80_000);
        let accepted = ReplyOutcome::Accepted;
        self.reply(&order, CommandKind::Cancel, command_seq, accepted, 0);
        self.working.swap_remove(at);
        self.show(&order, VenueOrderState::Cancelled, None);
        self.ended.push(order);
    }

    /// A fill that was on its way when the order was cancelled.
    fn late_fill(&mut self) {
        let Some(mut order) = self.ended.pop() else {
            return;
        };
        if order.filled + 10 > order.quantity {
            return;
        }
        order.filled += 10;
        let fill = self.execution(&order, 10);
        self.show(&order, VenueOrderState::Cancelled, Some(fill));
    }

    /// Requests that found no room.
    fn shed(&mut self) {
        let first = RequestId(self.next_request[0]);
        self.next_request[0] += 3;
        let last = RequestId(self.next_request[0] - 1);
        self.feed(&Input::RoomRefused(RoomRefused {
            strategy: StrategyId(0),
            first,
            last,
            count: 3,
            reason: RejectReason::RateLimit,
        }));
    }

    fn give_back(&mut self, order: &Working) {
        let orders = &self.engine.state().orders;
        let pending = orders.get(order.id).and_then(|order| order.pending[0]);
        if let Some(command) = pending {
            let reason = NotSentReason::LinkGone;
            let intent_seq = command.intent_seq;
            self.feed(&Input::NotSent { intent_seq, reason });
        }
    }

    fn pick(&mut self) -> Option<usize> {
        let count = self.working.len() as u64;
        (count > 0).then(|| self.draw(count) as usize)
    }

    fn pending(&self, id: ClientOrderId, command: CommandKind) -> Option<u16> {
        let order = self.engine.state().orders.get(id)?;
        Some(order.pending_of(command)?.command_seq)
    }

    fn execution(&mut self, order: &Working, quantity: i64) -> Fill {
        self.numbers += 1;
        Fill {
            trade_id: Text::new(self.numbers.to_string().as_bytes()).unwrap(),
            last_quantity: Quantity::from_units(quantity),
            last_price: Price::from_units(order.price + self.draw(3) as i64 - 1),
            fee_units: self.draw(1_000_000_000) as i64 - 500_000_000,
            liquidity: LiquiditySide::Maker,
            venue_time: UnixNs(DAY.0 + self.numbers),
        }
    }

    fn reply(
        &mut self,
        order: &Working,
        command: CommandKind,
        command_seq: u16,
        outcome: ReplyOutcome,
        venue_code: u32,
    ) {
        let message = if venue_code == 0 {
            ""
        } else {
            "\"no\" \\ said the venue"
        };
        self.push(&[VenueReport::Reply(CommandReply {
            client_order_id: order.id,
            command,
            command_seq,
            outcome,
            venue_order_id: Text::EMPTY,
            venue_code,
            message: Text::new(message.as_bytes()).unwrap(),
            venue_time: UnixNs(DAY.0),
        })]);
    }

    fn update(&self, order: &Working, state: VenueOrderState, fill: Option<Fill>) -> OrderUpdate {
        OrderUpdate {
            client_order_id: Some(order.id),
            venue_order_id: Text::new(format!("venue-{}", order.number).as_bytes()).unwrap(),
            instrument: order.instrument,
            side: order.side,
            state,
            order_quantity: Quantity::from_units(order.quantity),
            limit_price: Price::from_units(order.price),
            cum_quantity: Quantity::from_units(order.filled),
            fill,
            replace: None,
            end_code: if state == VenueOrderState::Cancelled {
                1
            } else {
                0
            },
            venue_time: UnixNs(DAY.0 + self.numbers * NS_PER_MS + self.now.0),
        }
    }

    fn show(&mut self, order: &Working, state: VenueOrderState, fill: Option<Fill>) {
        let update = self.update(order, state, fill);
        self.push(&[VenueReport::Order(update)]);
    }

    fn push(&mut self, reports: &[VenueReport]) {
        let raw = [b'x'; 300];
        self.feed(&Input::VenueFrame {
            venue: VENUE,
            link: LINK,
            raw: &raw,
            reports,
        });
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

fn config() -> EngineConfig {
    EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(9).unwrap(),
        order_capacity: 16_384,
        execution_capacity: 65_536,
        answer_window: 1024,
        terminal_keep_ns: 5 * NS_PER_S,
        request_age_max_ns: NS_PER_S,
        venues: vec![venue()],
        instruments: vec![instrument(0), instrument(1)],
        strategies: vec![strategy(0), strategy(1)],
    }
}

fn venue() -> VenuePolicy {
    VenuePolicy {
        id: VENUE,
        name: Text::new(b"okx").unwrap(),
        dialect: Text::EMPTY,
        mode: TradingMode::Paper,
        command_window_ns: NS_PER_S,
        settle_ns: 300 * NS_PER_MS,
        command_timeout_ns: 400 * NS_PER_MS,
        sweep_interval_ns: 3_600 * NS_PER_S,
        ask_interval_ns: 300 * NS_PER_MS,
        ask_attempts: 12,
        rates: vec![RateRule {
            scope: RateScope::Account,
            counts_new: true,
            counts_cancel: false,
            counts_replace: true,
            messages: 1_000,
            window_ns: NS_PER_S,
        }],
    }
}

fn instrument(id: u32) -> InstrumentPolicy {
    InstrumentPolicy {
        instrument: Instrument {
            id: InstrumentId(id),
            venue: VENUE,
            account: AccountId(1),
            symbol: Symbol::new(format!("COIN{id}-USDT").as_bytes()).unwrap(),
            venue_code: u64::from(id) + 100,
            kind: InstrumentKind::Linear,
            state: InstrumentState::Live,
            price_scale: 2 + id as u8,
            quantity_scale: 1,
            tick: Price::from_units(5),
            lot: Quantity::from_units(10),
            quantity_min: Quantity::from_units(10),
            quantity_max: Quantity::from_units(10_000),
            multiplier_units: 1,
            multiplier_scale: 0,
        },
        trade_mode: Text::EMPTY,
        order_quantity_max: Quantity::from_units(490),
        order_notional_max: Notional(i128::MAX),
        open_orders_max: 2_000,
        position_long_max: Quantity::from_units(1 << 50),
        position_short_max: Quantity::from_units(1 << 50),
        halt_on_recon_break: false,
    }
}

fn strategy(id: u16) -> StrategyPolicy {
    StrategyPolicy {
        id: StrategyId(id),
        name: Text::new(format!("strategy{id}").as_bytes()).unwrap(),
        open_orders_max: 2_000,
        orders_per_s_max: 2_000,
        on_loss: OnLoss::Keep,
    }
}
