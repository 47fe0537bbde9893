//! The checks of a new order and of new terms: pure functions of policy, exposure and request.
//!
//! Fail closed: what is missing, does not fit, or cannot be computed is a refusal. Each refusal
//! carries the limit and the value that broke it, and a witness is told of each check that ran.

use super::check_run::{CheckRun, CheckUnit, CheckWitness};
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
pub fn new_order(
    view: &RiskView<'_>,
    order: &NewOrder,
    witness: &mut impl CheckWitness,
) -> Result<(), Breach> {
    // The value of a market order is its quantity at the worst price that the collar allows; no
    // reference price is read in this version, so the check cannot be made.
    let is_limit = order.order_type == OrderType::Limit;
    require(witness, RejectReason::RiskNoReference, is_limit)?;
    // What may not take cannot be asked to take at once.
    let may_rest = match order.time_in_force {
        TimeInForce::GoodTillCancel => true,
        TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => !order.post_only,
    };
    require(witness, RejectReason::BadRequest, may_rest)?;
    instrument_state(view, order.post_only, witness)?;
    terms(view, &terms_of(order), witness)?;
    room_for_one(
        view.exposure.open_orders,
        view.policy.open_orders_max,
        witness,
    )?;
    room_for_one(
        view.strategy_open_orders,
        view.strategy.open_orders_max,
        witness,
    )
}

/// The terms that a new order would have.
pub fn terms_of(order: &NewOrder) -> Terms {
    Terms {
        side: order.side,
        order_quantity: order.order_quantity,
        limit_price: order.limit_price,
        added_quantity: order.order_quantity,
    }
}

/// Checks whether the instrument trades: for a new order, and for a replace.
///
/// # Errors
/// [`RejectReason::RiskInstrumentState`].
pub fn instrument_state(
    view: &RiskView<'_>,
    post_only: bool,
    witness: &mut impl CheckWitness,
) -> Result<(), Breach> {
    let trades = match view.policy.instrument.state {
        InstrumentState::Live => true,
        InstrumentState::PostOnly => post_only,
        InstrumentState::Suspended => false,
    };
    require(witness, RejectReason::RiskInstrumentState, trades)
}

/// Checks terms: of a new order, or of a replace.
///
/// # Errors
/// The first [`Breach`].
pub fn terms(
    view: &RiskView<'_>,
    terms: &Terms,
    witness: &mut impl CheckWitness,
) -> Result<(), Breach> {
    let InstrumentPolicy {
        instrument,
        order_quantity_max,
        order_notional_max,
        ..
    } = view.policy;
    let (price, quantity) = (terms.limit_price.units(), terms.order_quantity.units());
    let tick = instrument.tick.units();
    let tick = numbers(RejectReason::BadTick, CheckUnit::Price, tick, price);
    on_grid(witness, tick, price, instrument.tick.units())?;
    let lot = instrument.lot.units();
    let lot = numbers(RejectReason::BadLot, CheckUnit::Quantity, lot, quantity);
    on_grid(witness, lot, quantity, instrument.lot.units())?;
    let of_quantity =
        |reason, limit: Quantity| numbers(reason, CheckUnit::Quantity, limit.units(), quantity);
    let minimum = of_quantity(RejectReason::BelowMinimum, instrument.quantity_min);
    judge(witness, minimum, minimum.actual >= minimum.limit)?;
    let quantity_max = (*order_quantity_max).min(instrument.quantity_max);
    at_most(
        witness,
        of_quantity(RejectReason::RiskOrderQuantity, quantity_max),
    )?;
    let notional = instrument.notional(terms.limit_price, terms.order_quantity);
    let notional = notional.ok_or(Breach::bare(RejectReason::Overflow))?;
    let value = CheckUnit::Notional;
    at_most(
        witness,
        numbers(
            RejectReason::RiskOrderNotional,
            value,
            order_notional_max.0,
            notional.0,
        ),
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
    at_most(
        witness,
        numbers(
            RejectReason::RiskPosition,
            CheckUnit::Quantity,
            limit.units(),
            worst,
        ),
    )
}

/// A check without numbers.
///
/// # Errors
/// A bare [`Breach`] when it does not hold.
pub(crate) fn require(
    witness: &mut impl CheckWitness,
    reason: RejectReason,
    holds: bool,
) -> Result<(), Breach> {
    judge(witness, numbers(reason, CheckUnit::None, 0, 0), holds)
}

/// A limit and a value, to be judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    reason: RejectReason,
    unit: CheckUnit,
    limit: i128,
    actual: i128,
}

pub(crate) fn numbers(
    reason: RejectReason,
    unit: CheckUnit,
    limit: impl Into<i128>,
    actual: impl Into<i128>,
) -> Numbers {
    Numbers {
        reason,
        unit,
        limit: limit.into(),
        actual: actual.into(),
    }
}

/// Refuses a value over its limit.
///
/// # Errors
/// [`Breach`] with both.
pub(crate) fn at_most(witness: &mut impl CheckWitness, numbers: Numbers) -> Result<(), Breach> {
    judge(witness, numbers, numbers.actual <= numbers.limit)
}

/// Tells the witness, and refuses what does not hold.
///
/// # Errors
/// [`Breach`] with limit and value.
pub(crate) fn judge(
    witness: &mut impl CheckWitness,
    numbers: Numbers,
    passed: bool,
) -> Result<(), Breach> {
    let Numbers {
        reason,
        unit,
        limit,
        actual,
    } = numbers;
    witness.note(|| CheckRun {
        reason,
        unit,
        limit,
        actual,
        passed,
    });
    if passed {
        return Ok(());
    }
    Err(Breach {
        reason,
        limit,
        actual,
    })
}

fn on_grid(
    witness: &mut impl CheckWitness,
    numbers: Numbers,
    value: i64,
    step: i64,
) -> Result<(), Breach> {
    let rest = value.checked_rem(step);
    judge(witness, numbers, value > 0 && rest == Some(0))
}

fn room_for_one(open: u32, open_max: u32, witness: &mut impl CheckWitness) -> Result<(), Breach> {
    let count = numbers(
        RejectReason::RiskOpenCount,
        CheckUnit::Count,
        open_max,
        open,
    );
    judge(witness, count, open < open_max)
}
