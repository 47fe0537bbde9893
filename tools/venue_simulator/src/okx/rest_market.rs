//! Public paths: time, instruments, tickers, books, mark prices.

use crate::instruments::InstrumentKind;
use crate::matching::{Exchange, Side};
use crate::okx::account_json::book_rows;
use crate::okx::error_code::VenueError;
use crate::okx::instrument_json::instrument_object;
use crate::okx::json_object::{JsonObject, plain};
use crate::okx::rest_answer::RestAnswer;
use crate::okx::rest_router::not_found;
use crate::okx::venue::Shared;

type Query = [(String, String)];

fn parameter<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    let found = query.iter().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

pub(crate) fn answer(shared: &Shared, path: &str, query: &Query) -> RestAnswer {
    let now_ms = shared.clock.now_ms();
    match path.trim_start_matches("/api/v5/") {
        "public/time" => RestAnswer::data(&[format!(r#"{{"ts":"{now_ms}"}}"#)]),
        "public/instruments" => instruments(shared, query).into(),
        "public/mark-price" => mark_prices(shared, query, now_ms).into(),
        "public/price-limit" => price_limit(shared, query, now_ms).into(),
        "market/ticker" => one(shared, query, |exchange, instrument| {
            ticker_object(exchange, instrument, now_ms)
        })
        .into(),
        "market/tickers" => tickers(shared, query, now_ms).into(),
        "market/books" | "market/books-lite" => one(shared, query, |exchange, instrument| {
            let depth = parameter(query, "sz")
                .and_then(|depth| depth.parse().ok())
                .unwrap_or(1);
            book_object(exchange, instrument, depth, now_ms)
        })
        .into(),
        _ => not_found(),
    }
}

pub(crate) fn instruments(shared: &Shared, query: &Query) -> Result<Vec<String>, VenueError> {
    let empty =
        |name: &str| VenueError::new("50014", format!("Parameter {name} can not be empty."));
    let kind_name = parameter(query, "instType").ok_or_else(|| empty("instType"))?;
    let kind = match kind_name {
        "SPOT" | "MARGIN" => InstrumentKind::Spot,
        "SWAP" => InstrumentKind::Swap,
        "FUTURES" => InstrumentKind::Futures,
        "OPTION" => {
            let has_family = parameter(query, "instFamily")
                .or(parameter(query, "uly"))
                .is_some();
            return if has_family {
                Ok(Vec::new())
            } else {
                Err(empty("instFamily or uly"))
            };
        }
        "EVENTS" => return Ok(Vec::new()),
        _ => return Err(VenueError::parameter("instType")),
    };
    let same = |name: &str, value: &str| parameter(query, name).is_none_or(|one| one == value);
    let venue = shared.venue();
    let listed = venue.exchange.instruments.iter().filter(|listed| {
        listed.kind == kind
            && same("instId", &listed.symbol)
            && same("instFamily", &listed.family())
            && same("uly", &listed.family())
    });
    Ok(listed
        .map(|listed| instrument_object(listed, kind_name))
        .collect())
}

fn one(
    shared: &Shared,
    query: &Query,
    make: impl Fn(&Exchange, usize) -> String,
) -> Result<Vec<String>, VenueError> {
    let symbol = parameter(query, "instId").ok_or_else(|| VenueError::parameter("instId"))?;
    let venue = shared.venue();
    let found = venue
        .exchange
        .instruments
        .iter()
        .position(|listed| listed.symbol == symbol);
    let instrument = found.ok_or_else(|| VenueError::known("51001"))?;
    Ok(vec![make(&venue.exchange, instrument)])
}

fn tickers(shared: &Shared, query: &Query, now_ms: i64) -> Result<Vec<String>, VenueError> {
    let kind = parameter(query, "instType").ok_or_else(|| VenueError::parameter("instType"))?;
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let known = exchange.instruments.iter().enumerate();
    Ok(known
        .filter(|(_, listed)| listed.kind.name() == kind)
        .map(|(instrument, _)| ticker_object(exchange, instrument, now_ms))
        .collect())
}

fn mark_prices(shared: &Shared, query: &Query, now_ms: i64) -> Result<Vec<String>, VenueError> {
    let kind = parameter(query, "instType").ok_or_else(|| VenueError::parameter("instType"))?;
    let symbol = parameter(query, "instId");
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let known = exchange.instruments.iter().enumerate();
    Ok(known
        .filter(|(_, listed)| listed.kind.name() == kind)
        .filter(|(_, listed)| symbol.is_none_or(|symbol| symbol == listed.symbol))
        .map(|(instrument, _)| mark_price_object(exchange, instrument, now_ms))
        .collect())
}

fn price_limit(shared: &Shared, query: &Query, now_ms: i64) -> Result<Vec<String>, VenueError> {
    one(shared, query, |exchange, instrument| {
        let listed = &exchange.instruments[instrument];
        let (highest_buy, lowest_sell) = exchange.price_band(instrument);
        let mut json = JsonObject::new();
        json.text("instType", listed.kind.name())
            .text("instId", &listed.symbol);
        json.decimal("buyLmt", highest_buy)
            .decimal("sellLmt", lowest_sell);
        json.integer("ts", now_ms).raw("enabled", "true");
        json.finish()
    })
}

pub(crate) fn mark_price_object(exchange: &Exchange, instrument: usize, now_ms: i64) -> String {
    let listed = &exchange.instruments[instrument];
    let mut json = JsonObject::new();
    json.text("instType", listed.kind.name())
        .text("instId", &listed.symbol);
    json.decimal("markPx", exchange.mark_price(instrument))
        .integer("ts", now_ms);
    json.finish()
}

pub(crate) fn ticker_object(exchange: &Exchange, instrument: usize, now_ms: i64) -> String {
    let listed = &exchange.instruments[instrument];
    let last = exchange.last_price[instrument];
    let best = |side| {
        let level = exchange.depth(instrument, side, 1).into_iter().next();
        level.map_or((String::new(), String::new()), |(price, quantity, _)| {
            (plain(price), plain(quantity))
        })
    };
    let (ask, ask_quantity) = best(Side::Sell);
    let (bid, bid_quantity) = best(Side::Buy);
    let mut json = JsonObject::new();
    json.text("instType", listed.kind.name())
        .text("instId", &listed.symbol);
    json.decimal("last", last).text("lastSz", "1");
    json.text("askPx", &ask).text("askSz", &ask_quantity);
    json.text("bidPx", &bid).text("bidSz", &bid_quantity);
    json.decimal("open24h", listed.initial_price)
        .decimal("high24h", last);
    json.decimal("low24h", last)
        .text("volCcy24h", "0")
        .text("vol24h", "0");
    json.integer("ts", now_ms)
        .decimal("sodUtc0", listed.initial_price);
    json.decimal("sodUtc8", listed.initial_price);
    json.finish()
}

fn book_object(exchange: &Exchange, instrument: usize, depth: usize, now_ms: i64) -> String {
    let mut json = JsonObject::new();
    json.raw("asks", &book_rows(exchange, instrument, Side::Sell, depth));
    json.raw("bids", &book_rows(exchange, instrument, Side::Buy, depth));
    json.integer("ts", now_ms).raw("seqId", &now_ms.to_string());
    json.finish()
}
