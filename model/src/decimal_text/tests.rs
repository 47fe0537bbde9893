//! Decimal text: the whole table of odd inputs, and properties against independent arithmetic.

use super::*;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn check(text: &str, scale: u8, expected: Result<i64, DecimalError>) {
    assert_eq!(
        parse_units(text.as_bytes(), scale),
        expected,
        "text {text:?} scale {scale}"
    );
}

// covers: G07
#[test]
fn text_is_read_exactly_or_refused() {
    use DecimalError::*;
    let malformed = |at_byte| Err(Malformed { at_byte });
    let table: &[(&str, u8, Result<i64, DecimalError>)] = &[
        ("0", 0, Ok(0)),
        ("64123.5", 1, Ok(641_235)),
        ("64123.5", 4, Ok(641_235_000)),
        ("64123.5", 0, Err(TooPrecise { scale: 0 })),
        ("1e-8", 8, Ok(1)),
        ("1e-8", 7, Err(TooPrecise { scale: 7 })),
        ("1E+2", 0, Ok(100)),
        ("1.5e1", 0, Ok(15)),
        ("120e-1", 0, Ok(12)),
        ("0e999999999999999999999", 2, Ok(0)),
        ("1e999999999999999999999", 2, Err(TooLarge { scale: 2 })),
        ("1e-999999999999999999999", 2, Err(TooPrecise { scale: 2 })),
        ("-1.25", 2, Ok(-125)),
        ("-0", 3, Ok(0)),
        ("-0.000", 3, Ok(0)),
        ("007", 0, Ok(7)),
        (
            "9999999999.0000000000000000",
            8,
            Ok(999_999_999_900_000_000),
        ),
        ("1.10", 1, Ok(11)),
        ("+1", 0, malformed(0)),
        (" 1", 0, malformed(0)),
        ("1 ", 0, malformed(1)),
        ("1.", 0, malformed(2)),
        (".5", 1, malformed(0)),
        ("-", 0, malformed(1)),
        ("--1", 0, malformed(1)),
        ("1e", 0, malformed(2)),
        ("1e+", 0, malformed(3)),
        ("1e1.0", 0, malformed(3)),
        ("1,000", 0, malformed(1)),
        ("1_000", 0, malformed(1)),
        ("0x10", 0, malformed(1)),
        ("NaN", 0, malformed(0)),
        ("Infinity", 0, malformed(0)),
        ("null", 0, malformed(0)),
        ("１２", 0, malformed(0)),
        ("1２", 0, malformed(1)),
        ("1\0", 0, malformed(1)),
        ("", 0, Err(Empty)),
        ("9223372036854775807", 0, Ok(i64::MAX)),
        ("9223372036854775808", 0, Err(TooLarge { scale: 0 })),
        ("-9223372036854775808", 0, Ok(i64::MIN)),
        ("-9223372036854775809", 0, Err(TooLarge { scale: 0 })),
        ("9.223372036854775807", 18, Ok(i64::MAX)),
        (
            "1234567890123456789012345678901234567890",
            0,
            Err(TooLarge { scale: 0 }),
        ),
        ("0000000000000000000000000000000000000001", 0, Ok(1)),
        ("1.0000000000000000000000000000000000000000", 2, Ok(100)),
        (
            "1.0000000000000000000000000000000000000001",
            2,
            Err(TooPrecise { scale: 2 }),
        ),
        ("1", 19, Err(BadScale { scale: 19 })),
    ];
    for (text, scale, expected) in table {
        check(text, *scale, *expected);
    }
}

#[test]
fn units_are_written_without_needless_zeros() {
    let table: &[(i64, u8, &str)] = &[
        (0, 0, "0"),
        (0, 18, "0"),
        (641_235, 1, "64123.5"),
        (641_230, 1, "64123"),
        (5, 1, "0.5"),
        (-5, 3, "-0.005"),
        (1, 18, "0.000000000000000001"),
        (i64::MAX, 18, "9.223372036854775807"),
        (i64::MIN, 0, "-9223372036854775808"),
        (i64::MIN, 18, "-9.223372036854775808"),
    ];
    for (units, scale, expected) in table {
        assert_eq!(DecimalText::new(*units, *scale).as_str(), *expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_count_of_units_survives_its_text(units: i64, scale in 0u8..=SCALE_MAX) {
        let text = DecimalText::new(units, scale);
        prop_assert_eq!(parse_units(text.as_bytes(), scale), Ok(units));
    }

    #[test]
    fn a_text_that_an_exact_decimal_reads_gives_the_same_units(
        mantissa in -1_000_000_000_000i64..1_000_000_000_000,
        decimals in 0u32..12,
        scale in 0u8..=SCALE_MAX,
    ) {
        let exact = Decimal::new(mantissa, decimals);
        let text = exact.to_string();
        let shifted = exact.checked_mul(Decimal::from(10i128.pow(u32::from(scale))));
        let expected = shifted
            .filter(|value| value.fract().is_zero())
            .map(|value| value.trunc())
            .and_then(|whole| i64::try_from(whole.mantissa() / 10i128.pow(whole.scale())).ok());
        let ours = parse_units(text.as_bytes(), scale);
        match expected {
            Some(units) => prop_assert_eq!(ours, Ok(units)),
            None => prop_assert!(ours.is_err()),
        }
    }

    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), scale in 0u8..=20) {
        let _ = parse_units(&bytes, scale);
    }
}
