//! What happens to the orders of the trading day, each step drawn from its seed.

use model::execution_report::*;
use model::input::*;
use model::order_request::OrderReference;
use model::*;

use super::{TradingDay, Working};

impl TradingDay {
    pub(super) fn place(&mut self) {
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

    pub(super) fn fill(&mut self) {
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

    pub(super) fn replace(&mut self) {
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

    pub(super) fn cancel(&mut self) {
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
    pub(super) fn late_fill(&mut self) {
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
    pub(super) fn shed(&mut self) {
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
}
