//! What happened in the exchange becomes channel pushes.
//!
//! Invariants: pushes of one call keep the order of the updates; account, position and balance
//! pushes follow the order pushes. Faults on pushes strike here. Must not know: sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::faults::{Fault, FaultMoment, FaultPoint};
use crate::matching::{
    AmendOutcome, Exchange, Execution, Order, OrderState, PositionSide, Side, Update,
};
use crate::okx::account_json::{
    account_object, balance_and_position, balance_change, book_rows, position_change,
    position_object,
};
use crate::okx::channels::{is_order_wanted, is_symbol_wanted};
use crate::okx::hub::{SocketPath, Subscription};
use crate::okx::json_object::{JsonObject, plain};
use crate::okx::order_json::{PushDetail, fill_push, order_push};
use crate::okx::venue::{Shared, Venue};

/// Event pushes of account and positions carry no page members.
const EVENT: &str = r#","eventType":"event_update""#;

/// What of one account changed.
#[derive(Default)]
struct Touched {
    currencies: BTreeSet<Arc<str>>,
    positions: BTreeSet<(usize, PositionSide)>,
    trades: Vec<(usize, u64)>,
}

/// A push and how it is to be delivered.
struct Push {
    text: String,
    delay: Duration,
}

/// Pushes everything that happened since the last call.
pub(crate) fn publish_updates(shared: &Shared, venue: &mut Venue) {
    let updates = venue.exchange.take_updates();
    if updates.is_empty() {
        return;
    }
    let now_ms = shared.clock.now_ms();
    let mut touched: BTreeMap<usize, Touched> = BTreeMap::new();
    let mut books = BTreeSet::new();
    for update in &updates {
        match update {
            Update::Order {
                order,
                execution,
                amend,
            } => {
                push_order(shared, venue, order, execution.as_ref(), *amend);
            }
            Update::Cash { account, currency } => {
                touched
                    .entry(*account)
                    .or_default()
                    .currencies
                    .insert(Arc::clone(currency));
            }
            Update::Position {
                account,
                instrument,
                side,
                trade_id,
            } => {
                let change = touched.entry(*account).or_default();
                change.positions.insert((*instrument, *side));
                change.trades.push((*instrument, *trade_id));
            }
            Update::Trade {
                instrument,
                trade_id,
                price,
                quantity,
                taker,
            } => {
                let fields = (*trade_id, plain(*price), plain(*quantity), *taker);
                push_trade(shared, venue, *instrument, &fields, now_ms);
            }
            Update::Book { instrument } => {
                books.insert(*instrument);
            }
        }
    }
    for (account, change) in &touched {
        push_account(shared, venue, *account, change, now_ms);
    }
    for instrument in books {
        push_book(shared, venue, instrument, now_ms);
    }
}

/// Sends one data element to every subscription that wants it.
fn broadcast(
    shared: &Shared,
    venue: &Venue,
    account: Option<usize>,
    channel: &str,
    is_wanted: impl Fn(&Subscription) -> bool,
    extra: &str,
    pushes: &[Push],
) {
    for (id, connection) in &venue.hub.connections {
        if account.is_some() && connection.account != account {
            continue;
        }
        for held in &connection.subscriptions {
            if held.channel != channel || !is_wanted(held) {
                continue;
            }
            for push in pushes {
                let text = format!(
                    "{{\"arg\":{}{extra},\"data\":[{}]}}",
                    held.argument_text, push.text
                );
                shared.counters.pushes.fetch_add(1, Ordering::Relaxed);
                venue.hub.send(*id, text, venue.hub.push_delay + push.delay);
            }
        }
    }
}

fn has_followers(venue: &Venue, account: Option<usize>, channels: &[&str]) -> bool {
    venue.hub.connections.values().any(|connection| {
        (account.is_none() || connection.account == account)
            && connection
                .subscriptions
                .iter()
                .any(|held| channels.contains(&held.channel.as_str()))
    })
}

fn push_order(
    shared: &Shared,
    venue: &mut Venue,
    order: &Order,
    execution: Option<&Arc<Execution>>,
    amend: Option<AmendOutcome>,
) {
    let account = order.new.account;
    if has_followers(venue, Some(account), &["orders", "fills"]) {
        let pushes = order_pushes(shared, &venue.exchange, order, execution, amend);
        let listed = &venue.exchange.instruments[order.new.instrument];
        let wanted = |held: &Subscription| is_order_wanted(held, listed);
        broadcast(shared, venue, Some(account), "orders", wanted, "", &pushes);
        if let Some(fill) = execution {
            let text = fill_push(&venue.exchange, fill);
            let wanted = |held: &Subscription| is_symbol_wanted(held, listed);
            let pushes = [Push {
                text,
                delay: Duration::ZERO,
            }];
            broadcast(shared, venue, Some(account), "fills", wanted, "", &pushes);
        }
    }
    if execution.is_some() || order.state.is_terminal() {
        venue.hub.release_acks_of(order.order_id);
    }
}

/// The pushes for one order update, after faults.
fn order_pushes(
    shared: &Shared,
    exchange: &Exchange,
    order: &Order,
    execution: Option<&Arc<Execution>>,
    amend: Option<AmendOutcome>,
) -> Vec<Push> {
    let detail = PushDetail {
        execution: execution.map(|fill| &**fill),
        amend,
        ..Default::default()
    };
    let mut pushes = vec![Push {
        text: order_push(exchange, order, detail),
        delay: Duration::ZERO,
    }];
    let struck = shared.strike(&FaultMoment {
        point: FaultPoint::Push,
        api_key: &shared.config.accounts[order.new.account].api_key,
        on: "orders",
        client_order_ids: &[&order.new.client_order_id],
        state: order.state.name(),
    });
    for fault in struck {
        match fault {
            Fault::DropPush => pushes.clear(),
            Fault::DelayPush { ms } => {
                pushes
                    .iter_mut()
                    .for_each(|push| push.delay += Duration::from_millis(ms));
            }
            Fault::DuplicatePush { after_ms } => {
                let later_ms = i64::try_from(after_ms).unwrap_or(i64::MAX).max(1);
                let text = order_push(exchange, order, PushDetail { later_ms, ..detail });
                pushes.push(Push {
                    text,
                    delay: Duration::from_millis(after_ms),
                });
            }
            Fault::SplitFinalFill if order.state == OrderState::Filled => {
                let state = Some(OrderState::PartiallyFilled);
                let first = order_push(exchange, order, PushDetail { state, ..detail });
                let second = order_push(exchange, order, PushDetail::default());
                pushes = [first, second]
                    .map(|text| Push {
                        text,
                        delay: Duration::ZERO,
                    })
                    .into();
            }
            _ => {}
        }
    }
    pushes
}

fn push_account(shared: &Shared, venue: &Venue, account: usize, change: &Touched, now_ms: i64) {
    let channels = ["account", "positions", "balance_and_position"];
    if !has_followers(venue, Some(account), &channels) {
        return;
    }
    let exchange = &venue.exchange;
    if !change.trades.is_empty() && !is_push_lost(shared, account, "balance_and_position") {
        let text = filled_event(exchange, account, change, now_ms);
        let every = |_: &Subscription| true;
        broadcast(
            shared,
            venue,
            Some(account),
            "balance_and_position",
            every,
            "",
            &once(text),
        );
    }
    if !change.currencies.is_empty() && !is_push_lost(shared, account, "account") {
        let names: Vec<String> = change
            .currencies
            .iter()
            .map(|name| name.to_string())
            .collect();
        let text = account_object(exchange, account, Some(&names), now_ms);
        let wanted =
            |held: &Subscription| held.currency.as_ref().is_none_or(|one| names.contains(one));
        broadcast(
            shared,
            venue,
            Some(account),
            "account",
            wanted,
            EVENT,
            &once(text),
        );
    }
    if is_push_lost(shared, account, "positions") {
        return;
    }
    for key in &change.positions {
        let Some(position) = exchange.holdings[account].positions.get(key) else {
            continue;
        };
        let text = position_object(exchange, account, *key, position, now_ms);
        let listed = &exchange.instruments[key.0];
        let wanted = |held: &Subscription| is_order_wanted(held, listed);
        broadcast(
            shared,
            venue,
            Some(account),
            "positions",
            wanted,
            EVENT,
            &once(text),
        );
    }
}

/// Whether a fault swallows an account's push on a channel.
fn is_push_lost(shared: &Shared, account: usize, channel: &str) -> bool {
    let api_key = shared
        .config
        .accounts
        .get(account)
        .map_or("", |held| &held.api_key);
    let moment = FaultMoment {
        point: FaultPoint::Push,
        api_key,
        on: channel,
        client_order_ids: &[],
        state: "",
    };
    shared.strike(&moment).contains(&Fault::DropPush)
}

fn once(text: String) -> [Push; 1] {
    [Push {
        text,
        delay: Duration::ZERO,
    }]
}

fn filled_event(exchange: &Exchange, account: usize, change: &Touched, now_ms: i64) -> String {
    let balances: Vec<String> = change
        .currencies
        .iter()
        .map(|name| balance_change(exchange, account, name))
        .collect();
    let positions: Vec<String> = change
        .positions
        .iter()
        .filter_map(|key| {
            let position = exchange.holdings[account].positions.get(key)?;
            Some(position_change(exchange, *key, position))
        })
        .collect();
    let trades: Vec<String> = change
        .trades
        .iter()
        .map(|(instrument, trade_id)| {
            let symbol = &exchange.instruments[*instrument].symbol;
            format!(r#"{{"instId":"{symbol}","tradeId":"{trade_id}"}}"#)
        })
        .collect();
    balance_and_position(now_ms, "filled", &balances, &positions, &trades)
}

fn push_trade(
    shared: &Shared,
    venue: &Venue,
    instrument: usize,
    (trade_id, price, quantity, taker): &(u64, String, String, Side),
    now_ms: i64,
) {
    if !has_followers(venue, None, &["trades"]) {
        return;
    }
    let listed = &venue.exchange.instruments[instrument];
    let mut json = JsonObject::new();
    json.text("instId", &listed.symbol)
        .integer("tradeId", trade_id);
    json.text("px", price)
        .text("sz", quantity)
        .text("side", taker.name());
    json.integer("ts", now_ms)
        .text("count", "1")
        .raw("seqId", &trade_id.to_string());
    let text = json.text("source", "0").finish();
    let wanted = |held: &Subscription| is_symbol_wanted(held, listed);
    let pushes = [Push {
        text,
        delay: Duration::ZERO,
    }];
    broadcast(shared, venue, None, "trades", wanted, "", &pushes);
}

fn push_book(shared: &Shared, venue: &Venue, instrument: usize, now_ms: i64) {
    for channel in ["bbo-tbt", "books5", "tickers", "mark-price"] {
        if !has_followers(venue, None, &[channel]) {
            continue;
        }
        let text = public_object(&venue.exchange, instrument, channel, now_ms);
        let listed = &venue.exchange.instruments[instrument];
        let wanted = |held: &Subscription| is_symbol_wanted(held, listed);
        let pushes = [Push {
            text,
            delay: Duration::ZERO,
        }];
        broadcast(shared, venue, None, channel, wanted, "", &pushes);
    }
}

/// One data element of a public channel.
pub(crate) fn public_object(
    exchange: &Exchange,
    instrument: usize,
    channel: &str,
    now_ms: i64,
) -> String {
    match channel {
        "tickers" => super::rest_market::ticker_object(exchange, instrument, now_ms),
        "mark-price" => super::rest_market::mark_price_object(exchange, instrument, now_ms),
        _ => {
            let depth = if channel == "bbo-tbt" { 1 } else { 5 };
            let asks = book_rows(exchange, instrument, Side::Sell, depth);
            let bids = book_rows(exchange, instrument, Side::Buy, depth);
            let symbol = &exchange.instruments[instrument].symbol;
            let identity = if channel == "bbo-tbt" {
                String::new()
            } else {
                format!(r#","instId":"{symbol}""#)
            };
            format!(r#"{{"asks":{asks},"bids":{bids},"ts":"{now_ms}","seqId":{now_ms}{identity}}}"#)
        }
    }
}

/// Regular snapshot pushes of account and positions (about every 5 s), unless turned off.
pub(crate) fn push_regular(shared: &Shared, venue: &Venue, id: u64) {
    let Some(connection) = venue.hub.connections.get(&id) else {
        return;
    };
    let (SocketPath::Private, Some(account)) = (connection.path, connection.account) else {
        return;
    };
    let regular = connection.subscriptions.iter().filter(|held| {
        !held.is_event_only && ["account", "positions"].contains(&held.channel.as_str())
    });
    for held in regular {
        for text in super::channels::snapshots(shared, venue, account, held) {
            venue.hub.send(id, text, venue.hub.push_delay);
        }
    }
}
