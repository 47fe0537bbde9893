//! Kills at random moments, and the check of them: a book of its own about what may be started.
//!
//! The book is kept from the orders that were given, never from the engine's state.

use crate::toy_world::{Happening, World};
use model::control::{Author, Control, ControlOrigin, ControlScope, Latch, LatchOrder};
use model::input::Input;
use model::order_change::ChangeBody;
use model::time::NS_PER_MS;
use model::{CommandKind, Decision, InstrumentId, OrderIntent, StrategyId, Text, UnixNs, VenueId};
use rand::RngExt;
use std::collections::BTreeMap;

/// The latches that were ordered closed, and whose order is whose.
#[derive(Debug, Default)]
pub(crate) struct KillBook {
    closed: Vec<ControlScope>,
    strategy_of: BTreeMap<u64, StrategyId>,
    /// Kills given.
    pub(crate) kills: u32,
}

impl KillBook {
    /// True when everything is killed.
    pub(crate) fn covers_all(&self) -> bool {
        self.closed.contains(&ControlScope::All)
    }

    /// An order's strategy is told by the order's first change.
    pub(crate) fn note(&mut self, decision: &Decision) {
        if let Decision::Order(change) = decision
            && let ChangeBody::Created { .. } = change.body
        {
            let id = change.client_order_id.integer();
            self.strategy_of.insert(id, change.strategy);
        }
    }

    /// P8: nothing but a cancel begins under a closed latch.
    pub(crate) fn check(&self, intent: &OrderIntent) {
        let strategy = self.strategy_of.get(&intent.client_order_id.integer());
        let venue = VenueId(u8::from(intent.instrument == InstrumentId(2)));
        let covers = |scope: &ControlScope| match scope {
            ControlScope::All => true,
            ControlScope::Venue(other) => *other == venue,
            ControlScope::Instrument(other) => *other == intent.instrument,
            ControlScope::Strategy(other) => strategy == Some(other),
        };
        assert!(
            intent.command == CommandKind::Cancel || !self.closed.iter().any(covers),
            "P8: {:?} of {} was started under a kill",
            intent.command,
            intent.client_order_id
        );
    }
}

impl World {
    pub(crate) fn schedule_kills(&mut self) {
        if !self.rng.random_bool(0.4) {
            return;
        }
        for _ in 0..self.rng.random_range(1..4) {
            let at = self.rng.random_range(500..14_000) * NS_PER_MS;
            let scope = match self.rng.random_range(0..6) {
                0 => ControlScope::Venue(VenueId(self.rng.random_range(0..2))),
                1 => ControlScope::Instrument(InstrumentId(self.rng.random_range(0..3))),
                2 => ControlScope::Strategy(StrategyId(self.rng.random_range(0..3))),
                _ => ControlScope::All,
            };
            self.schedule(at, Happening::Kill { scope, close: true });
            // Half of them stay closed to the end.
            if self.rng.random_bool(0.5) {
                let after = at + self.rng.random_range(1..4_000) * NS_PER_MS;
                self.schedule(
                    after,
                    Happening::Kill {
                        scope,
                        close: false,
                    },
                );
            }
        }
    }

    pub(crate) fn set_kill(&mut self, scope: ControlScope, close: bool) {
        self.kills.closed.retain(|closed| *closed != scope);
        if close {
            self.kills.closed.push(scope);
            self.kills.kills += 1;
        }
        let order = LatchOrder {
            latch: Latch::Kill,
            scope,
            close,
            author: Author {
                origin: ControlOrigin::File,
                uid: 0,
                ordered_at: UnixNs(self.now),
                reason: Text::EMPTY,
            },
        };
        self.feed(&Input::Control(Control::SetLatch(order)));
    }
}
