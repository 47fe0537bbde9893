//! Orders as the journal has them: the list, and one order's whole story.

use crate::cli::Exit;
use crate::config::Settings;
use crate::recovery::{fold, walk};
use crate::start::journal_directory;
use anyhow::{Context, Result, bail};
use engine::order::Order;
use model::input::EntryKind;
use model::{ClientOrderId, Decision, EngineConfig, Instrument, OrderChange};
use serde_json::{Value, json};

/// Lists orders.
pub(super) fn list(settings: &Settings, all: bool, as_json: bool) -> Result<Exit> {
    let folded = fold(&journal_directory(settings), |_| {})?;
    let (Some(engine), Some(config)) = (folded.engine, folded.config) else {
        println!("the journal has no orders");
        return Ok(Exit::Ok);
    };
    let mut shown = 0;
    for order in engine
        .state()
        .orders
        .iter()
        .filter(|order| all || order.is_open())
    {
        let Some(instrument) = instrument_of(&config, order) else {
            continue;
        };
        let line = order_json(instrument, order);
        shown += 1;
        if as_json {
            println!("{line}");
        } else {
            print_order(&line);
        }
    }
    if !as_json {
        println!("orders={shown}");
    }
    Ok(Exit::Ok)
}

fn instrument_of<'a>(config: &'a EngineConfig, order: &Order) -> Option<&'a Instrument> {
    let at = usize::try_from(order.instrument.0).ok()?;
    config.instruments.get(at).map(|policy| &policy.instrument)
}

fn order_json(instrument: &Instrument, order: &Order) -> Value {
    json!({
        "order": order.client_order_id.to_string(),
        "venue_order_id": order.venue_order_id.as_str(),
        "symbol": instrument.symbol.as_str(),
        "side": order.side.name(),
        "quantity": order.order_quantity.text(instrument.quantity_scale).to_string(),
        "price": order.limit_price.text(instrument.price_scale).to_string(),
        "filled": order.cum_quantity.text(instrument.quantity_scale).to_string(),
        "status": if order.is_unknown() { "UNKNOWN" } else { order.status.name() },
        "proved": order.status.name(),
        "needs_operator": order.needs_operator,
        "pending": order.pending.iter().flatten().count(),
    })
}

fn print_order(line: &Value) {
    let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
    println!(
        "{:20} {:18} {:4} {:>12} @ {:>12} filled {:>12} {}",
        word("order"),
        word("symbol"),
        word("side"),
        word("quantity"),
        word("price"),
        word("filled"),
        word("status")
    );
}

/// Shows every change of one order, from the journal alone.
pub(super) fn show(settings: &Settings, order: u64, as_json: bool) -> Result<Exit> {
    let id = ClientOrderId::from_integer(order).context("an order id is a positive number")?;
    let mut changes = 0;
    walk(&journal_directory(settings), |entry, decided| {
        let Some((input, decisions)) = decided else {
            return Ok(());
        };
        for decision in decisions {
            if let Decision::Order(change) = decision
                && change.client_order_id == id
            {
                changes += 1;
                print_change(entry.sequence, input.kind(), change, as_json);
            }
        }
        Ok(())
    })?;
    if changes == 0 {
        bail!(
            "ORDER_NOT_FOUND: order {order} is not in this journal; see `millrun order list --all`"
        );
    }
    Ok(Exit::Ok)
}

fn print_change(sequence: u64, kind: EntryKind, change: &OrderChange, as_json: bool) {
    let what = format!("{:?}", change.body);
    if as_json {
        println!(
            "{}",
            json!({
                "sequence": sequence,
                "input": kind.name(),
                "status": change.status.name(),
                "event_seq": change.event_seq,
                "cum_quantity_units": change.cum_quantity.units(),
                "change": what,
            })
        );
    } else {
        println!(
            "{sequence:>8} {:14} {:18} {what}",
            kind.name(),
            change.status.name()
        );
    }
}
