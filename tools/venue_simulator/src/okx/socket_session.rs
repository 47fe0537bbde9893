//! One WebSocket connection: reads requests, sends replies and pushes, keeps the idle timer.
//!
//! Invariants: one task per connection; it never holds the venue lock across an await. Messages
//! without delay leave in queue order. Docs: "WebSocket / Connect", "Subscribe", "Error Code /
//! WebSocket".

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use crate::link::LinkControl;
use crate::okx::hub::{Connection, Outgoing, SocketPath, connection_name};
use crate::okx::json_object::{JsonObject, quoted};
use crate::okx::parameters::text;
use crate::okx::socket_login::handle_login;
use crate::okx::socket_operation::handle_operation;
use crate::okx::socket_subscription::{handle_subscribe, handle_unsubscribe};
use crate::okx::venue::{Shared, count};

/// Regular account and position pushes.
const REGULAR_PUSH: Duration = Duration::from_secs(5);

/// Longest message; a longer one ends the connection with 1009.
const MESSAGE_BYTES: usize = 1 << 20;

/// What the handlers of one connection know about it.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u64,
    pub(crate) path: SocketPath,
    pub(crate) account: Option<usize>,
    pub(crate) link: Arc<LinkControl>,
    /// Venue ms of recent logins and subscriptions, for the hourly limit.
    pub(crate) control_requests: Vec<i64>,
}

impl Session {
    pub(crate) fn name(&self) -> String {
        connection_name(self.id)
    }

    /// Queues a message to this connection.
    pub(crate) fn send(&self, text: String) {
        self.shared.venue().hub.send(self.id, text, Duration::ZERO);
    }

    /// Queues an error event.
    pub(crate) fn send_error(&self, request_id: Option<&str>, code: &str, message: &str) {
        let mut json = JsonObject::new();
        if let Some(request_id) = request_id {
            json.text("id", request_id);
        }
        json.text("event", "error")
            .text("code", code)
            .text("msg", message);
        json.text("connId", &self.name());
        self.send(json.finish());
    }

    /// Counts a login, subscribe or unsubscribe. Returns whether the hourly limit allows it.
    pub(crate) fn take_control(&mut self) -> bool {
        const HOUR_MS: i64 = 3_600_000;
        let now_ms = self.shared.clock.now_ms();
        self.control_requests
            .retain(|at_ms| now_ms - at_ms < HOUR_MS);
        let limits = &self.shared.config.limits;
        if limits.is_on && self.control_requests.len() >= limits.control_per_hour as usize {
            return false;
        }
        self.control_requests.push(now_ms);
        true
    }
}

/// A message that waits for its time.
struct Delayed {
    due: Instant,
    order: u64,
    outgoing: Outgoing,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    path: SocketPath,
    socket: WebSocket,
    link: Arc<LinkControl>,
) {
    let (queue, incoming) = unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let id = shared.venue().hub.open(Connection {
        path,
        account: None,
        subscriptions: Vec::new(),
        link: Arc::clone(&link),
        queue,
        queued: Arc::clone(&queued),
    });
    count(&shared.counters.connections);
    let session = Session {
        shared: Arc::clone(&shared),
        id,
        path,
        account: None,
        link,
        control_requests: Vec::new(),
    };
    run(session, socket, incoming, &queued).await;
    shared.venue().hub.close(id);
}

async fn run(
    mut session: Session,
    mut socket: WebSocket,
    mut incoming: UnboundedReceiver<Outgoing>,
    queued: &AtomicUsize,
) {
    let idle = session.shared.config.idle_timeout;
    let mut idle_at = Instant::now() + idle;
    let mut regular_at = Instant::now() + REGULAR_PUSH;
    let mut delayed: BinaryHeap<Reverse<Delayed>> = BinaryHeap::new();
    let mut order = 0;
    loop {
        let next_due = delayed
            .peek()
            .map_or(regular_at, |Reverse(first)| first.due);
        let next_timer = next_due.min(idle_at).min(regular_at);
        tokio::select! {
            received = socket.recv() => {
                let Some(Ok(message)) = received else { return };
                if is_too_long(&message) {
                    return close(&mut socket, 1009, "Request message exceeds the limit").await;
                }
                idle_at = Instant::now() + idle;
                match message {
                    Message::Text(text) => handle_text(&mut session, text.as_str()),
                    Message::Binary(bytes) => {
                        handle_text(&mut session, &String::from_utf8_lossy(&bytes));
                    }
                    Message::Close(_) => return finish_close(&mut socket).await,
                    Message::Ping(_) | Message::Pong(_) => {}
                }
            }
            Some(outgoing) = incoming.recv() => {
                let due = match &outgoing {
                    Outgoing::Text { due, .. } | Outgoing::Close { due, .. } => *due,
                };
                if let Some(due) = due {
                    order += 1;
                    delayed.push(Reverse(Delayed { due, order, outgoing }));
                } else {
                    idle_at = Instant::now() + idle;
                    if !send_out(&mut socket, outgoing, queued).await {
                        return;
                    }
                }
            }
            () = sleep_until(next_timer) => {
                let now = Instant::now();
                while delayed.peek().is_some_and(|Reverse(first)| first.due <= now) {
                    let Some(Reverse(first)) = delayed.pop() else { break };
                    if !send_out(&mut socket, first.outgoing, queued).await {
                        return;
                    }
                }
                if now >= idle_at {
                    close(&mut socket, 4004, "No data received in 30s.").await;
                    return;
                }
                if now >= regular_at {
                    regular_at = now + REGULAR_PUSH;
                    push_regular(&session);
                }
            }
        }
    }
}

fn is_too_long(message: &Message) -> bool {
    match message {
        Message::Text(text) => text.len() > MESSAGE_BYTES,
        Message::Binary(bytes) => bytes.len() > MESSAGE_BYTES,
        _ => false,
    }
}

fn push_regular(session: &Session) {
    let venue = session.shared.venue();
    super::publish::push_regular(&session.shared, &venue, session.id);
}

/// Sends one message. Returns whether the connection goes on.
async fn send_out(socket: &mut WebSocket, outgoing: Outgoing, queued: &AtomicUsize) -> bool {
    match outgoing {
        Outgoing::Text { text, .. } => {
            queued.fetch_sub(1, Ordering::Relaxed);
            socket.send(Message::Text(text.into())).await.is_ok()
        }
        Outgoing::Close { code, reason, .. } => {
            close(socket, code, reason).await;
            false
        }
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        finish_close(socket).await;
    }
}

/// Completes the closing handshake, but does not wait for it for ever.
async fn finish_close(socket: &mut WebSocket) {
    let answer = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), answer).await;
}

fn handle_text(session: &mut Session, raw: &str) {
    if raw == "ping" {
        return session.send("pong".to_owned());
    }
    let Ok(request @ Value::Object(_)) = serde_json::from_str::<Value>(raw) else {
        return illegal_request(session, raw);
    };
    let request_id = text(&request, "id");
    let is_valid_id = request_id
        .as_deref()
        .is_none_or(|id| id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_valid_id {
        return session.send_error(None, "60033", "Parameter id error");
    }
    let request_id = request_id.as_deref();
    match text(&request, "op").as_deref() {
        Some("login") => handle_login(session, request_id, &request),
        Some("subscribe") => handle_subscribe(session, request_id, &request, raw),
        Some("unsubscribe") => handle_unsubscribe(session, request_id, &request, raw),
        Some(operation) if is_operation(operation) => {
            handle_operation(session, request_id, operation, &request, raw);
        }
        _ => illegal_request(session, raw),
    }
}

fn is_operation(name: &str) -> bool {
    name == "mass-cancel" || super::operation_legs::Operation::from_name(name).is_some()
}

/// 60012, which quotes the request.
pub(crate) fn illegal_request(session: &Session, raw: &str) {
    let quote: String = raw.chars().take(4_096).collect();
    let text = format!(
        r#"{{"event":"error","code":"60012","msg":{},"connId":"{}"}}"#,
        quoted(&format!("Illegal request: {quote}")),
        session.name()
    );
    session.send(text);
}
