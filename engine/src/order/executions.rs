//! Which executions are booked. Forgets one only when its order leaves the store.
//!
//! A chained hash table over a preallocated pool. Key: instrument, our order and the venue's trade
//! id; two of our orders that met each other share a trade id. Deterministic: no seeded hash.

use model::{ClientOrderId, InstrumentId, TradeId};

/// "No node".
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    client_order_id: u64,
    instrument: InstrumentId,
    trade_id: TradeId,
    next_in_bucket: u32,
    next_of_order: u32,
}

/// The executions that are booked.
#[derive(Debug)]
pub struct ExecutionTable {
    buckets: Vec<u32>,
    nodes: Vec<Node>,
    free: u32,
    count: u32,
}

impl ExecutionTable {
    /// Room for `capacity` executions, a power of two.
    pub fn with_capacity(capacity: u32) -> Self {
        assert!(
            capacity.is_power_of_two(),
            "execution capacity is a power of two"
        );
        let blank = Node {
            client_order_id: 0,
            instrument: InstrumentId(0),
            trade_id: TradeId::EMPTY,
            next_in_bucket: NONE,
            next_of_order: NONE,
        };
        let size = usize::try_from(capacity).expect("a u32 fits a usize");
        let mut nodes = vec![blank; size];
        for (next, node) in (1..=capacity).zip(&mut nodes) {
            node.next_in_bucket = if next == capacity { NONE } else { next };
        }
        Self {
            buckets: vec![NONE; size],
            nodes,
            free: 0,
            count: 0,
        }
    }

    /// How many more fit.
    pub fn room(&self) -> u32 {
        u32::try_from(self.nodes.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(self.count)
    }

    /// True when the execution is booked.
    pub fn contains(
        &self,
        client_order_id: ClientOrderId,
        instrument: InstrumentId,
        trade_id: &TradeId,
    ) -> bool {
        let mut at = self.buckets[self.bucket(client_order_id, trade_id)];
        while at != NONE {
            let node = &self.nodes[index(at)];
            if node.client_order_id == client_order_id.integer()
                && node.instrument == instrument
                && node.trade_id == *trade_id
            {
                return true;
            }
            at = node.next_in_bucket;
        }
        false
    }

    /// Remembers an execution at the head of its order's list; gives the new head.
    ///
    /// `None` when the table is full: the caller sees to that before it takes new orders.
    pub(crate) fn insert(
        &mut self,
        client_order_id: ClientOrderId,
        instrument: InstrumentId,
        trade_id: TradeId,
        first_of_order: u32,
    ) -> Option<u32> {
        if self.free == NONE {
            return None;
        }
        let at = self.free;
        let bucket = self.bucket(client_order_id, &trade_id);
        let node = &mut self.nodes[index(at)];
        self.free = node.next_in_bucket;
        *node = Node {
            client_order_id: client_order_id.integer(),
            instrument,
            trade_id,
            next_in_bucket: self.buckets[bucket],
            next_of_order: first_of_order,
        };
        self.buckets[bucket] = at;
        self.count = self.count.saturating_add(1);
        Some(at)
    }

    /// Shows the executions of an order's list, newest first.
    pub(crate) fn each_of(
        &self,
        first_of_order: u32,
        mut visit: impl FnMut(InstrumentId, &TradeId),
    ) {
        let mut at = first_of_order;
        while at != NONE {
            let node = &self.nodes[index(at)];
            visit(node.instrument, &node.trade_id);
            at = node.next_of_order;
        }
    }

    /// Forgets every execution of an order that leaves the store.
    pub(crate) fn remove_all(&mut self, client_order_id: ClientOrderId, first_of_order: u32) {
        let mut at = first_of_order;
        while at != NONE {
            let node = self.nodes[index(at)];
            assert_eq!(
                node.client_order_id,
                client_order_id.integer(),
                "lists never mix orders"
            );
            self.unlink(at, self.bucket(client_order_id, &node.trade_id));
            self.nodes[index(at)].next_in_bucket = self.free;
            self.free = at;
            self.count = self.count.saturating_sub(1);
            at = node.next_of_order;
        }
    }

    /// Copies one order's executions into another table; gives the list's head there.
    ///
    /// # Panics
    /// When the other table is too small: the configuration that asks for it is refused before.
    pub(crate) fn copy_list(&self, first_of_order: u32, into: &mut Self) -> u32 {
        let mut head = NONE;
        let mut at = first_of_order;
        while at != NONE {
            let node = &self.nodes[index(at)];
            let id = ClientOrderId::from_integer(node.client_order_id);
            let id = id.expect("a node in a list has its order's id");
            head = into
                .insert(id, node.instrument, node.trade_id, head)
                .expect("a smaller table is refused before it gets here");
            at = node.next_of_order;
        }
        head
    }

    fn unlink(&mut self, gone: u32, bucket: usize) {
        let after = self.nodes[index(gone)].next_in_bucket;
        if self.buckets[bucket] == gone {
            self.buckets[bucket] = after;
            return;
        }
        let mut at = self.buckets[bucket];
        while at != NONE {
            let node = &mut self.nodes[index(at)];
            if node.next_in_bucket == gone {
                node.next_in_bucket = after;
                return;
            }
            at = node.next_in_bucket;
        }
    }

    fn bucket(&self, client_order_id: ClientOrderId, trade_id: &TradeId) -> usize {
        let mut hash = super::store::mix(client_order_id.integer());
        for chunk in trade_id.as_bytes().chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = super::store::mix(hash ^ u64::from_le_bytes(word));
        }
        super::store::masked(hash, self.buckets.len())
    }
}

fn index(at: u32) -> usize {
    usize::try_from(at).expect("a u32 fits a usize")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn id(sequence: u64) -> ClientOrderId {
        ClientOrderId::from_integer(sequence).unwrap()
    }

    fn trade(number: u64) -> TradeId {
        TradeId::new(number.to_string().as_bytes()).unwrap()
    }

    // covers: V05
    #[test]
    fn an_execution_is_remembered_until_its_order_leaves_and_the_room_comes_back() {
        let mut table = ExecutionTable::with_capacity(64);
        let mut known = HashSet::new();
        for round in 0..50u64 {
            let mut first = NONE;
            for number in 0..32 {
                let trade_id = trade(number);
                assert!(!table.contains(id(round + 1), InstrumentId(1), &trade_id));
                first = table
                    .insert(id(round + 1), InstrumentId(1), trade_id, first)
                    .unwrap();
                known.insert(number);
                assert!(table.contains(id(round + 1), InstrumentId(1), &trade_id));
                assert!(!table.contains(id(round + 1), InstrumentId(2), &trade_id));
            }
            table.remove_all(id(round + 1), first);
            assert_eq!(table.room(), 64);
            assert!(!table.contains(id(round + 1), InstrumentId(1), &trade(3)));
        }
    }

    #[test]
    fn a_full_table_says_so_and_loses_nothing() {
        let mut table = ExecutionTable::with_capacity(2);
        let first = table
            .insert(id(1), InstrumentId(0), trade(1), NONE)
            .unwrap();
        let second = table
            .insert(id(2), InstrumentId(0), trade(1), NONE)
            .unwrap();
        assert_ne!(first, second);
        assert_eq!(table.insert(id(3), InstrumentId(0), trade(1), NONE), None);
        assert!(table.contains(id(1), InstrumentId(0), &trade(1)));
        assert!(table.contains(id(2), InstrumentId(0), &trade(1)));
    }
}
