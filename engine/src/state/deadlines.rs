//! What is due when: a heap of (moment, key) with stale entries skipped by asking the owner.
//!
//! Fires in (moment, key) order, so the same inputs give the same order. The heap never
//! reallocates: when it is full, entries that their owner no longer has are dropped first.

use model::{ClientOrderId, InstrumentId, MonotonicNs, VenueId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Who wants to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadlineKey {
    /// A venue's next sweep.
    Sweep(VenueId),
    /// An order.
    Order(ClientOrderId),
    /// An instrument's position against the venue's.
    Position(InstrumentId),
}

/// All deadlines.
#[derive(Debug)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(MonotonicNs, DeadlineKey)>>,
}

impl Deadlines {
    /// Room for four times as many entries as there can be orders.
    pub fn with_capacity(orders: u32) -> Self {
        let orders = usize::try_from(orders).unwrap_or(usize::MAX);
        Self {
            heap: BinaryHeap::with_capacity(orders.saturating_mul(4).saturating_add(1024)),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }

    /// True when the next [`Self::set`] would have to allocate.
    pub(crate) fn is_full(&self) -> bool {
        self.heap.len() >= self.heap.capacity()
    }

    /// Drops every entry that its owner no longer has.
    pub(crate) fn retain(&mut self, keep: impl Fn(MonotonicNs, DeadlineKey) -> bool) {
        self.heap.retain(|Reverse((at, key))| keep(*at, *key));
    }

    pub(crate) fn set(&mut self, at: MonotonicNs, key: DeadlineKey) {
        if at < MonotonicNs::NEVER {
            self.heap.push(Reverse((at, key)));
        }
    }

    /// The earliest entry.
    pub fn first(&self) -> Option<(MonotonicNs, DeadlineKey)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    pub(crate) fn pop(&mut self) {
        self.heap.pop();
    }
}
