//! The grid: which order stands where, and what to do next. No clock, no client.
//!
//! Owns: the slots (a side and a level of an instrument) and what is known of the order in each.
//! Invariants: a slot holds at most one order, known or asked for; nothing is done faster than the
//! pace; an order whose fate is unknown keeps its slot. Must not know: rings, files.
//! Threads: plain values; the caller has the clock.

use std::collections::HashMap;

use model::{
    ClientOrderId, Instrument, InstrumentId, OrderEvent, OrderEventKind, OrderStatus, Price,
    Quantity, RejectReason, RequestId, Side,
};

use crate::arguments::Spacing;
use crate::pace::Pace;
use crate::price_grid::PriceGrid;

/// An order rests at least this long before it is renewed.
const REST_NS: u64 = 30_000_000;
/// A cancel or replace without an answer for this long may be asked for again.
const ASK_AGAIN_NS: u64 = 5_000_000_000;
/// After a refusal for rate, the instrument's new orders wait this long.
const RATE_HOLD_NS: u64 = 250_000_000;
/// After any other refusal, likewise: the engine may be recovering.
const REFUSAL_HOLD_NS: u64 = 100_000_000;
/// Of so many renewals one is a replace; the others cancel and place anew.
const REPLACE_ONE_IN: u64 = 5;

/// A slot by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SlotId {
    quote: usize,
    slot: usize,
}

/// What to ask the engine for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Place {
        instrument: InstrumentId,
        side: Side,
        order_quantity: Quantity,
        limit_price: Price,
    },
    Cancel {
        order: ClientOrderId,
    },
    Replace {
        order: ClientOrderId,
        instrument: InstrumentId,
        order_quantity: Quantity,
        limit_price: Price,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotState {
    Empty,
    /// A new order was asked for; its id may be known already.
    Placing,
    Open(ClientOrderId),
    /// A cancel or replace was asked for.
    Asked(ClientOrderId, RequestId),
}

#[derive(Debug)]
struct Slot {
    side: Side,
    level: u8,
    state: SlotState,
    since_ns: u64,
    limit_price: Price,
}

/// One instrument's quotes.
#[derive(Debug)]
struct Quote {
    instrument: Instrument,
    prices: PriceGrid,
    order_quantity: Quantity,
    new_pace: Pace,
    cancel_pace: Pace,
    replace_pace: Pace,
    slots: Vec<Slot>,
}

/// Counts for the summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Orders that the venue took.
    pub(crate) orders: u64,
    pub(crate) fills: u64,
    pub(crate) refused: u64,
    pub(crate) not_taken: u64,
}

/// All quotes.
#[derive(Debug)]
pub(crate) struct Grid {
    quotes: Vec<Quote>,
    by_request: HashMap<RequestId, SlotId>,
    by_order: HashMap<ClientOrderId, SlotId>,
    pub(crate) counts: Counts,
    choice: Choice,
    /// The quote that is looked at first next time, so that none starves.
    turn: usize,
}

/// A stream of choices from a seed (SplitMix64).
#[derive(Debug)]
struct Choice(u64);

impl Choice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl Grid {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            quotes: Vec::new(),
            by_request: HashMap::new(),
            by_order: HashMap::new(),
            counts: Counts::default(),
            choice: Choice(seed),
            turn: 0,
        }
    }

    /// Quotes one more instrument.
    pub(crate) fn add(
        &mut self,
        instrument: Instrument,
        center: Price,
        spacing: Spacing,
        levels: u8,
        order_quantity: Quantity,
        orders_per_2s: u32,
    ) {
        let slots = (1..=levels).flat_map(|level| {
            [Side::Buy, Side::Sell].map(|side| Slot {
                side,
                level,
                state: SlotState::Empty,
                since_ns: 0,
                limit_price: Price::ZERO,
            })
        });
        let pace = Pace::per_two_seconds(orders_per_2s);
        self.quotes.push(Quote {
            instrument,
            prices: PriceGrid::new(&instrument, spacing, center),
            order_quantity,
            new_pace: pace,
            cancel_pace: pace,
            replace_pace: pace,
            slots: slots.collect(),
        });
    }

    /// Slots that hold an order, or may.
    pub(crate) fn open_slots(&self) -> usize {
        let slots = self.quotes.iter().flat_map(|quote| &quote.slots);
        slots.filter(|slot| slot.state != SlotState::Empty).count()
    }

    /// The next thing to ask for now; the caller says with [`Self::written`] that it was.
    pub(crate) fn next_action(&mut self, now_ns: u64) -> Option<(SlotId, Action)> {
        for _ in 0..self.quotes.len() {
            self.turn = (self.turn + 1) % self.quotes.len();
            let quote = &mut self.quotes[self.turn];
            let action = quote
                .place(now_ns, &mut self.choice)
                .or_else(|| quote.renew(now_ns, &mut self.choice));
            if let Some((slot, action)) = action {
                let quote = self.turn;
                return Some((SlotId { quote, slot }, action));
            }
        }
        None
    }

    /// When the next thing may be due, by pace and rest alone.
    pub(crate) fn next_at_ns(&self, now_ns: u64) -> u64 {
        let paces = self.quotes.iter().map(|quote| {
            quote
                .new_pace
                .next_at_ns()
                .min(quote.cancel_pace.next_at_ns())
        });
        paces.min().unwrap_or(u64::MAX).max(now_ns + 1_000_000)
    }

    /// An action was written as this request.
    pub(crate) fn written(
        &mut self,
        id: SlotId,
        action: &Action,
        request_id: RequestId,
        now_ns: u64,
    ) {
        let quote = &mut self.quotes[id.quote];
        let slot = &mut quote.slots[id.slot];
        slot.since_ns = now_ns;
        match action {
            Action::Place { limit_price, .. } => {
                quote.new_pace.take(now_ns);
                slot.state = SlotState::Placing;
                slot.limit_price = *limit_price;
            }
            Action::Cancel { order } => {
                quote.cancel_pace.take(now_ns);
                slot.state = SlotState::Asked(*order, request_id);
            }
            Action::Replace {
                order, limit_price, ..
            } => {
                quote.replace_pace.take(now_ns);
                slot.state = SlotState::Asked(*order, request_id);
                slot.limit_price = *limit_price;
            }
        }
        self.by_request.insert(request_id, id);
    }

    /// Takes an event over.
    pub(crate) fn on_event(&mut self, event: &OrderEvent, now_ns: u64) {
        match event.kind {
            OrderEventKind::RequestRefused => {
                self.refused(event.request_id, event.reason, now_ns);
            }
            OrderEventKind::RequestsRefused => {
                let count = u64::try_from(event.order_quantity.units()).unwrap_or(0);
                for offset in 0..count {
                    let request_id = RequestId(event.request_id.0.saturating_add(offset));
                    self.refused(request_id, event.reason, now_ns);
                }
            }
            _ => self.on_order_event(event, now_ns),
        }
    }

    /// Nothing of a request happened or will happen.
    pub(crate) fn not_taken(&mut self, request_id: RequestId, now_ns: u64) {
        self.counts.not_taken += 1;
        self.undo(request_id, now_ns);
    }

    fn on_order_event(&mut self, event: &OrderEvent, now_ns: u64) {
        let Some(order) = event.client_order_id else {
            return;
        };
        let is_fill = matches!(
            event.kind,
            OrderEventKind::OrderPartiallyFilled
                | OrderEventKind::OrderFilled
                | OrderEventKind::LateFill
        );
        self.counts.fills += u64::from(is_fill);
        if is_fill {
            let mut quotes = self.quotes.iter_mut();
            if let Some(quote) = quotes.find(|quote| quote.instrument.id == event.instrument) {
                quote.prices.recenter(event.last_price);
            }
        }
        let Some(id) = self.slot_of(order, event) else {
            return; // an order of an earlier life, ended by the cancel-all at the start
        };
        let slot = &mut self.quotes[id.quote].slots[id.slot];
        let was_placing = matches!(slot.state, SlotState::Placing);
        if let Some(end) = event.status.filter(|status| status.is_terminal()) {
            self.counts.orders += u64::from(was_placing && reached_venue(end));
            slot.state = SlotState::Empty;
            slot.since_ns = now_ns;
            self.by_order.remove(&order);
            self.by_request.retain(|_, held| *held != id);
            return;
        }
        let answered = matches!(
            event.kind,
            OrderEventKind::CancelRejected
                | OrderEventKind::ReplaceRejected
                | OrderEventKind::OrderReplaced
        );
        let acknowledged = matches!(
            event.kind,
            OrderEventKind::OrderAcknowledged | OrderEventKind::OrderPartiallyFilled
        );
        self.counts.orders += u64::from(was_placing && acknowledged);
        let opens = match slot.state {
            SlotState::Placing => acknowledged,
            SlotState::Asked(..) => answered,
            SlotState::Empty | SlotState::Open(_) => false,
        };
        if opens {
            slot.state = SlotState::Open(order);
            slot.since_ns = now_ns;
        }
    }

    /// The slot of an order, by its id or by the request that it came from.
    fn slot_of(&mut self, order: ClientOrderId, event: &OrderEvent) -> Option<SlotId> {
        if let Some(id) = self.by_order.get(&order) {
            return Some(*id);
        }
        let id = *self.by_request.get(&event.request_id)?;
        self.by_order.insert(order, id);
        Some(id)
    }

    fn refused(&mut self, request_id: RequestId, reason: Option<RejectReason>, now_ns: u64) {
        self.counts.refused += 1;
        let Some(id) = self.undo(request_id, now_ns) else {
            return;
        };
        let quote = &mut self.quotes[id.quote];
        let hold_ns = match reason {
            Some(RejectReason::RiskMessageRate | RejectReason::RiskOrderRate) => RATE_HOLD_NS,
            _ => REFUSAL_HOLD_NS,
        };
        quote.new_pace.hold_until(now_ns + hold_ns);
        quote.cancel_pace.hold_until(now_ns + REFUSAL_HOLD_NS);
    }

    /// The slot is as if the request had not been made.
    fn undo(&mut self, request_id: RequestId, now_ns: u64) -> Option<SlotId> {
        let id = self.by_request.remove(&request_id)?;
        let slot = &mut self.quotes[id.quote].slots[id.slot];
        slot.state = match slot.state {
            SlotState::Placing => SlotState::Empty,
            SlotState::Asked(order, asked) if asked == request_id => SlotState::Open(order),
            other => other,
        };
        slot.since_ns = now_ns;
        Some(id)
    }
}

/// Whether an order with this end was ever at its venue.
fn reached_venue(end: OrderStatus) -> bool {
    matches!(
        end,
        OrderStatus::Filled | OrderStatus::Cancelled | OrderStatus::Expired
    )
}

impl Quote {
    /// A new order for one of the empty slots.
    fn place(&self, now_ns: u64, choice: &mut Choice) -> Option<(usize, Action)> {
        if !self.new_pace.is_free(now_ns) {
            return None;
        }
        let empty = |slot: &Slot| slot.state == SlotState::Empty;
        let at = self.one_of(choice, empty)?;
        let slot = &self.slots[at];
        let limit_price = self.prices.price(slot.side, slot.level)?;
        let action = Action::Place {
            instrument: self.instrument.id,
            side: slot.side,
            order_quantity: self.order_quantity,
            limit_price,
        };
        Some((at, action))
    }

    /// Ends or moves one of the orders that have rested, so that there is something to place.
    fn renew(&self, now_ns: u64, choice: &mut Choice) -> Option<(usize, Action)> {
        if !self.cancel_pace.is_free(now_ns) {
            return None;
        }
        let at = self.one_of(choice, |slot| match slot.state {
            SlotState::Open(_) => now_ns.saturating_sub(slot.since_ns) >= REST_NS,
            SlotState::Asked(..) => now_ns.saturating_sub(slot.since_ns) >= ASK_AGAIN_NS,
            SlotState::Empty | SlotState::Placing => false,
        })?;
        let slot = &self.slots[at];
        let (SlotState::Open(order) | SlotState::Asked(order, _)) = slot.state else {
            return None;
        };
        let limit_price = self.prices.price(slot.side, slot.level)?;
        let moved = limit_price != slot.limit_price;
        let replaces = moved && choice.below(REPLACE_ONE_IN) == 0;
        if replaces && self.replace_pace.is_free(now_ns) {
            let action = Action::Replace {
                order,
                instrument: self.instrument.id,
                order_quantity: self.order_quantity,
                limit_price,
            };
            return Some((at, action));
        }
        Some((at, Action::Cancel { order }))
    }

    /// One of the slots that fit, chosen by the seed.
    fn one_of(&self, choice: &mut Choice, fits: impl Fn(&Slot) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.slots.len())
            .filter(|at| fits(&self.slots[*at]))
            .collect();
        let count = u64::try_from(fitting.len())
            .ok()
            .filter(|count| *count > 0)?;
        fitting
            .get(usize::try_from(choice.below(count)).ok()?)
            .copied()
    }
}

#[cfg(test)]
mod tests;
