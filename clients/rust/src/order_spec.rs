//! A new order in a strategy's own words: by symbol or number, in decimal text or in units.
//!
//! Must not know: rings, ids. Threads: plain values.

use std::time::Duration;

use model::order_request::{NewOrder, OrderType, Side, TimeInForce};
use model::{InstrumentId, Price, Quantity};

use crate::error::RequestError;
use crate::instrument_table::InstrumentTable;

/// Which instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstrumentRef<'a> {
    /// By its name at the venue, as `BTC-USDT-SWAP`.
    Symbol(&'a str),
    /// By the engine's number.
    Id(InstrumentId),
}

impl<'a> From<&'a str> for InstrumentRef<'a> {
    fn from(symbol: &'a str) -> Self {
        Self::Symbol(symbol)
    }
}

impl From<InstrumentId> for InstrumentRef<'_> {
    fn from(id: InstrumentId) -> Self {
        Self::Id(id)
    }
}

macro_rules! value_or_text {
    ($(#[$meta:meta])* $name:ident($inner:ident)) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name<'a> {
            /// Decimal text, read exactly with the instrument's scale or refused.
            Text(&'a str),
            /// A count of the instrument's units.
            $inner($inner),
        }
        impl<'a> From<&'a str> for $name<'a> {
            fn from(text: &'a str) -> Self {
                Self::Text(text)
            }
        }
        impl From<$inner> for $name<'_> {
            fn from(value: $inner) -> Self {
                Self::$inner(value)
            }
        }
    };
}
value_or_text! {
    /// How much.
    QuantityValue(Quantity)
}
value_or_text! {
    /// At which price.
    PriceValue(Price)
}

/// A new order. Nothing is checked but that the numbers fit the instrument's scales: ticks, lots
/// and limits are the engine's business, and its refusal is an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrderSpec<'a> {
    /// What to trade.
    pub instrument: InstrumentRef<'a>,
    /// Which way.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Refused rather than taking.
    pub post_only: bool,
    /// Only ever makes the position smaller.
    pub reduce_only: bool,
    /// How much.
    pub order_quantity: QuantityValue<'a>,
    /// At which price; ignored for a market order.
    pub limit_price: PriceValue<'a>,
    /// The order is worthless this long after it was written; zero = no limit of its own.
    pub valid_for: Duration,
}

impl<'a> NewOrderSpec<'a> {
    /// A limit order that rests until it is filled or cancelled.
    pub fn limit(
        instrument: impl Into<InstrumentRef<'a>>,
        side: Side,
        order_quantity: impl Into<QuantityValue<'a>>,
        limit_price: impl Into<PriceValue<'a>>,
    ) -> Self {
        Self {
            instrument: instrument.into(),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: false,
            reduce_only: false,
            order_quantity: order_quantity.into(),
            limit_price: limit_price.into(),
            valid_for: Duration::ZERO,
        }
    }

    /// A market order.
    pub fn market(
        instrument: impl Into<InstrumentRef<'a>>,
        side: Side,
        order_quantity: impl Into<QuantityValue<'a>>,
    ) -> Self {
        Self {
            order_type: OrderType::Market,
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..Self::limit(instrument, side, order_quantity, Price::ZERO)
        }
    }

    /// Refused by the venue rather than taking.
    #[must_use]
    pub fn post_only(mut self) -> Self {
        self.post_only = true;
        self
    }

    /// Only ever makes the position smaller.
    #[must_use]
    pub fn reduce_only(mut self) -> Self {
        self.reduce_only = true;
        self
    }

    /// With another time in force.
    #[must_use]
    pub fn time_in_force(mut self, time_in_force: TimeInForce) -> Self {
        self.time_in_force = time_in_force;
        self
    }

    /// Worthless this long after it was written.
    #[must_use]
    pub fn valid_for(mut self, valid_for: Duration) -> Self {
        self.valid_for = valid_for;
        self
    }

    pub(crate) fn resolve(&self, instruments: &InstrumentTable) -> Result<NewOrder, RequestError> {
        let instrument = instruments.find(self.instrument)?;
        let limit_price = match self.order_type {
            OrderType::Market => Price::ZERO,
            OrderType::Limit => InstrumentTable::price(instrument, self.limit_price)?,
        };
        Ok(NewOrder {
            instrument: instrument.id,
            side: self.side,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            reduce_only: self.reduce_only,
            order_quantity: InstrumentTable::quantity(instrument, self.order_quantity)?,
            limit_price,
            valid_for_ns: u64::try_from(self.valid_for.as_nanos()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::identifiers::{AccountId, Symbol, VenueId};
    use model::instrument::{InstrumentKind, InstrumentState};
    use model::{DecimalError, Instrument};

    fn table() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        table.add([Instrument {
            id: InstrumentId(4),
            venue: VenueId(0),
            account: AccountId(0),
            symbol: Symbol::new(b"BTC-USDT-SWAP").unwrap(),
            venue_code: 1,
            kind: InstrumentKind::Linear,
            state: InstrumentState::Live,
            price_scale: 3,
            quantity_scale: 2,
            tick: Price::from_units(100),
            lot: Quantity::from_units(1),
            quantity_min: Quantity::from_units(1),
            quantity_max: Quantity::from_units(100),
            multiplier_units: 1,
            multiplier_scale: 2,
        }]);
        table
    }

    #[test]
    fn decimal_text_is_read_exactly_with_the_instruments_scales() {
        let spec = NewOrderSpec::limit("BTC-USDT-SWAP", Side::Buy, "0.10", "64000.5").post_only();
        let order = spec.resolve(&table()).unwrap();
        assert_eq!(order.instrument, InstrumentId(4));
        assert_eq!(order.order_quantity, Quantity::from_units(10));
        assert_eq!(order.limit_price, Price::from_units(64_000_500));
        assert!(order.post_only);
        let same = NewOrderSpec::limit(
            InstrumentId(4),
            Side::Buy,
            Quantity::from_units(10),
            Price::from_units(64_000_500),
        );
        assert_eq!(same.post_only().resolve(&table()).unwrap(), order);
    }

    #[test]
    fn text_that_the_scale_does_not_hold_is_refused_and_never_rounded() {
        let too_precise = NewOrderSpec::limit("BTC-USDT-SWAP", Side::Buy, "0.001", "1");
        assert!(matches!(
            too_precise.resolve(&table()),
            Err(RequestError::Quantity {
                source: DecimalError::TooPrecise { scale: 2 },
                ..
            })
        ));
        let no_number = NewOrderSpec::limit("BTC-USDT-SWAP", Side::Buy, "1", "1,5");
        assert!(matches!(
            no_number.resolve(&table()),
            Err(RequestError::Price { .. })
        ));
    }

    #[test]
    fn an_instrument_that_the_engine_did_not_name_is_refused_by_name() {
        let error = NewOrderSpec::market("DOGE-USDT", Side::Sell, "1")
            .resolve(&table())
            .unwrap_err();
        assert_eq!(error.to_string(), "no instrument DOGE-USDT");
    }
}
