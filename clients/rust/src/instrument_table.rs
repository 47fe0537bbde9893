//! The instruments that the engine named at the attach.
//!
//! Owns: look-up by symbol and by number, and the exact reading of decimal text with an
//! instrument's scales. Must not know: requests. Threads: plain values.

use std::collections::BTreeMap;

use model::decimal_text::parse_units;
use model::identifiers::Symbol;
use model::{Instrument, InstrumentId, Price, Quantity};

use crate::error::RequestError;
use crate::order_spec::{InstrumentRef, PriceValue, QuantityValue};

/// Instruments by symbol and by number.
#[derive(Debug, Clone, Default)]
pub struct InstrumentTable {
    by_id: BTreeMap<InstrumentId, Instrument>,
    by_symbol: BTreeMap<Symbol, InstrumentId>,
}

impl InstrumentTable {
    /// The instrument with this symbol. Symbols are taken to be unique; of two venues with the same
    /// one, ask by number.
    pub fn by_symbol(&self, symbol: &str) -> Option<&Instrument> {
        let symbol = Symbol::new(symbol.as_bytes())?;
        self.by_id.get(self.by_symbol.get(&symbol)?)
    }

    /// The instrument with this number.
    pub fn by_id(&self, id: InstrumentId) -> Option<&Instrument> {
        self.by_id.get(&id)
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.by_id.values()
    }

    pub(crate) fn add(&mut self, instruments: impl IntoIterator<Item = Instrument>) {
        for instrument in instruments {
            self.by_symbol
                .entry(instrument.symbol)
                .or_insert(instrument.id);
            self.by_id.insert(instrument.id, instrument);
        }
    }

    pub(crate) fn find(&self, wanted: InstrumentRef<'_>) -> Result<&Instrument, RequestError> {
        let (found, name) = match wanted {
            InstrumentRef::Symbol(symbol) => (self.by_symbol(symbol), symbol.to_owned()),
            InstrumentRef::Id(id) => (self.by_id(id), format!("number {id}")),
        };
        found.ok_or(RequestError::UnknownInstrument { name })
    }

    pub(crate) fn quantity(
        instrument: &Instrument,
        value: QuantityValue<'_>,
    ) -> Result<Quantity, RequestError> {
        match value {
            QuantityValue::Quantity(quantity) => Ok(quantity),
            QuantityValue::Text(text) => parse_units(text.as_bytes(), instrument.quantity_scale)
                .map(Quantity::from_units)
                .map_err(|source| RequestError::Quantity {
                    text: text.to_owned(),
                    source,
                }),
        }
    }

    pub(crate) fn price(
        instrument: &Instrument,
        value: PriceValue<'_>,
    ) -> Result<Price, RequestError> {
        match value {
            PriceValue::Price(price) => Ok(price),
            PriceValue::Text(text) => parse_units(text.as_bytes(), instrument.price_scale)
                .map(Price::from_units)
                .map_err(|source| RequestError::Price {
                    text: text.to_owned(),
                    source,
                }),
        }
    }
}
