//! The venue's state: instruments, books, orders, holdings; and what happened since it was last
//! asked.
//!
//! Invariants: every public call leaves all books uncrossed; every change is in `updates`. Orders
//! of the house account are forgotten when they end. Must not know: wire formats, clocks, threads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rust_decimal::Decimal;

use super::book::Book;
use super::holdings::Holdings;
use super::order::{AmendOutcome, CancelSource, Execution, Order, OrderState, PositionSide, Side};
use crate::instruments::Instrument;

/// First order id: sixteen digits, as the venue's own.
const FIRST_ORDER_ID: u64 = 2_510_789_768_000_000;
const FIRST_TRADE_ID: u64 = 100_000_001;
const FIRST_BILL_ID: u64 = 3_310_789_768_000_001;
const FIRST_POSITION_ID: u64 = 307_173_036_051_017_731;

/// Fee rates as OKX shows them: negative is charged, positive is paid to the account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeeRates {
    pub(crate) spot_maker: Decimal,
    pub(crate) spot_taker: Decimal,
    pub(crate) derivative_maker: Decimal,
    pub(crate) derivative_taker: Decimal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ExchangeRules {
    pub(crate) fees: FeeRates,
    /// Half width of the price band around the mark, in basis points.
    pub(crate) price_band_bps: u32,
}

/// Why the exchange refuses; the wire turns it into a code and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InstrumentSuspended,
    InstrumentTakesPostOnly,
    BelowMinimum {
        minimum: Decimal,
    },
    NotLotMultiple {
        lot: Decimal,
    },
    NotTickMultiple {
        tick: Decimal,
    },
    QuantityAboveLimit {
        limit: Decimal,
    },
    MarketQuantityAboveLimit {
        limit: Decimal,
    },
    PriceOutsideBand {
        highest_buy: Decimal,
        lowest_sell: Decimal,
    },
    ClientOrderIdPending,
    InsufficientBalance {
        currency: Arc<str>,
    },
    NoPositionToReduce,
    CancelTargetGone,
    AmendTargetGone,
    AmendBanned,
    NothingToAmend,
    AmendWouldTake,
}

#[derive(Clone, Debug)]
pub(crate) enum Update {
    Order {
        order: Arc<Order>,
        execution: Option<Arc<Execution>>,
        amend: Option<AmendOutcome>,
    },
    Cash {
        account: usize,
        currency: Arc<str>,
    },
    Position {
        account: usize,
        instrument: usize,
        side: PositionSide,
        trade_id: u64,
    },
    Trade {
        instrument: usize,
        trade_id: u64,
        price: Decimal,
        quantity: Decimal,
        taker: Side,
    },
    Book {
        instrument: usize,
    },
}

/// How a client names an order; an order id wins over a client order id.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OrderName<'a> {
    OrderId(u64),
    ClientOrderId(&'a str),
}

pub(crate) struct Exchange {
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) holdings: Vec<Holdings>,
    pub(crate) rules: ExchangeRules,
    pub(crate) last_price: Vec<Decimal>,
    /// Fees charged so far per currency, less rebates.
    pub(crate) fees_collected: BTreeMap<Arc<str>, Decimal>,
    /// How often each client order id was accepted, per account.
    pub(crate) accept_counts: Vec<HashMap<Arc<str>, u32>>,
    /// Orders accepted under a client order id that was accepted before.
    pub(crate) repeated_accepts: u64,
    pub(super) books: Vec<Book>,
    pub(super) orders: HashMap<u64, Order>,
    pub(super) client_order_ids: Vec<HashMap<Arc<str>, u64>>,
    pub(super) account_orders: Vec<Vec<u64>>,
    pub(super) open_orders: Vec<BTreeSet<u64>>,
    pub(super) reducing_orders: Vec<BTreeSet<u64>>,
    pub(super) executions: Vec<Vec<Arc<Execution>>>,
    pub(super) updates: Vec<Update>,
    pub(super) base_currency: Vec<Arc<str>>,
    pub(super) quote_currency: Vec<Arc<str>>,
    next_order_id: u64,
    pub(super) next_trade_id: Vec<u64>,
    next_bill_id: u64,
    next_position_id: u64,
}

impl Exchange {
    pub(crate) fn new(
        instruments: Vec<Instrument>,
        holdings: Vec<Holdings>,
        rules: ExchangeRules,
    ) -> Self {
        let accounts = holdings.len();
        Self {
            last_price: instruments
                .iter()
                .map(|listed| listed.initial_price)
                .collect(),
            fees_collected: BTreeMap::new(),
            accept_counts: vec![HashMap::new(); accounts],
            repeated_accepts: 0,
            books: vec![Book::default(); instruments.len()],
            orders: HashMap::new(),
            client_order_ids: vec![HashMap::new(); accounts],
            account_orders: vec![Vec::new(); accounts],
            open_orders: vec![BTreeSet::new(); accounts],
            reducing_orders: vec![BTreeSet::new(); accounts],
            executions: vec![Vec::new(); accounts],
            updates: Vec::new(),
            base_currency: instruments
                .iter()
                .map(|listed| listed.base.as_str().into())
                .collect(),
            quote_currency: instruments
                .iter()
                .map(|listed| listed.quote.as_str().into())
                .collect(),
            next_order_id: FIRST_ORDER_ID,
            next_trade_id: vec![FIRST_TRADE_ID; instruments.len()],
            next_bill_id: FIRST_BILL_ID,
            next_position_id: FIRST_POSITION_ID,
            instruments,
            holdings,
            rules,
        }
    }

    /// Everything that changed since the last call, in order.
    pub(crate) fn take_updates(&mut self) -> Vec<Update> {
        std::mem::take(&mut self.updates)
    }

    pub(crate) fn order(&self, order_id: u64) -> Option<&Order> {
        self.orders.get(&order_id)
    }

    /// The order an account means: by order id, or the latest with a client order id.
    pub(crate) fn find(&self, account: usize, name: OrderName<'_>) -> Option<&Order> {
        let order_id = match name {
            OrderName::OrderId(order_id) => order_id,
            OrderName::ClientOrderId(text) => *self.client_order_ids[account].get(text)?,
        };
        self.orders
            .get(&order_id)
            .filter(|order| order.new.account == account)
    }

    /// All orders of an account, oldest first.
    pub(crate) fn orders_of(&self, account: usize) -> impl DoubleEndedIterator<Item = &Order> {
        self.account_orders[account]
            .iter()
            .filter_map(|order_id| self.orders.get(order_id))
    }

    /// Open orders of an account, oldest first.
    pub(crate) fn open_orders_of(&self, account: usize) -> impl DoubleEndedIterator<Item = &Order> {
        self.open_orders[account]
            .iter()
            .filter_map(|order_id| self.orders.get(order_id))
    }

    pub(crate) fn open_order_count(&self, account: usize) -> usize {
        self.open_orders[account].len()
    }

    /// All executions of an account, oldest first.
    pub(crate) fn executions_of(&self, account: usize) -> &[Arc<Execution>] {
        &self.executions[account]
    }

    pub(crate) fn best_price(&self, instrument: usize, side: Side) -> Option<Decimal> {
        self.books[instrument].best_price(side)
    }

    /// Mid of the book when both sides are there, else the last trade.
    pub(crate) fn mark_price(&self, instrument: usize) -> Decimal {
        let book = &self.books[instrument];
        match (book.best_price(Side::Buy), book.best_price(Side::Sell)) {
            (Some(bid), Some(ask)) => (bid + ask) / Decimal::TWO,
            _ => self.last_price[instrument],
        }
    }

    /// Price levels of a side, best first: price, quantity, number of orders.
    pub(crate) fn depth(
        &self,
        instrument: usize,
        side: Side,
        levels: usize,
    ) -> Vec<(Decimal, Decimal, usize)> {
        self.books[instrument]
            .levels(side, levels)
            .into_iter()
            .map(|(price, queue)| {
                let quantity = queue.iter().map(|id| self.orders[id].leaves()).sum();
                (price, quantity, queue.len())
            })
            .collect()
    }

    /// Highest buy and lowest sell price allowed now (`51006`).
    pub(crate) fn price_band(&self, instrument: usize) -> (Decimal, Decimal) {
        let mark = self.mark_price(instrument);
        let width = mark * Decimal::from(self.rules.price_band_bps) / Decimal::from(10_000_u32);
        let tick = self.instruments[instrument].tick;
        let snap = |price: Decimal| (price / tick).floor() * tick;
        (snap(mark + width), snap(mark - width).max(tick))
    }

    /// Cash an account can still commit: less what is frozen, less margin, with open profit.
    pub(crate) fn available(&self, account: usize, currency: &str) -> Decimal {
        let cash = self.holdings[account].cash_of(currency);
        let mut available = cash.total - cash.frozen;
        for (instrument, position) in self.positions_in(account, currency) {
            let mark = self.mark_price(instrument);
            let listed = &self.instruments[instrument];
            available += position.unrealized(mark, listed.contract_value);
            available -= self.margin_of(account, instrument, position.quantity, mark);
        }
        available
    }

    /// Margin a position ties up at a price.
    pub(crate) fn margin_of(
        &self,
        account: usize,
        instrument: usize,
        quantity: Decimal,
        price: Decimal,
    ) -> Decimal {
        let leverage = self.holdings[account].leverage_of(instrument);
        self.instruments[instrument].notional(quantity.abs(), price) / leverage
    }

    /// Positions that settle in a currency.
    pub(crate) fn positions_in<'a>(
        &'a self,
        account: usize,
        currency: &'a str,
    ) -> impl Iterator<Item = (usize, &'a super::holdings::Position)> {
        self.holdings[account]
            .positions
            .iter()
            .filter(move |((instrument, _), held)| {
                !held.quantity.is_zero() && self.instruments[*instrument].quote == currency
            })
            .map(|((instrument, _), held)| (*instrument, held))
    }

    /// Cancels an open order of an account.
    pub(crate) fn cancel(
        &mut self,
        now_ms: i64,
        account: usize,
        name: OrderName<'_>,
        source: CancelSource,
    ) -> Result<u64, Refusal> {
        let order = self.find(account, name).ok_or(Refusal::CancelTargetGone)?;
        if order.state.is_terminal() {
            return Err(Refusal::CancelTargetGone);
        }
        let order_id = order.order_id;
        self.end(order_id, OrderState::Canceled, Some(source), now_ms);
        Ok(order_id)
    }

    /// Fills an open order at its own price against the house, whatever the book says.
    pub(crate) fn force_fill(&mut self, now_ms: i64, order_id: u64) {
        let Some(order) = self
            .orders
            .get(&order_id)
            .filter(|held| !held.state.is_terminal())
        else {
            return;
        };
        let Some(house) = self.holdings.iter().position(|held| held.is_house) else {
            return;
        };
        let Some(price) = order.price else { return };
        let quantity = order.leaves();
        let mut counter = order.clone();
        counter.new.account = house;
        counter.new.side = order.new.side.opposite();
        counter.new.position_side = PositionSide::Net;
        counter.new.client_order_id = Arc::from("");
        counter.quantity = quantity;
        counter.filled = Decimal::ZERO;
        counter.state = OrderState::Live;
        counter.order_id = self.allocate_order_id();
        let counter_id = counter.order_id;
        self.orders.insert(counter_id, counter);
        self.trade(counter_id, order_id, price, quantity, now_ms);
    }

    /// Changes cash from outside (deposit, or a test of reconciliation).
    pub(crate) fn adjust_cash(
        &mut self,
        now_ms: i64,
        account: usize,
        currency: &str,
        change: Decimal,
    ) {
        let currency: Arc<str> = currency.into();
        let cash = self.holdings[account].cash_mut(&currency);
        cash.total += change;
        cash.updated_ms = now_ms;
        self.updates.push(Update::Cash { account, currency });
    }

    pub(super) fn allocate_order_id(&mut self) -> u64 {
        self.next_order_id += 1;
        self.next_order_id
    }

    pub(super) fn allocate_bill_id(&mut self) -> u64 {
        self.next_bill_id += 1;
        self.next_bill_id
    }

    pub(super) fn allocate_position_id(&mut self) -> u64 {
        self.next_position_id += 1;
        self.next_position_id
    }

    /// Records an order's present state as an update, unless it belongs to the house.
    pub(super) fn note(
        &mut self,
        order_id: u64,
        execution: Option<Arc<Execution>>,
        amend: Option<AmendOutcome>,
    ) {
        let order = &self.orders[&order_id];
        if self.holdings[order.new.account].is_house {
            return;
        }
        self.updates.push(Update::Order {
            order: Arc::new(order.clone()),
            execution,
            amend,
        });
    }

    /// Ends an order: out of the book, cash released, state final, update noted.
    pub(super) fn end(
        &mut self,
        order_id: u64,
        state: OrderState,
        source: Option<CancelSource>,
        now_ms: i64,
    ) {
        self.end_with(order_id, state, source, None, now_ms);
    }

    pub(super) fn end_with(
        &mut self,
        order_id: u64,
        state: OrderState,
        source: Option<CancelSource>,
        amend: Option<AmendOutcome>,
        now_ms: i64,
    ) {
        self.close(order_id, state, source, now_ms);
        self.note(order_id, None, amend);
        self.forget_if_house(order_id);
    }

    /// As [`Self::end`], but without the update: for the fill that ends an order.
    pub(super) fn close(
        &mut self,
        order_id: u64,
        state: OrderState,
        source: Option<CancelSource>,
        now_ms: i64,
    ) {
        let order = self
            .orders
            .get_mut(&order_id)
            .expect("an order that ends is known");
        assert!(!order.state.is_terminal(), "a terminal state never changes");
        order.state = state;
        order.cancel_source = source;
        order.updated_ms = now_ms;
        let (account, instrument) = (order.new.account, order.new.instrument);
        if let Some(price) = order.price
            && self.books[instrument].remove(order.new.side, price, order_id)
        {
            self.updates.push(Update::Book { instrument });
        }
        self.open_orders[account].remove(&order_id);
        self.reducing_orders[account].remove(&order_id);
        self.refreeze(order_id, now_ms);
    }

    pub(super) fn forget_if_house(&mut self, order_id: u64) {
        let account = self.orders[&order_id].new.account;
        if self.holdings[account].is_house {
            self.orders.remove(&order_id);
        }
    }
}
