//! The strategy's own ledger, as it saw its orders through the ring, compared with the venue's.
//!
//! The strategy writes a line per event as it goes, across the engine's death: an event that was
//! lost or given twice on re-attaching shows here and nowhere else.

use crate::ledger::Ledger;
use anyhow::{Context, Result};
use model::decimal_text::parse_units;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Decimal places that quantities are compared at.
const COMPARE_SCALE: u8 = 12;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Fill(FillLine),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct FillLine {
    client_order_id: String,
    trade_id: String,
    last_quantity: String,
}

/// What differs between what the strategy saw and what the venue did, in words.
pub(super) fn compare(path: &Path, venue: &Ledger) -> Result<Vec<String>> {
    let file =
        File::open(path).with_context(|| format!("the strategy's ledger {}", path.display()))?;
    let mut seen: BTreeMap<(u64, String), (u32, String)> = BTreeMap::new();
    for line in BufReader::new(file).lines() {
        let line = line.context("reading the strategy's ledger")?;
        let Line::Fill(fill) =
            serde_json::from_str(&line).with_context(|| format!("strategy ledger line {line}"))?
        else {
            continue;
        };
        let id: u64 = fill
            .client_order_id
            .parse()
            .context("order id in the strategy's ledger")?;
        let entry = seen
            .entry((id, fill.trade_id))
            .or_insert((0, fill.last_quantity));
        entry.0 += 1;
    }
    let mut differences = Vec::new();
    for (key, (times, quantity)) in &seen {
        let units = |text: &str| parse_units(text.as_bytes(), COMPARE_SCALE);
        match venue.fills.get(key) {
            _ if *times > 1 => {
                differences.push(format!("the strategy was told fill {key:?} {times} times"))
            }
            None => differences.push(format!(
                "the strategy was told fill {key:?}, which the venue never made"
            )),
            Some(fill) if units(quantity) != units(&fill.last_quantity) => {
                differences.push(format!(
                    "the strategy was told fill {key:?} of {quantity}, the venue made {}",
                    fill.last_quantity
                ))
            }
            Some(_) => {}
        }
    }
    for key in venue.fills.keys().filter(|key| !seen.contains_key(*key)) {
        differences.push(format!("the strategy was never told fill {key:?}"));
    }
    Ok(differences)
}
