//! Prices, and amounts of money: checked integers. A price never meets a quantity but in a
//! notional.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::decimal_text::DecimalText;
use crate::quantity::Quantity;
use fixed::FixedI64;
use fixed::types::extra::U0;

/// A price: a count of 10^-`price_scale` units of the instrument's quote currency.
///
/// The `fixed` type with no fraction bits: binary fractions cannot hold 0.1, so none are allowed
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Price(FixedI64<U0>);

impl Price {
    /// No price: market orders, and reports that carry none.
    pub const ZERO: Self = Self(FixedI64::<U0>::ZERO);

    /// A price of `units`.
    pub const fn from_units(units: i64) -> Self {
        Self(FixedI64::<U0>::from_bits(units))
    }

    /// The count of units.
    pub const fn units(self) -> i64 {
        self.0.to_bits()
    }

    /// True for a price above zero.
    pub const fn is_positive(self) -> bool {
        self.units() > 0
    }

    /// The sum, if it fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if it fits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Canonical text at the instrument's price scale.
    pub fn text(self, price_scale: u8) -> DecimalText {
        DecimalText::new(self.units(), price_scale)
    }
}

impl CanonicalBytes for Price {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.units().put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        i64::take(source).map(Self::from_units)
    }
}

/// An amount of money: price units x quantity units (x contract multiplier units), exact, 128 bit.
///
/// Its scale is the sum of the factors' scales, fixed per instrument; amounts of two instruments
/// never meet on the hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Notional(pub i128);

impl Notional {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// price x quantity x multiplier, if 128 bits hold it.
    pub fn of(price: Price, quantity: Quantity, multiplier_units: i64) -> Option<Self> {
        i128::from(price.units())
            .checked_mul(i128::from(quantity.units()))
            .and_then(|product| product.checked_mul(i128::from(multiplier_units)))
            .map(Self)
    }

    /// The sum, if it fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl CanonicalBytes for Notional {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.0.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        i128::take(source).map(Self)
    }
}
