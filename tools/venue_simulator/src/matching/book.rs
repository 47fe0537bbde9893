//! One instrument's resting orders in price-time order.
//!
//! Invariants: a level in the map is never empty; the queue of a level is in order of arrival. It
//! holds order ids only. Must not know: accounts, quantities, time.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;

use super::order::Side;

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    bids: BTreeMap<Decimal, VecDeque<u64>>,
    asks: BTreeMap<Decimal, VecDeque<u64>>,
}

impl Book {
    /// Best price of a side: highest bid, lowest ask.
    pub(crate) fn best_price(&self, side: Side) -> Option<Decimal> {
        match side {
            Side::Buy => self.bids.keys().next_back().copied(),
            Side::Sell => self.asks.keys().next().copied(),
        }
    }

    /// First order at the best price of a side.
    pub(crate) fn front(&self, side: Side) -> Option<(Decimal, u64)> {
        let level = match side {
            Side::Buy => self.bids.iter().next_back(),
            Side::Sell => self.asks.iter().next(),
        };
        level.and_then(|(price, queue)| queue.front().map(|order_id| (*price, *order_id)))
    }

    pub(crate) fn insert(&mut self, side: Side, price: Decimal, order_id: u64) {
        self.side_mut(side)
            .entry(price)
            .or_default()
            .push_back(order_id);
    }

    /// Takes an order out. Returns whether it was there.
    pub(crate) fn remove(&mut self, side: Side, price: Decimal, order_id: u64) -> bool {
        let levels = self.side_mut(side);
        let Some(queue) = levels.get_mut(&price) else {
            return false;
        };
        let before = queue.len();
        if queue.front() == Some(&order_id) {
            queue.pop_front();
        } else {
            queue.retain(|resting| *resting != order_id);
        }
        let removed = queue.len() != before;
        if queue.is_empty() {
            levels.remove(&price);
        }
        removed
    }

    /// Order ids of a side, best price first, oldest first within a price.
    pub(crate) fn orders(&self, side: Side) -> Box<dyn Iterator<Item = (Decimal, u64)> + '_> {
        let flat = |(price, queue): (&Decimal, &'_ VecDeque<u64>)| -> Vec<(Decimal, u64)> {
            queue.iter().map(|order_id| (*price, *order_id)).collect()
        };
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().flat_map(flat)),
            Side::Sell => Box::new(self.asks.iter().flat_map(flat)),
        }
    }

    /// Levels of a side, best first: price and the ids resting there.
    pub(crate) fn levels(&self, side: Side, depth: usize) -> Vec<(Decimal, &VecDeque<u64>)> {
        match side {
            Side::Buy => self
                .bids
                .iter()
                .rev()
                .take(depth)
                .map(|(p, q)| (*p, q))
                .collect(),
            Side::Sell => self.asks.iter().take(depth).map(|(p, q)| (*p, q)).collect(),
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Decimal, VecDeque<u64>> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}
