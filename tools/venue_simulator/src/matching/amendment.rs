//! Changes of resting orders: price, total quantity, and what a failed change does.
//!
//! Invariants: a refused amendment changes nothing unless the client asked for cancel-on-fail; a
//! new price or a larger quantity loses time priority, a smaller quantity keeps it. Must not know:
//! wire codes.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::exchange::{Exchange, OrderName, Refusal, Update};
use super::order::{AmendOutcome, CancelSource, OrderState, OrderType};
use super::placement::check_step;

#[derive(Clone, Debug)]
pub(crate) struct Amendment {
    pub(crate) new_price: Option<Decimal>,
    /// New total, with what is filled already.
    pub(crate) new_quantity: Option<Decimal>,
    pub(crate) request_id: Arc<str>,
    pub(crate) cancel_on_fail: bool,
    pub(crate) clamp_price: bool,
}

impl Exchange {
    /// Amends an open order; on refusal with cancel-on-fail the order is cancelled as well.
    pub(crate) fn amend(
        &mut self,
        now_ms: i64,
        account: usize,
        name: OrderName<'_>,
        amendment: &Amendment,
    ) -> Result<u64, Refusal> {
        let order = self.find(account, name).ok_or(Refusal::AmendTargetGone)?;
        if order.state.is_terminal() {
            return Err(Refusal::AmendTargetGone);
        }
        let order_id = order.order_id;
        match self.fitted_terms(order_id, amendment) {
            Ok((price, quantity)) => {
                self.apply_terms(order_id, price, quantity, amendment, now_ms);
                Ok(order_id)
            }
            Err(refusal) => {
                if amendment.cancel_on_fail {
                    let request_id = Arc::clone(&amendment.request_id);
                    self.set_request(order_id, request_id, now_ms);
                    let source = Some(CancelSource::USER);
                    self.end(order_id, OrderState::Canceled, source, now_ms);
                }
                Err(refusal)
            }
        }
    }

    /// Tells of an amendment that was taken and then failed (`amendResult` -1 or 1).
    pub(crate) fn fail_amendment(&mut self, now_ms: i64, order_id: u64, amendment: &Amendment) {
        let is_open = self
            .orders
            .get(&order_id)
            .is_some_and(|held| !held.state.is_terminal());
        if !is_open {
            return;
        }
        self.set_request(order_id, Arc::clone(&amendment.request_id), now_ms);
        if amendment.cancel_on_fail {
            let outcome = Some(AmendOutcome::FailedAndCanceled);
            let source = Some(CancelSource::SYSTEM);
            self.end_with(order_id, OrderState::Canceled, source, outcome, now_ms);
        } else {
            self.note(order_id, None, Some(AmendOutcome::Failed));
        }
    }

    fn fitted_terms(
        &self,
        order_id: u64,
        amendment: &Amendment,
    ) -> Result<(Decimal, Decimal), Refusal> {
        let order = &self.orders[&order_id];
        if order.new.is_amend_banned {
            return Err(Refusal::AmendBanned);
        }
        if amendment.new_price.is_none() && amendment.new_quantity.is_none() {
            return Err(Refusal::NothingToAmend);
        }
        let listed = &self.instruments[order.new.instrument];
        let quantity = amendment.new_quantity.unwrap_or(order.quantity);
        check_step(quantity, listed.lot, listed.min_quantity)?;
        if quantity > listed.max_limit_quantity {
            return Err(Refusal::QuantityAboveLimit {
                limit: listed.max_limit_quantity,
            });
        }
        let current = order.price.expect("an open order has a price");
        let mut new = order.new.clone();
        new.clamp_price = amendment.clamp_price;
        let price = match amendment.new_price {
            Some(wanted) => self.fitted_price(&new, wanted)?,
            None => current,
        };
        self.check_amended_funds(order_id, price, quantity)?;
        let mut trial = order.clone();
        trial.price = Some(price);
        if order.new.order_type == OrderType::PostOnly && self.would_take(&trial) {
            return Err(Refusal::AmendWouldTake);
        }
        Ok((price, quantity))
    }

    fn would_take(&self, trial: &super::order::Order) -> bool {
        use super::order::Side;
        let opposite = trial.new.side.opposite();
        match (self.best_price(trial.new.instrument, opposite), trial.price) {
            (Some(best), Some(price)) => match trial.new.side {
                Side::Buy => price >= best,
                Side::Sell => price <= best,
            },
            _ => false,
        }
    }

    fn check_amended_funds(
        &self,
        order_id: u64,
        price: Decimal,
        quantity: Decimal,
    ) -> Result<(), Refusal> {
        let order = &self.orders[&order_id];
        if quantity <= order.filled {
            return Ok(());
        }
        let mut trial = order.clone();
        trial.price = Some(price);
        trial.quantity = quantity;
        let (currency, required) = self.requirement(&trial);
        let more = required - order.frozen;
        if more > Decimal::ZERO && more > self.available(order.new.account, &currency) {
            return Err(Refusal::InsufficientBalance { currency });
        }
        Ok(())
    }

    fn apply_terms(
        &mut self,
        order_id: u64,
        price: Decimal,
        quantity: Decimal,
        amendment: &Amendment,
        now_ms: i64,
    ) {
        self.set_request(order_id, Arc::clone(&amendment.request_id), now_ms);
        let order = self
            .orders
            .get_mut(&order_id)
            .expect("the order was just checked");
        let old_price = order.price.expect("an open order has a price");
        let (side, instrument) = (order.new.side, order.new.instrument);
        let keeps_place = price == old_price && quantity <= order.quantity;
        order.amend_source = "1";
        self.updates.push(Update::Book { instrument });
        if quantity <= order.filled {
            let outcome = Some(AmendOutcome::Done);
            order.quantity = order.filled;
            self.end_with(order_id, OrderState::Filled, None, outcome, now_ms);
            return;
        }
        order.quantity = quantity;
        order.price = Some(price);
        if !keeps_place {
            self.books[instrument].remove(side, old_price, order_id);
        }
        self.refreeze(order_id, now_ms);
        self.note(order_id, None, Some(AmendOutcome::Done));
        if !keeps_place {
            let matched = self.match_order(order_id, now_ms);
            self.settle_rest(order_id, matched, now_ms);
        }
    }

    fn set_request(&mut self, order_id: u64, request_id: Arc<str>, now_ms: i64) {
        let order = self
            .orders
            .get_mut(&order_id)
            .expect("an amended order is known");
        order.amend_request_id = request_id;
        order.updated_ms = now_ms;
    }
}
