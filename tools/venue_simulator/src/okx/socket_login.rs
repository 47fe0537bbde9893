//! The `login` operation of private and business connections.

use std::time::Duration;

use serde_json::Value;

use crate::faults::{Fault, FaultMoment, FaultPoint};
use crate::okx::error_code::VenueError;
use crate::okx::hub::SocketPath;
use crate::okx::json_object::JsonObject;
use crate::okx::parameters::text;
use crate::okx::signature::authenticate_login;
use crate::okx::socket_session::Session;
use crate::okx::venue::count;

/// Time between a login error and the close that follows it.
const CLOSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

pub(crate) fn handle_login(session: &mut Session, request_id: Option<&str>, request: &Value) {
    if !session.take_control() {
        return session.send_error(request_id, "60014", "Requests too frequent");
    }
    if session.path == SocketPath::Public {
        return session.send_error(
            request_id,
            "60028",
            "The current service is not supported by this URL. Please check the WebSocket URL \
             for the correct service.",
        );
    }
    if session.account.is_some() {
        return session.send_error(
            request_id,
            "60031",
            "The WebSocket endpoint does not allow \
            multiple or repeated logins.",
        );
    }
    let argument = request
        .get("args")
        .and_then(|args| args.get(0))
        .unwrap_or(&Value::Null);
    match checked(session, argument) {
        Ok(account) => welcome(session, request_id, account),
        Err(error) => {
            session.send_error(request_id, &error.code, &error.message);
            let hub = &session.shared.venue().hub;
            hub.send_close(session.id, 4001, "Login failed", CLOSE_AFTER_REFUSAL);
        }
    }
}

fn checked(session: &Session, argument: &Value) -> Result<usize, VenueError> {
    let shared = &session.shared;
    let api_key = text(argument, "apiKey").unwrap_or_default();
    let struck = shared.strike(&FaultMoment {
        point: FaultPoint::Login,
        api_key: &api_key,
        on: "login",
        client_order_ids: &[],
        state: "",
    });
    for fault in struck {
        if let Fault::RejectLogin { code } = fault {
            return Err(VenueError::known(&code));
        }
    }
    let (now_ms, window_ms) = (shared.clock.now_ms(), shared.config.timestamp_window_ms);
    authenticate_login(&shared.config.accounts, argument, now_ms, window_ms)
}

fn welcome(session: &mut Session, request_id: Option<&str>, account: usize) {
    session.account = Some(account);
    count(&session.shared.counters.logins);
    if let Some(connection) = session.shared.venue().hub.connections.get_mut(&session.id) {
        connection.account = Some(account);
    }
    let mut json = JsonObject::new();
    if let Some(request_id) = request_id {
        json.text("id", request_id);
    }
    json.text("event", "login")
        .text("code", "0")
        .text("msg", "");
    json.text("connId", &session.name());
    session.send(json.finish());
}
