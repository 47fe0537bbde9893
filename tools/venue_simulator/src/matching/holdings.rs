//! What one account owns: cash per currency, what orders hold back, and positions.
//!
//! Invariants: a position keeps its exact entry value, so that cash plus `quantity * mark - cost`
//! over all accounts is conserved to the last digit. Must not know: orders, books, other accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::order::PositionSide;

/// Decimals kept when the entry value of a position is split; the rest stays in the position.
const COST_DECIMALS: u32 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PositionMode {
    Net,
    LongShort,
}

impl PositionMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Net => "net_mode",
            Self::LongShort => "long_short_mode",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cash {
    pub(crate) total: Decimal,
    /// Held back by open orders.
    pub(crate) frozen: Decimal,
    pub(crate) updated_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) position_id: u64,
    /// Contracts, long positive, short negative, in every position mode.
    pub(crate) quantity: Decimal,
    /// Entry value in quote currency, signed like the quantity.
    pub(crate) cost: Decimal,
    pub(crate) realized_profit: Decimal,
    pub(crate) fee: Decimal,
    pub(crate) last_trade_id: u64,
    pub(crate) opened_ms: i64,
    pub(crate) updated_ms: i64,
}

impl Position {
    /// Books a signed trade and returns the realised profit in quote currency.
    pub(crate) fn apply(&mut self, delta: Decimal, price: Decimal, contract: Decimal) -> Decimal {
        let opens =
            self.quantity.is_zero() || self.quantity.is_sign_positive() == delta.is_sign_positive();
        if opens {
            self.quantity += delta;
            self.cost += delta * price * contract;
            return Decimal::ZERO;
        }
        let closed = delta.abs().min(self.quantity.abs());
        let signed_closed = if self.quantity.is_sign_positive() {
            closed
        } else {
            -closed
        };
        let released = if closed == self.quantity.abs() {
            self.cost
        } else {
            (self.cost * signed_closed / self.quantity).round_dp(COST_DECIMALS)
        };
        let profit = signed_closed * price * contract - released;
        self.cost -= released;
        self.quantity -= signed_closed;
        let opened = delta + signed_closed;
        if !opened.is_zero() {
            self.quantity += opened;
            self.cost += opened * price * contract;
        }
        profit
    }

    /// Average entry price; none when flat.
    pub(crate) fn average_price(&self, contract: Decimal) -> Option<Decimal> {
        (!self.quantity.is_zero())
            .then(|| (self.cost / (self.quantity * contract)).round_dp(COST_DECIMALS))
    }

    pub(crate) fn unrealized(&self, mark: Decimal, contract: Decimal) -> Decimal {
        self.quantity * contract * mark - self.cost
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Holdings {
    pub(crate) cash: BTreeMap<Arc<str>, Cash>,
    pub(crate) positions: BTreeMap<(usize, PositionSide), Position>,
    pub(crate) position_mode: PositionMode,
    pub(crate) leverage: BTreeMap<usize, Decimal>,
    /// Accounts of one group never trade with each other.
    pub(crate) self_trade_group: u64,
    /// The background market: no balance checks, ended orders are forgotten.
    pub(crate) is_house: bool,
}

impl Holdings {
    pub(crate) fn cash_of(&self, currency: &str) -> Cash {
        self.cash.get(currency).copied().unwrap_or_default()
    }

    pub(crate) fn cash_mut(&mut self, currency: &Arc<str>) -> &mut Cash {
        self.cash.entry(Arc::clone(currency)).or_default()
    }

    pub(crate) fn position(&self, instrument: usize, side: PositionSide) -> Decimal {
        self.positions
            .get(&(instrument, side))
            .map_or(Decimal::ZERO, |held| held.quantity)
    }

    pub(crate) fn leverage_of(&self, instrument: usize) -> Decimal {
        self.leverage
            .get(&instrument)
            .copied()
            .unwrap_or(Decimal::from(5_u32))
    }
}
