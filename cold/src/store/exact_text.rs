//! Decimal text of sums and averages, which 64 bits do not hold.

/// Places that an average has beyond its price's.
const AVERAGE_PLACES: u32 = 8;

/// `units` x 10^-`scale` without trailing zeros.
pub(super) fn decimal_text(units: i128, scale: u32) -> String {
    let digits = units.unsigned_abs().to_string();
    let places = usize::try_from(scale).unwrap_or(0);
    let padded = format!("{digits:0>width$}", width = places.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let fraction = fraction.trim_end_matches('0');
    let sign = if units < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// The average of executions worth `executed_value` (price units x quantity units) over
/// `cum_units`, rounded half to even at `price_scale` + 8 places, or at fewer where 128 bits would
/// not hold it. `None` when nothing is filled.
pub(crate) fn average_text(
    executed_value: i128,
    cum_units: i64,
    price_scale: u8,
) -> Option<String> {
    if cum_units == 0 {
        return None;
    }
    let divisor = i128::from(cum_units);
    let mut places = AVERAGE_PLACES;
    let scaled = loop {
        match executed_value.checked_mul(10i128.pow(places)) {
            Some(scaled) => break scaled,
            // 10^0 always fits.
            None => places -= 1,
        }
    };
    let (mut quotient, rest) = (scaled.div_euclid(divisor), scaled.rem_euclid(divisor));
    let (twice, whole) = (rest.unsigned_abs() * 2, divisor.unsigned_abs());
    if twice > whole || (twice == whole && quotient.rem_euclid(2) == 1) {
        quotient += 1;
    }
    Some(decimal_text(quotient, u32::from(price_scale) + places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_exactly_at_every_size_and_sign() {
        let cases: [(i128, u32, &str); 8] = [
            (0, 0, "0"),
            (0, 12, "0"),
            (-5, 1, "-0.5"),
            (1_500, 3, "1.5"),
            (7, 3, "0.007"),
            (-1_000, 3, "-1"),
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
            (i128::MIN, 20, "-1701411834604692317.31687303715884105728"),
        ];
        for (units, scale, text) in cases {
            assert_eq!(decimal_text(units, scale), text);
        }
    }

    #[test]
    fn averages_are_rounded_half_to_even_and_never_overflow() {
        assert_eq!(average_text(0, 0, 2), None);
        assert_eq!(average_text(30, 2, 1).unwrap(), "1.5");
        // 1/3 and 2/3 at 8 places.
        assert_eq!(average_text(1, 3, 0).unwrap(), "0.33333333");
        assert_eq!(average_text(2, 3, 0).unwrap(), "0.66666667");
        // Halves go to the even digit.
        assert_eq!(average_text(1, 200_000_000, 0).unwrap(), "0");
        assert_eq!(average_text(3, 200_000_000, 0).unwrap(), "0.00000002");
        let widest = i128::from(i64::MAX) * i128::from(i64::MAX);
        let all = average_text(widest, i64::MAX, 0).unwrap();
        assert_eq!(all, i64::MAX.to_string());
    }
}
