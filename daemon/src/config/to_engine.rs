//! From settings and the venues' rules to the engine's configuration.
//!
//! Owns the conversion of limits into units, and places that stay what they were in a journal.
//! Invariants: no limit is rounded; an id of the journal keeps its meaning; what the file no longer
//! names keeps its place with limits of zero. Must not know: sockets, secrets. Threads: none.

use super::exact_decimal::ExactDecimal;
use super::instrument_rules::{InstrumentPlace, VenueInstrument, instrument};
use super::problem::{ConfigErrors, Place, Problem};
use super::{InstrumentSettings, LimitText, Settings, VenueKind, VenueSettings};
use model::engine_config::{InstrumentPolicy, RateRule, StrategyPolicy, VenuePolicy};
use model::instrument::{Instrument, InstrumentState};
use model::time::NS_PER_S;
use model::{
    AccountId, DecimalError, EngineConfig, InstanceTag, InstrumentId, Notional, Quantity,
    StrategyId, Text, VenueId,
};

/// Nanoseconds in a millisecond.
const NS_PER_MS: u64 = 1_000_000;

impl Settings {
    /// The engine's configuration.
    ///
    /// `rules` are the venues' instruments, `rates` gives a venue's message rates, and `known` is
    /// the configuration that an existing journal ends with: its ids and scales are kept.
    ///
    /// # Errors
    /// Every instrument that a venue does not list or whose rules cannot be held, every limit that
    /// is finer than its instrument's units or does not fit them, everything that the journal
    /// forbids.
    pub fn engine_config(
        &self,
        version: u32,
        rules: &[VenueInstrument],
        rates: &dyn Fn(&VenueSettings) -> Vec<RateRule>,
        known: Option<&EngineConfig>,
    ) -> Result<EngineConfig, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let venues = self.venue_policies(rates, known, &mut errors);
        let instruments = self.instrument_policies(&venues, rules, known, &mut errors);
        let strategies = self.strategy_policies(known);
        let config = EngineConfig {
            version,
            instance_tag: InstanceTag::new(self.engine.instance_tag)
                .expect("the key's range begins at 1"),
            order_capacity: self.engine.order_capacity,
            execution_capacity: self.engine.execution_capacity,
            answer_window: self.engine.answer_window,
            terminal_keep_ns: self.engine.terminal_keep_s.saturating_mul(NS_PER_S),
            request_age_max_ns: self.engine.max_request_age_ms.saturating_mul(NS_PER_MS),
            venues,
            instruments,
            strategies,
        };
        errors.into_result(config)
    }

    fn venue_policies(
        &self,
        rates: &dyn Fn(&VenueSettings) -> Vec<RateRule>,
        known: Option<&EngineConfig>,
        errors: &mut ConfigErrors,
    ) -> Vec<VenuePolicy> {
        let mut policies = known.map_or_else(Vec::new, |known| known.venues.clone());
        for policy in &policies {
            if self.venue(policy.name.as_str()).is_none() {
                let why = format!(
                    "the journal has orders of venue {0} and the file has no [venue.{0}]; a venue \
                     stays as long as its journal; write it again, or start a new journal while \
                     flat",
                    policy.name
                );
                let key = format!("venue.{}", policy.name);
                let place = Place::File {
                    path: self.file.clone(),
                    line: 1,
                };
                errors.add(&place, key, Problem::ChangedInJournal(why));
            }
        }
        for settings in &self.venues {
            let name = Text::new(settings.name.as_bytes()).expect("names are checked when read");
            let at = policies.iter().position(|policy| policy.name == name);
            let place = at.unwrap_or(policies.len());
            let policy = VenuePolicy {
                id: VenueId(u8::try_from(place).expect("at most 16 venues are read")),
                name,
                dialect: dialect(settings.kind),
                mode: settings.trading_mode(),
                command_window_ns: settings.command_window_ms.saturating_mul(NS_PER_MS),
                settle_ns: settings.settle_ms.saturating_mul(NS_PER_MS),
                command_timeout_ns: settings.command_timeout_ms.saturating_mul(NS_PER_MS),
                sweep_interval_ns: sweep_interval_ns(settings),
                ask_interval_ns: settings.ask_interval_ms.saturating_mul(NS_PER_MS),
                ask_attempts: settings.ask_attempts,
                rates: rates(settings),
            };
            match at {
                Some(at) => policies[at] = policy,
                None => policies.push(policy),
            }
        }
        policies
    }

    fn instrument_policies(
        &self,
        venues: &[VenuePolicy],
        rules: &[VenueInstrument],
        known: Option<&EngineConfig>,
        errors: &mut ConfigErrors,
    ) -> Vec<InstrumentPolicy> {
        let mut policies = known.map_or_else(Vec::new, |known| known.instruments.clone());
        policies.iter_mut().for_each(retire_instrument);
        for settings in &self.instruments {
            let key = format!("instrument.{}", settings.symbol);
            let venue = venues
                .iter()
                .find(|policy| policy.name.as_str() == settings.venue)
                .expect("an instrument's venue is checked when read");
            let is_it = |rules: &&VenueInstrument| {
                rules.venue == settings.venue && rules.symbol == settings.symbol
            };
            let Some(rules) = rules.iter().find(is_it) else {
                let problem = Problem::NotAtVenue {
                    venue: settings.venue.clone(),
                    symbol: settings.symbol.clone(),
                };
                errors.add(&settings.place, key, problem);
                continue;
            };
            let at = policies.iter().position(|policy| {
                policy.instrument.venue == venue.id
                    && policy.instrument.symbol.as_str() == settings.symbol
            });
            let place = at.unwrap_or(policies.len());
            let place = InstrumentPlace {
                id: InstrumentId(u32::try_from(place).expect("a bounded list was read")),
                venue: venue.id,
                account: AccountId(u16::from(venue.id.0)),
            };
            let known = at.map(|at| policies[at].instrument);
            match instrument(rules, place, known.as_ref()) {
                Ok(instrument) => {
                    let policy = instrument_policy(settings, instrument, errors);
                    match at {
                        Some(at) => policies[at] = policy,
                        None => policies.push(policy),
                    }
                }
                Err(problem) => errors.add(&settings.place, key, problem),
            }
        }
        policies
    }

    fn strategy_policies(&self, known: Option<&EngineConfig>) -> Vec<StrategyPolicy> {
        let mut policies = known.map_or_else(Vec::new, |known| known.strategies.clone());
        for policy in &mut policies {
            (policy.open_orders_max, policy.orders_per_s_max) = (0, 0);
        }
        for settings in &self.strategies {
            let name = Text::new(settings.name.as_bytes()).expect("names are checked when read");
            let at = policies.iter().position(|policy| policy.name == name);
            let place = at.unwrap_or(policies.len());
            let policy = StrategyPolicy {
                id: StrategyId(u16::try_from(place).unwrap_or(u16::MAX)),
                name,
                open_orders_max: settings.max_open_orders,
                orders_per_s_max: settings.max_orders_per_s,
                on_loss: settings.on_loss,
            };
            match at {
                Some(at) => policies[at] = policy,
                None => policies.push(policy),
            }
        }
        policies
    }
}

/// The protocol of a venue kind, as the journal names it.
fn dialect(kind: VenueKind) -> Text<15> {
    let word = match kind {
        VenueKind::Okx => "okx",
    };
    Text::new(word.as_bytes()).expect("every kind is a short word")
}

/// An instrument that the file no longer names: known, so its orders can end, and closed to new
/// ones.
fn retire_instrument(policy: &mut InstrumentPolicy) {
    policy.instrument.state = InstrumentState::Suspended;
    policy.order_quantity_max = Quantity::ZERO;
    policy.order_notional_max = Notional::ZERO;
    policy.open_orders_max = 0;
    policy.position_long_max = Quantity::ZERO;
    policy.position_short_max = Quantity::ZERO;
}

fn instrument_policy(
    settings: &InstrumentSettings,
    instrument: Instrument,
    errors: &mut ConfigErrors,
) -> InstrumentPolicy {
    let mut quantity = |name: &str, limit: &LimitText| {
        let found = units(limit, instrument.quantity_scale, i128::from(i64::MAX));
        let units = found.unwrap_or_else(|problem| {
            note_limit(settings, name, limit, problem, errors);
            0
        });
        Quantity::from_units(i64::try_from(units).unwrap_or(0))
    };
    let order_quantity_max = quantity("max_order_qty", &settings.max_order_qty);
    let position_long_max = quantity("max_long", &settings.max_long);
    let position_short_max = quantity("max_short", &settings.max_short);
    let notional = &settings.max_order_notional;
    let order_notional_max = units(notional, instrument.notional_scale(), i128::MAX)
        .unwrap_or_else(|problem| {
            note_limit(settings, "max_order_notional", notional, problem, errors);
            0
        });
    InstrumentPolicy {
        instrument,
        trade_mode: Text::new(settings.trade_mode.text().as_bytes())
            .expect("every trade mode is a short word"),
        order_quantity_max,
        order_notional_max: Notional(order_notional_max),
        open_orders_max: settings.max_open_orders,
        position_long_max,
        position_short_max,
        halt_on_recon_break: settings.halt_on_recon_break,
    }
}

fn note_limit(
    settings: &InstrumentSettings,
    name: &str,
    limit: &LimitText,
    problem: Problem,
    errors: &mut ConfigErrors,
) {
    let key = format!("instrument.{}.{name}", settings.symbol);
    errors.add(&limit.place, key, problem);
}

/// A limit in units of a scale, exactly.
fn units(limit: &LimitText, scale: u8, units_max: i128) -> Result<i128, Problem> {
    let found = limit.text.clone();
    let bits = if units_max == i128::MAX { 128 } else { 64 };
    let too_large = |found| Problem::LimitTooLarge { found, bits, scale };
    match ExactDecimal::parse(limit.text.as_bytes()).and_then(|limit| limit.units(scale)) {
        Ok(units) if units <= units_max => Ok(units),
        Ok(_) => Err(too_large(found)),
        Err(DecimalError::TooPrecise { .. }) => Err(Problem::LimitTooFine { found, scale }),
        Err(_) => Err(too_large(found)),
    }
}

/// Without periodic comparison only the sweeps at start and after each reconnect are left: those
/// are what opens a venue, and cannot be switched off.
fn sweep_interval_ns(settings: &VenueSettings) -> u64 {
    if settings.recon {
        settings.sweep_interval_s.saturating_mul(NS_PER_S)
    } else {
        u64::MAX
    }
}
