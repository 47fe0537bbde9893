//! What may be traded, and by which rules. Scales are fixed for the journal's life; rules may
//! change.

use crate::identifiers::{AccountId, InstrumentId, Symbol, VenueId};
use crate::price::{Notional, Price};
use crate::quantity::Quantity;
use crate::{canonical_enum, canonical_struct};

canonical_enum! {
    /// How price and quantity make money.
    pub enum InstrumentKind {
        /// Coins or shares: notional = price x quantity.
        Spot = 1 as "spot",
        /// Contracts settled in the quote currency: price x quantity x multiplier.
        Linear = 2 as "linear",
        /// Contracts settled in the base currency: quantity x multiplier, in quote currency.
        Inverse = 3 as "inverse",
    }
}

canonical_enum! {
    /// Whether the venue takes orders for the instrument.
    pub enum InstrumentState {
        /// New orders are taken.
        Live = 1 as "live",
        /// Only orders that cannot take are taken.
        PostOnly = 2 as "post_only",
        /// No new orders.
        Suspended = 3 as "suspended",
    }
}

canonical_struct! {
    /// One instrument at one venue account.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Instrument {
        /// Our number of it.
        pub id: InstrumentId,
        /// Where it trades.
        pub venue: VenueId,
        /// Which key trades it.
        pub account: AccountId,
        /// Its name at the venue, as `BTC-USDT-SWAP`.
        pub symbol: Symbol,
        /// The venue's number for it (OKX `instIdCode`); 0 where it has none.
        pub venue_code: u64,
        /// How money is counted.
        pub kind: InstrumentKind,
        /// Whether it trades.
        pub state: InstrumentState,
        /// Decimal places of a price unit. Fixed for the journal's life.
        pub price_scale: u8,
        /// Decimal places of a quantity unit. Fixed for the journal's life.
        pub quantity_scale: u8,
        /// Smallest price step, in price units.
        pub tick: Price,
        /// Smallest quantity step, in quantity units.
        pub lot: Quantity,
        /// Smallest order.
        pub quantity_min: Quantity,
        /// Largest limit order that the venue takes.
        pub quantity_max: Quantity,
        /// Contract multiplier, in 10^-`multiplier_scale` units; 1 for spot.
        pub multiplier_units: i64,
        /// Decimal places of the multiplier.
        pub multiplier_scale: u8,
    }
}

impl Instrument {
    /// Decimal places of this instrument's [`Notional`].
    pub fn notional_scale(&self) -> u8 {
        let price_scale = match self.kind {
            InstrumentKind::Inverse => 0,
            InstrumentKind::Spot | InstrumentKind::Linear => self.price_scale,
        };
        price_scale
            .saturating_add(self.quantity_scale)
            .saturating_add(self.multiplier_scale)
    }

    /// The money that `quantity` at `price` is worth; `None` when 128 bits do not hold it.
    pub fn notional(&self, price: Price, quantity: Quantity) -> Option<Notional> {
        match self.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => {
                Notional::of(price, quantity, self.multiplier_units)
            }
            InstrumentKind::Inverse => {
                Notional::of(Price::from_units(1), quantity, self.multiplier_units)
            }
        }
    }

    /// The first rule of the instrument itself that is broken, in words for an operator.
    pub fn defect(&self) -> Option<&'static str> {
        let scale_max = crate::decimal_text::SCALE_MAX;
        if self.price_scale > scale_max || self.quantity_scale > scale_max {
            return Some("a scale is above 18");
        }
        if !self.tick.is_positive() {
            return Some("tick is not above zero");
        }
        if !self.lot.is_positive() {
            return Some("lot is not above zero");
        }
        if !self.quantity_min.is_positive() || self.quantity_min > self.quantity_max {
            return Some("quantity_min is not in 0 < quantity_min <= quantity_max");
        }
        if self.multiplier_units <= 0 {
            return Some("multiplier is not above zero");
        }
        None
    }
}
