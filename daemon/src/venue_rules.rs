//! What a start needs from a venue: its key, its instruments' rules, its table. One place per
//! venue kind.

use crate::config::{Settings, VenueInstrument, VenueSettings};
use crate::secrets;
use anyhow::{Context, Result};
use cold::venue_queries::{QuerySettings, Roots, fetch_instruments};
use model::decimal_text::DecimalText;
use model::identifiers::Symbol;
use model::{EngineConfig, Instrument, VenueId};
use protocol::venue::okx::credentials::Credentials;
use protocol::venue::okx::instrument_table::{InstrumentTable, OkxSettings};
use std::time::Duration;

/// Our number of a venue: its place in the configuration in force, which is not the file's order
/// once a journal has fixed it.
///
/// # Errors
/// A venue that the configuration in force does not have.
pub fn venue_id(config: &EngineConfig, venue: &VenueSettings) -> Result<VenueId> {
    let found = config
        .venues
        .iter()
        .find(|policy| policy.name.as_str() == venue.name);
    let policy = found.with_context(|| format!("venue {} is not in force", venue.name))?;
    Ok(policy.id)
}

/// The key of a venue.
///
/// # Errors
/// A file that is missing, open to others, or incomplete.
pub fn venue_credentials(venue: &VenueSettings) -> Result<Credentials> {
    let credentials = secrets::Credentials::of(venue)?;
    Credentials::new(
        credentials.api_key.expose(),
        credentials.api_secret.expose(),
        credentials.passphrase.expose(),
    )
    .with_context(|| format!("credentials file {}", venue.credentials_file.display()))
}

/// The table that frames of a venue are read with and commands written with: from the configuration
/// in force alone, which the journal holds, so a replay makes the same one.
///
/// # Errors
/// Two instruments that contradict each other.
pub fn instrument_table(
    venue: &VenueSettings,
    id: VenueId,
    config: &EngineConfig,
) -> Result<InstrumentTable> {
    InstrumentTable::in_force(id, config)
        .with_context(|| format!("instruments of venue {}", venue.name))
}

/// How a venue is asked.
///
/// # Errors
/// As [`venue_credentials`].
pub fn query_settings(
    venue: &VenueSettings,
    id: VenueId,
    table: InstrumentTable,
) -> Result<QuerySettings> {
    Ok(QuerySettings {
        venue: id,
        name: venue.name.clone(),
        rest_url: venue.rest_url.to_string(),
        roots: match &venue.ca_file {
            Some(path) => Roots::PemFile(path.clone()),
            None => Roots::System,
        },
        simulated_trading: venue.environment == crate::config::Environment::Demo,
        credentials: venue_credentials(venue)?,
        table,
        timeout: Duration::from_millis(venue.connect_timeout_ms),
    })
}

/// Every configured instrument's rules: from its venue, or, when that is down, as the journal has
/// them.
///
/// # Errors
/// A venue that is down while the journal does not know all its instruments.
pub fn venue_rules(
    settings: &Settings,
    known: Option<&EngineConfig>,
) -> Result<Vec<VenueInstrument>> {
    let mut rules = Vec::new();
    for venue in &settings.venues {
        let wanted: Vec<&str> = settings
            .instruments
            .iter()
            .filter(|instrument| instrument.venue == venue.name)
            .map(|instrument| instrument.symbol.as_str())
            .collect();
        match fetch_rules(venue, &wanted) {
            Ok(fetched) => rules.extend(fetched),
            Err(error) => {
                let kept = kept_rules(venue, &wanted, known).with_context(|| {
                    format!(
                        "venue {}: its instruments cannot be read from {} ({error:#}) and this \
                         journal does not have them all; nothing was started. Check the address, \
                         the network and the venue's state, then start again",
                        venue.name, venue.rest_url
                    )
                })?;
                tracing::warn!(
                    venue = venue.name,
                    "the venue does not answer ({error:#}); starting with the rules of the last run"
                );
                rules.extend(kept);
            }
        }
    }
    Ok(rules)
}

fn fetch_rules(venue: &VenueSettings, wanted: &[&str]) -> Result<Vec<VenueInstrument>> {
    // Reading rules needs no table yet, and the number only marks facts, of which there are none.
    let nowhere = VenueId(u8::MAX);
    let table = InstrumentTable::new(nowhere, [], &OkxSettings::default())?;
    let settings = query_settings(venue, nowhere, table)?;
    let symbols: Vec<Symbol> = wanted
        .iter()
        .filter_map(|symbol| Symbol::new(symbol.as_bytes()))
        .collect();
    let fetched = fetch_instruments(&settings, &symbols)?;
    let rules = fetched.into_iter().map(|instrument| VenueInstrument {
        venue: venue.name.clone(),
        symbol: instrument.symbol.to_string(),
        venue_code: instrument.venue_code,
        kind: instrument.kind,
        state: instrument.state,
        tick: instrument.tick,
        lot: instrument.lot,
        quantity_min: instrument.quantity_min,
        quantity_max: instrument.quantity_max,
        multiplier: instrument.multiplier,
    });
    Ok(rules.collect())
}

/// The rules as the journal's last configuration has them.
fn kept_rules(
    venue: &VenueSettings,
    wanted: &[&str],
    known: Option<&EngineConfig>,
) -> Result<Vec<VenueInstrument>> {
    let known = known.context("the journal has no configuration yet")?;
    let id = venue_id(known, venue)?;
    let find = |symbol: &&str| {
        let policies = known.instruments.iter();
        let found = policies
            .map(|policy| &policy.instrument)
            .find(|instrument| instrument.venue == id && instrument.symbol.as_str() == *symbol);
        found
            .map(|instrument| as_rules(venue, instrument))
            .with_context(|| (*symbol).to_owned())
    };
    wanted.iter().map(find).collect()
}

fn as_rules(venue: &VenueSettings, instrument: &Instrument) -> VenueInstrument {
    let quantity = |units: i64| DecimalText::new(units, instrument.quantity_scale).to_string();
    VenueInstrument {
        venue: venue.name.clone(),
        symbol: instrument.symbol.to_string(),
        venue_code: instrument.venue_code,
        kind: instrument.kind,
        state: instrument.state,
        tick: instrument.tick.text(instrument.price_scale).to_string(),
        lot: quantity(instrument.lot.units()),
        quantity_min: quantity(instrument.quantity_min.units()),
        quantity_max: quantity(instrument.quantity_max.units()),
        multiplier: DecimalText::new(instrument.multiplier_units, instrument.multiplier_scale)
            .to_string(),
    }
}
