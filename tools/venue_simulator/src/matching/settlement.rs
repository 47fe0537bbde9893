//! A match becomes money: executions, fees, cash, positions, and what open orders hold back.
//!
//! Invariants: what one side pays the other receives, but for fees, which are summed in
//! `fees_collected`; frozen cash is the sum over open orders of what each requires. Must not know:
//! wire.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::exchange::{Exchange, Update};
use super::holdings::{Position, PositionMode};
use super::order::{Execution, Order, OrderState, PositionSide, Side};

/// Fee of one execution and the currency it is in.
struct Fee {
    amount: Decimal,
    currency: Arc<str>,
    rate: Decimal,
}

impl Exchange {
    /// Books one match between a taker and a resting maker at the maker's price.
    pub(super) fn trade(
        &mut self,
        taker_id: u64,
        maker_id: u64,
        price: Decimal,
        quantity: Decimal,
        now_ms: i64,
    ) {
        let (instrument, taker_side) = {
            let taker = &self.orders[&taker_id].new;
            (taker.instrument, taker.side)
        };
        self.next_trade_id[instrument] += 1;
        let trade_id = self.next_trade_id[instrument];
        self.last_price[instrument] = price;
        for (order_id, is_taker) in [(maker_id, false), (taker_id, true)] {
            self.execute(order_id, trade_id, price, quantity, is_taker, now_ms);
        }
        self.updates.push(Update::Trade {
            instrument,
            trade_id,
            price,
            quantity,
            taker: taker_side,
        });
        self.updates.push(Update::Book { instrument });
        let accounts = [maker_id, taker_id].map(|order_id| self.orders[&order_id].new.account);
        self.forget_if_filled_house(maker_id);
        self.forget_if_filled_house(taker_id);
        for account in accounts {
            self.shrink_reduce_only(account, instrument, now_ms);
        }
    }

    fn forget_if_filled_house(&mut self, order_id: u64) {
        if self.orders[&order_id].state.is_terminal() {
            self.forget_if_house(order_id);
        }
    }

    fn execute(
        &mut self,
        order_id: u64,
        trade_id: u64,
        price: Decimal,
        quantity: Decimal,
        is_taker: bool,
        now_ms: i64,
    ) {
        let bill_id = self.allocate_bill_id();
        let order = &self.orders[&order_id];
        let new = &order.new;
        let (account, instrument) = (new.account, new.instrument);
        let (side, position_side) = (new.side, new.position_side);
        let fee = self.fee_of(instrument, side, price, quantity, is_taker);
        let execution = Execution {
            trade_id,
            bill_id,
            order_id,
            account,
            instrument,
            client_order_id: Arc::clone(&new.client_order_id),
            tag: Arc::clone(&new.tag),
            side,
            position_side,
            price,
            quantity,
            fee: fee.amount,
            fee_currency: Arc::clone(&fee.currency),
            fee_rate: fee.rate,
            profit: Decimal::ZERO,
            is_taker,
            at_ms: now_ms,
        };
        let execution = self.move_money(execution, now_ms);
        self.advance(order_id, execution, now_ms);
    }

    fn fee_of(
        &self,
        instrument: usize,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        is_taker: bool,
    ) -> Fee {
        let rates = &self.rules.fees;
        let listed = &self.instruments[instrument];
        let quote = &self.quote_currency[instrument];
        let base = &self.base_currency[instrument];
        let notional = listed.notional(quantity, price);
        if listed.is_derivative() {
            let rate = if is_taker {
                rates.derivative_taker
            } else {
                rates.derivative_maker
            };
            return Fee {
                amount: notional * rate,
                currency: Arc::clone(quote),
                rate,
            };
        }
        let rate = if is_taker {
            rates.spot_taker
        } else {
            rates.spot_maker
        };
        // A charge is taken from what is received, a rebate paid in the other currency.
        let is_in_base = (side == Side::Buy) == rate.is_sign_negative();
        let (amount, currency) = if is_in_base {
            (quantity * rate, base)
        } else {
            (notional * rate, quote)
        };
        Fee {
            amount,
            currency: Arc::clone(currency),
            rate,
        }
    }

    fn move_money(&mut self, mut execution: Execution, now_ms: i64) -> Arc<Execution> {
        let (account, instrument) = (execution.account, execution.instrument);
        let quote = Arc::clone(&self.quote_currency[instrument]);
        let notional = self.instruments[instrument].notional(execution.quantity, execution.price);
        if self.instruments[instrument].is_derivative() {
            let profit = self.move_position(&execution, now_ms);
            execution.profit = profit;
            self.credit(account, &quote, profit, now_ms);
        } else {
            let base = Arc::clone(&self.base_currency[instrument]);
            let signed = execution.side.signed(execution.quantity);
            self.credit(account, &base, signed, now_ms);
            self.credit(account, &quote, -execution.side.signed(notional), now_ms);
        }
        let fee_currency = Arc::clone(&execution.fee_currency);
        self.credit(account, &fee_currency, execution.fee, now_ms);
        *self.fees_collected.entry(fee_currency).or_default() -= execution.fee;
        Arc::new(execution)
    }

    fn move_position(&mut self, execution: &Execution, now_ms: i64) -> Decimal {
        let (account, instrument) = (execution.account, execution.instrument);
        let contract = self.instruments[instrument].contract_value;
        let position_id = self.allocate_position_id();
        let key = (instrument, execution.position_side);
        let position = self.holdings[account]
            .positions
            .entry(key)
            .or_insert_with(|| Position {
                position_id,
                quantity: Decimal::ZERO,
                cost: Decimal::ZERO,
                realized_profit: Decimal::ZERO,
                fee: Decimal::ZERO,
                last_trade_id: 0,
                opened_ms: now_ms,
                updated_ms: now_ms,
            });
        let signed = execution.side.signed(execution.quantity);
        let profit = position.apply(signed, execution.price, contract);
        position.realized_profit += profit;
        position.fee += execution.fee;
        position.last_trade_id = execution.trade_id;
        position.updated_ms = now_ms;
        if !self.holdings[account].is_house {
            self.updates.push(Update::Position {
                account,
                instrument,
                side: execution.position_side,
                trade_id: execution.trade_id,
            });
        }
        profit
    }

    fn credit(&mut self, account: usize, currency: &Arc<str>, change: Decimal, now_ms: i64) {
        let holdings = &mut self.holdings[account];
        let is_house = holdings.is_house;
        let cash = holdings.cash_mut(currency);
        cash.total += change;
        cash.updated_ms = now_ms;
        if !is_house && !change.is_zero() {
            self.updates.push(Update::Cash {
                account,
                currency: Arc::clone(currency),
            });
        }
    }

    /// Moves an order forward by one execution and ends it when nothing is left.
    fn advance(&mut self, order_id: u64, execution: Arc<Execution>, now_ms: i64) {
        let notional = execution.price * execution.quantity;
        let order = self
            .orders
            .get_mut(&order_id)
            .expect("a matched order is known");
        order.filled += execution.quantity;
        order.filled_price_sum += notional;
        order.profit += execution.profit;
        if execution.fee.is_sign_negative() {
            order.fee += execution.fee;
        } else {
            order.rebate += execution.fee;
        }
        if order.is_quote_sized() {
            order.quote_spent += notional;
            order.quantity = order.filled;
        }
        order.updated_ms = now_ms;
        order.last_execution = Some(Arc::clone(&execution));
        assert!(
            order.filled <= order.quantity,
            "no order fills beyond its quantity"
        );
        let is_done = order.leaves().is_zero() && !order.is_quote_sized();
        let account = order.new.account;
        if is_done {
            self.close(order_id, OrderState::Filled, None, now_ms);
        } else {
            order.state = OrderState::PartiallyFilled;
            self.refreeze(order_id, now_ms);
        }
        if !self.holdings[account].is_house {
            self.executions[account].push(Arc::clone(&execution));
        }
        self.note(order_id, Some(execution), None);
    }

    /// Currency and amount an open order holds back.
    pub(super) fn requirement(&self, order: &Order) -> (Arc<str>, Decimal) {
        let new = &order.new;
        let quote = Arc::clone(&self.quote_currency[new.instrument]);
        let price = order.price.unwrap_or_else(|| match new.side {
            Side::Buy => self.price_band(new.instrument).0,
            Side::Sell => self.mark_price(new.instrument),
        });
        if self.instruments[new.instrument].is_derivative() {
            let opening = self.opening_quantity(order);
            let margin = self.margin_of(new.account, new.instrument, opening, price);
            return (quote, margin);
        }
        match new.side {
            Side::Sell => (
                Arc::clone(&self.base_currency[new.instrument]),
                order.leaves(),
            ),
            Side::Buy if order.is_quote_sized() => (quote, new.quantity - order.quote_spent),
            Side::Buy => (quote, order.leaves() * price),
        }
    }

    /// The part of an order that would add to a position rather than close it.
    fn opening_quantity(&self, order: &Order) -> Decimal {
        let new = &order.new;
        let holdings = &self.holdings[new.account];
        if holdings.position_mode == PositionMode::LongShort {
            let is_opening = matches!(
                (new.side, new.position_side),
                (Side::Buy, PositionSide::Long) | (Side::Sell, PositionSide::Short)
            );
            return if is_opening {
                order.leaves()
            } else {
                Decimal::ZERO
            };
        }
        let held = holdings.position(new.instrument, new.position_side);
        let signed = new.side.signed(Decimal::ONE);
        let is_closing = !held.is_zero() && held.is_sign_positive() != signed.is_sign_positive();
        if is_closing {
            (order.leaves() - held.abs()).max(Decimal::ZERO)
        } else {
            order.leaves()
        }
    }

    /// Brings an order's frozen cash to what it requires now; zero once it ended.
    pub(super) fn refreeze(&mut self, order_id: u64, now_ms: i64) {
        let order = &self.orders[&order_id];
        let account = order.new.account;
        if self.holdings[account].is_house {
            return;
        }
        let (currency, mut required) = self.requirement(order);
        if order.state.is_terminal() {
            required = Decimal::ZERO;
        }
        let change = required - order.frozen;
        if change.is_zero() {
            return;
        }
        let order = self
            .orders
            .get_mut(&order_id)
            .expect("the order was just read");
        order.frozen = required;
        let cash = self.holdings[account].cash_mut(&currency);
        cash.frozen += change;
        cash.updated_ms = now_ms;
        self.updates.push(Update::Cash { account, currency });
    }
}
