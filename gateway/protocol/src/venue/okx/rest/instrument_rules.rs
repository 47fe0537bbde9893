//! An instrument's rules as OKX states them.
//!
//! okx.com/docs-v5, "Get instruments". Rules are kept as exact decimal text: which scales
//! hold them is chosen in one place for every venue, where a configuration becomes the engine's.
//! Threads: none.

use model::decimal_text::{DecimalText, SCALE_MAX, parse_units};
use model::identifiers::{Symbol, Text};
use model::instrument::{InstrumentKind, InstrumentState};

/// A decimal as the venue wrote it.
pub type DecimalRule = Text<47>;

/// What the venue says about one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstrumentRules {
    /// `instId`.
    pub symbol: Symbol,
    /// `instIdCode`; 0 when it is null: the WebSocket cannot name the instrument then.
    pub venue_code: u64,
    /// From `instType` and `ctType`.
    pub kind: InstrumentKind,
    /// From `state`; whatever is neither `live` nor `post_only` takes no new orders.
    pub state: InstrumentState,
    /// `tickSz`.
    pub tick: DecimalRule,
    /// `lotSz`.
    pub lot: DecimalRule,
    /// `minSz`.
    pub quantity_min: DecimalRule,
    /// `maxLmtSz`.
    pub quantity_max: DecimalRule,
    /// `ctVal`; empty for spot.
    pub contract_value: DecimalRule,
    /// `ctMult`; empty for spot.
    pub contract_multiplier: DecimalRule,
}

/// A rule that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesError {
    /// Not a decimal above zero.
    BadDecimal {
        /// The venue's name of it.
        member: &'static str,
    },
    /// The contract multiplier needs more decimal places or digits than there are.
    MultiplierTooLarge,
}

impl core::fmt::Display for RulesError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadDecimal { member } => write!(f, "{member} is not a decimal above zero"),
            Self::MultiplierTooLarge => f.write_str("ctVal x ctMult does not fit 64 bits"),
        }
    }
}

impl std::error::Error for RulesError {}

impl InstrumentRules {
    /// `ctVal` × `ctMult`, exact; one for spot.
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn multiplier(&self) -> Result<DecimalText, RulesError> {
        if self.kind == InstrumentKind::Spot {
            return Ok(DecimalText::new(1, 0));
        }
        let (value, value_scale) = positive(&self.contract_value, "ctVal")?;
        let (factor, factor_scale) = positive(&self.contract_multiplier, "ctMult")?;
        let scale = value_scale.saturating_add(factor_scale);
        value
            .checked_mul(factor)
            .filter(|_| scale <= SCALE_MAX)
            .map(|units| DecimalText::new(units, scale))
            .ok_or(RulesError::MultiplierTooLarge)
    }
}

/// A positive decimal at the fewest places that hold it.
fn positive(text: &DecimalRule, member: &'static str) -> Result<(i64, u8), RulesError> {
    let at = |scale: u8| {
        parse_units(text.as_bytes(), scale)
            .ok()
            .map(|units| (units, scale))
    };
    (0..=SCALE_MAX)
        .find_map(at)
        .filter(|(units, _)| *units > 0)
        .ok_or(RulesError::BadDecimal { member })
}
