//! A strategy of a test: asks through the client library and remembers every event that it got.
//!
//! Invariant: events are checked to be numbered without gap by the client library itself.

use std::path::Path;
use std::time::{Duration, Instant};

use millrun_client::{
    Client, ClientOrderId, NewOrderSpec, OrderEvent, OrderEventKind, RequestId, Resume, Resync,
    Side,
};

use crate::engine_process::PATIENCE;
use crate::rig::SWAP;

/// A limit order in the tests' instrument.
pub(crate) fn limit<'a>(side: Side, quantity: &'a str, price: &'a str) -> NewOrderSpec<'a> {
    NewOrderSpec::limit(SWAP, side, quantity, price)
}

/// An attached strategy.
pub(crate) struct Trader {
    pub(crate) client: Client,
    pub(crate) resync: Resync,
    /// Every event so far.
    pub(crate) events: Vec<OrderEvent>,
}

impl Trader {
    /// Attaches; waits for the socket to be there.
    pub(crate) fn attach(socket: &Path, strategy: &str, resume: Resume) -> Self {
        let attached = Client::attach(socket, strategy, resume).unwrap();
        Self {
            client: attached.client,
            resync: attached.resync,
            events: Vec::new(),
        }
    }

    /// Places an order and waits until the venue has it.
    pub(crate) fn rest(&mut self, order: &NewOrderSpec<'_>) -> (RequestId, ClientOrderId) {
        let request = self.client.place(order).unwrap();
        let event = self.wait(request, OrderEventKind::OrderAcknowledged);
        (request, event.client_order_id.unwrap())
    }

    /// The first event of this kind for the request, waiting for it if it has not come.
    pub(crate) fn wait(&mut self, request: RequestId, kind: OrderEventKind) -> OrderEvent {
        self.wait_for(&format!("{kind} of request {request}"), |event| {
            event.request_id == request && event.kind == kind
        })
    }

    /// The first event that `is_it`, waiting for it if it has not come.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        is_it: impl Fn(&OrderEvent) -> bool,
    ) -> OrderEvent {
        self.wait_after(0, what, is_it)
    }

    /// As `wait_for`, among the events from a place on.
    pub(crate) fn wait_after(
        &mut self,
        from: usize,
        what: &str,
        is_it: impl Fn(&OrderEvent) -> bool,
    ) -> OrderEvent {
        if let Some(event) = self.events[from..].iter().find(|event| is_it(event)) {
            return *event;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} did not come, but {:#?}",
                self.told()
            );
            if let Some(event) = self.client.next_event(left).unwrap() {
                self.events.push(event);
                if is_it(&event) {
                    return event;
                }
            }
        }
    }

    /// The next event, if it comes within `timeout`.
    pub(crate) fn next_within(&mut self, timeout: Duration) -> Option<OrderEvent> {
        let event = self.client.next_event(timeout).unwrap()?;
        self.events.push(event);
        Some(event)
    }

    /// How many events of a kind came for a request.
    pub(crate) fn count(&self, request: RequestId, kind: OrderEventKind) -> usize {
        let of_it = |event: &&OrderEvent| event.request_id == request && event.kind == kind;
        self.events.iter().filter(of_it).count()
    }

    /// The last events, each in a line.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |event: &OrderEvent| {
            format!(
                "{} {} request {} {:?} reason {:?} unknown {} code {} {}",
                event.event_seq,
                event.kind,
                event.request_id,
                event.status,
                event.reason,
                event.unknown,
                event.venue_code,
                event.text
            )
        };
        let skipped = self.events.len().saturating_sub(30);
        self.events.iter().skip(skipped).map(line).collect()
    }
}
