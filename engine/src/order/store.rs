//! Every order, preallocated: found by our id without a hash, and by the venue's id with one.
//!
//! The slot is the sequence inside our own id modulo the capacity, and the whole id is compared. A
//! sequence whose slot still holds an order is skipped. Orders of ours from a lost journal tail
//! take the slot of their id too, or one of a few extra places.

mod bytes;

use super::record::Order;
use model::{ClientOrderId, VenueOrderId};

/// Places for adopted orders whose own slot is taken.
const EXTRA_PLACES: usize = 256;
/// How many taken slots a new order looks at before the store counts as full.
pub(crate) const PROBES_MAX: u32 = 1024;
const EMPTY: u32 = u32::MAX;

/// Where a new order can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The slot of this sequence is free.
    Free {
        /// The sequence.
        sequence: u32,
    },
    /// The slot of this sequence holds an order that ended long ago and leaves now.
    Evict {
        /// The sequence.
        sequence: u32,
        /// The order that leaves.
        leaving: ClientOrderId,
    },
}

/// All orders.
#[derive(Debug)]
pub struct OrderStore {
    slots: Vec<Option<Order>>,
    extra: Vec<Order>,
    by_venue_id: Vec<u32>,
    open: u32,
}

impl OrderStore {
    /// A store for `capacity` orders, a power of two.
    pub fn with_capacity(capacity: u32) -> Self {
        assert!(
            capacity.is_power_of_two(),
            "order capacity is a power of two"
        );
        let size = usize::try_from(capacity).expect("a u32 fits a usize");
        Self {
            slots: vec![None; size],
            extra: Vec::with_capacity(EXTRA_PLACES),
            by_venue_id: vec![EMPTY; venue_places(size)],
            open: 0,
        }
    }

    /// Slots to walk for an act over all orders; extra places come last.
    pub fn slot_count(&self) -> u32 {
        u32::try_from(self.slots.len().saturating_add(self.extra.len())).unwrap_or(u32::MAX)
    }

    /// The order in a slot.
    pub fn at(&self, slot: u32) -> Option<&Order> {
        let slot = index(slot);
        match self.slots.get(slot) {
            Some(place) => place.as_ref(),
            None => self.extra.get(slot.saturating_sub(self.slots.len())),
        }
    }

    /// The order with our id.
    pub fn get(&self, id: ClientOrderId) -> Option<&Order> {
        match &self.slots[self.slot_of(id.sequence())] {
            Some(order) if order.client_order_id == id => Some(order),
            _ => self.extra.iter().find(|order| order.client_order_id == id),
        }
    }

    pub(crate) fn get_mut(&mut self, id: ClientOrderId) -> Option<&mut Order> {
        let slot = self.slot_of(id.sequence());
        match &mut self.slots[slot] {
            Some(order) if order.client_order_id == id => Some(order),
            _ => self
                .extra
                .iter_mut()
                .find(|order| order.client_order_id == id),
        }
    }

    /// The order with the venue's id.
    pub fn get_by_venue_id(&self, venue_order_id: &VenueOrderId) -> Option<&Order> {
        let mut place = self.venue_place(venue_order_id);
        loop {
            let slot = self.by_venue_id[place];
            if slot == EMPTY {
                return None;
            }
            match self.at(slot) {
                Some(order) if order.venue_order_id == *venue_order_id => return Some(order),
                _ => place = self.next_place(place),
            }
        }
    }

    /// Every order that is in the store.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots.iter().flatten().chain(&self.extra)
    }

    /// Where the next new order goes, from `sequence` on. `None` = no place.
    pub fn place_from(
        &self,
        sequence: u32,
        may_leave: impl Fn(&Order) -> bool,
    ) -> Option<Placement> {
        for step in 0..PROBES_MAX {
            let sequence = sequence.checked_add(step)?;
            if sequence > ClientOrderId::SEQUENCE_MAX {
                return None;
            }
            match &self.slots[self.slot_of(sequence)] {
                None => return Some(Placement::Free { sequence }),
                Some(order) if may_leave(order) => {
                    return Some(Placement::Evict {
                        sequence,
                        leaving: order.client_order_id,
                    });
                }
                Some(_) => {}
            }
        }
        None
    }

    /// True when an adopted order with this id has a place.
    pub fn has_place_for(&self, id: ClientOrderId) -> bool {
        self.slots[self.slot_of(id.sequence())].is_none() || self.extra.len() < EXTRA_PLACES
    }

    /// Puts an order into its slot, or an extra place.
    ///
    /// # Panics
    /// When neither is free: the place is found before the order is decided.
    pub(crate) fn insert(&mut self, order: Order) {
        let slot = self.slot_of(order.client_order_id.sequence());
        let linked = order.venue_order_id;
        let id = order.client_order_id;
        if self.slots[slot].is_none() {
            self.slots[slot] = Some(order);
        } else {
            assert!(
                self.extra.len() < EXTRA_PLACES,
                "a place is found before an order is decided"
            );
            self.extra.push(order);
        }
        if !linked.is_empty() {
            self.link(id, linked);
        }
    }

    /// Takes an order out of the store.
    pub(crate) fn remove(&mut self, id: ClientOrderId) -> Option<Order> {
        let slot = self.slot_of(id.sequence());
        let order = self.slots[slot].filter(|order| order.client_order_id == id)?;
        self.unlink(&order);
        self.slots[slot] = None;
        Some(order)
    }

    /// Makes the order findable by the venue's id.
    pub(crate) fn link(&mut self, id: ClientOrderId, venue_order_id: VenueOrderId) {
        let slot = self.slot_with(id);
        if let Some(order) = self.get_mut(id) {
            order.venue_order_id = venue_order_id;
        }
        let mut place = self.venue_place(&venue_order_id);
        while self.by_venue_id[place] != EMPTY {
            place = self.next_place(place);
        }
        self.by_venue_id[place] = slot;
    }

    fn slot_with(&self, id: ClientOrderId) -> u32 {
        let slot = self.slot_of(id.sequence());
        let found = match &self.slots[slot] {
            Some(order) if order.client_order_id == id => slot,
            _ => {
                let extra = self
                    .extra
                    .iter()
                    .position(|order| order.client_order_id == id);
                self.slots
                    .len()
                    .saturating_add(extra.expect("only orders in the store are linked"))
            }
        };
        u32::try_from(found).expect("slots are counted in 32 bits")
    }

    /// Removes the venue id's entry and closes the gap that it leaves in its run.
    fn unlink(&mut self, order: &Order) {
        if order.venue_order_id.is_empty() {
            return;
        }
        let slot = self.slot_with(order.client_order_id);
        let mut gap = self.venue_place(&order.venue_order_id);
        while self.by_venue_id[gap] != slot {
            if self.by_venue_id[gap] == EMPTY {
                return;
            }
            gap = self.next_place(gap);
        }
        self.by_venue_id[gap] = EMPTY;
        let mut place = self.next_place(gap);
        while self.by_venue_id[place] != EMPTY {
            let moved = self.by_venue_id[place];
            let home = self
                .at(moved)
                .map_or(place, |order| self.venue_place(&order.venue_order_id));
            // Movable when the gap lies between its home and its place, in ring order.
            let from_home = place.wrapping_sub(home) & self.place_mask();
            let from_gap = place.wrapping_sub(gap) & self.place_mask();
            if from_home >= from_gap {
                self.by_venue_id[gap] = moved;
                self.by_venue_id[place] = EMPTY;
                gap = place;
            }
            place = self.next_place(place);
        }
    }

    fn slot_of(&self, sequence: u32) -> usize {
        index(sequence) & self.slots.len().wrapping_sub(1)
    }

    fn venue_place(&self, venue_order_id: &VenueOrderId) -> usize {
        let mut hash = 0;
        for chunk in venue_order_id.as_bytes().chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = mix(hash ^ u64::from_le_bytes(word));
        }
        masked(hash, self.by_venue_id.len())
    }

    fn place_mask(&self) -> usize {
        self.by_venue_id.len().wrapping_sub(1)
    }

    fn next_place(&self, place: usize) -> usize {
        place.wrapping_add(1) & self.place_mask()
    }

    /// Open orders.
    pub fn open_count(&self) -> u32 {
        self.open
    }

    pub(crate) fn set_open_count(&mut self, open: u32) {
        self.open = open;
    }
}

/// A fixed 64-bit mixer (splitmix64's finaliser): the same on every run and machine.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The low bits of a hash for a table of `length`, a power of two.
pub(crate) fn masked(hash: u64, length: usize) -> usize {
    usize::try_from(hash).unwrap_or(0) & length.wrapping_sub(1)
}

/// Places of the venue ids' table: at most half are ever taken, extra places included, so a search
/// always ends.
fn venue_places(slots: usize) -> usize {
    slots
        .saturating_add(EXTRA_PLACES)
        .next_power_of_two()
        .saturating_mul(2)
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a u32 fits a usize")
}
