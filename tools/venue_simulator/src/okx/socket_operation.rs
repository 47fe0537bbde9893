//! Order operations on a WebSocket connection: envelope in, reply out.
//!
//! Invariants: `id` and `op` are echoed; `inTime` and `outTime` are microseconds. Docs: "WS / Place
//! order" and its siblings, "WS / Mass cancel".

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::okx::error_code::VenueError;
use crate::okx::hub::{HeldAck, SocketPath};
use crate::okx::json_object::JsonObject;
use crate::okx::operation_legs::{LegResult, Operation};
use crate::okx::operations::{
    BATCH_BOUND, OperationPlan, OperationRequest, data_array, execute, plan, top_code, witness,
};
use crate::okx::parameters::text;
use crate::okx::socket_session::Session;
use crate::okx::venue::{Shared, Venue};
use crate::witness::Transport;

const PLACED: &str = "Order successfully placed.";

/// Who is answered, and with which envelope.
#[derive(Clone)]
struct ReplyTo {
    connection: u64,
    connection_name: String,
    request_id: Option<String>,
    operation: String,
    received_us: i64,
}

impl ReplyTo {
    fn envelope(&self, data: &str, code: &str, message: &str, now_us: i64) -> String {
        let mut json = JsonObject::new();
        if let Some(request_id) = &self.request_id {
            json.text("id", request_id);
        }
        json.text("op", &self.operation).raw("data", data);
        json.text("code", code).text("msg", message);
        json.integer("inTime", self.received_us)
            .integer("outTime", now_us);
        json.finish()
    }
}

pub(crate) fn handle_operation(
    session: &mut Session,
    request_id: Option<&str>,
    name: &str,
    request: &Value,
    raw: &str,
) {
    let shared = Arc::clone(&session.shared);
    let received_us = shared.clock.now_us();
    let is_mass_cancel = name == "mass-cancel";
    let is_right_path = session.path == SocketPath::Private
        || (is_mass_cancel && session.path == SocketPath::Business);
    if !is_right_path {
        let message = "The current service is not supported by this URL. Please check the \
                       WebSocket URL for the correct service.";
        return session.send_error(request_id, "60028", message);
    }
    let Some(account) = session.account else {
        return session.send_error(request_id, "60011", "Please log in");
    };
    let reply_to = ReplyTo {
        connection: session.id,
        connection_name: session.name(),
        request_id: request_id.map(str::to_owned),
        operation: name.to_owned(),
        received_us,
    };
    let legs = match request.get("args") {
        Some(Value::Array(legs)) if are_legs(legs, name) => legs.clone(),
        _ => {
            let text = reply_to.envelope("[]", "60013", "Invalid args", shared.clock.now_us());
            return session.send(text);
        }
    };
    let Some(operation) = Operation::from_name(name) else {
        let text = mass_cancel_reply(&shared, &reply_to, &legs[0]);
        return session.send(text);
    };
    let request = OperationRequest {
        account,
        transport: Transport::WebSocket,
        operation,
        request_id: request_id.unwrap_or_default().to_owned(),
        legs,
        raw: raw.to_owned(),
        expires_at_ms: text(request, "expTime").and_then(|at_ms| at_ms.parse().ok()),
        received_us,
    };
    witness(&shared, &request);
    let plan = plan(&shared, &request, &session.link);
    if plan.accept_after.is_zero() {
        return act(&shared, &request, &plan, &reply_to);
    }
    tokio::spawn(async move {
        tokio::time::sleep(plan.accept_after).await;
        act(&shared, &request, &plan, &reply_to);
    });
}

fn are_legs(legs: &[Value], name: &str) -> bool {
    let is_batch = name.starts_with("batch-");
    let bound = if is_batch { BATCH_BOUND } else { 1 };
    (1..=bound).contains(&legs.len()) && legs.iter().all(Value::is_object)
}

/// Carries the operation out and queues the reply as the plan says.
fn act(shared: &Arc<Shared>, request: &OperationRequest, plan: &OperationPlan, reply_to: &ReplyTo) {
    execute(shared, request, plan, |venue, results| {
        if plan.drops_ack || plan.disconnects || plan.stalls {
            return;
        }
        let text = reply_text(shared, request, plan, reply_to, results);
        match plan.ack_after_fill {
            Some(patience) => hold(shared, venue, reply_to, text, results, patience),
            None => venue.hub.send(reply_to.connection, text, plan.ack_delay),
        }
    });
    if let Some(close_after) = plan.notice {
        send_notice(
            &shared.venue(),
            reply_to.connection,
            &reply_to.connection_name,
            close_after,
        );
    }
}

fn reply_text(
    shared: &Shared,
    request: &OperationRequest,
    plan: &OperationPlan,
    reply_to: &ReplyTo,
    results: &[LegResult],
) -> String {
    let now_us = shared.clock.now_us();
    if let (Some(VenueError { code, message, .. }), true) = (&plan.answer, plan.answers_at_top) {
        return reply_to.envelope("[]", code, message, now_us);
    }
    let data = data_array(results, request.operation.kind, PLACED, now_us / 1_000);
    reply_to.envelope(&data, top_code(results), "", now_us)
}

fn hold(
    shared: &Arc<Shared>,
    venue: &mut Venue,
    reply_to: &ReplyTo,
    text: String,
    results: &[LegResult],
    patience: Duration,
) {
    let order_ids = results
        .iter()
        .filter_map(|result| result.order_id)
        .collect();
    let handle = venue.hub.hold_ack(HeldAck {
        order_ids,
        connection: reply_to.connection,
        text,
    });
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::time::sleep(patience).await;
        shared.venue().hub.release_ack(handle);
    });
}

/// Notice 64008, and the close that it announces.
pub(crate) fn send_notice(venue: &Venue, connection: u64, name: &str, close_after: Duration) {
    let mut json = JsonObject::new();
    json.text("event", "notice").text("code", "64008");
    json.text(
        "msg",
        "The connection will soon be closed for a service upgrade. Please reconnect.",
    );
    let text = json.text("connId", name).finish();
    venue.hub.send(connection, text, Duration::ZERO);
    venue
        .hub
        .send_close(connection, 1001, "Service upgrade", close_after);
}

/// `mass-cancel` touches market-maker-protection option orders only, of which this venue has none.
fn mass_cancel_reply(shared: &Shared, reply_to: &ReplyTo, leg: &Value) -> String {
    let now_us = shared.clock.now_us();
    match mass_cancel_error(leg) {
        None => reply_to.envelope(r#"[{"result":true}]"#, "0", "", now_us),
        Some(error) => reply_to.envelope("[]", &error.code, &error.message, now_us),
    }
}

/// Parameter errors of a mass cancel.
pub(crate) fn mass_cancel_error(leg: &Value) -> Option<VenueError> {
    if text(leg, "instType").as_deref() != Some("OPTION") {
        return Some(VenueError::parameter("instType"));
    }
    if text(leg, "instFamily").is_none() {
        return Some(VenueError::parameter("instFamily"));
    }
    let interval_ms = text(leg, "lockInterval").unwrap_or_else(|| "0".to_owned());
    let is_valid = interval_ms.parse::<u32>().is_ok_and(|ms| ms <= 10_000);
    (!is_valid).then(|| VenueError::parameter("lockInterval"))
}
