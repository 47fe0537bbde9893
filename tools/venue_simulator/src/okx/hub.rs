//! Open WebSocket connections: who they are, what they follow, and the queue to each.
//!
//! Invariants: messages to one connection keep their order unless one is delayed on purpose; a
//! queue that grows beyond its bound ends the connection (4005). Must not know: how messages are
//! made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::link::LinkControl;

/// Messages a slow reader may have waiting.
const QUEUE_BOUND: usize = 50_000;

/// Which of the three endpoints a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketPath {
    Public,
    Private,
    Business,
}

/// Something for a connection's task to send.
pub(crate) enum Outgoing {
    Text {
        text: String,
        due: Option<Instant>,
    },
    Close {
        code: u16,
        reason: &'static str,
        due: Option<Instant>,
    },
}

/// One followed channel.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) channel: String,
    pub(crate) instrument_kind: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) symbol: Option<String>,
    pub(crate) currency: Option<String>,
    /// Only event pushes (`updateInterval` 0), no regular ones.
    pub(crate) is_event_only: bool,
    /// The argument as subscribed.
    pub(crate) argument: Value,
    /// The same as JSON text, with `uid` on private channels.
    pub(crate) argument_text: String,
}

/// One connection as the venue sees it.
pub(crate) struct Connection {
    pub(crate) path: SocketPath,
    pub(crate) account: Option<usize>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) link: Arc<LinkControl>,
    pub(crate) queue: UnboundedSender<Outgoing>,
    /// Messages in the queue; the task counts them off.
    pub(crate) queued: Arc<AtomicUsize>,
}

/// An ack that waits for its order's fill.
pub(crate) struct HeldAck {
    pub(crate) order_ids: Vec<u64>,
    pub(crate) connection: u64,
    pub(crate) text: String,
}

pub(crate) struct Hub {
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) push_delay: Duration,
    held_acks: Vec<(u64, HeldAck)>,
    next_id: u64,
}

impl Hub {
    pub(crate) fn new(push_delay: Duration) -> Self {
        Self {
            connections: BTreeMap::new(),
            push_delay,
            held_acks: Vec::new(),
            next_id: 0,
        }
    }

    /// Registers a connection and returns its id.
    pub(crate) fn open(&mut self, connection: Connection) -> u64 {
        self.next_id += 1;
        self.connections.insert(self.next_id, connection);
        self.next_id
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    /// Queues a text message, to be sent after `delay`.
    pub(crate) fn send(&self, id: u64, text: String, delay: Duration) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let waiting = connection.queued.fetch_add(1, Ordering::Relaxed);
        if waiting == QUEUE_BOUND {
            let reason = "The message buffer is full";
            let _ = connection.queue.send(Outgoing::Close {
                code: 4005,
                reason,
                due: None,
            });
        }
        if waiting < QUEUE_BOUND {
            let due = due_after(delay);
            let _ = connection.queue.send(Outgoing::Text { text, due });
        }
    }

    /// Queues a close, to be sent after `delay`.
    pub(crate) fn send_close(&self, id: u64, code: u16, reason: &'static str, delay: Duration) {
        if let Some(connection) = self.connections.get(&id) {
            let due = due_after(delay);
            let _ = connection.queue.send(Outgoing::Close { code, reason, due });
        }
    }

    /// Connections of an account, or all.
    pub(crate) fn ids_of(&self, account: Option<usize>) -> Vec<u64> {
        self.connections
            .iter()
            .filter(|(_, connection)| account.is_none() || connection.account == account)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Connections of an account that follow a channel.
    pub(crate) fn followers(&self, account: usize, channel: &str) -> usize {
        self.connections
            .values()
            .filter(|connection| {
                connection.account == Some(account)
                    && connection
                        .subscriptions
                        .iter()
                        .any(|held| held.channel == channel)
            })
            .count()
    }

    /// Keeps an ack back until an order trades or ends. Returns its handle.
    pub(crate) fn hold_ack(&mut self, held: HeldAck) -> u64 {
        self.next_id += 1;
        self.held_acks.push((self.next_id, held));
        self.next_id
    }

    /// Sends the acks that waited for this order.
    pub(crate) fn release_acks_of(&mut self, order_id: u64) {
        let (due, kept) = std::mem::take(&mut self.held_acks)
            .into_iter()
            .partition(|(_, held)| held.order_ids.contains(&order_id));
        self.held_acks = kept;
        self.send_held(due);
    }

    /// Sends a held ack whose patience ran out, if it is still held.
    pub(crate) fn release_ack(&mut self, handle: u64) {
        let (due, kept) = std::mem::take(&mut self.held_acks)
            .into_iter()
            .partition(|(held_handle, _)| *held_handle == handle);
        self.held_acks = kept;
        self.send_held(due);
    }

    fn send_held(&self, due: Vec<(u64, HeldAck)>) {
        for (_, held) in due {
            self.send(held.connection, held.text, self.push_delay);
        }
    }
}

fn due_after(delay: Duration) -> Option<Instant> {
    (!delay.is_zero()).then(|| Instant::now() + delay)
}

/// The venue's name of a connection: eight hexadecimal digits.
pub(crate) fn connection_name(id: u64) -> String {
    const SPREAD: u64 = 0x9e37_79b9;
    format!("{:08x}", id.wrapping_mul(SPREAD) & 0xffff_ffff)
}
