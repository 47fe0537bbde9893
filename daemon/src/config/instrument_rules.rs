//! From a venue's rules as text to an instrument in units: which scales, and whether they still
//! fit.
//!
//! Owns the choice of scales. Invariants: a scale holds every step of the venue exactly and is
//! never changed while a journal lives; what cannot be held is refused, an upper bound of the venue
//! alone is lowered. Must not know: limits, sockets. Threads: none.

use super::exact_decimal::ExactDecimal;
use super::problem::Problem;
use model::decimal_text::SCALE_MAX;
use model::identifiers::Symbol;
use model::instrument::{Instrument, InstrumentKind, InstrumentState};
use model::{AccountId, InstrumentId, Price, Quantity, VenueId};

/// Decimal places kept free below tick and lot, for steps that become finer.
const SPARE_PLACES: u32 = 2;
/// Orders of the largest size whose sum a 64-bit count must hold.
const HEADROOM: i128 = 100;
/// No venue names a largest price: so many ticks must fit, with the headroom.
const TICKS_HELD: i128 = 1_000_000_000_000;

/// What a venue says about one instrument, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueInstrument {
    /// The venue's name in the configuration.
    pub venue: String,
    /// Its name at the venue.
    pub symbol: String,
    /// The venue's number for it (OKX `instIdCode`); 0 where it has none.
    pub venue_code: u64,
    /// How money is counted.
    pub kind: InstrumentKind,
    /// Whether it trades.
    pub state: InstrumentState,
    /// Smallest price step (OKX `tickSz`), decimal text.
    pub tick: String,
    /// Smallest quantity step (OKX `lotSz`), decimal text.
    pub lot: String,
    /// Smallest order (OKX `minSz`), decimal text.
    pub quantity_min: String,
    /// Largest limit order (OKX `maxLmtSz`), decimal text.
    pub quantity_max: String,
    /// Contract multiplier (OKX `ctVal` x `ctMult`), decimal text; "1" for spot.
    pub multiplier: String,
}

/// Our numbers for an instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct InstrumentPlace {
    pub(super) id: InstrumentId,
    pub(super) venue: VenueId,
    pub(super) account: AccountId,
}

/// The venue's rules, read.
struct Rules {
    tick: ExactDecimal,
    lot: ExactDecimal,
    quantity_min: ExactDecimal,
    quantity_max: ExactDecimal,
    multiplier: ExactDecimal,
}

/// The scales of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scales {
    price: u8,
    quantity: u8,
    multiplier: u8,
}

/// The instrument in units. `known` is what a journal already fixed.
pub(super) fn instrument(
    rules: &VenueInstrument,
    place: InstrumentPlace,
    known: Option<&Instrument>,
) -> Result<Instrument, Problem> {
    let read = Rules::read(rules)?;
    let scales = match known {
        Some(known) => read.held_by(known, rules)?,
        None => read.scales(rules)?,
    };
    let units = |rule, decimal: &ExactDecimal, scale, text: &str| {
        let units = decimal.units(scale).ok();
        let units = units.and_then(|units| i64::try_from(units).ok());
        units.ok_or_else(|| bad_rule(rule, text, format!("no 64-bit count at scale {scale}")))
    };
    // The venue's largest order is no promise of ours: what the headroom cannot hold is given up.
    let held_max = i128::from(i64::MAX) / HEADROOM;
    let quantity_max = read
        .quantity_max
        .floor_units(scales.quantity)
        .map_or(held_max, |units| units.min(held_max));
    let instrument = Instrument {
        id: place.id,
        venue: place.venue,
        account: place.account,
        symbol: Symbol::new(rules.symbol.as_bytes())
            .ok_or_else(|| bad_rule("symbol", &rules.symbol, "no text of 31 bytes".to_owned()))?,
        venue_code: rules.venue_code,
        kind: rules.kind,
        state: rules.state,
        price_scale: scales.price,
        quantity_scale: scales.quantity,
        tick: Price::from_units(units("tick", &read.tick, scales.price, &rules.tick)?),
        lot: Quantity::from_units(units("lot", &read.lot, scales.quantity, &rules.lot)?),
        quantity_min: Quantity::from_units(units(
            "quantity_min",
            &read.quantity_min,
            scales.quantity,
            &rules.quantity_min,
        )?),
        quantity_max: Quantity::from_units(i64::try_from(quantity_max).unwrap_or(i64::MAX)),
        multiplier_units: units(
            "multiplier",
            &read.multiplier,
            scales.multiplier,
            &rules.multiplier,
        )?,
        multiplier_scale: scales.multiplier,
    };
    match instrument.defect() {
        Some(defect) => Err(bad_rule("rules", &rules.symbol, defect.to_owned())),
        None => Ok(instrument),
    }
}

impl Rules {
    fn read(rules: &VenueInstrument) -> Result<Self, Problem> {
        let positive = |rule, text: &str| match ExactDecimal::parse(text.as_bytes()) {
            Ok(decimal) if decimal.is_positive() => Ok(decimal),
            Ok(_) => Err(bad_rule(rule, text, "not above zero".to_owned())),
            Err(error) => Err(bad_rule(rule, text, error.to_string())),
        };
        Ok(Self {
            tick: positive("tick", &rules.tick)?,
            lot: positive("lot", &rules.lot)?,
            quantity_min: positive("quantity_min", &rules.quantity_min)?,
            quantity_max: positive("quantity_max", &rules.quantity_max)?,
            multiplier: positive("multiplier", &rules.multiplier)?,
        })
    }

    fn quantity_places(&self) -> u32 {
        self.lot
            .decimal_places()
            .max(self.quantity_min.decimal_places())
    }

    /// Scales at first sight: two places to spare, fewer where the largest numbers would not fit.
    fn scales(&self, rules: &VenueInstrument) -> Result<Scales, Problem> {
        let price = scale_for(self.tick.decimal_places(), |scale| {
            let ticks = self.tick.floor_units(scale)?.checked_mul(TICKS_HELD)?;
            ticks.checked_mul(HEADROOM)
        });
        let quantity = scale_for(self.quantity_places(), |scale| {
            self.quantity_max.floor_units(scale)?.checked_mul(HEADROOM)
        });
        let multiplier = u8::try_from(self.multiplier.decimal_places())
            .ok()
            .filter(|scale| *scale <= SCALE_MAX);
        let too_fine = || format!("more than {SCALE_MAX} decimal places");
        Ok(Scales {
            price: price.ok_or_else(|| bad_rule("tick", &rules.tick, too_fine()))?,
            quantity: quantity.ok_or_else(|| bad_rule("lot", &rules.lot, too_fine()))?,
            multiplier: multiplier
                .ok_or_else(|| bad_rule("multiplier", &rules.multiplier, too_fine()))?,
        })
    }

    /// The scales that the journal fixed, if they still hold every step.
    fn held_by(&self, known: &Instrument, rules: &VenueInstrument) -> Result<Scales, Problem> {
        for (rule, places, scale, found) in [
            (
                "tick",
                self.tick.decimal_places(),
                known.price_scale,
                &rules.tick,
            ),
            (
                "lot",
                self.lot.decimal_places(),
                known.quantity_scale,
                &rules.lot,
            ),
            (
                "smallest order",
                self.quantity_min.decimal_places(),
                known.quantity_scale,
                &rules.quantity_min,
            ),
            (
                "multiplier",
                self.multiplier.decimal_places(),
                known.multiplier_scale,
                &rules.multiplier,
            ),
        ] {
            if places > u32::from(scale) {
                return Err(Problem::ScaleTooCoarse {
                    symbol: rules.symbol.clone(),
                    rule,
                    found: found.clone(),
                    scale,
                });
            }
        }
        if known.kind != rules.kind {
            return Err(Problem::ChangedInJournal(format!(
                "{} is now another kind of contract than in the journal; its money would be \
                 counted otherwise; remove the instrument, or start a new journal while flat",
                rules.symbol
            )));
        }
        Ok(Scales {
            price: known.price_scale,
            quantity: known.quantity_scale,
            multiplier: known.multiplier_scale,
        })
    }
}

/// The finest scale with up to two places to spare at which the largest number fits 64 bits; at
/// least the `places` that steps need. `None` when those are too many.
fn scale_for(places: u32, largest_at: impl Fn(u8) -> Option<i128>) -> Option<u8> {
    let least = u8::try_from(places)
        .ok()
        .filter(|scale| *scale <= SCALE_MAX)?;
    let most = u8::try_from(places + SPARE_PLACES).map_or(SCALE_MAX, |most| most.min(SCALE_MAX));
    let fits =
        |scale: &u8| largest_at(*scale).is_some_and(|largest| largest <= i128::from(i64::MAX));
    Some((least..=most).rev().find(fits).unwrap_or(least))
}

fn bad_rule(rule: &'static str, found: &str, why: String) -> Problem {
    Problem::BadVenueRule {
        rule,
        found: found.to_owned(),
        why,
    }
}
