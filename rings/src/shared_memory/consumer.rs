//! The taking end of a shared ring.
//!
//! Owns: the position of the next item to take, kept privately and never read back. Invariants: a
//! slot is copied once, word by word, into private memory, and its stamp is looked at before and
//! after the copy; a stamp is either ready or empty for this lap, anything else is corruption;
//! corruption is final. Must not know: what a payload means, how its thread waits.
//! Threads: one owner.

use super::RingCorrupt;
use super::layout::{
    CAPACITY_MIN, CLOSED_MARK_WORD, CLOSED_WORD, HEAD_PUBLISH_INTERVAL, HEAD_WORD, PARKED_WORD,
    PAYLOAD_WORDS, SlotPayload, empty_stamp, ready_stamp, slot_word,
};
use super::words::{OwnWords, PeerWords};
use crate::sync::{Ordering, fence};

/// Why no item will come any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PopError {
    /// The producer closed the ring and everything before was taken.
    #[error("the ring was closed by its producer with mark {mark}")]
    Closed {
        /// The number that the producer gave to `close`.
        mark: u64,
    },
    /// The ring holds what no honest producer writes. Final.
    #[error(transparent)]
    Corrupt(#[from] RingCorrupt),
}

/// The taking end; see the module. Every call is wait-free and makes no system call.
#[derive(Debug)]
pub struct Consumer<O, P> {
    own: O,
    peer: P,
    capacity: u64,
    /// Position of the next item; the only truth about it.
    position: u64,
    /// Items taken since the read index was last published.
    unpublished: u64,
    publish_interval: u64,
    corrupt: Option<RingCorrupt>,
}

impl<O: OwnWords, P: PeerWords> Consumer<O, P> {
    /// The taking end over any memory: `own` and `peer` are the files of an attachment whose slots
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
            unpublished: 0,
            publish_interval: HEAD_PUBLISH_INTERVAL.min(capacity / 2),
            corrupt: None,
        }
    }

    /// Copies the oldest item into `payload` and says whether there was one. The copy is private:
    /// nothing the peer does later changes it. Its words are still the peer's claim and need
    /// checking. Without an item, and after an error, what `payload` holds means nothing.
    ///
    /// # Errors
    /// [`PopError::Closed`] after the last item of a closed ring; [`PopError::Corrupt`] from the
    /// first sign of corruption on.
    #[inline]
    pub fn pop_into(&mut self, payload: &mut SlotPayload) -> Result<bool, PopError> {
        if self.peek_ready()? || self.is_ready_behind_close()? {
            self.take(payload)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// As [`Self::pop_into`], by value: one more copy of 120 bytes.
    ///
    /// # Errors
    /// As [`Self::pop_into`].
    #[inline]
    pub fn pop(&mut self) -> Result<Option<SlotPayload>, PopError> {
        let mut payload = [0; PAYLOAD_WORDS];
        Ok(self.pop_into(&mut payload)?.then_some(payload))
    }

    /// Whether [`Self::pop`] would give an item now.
    ///
    /// # Errors
    /// [`PopError::Corrupt`].
    #[inline]
    pub fn peek_ready(&mut self) -> Result<bool, PopError> {
        if let Some(corrupt) = self.corrupt {
            return Err(corrupt.into());
        }
        let found = self.peer.load(slot_word(self.position, self.capacity));
        // SYNC POINT (slot): acquires the payload released in `Producer::push`.
        fence(Ordering::Acquire);
        let expected_ready = ready_stamp(self.position);
        if found == expected_ready {
            return Ok(true);
        }
        let expected_empty = empty_stamp(self.position, self.capacity);
        if found == expected_empty {
            return Ok(false);
        }
        let position = self.position;
        Err(self.latch(RingCorrupt::StampOutOfRange {
            position,
            found,
            expected_ready,
            expected_empty,
        }))
    }

    /// Says that this side is about to sleep. After it the caller must look at every ring it
    /// serves once more ([`Self::peek_ready`], [`Self::is_closed`]) and sleep only if none has
    /// work; then, awake again, call [`Self::park_end`].
    pub fn park_begin(&mut self) {
        self.publish_head();
        self.own.store(PARKED_WORD, 1);
        // SYNC POINT (park): see `Producer::peer_is_parked`.
        fence(Ordering::SeqCst);
    }

    /// Says that this side is awake, so that producers need not wake it.
    pub fn park_end(&mut self) {
        self.own.store(PARKED_WORD, 0);
    }

    /// Whether the producer has closed the ring; items may still wait in it.
    pub fn is_closed(&self) -> bool {
        let closed = self.peer.load(CLOSED_WORD) != 0;
        // SYNC POINT (close): acquires the mark and all slots released in `Producer::close`.
        fence(Ordering::Acquire);
        closed
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Position of the next item to take: the start position plus all items taken (wraps).
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Copies the ready slot out and moves on.
    #[inline]
    fn take(&mut self, payload: &mut SlotPayload) -> Result<(), PopError> {
        let slot = slot_word(self.position, self.capacity);
        self.peer.load_payload(slot + 1, payload);
        // Keeps the second look at the stamp behind the copy: a producer that began to write the
        // slot again, which it may not, is seen here.
        fence(Ordering::Acquire);
        let found = self.peer.load(slot);
        let expected = ready_stamp(self.position);
        if found != expected {
            let position = self.position;
            return Err(self.latch(RingCorrupt::SlotChanged {
                position,
                found,
                expected,
            }));
        }
        self.position = self.position.wrapping_add(1);
        self.unpublished += 1;
        if self.unpublished >= self.publish_interval {
            self.publish_head();
        }
        Ok(())
    }

    /// For a ring found empty: gives the read slots back, and tells "nothing now" (false) from
    /// "closed" (an error) and from an item that came just before the close (true).
    fn is_ready_behind_close(&mut self) -> Result<bool, PopError> {
        self.publish_head();
        if !self.is_closed() {
            return Ok(false);
        }
        // The close was seen, so everything pushed before it is visible now: look once more.
        if self.peek_ready()? {
            return Ok(true);
        }
        Err(PopError::Closed {
            mark: self.peer.load(CLOSED_MARK_WORD),
        })
    }

    /// Publishes the read index if it moved. Written anew from our own count each time, whatever
    /// the word holds by then.
    #[inline]
    fn publish_head(&mut self) {
        if self.unpublished == 0 {
            return;
        }
        // SYNC POINT (head): releases our reads of the slots to `Producer::refresh_head`.
        self.own.publish(HEAD_WORD, self.position);
        self.unpublished = 0;
    }

    #[cold]
    fn latch(&mut self, corrupt: RingCorrupt) -> PopError {
        self.corrupt = Some(corrupt);
        corrupt.into()
    }
}
