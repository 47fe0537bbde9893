//! The connector thread: takes orders for links, hands out ready ones, drops dead ones.
//!
//! Owns name look-up, TCP, TLS and upgrade, all that may take long, so that the hot thread never
//! waits for them. Several attempts run at once; a silent peer holds up nobody else.
//! Invariants: each order gets exactly one outcome; room for it is kept before the order is taken.
//! Must not know: venues, when to try again (`backoff`). Threads: one for the attempts, one that
//! asks the name service; [`Connector`] is the hot thread's end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use rtrb::{Consumer, Producer, RingBuffer};
use rustls::ClientConfig;

use crate::attempt::{Attempt, failed_outcome};
use crate::error::{ConnectError, SetupError};
use crate::link::Link;
use crate::tcp::{ResolvedName, Resolver};
use crate::tls::{TrustRoots, client_config};

/// Attempts under way, orders waiting, outcomes waiting and dead links waiting: each at most this.
pub const MAX_ATTEMPTS: usize = 64;

const WAKE_TOKEN: Token = Token(usize::MAX);

/// What a link will carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkUse {
    /// WebSocket frames, after an upgrade at this path (with its query).
    WebSocket {
        /// Begins with `/`.
        path: String,
    },
    /// HTTP/1.1 requests; the link is ready after TLS.
    Http,
}

/// Where a link leads and who must answer there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, as it also stands in the request.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What the link will carry.
    pub link_use: LinkUse,
    /// The name that the certificate must prove; normally the host.
    pub tls_name: String,
    /// Whom we believe.
    pub roots: TrustRoots,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectDeadlines {
    /// Name look-up.
    pub dns: Duration,
    /// TCP, for each address.
    pub tcp: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// WebSocket upgrade.
    pub upgrade: Duration,
    /// All together.
    pub total: Duration,
}

impl Default for ConnectDeadlines {
    /// Three seconds a step, eight together.
    fn default() -> Self {
        let step = Duration::from_secs(3);
        Self {
            dns: step,
            tcp: step,
            tls: step,
            upgrade: step,
            total: Duration::from_secs(8),
        }
    }
}

/// One wanted link.
#[derive(Clone, Debug)]
pub struct ConnectOrder {
    /// The caller's name for the link; comes back with the outcome.
    pub link_id: u32,
    /// The caller's count of attempts; comes back with the outcome, to tell a late one.
    pub attempt: u32,
    /// Where to; shared, so that ordering again allocates nothing.
    pub endpoint: Arc<Endpoint>,
    /// How long it may take.
    pub deadlines: ConnectDeadlines,
}

/// How long each step took; zero for a step that was not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectTimings {
    /// Name look-up.
    pub dns: Duration,
    /// TCP, failed addresses included.
    pub tcp: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// WebSocket upgrade.
    pub upgrade: Duration,
    /// From taking the order to the outcome.
    pub total: Duration,
}

/// A link ready for the hot thread. Bytes behind the upgrade's answer are inside the link; read it
/// once before waiting.
pub struct ReadyLink {
    /// From the order.
    pub link_id: u32,
    /// From the order.
    pub attempt: u32,
    /// Who answered.
    pub peer_address: Option<SocketAddr>,
    /// How long it took.
    pub timings: ConnectTimings,
    /// Socket, TLS session and early bytes.
    pub link: Link,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectFailed {
    /// From the order.
    pub link_id: u32,
    /// From the order.
    pub attempt: u32,
    /// Why, where, and what to do.
    pub error: ConnectError,
}

/// The one outcome of an order.
#[expect(
    clippy::large_enum_variant,
    reason = "boxing would have the hot thread free memory"
)]
pub enum ConnectOutcome {
    /// The link is there.
    Ready(ReadyLink),
    /// It could not be made.
    Failed(ConnectFailed),
}

/// The hot thread's end of the connector.
pub struct Connector {
    orders: Producer<ConnectOrder>,
    outcomes: Consumer<ConnectOutcome>,
    retired: Producer<Link>,
    waker: Arc<Waker>,
    should_stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Connector {
    /// Starts the threads; `outcome_waker` is woken when an outcome is ready, for a caller that
    /// waits in a poll. Call before pinning: the threads inherit the caller's cores.
    ///
    /// # Errors
    /// When the system gives no poll or no thread.
    pub fn start(outcome_waker: Option<Arc<Waker>>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN)?);
        let (orders, taken_orders) = RingBuffer::new(MAX_ATTEMPTS);
        let (given_outcomes, outcomes) = RingBuffer::new(MAX_ATTEMPTS);
        let (retired, taken_retired) = RingBuffer::new(MAX_ATTEMPTS);
        let should_stop = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            poll,
            orders: taken_orders,
            outcomes: given_outcomes,
            retired: taken_retired,
            outcome_waker,
            resolver: Resolver::start(Arc::clone(&waker), MAX_ATTEMPTS)?,
            attempts: BTreeMap::new(),
            next_ticket: 0,
            configs: Vec::new(),
            should_stop: Arc::clone(&should_stop),
        };
        let thread = thread::Builder::new()
            .name("millrun-connect".into())
            .spawn(move || worker.run())?;
        Ok(Self {
            orders,
            outcomes,
            retired,
            waker,
            should_stop,
            thread: Some(thread),
        })
    }

    /// Orders a link.
    ///
    /// # Errors
    /// Gives the order back when too many are waiting.
    pub fn order(&mut self, order: ConnectOrder) -> Result<(), ConnectOrder> {
        let result = self
            .orders
            .push(order)
            .map_err(|rtrb::PushError::Full(order)| order);
        self.wake();
        result
    }

    /// The next outcome, if one is there. One ring look; no system call.
    pub fn poll_outcome(&mut self) -> Option<ConnectOutcome> {
        let outcome = self.outcomes.pop().ok()?;
        if self.outcomes.is_empty() {
            // The connector may have kept orders back for want of room.
            self.wake();
        }
        Some(outcome)
    }

    /// Gives a link back to be closed and freed. Whatever it had not sent is lost with it.
    /// When [`MAX_ATTEMPTS`] are waiting already, it is dropped here and `false` comes back.
    pub fn retire(&mut self, link: Link) -> bool {
        let is_taken = self.retired.push(link).is_ok();
        self.wake();
        is_taken
    }

    /// Whether the connector still works; it ends only by a panic.
    pub fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    fn wake(&self) {
        // Fails only when the eventfd is gone, and then so is the connector: see `is_alive`.
        let _ = self.waker.wake();
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.should_stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there was seen by `is_alive`; nothing is left to save here.
            let _ = thread.join();
        }
    }
}

/// The connector thread's side.
struct Worker {
    poll: Poll,
    orders: Consumer<ConnectOrder>,
    outcomes: Producer<ConnectOutcome>,
    retired: Consumer<Link>,
    outcome_waker: Option<Arc<Waker>>,
    resolver: Resolver,
    /// Attempts under way by ticket, which is also their token.
    attempts: BTreeMap<u64, Attempt>,
    next_ticket: u64,
    /// TLS configurations made so far; the roots of one run are few.
    configs: Vec<(TrustRoots, Arc<ClientConfig>)>,
    should_stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(2 * MAX_ATTEMPTS);
        while !self.should_stop.load(Ordering::Acquire) {
            let now = Instant::now();
            let next_end = self.attempts.values().map(Attempt::ends_at).min();
            let timeout = next_end.map(|end| end.saturating_duration_since(now));
            // A wait that a signal cut short is one turn more; any other failure would repeat
            // forever, so it ends the thread and `is_alive` tells.
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            while self.retired.pop().is_ok() {}
            self.take_orders();
            self.take_answers();
            self.advance_all();
        }
    }

    /// Begins attempts as long as each has room for its outcome.
    fn take_orders(&mut self) {
        while self.attempts.len() < self.outcomes.slots() {
            let Ok(order) = self.orders.pop() else {
                return;
            };
            let config = match self.config(&order.endpoint.roots) {
                Ok(config) => config,
                Err(unreadable) => {
                    self.give(failed_outcome(&order, None, &unreadable));
                    continue;
                }
            };
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            let (host, port) = (order.endpoint.host.clone(), order.endpoint.port);
            let token = Token(ticket as usize);
            let attempt = Attempt::begin(order, token, config, Instant::now());
            self.attempts.insert(ticket, attempt);
            if let Some(answer) = self.resolver.ask(ticket, &host, port) {
                self.resolved(answer);
            }
        }
    }

    /// The configuration for `roots`, made at first sight; failures are tried again.
    fn config(&mut self, roots: &TrustRoots) -> Result<Arc<ClientConfig>, SetupError> {
        if let Some((_, config)) = self.configs.iter().find(|(known, _)| known == roots) {
            return Ok(Arc::clone(config));
        }
        let config = client_config(roots)?;
        if self.configs.len() < MAX_ATTEMPTS {
            self.configs.push((roots.clone(), Arc::clone(&config)));
        }
        Ok(config)
    }

    fn take_answers(&mut self) {
        while let Some(answer) = self.resolver.poll() {
            self.resolved(answer);
        }
    }

    /// Hands an answer to its attempt; one that gave up waiting is gone.
    fn resolved(&mut self, answer: ResolvedName) {
        let Some(attempt) = self.attempts.get_mut(&answer.ticket) else {
            return;
        };
        let outcome = attempt.resolved(answer.result, self.poll.registry(), Instant::now());
        if let Some(outcome) = outcome {
            self.attempts.remove(&answer.ticket);
            self.give(outcome);
        }
    }

    /// Takes every attempt on; they are few and a look costs little, so events need no sorting.
    fn advance_all(&mut self) {
        let tickets: Vec<u64> = self.attempts.keys().copied().collect();
        for ticket in tickets {
            let Some(attempt) = self.attempts.get_mut(&ticket) else {
                continue;
            };
            if let Some(outcome) = attempt.advance(self.poll.registry()) {
                self.attempts.remove(&ticket);
                self.give(outcome);
            }
        }
    }

    /// Hands an outcome to the hot thread.
    fn give(&mut self, outcome: ConnectOutcome) {
        let is_given = self.outcomes.push(outcome).is_ok();
        assert!(
            is_given,
            "room for the outcome was kept before the order was taken"
        );
        if let Some(waker) = &self.outcome_waker {
            // A hot thread that has gone waits for nothing.
            let _ = waker.wake();
        }
    }
}
