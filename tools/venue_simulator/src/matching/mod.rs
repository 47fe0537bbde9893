//! The matching engine: price-time books, self-trade prevention, fees, balances and positions.
//!
//! Invariants: sans-IO and deterministic (time comes as an argument, ids are counters); a book is
//! never left crossed; quantity and money are conserved. Must not know: JSON, venue codes, sockets,
//! clocks.

mod amendment;
mod book;
mod exchange;
mod holdings;
mod order;
mod placement;
mod reduce_only;
mod settlement;

#[cfg(test)]
mod tests;

pub(crate) use amendment::Amendment;
pub(crate) use exchange::{Exchange, ExchangeRules, FeeRates, OrderName, Refusal, Update};
pub(crate) use holdings::{Holdings, Position, PositionMode};
pub(crate) use order::{
    AmendOutcome, CancelSource, Execution, NewOrder, Order, OrderState, OrderType, PositionSide,
    SelfTradeRule, Side, SizeUnit, TradeMode,
};
