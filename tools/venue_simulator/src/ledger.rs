//! The simulator's own truth per account: every accepted order and every fill, as JSON lines.
//!
//! Invariants: it is read from the exchange itself, so nothing can be in one and not in the other.
//! Line kinds: `account`, `order`, `fill`, `position`, `balance`. Must not know: what clients were
//! told.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::matching::{Exchange, Execution, Order};
use crate::okx::{Shared, Venue};

/// Ledger lines of one account.
pub(crate) fn account_lines(shared: &Shared, venue: &Venue, account: usize) -> Vec<String> {
    let exchange = &venue.exchange;
    let api_key = &shared.config.accounts[account].api_key;
    let mut lines = vec![account_line(exchange, api_key, account)];
    lines.extend(
        exchange
            .orders_of(account)
            .map(|order| order_line(exchange, api_key, order)),
    );
    lines.extend(
        exchange
            .executions_of(account)
            .iter()
            .map(|fill| fill_line(exchange, api_key, fill)),
    );
    lines.extend(holding_lines(exchange, api_key, account));
    lines.into_iter().map(|line| line.to_string()).collect()
}

fn account_line(exchange: &Exchange, api_key: &str, account: usize) -> Value {
    let counts = &exchange.accept_counts[account];
    json!({
        "kind": "account",
        "apiKey": api_key,
        "orders": exchange.orders_of(account).count(),
        "openOrders": exchange.open_order_count(account),
        "fills": exchange.executions_of(account).len(),
        "clOrdIds": counts.len(),
        "clOrdIdsAcceptedTwice": counts.values().filter(|count| **count > 1).count(),
    })
}

fn order_line(exchange: &Exchange, api_key: &str, order: &Order) -> Value {
    let counts = &exchange.accept_counts[order.new.account];
    let average = order
        .average_price()
        .map_or(String::new(), |price| price.normalize().to_string());
    json!({
        "kind": "order",
        "apiKey": api_key,
        "ordId": order.order_id.to_string(),
        "clOrdId": &*order.new.client_order_id,
        "instId": exchange.instruments[order.new.instrument].symbol,
        "side": order.new.side.name(),
        "posSide": order.new.position_side.name(),
        "ordType": order.new.order_type.name(),
        "px": order.price.map_or(String::new(), |price| price.normalize().to_string()),
        "sz": order.quantity.normalize().to_string(),
        "state": order.state.name(),
        "accFillSz": order.filled.normalize().to_string(),
        "avgPx": average,
        "fee": (order.fee + order.rebate).normalize().to_string(),
        "cancelSource": order.cancel_source.map_or(String::new(), |source| source.0.to_string()),
        "cTime": order.created_ms.to_string(),
        "uTime": order.updated_ms.to_string(),
        "timesAccepted": counts.get(&order.new.client_order_id).copied().unwrap_or(1),
    })
}

fn fill_line(exchange: &Exchange, api_key: &str, fill: &Execution) -> Value {
    json!({
        "kind": "fill",
        "apiKey": api_key,
        "tradeId": fill.trade_id.to_string(),
        "billId": fill.bill_id.to_string(),
        "ordId": fill.order_id.to_string(),
        "clOrdId": &*fill.client_order_id,
        "instId": exchange.instruments[fill.instrument].symbol,
        "side": fill.side.name(),
        "posSide": fill.position_side.name(),
        "px": fill.price.normalize().to_string(),
        "sz": fill.quantity.normalize().to_string(),
        "fee": fill.fee.normalize().to_string(),
        "feeCcy": &*fill.fee_currency,
        "execType": if fill.is_taker { "T" } else { "M" },
        "ts": fill.at_ms.to_string(),
    })
}

fn holding_lines(exchange: &Exchange, api_key: &str, account: usize) -> Vec<Value> {
    let holdings = &exchange.holdings[account];
    let mut lines = Vec::new();
    for ((instrument, side), held) in &holdings.positions {
        let listed = &exchange.instruments[*instrument];
        let average = held
            .average_price(listed.contract_value)
            .map_or(String::new(), |price| price.normalize().to_string());
        lines.push(json!({
            "kind": "position",
            "apiKey": api_key,
            "instId": listed.symbol,
            "posSide": side.name(),
            "pos": held.quantity.normalize().to_string(),
            "avgPx": average,
            "realizedPnl": held.realized_profit.normalize().to_string(),
            "fee": held.fee.normalize().to_string(),
        }));
    }
    for (currency, cash) in &holdings.cash {
        lines.push(json!({
            "kind": "balance",
            "apiKey": api_key,
            "ccy": &**currency,
            "cashBal": cash.total.normalize().to_string(),
            "ordFrozen": cash.frozen.normalize().to_string(),
        }));
    }
    lines
}

/// Writes the ledgers of all accounts.
pub(crate) fn write(shared: &Shared, path: &Path) -> anyhow::Result<()> {
    let describe = || format!("writing the ledger to {}", path.display());
    let file = std::fs::File::create(path).with_context(describe)?;
    let mut file = std::io::BufWriter::new(file);
    let venue = shared.venue();
    for account in 0..shared.config.accounts.len() {
        for line in account_lines(shared, &venue, account) {
            writeln!(file, "{line}").with_context(describe)?;
        }
    }
    file.flush().with_context(describe)
}
