//! Quantities: checked integer counts of units, never negative where an order is meant.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::decimal_text::DecimalText;
use fixed::FixedI64;
use fixed::types::extra::U0;

/// A quantity: a count of 10^-`quantity_scale` units (contracts, coins or shares) of one
/// instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Quantity(FixedI64<U0>);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(FixedI64::<U0>::ZERO);

    /// A quantity of `units`.
    pub const fn from_units(units: i64) -> Self {
        Self(FixedI64::<U0>::from_bits(units))
    }

    /// The count of units.
    pub const fn units(self) -> i64 {
        self.0.to_bits()
    }

    /// True for exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.units() == 0
    }

    /// True for more than nothing.
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

    /// The difference, or nothing where it would be negative (an overfilled order leaves nothing).
    #[must_use]
    pub fn minus_or_zero(self, other: Self) -> Self {
        self.checked_sub(other)
            .filter(|rest| rest.is_positive())
            .unwrap_or(Self::ZERO)
    }

    /// Canonical text at the instrument's quantity scale.
    pub fn text(self, quantity_scale: u8) -> DecimalText {
        DecimalText::new(self.units(), quantity_scale)
    }
}

impl CanonicalBytes for Quantity {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.units().put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        i64::take(source).map(Self::from_units)
    }
}
