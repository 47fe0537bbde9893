//! A decimal number of any scale that 128 bits hold: what venues call a balance. Exact or refused.
//!
//! Amounts of money have no instrument that fixes their scale, so each carries its own. Invariant:
//! one value has one form, without needless zeros, so equal amounts are equal bytes. No allocation.

use super::{DecimalError, DecimalParts};
use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};

/// Decimal places of the finest amount: 38 digits are what 128 bits hold.
const AMOUNT_SCALE_MAX: u8 = 38;

/// `units` x 10^-`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecimalAmount {
    units: i128,
    scale: u8,
}

impl DecimalAmount {
    /// Zero.
    pub const ZERO: Self = Self { units: 0, scale: 0 };

    /// Reads the same grammar as [`super::parse_units`].
    ///
    /// # Errors
    /// [`DecimalError`] when the text is no decimal number, or has more digits than 128 bits hold.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let parts = DecimalParts::split(text)?;
        let mut amount = Self::ZERO;
        // Zeros behind the last digit that counts wait: most texts end in some.
        let mut zeros: u32 = 0;
        for &digit in parts.whole.iter().chain(parts.fraction) {
            match digit.wrapping_sub(b'0') {
                0 => zeros = zeros.saturating_add(1),
                value => {
                    let shift = if amount.units == 0 { 0 } else { zeros };
                    amount.units = shifted(amount.units, shift.saturating_add(1))
                        .and_then(|units| units.checked_add(i128::from(value)))
                        .ok_or(TOO_LARGE)?;
                    zeros = 0;
                }
            }
        }
        if amount.units == 0 {
            return Ok(Self::ZERO);
        }
        let fraction = i64::try_from(parts.fraction.len()).unwrap_or(i64::MAX);
        let places = fraction
            .saturating_sub(parts.exponent)
            .saturating_sub(i64::from(zeros));
        if places < 0 {
            let shift = u32::try_from(places.unsigned_abs()).unwrap_or(u32::MAX);
            amount.units = shifted(amount.units, shift).ok_or(TOO_LARGE)?;
        } else {
            let scale = u8::try_from(places)
                .ok()
                .filter(|it| *it <= AMOUNT_SCALE_MAX);
            amount.scale = scale.ok_or(DecimalError::TooPrecise {
                scale: AMOUNT_SCALE_MAX,
            })?;
        }
        if parts.negative {
            amount.units = amount.units.checked_neg().ok_or(TOO_LARGE)?;
        }
        Ok(amount)
    }

    /// The count of 10^-[`Self::scale`] units.
    pub const fn units(self) -> i128 {
        self.units
    }

    /// Decimal places; 0 to 38.
    pub const fn scale(self) -> u8 {
        self.scale
    }
}

const TOO_LARGE: DecimalError = DecimalError::TooLarge { scale: 0 };

fn shifted(units: i128, places: u32) -> Option<i128> {
    units.checked_mul(10_i128.checked_pow(places)?)
}

impl core::fmt::Display for DecimalAmount {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.units < 0 {
            f.write_str("-")?;
        }
        let magnitude = self.units.unsigned_abs();
        let factor = 10_u128.checked_pow(u32::from(self.scale)).unwrap_or(1);
        let whole = magnitude.checked_div(factor).unwrap_or(0);
        write!(f, "{whole}")?;
        if self.scale > 0 {
            let fraction = magnitude.checked_rem(factor).unwrap_or(0);
            write!(f, ".{fraction:0width$}", width = usize::from(self.scale))?;
        }
        Ok(())
    }
}

impl CanonicalBytes for DecimalAmount {
    fn put(&self, sink: &mut impl ByteSink) {
        self.units.put(sink);
        self.scale.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let amount = Self {
            units: CanonicalBytes::take(source)?,
            scale: CanonicalBytes::take(source)?,
        };
        let needless = amount.units.checked_rem(10) == Some(0);
        if amount.scale > AMOUNT_SCALE_MAX || (amount.scale > 0 && needless) {
            return Err(BytesError::Invalid {
                what: "DecimalAmount",
                found: u64::from(amount.scale),
            });
        }
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(written: &str) -> String {
        DecimalAmount::parse(written.as_bytes())
            .unwrap()
            .to_string()
    }

    #[test]
    fn amounts_of_any_scale_are_kept_to_the_last_digit() {
        assert_eq!(text("10000.5"), "10000.5");
        assert_eq!(text("0.000000000000012345678"), "0.000000000000012345678");
        assert_eq!(text("-0.50"), "-0.5");
        assert_eq!(text("1200.000"), "1200");
        assert_eq!(text("1.2e3"), "1200");
        assert_eq!(text("5e-3"), "0.005");
        assert_eq!(text("-0.000"), "0");
    }

    #[test]
    fn what_128_bits_do_not_hold_is_refused_and_empty_is_not_zero() {
        for written in ["", "x", "1.", "1e39", "1e-39", &"9".repeat(40)] {
            assert!(
                DecimalAmount::parse(written.as_bytes()).is_err(),
                "{written}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_from_its_text_and_from_its_bytes(
            written in "-?[0-9]{1,18}(\\.[0-9]{1,18})?(e[+-]?[0-9])?",
        ) {
            // Some texts have more digits than fit; those are refused, never rounded.
            if let Ok(amount) = DecimalAmount::parse(written.as_bytes()) {
                let shown = amount.to_string();
                prop_assert_eq!(DecimalAmount::parse(shown.as_bytes()), Ok(amount));
                let mut bytes = Vec::new();
                amount.put(&mut bytes);
                let mut source = ByteSource::new(&bytes);
                prop_assert_eq!(DecimalAmount::take(&mut source), Ok(amount));
            }
        }
    }
}
