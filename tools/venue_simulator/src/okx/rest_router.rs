//! HTTP requests: authentication, limits, faults, and the path table of `/api/v5`.
//!
//! Invariants: the signature is checked over the raw path, query and body. Threads: one task per
//! request; no lock across an await.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, Request, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;

use crate::faults::{Fault, FaultMoment, FaultPoint};
use crate::link::LinkControl;
use crate::okx::error_code::VenueError;
use crate::okx::hub::SocketPath;
use crate::okx::rest_answer::RestAnswer;
use crate::okx::rest_trade::RestOrderEntry;
use crate::okx::signature::authenticate_rest;
use crate::okx::venue::{Shared, count};
use crate::okx::{
    admin, cancel_all_after, rest_account, rest_market, rest_orders, rest_trade, socket_session,
};

/// Largest request body.
const BODY_BYTES: usize = 1 << 20;
/// Largest WebSocket message that is read at all; the session closes on smaller ones already.
const MESSAGE_BYTES: usize = 1 << 24;

/// A request after authentication.
pub(crate) struct RestRequest {
    pub(crate) account: usize,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) received_us: i64,
    /// Queries show the state of this long ago (a fault); zero is now.
    pub(crate) lag_ms: i64,
}

impl RestRequest {
    /// A query parameter; absent when missing or empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// What a REST fault does with an answer.
#[derive(Default)]
struct RestPlan {
    answer: Option<RestAnswer>,
    silence: Option<Duration>,
    skips: bool,
    lag_ms: i64,
}

/// All paths of the venue and of its admin side.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let socket = |path: SocketPath| {
        any(
            move |State(shared): State<Arc<Shared>>,
                  Extension(link): Extension<Arc<LinkControl>>,
                  upgrade: WebSocketUpgrade| async move {
                let now_ms = shared.clock.now_ms();
                if !shared.venue().limits.take_connection(now_ms) {
                    return StatusCode::TOO_MANY_REQUESTS.into_response();
                }
                upgrade
                    .max_message_size(MESSAGE_BYTES)
                    .max_frame_size(MESSAGE_BYTES)
                    .on_upgrade(move |socket| socket_session::serve(shared, path, socket, link))
            },
        )
    };
    Router::new()
        .route("/ws/v5/public", socket(SocketPath::Public))
        .route("/ws/v5/private", socket(SocketPath::Private))
        .route("/ws/v5/business", socket(SocketPath::Business))
        .fallback(any(handle))
        .with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(link): Extension<Arc<LinkControl>>,
    request: Request,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if parts.uri.path().starts_with("/sim/") {
        return respond(admin::handle(&shared, &parts, &body));
    }
    count(&shared.counters.rest_requests);
    let path = parts.uri.path().to_owned();
    let api_key = parts
        .headers
        .get("OK-ACCESS-KEY")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    let plan = rest_plan(&shared, api_key, &path);
    let answer = if plan.skips {
        None
    } else {
        Some(answer_for(&shared, &link, &parts, &path, body, plan.lag_ms).await)
    };
    if let Some(silence) = plan.silence {
        tokio::time::sleep(silence).await;
        link.cut();
    }
    respond(plan.answer.or(answer).unwrap_or_else(server_error))
}

fn server_error() -> RestAnswer {
    RestAnswer::envelope(500, "50026", "System error. Please try again later.", "[]")
}

fn respond(answer: RestAnswer) -> axum::response::Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(answer.body))
        .unwrap_or_else(|_| status.into_response())
}

fn rest_plan(shared: &Shared, api_key: &str, path: &str) -> RestPlan {
    let moment = FaultMoment {
        point: FaultPoint::Rest,
        api_key,
        on: path,
        client_order_ids: &[],
        state: "",
    };
    let mut plan = RestPlan::default();
    for fault in shared.strike(&moment) {
        match fault {
            Fault::RestStatus {
                status,
                code,
                executes,
            } => {
                let error = VenueError::known(&code);
                let answer = RestAnswer::envelope(status, &error.code, &error.message, "[]");
                plan.answer = Some(answer);
                plan.skips |= !executes;
            }
            Fault::RestTimeout { ms, executes } => {
                plan.silence = Some(Duration::from_millis(ms));
                plan.skips |= !executes;
            }
            Fault::RestStale { lag_ms } => plan.lag_ms = lag_ms,
            _ => {}
        }
    }
    plan
}

async fn answer_for(
    shared: &Arc<Shared>,
    link: &Arc<LinkControl>,
    parts: &axum::http::request::Parts,
    path: &str,
    body: Bytes,
    lag_ms: i64,
) -> RestAnswer {
    let query = parse_query(parts.uri.query().unwrap_or_default());
    if path.starts_with("/api/v5/public/") || path.starts_with("/api/v5/market/") {
        return rest_market::answer(shared, path, &query);
    }
    let received_us = shared.clock.now_us();
    let whole_path = parts
        .uri
        .path_and_query()
        .map_or(path, |whole| whole.as_str());
    let method = parts.method.as_str();
    let (now_ms, window_ms) = (received_us / 1_000, shared.config.timestamp_window_ms);
    let authenticated = authenticate_rest(
        &shared.config.accounts,
        &parts.headers,
        method,
        whole_path,
        &body,
        now_ms,
        window_ms,
    );
    let account = match authenticated {
        Ok(account) => account,
        Err(refusal) => {
            let error = refusal.error;
            return RestAnswer::envelope(refusal.status, &error.code, &error.message, "[]");
        }
    };
    let expires_at_ms = parts
        .headers
        .get("expTime")
        .and_then(|at_ms| at_ms.to_str().ok())
        .and_then(|at_ms| at_ms.parse().ok());
    let request = RestRequest {
        account,
        path: path.to_owned(),
        query,
        body,
        expires_at_ms,
        received_us,
        lag_ms,
    };
    if let Some(entry) = RestOrderEntry::of(method, path) {
        return rest_trade::enter(shared, link, entry, &request).await;
    }
    let limited = shared.venue().limits.take_query(account, path, now_ms);
    if let Err(error) = limited {
        return RestAnswer::envelope(429, &error.code, &error.message, "[]");
    }
    private_answer(shared, method, &request)
}

fn private_answer(shared: &Shared, method: &str, request: &RestRequest) -> RestAnswer {
    let short = request.path.trim_start_matches("/api/v5/");
    match (method, short) {
        ("GET", "trade/order") => rest_orders::order(shared, request).into(),
        ("GET", "trade/orders-pending") => rest_orders::pending(shared, request).into(),
        ("GET", "trade/orders-history" | "trade/orders-history-archive") => {
            rest_orders::history(shared, request).into()
        }
        ("GET", "trade/fills") => rest_orders::fills(shared, request, false).into(),
        ("GET", "trade/fills-history") => rest_orders::fills(shared, request, true).into(),
        ("GET", "trade/account-rate-limit") => rest_account::rate_limit(shared).into(),
        ("POST", "trade/close-position") => rest_trade::close_position(shared, request).into(),
        ("POST", "trade/mass-cancel") => rest_trade::mass_cancel(request).into(),
        ("POST", "trade/cancel-all-after") => cancel_all_after::arm(shared, request).into(),
        ("GET", "account/balance") => rest_account::balance(shared, request).into(),
        ("GET", "account/positions") => rest_account::positions(shared, request).into(),
        ("GET", "account/config") => rest_account::config(shared, request).into(),
        ("GET", "account/instruments") => rest_market::instruments(shared, &request.query).into(),
        ("GET", "account/trade-fee") => rest_account::trade_fee(shared, request).into(),
        ("GET", "account/leverage-info") => rest_account::leverage_info(shared, request).into(),
        ("POST", "account/set-leverage") => rest_account::set_leverage(shared, request).into(),
        ("POST", "account/set-position-mode") => {
            rest_account::set_position_mode(shared, request).into()
        }
        ("GET", "asset/currencies") => rest_account::currencies(shared, request).into(),
        _ => not_found(),
    }
}

/// HTTP 404 as the venue's gateway gives it.
pub(crate) fn not_found() -> RestAnswer {
    let body = r#"{"msg":"Invalid Request URI","code":"404"}"#.to_owned();
    RestAnswer { status: 404, body }
}

/// Splits a raw query. Values are percent-decoded; OKX's own are plain text.
pub(crate) fn parse_query(raw: &str) -> Vec<(String, String)> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decoded(key), percent_decoded(value))
        })
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%' && tail.len() >= 2)
            .then(|| std::str::from_utf8(&tail[..2]).ok())
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
