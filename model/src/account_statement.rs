//! What a venue states about an account: positions and balances, as it says them.
//!
//! A statement is about one moment of the venue's and proves no trade. A push states one cell of a
//! position; a list that was read whole states all of them. Must not know: which venue, who moved
//! what.

use crate::decimal_text::DecimalAmount;
use crate::identifiers::{InstrumentId, Text};
use crate::time::UnixNs;
use crate::{canonical_enum, canonical_struct};

canonical_enum! {
    /// Which way a position is held.
    pub enum PositionSide {
        /// One signed position per instrument.
        Net = 1 as "net",
        /// Long, kept apart from short.
        Long = 2 as "long",
        /// Short, kept apart from long.
        Short = 3 as "short",
    }
}

canonical_enum! {
    /// Whose margin a position uses.
    pub enum MarginMode {
        /// The account's, shared with other positions.
        Cross = 1 as "cross",
        /// Its own.
        Isolated = 2 as "isolated",
    }
}

canonical_struct! {
    /// One cell of an instrument's position, as a push states it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct PositionStated {
        /// What is held. It names venue and account too.
        pub instrument: InstrumentId,
        /// How it is held.
        pub side: PositionSide,
        /// With which margin.
        pub margin: MarginMode,
        /// Quantity units of the instrument: signed for `Net`, not negative for the other two.
        pub units: i64,
        /// When the venue last changed it.
        pub venue_time: UnixNs,
    }
}

/// A currency's name, as `USDT`.
pub type Currency = Text<15>;

canonical_struct! {
    /// What an account has of one currency.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BalanceStated {
        /// Of what.
        pub currency: Currency,
        /// All of it, without profit that is not booked yet.
        pub total: DecimalAmount,
        /// What is not held back by orders and margin; `None` when the venue does not say.
        pub available: Option<DecimalAmount>,
        /// When the venue last changed it.
        pub venue_time: UnixNs,
    }
}

canonical_struct! {
    /// Everything that an account holds of one instrument; a venue may keep it in six places.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct PositionCells {
        /// [`PositionSide::Net`], cross margin; signed.
        pub net_cross: i64,
        /// [`PositionSide::Net`], isolated margin; signed.
        pub net_isolated: i64,
        /// [`PositionSide::Long`], cross margin.
        pub long_cross: i64,
        /// [`PositionSide::Long`], isolated margin.
        pub long_isolated: i64,
        /// [`PositionSide::Short`], cross margin.
        pub short_cross: i64,
        /// [`PositionSide::Short`], isolated margin.
        pub short_isolated: i64,
    }
}

impl PositionCells {
    /// How many cells there are.
    pub const COUNT: usize = 6;

    /// The place of a cell in a list of [`Self::COUNT`].
    pub const fn place(side: PositionSide, margin: MarginMode) -> usize {
        match (side, margin) {
            (PositionSide::Net, MarginMode::Cross) => 0,
            (PositionSide::Net, MarginMode::Isolated) => 1,
            (PositionSide::Long, MarginMode::Cross) => 2,
            (PositionSide::Long, MarginMode::Isolated) => 3,
            (PositionSide::Short, MarginMode::Cross) => 4,
            (PositionSide::Short, MarginMode::Isolated) => 5,
        }
    }

    /// One cell, to read or to change.
    pub fn cell_mut(&mut self, side: PositionSide, margin: MarginMode) -> &mut i64 {
        match (side, margin) {
            (PositionSide::Net, MarginMode::Cross) => &mut self.net_cross,
            (PositionSide::Net, MarginMode::Isolated) => &mut self.net_isolated,
            (PositionSide::Long, MarginMode::Cross) => &mut self.long_cross,
            (PositionSide::Long, MarginMode::Isolated) => &mut self.long_isolated,
            (PositionSide::Short, MarginMode::Cross) => &mut self.short_cross,
            (PositionSide::Short, MarginMode::Isolated) => &mut self.short_isolated,
        }
    }

    /// The signed sum: what the account stands to gain from one unit's rise.
    pub fn total_units(&self) -> i128 {
        let plus = [
            self.net_cross,
            self.net_isolated,
            self.long_cross,
            self.long_isolated,
        ];
        let minus = [self.short_cross, self.short_isolated];
        let sum = |cells: &[i64]| {
            let sum = cells
                .iter()
                .try_fold(0_i128, |sum, cell| sum.checked_add((*cell).into()));
            sum.expect("four 64-bit counts fit 128 bits")
        };
        sum(&plus)
            .checked_sub(sum(&minus))
            .expect("six 64-bit counts fit 128 bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_long_less_short_and_every_cell_has_its_own_place() {
        let mut cells = PositionCells::default();
        let mut places = Vec::new();
        for (number, side) in PositionSide::ALL.iter().enumerate() {
            for margin in MarginMode::ALL {
                let units = i64::try_from(number).unwrap() * 10 + i64::from(margin.number());
                *cells.cell_mut(*side, *margin) = units;
                places.push(PositionCells::place(*side, *margin));
            }
        }
        assert_eq!(cells.total_units(), (1 + 2) + (11 + 12) - (21 + 22));
        assert_eq!(places, (0..PositionCells::COUNT).collect::<Vec<_>>());
    }
}
