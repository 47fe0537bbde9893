//! An instrument's rules as OKX states them, and the instrument of ours that follows.
//!
//! okx.com/docs-v5, "Get instruments". Rules are kept as the venue's exact decimal text; scales are
//! chosen once, at first sight, and then passed in for the journal's life. Threads: none.

use model::decimal_text::{DecimalError, SCALE_MAX, parse_units};
use model::identifiers::{Symbol, Text};
use model::instrument::{Instrument, InstrumentKind, InstrumentState};
use model::{AccountId, InstrumentId, Price, Quantity, VenueId};

/// A decimal as the venue wrote it.
pub type DecimalRule = Text<47>;

/// Decimal places beyond tick and lot, for rules that become finer later.
const SPARE_PLACES: u8 = 2;
/// A hundred of the largest orders must fit a quantity: positions are sums. Where the venue's limit
/// stands for "none" (BTC spot: 10^10 at a lot of 10^-8) no scale holds that, and this is the
/// limit.
const LARGEST_ORDER_UNITS: i64 = i64::MAX / 100;

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

/// Decimal places that are fixed for an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scales {
    /// Of a price unit.
    pub price: u8,
    /// Of a quantity unit.
    pub quantity: u8,
}

/// A rule that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesError {
    /// Not a decimal above zero.
    BadDecimal {
        /// The venue's name of it.
        member: &'static str,
    },
    /// Finer than the scale that is fixed: no new orders until the instrument is rescaled.
    ScaleTooCoarse {
        /// The venue's name of what is finer.
        member: &'static str,
        /// The scale.
        scale: u8,
    },
    /// The contract multiplier needs more decimal places or digits than there are.
    MultiplierTooLarge,
}

impl core::fmt::Display for RulesError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadDecimal { member } => write!(f, "{member} is not a decimal above zero"),
            Self::ScaleTooCoarse { member, scale } => {
                write!(
                    f,
                    "SCALE_TOO_COARSE: {member} is finer than {scale} decimal places"
                )
            }
            Self::MultiplierTooLarge => f.write_str("ctVal x ctMult does not fit 64 bits"),
        }
    }
}

impl std::error::Error for RulesError {}

impl InstrumentRules {
    /// The scales to fix when the instrument is seen for the first time: decimals of tick and lot
    /// and two more, fewer where a hundred of the largest orders would not fit.
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn first_scales(&self) -> Result<Scales, RulesError> {
        let price = decimals(&self.tick, "tickSz")?;
        let lot = decimals(&self.lot, "lotSz")?;
        let widest = lot.saturating_add(SPARE_PLACES).min(SCALE_MAX);
        let fits = |scale: &u8| {
            largest_order(&self.quantity_max, *scale).is_ok_and(|it| it < LARGEST_ORDER_UNITS)
        };
        Ok(Scales {
            price: price.saturating_add(SPARE_PLACES).min(SCALE_MAX),
            quantity: (lot..=widest).rev().find(fits).unwrap_or(lot),
        })
    }

    /// The instrument under these rules and scales.
    ///
    /// The largest order is rounded down where it is finer than the scale, and cut where a hundred
    /// of it would not fit: the stricter side.
    ///
    /// # Errors
    /// [`RulesError::ScaleTooCoarse`] when tick, lot or minimum do not fit the scales.
    pub fn instrument(
        &self,
        id: InstrumentId,
        venue: VenueId,
        account: AccountId,
        scales: Scales,
    ) -> Result<Instrument, RulesError> {
        let quantity =
            |text, member| units(text, scales.quantity, member).map(Quantity::from_units);
        let quantity_max = largest_order(&self.quantity_max, scales.quantity)?;
        let (multiplier_units, multiplier_scale) = self.multiplier()?;
        Ok(Instrument {
            id,
            venue,
            account,
            symbol: self.symbol,
            venue_code: self.venue_code,
            kind: self.kind,
            state: self.state,
            price_scale: scales.price,
            quantity_scale: scales.quantity,
            tick: Price::from_units(units(&self.tick, scales.price, "tickSz")?),
            lot: quantity(&self.lot, "lotSz")?,
            quantity_min: quantity(&self.quantity_min, "minSz")?,
            quantity_max: Quantity::from_units(quantity_max),
            multiplier_units,
            multiplier_scale,
        })
    }

    /// `ctVal` × `ctMult`, exact; one for spot.
    fn multiplier(&self) -> Result<(i64, u8), RulesError> {
        if self.kind == InstrumentKind::Spot {
            return Ok((1, 0));
        }
        let value_scale = decimals(&self.contract_value, "ctVal")?;
        let factor_scale = decimals(&self.contract_multiplier, "ctMult")?;
        let value = units(&self.contract_value, value_scale, "ctVal")?;
        let factor = units(&self.contract_multiplier, factor_scale, "ctMult")?;
        let product = value.checked_mul(factor);
        let scale = value_scale.saturating_add(factor_scale);
        product
            .filter(|_| scale <= SCALE_MAX)
            .map(|units| (units, scale))
            .ok_or(RulesError::MultiplierTooLarge)
    }
}

/// Decimal places that a positive decimal needs.
fn decimals(text: &DecimalRule, member: &'static str) -> Result<u8, RulesError> {
    (0..=SCALE_MAX)
        .find(|scale| parse_units(text.as_bytes(), *scale).is_ok_and(|units| units > 0))
        .ok_or(RulesError::BadDecimal { member })
}

/// A positive decimal at a scale, exactly.
fn units(text: &DecimalRule, scale: u8, member: &'static str) -> Result<i64, RulesError> {
    let least = decimals(text, member)?;
    match parse_units(text.as_bytes(), scale) {
        Ok(units) if units > 0 => Ok(units),
        _ if least > scale => Err(RulesError::ScaleTooCoarse { member, scale }),
        _ => Err(RulesError::BadDecimal { member }),
    }
}

/// `maxLmtSz` at a scale: rounded down, and at most [`LARGEST_ORDER_UNITS`].
fn largest_order(text: &DecimalRule, scale: u8) -> Result<i64, RulesError> {
    let bad = RulesError::BadDecimal { member: "maxLmtSz" };
    let bytes = text.as_bytes();
    let kept = match bytes.iter().position(|byte| *byte == b'.') {
        None => bytes,
        Some(point) => {
            let fraction = &bytes[point + 1..];
            if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
                return Err(bad);
            }
            match fraction.len().min(usize::from(scale)) {
                0 => &bytes[..point],
                places => &bytes[..point + 1 + places],
            }
        }
    };
    match parse_units(kept, scale) {
        Ok(units) if units > 0 => Ok(units.min(LARGEST_ORDER_UNITS)),
        Err(DecimalError::TooLarge { .. }) if !kept.starts_with(b"-") => Ok(LARGEST_ORDER_UNITS),
        _ => Err(bad),
    }
}
