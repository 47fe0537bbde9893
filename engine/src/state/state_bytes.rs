//! The whole state in canonical bytes and back, and the digest over the same bytes.
//!
//! One list of fields serves both, taken apart by patterns without `..`: a field that is added to
//! the state, or to anything in it, is in the bytes and in the digest or it does not compile. Only
//! used slots are put. What follows from the rest (deadlines, the executions' table) is made anew
//! on reading; then the state is put once more, and bytes that it would not have written are
//! refused. Not for the hot path: both walk the whole store.

use super::digest::StreamHash;
use super::{
    DeadlineKey, Deadlines, Latches, State, StrategyState, TASKS_MAX, TaskProgress, VenueRates,
};
use crate::order::{ExecutionTable, OrderStore};
use model::canonical_bytes::{
    ByteSink, ByteSource, BytesError, CanonicalBytes, put_count, take_count,
};
use model::{EngineConfig, InstrumentId, MonotonicNs, VenueId};
use std::collections::VecDeque;

/// Version of these bytes. Another version is not read: the journal is folded instead.
pub const STATE_VERSION: u16 = 1;
/// Most orders, executions and remembered answers that a configuration may ask for: what reads a
/// state reserves nothing beyond them.
const ORDER_CAPACITY_MAX: u32 = 1 << 22;
const EXECUTION_CAPACITY_MAX: u32 = 1 << 24;
pub(super) const ANSWER_WINDOW_MAX: u32 = 1 << 20;

/// Why bytes are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateBytesError {
    /// They are short, long, or hold a value that no field has.
    Bytes(BytesError),
    /// They are of another version.
    Version {
        /// The version that is read.
        expected: u16,
        /// The version found.
        found: u16,
    },
    /// A state with these values would have written other bytes.
    NotWritten {
        /// The first byte that differs.
        offset_bytes: usize,
    },
}

impl From<BytesError> for StateBytesError {
    fn from(error: BytesError) -> Self {
        Self::Bytes(error)
    }
}

impl core::fmt::Display for StateBytesError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Bytes(error) => write!(f, "no state of an engine: {error}"),
            Self::Version { expected, found } => {
                write!(f, "state of version {found}; this version reads {expected}")
            }
            Self::NotWritten { offset_bytes } => write!(
                f,
                "no state of an engine: its parts contradict each other at byte {offset_bytes}"
            ),
        }
    }
}

impl std::error::Error for StateBytesError {}

impl State {
    /// A hash of everything that can change a decision: two states with equal digests decide alike
    /// on equal inputs (but for a 64-bit chance). Not for the hot path.
    pub fn digest(&self) -> u64 {
        let mut sink = StreamHash::default();
        self.put_bytes(&mut sink);
        sink.finish()
    }

    /// The digest of the state that wrote these bytes.
    pub fn digest_of(bytes: &[u8]) -> u64 {
        let mut sink = StreamHash::default();
        sink.put(bytes);
        sink.finish()
    }

    /// A hash of the configuration in force.
    pub fn config_digest(&self) -> u64 {
        let mut sink = StreamHash::default();
        self.config.put(&mut sink);
        sink.finish()
    }

    /// Puts the whole state. The same for a live engine and for one that folded its journal.
    pub fn put_bytes(&self, sink: &mut impl ByteSink) {
        let Self {
            config,
            epoch,
            anchor,
            past_runs,
            next_order_sequence,
            probe_offset,
            next_intent_seq,
            orders,
            executions,
            exposures,
            positions,
            foreign_fills,
            balances,
            strategies,
            venues,
            rates,
            intake_open,
            latches,
            tasks,
            // Made anew of orders, venues and positions; what it says first is put.
            deadlines: _,
        } = self;
        STATE_VERSION.put(sink);
        config.put(sink);
        epoch.put(sink);
        anchor.put(sink);
        put_all(past_runs.iter(), past_runs.len(), sink);
        next_order_sequence.put(sink);
        probe_offset.put(sink);
        next_intent_seq.put(sink);
        intake_open.put(sink);
        latches.put(sink);
        orders.put_bytes(executions, sink);
        put_all(exposures.iter(), exposures.len(), sink);
        put_all(positions.iter(), positions.len(), sink);
        foreign_fills.put(sink);
        balances.put(sink);
        for strategy in strategies {
            strategy.put(sink);
        }
        put_all(venues.iter(), venues.len(), sink);
        for rate in rates.iter().flat_map(|rates| &rates.by_rule).flatten() {
            rate.put(sink);
        }
        put_all(tasks.iter(), tasks.len(), sink);
        self.next_deadline().put(sink);
    }

    /// Reads a state back: the same digest, and the same decisions from here on.
    ///
    /// # Errors
    /// Bytes that [`Self::put_bytes`] of this version could not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateBytesError> {
        let mut source = ByteSource::new(bytes);
        let found = u16::take(&mut source)?;
        if found != STATE_VERSION {
            return Err(StateBytesError::Version {
                expected: STATE_VERSION,
                found,
            });
        }
        let state = Self::take(&mut source)?;
        source.finish()?;
        let mut same = Matching {
            expected: bytes,
            matched_bytes: 0,
            differs: false,
        };
        state.put_bytes(&mut same);
        if same.differs || same.matched_bytes != bytes.len() {
            let offset_bytes = same.matched_bytes;
            return Err(StateBytesError::NotWritten { offset_bytes });
        }
        Ok(state)
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let config = EngineConfig::take(source)?;
        let (orders_max, executions_max) = (ORDER_CAPACITY_MAX, EXECUTION_CAPACITY_MAX);
        check_capacity("order capacity", config.order_capacity, orders_max)?;
        check_capacity(
            "execution capacity",
            config.execution_capacity,
            executions_max,
        )?;
        let epoch = CanonicalBytes::take(source)?;
        let anchor = CanonicalBytes::take(source)?;
        let past_runs = take_all(source)?;
        let next_order_sequence = CanonicalBytes::take(source)?;
        let probe_offset = CanonicalBytes::take(source)?;
        let next_intent_seq = CanonicalBytes::take(source)?;
        let intake_open = CanonicalBytes::take(source)?;
        let latches = Latches::take(&config, source)?;
        let mut executions = ExecutionTable::with_capacity(config.execution_capacity);
        let orders = OrderStore::take(config.order_capacity, &mut executions, source)?;
        let exposures = take_counted("exposures", config.instruments.len(), source)?;
        let positions = take_counted("positions", config.instruments.len(), source)?;
        let foreign_fills = CanonicalBytes::take(source)?;
        let balances = CanonicalBytes::take(source)?;
        let strategies = config.strategies.iter();
        let strategies =
            strategies.map(|policy| StrategyState::take(policy.orders_per_s_max, source));
        let strategies = strategies.collect::<Result<_, _>>()?;
        let venues = take_counted("venues", config.venues.len(), source)?;
        let rates = config.venues.iter();
        let rates = rates.map(|policy| VenueRates::take(policy, config.instruments.len(), source));
        let rates = rates.collect::<Result<_, _>>()?;
        let mut tasks = VecDeque::with_capacity(TASKS_MAX);
        tasks.extend(take_all::<TaskProgress>(source)?);
        let mut state = Self {
            deadlines: Deadlines::with_capacity(config.order_capacity),
            config,
            epoch,
            anchor,
            past_runs,
            next_order_sequence,
            probe_offset,
            next_intent_seq,
            orders,
            executions,
            exposures,
            positions,
            foreign_fills,
            balances,
            strategies,
            venues,
            rates,
            intake_open,
            latches,
            tasks,
        };
        state.recount();
        state.enter_deadlines();
        let _checked_by_putting_it_again = MonotonicNs::take(source)?;
        Ok(state)
    }

    /// What open orders add up to, made anew: a state whose sums were wrong is put otherwise.
    fn recount(&mut self) {
        for exposure in &mut self.exposures {
            exposure.forget_open_orders();
        }
        for strategy in &mut self.strategies {
            strategy.open_orders = 0;
        }
        self.orders.set_open_count(0);
        let slots = self.orders.slot_count();
        for slot in 0..slots {
            if let Some(order) = self.orders.at(slot).copied() {
                self.count_in(&order);
            }
        }
    }

    fn enter_deadlines(&mut self) {
        for order in self.orders.iter() {
            self.deadlines
                .set(order.deadline, DeadlineKey::Order(order.client_order_id));
        }
        for (venue, status) in (0..=u8::MAX).zip(&self.venues) {
            self.deadlines
                .set(status.sweep_due, DeadlineKey::Sweep(VenueId(venue)));
        }
        for (number, position) in (0..=u32::MAX).zip(&self.positions) {
            let key = DeadlineKey::Position(InstrumentId(number));
            self.deadlines.set(position.check_due, key);
        }
    }
}

pub(super) fn check_capacity(
    what: &'static str,
    capacity: u32,
    most: u32,
) -> Result<(), BytesError> {
    if capacity.is_power_of_two() && capacity <= most {
        return Ok(());
    }
    Err(BytesError::Invalid {
        what,
        found: capacity.into(),
    })
}

/// Puts a list with a 32-bit count before it.
fn put_all<'a, T: CanonicalBytes + 'a>(
    all: impl Iterator<Item = &'a T>,
    count: usize,
    sink: &mut impl ByteSink,
) {
    put_count(count, sink);
    all.for_each(|element| element.put(sink));
}

fn take_all<T: CanonicalBytes>(source: &mut ByteSource<'_>) -> Result<Vec<T>, BytesError> {
    (0..take_count(source)?).map(|_| T::take(source)).collect()
}

/// Takes a list that has as many elements as the configuration says.
fn take_counted<T: CanonicalBytes>(
    what: &'static str,
    count: usize,
    source: &mut ByteSource<'_>,
) -> Result<Vec<T>, BytesError> {
    let all: Vec<T> = take_all(source)?;
    if all.len() == count {
        return Ok(all);
    }
    Err(BytesError::Invalid {
        what,
        found: u64::try_from(all.len()).unwrap_or(u64::MAX),
    })
}

/// A sink that compares what is put with what is expected.
struct Matching<'a> {
    expected: &'a [u8],
    matched_bytes: usize,
    differs: bool,
}

impl ByteSink for Matching<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if self.differs {
            return;
        }
        let rest = self.expected.get(self.matched_bytes..).unwrap_or_default();
        let equal = rest
            .iter()
            .zip(bytes)
            .take_while(|(one, other)| one == other);
        let equal = if rest.starts_with(bytes) {
            bytes.len()
        } else {
            equal.count()
        };
        self.differs = equal < bytes.len();
        self.matched_bytes = self.matched_bytes.saturating_add(equal);
    }
}
