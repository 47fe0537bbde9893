//! What goes on over an open link: frames read and judged, the session's own messages written.
//!
//! Invariant: a frame is masked before it is copied or decoded. It owns no connection's life:
//! whoever drives it decides what an end means.

use crate::venue_outbox::Outbox;
use engine::ports::StageClock;
use model::input::LinkReason;
use model::journal_record::FRAME_BYTES_MAX;
use model::sent_record::Arrival;
use model::time::NS_PER_S;
use model::{MonotonicNs, UnixNs, VenueReport};
use protocol::frame::{FrameKind, FrameReader};
use protocol::session::{FrameVerdict, SessionEvent, SessionState};
use protocol::venue::okx::decode::{MAX_REPORTS, OkxDecoder};
use protocol::venue::okx::instrument_table::InstrumentTable;
use protocol::venue::okx::login::MAX_SESSION_MESSAGE_BYTES;
use protocol::venue::okx::session::OkxSession;
use transport::link::{FlushState, Link, ReadOutcome};
use transport::poll_loop::ReadGate;

/// A connection that announced its end carries what is under way for this long.
const UPGRADE_PAUSE_NS: u64 = 2 * NS_PER_S;

/// An open link with its session.
pub(crate) struct OpenLink {
    pub(crate) link: Link,
    pub(crate) session: OkxSession,
    pub(crate) gate: ReadGate,
    pub(crate) is_up: bool,
    pub(crate) upgrade_at: Option<MonotonicNs>,
    pub(crate) ended: Option<LinkReason>,
    pub(crate) cut: Option<KillCut>,
}

/// After a kill: what was sealed before it leaves until a moment, or is cut with its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KillCut {
    /// Ciphertext that was made before the kill, in bytes of the link's life.
    pub(crate) sealed_bytes: u64,
    /// Until when.
    pub(crate) at: MonotonicNs,
}

/// What reading needs and leaves: the frame that was read last, in memory that is reused.
pub(crate) struct Inbox {
    reader: FrameReader,
    decoder: OkxDecoder,
    /// The frame's masked bytes.
    pub(crate) raw: Vec<u8>,
    /// What it says.
    pub(crate) reports: Vec<VenueReport>,
    /// When it came in.
    pub(crate) arrival: Arrival,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            reader: FrameReader::new(FRAME_BYTES_MAX),
            decoder: OkxDecoder::new(),
            raw: Vec::with_capacity(FRAME_BYTES_MAX),
            reports: Vec::with_capacity(MAX_REPORTS),
            arrival: Arrival::default(),
        }
    }

    /// A new connection begins.
    pub(crate) fn reset(&mut self) {
        self.reader.reset();
        self.arrival = Arrival::default();
    }
}

/// What reading led to.
pub(crate) enum Next {
    Frame,
    Up,
    More,
    Nothing,
}

/// The next frame, or why there is none.
pub(crate) fn next_frame(
    open: &mut OpenLink,
    inbox: &mut Inbox,
    table: &InstrumentTable,
    now: MonotonicNs,
    clock: &impl StageClock,
) -> Next {
    match inbox.reader.next() {
        Err(_) => open.ended = Some(LinkReason::ProtocolError),
        Ok(Some(frame)) => {
            inbox.arrival.begun_at = clock.stamp();
            let masked = open.session.mask(frame.kind, frame.payload);
            inbox.raw.clear();
            inbox.raw.extend_from_slice(masked.bytes());
            let (decoder, reports) = (&mut inbox.decoder, &mut inbox.reports);
            let verdict = open
                .session
                .handle_frame(now, masked, decoder, table, reports);
            return judged(open, verdict, !reports.is_empty(), now);
        }
        Ok(None) if open.gate.is_open() => return read_more(open, inbox, clock),
        Ok(None) => return Next::Nothing,
    }
    Next::More
}

/// Reads what the socket has. The moments belong to the frames that it completes.
fn read_more(open: &mut OpenLink, inbox: &mut Inbox, clock: &impl StageClock) -> Next {
    let arrival = &mut inbox.arrival;
    let outcome = open
        .link
        .read_plaintext_noting(inbox.reader.feed_space(), || {
            arrival.received_at = clock.stamp();
        });
    open.gate.note_read(outcome);
    match outcome {
        ReadOutcome::Bytes(count) => {
            arrival.opened_at = clock.stamp();
            inbox.reader.advance(count);
        }
        ReadOutcome::WouldBlock => return Next::Nothing,
        ReadOutcome::Ended(_) => open.ended = Some(LinkReason::PeerClosed),
    }
    Next::More
}

fn judged(open: &mut OpenLink, verdict: FrameVerdict, has_reports: bool, now: MonotonicNs) -> Next {
    match verdict {
        FrameVerdict::ForEngine => Next::Frame,
        FrameVerdict::Consumed(SessionEvent::Ready) => {
            open.is_up = true;
            Next::Up
        }
        FrameVerdict::Consumed(SessionEvent::ServiceUpgrade) => {
            open.upgrade_at = Some(now.after_ns(UPGRADE_PAUSE_NS));
            Next::More
        }
        FrameVerdict::Consumed(
            SessionEvent::Nothing
            | SessionEvent::LoggedIn
            | SessionEvent::Data
            | SessionEvent::VenueError { .. },
        ) => Next::More,
        FrameVerdict::Close(reason) => {
            open.ended = Some(reason.link_reason());
            if has_reports { Next::Frame } else { Next::More }
        }
    }
}

/// Login, subscriptions, pings and goodbyes go out ahead of commands of the same turn.
pub(crate) fn transmit(open: &mut OpenLink, outbox: &mut Outbox, now: MonotonicNs, utc: UnixNs) {
    let mut payload = [0u8; MAX_SESSION_MESSAGE_BYTES];
    let mut wrote = false;
    while let Some(transmit) = open.session.poll_transmit(now, utc, &mut payload) {
        let bytes = &payload[..transmit.length_bytes];
        if outbox
            .write_session_frame(&mut open.link, transmit.kind, bytes)
            .is_err()
        {
            open.ended = open.ended.or(Some(LinkReason::Backlog));
            return;
        }
        wrote = true;
        if transmit.kind == FrameKind::Close {
            open.link.close_sending();
        }
    }
    if (wrote || open.link.backlog_bytes() > 0)
        && let FlushState::Ended(_) = open.link.flush()
    {
        let reason = if matches!(open.session.state(), SessionState::Closing { .. }) {
            LinkReason::Stopping
        } else {
            LinkReason::IoError
        };
        open.ended = open.ended.or(Some(reason));
    }
}
