//! Where the orders of a grid stand: prices on the tick around a centre.
//!
//! Must not know: orders, clients. Threads: plain values. Prices are counts of units throughout.

use model::{Instrument, Price, Side};

use crate::arguments::Spacing;

/// Hundredths of a percent in a whole.
const BASIS_POINTS: i128 = 10_000;

/// The prices around one instrument's centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PriceGrid {
    tick_units: i64,
    spacing: Spacing,
    center_units: i64,
}

impl PriceGrid {
    pub(crate) fn new(instrument: &Instrument, spacing: Spacing, center: Price) -> Self {
        Self {
            tick_units: instrument.tick.units(),
            spacing,
            center_units: center.units(),
        }
    }

    /// Follows a price that was traded.
    pub(crate) fn recenter(&mut self, price: Price) {
        if price.is_positive() {
            self.center_units = price.units();
        }
    }

    /// The price of level 1, 2, … of a side, on the tick, away from the centre; `None` where no
    /// positive price is.
    pub(crate) fn price(&self, side: Side, level: u8) -> Option<Price> {
        let away = self.step_units().checked_mul(i128::from(level))?;
        let tick = i128::from(self.tick_units);
        let center = i128::from(self.center_units);
        let units = match side {
            Side::Buy => (center - away).div_euclid(tick) * tick,
            Side::Sell => -(-(center + away)).div_euclid(tick) * tick,
        };
        let units = i64::try_from(units).ok()?;
        (units > 0).then(|| Price::from_units(units))
    }

    /// Distance of two levels: at least a tick, a whole number of ticks.
    fn step_units(&self) -> i128 {
        let tick = i128::from(self.tick_units);
        match self.spacing {
            Spacing::Ticks(ticks) => tick * i128::from(ticks),
            Spacing::BasisPoints(bps) => {
                let exact = i128::from(self.center_units) * i128::from(bps);
                let ticks = (exact + BASIS_POINTS * tick - 1) / (BASIS_POINTS * tick);
                ticks.max(1) * tick
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(spacing: Spacing, center_units: i64) -> PriceGrid {
        PriceGrid {
            tick_units: 5,
            spacing,
            center_units,
        }
    }

    fn units(grid: &PriceGrid, side: Side, level: u8) -> i64 {
        grid.price(side, level).unwrap().units()
    }

    #[test]
    fn levels_are_on_the_tick_and_never_nearer_to_the_centre_than_asked() {
        let by_ticks = grid(Spacing::Ticks(2), 1_003);
        assert_eq!(units(&by_ticks, Side::Buy, 1), 990);
        assert_eq!(units(&by_ticks, Side::Sell, 1), 1_015);
        assert_eq!(units(&by_ticks, Side::Sell, 3), 1_035);
        // 5 bps of 64,000 are 32: seven ticks of 5.
        let by_bps = grid(Spacing::BasisPoints(5), 64_000);
        assert_eq!(units(&by_bps, Side::Buy, 1), 63_965);
        assert_eq!(units(&by_bps, Side::Buy, 2), 63_930);
    }

    #[test]
    fn a_side_ends_where_prices_would_not_be_positive() {
        let low = grid(Spacing::Ticks(1), 12);
        assert_eq!(units(&low, Side::Buy, 1), 5);
        assert_eq!(low.price(Side::Buy, 2), None);
        let mut high = grid(Spacing::Ticks(1), i64::MAX);
        assert_eq!(high.price(Side::Sell, 1), None);
        high.recenter(Price::from_units(100));
        assert_eq!(units(&high, Side::Sell, 1), 105);
        high.recenter(Price::ZERO);
        assert_eq!(units(&high, Side::Sell, 1), 105);
    }
}
