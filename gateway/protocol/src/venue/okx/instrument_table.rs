//! What the OKX codec knows about instruments: by our number to encode, by `instId` to decode.
//!
//! Owns the trade mode of each instrument and both look-ups. Invariants: look-ups do not allocate;
//! every scale is one that decimal text can have; a symbol belongs to one instrument. Must not
//! know: limits, positions, orders. Threads: none; each thread that codes has its own copy.

use model::decimal_text::SCALE_MAX;
use model::identifiers::Symbol;
use model::instrument::{Instrument, InstrumentKind};
use model::{EngineConfig, InstrumentId, VenueId};

use crate::venue::okx::order_templates::OrderTemplates;

/// Largest instrument number that a table takes: the numbers are places in a list.
pub const INSTRUMENT_ID_MAX: u32 = 65_535;

/// OKX `tdMode` (okx.com/docs-v5, "Place order").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradeMode {
    /// `cash`: spot in a spot or futures account.
    Cash,
    /// `cross`: margin shared by all positions; spot too in multi-currency and portfolio accounts.
    Cross,
    /// `isolated`: margin of its own per position.
    Isolated,
}

impl TradeMode {
    /// The venue's word.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Cross => "cross",
            Self::Isolated => "isolated",
        }
    }

    /// Reads the venue's word, as a configuration has it.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Cash, Self::Cross, Self::Isolated]
            .into_iter()
            .find(|mode| mode.text() == text)
    }
}

/// OKX `stpMode`: who is cancelled when two orders of the same account would meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTradePrevention {
    /// The resting order.
    CancelMaker,
    /// The arriving order.
    CancelTaker,
    /// Both; the venue refuses it with `fok` (54036).
    CancelBoth,
}

impl SelfTradePrevention {
    /// The venue's word.
    pub const fn text(self) -> &'static str {
        match self {
            Self::CancelMaker => "cancel_maker",
            Self::CancelTaker => "cancel_taker",
            Self::CancelBoth => "cancel_both",
        }
    }

    /// Reads the venue's word, as a configuration has it.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::CancelMaker, Self::CancelTaker, Self::CancelBoth]
            .into_iter()
            .find(|mode| mode.text() == text)
    }
}

/// How orders are marked for OKX, from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OkxSettings {
    /// `tdMode` of spot instruments.
    pub spot_trade_mode: TradeMode,
    /// `tdMode` of swaps and futures.
    pub contract_trade_mode: TradeMode,
    /// `tdMode` of single instruments, by `instId`; wins over the two above.
    pub trade_modes: Vec<(Symbol, TradeMode)>,
    /// `stpMode` of every order; `None` = the account's own setting.
    pub self_trade_prevention: Option<SelfTradePrevention>,
}

impl Default for OkxSettings {
    fn default() -> Self {
        Self {
            spot_trade_mode: TradeMode::Cash,
            contract_trade_mode: TradeMode::Cross,
            trade_modes: Vec::new(),
            self_trade_prevention: None,
        }
    }
}

/// One instrument with what only OKX asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OkxInstrument {
    /// The instrument.
    pub instrument: Instrument,
    /// Its `tdMode`.
    pub trade_mode: TradeMode,
}

/// Why a table cannot be made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableError {
    /// Two instruments have the same `instId`.
    DuplicateSymbol {
        /// It.
        symbol: Symbol,
    },
    /// Two instruments have the same number, or a number above [`INSTRUMENT_ID_MAX`].
    BadInstrumentId {
        /// It.
        found: InstrumentId,
    },
    /// A scale above what decimal text has.
    BadScale {
        /// The instrument.
        symbol: Symbol,
    },
    /// A trade mode is set for an instrument that is not configured.
    UnknownSymbol {
        /// It.
        symbol: Symbol,
    },
    /// A trade mode that OKX does not have.
    UnknownTradeMode {
        /// The instrument.
        symbol: Symbol,
    },
    /// Another symbol, kind or scale for a number that is taken: those are fixed for good.
    Changed {
        /// The instrument.
        found: InstrumentId,
    },
}

impl core::fmt::Display for TableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::DuplicateSymbol { symbol } => write!(f, "instrument {symbol} is there twice"),
            Self::BadInstrumentId { found } => {
                write!(
                    f,
                    "instrument number {found} is taken or above {INSTRUMENT_ID_MAX}"
                )
            }
            Self::BadScale { symbol } => {
                write!(f, "a scale of instrument {symbol} is above {SCALE_MAX}")
            }
            Self::UnknownSymbol { symbol } => {
                write!(
                    f,
                    "trade mode of {symbol}, which is not a configured instrument"
                )
            }
            Self::UnknownTradeMode { symbol } => {
                write!(
                    f,
                    "the trade mode of {symbol} is not cash, cross or isolated"
                )
            }
            Self::Changed { found } => {
                write!(f, "symbol, kind and scales of instrument {found} are fixed")
            }
        }
    }
}

impl std::error::Error for TableError {}

/// All instruments of one OKX account's venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstrumentTable {
    by_id: Vec<Option<OkxInstrument>>,
    /// At the same places.
    templates: Vec<Option<OrderTemplates>>,
    /// Sorted by symbol.
    by_symbol: Vec<(Symbol, InstrumentId)>,
    self_trade_prevention: Option<SelfTradePrevention>,
}

impl InstrumentTable {
    /// The table of those `instruments` that are at `venue`.
    ///
    /// # Errors
    /// [`TableError`] naming the first instrument or setting that contradicts another.
    pub fn new<'a>(
        venue: VenueId,
        instruments: impl IntoIterator<Item = &'a Instrument>,
        settings: &OkxSettings,
    ) -> Result<Self, TableError> {
        let mut table = Self {
            by_id: Vec::new(),
            templates: Vec::new(),
            by_symbol: Vec::new(),
            self_trade_prevention: settings.self_trade_prevention,
        };
        for instrument in instruments {
            if instrument.venue == venue {
                table.add(instrument, settings)?;
            }
        }
        for (symbol, _) in &settings.trade_modes {
            if table.by_symbol(symbol.as_bytes()).is_none() {
                return Err(TableError::UnknownSymbol { symbol: *symbol });
            }
        }
        Ok(table)
    }

    /// The table of `venue` under a configuration in force, and nothing else: what the journal
    /// holds is enough to make it again.
    ///
    /// # Errors
    /// As [`Self::new`]; [`TableError::UnknownTradeMode`] for a word that is no `tdMode`.
    pub fn in_force(venue: VenueId, config: &EngineConfig) -> Result<Self, TableError> {
        let mine = config
            .instruments
            .iter()
            .filter(|policy| policy.instrument.venue == venue);
        let mut trade_modes = Vec::new();
        for policy in mine.filter(|policy| !policy.trade_mode.is_empty()) {
            let symbol = policy.instrument.symbol;
            let mode = TradeMode::from_text(policy.trade_mode.as_str())
                .ok_or(TableError::UnknownTradeMode { symbol })?;
            trade_modes.push((symbol, mode));
        }
        let settings = OkxSettings {
            trade_modes,
            ..OkxSettings::default()
        };
        let instruments = config.instruments.iter().map(|policy| &policy.instrument);
        Self::new(venue, instruments, &settings)
    }

    /// The instrument of our number.
    pub fn by_id(&self, id: InstrumentId) -> Option<&OkxInstrument> {
        self.by_id.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    /// The fixed parts of its messages.
    #[inline]
    pub(super) fn templates(&self, id: InstrumentId) -> Option<&OrderTemplates> {
        let place = usize::try_from(id.0).ok()?;
        self.templates.get(place)?.as_ref()
    }

    /// The instrument of an `instId`.
    pub fn by_symbol(&self, symbol: &[u8]) -> Option<&OkxInstrument> {
        let place = self
            .by_symbol
            .binary_search_by(|(known, _)| known.as_bytes().cmp(symbol))
            .ok()?;
        self.by_id(self.by_symbol.get(place)?.1)
    }

    /// `stpMode` of every order, if one is set.
    pub fn self_trade_prevention(&self) -> Option<SelfTradePrevention> {
        self.self_trade_prevention
    }

    /// Every instrument, in the order of our numbers.
    pub fn instruments(&self) -> impl Iterator<Item = &OkxInstrument> {
        self.by_id.iter().flatten()
    }

    /// New rules for an instrument of the table (tick, lot, limits, state, venue code).
    ///
    /// # Errors
    /// [`TableError::BadInstrumentId`] when the number is not in the table,
    /// [`TableError::Changed`] when what is fixed differs. The table is then as before.
    pub fn apply(&mut self, instrument: &Instrument) -> Result<(), TableError> {
        let found = instrument.id;
        let place = usize::try_from(found.0).ok();
        let known = place
            .and_then(|place| self.by_id.get_mut(place))
            .and_then(Option::as_mut)
            .ok_or(TableError::BadInstrumentId { found })?;
        let fixed = |it: &Instrument| {
            (
                it.venue,
                it.account,
                it.symbol,
                it.kind,
                it.price_scale,
                it.quantity_scale,
            )
        };
        if fixed(&known.instrument) != fixed(instrument) {
            return Err(TableError::Changed { found });
        }
        known.instrument = *instrument;
        let templates = OrderTemplates::new(known, self.self_trade_prevention);
        if let Some(place) = place.and_then(|place| self.templates.get_mut(place)) {
            *place = Some(templates);
        }
        Ok(())
    }

    fn add(&mut self, instrument: &Instrument, settings: &OkxSettings) -> Result<(), TableError> {
        let symbol = instrument.symbol;
        if instrument.price_scale > SCALE_MAX || instrument.quantity_scale > SCALE_MAX {
            return Err(TableError::BadScale { symbol });
        }
        let found = instrument.id;
        let place = usize::try_from(found.0.min(INSTRUMENT_ID_MAX)).unwrap_or(0);
        if found.0 > INSTRUMENT_ID_MAX || matches!(self.by_id.get(place), Some(Some(_))) {
            return Err(TableError::BadInstrumentId { found });
        }
        let sorted_at = match self
            .by_symbol
            .binary_search_by(|(known, _)| known.as_bytes().cmp(symbol.as_bytes()))
        {
            Ok(_) => return Err(TableError::DuplicateSymbol { symbol }),
            Err(place) => place,
        };
        let set = settings.trade_modes.iter().find(|(of, _)| *of == symbol);
        let trade_mode = match (set, instrument.kind) {
            (Some((_, mode)), _) => *mode,
            (None, InstrumentKind::Spot) => settings.spot_trade_mode,
            (None, InstrumentKind::Linear | InstrumentKind::Inverse) => {
                settings.contract_trade_mode
            }
        };
        if self.by_id.len() <= place {
            self.by_id.resize(place + 1, None);
            self.templates.resize(place + 1, None);
        }
        let known = OkxInstrument {
            instrument: *instrument,
            trade_mode,
        };
        self.templates[place] = Some(OrderTemplates::new(&known, self.self_trade_prevention));
        self.by_id[place] = Some(known);
        self.by_symbol.insert(sorted_at, (symbol, found));
        Ok(())
    }
}
