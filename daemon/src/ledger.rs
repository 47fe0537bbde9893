//! The engine's ledger, read from its journal alone, and its comparison with another's.
//!
//! Every order with its end, every execution with price, quantity and fee. Comparing is by order
//! and by trade id: an execution that one side lacks, or that we booked twice, is counted as lost.

use crate::recovery::walk;
use anyhow::{Context, Result};
use model::decimal_text::{DecimalText, parse_units};
use model::execution_report::FEE_SCALE;
use model::input::Input;
use model::order_change::ChangeBody;
use model::{Decision, EngineConfig, OrderChange, OrderStatus};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Decimal places that every number of a ledger is compared at.
const COMPARE_SCALE: u8 = 12;

/// One order, as a ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerOrder {
    /// Our id.
    pub client_order_id: u64,
    /// What is traded.
    pub symbol: String,
    /// Where it ended, or stands.
    pub status: OrderStatus,
    /// FIX 14, decimal text.
    pub cum_quantity: String,
}

/// One execution, as a ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerFill {
    /// FIX 31, decimal text.
    pub last_price: String,
    /// FIX 32, decimal text.
    pub last_quantity: String,
    /// Positive = charged, decimal text.
    pub fee: String,
    /// How often it was booked.
    pub bookings: u32,
}

/// A whole ledger: orders by our id, executions by our id and trade id.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Orders.
    pub orders: BTreeMap<u64, LedgerOrder>,
    /// Executions.
    pub fills: BTreeMap<(u64, String), LedgerFill>,
    /// Orders that a venue accepted more than once.
    pub duplicate_orders: u64,
}

impl Ledger {
    /// Reads the engine's ledger from its journal.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub fn of_journal(directory: &Path) -> Result<Self> {
        let mut ledger = Self::default();
        let mut config: Option<EngineConfig> = None;
        walk(directory, |_, decided| {
            let Some((input, decisions)) = decided else {
                return Ok(());
            };
            if let Input::ConfigApplied(applied) = input {
                config = Some(applied.clone());
            }
            let Some(config) = &config else { return Ok(()) };
            for decision in decisions {
                if let Decision::Order(change) = decision {
                    ledger.take(config, change);
                }
            }
            Ok(())
        })?;
        Ok(ledger)
    }

    fn take(&mut self, config: &EngineConfig, change: &OrderChange) {
        let at = usize::try_from(change.instrument.0).unwrap_or(usize::MAX);
        let Some(policy) = config.instruments.get(at) else {
            return;
        };
        let instrument = &policy.instrument;
        let id = change.client_order_id.integer();
        self.orders.insert(
            id,
            LedgerOrder {
                client_order_id: id,
                symbol: instrument.symbol.to_string(),
                status: change.status,
                cum_quantity: change
                    .cum_quantity
                    .text(instrument.quantity_scale)
                    .to_string(),
            },
        );
        let ChangeBody::Executed { fill, .. } = &change.body else {
            return;
        };
        let booked = self
            .fills
            .entry((id, fill.trade_id.to_string()))
            .or_insert(LedgerFill {
                last_price: fill.last_price.text(instrument.price_scale).to_string(),
                last_quantity: fill
                    .last_quantity
                    .text(instrument.quantity_scale)
                    .to_string(),
                fee: DecimalText::new(fill.fee_units, FEE_SCALE).to_string(),
                bookings: 0,
            });
        booked.bookings += 1;
    }

    /// Reads a simulator's ledger lines of one account.
    ///
    /// # Errors
    /// A line that is not one.
    pub fn of_simulator(lines: &[String]) -> Result<Self> {
        let mut ledger = Self::default();
        for line in lines {
            let line: SimulatorLine =
                serde_json::from_str(line).with_context(|| format!("ledger line {line}"))?;
            ledger.take_simulated(line)?;
        }
        Ok(ledger)
    }

    fn take_simulated(&mut self, line: SimulatorLine) -> Result<()> {
        match line {
            SimulatorLine::Order(order) => {
                let id: u64 = order
                    .client_order_id
                    .parse()
                    .context("clOrdId of an order")?;
                self.duplicate_orders += u64::from(order.times_accepted > 1);
                let status = simulated_status(&order.state)
                    .with_context(|| format!("order state {}", order.state))?;
                let (symbol, cum_quantity) = (order.symbol, order.cum_quantity);
                self.orders.insert(
                    id,
                    LedgerOrder {
                        client_order_id: id,
                        symbol,
                        status,
                        cum_quantity,
                    },
                );
            }
            SimulatorLine::Fill(fill) => {
                let id: u64 = fill.client_order_id.parse().context("clOrdId of a fill")?;
                let fee = match fill.fee.strip_prefix('-') {
                    Some(charged) => charged.to_owned(),
                    None if fill.fee == "0" => fill.fee,
                    None => format!("-{}", fill.fee),
                };
                self.fills.insert(
                    (id, fill.trade_id),
                    LedgerFill {
                        last_price: fill.price,
                        last_quantity: fill.quantity,
                        fee,
                        bookings: 1,
                    },
                );
            }
            SimulatorLine::Other => {}
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum SimulatorLine {
    Order(SimulatedOrder),
    Fill(SimulatedFill),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct SimulatedOrder {
    #[serde(rename = "clOrdId")]
    client_order_id: String,
    #[serde(rename = "instId")]
    symbol: String,
    state: String,
    #[serde(rename = "accFillSz")]
    cum_quantity: String,
    #[serde(rename = "timesAccepted")]
    times_accepted: u64,
}

#[derive(Debug, Deserialize)]
struct SimulatedFill {
    #[serde(rename = "clOrdId")]
    client_order_id: String,
    #[serde(rename = "tradeId")]
    trade_id: String,
    #[serde(rename = "px")]
    price: String,
    #[serde(rename = "sz")]
    quantity: String,
    fee: String,
}

fn simulated_status(state: &str) -> Option<OrderStatus> {
    Some(match state {
        "live" => OrderStatus::Acknowledged,
        "partially_filled" => OrderStatus::PartiallyFilled,
        "filled" => OrderStatus::Filled,
        "canceled" | "mmp_canceled" => OrderStatus::Cancelled,
        _ => return None,
    })
}

/// What two ledgers differ in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Orders that the venue accepted more than once.
    pub duplicate_orders: u64,
    /// Executions that one side lacks or that we booked more than once.
    pub lost_fills: u64,
    /// Everything that differs, in words; at most fifty of each kind.
    pub details: Vec<String>,
}

impl Differences {
    /// True when the ledgers are equal.
    pub fn is_equal(&self) -> bool {
        self.duplicate_orders == 0 && self.lost_fills == 0 && self.details.is_empty()
    }

    fn note(&mut self, text: String) {
        if self.details.len() < 50 {
            self.details.push(text);
        }
    }
}

/// Compares our ledger with the venue's.
pub fn compare(ours: &Ledger, venue: &Ledger) -> Differences {
    let mut differences = Differences {
        duplicate_orders: venue.duplicate_orders,
        ..Differences::default()
    };
    for (id, order) in &venue.orders {
        match ours.orders.get(id) {
            None => differences.note(format!("order {id} is at the venue and not in the journal")),
            Some(mine) => compare_order(&mut differences, mine, order),
        }
    }
    for (id, order) in &ours.orders {
        let was_at_venue = !matches!(
            order.status,
            OrderStatus::Rejected | OrderStatus::Failed | OrderStatus::Denied
        );
        if was_at_venue && !venue.orders.contains_key(id) {
            differences.note(format!(
                "order {id} is {} here and unknown to the venue",
                order.status
            ));
        }
    }
    for (key, fill) in &venue.fills {
        match ours.fills.get(key) {
            None => {
                differences.lost_fills += 1;
                differences.note(format!(
                    "fill {key:?} is at the venue and not in the journal"
                ));
            }
            Some(mine) => compare_fill(&mut differences, key, mine, fill),
        }
    }
    for (key, fill) in &ours.fills {
        if !venue.fills.contains_key(key) {
            differences.lost_fills += 1;
            differences.note(format!("fill {key:?} {fill:?} is unknown to the venue"));
        }
    }
    differences
}

fn compare_order(differences: &mut Differences, mine: &LedgerOrder, venue: &LedgerOrder) {
    let id = mine.client_order_id;
    if mine.status != venue.status {
        differences.note(format!(
            "order {id} is {} here and {} at the venue",
            mine.status, venue.status
        ));
    }
    if !equal(&mine.cum_quantity, &venue.cum_quantity) {
        differences.note(format!(
            "order {id}: {} filled here and {} at the venue",
            mine.cum_quantity, venue.cum_quantity
        ));
    }
}

fn compare_fill(
    differences: &mut Differences,
    key: &(u64, String),
    mine: &LedgerFill,
    venue: &LedgerFill,
) {
    if mine.bookings != 1 {
        differences.lost_fills += 1;
        differences.note(format!("fill {key:?} was booked {} times", mine.bookings));
    }
    let same = equal(&mine.last_price, &venue.last_price)
        && equal(&mine.last_quantity, &venue.last_quantity)
        && equal(&mine.fee, &venue.fee);
    if !same {
        differences.note(format!(
            "fill {key:?}: {mine:?} here and {venue:?} at the venue"
        ));
    }
}

/// Equal by value; texts that are no numbers are equal only as texts.
fn equal(one: &str, other: &str) -> bool {
    let units = |text: &str| parse_units(text.as_bytes(), COMPARE_SCALE);
    match (units(one), units(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(bookings: u32, quantity: &str, status: OrderStatus) -> Ledger {
        let mut ledger = Ledger::default();
        let order = LedgerOrder {
            client_order_id: 7,
            symbol: "X".to_owned(),
            status,
            cum_quantity: quantity.to_owned(),
        };
        ledger.orders.insert(7, order);
        let fill = LedgerFill {
            last_price: "1.50".to_owned(),
            last_quantity: quantity.to_owned(),
            fee: "0.01".to_owned(),
            bookings,
        };
        ledger.fills.insert((7, "t1".to_owned()), fill);
        ledger
    }

    #[test]
    fn equal_ledgers_are_equal_by_value_and_not_by_text() {
        let venue = ledger(1, "2.0", OrderStatus::Filled);
        assert!(compare(&ledger(1, "2", OrderStatus::Filled), &venue).is_equal());
    }

    #[test]
    fn a_missing_a_doubled_and_an_invented_fill_are_each_seen() {
        let venue = ledger(1, "2", OrderStatus::Filled);
        let mut missing = ledger(1, "2", OrderStatus::Filled);
        missing.fills.clear();
        assert_eq!(compare(&missing, &venue).lost_fills, 1);
        assert_eq!(
            compare(&ledger(2, "2", OrderStatus::Filled), &venue).lost_fills,
            1
        );
        let mut nothing = ledger(1, "2", OrderStatus::Filled);
        nothing.fills.clear();
        assert_eq!(compare(&venue, &nothing).lost_fills, 1);
    }

    #[test]
    fn another_end_of_an_order_and_an_order_accepted_twice_are_seen() {
        let mut venue = ledger(1, "2", OrderStatus::Cancelled);
        venue.duplicate_orders = 1;
        let differences = compare(&ledger(1, "2", OrderStatus::Filled), &venue);
        assert_eq!(differences.duplicate_orders, 1);
        assert_eq!(differences.details.len(), 1);
    }
}
