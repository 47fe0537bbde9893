//! A live engine on a stage, and the short words in which stories are told to it.

use crate::rig::config::TAG;
use crate::rig::{Rig, started};
use millrun_engine::order::Order;
use model::execution_report::{
    CommandReply, Fill, LiquiditySide, OrderUpdate, ReplaceResult, ReplyOutcome, VenueOrderState,
    VenueReport,
};
use model::identifiers::VenueMessage;
use model::input::{
    Admission, Input, LinkChanged, LinkReason, LinkState, RecoveryStarted, RequestInput,
};
use model::order_event::OrderEventKind;
use model::order_request::OrderReference;
use model::recon_fact::{FactSource, FillSeen, LookupEnded, OrderAbsent, OrderSeen, SweepEnded};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    BootEpoch, ClientOrderId, Decision, EngineConfig, InstanceTag, InstrumentId, LinkId,
    MonotonicNs, NewOrder, OrderIntent, OrderType, Price, Quantity, ReconFact, RejectReason,
    Request, RequestId, Side, StrategyId, TimeInForce, TradeId, UnixNs, UtcAnchor, VenueId,
    VenueOrderId,
};

/// Unix nanoseconds of monotonic zero.
const UNIX_ZERO: u64 = 1_760_000_000 * NS_PER_S;

/// A rig with a clock, the wire as a list, and short words.
pub(crate) struct Stage {
    pub(crate) rig: Rig,
    pub(crate) now: MonotonicNs,
    next_request: u64,
    epoch: u32,
    next_link: u32,
    /// Every intent so far, in order.
    pub(crate) sent: Vec<OrderIntent>,
    /// Every decision so far.
    pub(crate) said: Vec<Decision>,
}

impl Stage {
    /// Everything is up: epoch 5, both venues live, every strategy attached.
    pub(crate) fn live() -> Self {
        Self::live_with(&crate::rig::config::config())
    }

    /// The same under another configuration.
    pub(crate) fn live_with(config: &EngineConfig) -> Self {
        let mut stage = Self {
            rig: Rig::new(config),
            now: MonotonicNs(100 * NS_PER_S),
            next_request: 1,
            epoch: 4,
            next_link: 1,
            sent: Vec::new(),
            said: Vec::new(),
        };
        stage.begin_run();
        stage
    }

    /// The engine died; another took its journal over and began a run. Everything is up again.
    pub(crate) fn restart(&mut self) {
        self.rig.restart();
        self.begin_run();
    }

    fn begin_run(&mut self) {
        self.recover();
        for strategy in 0..self.rig.engine.state().strategies.len() {
            let strategy = StrategyId(u16::try_from(strategy).expect("small in tests"));
            let generation = u64::from(self.epoch);
            self.feed(&Input::StrategyAttached {
                strategy,
                generation,
            });
        }
        for venue in 0..self.rig.engine.state().venues.len() {
            self.link_up(u8::try_from(venue).expect("small in tests"));
            self.sweep(u8::try_from(venue).expect("small in tests"), true);
        }
        self.pass(1);
    }

    /// Only the first entry of a new run.
    pub(crate) fn recover(&mut self) {
        self.epoch += 1;
        let unix = UnixNs(UNIX_ZERO + self.now.0);
        let anchor = UtcAnchor {
            monotonic: self.now,
            unix,
            error_ns: 0,
        };
        let epoch = BootEpoch::new(self.epoch).expect("small in tests");
        let engine_version = millrun_engine::ENGINE_VERSION;
        self.feed(&Input::RecoveryStarted(RecoveryStarted {
            epoch,
            engine_version,
            anchor,
        }));
    }

    pub(crate) fn feed(&mut self, input: &Input<'_>) -> Vec<Decision> {
        let decisions = self.rig.feed(self.now, input);
        self.sent.extend(decisions.iter().filter_map(started));
        self.said.extend(&decisions);
        decisions
    }

    /// Time passes; every timer that the engine wants comes when it wants it.
    pub(crate) fn pass(&mut self, ms: u64) -> Vec<Decision> {
        let end = self.now.after_ns(ms * NS_PER_MS);
        let mut decisions = Vec::new();
        for _ in 0..20_000 {
            let due = self.rig.engine.next_deadline().max(self.now);
            if due > end {
                self.now = end;
                return decisions;
            }
            self.now = due;
            decisions.extend(self.feed(&Input::Timer));
        }
        panic!("the engine wants timers without end");
    }

    pub(crate) fn unix(&self) -> UnixNs {
        UnixNs(UNIX_ZERO + self.now.0)
    }

    // Connections.

    pub(crate) fn link_up(&mut self, venue: u8) -> Vec<Decision> {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        self.link(venue, link, LinkState::Up, LinkReason::Ready)
    }

    pub(crate) fn link_down(&mut self, venue: u8) -> Vec<Decision> {
        let link = self.rig.engine.state().venues[usize::from(venue)]
            .link
            .expect("it is up");
        self.link(venue, link, LinkState::Down, LinkReason::PeerClosed)
    }

    pub(crate) fn link(
        &mut self,
        venue: u8,
        link: LinkId,
        state: LinkState,
        reason: LinkReason,
    ) -> Vec<Decision> {
        let venue = VenueId(venue);
        self.feed(&Input::LinkChanged(LinkChanged {
            venue,
            link,
            state,
            reason,
        }))
    }

    /// The sweep that is under way ends.
    pub(crate) fn sweep(&mut self, venue: u8, complete: bool) -> Vec<Decision> {
        let ended = SweepEnded {
            asked_at_seq: self.rig.sequence(),
            venue: VenueId(venue),
            sweep_no: self.rig.engine.state().venues[usize::from(venue)].sweep_no,
            complete,
        };
        self.feed(&Input::ReconFact(ReconFact::SweepEnded(ended)))
    }

    // Requests.

    pub(crate) fn request_input(&mut self, strategy: u16, request: Request) -> RequestInput {
        self.next_request += 1;
        RequestInput {
            strategy: StrategyId(strategy),
            request_id: RequestId(self.next_request),
            written_at: self.now,
            admission: Admission::Granted,
            request,
        }
    }

    pub(crate) fn ask(&mut self, strategy: u16, request: Request) -> Vec<Decision> {
        let input = self.request_input(strategy, request);
        self.feed(&Input::Request(input))
    }

    /// Strategy 0 buys at instrument 0; it must be taken.
    pub(crate) fn buy(&mut self, quantity: i64, price: i64) -> ClientOrderId {
        self.place(0, order(0, Side::Buy, quantity, price))
    }

    /// It must be taken.
    pub(crate) fn place(&mut self, strategy: u16, order: NewOrder) -> ClientOrderId {
        let decisions = self.ask(strategy, Request::New(order));
        let intent = decisions.iter().find_map(started);
        intent
            .unwrap_or_else(|| panic!("refused: {decisions:?}"))
            .client_order_id
    }

    /// A buy that the venue has acknowledged.
    pub(crate) fn resting(&mut self, quantity: i64, price: i64) -> ClientOrderId {
        let id = self.buy(quantity, price);
        self.push(self.shown(id, VenueOrderState::Live, 0));
        id
    }

    pub(crate) fn cancel(&mut self, id: ClientOrderId) -> Vec<Decision> {
        let strategy = self.order(id).strategy.0;
        self.ask(
            strategy,
            Request::Cancel {
                order: OrderReference::ClientOrderId(id),
            },
        )
    }

    pub(crate) fn replace(
        &mut self,
        id: ClientOrderId,
        quantity: i64,
        price: i64,
    ) -> Vec<Decision> {
        let strategy = self.order(id).strategy.0;
        self.ask(
            strategy,
            Request::Replace {
                order: OrderReference::ClientOrderId(id),
                order_quantity: Quantity::from_units(quantity),
                limit_price: Price::from_units(price),
            },
        )
    }

    // What the venue says.

    pub(crate) fn reports(&mut self, reports: &[VenueReport]) -> Vec<Decision> {
        let link = LinkId(self.next_link);
        self.feed(&Input::VenueFrame {
            venue: VenueId(0),
            link,
            raw: b"{}",
            reports,
        })
    }

    /// The answer to the newest command.
    pub(crate) fn reply(&mut self, outcome: ReplyOutcome) -> Vec<Decision> {
        let intent = *self.sent.last().expect("something was sent");
        self.reply_to(&intent, outcome)
    }

    pub(crate) fn reply_to(
        &mut self,
        intent: &OrderIntent,
        outcome: ReplyOutcome,
    ) -> Vec<Decision> {
        let venue_order_id = match outcome {
            ReplyOutcome::Accepted => venue_id(intent.client_order_id),
            _ => VenueOrderId::EMPTY,
        };
        let reply = CommandReply {
            client_order_id: intent.client_order_id,
            command: intent.command,
            command_seq: intent.command_seq,
            outcome,
            venue_order_id,
            venue_code: 51_000,
            message: VenueMessage::lossy(b"so it is"),
            venue_time: self.unix(),
        };
        self.reports(&[VenueReport::Reply(reply)])
    }

    /// The order as the venue shows it now, with its terms as the engine knows them.
    pub(crate) fn shown(&self, id: ClientOrderId, state: VenueOrderState, cum: i64) -> OrderUpdate {
        let order = self.order(id);
        OrderUpdate {
            client_order_id: Some(id),
            venue_order_id: venue_id(id),
            instrument: order.instrument,
            side: order.side,
            state,
            order_quantity: order.order_quantity,
            limit_price: order.limit_price,
            cum_quantity: Quantity::from_units(cum),
            fill: None,
            replace: None,
            end_code: if crate::stage::is_end(state) { 20 } else { 0 },
            venue_time: self.unix(),
        }
    }

    /// The same with an execution.
    pub(crate) fn filled(
        &self,
        id: ClientOrderId,
        trade: &str,
        quantity: i64,
        cum: i64,
    ) -> OrderUpdate {
        let total = self.order(id).order_quantity.units();
        let state = if cum >= total {
            VenueOrderState::Filled
        } else {
            VenueOrderState::PartiallyFilled
        };
        let mut update = self.shown(id, state, cum);
        update.fill = Some(self.fill(trade, quantity));
        update
    }

    pub(crate) fn fill(&self, trade: &str, quantity: i64) -> Fill {
        Fill {
            trade_id: TradeId::new(trade.as_bytes()).expect("small in tests"),
            last_quantity: Quantity::from_units(quantity),
            last_price: Price::from_units(100),
            fee_units: 7,
            liquidity: LiquiditySide::Maker,
            venue_time: self.unix(),
        }
    }

    pub(crate) fn push(&mut self, update: OrderUpdate) -> Vec<Decision> {
        self.reports(&[VenueReport::Order(update)])
    }

    /// The push that answers the newest replace.
    pub(crate) fn replaced(&mut self, id: ClientOrderId, applied: bool) -> Vec<Decision> {
        let intent = *self.sent.last().expect("a replace was sent");
        let cum = self.order(id).cum_quantity.units();
        let mut update = self.shown(id, VenueOrderState::Live, cum);
        if applied {
            update.order_quantity = intent.order_quantity;
            update.limit_price = intent.limit_price;
        }
        update.replace = Some(ReplaceResult {
            command_seq: intent.command_seq,
            applied,
        });
        self.push(update)
    }

    // What queries say.

    pub(crate) fn fact(&mut self, fact: ReconFact) -> Vec<Decision> {
        self.feed(&Input::ReconFact(fact))
    }

    pub(crate) fn seen(&mut self, update: OrderUpdate, source: FactSource) -> Vec<Decision> {
        let asked_at_seq = self.rig.sequence();
        self.fact(ReconFact::OrderSeen(OrderSeen {
            asked_at_seq,
            source,
            update,
        }))
    }

    pub(crate) fn fill_seen(
        &mut self,
        id: ClientOrderId,
        trade: &str,
        quantity: i64,
    ) -> Vec<Decision> {
        let fact = FillSeen {
            asked_at_seq: self.rig.sequence(),
            client_order_id: Some(id),
            is_foreign: false,
            venue_order_id: venue_id(id),
            instrument: InstrumentId(0),
            side: Side::Buy,
            fill: self.fill(trade, quantity),
        };
        self.fact(ReconFact::FillSeen(fact))
    }

    pub(crate) fn absent(&mut self, id: ClientOrderId, source: FactSource) -> Vec<Decision> {
        let asked_at_seq = self.rig.sequence();
        self.absent_as_of(id, source, asked_at_seq)
    }

    pub(crate) fn absent_as_of(
        &mut self,
        id: ClientOrderId,
        source: FactSource,
        asked_at_seq: u64,
    ) -> Vec<Decision> {
        let answered_at = self.unix();
        let client_order_id = id;
        let absent = OrderAbsent {
            asked_at_seq,
            answered_at,
            client_order_id,
            source,
        };
        self.fact(ReconFact::OrderAbsent(absent))
    }

    /// The newest look-up of the order is over.
    pub(crate) fn looked_up(&mut self, id: ClientOrderId, complete: bool) -> Vec<Decision> {
        let ended = LookupEnded {
            asked_at_seq: self.order(id).asked_sequence,
            client_order_id: id,
            ask_no: self.order(id).asks,
            complete,
        };
        self.fact(ReconFact::LookupEnded(ended))
    }

    // What the engine knows.

    pub(crate) fn order(&self, id: ClientOrderId) -> Order {
        *self
            .rig
            .engine
            .state()
            .orders
            .get(id)
            .expect("the order is in the store")
    }

    pub(crate) fn position(&self) -> i128 {
        self.rig.engine.state().exposures[0].position_units
    }

    pub(crate) fn open_buys(&self) -> i128 {
        self.rig.engine.state().exposures[0].open_buy_units
    }

    pub(crate) fn kinds(&self, strategy: u16) -> Vec<OrderEventKind> {
        self.rig
            .events(StrategyId(strategy))
            .iter()
            .map(|event| event.kind)
            .collect()
    }

    /// The newest event's kind.
    pub(crate) fn last_kind(&self, strategy: u16) -> OrderEventKind {
        *self.kinds(strategy).last().expect("there is an event")
    }
}

pub(crate) fn is_end(state: VenueOrderState) -> bool {
    !matches!(
        state,
        VenueOrderState::Live | VenueOrderState::PartiallyFilled
    )
}

/// The venue's id of an order of ours.
pub(crate) fn venue_id(id: ClientOrderId) -> VenueOrderId {
    VenueOrderId::new(format!("v{id}").as_bytes()).expect("small in tests")
}

/// A plain limit order.
pub(crate) fn order(instrument: u32, side: Side, quantity: i64, price: i64) -> NewOrder {
    NewOrder {
        instrument: InstrumentId(instrument),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: Quantity::from_units(quantity),
        limit_price: Price::from_units(price),
        valid_for_ns: 0,
    }
}

/// An id of ours that this journal never gave out.
pub(crate) fn lost_id(sequence: u32) -> ClientOrderId {
    let epoch = BootEpoch::new(1).expect("small in tests");
    ClientOrderId::new(
        InstanceTag::new(TAG).expect("small in tests"),
        epoch,
        sequence,
    )
    .expect("small in tests")
}

/// The refusal among the decisions: reason, limit, value.
pub(crate) fn refusal(decisions: &[Decision]) -> Option<(RejectReason, i128, i128)> {
    decisions.iter().find_map(|decision| match decision {
        Decision::Refused(refused) => Some((refused.reason, refused.limit, refused.actual)),
        _ => None,
    })
}

/// The alarms among the decisions.
pub(crate) fn alarms(decisions: &[Decision]) -> Vec<model::decision::AlarmCode> {
    let alarm = |decision: &Decision| match decision {
        Decision::Alarm { code, .. } => Some(*code),
        _ => None,
    };
    decisions.iter().filter_map(alarm).collect()
}
