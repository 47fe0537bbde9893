//! The instruments that the OKX tests trade, and their table.

use millrun_protocol::venue::okx::instrument_table::{InstrumentTable, OkxSettings};
use model::identifiers::Symbol;
use model::instrument::{Instrument, InstrumentKind, InstrumentState};
use model::{AccountId, InstrumentId, Price, Quantity, VenueId};

/// One instrument of the test venue.
pub(crate) fn instrument(id: u32, symbol: &str, code: u64, kind: InstrumentKind) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        venue_code: code,
        kind,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 4,
        tick: Price::from_units(100),
        lot: Quantity::from_units(100),
        quantity_min: Quantity::from_units(100),
        quantity_max: Quantity::from_units(1_000_000_000_000),
        multiplier_units: 1,
        multiplier_scale: 2,
    }
}

/// A swap (0), a spot pair (1), a dated inverse future (2).
pub(crate) fn instruments() -> Vec<Instrument> {
    vec![
        instrument(0, "BTC-USDT-SWAP", 10_459, InstrumentKind::Linear),
        instrument(1, "BTC-USDT", 4, InstrumentKind::Spot),
        instrument(2, "BTC-USD-261225", 77, InstrumentKind::Inverse),
    ]
}

/// Their table with the default settings.
pub(crate) fn table() -> InstrumentTable {
    InstrumentTable::new(VenueId(0), &instruments(), &OkxSettings::default()).unwrap()
}
