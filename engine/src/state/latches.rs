//! The latches that are closed: kill and reduce-only, each over its scope.
//!
//! A short list that is empty in a normal day, so that a check costs one comparison. It is part of
//! the state: folded from the journal, so a latch survives every restart.

use super::State;
use crate::order::Order;
use model::canonical_bytes::{
    ByteSink, ByteSource, BytesError, CanonicalBytes, put_count, take_count,
};
use model::control::{ControlScope, Latch};
use model::decision::VenueState;
use model::engine_config::RateScope;
use model::{
    ClientOrderId, CommandKind, Decision, EngineConfig, InstrumentId, StrategyId, VenueId,
};

/// The closed latches, in the order in which they were closed.
#[derive(Debug, Default)]
pub struct Latches {
    closed: Vec<(Latch, ControlScope)>,
}

impl Latches {
    /// All open, with room for every latch that a configuration can have.
    pub(super) fn with_room_for(config: &EngineConfig) -> Self {
        let mut latches = Self::default();
        latches.reserve(config);
        latches
    }

    /// Room for every latch that a configuration can have.
    pub(super) fn reserve(&mut self, config: &EngineConfig) {
        let scopes = [
            config.venues.len(),
            config.instruments.len(),
            config.strategies.len(),
        ];
        let scopes = scopes.into_iter().fold(1, usize::saturating_add);
        let most = scopes.saturating_mul(Latch::ALL.len());
        self.closed.reserve(most.saturating_sub(self.closed.len()));
    }

    /// Every closed latch.
    pub fn closed(&self) -> &[(Latch, ControlScope)] {
        &self.closed
    }

    /// True when exactly this latch is closed.
    pub fn is_closed(&self, latch: Latch, scope: ControlScope) -> bool {
        self.closed.contains(&(latch, scope))
    }

    /// Puts the closed latches, for the state's bytes.
    pub(super) fn put(&self, sink: &mut impl ByteSink) {
        put_count(self.closed.len(), sink);
        for (latch, scope) in &self.closed {
            latch.put(sink);
            scope.put(sink);
        }
    }

    /// Reads them back.
    pub(super) fn take(
        config: &EngineConfig,
        source: &mut ByteSource<'_>,
    ) -> Result<Self, BytesError> {
        let mut latches = Self::with_room_for(config);
        for _ in 0..take_count(source)? {
            let latch = CanonicalBytes::take(source)?;
            latches.set(latch, CanonicalBytes::take(source)?, true);
        }
        Ok(latches)
    }

    pub(super) fn apply(&mut self, decision: &Decision) {
        if let Decision::LatchSet {
            latch,
            scope,
            closed,
        } = decision
        {
            self.set(*latch, *scope, *closed);
        }
    }

    fn set(&mut self, latch: Latch, scope: ControlScope, closed: bool) {
        if !closed {
            self.closed.retain(|one| *one != (latch, scope));
        } else if !self.is_closed(latch, scope) {
            self.closed.push((latch, scope));
        }
    }
}

impl State {
    /// True when a kill latch covers a strategy's orders in an instrument.
    pub fn is_killed(&self, strategy: StrategyId, instrument: InstrumentId) -> bool {
        self.is_latched(Latch::Kill, strategy, instrument)
    }

    /// True when a reduce-only latch covers a strategy's orders in an instrument.
    pub fn is_reduce_only(&self, strategy: StrategyId, instrument: InstrumentId) -> bool {
        self.is_latched(Latch::ReduceOnly, strategy, instrument)
    }

    fn is_latched(&self, latch: Latch, strategy: StrategyId, instrument: InstrumentId) -> bool {
        let closed = self.latches.closed();
        if closed.is_empty() {
            return false;
        }
        let venue = self.venue_of(instrument);
        let covers = |scope: ControlScope| scope.covers(strategy, instrument, venue);
        closed
            .iter()
            .any(|(one, scope)| *one == latch && covers(*scope))
    }

    /// True when a command that was started before may not go out any more, because a kill latch
    /// was closed over its order since. A cancel always may.
    pub fn is_barred(&self, order: ClientOrderId, command: CommandKind) -> bool {
        if command == CommandKind::Cancel || self.latches.closed().is_empty() {
            return false;
        }
        let order = self.orders.get(order);
        order.is_none_or(|order| self.is_killed(order.strategy, order.instrument))
    }

    /// A venue's state as people see it: HALTED under a kill latch over it or over everything.
    pub fn venue_state(&self, venue: VenueId) -> Option<VenueState> {
        let status = self.venues.get(usize::from(venue.0))?;
        let halts = |scope| self.latches.is_closed(Latch::Kill, scope);
        if halts(ControlScope::All) || halts(ControlScope::Venue(venue)) {
            return Some(VenueState::Halted);
        }
        Some(status.state)
    }

    /// True when an order is under a scope.
    pub fn is_in_scope(&self, order: &Order, scope: ControlScope) -> bool {
        let venue = self.venue_of(order.instrument);
        scope.covers(order.strategy, order.instrument, venue)
    }

    /// The longest that the cancels of every open order under a scope can take by the venues'
    /// rates, as if their windows were full now.
    pub fn cancels_take_ns(&self, scope: ControlScope) -> u64 {
        let mut longest_ns: u64 = 0;
        for (at, policy) in (0..=u8::MAX).zip(&self.config.venues) {
            for rule in policy.rates.iter().filter(|rule| rule.counts_cancel) {
                let most = match rule.scope {
                    RateScope::Account => self.open_under(scope, VenueId(at), None),
                    RateScope::Instrument => {
                        let all = self.config.instruments.iter();
                        let each = all.map(|policy| {
                            self.open_under(scope, VenueId(at), Some(policy.instrument.id))
                        });
                        each.max().unwrap_or(0)
                    }
                };
                let windows = match u64::from(rule.messages) {
                    0 if most > 0 => u64::MAX,
                    messages => most.div_ceil(messages.max(1)),
                };
                longest_ns = longest_ns.max(windows.saturating_mul(rule.window_ns));
            }
        }
        longest_ns
    }

    fn open_under(
        &self,
        scope: ControlScope,
        venue: VenueId,
        instrument: Option<InstrumentId>,
    ) -> u64 {
        let counted = self.orders.iter().filter(|order| {
            order.is_open()
                && self.is_in_scope(order, scope)
                && self.venue_of(order.instrument) == Some(venue)
                && instrument.is_none_or(|instrument| order.instrument == instrument)
        });
        u64::try_from(counted.count()).unwrap_or(u64::MAX)
    }

    /// Open orders under a scope, unknown ones included.
    pub fn open_in_scope(&self, scope: ControlScope) -> u32 {
        match scope {
            ControlScope::All => self.orders.open_count(),
            ControlScope::Instrument(instrument) => {
                let exposure = self.exposures.get(super::place(instrument.0));
                exposure.map_or(0, |exposure| exposure.open_orders)
            }
            ControlScope::Strategy(strategy) => {
                let strategy = self.strategies.get(usize::from(strategy.0));
                strategy.map_or(0, |strategy| strategy.open_orders)
            }
            ControlScope::Venue(venue) => {
                let policies = self.config.instruments.iter().zip(&self.exposures);
                let there = policies.filter(|(policy, _)| policy.instrument.venue == venue);
                there.fold(0, |sum: u32, (_, exposure)| {
                    sum.saturating_add(exposure.open_orders)
                })
            }
        }
    }
}
