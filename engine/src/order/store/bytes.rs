//! The store in canonical bytes: used slots, extra places, each order with its executions, and the
//! places of the venue ids' index.
//!
//! The index is put as it stands and not made anew: where two orders carry one venue id, its order
//! of insertion decides which is found. On reading it is asserted instead.

use super::{EMPTY, EXTRA_PLACES, OrderStore, index};
use crate::order::executions::NONE;
use crate::order::{ExecutionTable, Order};
use model::canonical_bytes::{
    ByteSink, ByteSource, BytesError, CanonicalBytes, put_count, take_count,
};
use model::{InstrumentId, TradeId};

impl OrderStore {
    pub(crate) fn put_bytes(&self, executions: &ExecutionTable, sink: &mut impl ByteSink) {
        let Self {
            slots,
            extra,
            by_venue_id,
            open,
        } = self;
        open.put(sink);
        let used = || {
            (0u32..)
                .zip(slots)
                .filter_map(|(at, slot)| Some((at, slot.as_ref()?)))
        };
        put_count(used().count(), sink);
        for (slot, order) in used() {
            slot.put(sink);
            put_order(order, executions, sink);
        }
        put_count(extra.len(), sink);
        for order in extra {
            put_order(order, executions, sink);
        }
        let taken = || {
            (0u32..)
                .zip(by_venue_id)
                .filter(|(_, slot)| **slot != EMPTY)
        };
        put_count(taken().count(), sink);
        for (place, slot) in taken() {
            place.put(sink);
            slot.put(sink);
        }
    }

    pub(crate) fn take(
        capacity: u32,
        executions: &mut ExecutionTable,
        source: &mut ByteSource<'_>,
    ) -> Result<Self, BytesError> {
        let mut store = Self::with_capacity(capacity);
        store.open = CanonicalBytes::take(source)?;
        for _ in 0..take_count(source)? {
            let slot = u32::take(source)?;
            let order = take_order(executions, source)?;
            if store.slot_of(order.client_order_id.sequence()) != index(slot) {
                return invalid("slot of an order", slot);
            }
            store.slots[index(slot)] = Some(order);
        }
        let extra = take_count(source)?;
        if extra > EXTRA_PLACES {
            return invalid("count of extra places", extra);
        }
        for _ in 0..extra {
            let order = take_order(executions, source)?;
            if store.get(order.client_order_id).is_some() {
                return invalid("second order of an id", order.client_order_id.sequence());
            }
            store.extra.push(order);
        }
        store.take_index(source)?;
        Ok(store)
    }

    fn take_index(&mut self, source: &mut ByteSource<'_>) -> Result<(), BytesError> {
        let linked = self.iter().filter(|order| !order.venue_order_id.is_empty());
        let (linked, taken) = (linked.count(), take_count(source)?);
        if linked != taken {
            return invalid("count of venue ids", taken);
        }
        for _ in 0..taken {
            let (place, slot) = (u32::take(source)?, u32::take(source)?);
            let order = self.at(slot);
            if order.is_none_or(|order| order.venue_order_id.is_empty()) {
                return invalid("slot of a venue id", slot);
            }
            match self.by_venue_id.get_mut(index(place)) {
                Some(free) if *free == EMPTY => *free = slot,
                _ => return invalid("place of a venue id", place),
            }
        }
        // As many entries as linked orders, and each order is reached: each has exactly one.
        let slots = (0..self.slot_count()).filter(|slot| {
            let order = self.at(*slot);
            order.is_some_and(|order| !order.venue_order_id.is_empty())
        });
        for slot in slots {
            if !self.is_reached(slot) {
                return invalid("venue id out of reach at slot", slot);
            }
        }
        Ok(())
    }

    /// True when a search for the order's venue id gets to the order.
    fn is_reached(&self, slot: u32) -> bool {
        let Some(order) = self.at(slot) else {
            return false;
        };
        let mut place = self.venue_place(&order.venue_order_id);
        while self.by_venue_id[place] != EMPTY {
            if self.by_venue_id[place] == slot {
                return true;
            }
            place = self.next_place(place);
        }
        false
    }
}

/// Its executions come behind it, newest first; where they lie in the table means nothing.
fn put_order(order: &Order, executions: &ExecutionTable, sink: &mut impl ByteSink) {
    let first = order.first_execution;
    let placeless = Order {
        first_execution: NONE,
        ..*order
    };
    placeless.put(sink);
    let mut count = 0usize;
    executions.each_of(first, |_, _| count = count.saturating_add(1));
    put_count(count, sink);
    executions.each_of(first, |instrument, trade_id| {
        instrument.put(sink);
        trade_id.put(sink);
    });
}

fn take_order(
    executions: &mut ExecutionTable,
    source: &mut ByteSource<'_>,
) -> Result<Order, BytesError> {
    let mut order = Order::take(source)?;
    let mut booked: Vec<(InstrumentId, TradeId)> = Vec::new();
    for _ in 0..take_count(source)? {
        booked.push(CanonicalBytes::take(source)?);
    }
    order.first_execution = NONE;
    for (instrument, trade_id) in booked.into_iter().rev() {
        let id = order.client_order_id;
        if executions.contains(id, instrument, &trade_id) {
            return invalid("second booking of an execution of order", id.sequence());
        }
        let head = executions.insert(id, instrument, trade_id, order.first_execution);
        let Some(head) = head else {
            return invalid("execution beyond the capacity of order", id.sequence());
        };
        order.first_execution = head;
    }
    Ok(order)
}

fn invalid<T>(what: &'static str, found: impl TryInto<u64>) -> Result<T, BytesError> {
    let found = found.try_into().unwrap_or(u64::MAX);
    Err(BytesError::Invalid { what, found })
}
