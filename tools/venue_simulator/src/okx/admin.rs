//! The simulator's own side, under `/sim/`: totals, ledgers, faults, and acts of the venue.
//!
//! No venue has these paths; they are not signed. `GET /sim/stats`, `GET /sim/ledger?apiKey=`,
//! `POST /sim/faults` (a rule, or an array), `DELETE /sim/faults[?id=]`, `POST /sim/act` (an
//! [`Act`]).

use std::time::Duration;

use axum::http::request::Parts;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::FaultRule;
use crate::ledger;
use crate::matching::{CancelSource, OrderName};
use crate::okx::hub::connection_name;
use crate::okx::instrument_json::instrument_object;
use crate::okx::operation_legs::{LegTwist, Operation, run_leg};
use crate::okx::parameters::InstrumentNaming;
use crate::okx::publish::publish_updates;
use crate::okx::request_limits::OperationKind;
use crate::okx::rest_answer::RestAnswer;
use crate::okx::rest_router::{not_found, parse_query};
use crate::okx::socket_operation::send_notice;
use crate::okx::venue::{Shared, Venue};
use crate::simulator::stats_of;

/// Something the venue does of itself, at once.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
enum Act {
    /// Breaks connections without a close.
    Disconnect { api_key: Option<String> },
    /// Breaks connections after so many more ciphertext bytes to the client.
    DisconnectAtByte { api_key: Option<String>, bytes: u32 },
    /// Makes connections silent.
    Stall { api_key: Option<String> },
    /// Notice 64008, then a close.
    ServiceNotice {
        api_key: Option<String>,
        close_after_ms: u64,
    },
    /// Closes connections with a code.
    Close { api_key: Option<String>, code: u16 },
    /// Sends any text to connections.
    Inject {
        api_key: Option<String>,
        text: String,
    },
    /// Moves the venue clock.
    ClockSkew { ms: i64 },
    /// Places an order for an account that no connection asked for (REST parameters).
    Place { api_key: String, order: Value },
    /// Cancels an order with any `cancelSource`.
    Cancel {
        api_key: String,
        ord_id: u64,
        cancel_source: u8,
    },
    /// Fills an order at its own price.
    Fill { api_key: String, ord_id: u64 },
    /// Changes an account's cash.
    Cash {
        api_key: String,
        ccy: String,
        change: Decimal,
    },
    /// Changes an instrument's rules and tells the `instruments` channel.
    Instrument {
        inst_id: String,
        tick: Option<Decimal>,
        lot: Option<Decimal>,
        min: Option<Decimal>,
        state: Option<String>,
    },
}

pub(crate) fn handle(shared: &Shared, parts: &Parts, body: &[u8]) -> RestAnswer {
    let query = parse_query(parts.uri.query().unwrap_or_default());
    let parameter = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/sim/stats") => json_answer(&json!(stats_of(shared))),
        ("GET", "/sim/ledger") => ledger_answer(shared, parameter("apiKey").unwrap_or_default()),
        ("POST", "/sim/faults") => arm(shared, body),
        ("DELETE", "/sim/faults") => {
            shared
                .faults()
                .disarm(parameter("id").and_then(|id| id.parse().ok()));
            json_answer(&json!({"ok": true}))
        }
        ("POST", "/sim/act") => {
            let wanted = serde_json::from_slice(body).unwrap_or(Value::Null);
            match act(shared, &wanted) {
                Ok(value) => json_answer(&value),
                Err(message) => bad_request(&message),
            }
        }
        _ => not_found(),
    }
}

fn json_answer(value: &Value) -> RestAnswer {
    RestAnswer {
        status: 200,
        body: value.to_string(),
    }
}

fn bad_request(message: &str) -> RestAnswer {
    RestAnswer {
        status: 400,
        body: json!({"error": message}).to_string(),
    }
}

fn ledger_answer(shared: &Shared, api_key: &str) -> RestAnswer {
    match shared.account_by_key(api_key) {
        Some(account) => {
            let lines = ledger::account_lines(shared, &shared.venue(), account);
            RestAnswer {
                status: 200,
                body: lines.join("\n") + "\n",
            }
        }
        None => bad_request("unknown apiKey"),
    }
}

fn arm(shared: &Shared, body: &[u8]) -> RestAnswer {
    let one = || serde_json::from_slice::<FaultRule>(body).map(|rule| vec![rule]);
    match serde_json::from_slice::<Vec<FaultRule>>(body).or_else(|_| one()) {
        Ok(rules) => {
            let mut script = shared.faults();
            let ids: Vec<u64> = rules.into_iter().map(|rule| script.arm(rule)).collect();
            json_answer(&json!({"ids": ids}))
        }
        Err(error) => bad_request(&error.to_string()),
    }
}

/// Carries out an [`Act`] written as JSON.
pub(crate) fn act(shared: &Shared, act: &Value) -> Result<Value, String> {
    let act = Act::deserialize(act).map_err(|error| error.to_string())?;
    let mut venue = shared.venue();
    let now_ms = shared.clock.now_ms();
    let result = match act {
        Act::ClockSkew { ms } => {
            shared.clock.set_skew_ms(ms);
            Ok(json!({"ok": true}))
        }
        Act::Place { api_key, order } => place(shared, &mut venue, &api_key, &order, now_ms),
        Act::Cancel {
            api_key,
            ord_id,
            cancel_source,
        } => account(shared, &api_key).and_then(|own| {
            let (name, source) = (OrderName::OrderId(ord_id), CancelSource(cancel_source));
            let outcome = venue.exchange.cancel(now_ms, own, name, source);
            outcome
                .map(|_| json!({"ok": true}))
                .map_err(|refusal| format!("{refusal:?}"))
        }),
        Act::Fill { api_key, ord_id } => account(shared, &api_key).map(|_| {
            venue.exchange.force_fill(now_ms, ord_id);
            json!({"ok": true})
        }),
        Act::Cash {
            api_key,
            ccy,
            change,
        } => account(shared, &api_key).map(|own| {
            venue.exchange.adjust_cash(now_ms, own, &ccy, change);
            json!({"ok": true})
        }),
        Act::Instrument {
            inst_id,
            tick,
            lot,
            min,
            state,
        } => change_instrument(&mut venue, &inst_id, [tick, lot, min], state),
        link_act => on_connections(shared, &venue, &link_act),
    };
    publish_updates(shared, &mut venue);
    result
}

fn account(shared: &Shared, api_key: &str) -> Result<usize, String> {
    shared
        .account_by_key(api_key)
        .ok_or_else(|| "unknown api_key".to_owned())
}

fn place(
    shared: &Shared,
    venue: &mut Venue,
    api_key: &str,
    order: &Value,
    now_ms: i64,
) -> Result<Value, String> {
    let own = account(shared, api_key)?;
    let operation = Operation {
        kind: OperationKind::Place,
        is_batch: false,
    };
    let naming = InstrumentNaming::CodeOrName;
    let result = run_leg(
        venue,
        own,
        operation,
        order,
        naming,
        LegTwist::default(),
        now_ms,
    );
    match result.error {
        None => Ok(json!({"ordId": result.order_id.unwrap_or_default().to_string()})),
        Some(error) => Err(format!("{} {}", error.code, error.message)),
    }
}

fn on_connections(shared: &Shared, venue: &Venue, act: &Act) -> Result<Value, String> {
    let api_key = match act {
        Act::Disconnect { api_key }
        | Act::DisconnectAtByte { api_key, .. }
        | Act::Stall { api_key }
        | Act::ServiceNotice { api_key, .. }
        | Act::Close { api_key, .. }
        | Act::Inject { api_key, .. } => api_key,
        other => return Err(format!("{other:?} is not about connections")),
    };
    let own = api_key
        .as_deref()
        .map(|key| account(shared, key))
        .transpose()?;
    let ids = venue.hub.ids_of(own);
    for id in &ids {
        let Some(connection) = venue.hub.connections.get(id) else {
            continue;
        };
        match act {
            Act::Disconnect { .. } => connection.link.cut(),
            Act::DisconnectAtByte { bytes, .. } => connection.link.cut_after_bytes(*bytes),
            Act::Stall { .. } => connection.link.silence(),
            Act::ServiceNotice { close_after_ms, .. } => {
                let close_after = Duration::from_millis(*close_after_ms);
                send_notice(venue, *id, &connection_name(*id), close_after);
            }
            Act::Close { code, .. } => {
                venue
                    .hub
                    .send_close(*id, *code, "closed by the venue", Duration::ZERO);
            }
            Act::Inject { text, .. } => venue.hub.send(*id, text.clone(), Duration::ZERO),
            _ => {}
        }
    }
    Ok(json!({"connections": ids.len()}))
}

fn change_instrument(
    venue: &mut Venue,
    symbol: &str,
    [tick, lot, minimum]: [Option<Decimal>; 3],
    state: Option<String>,
) -> Result<Value, String> {
    let listed = venue
        .exchange
        .instruments
        .iter_mut()
        .find(|listed| listed.symbol == symbol)
        .ok_or_else(|| "unknown inst_id".to_owned())?;
    listed.tick = tick.unwrap_or(listed.tick);
    listed.lot = lot.unwrap_or(listed.lot);
    listed.min_quantity = minimum.unwrap_or(listed.min_quantity);
    listed.state = state.unwrap_or_else(|| listed.state.clone());
    let kind = listed.kind.name();
    let object = instrument_object(listed, kind);
    for (id, connection) in &venue.hub.connections {
        for held in &connection.subscriptions {
            let is_wanted = held.channel == "instruments"
                && held
                    .instrument_kind
                    .as_deref()
                    .is_none_or(|wanted| wanted == kind);
            if is_wanted {
                let text = format!("{{\"arg\":{},\"data\":[{object}]}}", held.argument_text);
                venue.hub.send(*id, text, Duration::ZERO);
            }
        }
    }
    Ok(json!({"ok": true}))
}
