//! A toy venue: the truth about its orders, and what its pushes, replies and lists say of it.
//!
//! It knows nothing of the engine but the messages. Every order keeps its past states, so that a
//! list can be read as it was some time ago.

use model::execution_report::{
    CommandReply, Fill, LiquiditySide, OrderUpdate, ReplaceResult, ReplyOutcome, VenueOrderState,
};
use model::identifiers::VenueMessage;
use model::{
    ClientOrderId, CommandKind, InstrumentId, OrderIntent, Price, Quantity, Side, TimeInForce,
    TradeId, UnixNs, VenueOrderId,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// One execution and when it happened.
#[derive(Debug, Clone)]
pub(crate) struct ToyFill {
    pub(crate) at: u64,
    pub(crate) fill: Fill,
}

/// One order at the venue.
#[derive(Debug, Clone)]
pub(crate) struct ToyOrder {
    pub(crate) update: OrderUpdate,
    pub(crate) fills: Vec<ToyFill>,
    post_only: bool,
    /// What it looked like from when on.
    past: Vec<(u64, OrderUpdate)>,
}

impl ToyOrder {
    pub(crate) fn is_open(&self) -> bool {
        is_open(self.update.state)
    }

    pub(crate) fn leaves(&self) -> i64 {
        self.update.order_quantity.units() - self.update.cum_quantity.units()
    }

    /// The order as it was; `None` before it came.
    pub(crate) fn at(&self, then: u64) -> Option<&OrderUpdate> {
        self.past
            .iter()
            .rev()
            .find(|(from, _)| *from <= then)
            .map(|(_, update)| update)
    }

    fn keep(&mut self, now: u64) -> OrderUpdate {
        self.update.venue_time = UnixNs(now);
        self.past.push((now, self.update));
        self.update
    }
}

/// True while the venue can still match it.
pub(crate) fn is_open(state: VenueOrderState) -> bool {
    matches!(
        state,
        VenueOrderState::Live | VenueOrderState::PartiallyFilled
    )
}

/// How often the venue does what is legal but awkward, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whims {
    pub(crate) reject: u32,
    pub(crate) reject_after_ack: u32,
    pub(crate) cancel_post_only: u32,
    pub(crate) cross: u32,
    pub(crate) unsure: u32,
    pub(crate) refuse_replace: u32,
}

/// What the venue says at once.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    Reply(CommandReply),
    Push(OrderUpdate),
}

/// The venue.
#[derive(Debug)]
pub(crate) struct ToyVenue {
    pub(crate) orders: BTreeMap<VenueOrderId, ToyOrder>,
    by_ours: BTreeMap<ClientOrderId, VenueOrderId>,
    /// What the account held before the history began, by instrument.
    pub(crate) held_before: BTreeMap<InstrumentId, i64>,
    /// How many new orders it accepted by our id.
    pub(crate) accepted: BTreeMap<ClientOrderId, u32>,
    pub(crate) whims: Whims,
    name: u8,
    next_order: u64,
    next_trade: u64,
}

impl ToyVenue {
    pub(crate) fn new(name: u8) -> Self {
        Self {
            orders: BTreeMap::new(),
            by_ours: BTreeMap::new(),
            held_before: BTreeMap::new(),
            accepted: BTreeMap::new(),
            whims: Whims::default(),
            name,
            next_order: 1,
            next_trade: 1,
        }
    }

    pub(crate) fn of_ours(&self, id: ClientOrderId) -> Option<&ToyOrder> {
        self.by_ours.get(&id).map(|theirs| &self.orders[theirs])
    }

    /// What the account held at a moment: everything that was ever executed until then.
    pub(crate) fn position_at(&self, instrument: InstrumentId, then: u64) -> i64 {
        let held = self.held_before.get(&instrument).copied().unwrap_or(0);
        let orders = self.orders.values();
        let mine = orders.filter(|order| order.update.instrument == instrument);
        let moved = mine.map(|order| {
            let fills = order.fills.iter().filter(|one| one.at <= then);
            let filled: i64 = fills.map(|one| one.fill.last_quantity.units()).sum();
            match order.update.side {
                Side::Buy => filled,
                Side::Sell => -filled,
            }
        });
        held + moved.sum::<i64>()
    }

    /// Acts on a command that arrived.
    pub(crate) fn command(
        &mut self,
        now: u64,
        intent: &OrderIntent,
        rng: &mut ChaCha8Rng,
    ) -> Vec<Says> {
        let mut says = match intent.command {
            CommandKind::New => self.new_order(now, intent, rng),
            CommandKind::Cancel => self.cancel(now, intent),
            CommandKind::Replace => self.replace(now, intent, rng),
        };
        if chance(rng, self.whims.unsure)
            && let Some(Says::Reply(reply)) =
                says.iter_mut().find(|one| matches!(one, Says::Reply(_)))
        {
            reply.outcome = ReplyOutcome::Unknown;
            reply.venue_order_id = VenueOrderId::EMPTY;
        }
        says
    }

    fn new_order(&mut self, now: u64, intent: &OrderIntent, rng: &mut ChaCha8Rng) -> Vec<Says> {
        if now > intent.valid_until.0 {
            return vec![reply(now, intent, ReplyOutcome::Refused, 50_036)];
        }
        if self
            .of_ours(intent.client_order_id)
            .is_some_and(ToyOrder::is_open)
        {
            return vec![reply(now, intent, ReplyOutcome::Refused, 51_016)];
        }
        if chance(rng, self.whims.reject) {
            return vec![reply(now, intent, ReplyOutcome::Refused, 51_008)];
        }
        *self.accepted.entry(intent.client_order_id).or_default() += 1;
        let theirs = self.enter(
            now,
            Some(intent.client_order_id),
            intent.instrument,
            intent.side,
            intent.order_quantity,
            intent.limit_price,
        );
        let order = self.orders.get_mut(&theirs).expect("entered above");
        order.post_only = intent.post_only;
        let mut accepted = reply(now, intent, ReplyOutcome::Accepted, 0);
        if let Says::Reply(reply) = &mut accepted {
            reply.venue_order_id = theirs;
        }
        let mut says = vec![accepted, Says::Push(order.update)];
        if chance(rng, self.whims.reject_after_ack) {
            says.extend(self.end(now + 1, &theirs, VenueOrderState::Rejected, 7));
            return says;
        }
        if intent.post_only && chance(rng, self.whims.cancel_post_only) {
            says.extend(self.end(now + 1, &theirs, VenueOrderState::Cancelled, 31));
            return says;
        }
        let takes = intent.time_in_force != TimeInForce::GoodTillCancel;
        if (takes || chance(rng, self.whims.cross)) && !intent.post_only {
            for step in 0..rng.random_range(0..=2u64) {
                says.extend(self.fill_some(now + 1 + step, &theirs, rng));
            }
        }
        if takes {
            says.extend(self.end(now + 5, &theirs, VenueOrderState::Cancelled, 14));
        }
        says
    }

    /// Enters an order without a command: foreign ones, and ours from a lost tail.
    pub(crate) fn enter(
        &mut self,
        now: u64,
        ours: Option<ClientOrderId>,
        instrument: InstrumentId,
        side: Side,
        order_quantity: Quantity,
        limit_price: Price,
    ) -> VenueOrderId {
        let theirs = format!("v{}-{}", self.name, self.next_order);
        self.next_order += 1;
        let theirs = VenueOrderId::new(theirs.as_bytes()).expect("short and printable");
        let update = OrderUpdate {
            client_order_id: ours,
            venue_order_id: theirs,
            instrument,
            side,
            state: VenueOrderState::Live,
            order_quantity,
            limit_price,
            cum_quantity: Quantity::ZERO,
            fill: None,
            replace: None,
            end_code: 0,
            venue_time: UnixNs(now),
        };
        let past = vec![(now, update)];
        let order = ToyOrder {
            update,
            fills: Vec::new(),
            post_only: false,
            past,
        };
        self.orders.insert(theirs, order);
        if let Some(ours) = ours {
            self.by_ours.insert(ours, theirs);
        }
        theirs
    }

    fn cancel(&mut self, now: u64, intent: &OrderIntent) -> Vec<Says> {
        match self.by_ours.get(&intent.client_order_id).copied() {
            Some(theirs) if self.orders[&theirs].is_open() => {
                let mut says = vec![reply(now, intent, ReplyOutcome::Accepted, 0)];
                says.extend(self.end(now, &theirs, VenueOrderState::Cancelled, 1));
                says
            }
            _ => vec![reply(now, intent, ReplyOutcome::AlreadyGone, 51_400)],
        }
    }

    fn replace(&mut self, now: u64, intent: &OrderIntent, rng: &mut ChaCha8Rng) -> Vec<Says> {
        if now > intent.valid_until.0 {
            return vec![reply(now, intent, ReplyOutcome::Refused, 50_036)];
        }
        let found = self.by_ours.get(&intent.client_order_id).copied();
        let Some(theirs) = found.filter(|theirs| self.orders[theirs].is_open()) else {
            return vec![reply(now, intent, ReplyOutcome::AlreadyGone, 51_503)];
        };
        let result = |applied| {
            Some(ReplaceResult {
                command_seq: intent.command_seq,
                applied,
            })
        };
        let order = self.orders.get_mut(&theirs).expect("found above");
        if chance(rng, self.whims.refuse_replace) {
            if rng.random_bool(0.5) {
                return vec![reply(now, intent, ReplyOutcome::Refused, 51_505)];
            }
            let mut push = order.update;
            push.replace = result(false);
            return vec![
                reply(now, intent, ReplyOutcome::Accepted, 0),
                Says::Push(push),
            ];
        }
        // A total at or below what is filled leaves nothing: the order is filled.
        order.update.order_quantity = intent.order_quantity.max(order.update.cum_quantity);
        order.update.limit_price = intent.limit_price;
        if order.leaves() == 0 {
            order.update.state = VenueOrderState::Filled;
        }
        let mut push = order.keep(now);
        push.replace = result(true);
        vec![
            reply(now, intent, ReplyOutcome::Accepted, 0),
            Says::Push(push),
        ]
    }

    /// Ends an open order.
    pub(crate) fn end(
        &mut self,
        now: u64,
        theirs: &VenueOrderId,
        state: VenueOrderState,
        code: u32,
    ) -> Option<Says> {
        let order = self
            .orders
            .get_mut(theirs)
            .filter(|order| order.is_open())?;
        order.update.state = state;
        order.update.end_code = code;
        Some(Says::Push(order.keep(now)))
    }

    /// Fills some or all of an open order.
    pub(crate) fn fill_some(
        &mut self,
        now: u64,
        theirs: &VenueOrderId,
        rng: &mut ChaCha8Rng,
    ) -> Option<Says> {
        let order = self.orders.get(theirs).filter(|order| order.is_open())?;
        let lots = (order.leaves() / 10).max(1);
        let quantity = if rng.random_bool(0.4) {
            order.leaves()
        } else {
            (rng.random_range(1..=lots) * 10).min(order.leaves())
        };
        let trade = self.new_trade();
        Some(self.execute(now, theirs, trade, quantity, rng))
    }

    /// Two of our orders meet each other: one trade id, two executions.
    pub(crate) fn cross_two(
        &mut self,
        now: u64,
        pair: [&VenueOrderId; 2],
        rng: &mut ChaCha8Rng,
    ) -> Vec<Says> {
        let quantity = pair
            .map(|theirs| self.orders[theirs].leaves())
            .into_iter()
            .min();
        let quantity = quantity.expect("two orders");
        let trade = self.new_trade();
        pair.map(|theirs| self.execute(now, theirs, trade, quantity, rng))
            .to_vec()
    }

    fn new_trade(&mut self) -> TradeId {
        let trade = TradeId::new(self.next_trade.to_string().as_bytes()).expect("digits");
        self.next_trade += 1;
        trade
    }

    fn execute(
        &mut self,
        now: u64,
        theirs: &VenueOrderId,
        trade_id: TradeId,
        quantity: i64,
        rng: &mut ChaCha8Rng,
    ) -> Says {
        let order = self
            .orders
            .get_mut(theirs)
            .expect("only open orders are matched");
        let fill = Fill {
            trade_id,
            last_quantity: Quantity::from_units(quantity),
            last_price: order.update.limit_price,
            fee_units: rng.random_range(-50..500),
            liquidity: LiquiditySide::Maker,
            venue_time: UnixNs(now),
        };
        order.update.cum_quantity =
            Quantity::from_units(order.update.cum_quantity.units() + quantity);
        order.update.state = match order.leaves() {
            0 => VenueOrderState::Filled,
            _ => VenueOrderState::PartiallyFilled,
        };
        order.fills.push(ToyFill { at: now, fill });
        let mut push = order.keep(now);
        push.fill = Some(fill);
        Says::Push(push)
    }
}

fn reply(now: u64, intent: &OrderIntent, outcome: ReplyOutcome, venue_code: u32) -> Says {
    Says::Reply(CommandReply {
        client_order_id: intent.client_order_id,
        command: intent.command,
        command_seq: intent.command_seq,
        outcome,
        venue_order_id: VenueOrderId::EMPTY,
        venue_code,
        message: VenueMessage::EMPTY,
        venue_time: UnixNs(now),
    })
}

/// True in so many percent of the cases.
pub(crate) fn chance(rng: &mut ChaCha8Rng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}
