//! Decimal text as whole digits and a power of ten, to choose scales and to convert limits exactly.
//!
//! Off the hot path. Invariants: digits never end in a needless zero, so `decimal_places` is what
//! the value needs; nothing is rounded unless a name says `floor`. Must not know: instruments.
//! Threads: none.

use model::DecimalError;

/// Exponents further away than this are no price, quantity or limit.
const EXPONENT_MAX: i32 = 100;

/// digits x 10^exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExactDecimal {
    digits: i128,
    exponent: i32,
}

impl ExactDecimal {
    /// Reads the same grammar as [`model::decimal_text`], up to 38 digits that count.
    pub(super) fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        // The model's reader decides what is a number; at scale 0 it refuses only precision or
        // size.
        match model::decimal_text::parse_units(text, 0) {
            Ok(_) | Err(DecimalError::TooPrecise { .. } | DecimalError::TooLarge { .. }) => {}
            Err(error) => return Err(error),
        }
        let too_large = DecimalError::TooLarge { scale: 0 };
        let at = text
            .iter()
            .position(|byte| matches!(byte, b'e' | b'E'))
            .unwrap_or(text.len());
        let (mantissa, tail) = text.split_at(at);
        let written: i32 = match tail.get(1..) {
            None => 0,
            Some(tail) => core::str::from_utf8(tail)
                .ok()
                .and_then(|tail| tail.parse().ok())
                .unwrap_or(i32::MAX),
        };
        let mut decimal = Self {
            digits: 0,
            exponent: 0,
        };
        let mut zeros_behind = 0_u32;
        let mut is_fraction = false;
        for byte in mantissa.iter().filter(|byte| **byte != b'-') {
            if *byte == b'.' {
                is_fraction = true;
                continue;
            }
            decimal.exponent = decimal.exponent.saturating_sub(i32::from(is_fraction));
            match byte.wrapping_sub(b'0') {
                0 => zeros_behind = zeros_behind.saturating_add(1),
                digit => {
                    let zeros = if decimal.digits == 0 { 0 } else { zeros_behind };
                    let shift = 10_i128.checked_pow(zeros + 1).ok_or(too_large)?;
                    decimal.digits = decimal
                        .digits
                        .checked_mul(shift)
                        .and_then(|digits| digits.checked_add(i128::from(digit)))
                        .ok_or(too_large)?;
                    zeros_behind = 0;
                }
            }
        }
        if decimal.digits == 0 {
            return Ok(Self {
                digits: 0,
                exponent: 0,
            });
        }
        let zeros = i32::try_from(zeros_behind).unwrap_or(i32::MAX);
        decimal.exponent = decimal
            .exponent
            .saturating_add(zeros)
            .saturating_add(written);
        if decimal.exponent.abs() > EXPONENT_MAX {
            return Err(too_large);
        }
        if mantissa.first() == Some(&b'-') {
            decimal.digits = -decimal.digits;
        }
        Ok(decimal)
    }

    /// True below zero.
    pub(super) fn is_negative(&self) -> bool {
        self.digits < 0
    }

    /// True above zero.
    pub(super) fn is_positive(&self) -> bool {
        self.digits > 0
    }

    /// Decimal places that the value needs; 0 for whole numbers.
    pub(super) fn decimal_places(&self) -> u32 {
        (-self.exponent).max(0).unsigned_abs()
    }

    /// The count of 10^-`scale` units.
    ///
    /// # Errors
    /// `TooPrecise` when it is no whole count, `TooLarge` when 128 bits do not hold it.
    pub(super) fn units(&self, scale: u8) -> Result<i128, DecimalError> {
        if self.digits != 0 && self.decimal_places() > u32::from(scale) {
            return Err(DecimalError::TooPrecise { scale });
        }
        self.floor_units(scale)
            .ok_or(DecimalError::TooLarge { scale })
    }

    /// As `units`, without the part that the scale cannot show; for a venue's upper limits, where
    /// less is the stricter side. `None` when 128 bits do not hold it.
    pub(super) fn floor_units(&self, scale: u8) -> Option<i128> {
        if self.digits == 0 {
            return Some(0);
        }
        let shift = self.exponent.saturating_add(i32::from(scale));
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(factor) if shift >= 0 => self.digits.checked_mul(factor),
            Some(factor) => Some(self.digits.div_euclid(factor)),
            None if shift >= 0 => None,
            None => Some(if self.digits < 0 { -1 } else { 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> ExactDecimal {
        ExactDecimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn needless_zeros_need_no_decimal_places() {
        assert_eq!(decimal("9999999999.0000000000000000").decimal_places(), 0);
        assert_eq!(decimal("0.00000001").decimal_places(), 8);
        assert_eq!(decimal("1.50").decimal_places(), 1);
        assert_eq!(decimal("5e-3").decimal_places(), 3);
        assert_eq!(decimal("0.000").decimal_places(), 0);
        assert_eq!(decimal("1200").units(2), Ok(120_000));
    }

    #[test]
    fn what_is_no_decimal_number_or_too_long_is_refused() {
        for text in ["", "x", "1.", ".5", "1e", "+1", "1e101", "1_000"] {
            assert!(ExactDecimal::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(ExactDecimal::parse("1".repeat(60).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_reader_of_the_hot_path_on_every_text(
            text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?(e[+-]?[0-9]{1,2})?", scale in 0_u8..=18
        ) {
            let model = model::decimal_text::parse_units(text.as_bytes(), scale);
            match ExactDecimal::parse(text.as_bytes()) {
                Ok(exact) => {
                    let units = exact.units(scale).and_then(|units| {
                        i64::try_from(units).map_err(|_| DecimalError::TooLarge { scale })
                    });
                    prop_assert_eq!(units.ok(), model.ok());
                }
                Err(_) => prop_assert!(model.is_err(), "{} was refused", text),
            }
        }
    }
}
