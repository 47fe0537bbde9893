//! The client: requests in, events out, and back again after a death.
//!
//! Owns: both ring ends, the attach socket as the sign of the engine's life, the next request id,
//! the number of the next event. Invariants: an id is used for one request only and rises by one;
//! the ring is never waited for when it is full; the engine is woken only if it is parked.
//! Must not know: what an event means for the strategy. Threads: one owner at a time.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::attach_message::{ATTACH_PROTOCOL_VERSION, Accepted, AttachRequest, IdleMode};
use model::identifiers::{RequestId, Text};
use model::order_event::OrderEvent;
use model::order_request::{OrderReference, Request};
use model::request_slot;
use model::time::{MonotonicNs, NS_PER_S};
use model::{ClientOrderId, InstrumentId};
use rings::shared_memory::consumer::PopError;
use rings::shared_memory::layout::PAYLOAD_WORDS;
use rings::shared_memory::liveness::peer_hung_up;
use rings::shared_memory::pair::{SharedConsumer, SharedProducer};
use rings::shared_memory::producer::PushError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::RecvFlags;
use rustix::time::{ClockId, clock_gettime};

use crate::attach_dialog::{self, Dialogue, Inbox};
use crate::error::{AttachError, EventError, RequestError};
use crate::instrument_table::InstrumentTable;
use crate::order_spec::{InstrumentRef, NewOrderSpec, PriceValue, QuantityValue};
use crate::resume_file::ResumeFile;
use crate::resync::{RequestRange, Resume, Resync};

/// A client that never sleeps looks at the attach socket this often (one system call).
const LIFE_CHECK_NS: u64 = 10_000_000;
/// Longest single sleep: a wake-up that failed to come costs a delay, not an event.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// First and longest sleep beside an engine that wakes nobody.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));

/// How to attach.
#[derive(Debug)]
pub struct AttachOptions {
    /// The engine's attach socket.
    pub socket_path: PathBuf,
    /// The strategy's name in the engine's configuration.
    pub strategy: String,
    /// Where the strategy stood; a resume file's own memory goes before it.
    pub resume: Resume,
    /// Keeps `last_event_seq` and `last_request_id` for the next process. An event counts as dealt
    /// with when the next one is asked for, so one may be given again after a crash.
    pub resume_file: Option<ResumeFile>,
    /// How long one message of the engine is waited for.
    pub timeout: Duration,
}

impl AttachOptions {
    /// No resume file; 15 s for a message (the engine waits up to 10 s for a dead predecessor).
    pub fn new(socket_path: impl Into<PathBuf>, strategy: &str, resume: Resume) -> Self {
        Self {
            socket_path: socket_path.into(),
            strategy: strategy.to_owned(),
            resume,
            resume_file: None,
            timeout: Duration::from_secs(15),
        }
    }
}

/// A client that is attached, and what the attach found out.
#[derive(Debug)]
pub struct Attached {
    /// The client.
    pub client: Client,
    /// What happened since it stood where it said.
    pub resync: Resync,
}

/// One strategy's attachment to the engine.
#[derive(Debug)]
pub struct Client {
    socket_path: PathBuf,
    strategy: Text<31>,
    timeout: Duration,
    resume_file: Option<ResumeFile>,
    instruments: InstrumentTable,
    inbox: Inbox,
    /// The last event that was given to the strategy.
    given_seq: u64,
    last_request_id: RequestId,
    /// Requests up to here were taken, or were named as not taken before.
    settled_request_id: RequestId,
    link: Option<Link>,
}

/// The ends of one attachment.
#[derive(Debug)]
struct Link {
    socket: UnixStream,
    requests: SharedProducer,
    events: SharedConsumer,
    wake: OwnedFd,
    accepted: Accepted,
    hung_up: bool,
    looked_at_ns: u64,
}

impl Client {
    /// Attaches as `strategy` through the engine's attach socket. Waits for the engine.
    ///
    /// # Errors
    /// [`AttachError`]; its [`remedy`](AttachError::remedy) says what helps.
    pub fn attach(
        socket_path: impl AsRef<Path>,
        strategy: &str,
        resume: Resume,
    ) -> Result<Attached, AttachError> {
        Self::attach_with(AttachOptions::new(socket_path.as_ref(), strategy, resume))
    }

    /// As [`Client::attach`], with every option.
    ///
    /// # Errors
    /// As [`Client::attach`].
    pub fn attach_with(options: AttachOptions) -> Result<Attached, AttachError> {
        let name = Text::new(options.strategy.as_bytes()).filter(|name| !name.is_empty());
        let Some(strategy) = name else {
            let found = options.strategy;
            return Err(AttachError::StrategyName { found });
        };
        let resume = match &options.resume_file {
            Some(file) => file.resume(),
            None => options.resume,
        };
        let mut client = Self {
            socket_path: options.socket_path,
            strategy,
            timeout: options.timeout,
            resume_file: options.resume_file,
            instruments: InstrumentTable::default(),
            inbox: Inbox {
                backlog: VecDeque::new(),
                received_seq: resume.last_event_seq,
            },
            given_seq: resume.last_event_seq.unwrap_or(0),
            last_request_id: resume.last_request_id,
            settled_request_id: RequestId(0),
            link: None,
        };
        let resync = client.reattach()?;
        Ok(Attached { client, resync })
    }

    /// Attaches again: after `Disconnected`, an overrun, or at will. Lets go of the old attachment
    /// first. Events that were missed come from [`Client::next_event`] before all newer ones.
    ///
    /// # Errors
    /// As [`Client::attach`]; the client stays usable for another try.
    pub fn reattach(&mut self) -> Result<Resync, AttachError> {
        self.link = None;
        let request = AttachRequest {
            protocol_version: ATTACH_PROTOCOL_VERSION,
            strategy: self.strategy,
            last_event_seq: self.inbox.received_seq,
            last_request_id: self.last_request_id,
        };
        let dialogue =
            attach_dialog::attach(&self.socket_path, &request, self.timeout, &mut self.inbox)?;
        let engines_last = dialogue.live.last_request_id;
        let settled = engines_last.max(self.settled_request_id);
        let resync = Resync {
            generation: dialogue.accepted.generation,
            sequence: dialogue.live.sequence,
            backlog_events: dialogue.backlog_events,
            gaps: dialogue.gaps.clone(),
            not_taken: RequestRange::between(settled, self.last_request_id),
        };
        // Ids above the engine's last were used for what was not taken: never again.
        self.last_request_id = self.last_request_id.max(engines_last);
        self.settled_request_id = self.last_request_id;
        self.instruments = dialogue.instruments.clone();
        if self.inbox.backlog.is_empty() {
            self.given_seq = self.inbox.received_seq.unwrap_or(0);
        }
        self.link = Some(Link::new(dialogue));
        Ok(resync)
    }

    /// Asks for a new order. Never waits.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was written and the id is not used up.
    pub fn place(&mut self, order: &NewOrderSpec<'_>) -> Result<RequestId, RequestError> {
        let order = order.resolve(&self.instruments)?;
        self.send(&Request::New(order))
    }

    /// Asks for the end of an order, by the engine's id.
    ///
    /// # Errors
    /// As [`Client::place`].
    pub fn cancel(&mut self, order: ClientOrderId) -> Result<RequestId, RequestError> {
        let order = OrderReference::ClientOrderId(order);
        self.send(&Request::Cancel { order })
    }

    /// Asks for the end of the order that came of a request; works before any event came back.
    ///
    /// # Errors
    /// As [`Client::place`].
    pub fn cancel_request(&mut self, placed_by: RequestId) -> Result<RequestId, RequestError> {
        let order = OrderReference::RequestId(placed_by);
        self.send(&Request::Cancel { order })
    }

    /// Asks for other terms. `order_quantity` is the new total, with what is already filled.
    ///
    /// # Errors
    /// As [`Client::place`].
    pub fn replace<'a>(
        &mut self,
        order: OrderReference,
        instrument: impl Into<InstrumentRef<'a>>,
        order_quantity: impl Into<QuantityValue<'a>>,
        limit_price: impl Into<PriceValue<'a>>,
    ) -> Result<RequestId, RequestError> {
        let instrument = self.instruments.find(instrument.into())?;
        let order_quantity = InstrumentTable::quantity(instrument, order_quantity.into())?;
        let limit_price = InstrumentTable::price(instrument, limit_price.into())?;
        self.send(&Request::Replace {
            order,
            order_quantity,
            limit_price,
        })
    }

    /// Asks for the end of every open order of this strategy, at one instrument or at all.
    ///
    /// # Errors
    /// As [`Client::place`].
    pub fn cancel_all(
        &mut self,
        instrument: Option<InstrumentId>,
    ) -> Result<RequestId, RequestError> {
        self.send(&Request::CancelAll { instrument })
    }

    /// Asks for an order's state, which comes as an event.
    ///
    /// # Errors
    /// As [`Client::place`].
    pub fn query(&mut self, order: OrderReference) -> Result<RequestId, RequestError> {
        self.send(&Request::Query { order })
    }

    /// The next event; waits up to `timeout` for one. With a zero timeout it never sleeps and makes
    /// a system call only every 10 ms.
    ///
    /// # Errors
    /// [`EventError`], after every event that came before it was given.
    pub fn next_event(&mut self, timeout: Duration) -> Result<Option<OrderEvent>, EventError> {
        if let Some(file) = &mut self.resume_file {
            // To ask for the next one is to say that the last one was dealt with.
            file.save_event(self.given_seq)
                .map_err(EventError::ResumeFile)?;
        }
        if let Some(event) = self.inbox.backlog.pop_front() {
            self.given_seq = match self.inbox.backlog.is_empty() {
                // Behind the last one there may be a gap.
                true => self.inbox.received_seq.unwrap_or(event.event_seq),
                false => event.event_seq,
            };
            return Ok(Some(event));
        }
        let link = self.link.as_mut().ok_or(EventError::Disconnected)?;
        let Some(words) = link.next_words(timeout)? else {
            return Ok(None);
        };
        let event_seq = words[0];
        let event = OrderEvent::from_words(&words).ok_or(EventError::Unreadable { event_seq })?;
        let expected = self.given_seq + 1;
        if event_seq != expected {
            return Err(EventError::Missing {
                expected,
                found: event_seq,
            });
        }
        self.given_seq = event_seq;
        self.inbox.received_seq = Some(event_seq);
        Ok(Some(event))
    }

    /// Whether the engine still holds this attachment. One system call.
    pub fn is_connected(&mut self) -> bool {
        self.link
            .as_mut()
            .is_some_and(|link| !link.look_at_socket(now_ns()))
    }

    /// The instruments that the engine named.
    pub fn instruments(&self) -> &InstrumentTable {
        &self.instruments
    }

    /// Where the strategy stands: all that another process needs to go on.
    pub fn resume(&self) -> Resume {
        Resume {
            last_event_seq: Some(self.given_seq),
            last_request_id: self.last_request_id,
        }
    }

    /// The highest request id used so far.
    pub fn last_request_id(&self) -> RequestId {
        self.last_request_id
    }

    fn send(&mut self, request: &Request) -> Result<RequestId, RequestError> {
        let link = self.link.as_mut().ok_or(RequestError::Disconnected)?;
        let written_at_ns = now_ns();
        if link.is_gone(written_at_ns) {
            return Err(RequestError::Disconnected);
        }
        let request_id = RequestId(self.last_request_id.0 + 1);
        if let Some(file) = &mut self.resume_file {
            if !link.requests.has_room(1).map_err(request_error)? {
                return Err(RequestError::Full);
            }
            // Before the engine can see it, so that no later process uses the id again.
            file.save_request(request_id)
                .map_err(RequestError::ResumeFile)?;
        }
        let words = request_slot::to_words(request_id, MonotonicNs(written_at_ns), request);
        link.push(&words)?;
        self.last_request_id = request_id;
        Ok(request_id)
    }
}

impl Link {
    fn new(dialogue: Dialogue) -> Self {
        Self {
            socket: dialogue.socket,
            requests: dialogue.rings.requests,
            events: dialogue.rings.events,
            wake: dialogue.wake,
            accepted: dialogue.accepted,
            hung_up: false,
            looked_at_ns: now_ns(),
        }
    }

    fn push(&mut self, words: &[u64; PAYLOAD_WORDS]) -> Result<(), RequestError> {
        match self.accepted.idle_mode {
            IdleMode::Yield | IdleMode::Spin => self.requests.push(words).map_err(request_error),
            IdleMode::Park => {
                if self.requests.publish(words).map_err(request_error)? {
                    // Full means that it is rung already.
                    let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
                }
                Ok(())
            }
        }
    }

    /// The next slot's words, waited for.
    fn next_words(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<[u64; PAYLOAD_WORDS]>, EventError> {
        let mut words = [0; PAYLOAD_WORDS];
        if self.events.pop_into(&mut words).map_err(event_error)? {
            return Ok(Some(words));
        }
        let start_ns = now_ns();
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let deadline_ns = start_ns.saturating_add(timeout_ns);
        let mut now = start_ns;
        let mut look_again = LOOK_AGAIN.0;
        loop {
            let gone = self.is_gone(now);
            // Events outlive their engine: what was written before the hang-up is given first.
            if self.events.pop_into(&mut words).map_err(event_error)? {
                return Ok(Some(words));
            }
            if gone {
                return Err(EventError::Disconnected);
            }
            if now >= deadline_ns {
                return Ok(None);
            }
            let left = Duration::from_nanos(deadline_ns - now);
            if self.accepted.wakes_clients {
                self.sleep(left.min(SLEEP_MAX))?;
            } else {
                self.wait_for_socket(left.min(look_again));
                look_again = (look_again * 2).min(LOOK_AGAIN.1);
            }
            now = now_ns();
        }
    }

    /// Sleeps until the engine says that there is an event, with no wake-up lost in between.
    fn sleep(&mut self, limit: Duration) -> Result<(), EventError> {
        self.events.park_begin();
        let ready = self.events.peek_ready();
        if matches!(ready, Ok(false)) && !self.events.is_closed() {
            self.wait_for_socket(limit);
        }
        self.events.park_end();
        ready.map(|_| ()).map_err(event_error)
    }

    /// Sleeps until the socket says something, and takes the bytes that mean "wake up".
    fn wait_for_socket(&mut self, limit: Duration) {
        let Ok(limit) = Timespec::try_from(limit) else {
            return;
        };
        let mut watched = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::RDHUP)];
        // Interrupted or failed: the caller looks at the ring and the clock anyway.
        let _ = poll(&mut watched, Some(&limit));
        let found = watched[0].revents();
        if found.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
            self.hung_up = true;
        } else if found.contains(PollFlags::IN) {
            let mut bytes = [0; 256];
            let _ = rustix::net::recv(&self.socket, &mut bytes, RecvFlags::DONTWAIT);
        }
    }

    /// Whether the engine has hung up; looks at the socket when the last look is old.
    fn is_gone(&mut self, now: u64) -> bool {
        if !self.hung_up && now.saturating_sub(self.looked_at_ns) >= LIFE_CHECK_NS {
            return self.look_at_socket(now);
        }
        self.hung_up
    }

    fn look_at_socket(&mut self, now: u64) -> bool {
        self.looked_at_ns = now;
        self.hung_up = self.hung_up || peer_hung_up(&self.socket).unwrap_or(true);
        self.hung_up
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A child that is being started holds a copy of the socket until it executes: closing ours
        // would not hang up, and the next attach would find the place taken.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

fn request_error(error: PushError) -> RequestError {
    match error {
        PushError::Full => RequestError::Full,
        PushError::Closed => RequestError::Disconnected,
        PushError::Corrupt(corrupt) => RequestError::Corrupt(corrupt),
    }
}

fn event_error(error: PopError) -> EventError {
    match error {
        PopError::Closed { mark } => EventError::Overrun { mark },
        PopError::Corrupt(corrupt) => EventError::Corrupt(corrupt),
    }
}

/// `CLOCK_MONOTONIC`, which the engine's clock is too.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_S).saturating_add(nanoseconds)
}
