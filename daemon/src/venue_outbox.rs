//! What waits for one connection: encoded frames in plaintext, and the stamps of their intents.
//!
//! Everything that a turn puts in becomes one TLS record. While it is in here, no byte of it has
//! entered TLS: when the connection ends first, its intents are given back.

use crate::clock::Clock;
use model::input::NotSentReason;
use model::journal_record::{SentStamp, payload_hash};
use model::{MonotonicNs, OrderIntent};
use protocol::frame::{FrameBatch, FrameKind, MaskSequence};
use protocol::venue::okx::encode::{MAX_COMMAND_BYTES, encode_command};
use protocol::venue::okx::instrument_table::InstrumentTable;
use transport::error::WriteRefused;
use transport::link::Link;

/// One TLS record holds 16 KiB of plaintext.
const BATCH_BYTES: usize = 16 * 1024;
/// Ciphertext that may wait for the socket before commands are refused.
const BACKLOG_BYTES_MAX: usize = 48 * 1024;

/// The plaintext that waits.
pub(crate) struct Outbox {
    batch: FrameBatch,
    session_batch: FrameBatch,
    masks: MaskSequence,
    stamps: Vec<SentStamp>,
}

impl Outbox {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            batch: FrameBatch::new(BATCH_BYTES),
            session_batch: FrameBatch::new(4096),
            masks: MaskSequence::new(seed),
            stamps: Vec::with_capacity(BATCH_BYTES / 64),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.stamps.clear();
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
        clock: &mut Clock,
    ) -> Result<(), NotSentReason> {
        let committed_at = clock.now();
        let space = self.batch.payload_space();
        if space.len() < MAX_COMMAND_BYTES {
            return Err(NotSentReason::LinkGone);
        }
        let Ok(length) = encode_command(space, intent, table) else {
            return Err(NotSentReason::LinkGone);
        };
        let payload_hash = payload_hash(&space[..length]);
        let mask_key = self.masks.next_key();
        if self
            .batch
            .finish_frame(FrameKind::Text, length, mask_key)
            .is_err()
        {
            return Err(NotSentReason::LinkGone);
        }
        self.stamps.push(SentStamp {
            intent_seq: intent.intent_seq,
            entry_sequence,
            payload_hash,
            committed_at,
            encoded_at: clock.now(),
            written_at: MonotonicNs(0),
        });
        Ok(())
    }

    /// The batch is in TLS: its stamps are the turn's, and the next batch begins.
    pub(crate) fn take_stamps(&mut self, stamps: &mut Vec<SentStamp>) {
        stamps.append(&mut self.stamps);
        self.batch.clear();
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.stamps.is_empty()
    }

    /// One intent of which no byte entered TLS.
    pub(crate) fn take_unsent(&mut self) -> Option<u64> {
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
