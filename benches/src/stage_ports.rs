//! The ports of a turn without other processes: both ends of the strategy's rings are here, and the
//! venue is a buffer or the other end of a TLS link in memory.
//!
//! What costs time in the daemon costs it here too: rings, a slot's check, masking, decoding, a
//! command's text, its hash and its WebSocket frame, TLS if asked for, the event's words. Left out
//! are sockets, unless asked for. Must not know what is measured.

use std::collections::VecDeque;
use std::hint::black_box;

use anyhow::{Result, anyhow, bail};
use engine::ports::{Attached, Incoming, Messages, Sendable, StageClock, Strategies, Venues};
use model::control::Control;
use model::input::{Input, NotSentReason};
use model::journal_record::payload_hash;
use model::request_slot::{self, REQUEST_WORDS};
use model::sent_record::{Arrival, EntryMoments, SentStamp};
use model::{
    ClientOrderId, CommandKind, LinkId, MonotonicNs, OrderEvent, OrderIntent, RejectReason,
    StrategyId, UnixNs, VenueId, VenueReport,
};
use protocol::frame::{FrameBatch, FrameKind, FrameReader, MAX_PAYLOAD_BYTES, MaskSequence};
use protocol::session::{FrameVerdict, SessionState};
use protocol::venue::okx::credentials::Credentials;
use protocol::venue::okx::decode::{MAX_REPORTS, OkxDecoder};
use protocol::venue::okx::encode::{MAX_COMMAND_BYTES, encode_command};
use protocol::venue::okx::instrument_table::InstrumentTable;
use protocol::venue::okx::login::MAX_SESSION_MESSAGE_BYTES;
use protocol::venue::okx::session::{OkxSession, SessionTimes};

use rings::shared_memory::pair::{ClientSide, EngineSide, SharedConsumer, SharedProducer};
use rings::shared_memory::pair::{create_pair, open_pair};
use transport::link::{FlushState, ReadOutcome};

use crate::samples::Counter;
use crate::tls_end::TlsEnd;

/// One TLS record's plaintext.
const BATCH_BYTES: usize = 16 * 1024;
/// What the venue says until a session is ready.
const OPENING: [&str; 4] = [
    r#"{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}"#,
    r#"{"id":"s1","event":"subscribe","arg":{"channel":"orders"},"connId":"a4d3ae55"}"#,
    r#"{"id":"s1","event":"subscribe","arg":{"channel":"account"},"connId":"a4d3ae55"}"#,
    r#"{"id":"s1","event":"subscribe","arg":{"channel":"positions"},"connId":"a4d3ae55"}"#,
];

/// One venue without a connection.
pub(crate) struct VenueStub {
    /// The next message from the venue; it stays, and is spoilt by decoding.
    pub(crate) payload: Vec<u8>,
    /// True until the message was taken.
    pub(crate) has_frame: bool,
    /// The orders of commands that were sent, oldest first.
    pub(crate) sent: VecDeque<ClientOrderId>,
    /// When the last message lay open, before its session saw it, in counts of the counter.
    pub(crate) opened_at: u64,
    /// When the last flush was over, in counts of the counter.
    pub(crate) sealed_at: u64,
    /// The link, unless frames end as plaintext.
    pub(crate) tls: Option<TlsEnd>,
    reader: FrameReader,
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
    session: OkxSession,
    decoder: OkxDecoder,
    raw: Vec<u8>,
    reports: Vec<VenueReport>,
}

impl VenueStub {
    /// A venue whose session is ready.
    ///
    /// # Errors
    /// When the session does not become so.
    pub(crate) fn new(table: InstrumentTable) -> Result<Self> {
        let mut this = Self {
            payload: Vec::with_capacity(4096),
            has_frame: false,
            sent: VecDeque::with_capacity(64),
            opened_at: 0,
            sealed_at: 0,
            tls: None,
            reader: FrameReader::new(MAX_PAYLOAD_BYTES),
            decoded_at: 0,
            plaintext_at: 0,
            plaintext_bytes: 0,
            counter: Counter::new(),
            table,
            batch: FrameBatch::new(BATCH_BYTES),
            masks: MaskSequence::new(1),
            stamps: Vec::with_capacity(BATCH_BYTES / 64),
            arrival: Arrival::default(),
            session: session()?,
            decoder: OkxDecoder::new(),
            raw: Vec::with_capacity(4096),
            reports: Vec::with_capacity(MAX_REPORTS),
        };
        let mut out = [0; MAX_SESSION_MESSAGE_BYTES];
        for text in OPENING {
            let (now, utc) = (MonotonicNs(1), UnixNs(1_760_000_000_000_000_000));
            while this.session.poll_transmit(now, utc, &mut out).is_some() {}
            this.hear(now, &mut text.as_bytes().to_vec());
        }
        if this.session.state() != SessionState::Ready {
            bail!("the session is {:?}", this.session.state());
        }
        Ok(this)
    }

    /// Lays a message of the venue ready: as plaintext, or sealed as a frame.
    ///
    /// # Errors
    /// What TLS refuses.
    pub(crate) fn lay(&mut self, text: &str) -> Result<()> {
        self.payload.clear();
        if let Some(tls) = &mut self.tls {
            let length = u16::try_from(text.len())?;
            self.payload.extend_from_slice(&[0x81, 126]);
            self.payload.extend_from_slice(&length.to_be_bytes());
            self.payload.extend_from_slice(text.as_bytes());
            tls.say(&self.payload)?;
        } else {
            self.payload.extend_from_slice(text.as_bytes());
        }
        self.has_frame = true;
        Ok(())
    }

    fn hear(&mut self, now: MonotonicNs, payload: &mut [u8]) -> FrameVerdict {
        let (session, decoder) = (&mut self.session, &mut self.decoder);
        hear(
            now,
            session,
            decoder,
            payload,
            &self.table,
            &mut self.raw,
            &mut self.reports,
        )
    }

    /// Reads the link until a whole message is there, and hears it.
    fn hear_link(&mut self, now: MonotonicNs) -> Option<FrameVerdict> {
        let tls = self.tls.as_mut()?;
        loop {
            let outcome = tls.link.read_plaintext(self.reader.feed_space());
            let ReadOutcome::Bytes(count) = outcome else {
                return None;
            };
            self.reader.advance(count);
            if let Ok(Some(frame)) = self.reader.next() {
                self.opened_at = self.counter.raw();
                let (session, decoder) = (&mut self.session, &mut self.decoder);
                let (raw, reports) = (&mut self.raw, &mut self.reports);
                return Some(hear(
                    now,
                    session,
                    decoder,
                    frame.payload,
                    &self.table,
                    raw,
                    reports,
                ));
            }
        }
    }
}

/// What the daemon does with a frame: mask it, keep the masked bytes, let the session read it.
fn hear(
    now: MonotonicNs,
    session: &mut OkxSession,
    decoder: &mut OkxDecoder,
    payload: &mut [u8],
    table: &InstrumentTable,
    raw: &mut Vec<u8>,
    reports: &mut Vec<VenueReport>,
) -> FrameVerdict {
    let frame = session.mask(FrameKind::Text, payload);
    raw.clear();
    raw.extend_from_slice(frame.bytes());
    session.handle_frame(now, frame, decoder, table, reports)
}

/// A session with words of the form that an OKX key has; no key.
fn session() -> Result<OkxSession> {
    let credentials = Credentials::new(
        "6f2c1a9e-0000-0000-0000-00000000cafe",
        "00112233445566778899AABBCCDDEEFF",
        "not-a-passphrase",
    );
    let credentials = credentials.map_err(|error| anyhow!("{error:?}"))?;
    Ok(OkxSession::new(
        credentials,
        SessionTimes::default(),
        MonotonicNs(1),
    ))
}

impl Venues for VenueStub {
    fn next_input(&mut self, now: MonotonicNs, clock: &impl StageClock) -> Option<Input<'_>> {
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
        let verdict = if self.tls.is_some() {
            self.hear_link(now)?
        } else {
            let mut payload = std::mem::take(&mut self.payload);
            self.opened_at = self.counter.raw();
            let verdict = self.hear(now, &mut payload);
            self.payload = payload;
            verdict
        };
        self.decoded_at = self.counter.raw();
        match verdict {
            FrameVerdict::ForEngine => Some(Input::VenueFrame {
                venue: VenueId(0),
                link: LinkId(1),
                raw: &self.raw,
                reports: &self.reports,
            }),
            FrameVerdict::Consumed(_) | FrameVerdict::Close(_) => None,
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
        self.sent.push_back(intent.client_order_id);
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

    fn withdraw(
        &mut self,
        _now: MonotonicNs,
        _is_barred: impl Fn(ClientOrderId, CommandKind) -> bool,
    ) {
    }

    fn flush(&mut self, clock: &impl StageClock, stamps: &mut Vec<SentStamp>) {
        if self.batch.is_empty() {
            return;
        }
        self.plaintext_at = self.counter.raw();
        self.plaintext_bytes = black_box(self.batch.bytes()).len();
        let flushed_at = clock.stamp();
        if let Some(tls) = &mut self.tls {
            // A backlog that is full shows as orders without bytes in the check after a round.
            let written = tls.link.write_plaintext(self.batch.bytes());
            while let (Ok(()), FlushState::Pending(_)) = (&written, tls.link.flush()) {
                std::hint::spin_loop();
            }
            self.sealed_at = self.counter.raw();
        }
        let (sealed_at, written_at) = (clock.stamp(), clock.stamp());
        for mut stamp in self.stamps.drain(..) {
            (stamp.flushed_at, stamp.sealed_at) = (flushed_at, sealed_at);
            stamp.written_at = written_at;
            stamps.push(stamp);
        }
        self.batch.clear();
    }
}

/// Slots of the strategy's rings.
const SLOTS: u64 = 1024;

/// One strategy without a process: the real rings, with both ends in this thread.
pub(crate) struct StrategyStub {
    /// Why the newest refused request was refused.
    pub(crate) refused: Option<RejectReason>,
    /// When the last event was in its ring, in counts of the counter.
    pub(crate) published_at: u64,
    counter: Counter,
    requests: SharedConsumer,
    events: SharedProducer,
    client: ClientSide,
}

impl StrategyStub {
    /// Makes the rings.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new() -> Result<Self> {
        let EngineSide {
            requests,
            events,
            request_fd,
            event_fd,
            ..
        } = create_pair(SLOTS, SLOTS, 1)?;
        Ok(Self {
            refused: None,
            published_at: 0,
            counter: Counter::new(),
            requests,
            events,
            client: open_pair(request_fd, event_fd)?,
        })
    }

    /// Asks as the strategy, and takes all events that came.
    ///
    /// # Errors
    /// A ring that is full or broken.
    pub(crate) fn ask(&mut self, words: &[u64; REQUEST_WORDS]) -> Result<()> {
        let mut event = [0; REQUEST_WORDS];
        while self
            .client
            .events
            .pop_into(&mut event)
            .map_err(|error| anyhow!("{error:?}"))?
        {}
        let pushed = self.client.requests.push(words);
        pushed.map_err(|error| anyhow!("{error:?}"))
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
        let words = self.requests.pop().ok()??;
        Some(match request_slot::check(&words) {
            Ok(checked) => Incoming::Request(checked),
            Err(bad) => Incoming::Bad(bad),
        })
    }

    fn has_event_room(&mut self, _strategy: StrategyId) -> bool {
        self.events.has_room(16).unwrap_or(false)
    }

    fn publish(&mut self, _strategy: StrategyId, event: &OrderEvent) {
        self.refused = event.reason.or(self.refused);
        // A full ring shows as an order without its event.
        if self.events.push(&event.to_words()).is_ok() {
            self.published_at = self.counter.raw();
        }
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
    fn next_control(&mut self) -> Option<Control> {
        None
    }

    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        None
    }

    fn committed(&mut self, sequence: u64) {
        black_box(sequence);
    }
}
