//! Channels: which exist on which endpoint, what a subscription asks for, and the snapshot it
//! starts with.
//!
//! Codes (docs: "WebSocket Class"): 60018 no such channel or parameters, 60011 log in first, 60008
//! / 64001 / 64002 wrong endpoint, 64003 trading tier too low.

use serde_json::{Value, json};

use crate::instruments::Instrument;
use crate::okx::account_json::{
    account_object, balance_and_position, balance_change, position_change, position_object,
};
use crate::okx::error_code::VenueError;
use crate::okx::hub::{SocketPath, Subscription};
use crate::okx::instrument_json::instrument_object;
use crate::okx::parameters::text;
use crate::okx::publish::public_object;
use crate::okx::venue::{Shared, Venue, uid_of};

const PUBLIC: [&str; 16] = [
    "instruments",
    "tickers",
    "bbo-tbt",
    "books",
    "books5",
    "books-l2-tbt",
    "books50-l2-tbt",
    "trades",
    "mark-price",
    "index-tickers",
    "funding-rate",
    "price-limit",
    "open-interest",
    "status",
    "liquidation-orders",
    "estimated-price",
];
const PRIVATE: [&str; 7] = [
    "orders",
    "fills",
    "account",
    "positions",
    "balance_and_position",
    "liquidation-warning",
    "account-greeks",
];
const BUSINESS_PRIVATE: [&str; 4] = [
    "orders-algo",
    "algo-advance",
    "deposit-info",
    "withdrawal-info",
];
const KINDS: [&str; 7] = [
    "SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY",
];
/// Channels whose number of connections per account is limited.
pub(crate) const COUNTED: [&str; 6] = [
    "orders",
    "account",
    "positions",
    "balance_and_position",
    "liquidation-warning",
    "account-greeks",
];

/// Whether a channel needs a login.
pub(crate) fn is_private(channel: &str) -> bool {
    PRIVATE.contains(&channel) || BUSINESS_PRIVATE.contains(&channel)
}

/// Checks one subscription argument and reads it.
pub(crate) fn subscription(
    shared: &Shared,
    venue: &Venue,
    path: SocketPath,
    account: Option<usize>,
    argument: &Value,
) -> Result<Subscription, VenueError> {
    let channel = text(argument, "channel").ok_or_else(|| unknown_channel(argument))?;
    check_endpoint(path, &channel, argument)?;
    if is_private(&channel) && account.is_none() {
        return Err(VenueError::new("60011", "Please log in"));
    }
    let symbol = text(argument, "instId");
    let instruments = &venue.exchange.instruments;
    if let Some(symbol) = &symbol
        && !instruments.iter().any(|listed| listed.symbol == *symbol)
    {
        return Err(unknown_channel(argument));
    }
    let kind = text(argument, "instType");
    let needs_kind = ["orders", "positions", "instruments"].contains(&channel.as_str());
    let has_kind = kind.as_deref().is_some_and(|name| KINDS.contains(&name));
    if needs_kind && !has_kind {
        return Err(unknown_channel(argument));
    }
    let has_fills = account.is_none_or(|index| shared.config.accounts[index].has_fills_channel);
    if channel == "fills" && !has_fills {
        let message = "Your trading fee tier doesn't meet the requirement to access this channel";
        return Err(VenueError::new("64003", message));
    }
    let mut pushed_argument = argument.clone();
    if let (Some(index), true) = (account, is_private(&channel)) {
        pushed_argument["uid"] = json!(uid_of(index).to_string());
    }
    Ok(Subscription {
        is_event_only: text(argument, "extraParams").is_some_and(|extra| {
            let extra: Value = serde_json::from_str(&extra).unwrap_or(Value::Null);
            text(&extra, "updateInterval").as_deref() == Some("0")
        }),
        instrument_kind: kind,
        family: text(argument, "instFamily"),
        symbol,
        currency: text(argument, "ccy"),
        argument: argument.clone(),
        argument_text: pushed_argument.to_string(),
        channel,
    })
}

fn check_endpoint(path: SocketPath, channel: &str, argument: &Value) -> Result<(), VenueError> {
    let is_public = PUBLIC.contains(&channel);
    let is_candle = channel.starts_with("candle") || channel.starts_with("mark-price-candle");
    let is_business = BUSINESS_PRIVATE.contains(&channel) || is_candle;
    let is_private_only = PRIVATE.contains(&channel);
    match path {
        SocketPath::Public if is_public => Ok(()),
        SocketPath::Private if is_private_only => Ok(()),
        SocketPath::Business if is_business => Ok(()),
        SocketPath::Public | SocketPath::Private if is_business => Err(VenueError::new(
            "64001",
            "This channel has been migrated to the '/business' URL. Please subscribe using the \
             new URL.",
        )),
        SocketPath::Business if is_public || is_private_only => Err(VenueError::new(
            "64002",
            "This channel is not supported by '/business' URL. Please use '/private' or \
             '/public'.",
        )),
        _ if is_public || is_private_only => Err(VenueError::new(
            "60008",
            format!(
                "The current WebSocket endpoint does not support subscribing to {channel} \
                 channels. Please check the WebSocket URL"
            ),
        )),
        _ => Err(unknown_channel(argument)),
    }
}

fn unknown_channel(argument: &Value) -> VenueError {
    let parts: Vec<String> = argument
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}:{}", value.as_str().unwrap_or_default()))
        .collect();
    VenueError::new(
        "60018",
        format!(
            "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters \
             referring to API document.",
            parts.join(",")
        ),
    )
}

/// Whether a subscription to orders or positions wants an instrument.
pub(crate) fn is_order_wanted(held: &Subscription, listed: &Instrument) -> bool {
    let kind = held.instrument_kind.as_deref();
    kind.is_none_or(|kind| kind == "ANY" || kind == listed.kind.name())
        && held
            .family
            .as_ref()
            .is_none_or(|family| *family == listed.family())
        && is_symbol_wanted(held, listed)
}

/// Whether a subscription is to all symbols or to this one.
pub(crate) fn is_symbol_wanted(held: &Subscription, listed: &Instrument) -> bool {
    held.symbol
        .as_ref()
        .is_none_or(|symbol| *symbol == listed.symbol)
}

/// The messages a new subscription starts with, whole.
pub(crate) fn snapshots(
    shared: &Shared,
    venue: &Venue,
    account: usize,
    held: &Subscription,
) -> Vec<String> {
    let exchange = &venue.exchange;
    let now_ms = shared.clock.now_ms();
    let paged = r#","eventType":"snapshot","curPage":1,"lastPage":true"#;
    let (extra, data) = match held.channel.as_str() {
        "account" => {
            let wanted = held
                .currency
                .as_ref()
                .map(|currency| vec![currency.clone()]);
            (
                paged,
                account_object(exchange, account, wanted.as_deref(), now_ms),
            )
        }
        "positions" => {
            let open = exchange.holdings[account]
                .positions
                .iter()
                .filter(|(key, position)| {
                    !position.quantity.is_zero()
                        && is_order_wanted(held, &exchange.instruments[key.0])
                });
            let objects: Vec<String> = open
                .map(|(key, position)| position_object(exchange, account, *key, position, now_ms))
                .collect();
            (paged, objects.join(","))
        }
        "balance_and_position" => {
            let holdings = &exchange.holdings[account];
            let balances: Vec<String> = holdings
                .cash
                .keys()
                .map(|name| balance_change(exchange, account, name))
                .collect();
            let open = holdings
                .positions
                .iter()
                .filter(|(_, held)| !held.quantity.is_zero());
            let positions: Vec<String> = open
                .map(|(key, position)| position_change(exchange, *key, position))
                .collect();
            (
                "",
                balance_and_position(now_ms, "snapshot", &balances, &positions, &[]),
            )
        }
        _ => return Vec::new(),
    };
    vec![format!(
        "{{\"arg\":{}{extra},\"data\":[{data}]}}",
        held.argument_text
    )]
}

/// The messages a new public subscription starts with.
pub(crate) fn public_snapshots(shared: &Shared, venue: &Venue, held: &Subscription) -> Vec<String> {
    let exchange = &venue.exchange;
    let now_ms = shared.clock.now_ms();
    let mut data = Vec::new();
    for (index, listed) in exchange.instruments.iter().enumerate() {
        if held.channel == "instruments" {
            let kind = held.instrument_kind.as_deref();
            if kind.is_none_or(|kind| kind == listed.kind.name()) {
                data.push(instrument_object(listed, listed.kind.name()));
            }
        } else if held
            .symbol
            .as_ref()
            .is_some_and(|symbol| *symbol == listed.symbol)
            && ["tickers", "bbo-tbt", "books5", "books", "mark-price"]
                .contains(&held.channel.as_str())
        {
            data.push(public_object(exchange, index, &held.channel, now_ms));
        }
    }
    if data.is_empty() {
        return Vec::new();
    }
    let extra = if held.channel == "books" {
        r#","action":"snapshot""#
    } else {
        ""
    };
    vec![format!(
        "{{\"arg\":{}{extra},\"data\":[{}]}}",
        held.argument_text,
        data.join(",")
    )]
}
