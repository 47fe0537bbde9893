//! What waits for one connection: encoded frames in plaintext, and the stamps of their intents.
//!
//! Everything that a turn puts in becomes one TLS record. While it is in here, no byte of it has
//! entered TLS: when the connection ends first, its intents are given back. Stamps of sealed
//! intents stay a little longer, until the socket has taken their ciphertext.

use engine::ports::StageClock;
use model::input::NotSentReason;
use model::journal_record::payload_hash;
use model::sent_record::{EntryMoments, SentStamp};
use model::{ClientOrderId, CommandKind, MonotonicNs, OrderIntent};
use protocol::frame::{FrameBatch, FrameKind, MaskSequence};
use protocol::venue::okx::encode::{MAX_COMMAND_BYTES, encode_command};
use protocol::venue::okx::instrument_table::InstrumentTable;
use transport::error::WriteRefused;
use transport::link::Link;

/// One TLS record holds 16 KiB of plaintext.
const BATCH_BYTES: usize = 16 * 1024;
/// Ciphertext that may wait for the socket before commands are refused.
const BACKLOG_BYTES_MAX: usize = 48 * 1024;

/// Sealed intents that may wait for their socket: more than a full backlog of short commands.
const SEALED_MAX: usize = 1024;

/// The plaintext that waits.
pub(crate) struct Outbox {
    batch: FrameBatch,
    session_batch: FrameBatch,
    masks: MaskSequence,
    stamps: Vec<SentStamp>,
    /// Sealed, and part of the connection's backlog of ciphertext.
    sealed: Vec<SentStamp>,
    /// What each stamp is about, and how many bytes its frame has.
    frames: Vec<WaitingFrame>,
    /// Intents that were taken out again.
    withdrawn: Vec<u64>,
}

/// A command's frame in the batch.
#[derive(Debug, Clone, Copy)]
struct WaitingFrame {
    order: ClientOrderId,
    command: CommandKind,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            batch: FrameBatch::new(BATCH_BYTES),
            session_batch: FrameBatch::new(4096),
            masks: MaskSequence::new(seed),
            stamps: Vec::with_capacity(BATCH_BYTES / 64),
            sealed: Vec::with_capacity(SEALED_MAX),
            frames: Vec::with_capacity(BATCH_BYTES / 64),
            withdrawn: Vec::with_capacity(BATCH_BYTES / 64),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.stamps.clear();
        self.sealed.clear();
        self.frames.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.batch.bytes()
    }

    /// Room for the commands of one request more.
    pub(crate) fn has_room(&self, backlog_bytes: usize) -> bool {
        self.batch.free_bytes() >= 4 * MAX_COMMAND_BYTES && backlog_bytes <= BACKLOG_BYTES_MAX
    }

    /// Encodes one command.
    pub(crate) fn push(
        &mut self,
        entry_sequence: u64,
        intent: &OrderIntent,
        table: &InstrumentTable,
        moments: &EntryMoments,
        clock: &impl StageClock,
    ) -> Result<(), NotSentReason> {
        let space = self.batch.payload_space();
        if space.len() < MAX_COMMAND_BYTES {
            return Err(NotSentReason::LinkGone);
        }
        let Ok(length) = encode_command(space, intent, table) else {
            return Err(NotSentReason::LinkGone);
        };
        let payload_hash = payload_hash(&space[..length]);
        let mask_key = self.masks.next_key();
        let Ok(place) = self.batch.finish_frame(FrameKind::Text, length, mask_key) else {
            return Err(NotSentReason::LinkGone);
        };
        self.frames.push(WaitingFrame {
            order: intent.client_order_id,
            command: intent.command,
            bytes: place.len(),
        });
        self.stamps.push(SentStamp {
            intent_seq: intent.intent_seq,
            entry_sequence,
            payload_hash,
            taken_at: moments.taken_at,
            decided_at: moments.decided_at,
            committed_at: moments.committed_at,
            released_at: moments.released_at,
            encoded_at: clock.stamp(),
            flushed_at: MonotonicNs(0),
            sealed_at: MonotonicNs(0),
            written_at: MonotonicNs(0),
        });
        Ok(())
    }

    /// The batch is in TLS: its intents wait for the socket, and the next batch begins.
    pub(crate) fn note_sealed(&mut self, flushed_at: MonotonicNs, sealed_at: MonotonicNs) {
        self.batch.clear();
        self.frames.clear();
        for mut stamp in self.stamps.drain(..) {
            (stamp.flushed_at, stamp.sealed_at) = (flushed_at, sealed_at);
            // One too many would only be without its moment of writing.
            if self.sealed.len() < SEALED_MAX {
                self.sealed.push(stamp);
            }
        }
    }

    /// True while sealed intents wait for the socket.
    pub(crate) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// The socket has taken every byte: the stamps are whole.
    pub(crate) fn take_written(&mut self, written_at: MonotonicNs, stamps: &mut Vec<SentStamp>) {
        for mut stamp in self.sealed.drain(..) {
            stamp.written_at = written_at;
            stamps.push(stamp);
        }
    }

    /// The socket has not: the turn tells of its own intents, the last `count`, as sealed.
    pub(crate) fn tell_sealed(&self, count: usize, stamps: &mut Vec<SentStamp>) {
        let first = self.sealed.len().saturating_sub(count);
        stamps.extend_from_slice(&self.sealed[first..]);
    }

    /// Intents that were encoded since the last batch.
    pub(crate) fn waiting(&self) -> usize {
        self.stamps.len()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.stamps.is_empty() || !self.withdrawn.is_empty()
    }

    /// Takes out every frame that is barred now; the others stay in their order.
    pub(crate) fn withdraw(&mut self, is_barred: impl Fn(ClientOrderId, CommandKind) -> bool) {
        let mut from = 0;
        let mut at = 0;
        while let Some(frame) = self.frames.get(at).copied() {
            if !is_barred(frame.order, frame.command) {
                from += frame.bytes;
                at += 1;
            } else {
                self.batch.take_out(from..from + frame.bytes);
                self.frames.remove(at);
                self.withdrawn.push(self.stamps.remove(at).intent_seq);
            }
        }
    }

    /// One intent that was taken out.
    pub(crate) fn take_withdrawn(&mut self) -> Option<u64> {
        self.withdrawn.pop()
    }

    /// One intent of which no byte entered TLS.
    pub(crate) fn take_unsent(&mut self) -> Option<u64> {
        self.frames.pop();
        self.stamps.pop().map(|stamp| stamp.intent_seq)
    }

    /// Writes a frame of the session itself, ahead of waiting commands.
    pub(crate) fn write_session_frame(
        &mut self,
        link: &mut Link,
        kind: FrameKind,
        payload: &[u8],
    ) -> Result<(), WriteRefused> {
        self.session_batch.clear();
        let mask_key = self.masks.next_key();
        self.session_batch
            .push(kind, payload, mask_key)
            .expect("a session's messages fit the session's batch");
        link.write_plaintext(self.session_batch.bytes())
    }
}

#[cfg(test)]
mod kill_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(outbox: &mut Outbox, intent_seq: u64) {
        outbox.stamps.push(SentStamp {
            intent_seq,
            entry_sequence: intent_seq,
            payload_hash: 0,
            taken_at: MonotonicNs(1),
            decided_at: MonotonicNs(2),
            committed_at: MonotonicNs(3),
            released_at: MonotonicNs(0),
            encoded_at: MonotonicNs(4),
            flushed_at: MonotonicNs(0),
            sealed_at: MonotonicNs(0),
            written_at: MonotonicNs(0),
        });
    }

    fn told(stamps: &mut Vec<SentStamp>) -> Vec<(u64, u64)> {
        let told = stamps.iter().map(|it| (it.intent_seq, it.written_at.0));
        let told = told.collect();
        stamps.clear();
        told
    }

    // covers: HP4
    #[test]
    fn an_intent_whose_bytes_wait_in_the_backlog_is_told_as_unwritten_and_again_when_it_left() {
        let mut outbox = Outbox::new(1);
        let mut stamps = Vec::new();
        stamped(&mut outbox, 1);
        stamped(&mut outbox, 2);
        outbox.note_sealed(MonotonicNs(5), MonotonicNs(6));
        outbox.tell_sealed(2, &mut stamps);
        assert_eq!(stamps[0].sealed_at, MonotonicNs(6));
        assert_eq!(told(&mut stamps), [(1, 0), (2, 0)]);
        // The next turn adds one more, and the socket still takes nothing.
        stamped(&mut outbox, 3);
        outbox.note_sealed(MonotonicNs(7), MonotonicNs(8));
        outbox.tell_sealed(1, &mut stamps);
        assert_eq!(told(&mut stamps), [(3, 0)], "the others are told already");
        assert!(outbox.has_sealed());
        outbox.take_written(MonotonicNs(99), &mut stamps);
        assert_eq!(told(&mut stamps), [(1, 99), (2, 99), (3, 99)]);
        assert!(!outbox.has_sealed());
    }

    #[test]
    fn sealed_intents_of_a_connection_that_ended_are_never_told_as_written() {
        let mut outbox = Outbox::new(1);
        let mut stamps = Vec::new();
        stamped(&mut outbox, 1);
        outbox.note_sealed(MonotonicNs(5), MonotonicNs(6));
        outbox.clear();
        outbox.take_written(MonotonicNs(99), &mut stamps);
        assert_eq!(told(&mut stamps), []);
    }
}
