//! Decimal text <-> integer counts of 10^-scale units: exact or refused, never rounded.
//!
//! Accepted: `-`? digits (`.` digits)? (`e`|`E` sign? digits)?, as JSON numbers are written, with
//! any
//! number of zeros in front of and behind the value. Refused: everything else, every value that is
//! finer than the scale, and every value that does not fit. `-0` is zero. No allocation.

mod amount;

pub use amount::DecimalAmount;

/// Largest scale: 10^18 units to one fits an `i64` just above nine whole units.
pub const SCALE_MAX: u8 = 18;

/// Why a text is not a count of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// No character at all. Venues write `""` for "no value": absent is not zero.
    Empty,
    /// A character that decimal text does not have, with its place.
    Malformed {
        /// Byte offset from the start of the text.
        at_byte: usize,
    },
    /// A digit other than zero stands behind the last place that the scale has.
    TooPrecise {
        /// The scale that was asked for.
        scale: u8,
    },
    /// The value does not fit a signed 64-bit count of units.
    TooLarge {
        /// The scale that was asked for.
        scale: u8,
    },
    /// A scale above [`SCALE_MAX`].
    BadScale {
        /// The scale that was asked for.
        scale: u8,
    },
}

impl core::fmt::Display for DecimalError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Empty => f.write_str("empty text is not a number"),
            Self::Malformed { at_byte } => write!(f, "not a decimal number at byte {at_byte}"),
            Self::TooPrecise { scale } => write!(f, "more than {scale} decimal places"),
            Self::TooLarge { scale } => write!(f, "too large for {scale} decimal places"),
            Self::BadScale { scale } => write!(f, "scale {scale} is above {SCALE_MAX}"),
        }
    }
}

impl std::error::Error for DecimalError {}

/// Reads `text` as a count of 10^-`scale` units.
///
/// # Errors
/// [`DecimalError`], when the text is not a decimal number, or not one that this scale holds
/// exactly.
pub fn parse_units(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    if scale > SCALE_MAX {
        return Err(DecimalError::BadScale { scale });
    }
    match parse_plain(text, scale) {
        Some(units) => Ok(units),
        None => parse_any(text, scale),
    }
}

/// Digits with at most one point among them, short enough that nothing can overflow: what venues
/// write. `None` for anything else, right or wrong.
fn parse_plain(text: &[u8], scale: u8) -> Option<i64> {
    const DIGITS_MAX: usize = 18;
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if unsigned.len() > DIGITS_MAX {
        return None;
    }
    let mut units: i64 = 0;
    let mut point_at = unsigned.len();
    for (at, &byte) in unsigned.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            units = units.wrapping_mul(10).wrapping_add(i64::from(digit));
        } else if byte == b'.' && point_at == unsigned.len() {
            point_at = at;
        } else {
            return None;
        }
    }
    let places = unsigned.len().checked_sub(point_at)?;
    // A point has digits on both sides.
    if point_at == 0 || places == 1 {
        return None;
    }
    let missing = usize::from(scale).checked_sub(places.saturating_sub(1))?;
    if unsigned.len().saturating_add(missing) > DIGITS_MAX {
        return None;
    }
    let shifted = units.wrapping_mul(*TENS.get(missing)?);
    Some(if negative {
        shifted.wrapping_neg()
    } else {
        shifted
    })
}

/// 10^0 to 10^18.
const TENS: [i64; 19] = {
    let mut tens = [1_i64; 19];
    let mut at = 1;
    while at < tens.len() {
        tens[at] = tens[at.wrapping_sub(1)].wrapping_mul(10);
        at = at.wrapping_add(1);
    }
    tens
};

/// Every text that is a decimal number, exponents and long ones included.
fn parse_any(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    let parts = DecimalParts::split(text)?;
    // Value = whole.fraction x 10^exponent: the units are all digits, shifted by exponent + scale
    // places relative to the point.
    let places = i64::from(scale).saturating_add(parts.exponent);
    let whole_digits = i64::try_from(parts.whole.len()).unwrap_or(i64::MAX);
    let kept = whole_digits.saturating_add(places);
    let mut units: i128 = 0;
    let mut index: i64 = 0;
    for &digit in parts.whole.iter().chain(parts.fraction) {
        let value = i128::from(digit.wrapping_sub(b'0'));
        if index < kept {
            units = push_digit(units, value, scale)?;
        } else if value != 0 {
            return Err(DecimalError::TooPrecise { scale });
        }
        index = index.saturating_add(1);
    }
    while index < kept && units != 0 {
        units = push_digit(units, 0, scale)?;
        index = index.saturating_add(1);
    }
    let signed = if parts.negative {
        units.checked_neg()
    } else {
        Some(units)
    };
    signed
        .and_then(|value| i64::try_from(value).ok())
        .ok_or(DecimalError::TooLarge { scale })
}

/// One more decimal digit behind `units`; refuses what no `i64` of either sign can hold.
fn push_digit(units: i128, digit: i128, scale: u8) -> Result<i128, DecimalError> {
    const MAGNITUDE_MAX: i128 = 1 << 63;
    units
        .checked_mul(10)
        .and_then(|shifted| shifted.checked_add(digit))
        .filter(|value| *value <= MAGNITUDE_MAX)
        .ok_or(DecimalError::TooLarge { scale })
}

/// The pieces of a decimal text, each checked to hold digits only.
struct DecimalParts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> DecimalParts<'a> {
    fn split(text: &'a [u8]) -> Result<Self, DecimalError> {
        if text.is_empty() {
            return Err(DecimalError::Empty);
        }
        let (negative, unsigned) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut at_byte = usize::from(negative);
        let (whole, rest) = digits(unsigned, &mut at_byte)?;
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) => {
                at_byte = at_byte.saturating_add(1);
                digits(rest, &mut at_byte)?
            }
            None => (&rest[..0], rest),
        };
        let exponent = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', rest)) => {
                at_byte = at_byte.saturating_add(1);
                Self::exponent(rest, &mut at_byte)?
            }
            Some(_) => return Err(DecimalError::Malformed { at_byte }),
        };
        Ok(Self {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    fn exponent(text: &[u8], at_byte: &mut usize) -> Result<i64, DecimalError> {
        let (negative, unsigned) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        *at_byte = at_byte.saturating_add(text.len().saturating_sub(unsigned.len()));
        let (digits, rest) = digits(unsigned, at_byte)?;
        if !rest.is_empty() {
            return Err(DecimalError::Malformed { at_byte: *at_byte });
        }
        let mut exponent: i64 = 0;
        for &digit in digits {
            exponent = exponent
                .saturating_mul(10)
                .saturating_add(i64::from(digit.wrapping_sub(b'0')));
        }
        Ok(if negative {
            exponent.saturating_neg()
        } else {
            exponent
        })
    }
}

/// Splits one or more digits off the front.
fn digits<'a>(text: &'a [u8], at_byte: &mut usize) -> Result<(&'a [u8], &'a [u8]), DecimalError> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    *at_byte = at_byte.saturating_add(count);
    if count == 0 {
        return Err(DecimalError::Malformed { at_byte: *at_byte });
    }
    Ok(text.split_at(count))
}

/// The canonical text of a count of units: no exponent, no needless zero, no `-0`.
///
/// Lives on the stack: 1 sign + 19 digits + 1 point + zeros of the scale fit 40 bytes.
#[derive(Clone, Copy)]
pub struct DecimalText {
    bytes: [u8; 40],
    start: u8,
}

impl DecimalText {
    /// Writes `units` x 10^-`scale`.
    ///
    /// # Panics
    /// If `scale` is above [`SCALE_MAX`]: scales are checked where instruments are made.
    pub fn new(units: i64, scale: u8) -> Self {
        assert!(
            scale <= SCALE_MAX,
            "scale is checked where instruments are made"
        );
        let mut text = Self {
            bytes: [b'0'; 40],
            start: 40,
        };
        let mut magnitude = units.unsigned_abs();
        let mut places_left = scale;
        let mut significant = false;
        while places_left > 0 {
            let digit = low_digit(&mut magnitude);
            significant |= digit != b'0';
            if significant {
                text.push_front(digit);
            }
            places_left = places_left.saturating_sub(1);
        }
        if significant {
            text.push_front(b'.');
        }
        loop {
            let digit = low_digit(&mut magnitude);
            text.push_front(digit);
            if magnitude == 0 {
                break;
            }
        }
        if units < 0 {
            text.push_front(b'-');
        }
        text
    }

    /// The text's ASCII bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes())
            .expect("only ASCII digits, point and sign are written")
    }

    fn push_front(&mut self, byte: u8) {
        self.start = self
            .start
            .checked_sub(1)
            .expect("40 bytes hold every 64-bit count");
        self.bytes[usize::from(self.start)] = byte;
    }
}

/// Splits the lowest decimal digit off, as ASCII.
fn low_digit(magnitude: &mut u64) -> u8 {
    let digit = magnitude
        .checked_rem(10)
        .and_then(|digit| u8::try_from(digit).ok())
        .unwrap_or(0);
    *magnitude = magnitude.checked_div(10).unwrap_or(0);
    b'0'.wrapping_add(digit)
}

impl core::fmt::Display for DecimalText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

impl core::fmt::Debug for DecimalText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
