//! The ports of a turn with nothing behind them: requests and frames that lie ready, bytes and
//! events that go no further than their buffers.
//!
//! What costs time in the daemon costs it here too: a slot's check, masking, decoding, a command's
//! text, its hash and its WebSocket frame, the event's words. Left out are sockets, TLS and the
//! rings' memory. Must not know what is measured.

use std::hint::black_box;

use engine::ports::{Attached, Incoming, Messages, Sendable, StageClock, Strategies, Venues};
use model::input::{Input, NotSentReason};
use model::journal_record::payload_hash;
use model::request_slot::{self, REQUEST_WORDS};
use model::sent_record::{Arrival, EntryMoments, SentStamp};
use model::{
    ClientOrderId, LinkId, MonotonicNs, OrderEvent, OrderIntent, RejectReason, StrategyId, VenueId,
    VenueReport,
};
use protocol::frame::{FrameBatch, FrameKind, MaskSequence};
use protocol::secret_mask::SecretMask;
use protocol::venue::okx::decode::{DecodedFrame, MAX_REPORTS, OkxDecoder};
use protocol::venue::okx::encode::{MAX_COMMAND_BYTES, encode_command};
use protocol::venue::okx::instrument_table::InstrumentTable;

use crate::samples::Counter;

/// One TLS record's plaintext.
const BATCH_BYTES: usize = 16 * 1024;
/// Words of the form that an OKX key has; no key.
const SECRETS: [&[u8]; 3] = [
    b"6f2c1a9e-0000-0000-0000-00000000cafe",
    b"00112233445566778899AABBCCDDEEFF",
    b"not-a-passphrase",
];

/// One venue without a connection.
pub(crate) struct VenueStub {
    /// The next message from the venue; it stays, and is spoilt by decoding.
    pub(crate) payload: Vec<u8>,
    /// True until the message was taken.
    pub(crate) has_frame: bool,
    /// The newest command's order.
    pub(crate) sent: Option<ClientOrderId>,
    /// When the last message was decoded, in counts of the counter.
    pub(crate) decoded_at: u64,
    /// When the last flush found the plaintext ready, in counts of the counter.
    pub(crate) plaintext_at: u64,
    /// Bytes of the last flush.
    pub(crate) plaintext_bytes: usize,
    counter: Counter,
    table: InstrumentTable,
    batch: FrameBatch,
    masks: MaskSequence,
    stamps: Vec<SentStamp>,
    arrival: Arrival,
    mask: SecretMask,
    decoder: OkxDecoder,
    raw: Vec<u8>,
    reports: Vec<VenueReport>,
}

impl VenueStub {
    pub(crate) fn new(table: InstrumentTable) -> Self {
        Self {
            payload: Vec::with_capacity(4096),
            has_frame: false,
            sent: None,
            decoded_at: 0,
            plaintext_at: 0,
            plaintext_bytes: 0,
            counter: Counter::new(),
            table,
            batch: FrameBatch::new(BATCH_BYTES),
            masks: MaskSequence::new(1),
            stamps: Vec::with_capacity(BATCH_BYTES / 64),
            arrival: Arrival::default(),
            mask: SecretMask::new(SECRETS),
            decoder: OkxDecoder::new(),
            raw: Vec::with_capacity(4096),
            reports: Vec::with_capacity(MAX_REPORTS),
        }
    }
}

impl Venues for VenueStub {
    fn next_input(&mut self, _now: MonotonicNs, clock: &impl StageClock) -> Option<Input<'_>> {
        if !self.has_frame {
            return None;
        }
        self.has_frame = false;
        // What a connection stamps while it reads.
        let received_at = clock.stamp();
        self.arrival = Arrival {
            received_at,
            opened_at: clock.stamp(),
            begun_at: clock.stamp(),
        };
        self.mask.apply(&mut self.payload, b"");
        self.raw.clear();
        self.raw.extend_from_slice(&self.payload);
        let decoded = self
            .decoder
            .decode(&mut self.payload, &self.table, &mut self.reports);
        self.decoded_at = self.counter.raw();
        match decoded {
            DecodedFrame::Engine => Some(Input::VenueFrame {
                venue: VenueId(0),
                link: LinkId(1),
                raw: &self.raw,
                reports: &self.reports,
            }),
            DecodedFrame::Session(_) => None,
        }
    }

    fn arrival(&self) -> Arrival {
        self.arrival
    }

    fn can_send(&self, _venue: VenueId) -> Result<(), RejectReason> {
        Ok(())
    }

    fn send(
        &mut self,
        sendable: &Sendable,
        _venue: VenueId,
        intent: &OrderIntent,
        moments: &EntryMoments,
        clock: &impl StageClock,
    ) -> Result<(), NotSentReason> {
        let space = self.batch.payload_space();
        if space.len() < MAX_COMMAND_BYTES {
            return Err(NotSentReason::LinkGone);
        }
        let Ok(length) = encode_command(space, intent, &self.table) else {
            return Err(NotSentReason::LinkGone);
        };
        let payload_hash = payload_hash(&space[..length]);
        let mask_key = self.masks.next_key();
        let framed = self.batch.finish_frame(FrameKind::Text, length, mask_key);
        framed.map_err(|_| NotSentReason::LinkGone)?;
        self.sent = Some(intent.client_order_id);
        self.stamps.push(SentStamp {
            intent_seq: intent.intent_seq,
            entry_sequence: sendable.sequence(),
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

    fn flush(&mut self, clock: &impl StageClock, stamps: &mut Vec<SentStamp>) {
        if self.batch.is_empty() {
            return;
        }
        self.plaintext_at = self.counter.raw();
        self.plaintext_bytes = black_box(self.batch.bytes()).len();
        let flushed_at = clock.stamp();
        let (sealed_at, written_at) = (clock.stamp(), clock.stamp());
        for mut stamp in self.stamps.drain(..) {
            (stamp.flushed_at, stamp.sealed_at) = (flushed_at, sealed_at);
            stamp.written_at = written_at;
            stamps.push(stamp);
        }
        self.batch.clear();
    }
}

/// One strategy without a process.
#[derive(Debug)]
pub(crate) struct StrategyStub {
    /// The slot of the next request, as a ring's consumer copied it.
    pub(crate) request: Option<[u64; REQUEST_WORDS]>,
    /// Why the newest refused request was refused.
    pub(crate) refused: Option<RejectReason>,
    /// When the last event's words were there, in counts of the counter.
    pub(crate) published_at: u64,
    counter: Counter,
}

impl StrategyStub {
    pub(crate) fn new() -> Self {
        Self {
            request: None,
            refused: None,
            published_at: 0,
            counter: Counter::new(),
        }
    }
}

impl Strategies for StrategyStub {
    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        None
    }

    fn count(&self) -> u16 {
        1
    }

    fn next_request(&mut self, _strategy: StrategyId) -> Option<Incoming> {
        let words = self.request.take()?;
        Some(match request_slot::check(&words) {
            Ok(checked) => Incoming::Request(checked),
            Err(bad) => Incoming::Bad(bad),
        })
    }

    fn has_event_room(&mut self, _strategy: StrategyId) -> bool {
        true
    }

    fn publish(&mut self, _strategy: StrategyId, event: &OrderEvent) {
        black_box(event.to_words());
        self.refused = event.reason.or(self.refused);
        self.published_at = self.counter.raw();
    }

    fn attached(&mut self, _attached: Attached) {}
}

/// The counter as the clock of the stages.
impl StageClock for Counter {
    fn stamp(&self) -> MonotonicNs {
        MonotonicNs(self.ns(0, self.raw()))
    }
}

/// A cold side that says nothing.
#[derive(Debug)]
pub(crate) struct Silence;

impl Messages for Silence {
    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        None
    }

    fn committed(&mut self, sequence: u64) {
        black_box(sequence);
    }
}
