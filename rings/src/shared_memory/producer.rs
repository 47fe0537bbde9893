//! The sending end of a shared ring.
//!
//! Owns: the position of the next item, kept privately and never read back. Invariants: a slot's
//! payload is stored before its stamp is published; a slot is written again only after the peer's
//! read index, range-checked, says that it was read; an end that met a corrupt index or was closed
//! refuses for good. Must not know: what a payload means, how a sleeping peer is woken.
//! Threads: one owner.

use super::RingCorrupt;
use super::layout::{
    CAPACITY_MIN, CLOSED_MARK_WORD, CLOSED_WORD, HEAD_WORD, PARKED_WORD, SlotPayload, ready_stamp,
    slot_word,
};
use super::words::{OwnWords, PeerWords};
use crate::sync::{Ordering, fence};

/// Why an item did not go in. The caller still has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// No free slot now.
    #[error("the ring is full")]
    Full,
    /// This end was closed by [`Producer::close`].
    #[error("the ring is closed")]
    Closed,
    /// The peer published an impossible read index. Final.
    #[error(transparent)]
    Corrupt(#[from] RingCorrupt),
}

/// The sending end; see the module. Every call is wait-free and makes no system call.
#[derive(Debug)]
pub struct Producer<O, P> {
    own: O,
    peer: P,
    capacity: u64,
    /// Position of the next item; the only truth about it.
    position: u64,
    /// The peer's read index when last looked at: `position - head_cached` is in `0..=capacity`.
    head_cached: u64,
    /// Set once, then given to every call.
    shut: Option<PushError>,
    full_count: u64,
}

impl<O: OwnWords, P: PeerWords> Producer<O, P> {
    /// The sending end over any memory: `own` and `peer` are the files of an attachment whose slots
    /// for this ring number `capacity` and are empty from `start_position` on.
    ///
    /// # Panics
    /// When `capacity` is no power of two of at least 2.
    pub fn over(own: O, peer: P, capacity: u64, start_position: u64) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= CAPACITY_MIN);
        Self {
            own,
            peer,
            capacity,
            position: start_position,
            head_cached: start_position,
            shut: None,
            full_count: 0,
        }
    }

    /// Publishes one item without looking whether the peer sleeps: for a peer that spins or
    /// yields, and for all but the last item of a batch that ends with [`Self::peer_is_parked`].
    ///
    /// # Errors
    /// [`PushError`]; the ring is then as it was.
    #[inline]
    pub fn push(&mut self, payload: &SlotPayload) -> Result<(), PushError> {
        if !self.has_room(1)? {
            self.full_count += 1;
            return Err(PushError::Full);
        }
        let slot = slot_word(self.position, self.capacity);
        self.own.store_payload(slot + 1, payload);
        // SYNC POINT (slot): releases the payload to the acquire fence in `Consumer::pop`.
        self.own.publish(slot, ready_stamp(self.position));
        self.position = self.position.wrapping_add(1);
        Ok(())
    }

    /// Publishes one item and says whether the peer is parked, so that the caller must wake it.
    ///
    /// # Errors
    /// As [`Self::push`].
    #[inline]
    pub fn publish(&mut self, payload: &SlotPayload) -> Result<bool, PushError> {
        self.push(payload)?;
        Ok(self.peer_is_parked())
    }

    /// Whether the peer is parked and must be woken for what was pushed before this call.
    ///
    /// Costs a full fence; once for a batch is enough.
    #[inline]
    pub fn peer_is_parked(&self) -> bool {
        // SYNC POINT (park): with the fence in `Consumer::park_begin` either this load sees the
        // flag, or the peer's next look at the ring sees the stamps stored before.
        fence(Ordering::SeqCst);
        self.peer.load(PARKED_WORD) != 0
    }

    /// Whether `wanted` items fit now. Looks at the peer's line only when the last look is not
    /// enough.
    ///
    /// # Errors
    /// [`PushError::Closed`] or [`PushError::Corrupt`].
    #[inline]
    pub fn has_room(&mut self, wanted: u64) -> Result<bool, PushError> {
        if let Some(error) = self.shut {
            return Err(error);
        }
        if self.free_cached() >= wanted {
            return Ok(true);
        }
        self.refresh_head()?;
        Ok(self.free_cached() >= wanted)
    }

    /// Free slots now, at least: the peer publishes its read index late (every 32 items or when it
    /// finds the ring empty). Always looks at the peer's line.
    ///
    /// # Errors
    /// As [`Self::has_room`].
    pub fn free_slots(&mut self) -> Result<u64, PushError> {
        if let Some(error) = self.shut {
            return Err(error);
        }
        self.refresh_head()?;
        Ok(self.free_cached())
    }

    /// Ends the ring with a number for the reader (where an overrun began, for one): it gets all
    /// that was pushed, then the mark. Later pushes are refused; a second close changes nothing.
    ///
    /// Returns whether the peer is parked and must be woken to see it.
    pub fn close(&mut self, mark: u64) -> bool {
        if self.shut == Some(PushError::Closed) {
            return self.peer_is_parked();
        }
        self.own.store(CLOSED_MARK_WORD, mark);
        // SYNC POINT (close): releases the mark and every slot before it to `Consumer::pop`.
        self.own.publish(CLOSED_WORD, 1);
        self.shut = Some(PushError::Closed);
        self.peer_is_parked()
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Position of the next item: the start position plus all items pushed (wraps).
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Pushes refused with [`PushError::Full`].
    pub fn full_count(&self) -> u64 {
        self.full_count
    }

    #[inline]
    fn free_cached(&self) -> u64 {
        self.capacity - self.position.wrapping_sub(self.head_cached)
    }

    /// Takes over the peer's read index if it is one that an honest peer can have.
    fn refresh_head(&mut self) -> Result<(), PushError> {
        let found = self.peer.load(HEAD_WORD);
        // SYNC POINT (head): acquires the peer's reads of the slots it gives back, released in
        // `Consumer::publish_head`; so our next stores to them come after.
        fence(Ordering::Acquire);
        let unread = self.position.wrapping_sub(self.head_cached);
        if found.wrapping_sub(self.head_cached) > unread {
            let (oldest, newest) = (self.head_cached, self.position);
            let error = PushError::Corrupt(RingCorrupt::HeadOutOfRange {
                found,
                oldest,
                newest,
            });
            self.shut = Some(error);
            return Err(error);
        }
        self.head_cached = found;
        Ok(())
    }
}
