//! Reduce-only orders: cut to the position when they arrive, and again whenever it shrinks.
//!
//! Invariants: an order that may only reduce never opens a position. The venue tells of a resize by
//! `amendSource` 3 (new order) or 4 (resting order). Must not know: wire.

use rust_decimal::Decimal;

use super::exchange::{Exchange, Refusal};
use super::holdings::PositionMode;
use super::order::{CancelSource, NewOrder, Order, OrderState, PositionSide, Side};

impl Exchange {
    /// Whether an order may only reduce: asked for, or closing in long/short mode.
    pub(super) fn is_reducing(&self, order: &Order) -> bool {
        self.must_reduce(&order.new)
    }

    /// Quantity of a new order after the reduce-only rule, and its `amendSource`.
    pub(super) fn fit_reduce_only(
        &self,
        new: &NewOrder,
    ) -> Result<(Decimal, &'static str), Refusal> {
        let is_quote_sized = new.order_type == super::order::OrderType::Market
            && new.size_unit == super::order::SizeUnit::Quote;
        if is_quote_sized {
            return Ok((Decimal::ZERO, ""));
        }
        if !self.must_reduce(new) {
            return Ok((new.quantity, ""));
        }
        let room = self.reducible(new);
        if room.is_zero() {
            return Err(Refusal::NoPositionToReduce);
        }
        Ok(if new.quantity > room {
            (room, "3")
        } else {
            (new.quantity, "")
        })
    }

    /// Resizes or cancels resting reduce-only orders that exceed what is left of the position.
    pub(super) fn shrink_reduce_only(&mut self, account: usize, instrument: usize, now_ms: i64) {
        if self.reducing_orders[account].is_empty() {
            return;
        }
        let candidates: Vec<u64> = self.reducing_orders[account].iter().copied().collect();
        for order_id in candidates {
            let Some(order) = self.orders.get(&order_id) else {
                continue;
            };
            if order.new.instrument != instrument || order.state.is_terminal() {
                continue;
            }
            let room = self.reducible(&order.new);
            if room.is_zero() {
                let source = Some(CancelSource::REDUCE_ONLY_DISPLACED);
                self.end(order_id, OrderState::Canceled, source, now_ms);
            } else if order.leaves() > room {
                let order = self
                    .orders
                    .get_mut(&order_id)
                    .expect("the order was just read");
                order.quantity = order.filled + room;
                order.amend_source = "4";
                order.updated_ms = now_ms;
                self.refreeze(order_id, now_ms);
                self.note(order_id, None, None);
            }
        }
    }

    fn must_reduce(&self, new: &NewOrder) -> bool {
        if !self.instruments[new.instrument].is_derivative() {
            return false;
        }
        let is_closing = matches!(
            (new.side, new.position_side),
            (Side::Sell, PositionSide::Long) | (Side::Buy, PositionSide::Short)
        );
        let mode = self.holdings[new.account].position_mode;
        (mode == PositionMode::Net && new.reduce_only)
            || (mode == PositionMode::LongShort && is_closing)
    }

    /// How much of the position an order on this side could close.
    fn reducible(&self, new: &NewOrder) -> Decimal {
        let held = self.holdings[new.account].position(new.instrument, new.position_side);
        match new.side {
            Side::Sell => held.max(Decimal::ZERO),
            Side::Buy => (-held).max(Decimal::ZERO),
        }
    }
}
