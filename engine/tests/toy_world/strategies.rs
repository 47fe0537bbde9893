//! Strategies that come and go, and place, cancel and replace at random, knowing only their events.

use crate::rig::config::TAG;
use crate::toy_world::venue::chance;
use crate::toy_world::{Happening, World};
use model::input::{Admission, Input, LossReason, RequestInput};
use model::order_request::OrderReference;
use model::time::NS_PER_MS;
use model::{
    BootEpoch, ClientOrderId, InstanceTag, InstrumentId, MonotonicNs, NewOrder, OrderEvent,
    OrderType, Price, Quantity, RejectReason, Request, RequestId, Side, StrategyId, TimeInForce,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// One strategy's own view.
#[derive(Debug)]
pub(crate) struct ToyStrategy {
    pub(crate) id: StrategyId,
    next_request: u64,
    last: Option<RequestInput>,
    known: Vec<(RequestId, ClientOrderId)>,
    read: usize,
}

impl ToyStrategy {
    pub(crate) fn new(id: u16) -> Self {
        Self {
            id: StrategyId(id),
            next_request: 1,
            last: None,
            known: Vec::new(),
            read: 0,
        }
    }

    /// Reads its new events.
    pub(crate) fn read(&mut self, events: &[OrderEvent]) {
        for event in &events[self.read..] {
            if event.kind == model::OrderEventKind::OrderCreated
                && let Some(id) = event.client_order_id
            {
                self.known.push((event.request_id, id));
            }
        }
        self.read = events.len();
    }

    /// What it does next.
    pub(crate) fn act(&mut self, now: MonotonicNs, rng: &mut ChaCha8Rng) -> RequestInput {
        if chance(rng, 3)
            && let Some(last) = self.last
        {
            return last;
        }
        let request = match rng.random_range(0..100) {
            0..55 => Request::New(self.new_order(rng)),
            55..75 => Request::Cancel {
                order: self.some_order(rng),
            },
            75..92 => Request::Replace {
                order: self.some_order(rng),
                order_quantity: Quantity::from_units(rng.random_range(0..=60) * 10),
                limit_price: Price::from_units(rng.random_range(1..=200) * 5),
            },
            92..96 => Request::Query {
                order: self.some_order(rng),
            },
            _ => Request::CancelAll {
                instrument: rng
                    .random_bool(0.5)
                    .then(|| InstrumentId(rng.random_range(0..3))),
            },
        };
        let late_ns = if chance(rng, 3) {
            300_000_000
        } else {
            rng.random_range(0..1_000_000)
        };
        let admission = if chance(rng, 2) {
            Admission::Refused(RejectReason::EventBacklog)
        } else {
            Admission::Granted
        };
        let input = RequestInput {
            strategy: self.id,
            request_id: RequestId(self.next_request),
            written_at: MonotonicNs(now.0.saturating_sub(late_ns)),
            admission,
            request,
        };
        self.next_request += rng.random_range(1..=3);
        self.last = Some(input);
        input
    }

    fn new_order(&self, rng: &mut ChaCha8Rng) -> NewOrder {
        let quantity = if chance(rng, 4) {
            7
        } else {
            rng.random_range(1..=60) * 10
        };
        let time_in_force = match rng.random_range(0..10) {
            0 => TimeInForce::ImmediateOrCancel,
            1 => TimeInForce::FillOrKill,
            _ => TimeInForce::GoodTillCancel,
        };
        NewOrder {
            instrument: InstrumentId(rng.random_range(0..3)),
            side: if rng.random_bool(0.5) {
                Side::Buy
            } else {
                Side::Sell
            },
            order_type: if chance(rng, 2) {
                OrderType::Market
            } else {
                OrderType::Limit
            },
            time_in_force,
            post_only: time_in_force == TimeInForce::GoodTillCancel && chance(rng, 30),
            reduce_only: false,
            order_quantity: Quantity::from_units(quantity),
            limit_price: Price::from_units(rng.random_range(1..=200) * 5),
            valid_for_ns: 0,
        }
    }

    fn some_order(&self, rng: &mut ChaCha8Rng) -> OrderReference {
        if self.known.is_empty() || chance(rng, 3) {
            // Another strategy's order, or nobody's.
            let tag = InstanceTag::new(TAG).expect("the tests' tag");
            let epoch = BootEpoch::new(1).expect("small");
            let id = ClientOrderId::new(tag, epoch, rng.random_range(1..30)).expect("small");
            return OrderReference::ClientOrderId(id);
        }
        let recent = self.known.len().saturating_sub(8);
        let (request, id) = self.known[rng.random_range(recent..self.known.len())];
        if rng.random_bool(0.3) {
            OrderReference::RequestId(request)
        } else {
            OrderReference::ClientOrderId(id)
        }
    }
}

impl World {
    pub(super) fn act(&mut self, strategy: usize) {
        if self.calm {
            return;
        }
        let now = self.monotonic();
        let input = self.strategies[strategy].act(now, &mut self.rng);
        if self.rig.engine.state().strategies[strategy].attached {
            self.feed(&Input::Request(input));
        }
        let after = self.rng.random_range(1..220) * NS_PER_MS;
        self.schedule(after, Happening::Act { strategy });
    }

    pub(super) fn presence(&mut self, strategy: usize) {
        let id = self.strategies[strategy].id;
        if self.rig.engine.state().strategies[strategy].attached && !self.calm {
            let generation = self.rig.engine.state().strategies[strategy].generation;
            let reason = LossReason::HungUp;
            self.feed(&Input::StrategyLost {
                strategy: id,
                generation,
                reason,
            });
            let after = self.rng.random_range(1..2_000) * NS_PER_MS;
            self.schedule(after, Happening::Presence { strategy });
        } else {
            self.generations += 1;
            let generation = self.generations;
            self.feed(&Input::StrategyAttached {
                strategy: id,
                generation,
            });
        }
    }
}
