//! Named values of one thing in an entry: what both forms of output are made of.
//!
//! Owns: how each sort of value is told (names beside numbers, exact decimals, UTC text).
//! Invariants: a field's name is there whether its value is known or not; numbers are exact; no
//! scale or time that a journal can hold panics. Threads: any.

use std::fmt::Display;

use model::{
    ClientOrderId, InstrumentId, Price, Quantity, StrategyId, UnixNs, VenueId,
    execution_report::FEE_SCALE,
};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::in_force::InForce;

/// Named values, in the order in which they were put.
pub(crate) struct Fields<'k> {
    known: &'k InForce,
    map: Map<String, Value>,
}

impl<'k> Fields<'k> {
    pub(crate) fn new(known: &'k InForce) -> Self {
        Self {
            known,
            map: Map::new(),
        }
    }

    /// Fields that begin with what the thing is.
    pub(crate) fn of_type(known: &'k InForce, name: &str) -> Self {
        Self::new(known).text("type", name)
    }

    pub(crate) fn known(&self) -> &'k InForce {
        self.known
    }

    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.map
    }

    pub(crate) fn put(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.map.insert(name.to_owned(), value.into());
        self
    }

    /// A text; the empty one is "not known" everywhere in the journal.
    pub(crate) fn text(self, name: &str, value: impl Display) -> Self {
        let text = value.to_string();
        let value = if text.is_empty() {
            Value::Null
        } else {
            Value::String(text)
        };
        self.put(name, value)
    }

    pub(crate) fn nested(self, name: &str, fields: Fields<'_>) -> Self {
        self.put(name, Value::Object(fields.into_map()))
    }

    pub(crate) fn order(self, id: Option<ClientOrderId>) -> Self {
        self.put("client_order_id", id.map(|id| id.to_string()))
    }

    pub(crate) fn strategy(self, id: StrategyId) -> Self {
        let name = self.known.strategy(id);
        self.put("strategy", name).put("strategy_id", id.0)
    }

    pub(crate) fn venue(self, id: VenueId) -> Self {
        let name = self.known.venue(id);
        self.put("venue", name).put("venue_id", id.0)
    }

    pub(crate) fn instrument(self, id: InstrumentId) -> Self {
        let symbol = self
            .known
            .instrument(id)
            .map(|instrument| instrument.symbol.to_string());
        self.put("instrument", symbol).put("instrument_id", id.0)
    }

    /// A price at its instrument's scale.
    pub(crate) fn price(
        self,
        name: &str,
        instrument: impl Into<Option<InstrumentId>>,
        price: Price,
    ) -> Self {
        let instrument = instrument.into().and_then(|id| self.known.instrument(id));
        self.scaled(
            name,
            price.units(),
            instrument.map(|known| known.price_scale),
        )
    }

    /// A quantity at its instrument's scale.
    pub(crate) fn quantity(
        self,
        name: &str,
        instrument: impl Into<Option<InstrumentId>>,
        quantity: Quantity,
    ) -> Self {
        let instrument = instrument.into().and_then(|id| self.known.instrument(id));
        self.scaled(
            name,
            quantity.units(),
            instrument.map(|known| known.quantity_scale),
        )
    }

    /// A sum of quantities, which 64 bits need not hold.
    pub(crate) fn position(self, name: &str, instrument: InstrumentId, units: i128) -> Self {
        let scale = self.known.instrument(instrument);
        match scale.map(|known| known.quantity_scale) {
            Some(scale) => self.put(name, decimal_text(units, scale)),
            None => self.put(name, units.to_string()),
        }
    }

    pub(crate) fn fee(self, units: i64) -> Self {
        self.put("fee", decimal_text(i128::from(units), FEE_SCALE))
    }

    /// A moment of a venue's or the machine's UTC clock; zero is "not said".
    pub(crate) fn moment(self, name: &str, moment: UnixNs) -> Self {
        let text = (moment.0 != 0).then(|| utc_text(moment));
        self.put(name, text)
    }

    fn scaled(self, name: &str, units: i64, scale: Option<u8>) -> Self {
        match scale {
            Some(scale) => self.put(name, decimal_text(i128::from(units), scale)),
            None => self
                .put(name, Value::Null)
                .put(&format!("{name}_units"), units),
        }
    }
}

/// Exact text of `units` x 10^-`scale`, as the model writes it, for wider counts and any scale.
pub(crate) fn decimal_text(units: i128, scale: u8) -> String {
    let places = usize::from(scale);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    let sign = if units < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// RFC 3339 in UTC with all nine places, as `2026-01-31T23:59:59.000000001Z`.
pub(crate) fn utc_text(moment: UnixNs) -> String {
    // 64 bits of nanoseconds end in the year 2554, which the calendar holds.
    let Ok(utc) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(moment.0)) else {
        return format!("{} ns since 1970", moment.0);
    };
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let (hour, minute, second) = utc.to_hms();
    let ns = utc.nanosecond();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DecimalText;

    #[test]
    fn decimals_are_told_exactly_as_the_model_tells_them() {
        for units in [0, 1, -1, 10, -100, 123_450, 999_999, i64::MAX, i64::MIN] {
            for scale in 0..=18 {
                let expected = DecimalText::new(units, scale);
                assert_eq!(decimal_text(i128::from(units), scale), expected.as_str());
            }
        }
        assert_eq!(
            decimal_text(i128::MIN, 38),
            "-1.70141183460469231731687303715884105728"
        );
        assert_eq!(decimal_text(1, 255).len(), 257);
    }

    #[test]
    fn every_moment_of_64_bits_has_a_date() {
        assert_eq!(utc_text(UnixNs(0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            utc_text(UnixNs(1_709_164_800_000_000_001)),
            "2024-02-29T00:00:00.000000001Z"
        );
        assert_eq!(utc_text(UnixNs(u64::MAX)), "2554-07-21T23:34:33.709551615Z");
    }
}
