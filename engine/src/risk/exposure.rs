//! What open orders can still do to one instrument's position, counted at its worst.

use crate::order::Order;
use model::{Quantity, Side, canonical_struct};

canonical_struct! {
    /// Position and worst case of one instrument.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Exposure {
        /// Signed sum of the booked executions, quantity units.
        pub position_units: i128,
        /// The most that open buy orders can still buy.
        pub open_buy_units: i128,
        /// The most that open sell orders can still sell.
        pub open_sell_units: i128,
        /// Open orders, unknown ones included.
        pub open_orders: u32,
        /// What is in the account besides our executions: there before us, or foreign. Signed.
        pub other_units: i128,
    }
}

/// What one order adds to its instrument's exposure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Contribution {
    buy_units: i128,
    sell_units: i128,
    open: bool,
}

impl Contribution {
    pub(crate) fn of(order: &Order) -> Self {
        let worst = i128::from(order.worst_leaves_quantity().units());
        let (buy_units, sell_units) = match order.side {
            Side::Buy => (worst, 0),
            Side::Sell => (0, worst),
        };
        Self {
            buy_units,
            sell_units,
            open: order.is_open(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }
}

impl Exposure {
    /// Replaces what an order added before a change by what it adds after it.
    pub(crate) fn exchange(&mut self, before: Contribution, after: Contribution) {
        self.open_buy_units = exchanged(self.open_buy_units, before.buy_units, after.buy_units);
        self.open_sell_units = exchanged(self.open_sell_units, before.sell_units, after.sell_units);
        if after.open {
            self.open_orders = self.open_orders.saturating_add(1);
        }
        if before.open {
            self.open_orders = self
                .open_orders
                .checked_sub(1)
                .expect("an open order was counted");
        }
    }

    /// Leaves the position alone: what open orders add is counted anew.
    pub(crate) fn forget_open_orders(&mut self) {
        *self = Self {
            position_units: self.position_units,
            other_units: self.other_units,
            ..Self::default()
        };
    }

    /// Books an execution.
    pub(crate) fn book(&mut self, side: Side, quantity: Quantity) {
        let units = i128::from(quantity.units());
        let position = match side {
            Side::Buy => self.position_units.checked_add(units),
            Side::Sell => self.position_units.checked_sub(units),
        };
        self.position_units = position.expect("64-bit executions cannot exhaust 128 bits");
    }

    /// The largest long position that can come of it if `extra` more is bought: ours alone, or the
    /// account's, whichever is larger.
    pub fn worst_long(&self, extra: Quantity) -> Option<i128> {
        let account = self.position_units.checked_add(self.other_units)?;
        self.position_units
            .max(account)
            .checked_add(self.open_buy_units)?
            .checked_add(i128::from(extra.units()))
    }

    /// The largest short position (as a positive number) if `extra` more is sold: ours alone, or
    /// the account's, whichever is larger.
    pub fn worst_short(&self, extra: Quantity) -> Option<i128> {
        let account = self.position_units.checked_add(self.other_units)?;
        self.open_sell_units
            .checked_sub(self.position_units.min(account))?
            .checked_add(i128::from(extra.units()))
    }
}

fn exchanged(total: i128, before: i128, after: i128) -> i128 {
    let rest = total
        .checked_sub(before)
        .and_then(|rest| rest.checked_add(after));
    rest.expect("64-bit quantities cannot exhaust 128 bits")
}
