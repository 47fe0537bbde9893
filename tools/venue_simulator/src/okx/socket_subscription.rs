//! `subscribe` and `unsubscribe`: one ack per argument, connection counts, snapshots.
//!
//! Docs: "WebSocket / Subscribe", "channel-conn-count".

use std::time::Duration;

use serde_json::Value;

use crate::okx::channels::{COUNTED, is_private, public_snapshots, snapshots, subscription};
use crate::okx::hub::Subscription;
use crate::okx::json_object::JsonObject;
use crate::okx::parameters::text;
use crate::okx::socket_session::{Session, illegal_request};
use crate::okx::venue::Venue;

/// Longest list of channels in one message.
const LIST_BYTES: usize = 65_536;

pub(crate) fn handle_subscribe(
    session: &mut Session,
    request_id: Option<&str>,
    request: &Value,
    raw: &str,
) {
    let Some(arguments) = arguments(session, request_id, request, raw) else {
        return;
    };
    let shared = std::sync::Arc::clone(&session.shared);
    let mut venue = shared.venue();
    for argument in &arguments {
        match subscription(&shared, &venue, session.path, session.account, argument) {
            Ok(held) => follow(session, &mut venue, request_id, held),
            Err(error) => {
                let mut json = JsonObject::new();
                if let Some(request_id) = request_id {
                    json.text("id", request_id);
                }
                json.text("event", "error").text("code", &error.code);
                json.text("msg", &error.message)
                    .text("connId", &session.name());
                venue.hub.send(session.id, json.finish(), Duration::ZERO);
            }
        }
    }
}

fn arguments(
    session: &mut Session,
    request_id: Option<&str>,
    request: &Value,
    raw: &str,
) -> Option<Vec<Value>> {
    if !session.take_control() {
        session.send_error(request_id, "60014", "Requests too frequent");
        return None;
    }
    let arguments = match request.get("args") {
        Some(Value::Array(arguments)) if !arguments.is_empty() => arguments.clone(),
        _ => {
            illegal_request(session, raw);
            return None;
        }
    };
    if raw.len() > LIST_BYTES {
        session.send_error(request_id, "60019", "The channel list is longer than 64 KB");
        return None;
    }
    Some(arguments)
}

fn follow(session: &Session, venue: &mut Venue, request_id: Option<&str>, held: Subscription) {
    let argument = held.argument.to_string();
    let channel = held.channel.clone();
    send_ack(session, venue, request_id, "subscribe", &argument);
    if let Some(account) = session.account
        && COUNTED.contains(&channel.as_str())
        && !count_connection(session, venue, account, &channel)
    {
        return;
    }
    let shared = &session.shared;
    if let Some(connection) = venue.hub.connections.get_mut(&session.id) {
        connection
            .subscriptions
            .retain(|other| other.argument != held.argument);
        connection.subscriptions.push(held.clone());
    }
    let first = match session.account {
        Some(account) if is_private(&channel) => snapshots(shared, venue, account, &held),
        _ => public_snapshots(shared, venue, &held),
    };
    for text in first {
        venue.hub.send(session.id, text, venue.hub.push_delay);
    }
}

fn send_ack(
    session: &Session,
    venue: &Venue,
    request_id: Option<&str>,
    event: &str,
    argument: &str,
) {
    let mut json = JsonObject::new();
    if let Some(request_id) = request_id {
        json.text("id", request_id);
    }
    json.text("event", event)
        .raw("arg", argument)
        .text("connId", &session.name());
    venue.hub.send(session.id, json.finish(), Duration::ZERO);
}

/// Tells the number of connections on a channel. Returns whether this one may join them.
fn count_connection(session: &Session, venue: &Venue, account: usize, channel: &str) -> bool {
    let is_counted = venue
        .hub
        .connections
        .get(&session.id)
        .is_some_and(|connection| {
            connection
                .subscriptions
                .iter()
                .any(|held| held.channel == channel)
        });
    let others = venue.hub.followers(account, channel) - usize::from(is_counted);
    let limit = session.shared.config.limits.connections_per_channel as usize;
    let has_room = others < limit;
    let (event, number) = if has_room {
        ("channel-conn-count", others + 1)
    } else {
        ("channel-conn-count-error", limit)
    };
    let mut json = JsonObject::new();
    json.text("event", event)
        .text("channel", channel)
        .integer("connCount", number);
    json.text("connId", &session.name());
    venue.hub.send(session.id, json.finish(), Duration::ZERO);
    has_room
}

pub(crate) fn handle_unsubscribe(
    session: &mut Session,
    request_id: Option<&str>,
    request: &Value,
    raw: &str,
) {
    let Some(arguments) = arguments(session, request_id, request, raw) else {
        return;
    };
    let mut venue = session.shared.venue();
    for argument in &arguments {
        if text(argument, "channel").is_none() {
            continue;
        }
        if let Some(connection) = venue.hub.connections.get_mut(&session.id) {
            connection
                .subscriptions
                .retain(|held| held.argument != *argument);
        }
        send_ack(
            session,
            &venue,
            request_id,
            "unsubscribe",
            &argument.to_string(),
        );
    }
}
