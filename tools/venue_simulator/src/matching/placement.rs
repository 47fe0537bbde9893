//! New orders: checks, self-trade prevention, the matching loop, and what becomes of the rest.
//!
//! Invariants: a refusal changes nothing; an accepted order is announced before its first fill,
//! except a crossing post-only order, which is announced once, cancelled. Must not know: wire
//! codes.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::exchange::{Exchange, Refusal, Update};
use super::order::{CancelSource, NewOrder, Order, OrderState, OrderType, SelfTradeRule, Side};
use crate::instruments::InstrumentKind;

/// How the matching loop ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchEnd {
    NothingToTake,
    SelfTrade,
}

impl Exchange {
    /// Accepts or refuses a new order, matches it, and returns its order id.
    pub(crate) fn place(&mut self, now_ms: i64, mut new: NewOrder) -> Result<u64, Refusal> {
        self.check_instrument(&new)?;
        self.check_quantity(&new)?;
        self.check_client_order_id(&new)?;
        self.fit_price(&mut new)?;
        let (quantity, amend_source) = self.fit_reduce_only(&new)?;
        let order_id = self.allocate_order_id();
        let order = self.build(order_id, new, quantity, amend_source, now_ms);
        self.check_funds(&order)?;
        self.accept(order, now_ms);
        Ok(order_id)
    }

    fn build(
        &self,
        order_id: u64,
        new: NewOrder,
        quantity: Decimal,
        amend_source: &'static str,
        now_ms: i64,
    ) -> Order {
        Order {
            order_id,
            quantity,
            price: new.price,
            state: OrderState::Live,
            filled: Decimal::ZERO,
            filled_price_sum: Decimal::ZERO,
            quote_spent: Decimal::ZERO,
            fee: Decimal::ZERO,
            rebate: Decimal::ZERO,
            profit: Decimal::ZERO,
            last_execution: None,
            cancel_source: None,
            amend_source,
            amend_request_id: Arc::from(""),
            created_ms: now_ms,
            updated_ms: now_ms,
            frozen: Decimal::ZERO,
            leverage: self.holdings[new.account].leverage_of(new.instrument),
            new,
        }
    }

    fn accept(&mut self, order: Order, now_ms: i64) {
        let (order_id, account) = (order.order_id, order.new.account);
        let order_type = order.new.order_type;
        let is_house = self.holdings[account].is_house;
        if !is_house {
            self.account_orders[account].push(order_id);
            if !order.new.client_order_id.is_empty() {
                let key = Arc::clone(&order.new.client_order_id);
                let count = self.accept_counts[account]
                    .entry(Arc::clone(&key))
                    .or_default();
                *count += 1;
                self.repeated_accepts += u64::from(*count > 1);
                self.client_order_ids[account].insert(key, order_id);
            }
        }
        self.open_orders[account].insert(order_id);
        if self.is_reducing(&order) {
            self.reducing_orders[account].insert(order_id);
        }
        self.orders.insert(order_id, order);
        self.refreeze(order_id, now_ms);
        if order_type == OrderType::PostOnly && self.crosses_now(order_id) {
            let source = Some(CancelSource::POST_ONLY_WOULD_TAKE);
            self.end(order_id, OrderState::Canceled, source, now_ms);
            return;
        }
        self.note(order_id, None, None);
        if order_type == OrderType::FillOrKill && !self.can_fill_whole(order_id) {
            let source = Some(CancelSource::FILL_OR_KILL);
            self.end(order_id, OrderState::Canceled, source, now_ms);
            return;
        }
        let matched = self.match_order(order_id, now_ms);
        self.settle_rest(order_id, matched, now_ms);
    }

    /// Rests, cancels or finishes what the matching loop left over.
    pub(super) fn settle_rest(&mut self, order_id: u64, matched: MatchEnd, now_ms: i64) {
        let Some(order) = self.orders.get(&order_id) else {
            return;
        };
        if order.state.is_terminal() {
            return;
        }
        if matched == MatchEnd::SelfTrade {
            let source = Some(CancelSource::SELF_TRADE);
            return self.end(order_id, OrderState::Canceled, source, now_ms);
        }
        if order.is_quote_sized() && !order.filled.is_zero() {
            return self.end(order_id, OrderState::Filled, None, now_ms);
        }
        if !order.new.order_type.can_rest() {
            let source = Some(CancelSource::IMMEDIATE_REMAINDER);
            return self.end(order_id, OrderState::Canceled, source, now_ms);
        }
        let (instrument, side) = (order.new.instrument, order.new.side);
        let price = order.price.expect("an order that rests has a price");
        self.books[instrument].insert(side, price, order_id);
        self.updates.push(Update::Book { instrument });
    }

    /// Trades against the other side until nothing crosses.
    pub(super) fn match_order(&mut self, order_id: u64, now_ms: i64) -> MatchEnd {
        loop {
            let Some(taker) = self.orders.get(&order_id) else {
                return MatchEnd::NothingToTake;
            };
            if taker.state.is_terminal() {
                return MatchEnd::NothingToTake;
            }
            let Some((price, maker_id)) = self.crossing_front(taker) else {
                return MatchEnd::NothingToTake;
            };
            if self.is_same_owner(taker, maker_id) {
                match taker.new.self_trade_rule {
                    SelfTradeRule::Maker => self.cancel_self_trade(maker_id, now_ms),
                    SelfTradeRule::Taker => return MatchEnd::SelfTrade,
                    SelfTradeRule::Both => {
                        self.cancel_self_trade(maker_id, now_ms);
                        return MatchEnd::SelfTrade;
                    }
                }
                continue;
            }
            let quantity = self
                .takeable(taker, price)
                .min(self.orders[&maker_id].leaves());
            if quantity <= Decimal::ZERO {
                return MatchEnd::NothingToTake;
            }
            self.trade(order_id, maker_id, price, quantity, now_ms);
        }
    }

    /// Whether an order would trade at once.
    pub(super) fn crosses_now(&self, order_id: u64) -> bool {
        self.crossing_front(&self.orders[&order_id]).is_some()
    }

    fn crossing_front(&self, taker: &Order) -> Option<(Decimal, u64)> {
        let side = taker.new.side;
        let front = self.books[taker.new.instrument].front(side.opposite())?;
        let (highest_buy, lowest_sell) = match taker.price {
            Some(price) => (price, price),
            None => self.price_band(taker.new.instrument),
        };
        let crosses = match side {
            Side::Buy => front.0 <= highest_buy,
            Side::Sell => front.0 >= lowest_sell,
        };
        crosses.then_some(front)
    }

    /// Quantity the taker still wants at a price.
    fn takeable(&self, taker: &Order, price: Decimal) -> Decimal {
        if !taker.is_quote_sized() {
            return taker.leaves();
        }
        let lot = self.instruments[taker.new.instrument].lot;
        let left = taker.new.quantity - taker.quote_spent;
        (left / price / lot).floor() * lot
    }

    fn is_same_owner(&self, taker: &Order, maker_id: u64) -> bool {
        let maker = &self.holdings[self.orders[&maker_id].new.account];
        let own = &self.holdings[taker.new.account];
        own.self_trade_group == maker.self_trade_group
    }

    fn cancel_self_trade(&mut self, maker_id: u64, now_ms: i64) {
        self.end(
            maker_id,
            OrderState::Canceled,
            Some(CancelSource::SELF_TRADE),
            now_ms,
        );
    }

    fn can_fill_whole(&self, order_id: u64) -> bool {
        let taker = &self.orders[&order_id];
        let mut wanted = taker.leaves();
        let book = &self.books[taker.new.instrument];
        for (price, maker_id) in book.orders(taker.new.side.opposite()) {
            let crosses = taker.price.is_none_or(|limit| match taker.new.side {
                Side::Buy => price <= limit,
                Side::Sell => price >= limit,
            });
            if !crosses {
                break;
            }
            if self.is_same_owner(taker, maker_id) {
                match taker.new.self_trade_rule {
                    SelfTradeRule::Maker => continue,
                    SelfTradeRule::Taker | SelfTradeRule::Both => break,
                }
            }
            wanted -= self.orders[&maker_id].leaves();
            if wanted <= Decimal::ZERO {
                return true;
            }
        }
        wanted <= Decimal::ZERO
    }

    fn check_instrument(&self, new: &NewOrder) -> Result<(), Refusal> {
        match self.instruments[new.instrument].state.as_str() {
            "live" => Ok(()),
            "post_only" if new.order_type == OrderType::PostOnly => Ok(()),
            "post_only" => Err(Refusal::InstrumentTakesPostOnly),
            _ => Err(Refusal::InstrumentSuspended),
        }
    }

    fn check_quantity(&self, new: &NewOrder) -> Result<(), Refusal> {
        let listed = &self.instruments[new.instrument];
        let is_market = new.order_type == OrderType::Market;
        let is_quote_sized = is_market && new.size_unit == super::order::SizeUnit::Quote;
        if !is_quote_sized {
            check_step(new.quantity, listed.lot, listed.min_quantity)?;
        }
        let is_above_market = match listed.kind {
            InstrumentKind::Spot if is_quote_sized => new.quantity > listed.max_market_quantity,
            InstrumentKind::Spot => {
                let value = new.quantity * self.mark_price(new.instrument);
                is_market && value > listed.max_market_quantity
            }
            InstrumentKind::Swap | InstrumentKind::Futures => {
                is_market && new.quantity > listed.max_market_quantity
            }
        };
        if is_above_market {
            return Err(Refusal::MarketQuantityAboveLimit {
                limit: listed.max_market_quantity,
            });
        }
        if new.quantity > listed.max_limit_quantity {
            return Err(Refusal::QuantityAboveLimit {
                limit: listed.max_limit_quantity,
            });
        }
        Ok(())
    }

    fn check_client_order_id(&self, new: &NewOrder) -> Result<(), Refusal> {
        if new.client_order_id.is_empty() {
            return Ok(());
        }
        let twin = self.client_order_ids[new.account]
            .get(&new.client_order_id)
            .and_then(|order_id| self.orders.get(order_id));
        match twin {
            Some(order) if !order.state.is_terminal() => Err(Refusal::ClientOrderIdPending),
            _ => Ok(()),
        }
    }

    fn fit_price(&self, new: &mut NewOrder) -> Result<(), Refusal> {
        let Some(price) = new.price else {
            return Ok(());
        };
        new.price = Some(self.fitted_price(new, price)?);
        Ok(())
    }

    /// A price on the tick and inside the band, moved there if the client allows it.
    pub(super) fn fitted_price(&self, new: &NewOrder, price: Decimal) -> Result<Decimal, Refusal> {
        let tick = self.instruments[new.instrument].tick;
        if price <= Decimal::ZERO || !(price % tick).is_zero() {
            return Err(Refusal::NotTickMultiple { tick });
        }
        if self.holdings[new.account].is_house {
            return Ok(price);
        }
        let (highest_buy, lowest_sell) = self.price_band(new.instrument);
        let fitted = match new.side {
            Side::Buy => price.min(highest_buy),
            Side::Sell => price.max(lowest_sell),
        };
        if fitted != price && !new.clamp_price {
            return Err(Refusal::PriceOutsideBand {
                highest_buy,
                lowest_sell,
            });
        }
        Ok(fitted)
    }

    fn check_funds(&self, order: &Order) -> Result<(), Refusal> {
        if self.holdings[order.new.account].is_house {
            return Ok(());
        }
        let (currency, required) = self.requirement(order);
        if required > Decimal::ZERO && required > self.available(order.new.account, &currency) {
            return Err(Refusal::InsufficientBalance { currency });
        }
        Ok(())
    }
}

/// Minimum and step of a quantity.
pub(super) fn check_step(quantity: Decimal, lot: Decimal, minimum: Decimal) -> Result<(), Refusal> {
    if quantity < minimum {
        return Err(Refusal::BelowMinimum { minimum });
    }
    if !(quantity % lot).is_zero() {
        return Err(Refusal::NotLotMultiple { lot });
    }
    Ok(())
}
