//! The checks of a new order and of new terms: pure functions of policy, exposure and request.
//!
//! Fail closed: what is missing, does not fit, or cannot be computed is a refusal. Each refusal
//! carries the limit and the value that broke it.

use super::exposure::Exposure;
use model::engine_config::{InstrumentPolicy, StrategyPolicy};
use model::instrument::InstrumentState;
use model::{NewOrder, OrderType, Price, Quantity, RejectReason, Side, TimeInForce};

/// A refusal with the limit and the value that broke it, in the units of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// The code.
    pub reason: RejectReason,
    /// The limit; 0 when there is none to name.
    pub limit: i128,
    /// The value.
    pub actual: i128,
}

impl Breach {
    /// A refusal without a number.
    pub const fn bare(reason: RejectReason) -> Self {
        Self {
            reason,
            limit: 0,
            actual: 0,
        }
    }
}

/// What the checks look at.
#[derive(Debug, Clone, Copy)]
pub struct RiskView<'a> {
    /// The instrument's rules and limits.
    pub policy: &'a InstrumentPolicy,
    /// The instrument's position and open orders.
    pub exposure: &'a Exposure,
    /// The strategy's limits.
    pub strategy: &'a StrategyPolicy,
    /// The strategy's open orders.
    pub strategy_open_orders: u32,
}

/// Terms that an order has or would have.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Which way.
    pub side: Side,
    /// The total.
    pub order_quantity: Quantity,
    /// The limit price.
    pub limit_price: Price,
    /// How much more than now the terms put at stake.
    pub added_quantity: Quantity,
}

/// Checks a new order.
///
/// # Errors
/// The first [`Breach`], in the order: form, instrument state, size, value, counts, position.
pub fn new_order(view: &RiskView<'_>, order: &NewOrder) -> Result<(), Breach> {
    match order.order_type {
        OrderType::Limit => {}
        // The value of a market order is its quantity at the worst price that the collar allows;
        // no reference price is read in this version, so the check cannot be made.
        OrderType::Market => return Err(Breach::bare(RejectReason::RiskNoReference)),
    }
    match order.time_in_force {
        TimeInForce::GoodTillCancel => {}
        // What may not take cannot be asked to take at once.
        TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill if order.post_only => {
            return Err(Breach::bare(RejectReason::BadRequest));
        }
        TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => {}
    }
    instrument_state(view, order.post_only)?;
    terms(
        view,
        &Terms {
            side: order.side,
            order_quantity: order.order_quantity,
            limit_price: order.limit_price,
            added_quantity: order.order_quantity,
        },
    )?;
    let open = view.exposure.open_orders;
    if open >= view.policy.open_orders_max {
        return Err(count_breach(view.policy.open_orders_max, open));
    }
    if view.strategy_open_orders >= view.strategy.open_orders_max {
        return Err(count_breach(
            view.strategy.open_orders_max,
            view.strategy_open_orders,
        ));
    }
    Ok(())
}

/// Checks whether the instrument trades: for a new order, and for a replace.
///
/// # Errors
/// [`RejectReason::RiskInstrumentState`].
pub fn instrument_state(view: &RiskView<'_>, post_only: bool) -> Result<(), Breach> {
    match view.policy.instrument.state {
        InstrumentState::Live => Ok(()),
        InstrumentState::PostOnly if post_only => Ok(()),
        InstrumentState::PostOnly | InstrumentState::Suspended => {
            Err(Breach::bare(RejectReason::RiskInstrumentState))
        }
    }
}

/// Checks terms: of a new order, or of a replace.
///
/// # Errors
/// The first [`Breach`].
pub fn terms(view: &RiskView<'_>, terms: &Terms) -> Result<(), Breach> {
    let InstrumentPolicy {
        instrument,
        order_quantity_max,
        order_notional_max,
        ..
    } = view.policy;
    on_grid(
        terms.limit_price.units(),
        instrument.tick.units(),
        RejectReason::BadTick,
    )?;
    on_grid(
        terms.order_quantity.units(),
        instrument.lot.units(),
        RejectReason::BadLot,
    )?;
    if terms.order_quantity < instrument.quantity_min {
        return Err(Breach {
            reason: RejectReason::BelowMinimum,
            limit: instrument.quantity_min.units().into(),
            actual: terms.order_quantity.units().into(),
        });
    }
    let quantity_max = (*order_quantity_max).min(instrument.quantity_max);
    at_most(
        RejectReason::RiskOrderQuantity,
        terms.order_quantity.units().into(),
        quantity_max.units().into(),
    )?;
    let notional = instrument
        .notional(terms.limit_price, terms.order_quantity)
        .ok_or(Breach::bare(RejectReason::Overflow))?;
    at_most(
        RejectReason::RiskOrderNotional,
        notional.0,
        order_notional_max.0,
    )?;
    let (worst, limit) = match terms.side {
        Side::Buy => (
            view.exposure.worst_long(terms.added_quantity),
            view.policy.position_long_max,
        ),
        Side::Sell => (
            view.exposure.worst_short(terms.added_quantity),
            view.policy.position_short_max,
        ),
    };
    let worst = worst.ok_or(Breach::bare(RejectReason::Overflow))?;
    at_most(RejectReason::RiskPosition, worst, limit.units().into())
}

fn on_grid(value: i64, step: i64, reason: RejectReason) -> Result<(), Breach> {
    let rest = value.checked_rem(step);
    if value > 0 && rest == Some(0) {
        return Ok(());
    }
    Err(Breach {
        reason,
        limit: step.into(),
        actual: value.into(),
    })
}

fn at_most(reason: RejectReason, actual: i128, limit: i128) -> Result<(), Breach> {
    if actual <= limit {
        Ok(())
    } else {
        Err(Breach {
            reason,
            limit,
            actual,
        })
    }
}

fn count_breach(limit: u32, actual: u32) -> Breach {
    Breach {
        reason: RejectReason::RiskOpenCount,
        limit: limit.into(),
        actual: actual.into(),
    }
}
