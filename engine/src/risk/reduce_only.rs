//! Reduce-only: terms that can only bring the position nearer to zero, whatever else is executed.

use super::check::{Breach, Terms, judge, numbers};
use super::check_run::{CheckUnit, CheckWitness};
use super::exposure::Exposure;
use model::{RejectReason, Side};

/// Checks terms under a closed reduce-only latch.
///
/// # Errors
/// `RISK_REDUCE_ONLY` with the most that may still be added on that side, and what would be.
pub fn check(
    exposure: &Exposure,
    terms: &Terms,
    witness: &mut impl CheckWitness,
) -> Result<(), Breach> {
    let (to_close, working) = match terms.side {
        Side::Buy => (
            exposure.position_units.checked_neg(),
            exposure.open_buy_units,
        ),
        Side::Sell => (Some(exposure.position_units), exposure.open_sell_units),
    };
    let overflow = Breach::bare(RejectReason::Overflow);
    // What open orders of the same side can already close is not there to be closed again.
    let free = to_close
        .and_then(|to_close| to_close.max(0).checked_sub(working))
        .ok_or(overflow)?;
    let added = i128::from(terms.added_quantity.units());
    let (reason, unit) = (RejectReason::RiskReduceOnly, CheckUnit::Quantity);
    let numbers = numbers(reason, unit, free.max(0), added);
    judge(witness, numbers, free > 0 && added <= free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::check_run::Unwitnessed;
    use model::{Price, Quantity};

    fn passes(position_units: i128, working: i128, side: Side, added: i64) -> bool {
        let (open_buy_units, open_sell_units) = match side {
            Side::Buy => (working, 0),
            Side::Sell => (0, working),
        };
        let exposure = Exposure {
            position_units,
            open_buy_units,
            open_sell_units,
            open_orders: 1,
            other_units: 0,
        };
        let terms = Terms {
            side,
            order_quantity: Quantity::from_units(added),
            limit_price: Price::from_units(100),
            added_quantity: Quantity::from_units(added),
        };
        check(&exposure, &terms, &mut Unwitnessed).is_ok()
    }

    #[test]
    fn only_what_brings_the_position_nearer_to_zero_passes() {
        assert!(passes(100, 0, Side::Sell, 100));
        assert!(!passes(100, 0, Side::Sell, 101), "through zero");
        assert!(!passes(100, 0, Side::Buy, 1), "away from zero");
        assert!(!passes(0, 0, Side::Buy, 1) && !passes(0, 0, Side::Sell, 1));
        assert!(passes(-100, 0, Side::Buy, 100) && !passes(-100, 0, Side::Sell, 1));
    }

    #[test]
    fn what_open_orders_can_close_already_is_not_there_twice() {
        assert!(passes(100, 60, Side::Sell, 40));
        assert!(!passes(100, 60, Side::Sell, 41));
        assert!(!passes(100, 100, Side::Sell, 1));
        assert!(
            !passes(i128::MIN, 0, Side::Buy, 1),
            "what does not fit is refused"
        );
    }
}
