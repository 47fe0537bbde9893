//! One OKX text message as reports for the engine or as a word to the session.
//!
//! [`OkxDecoder::decode`] is a pure function of the frame's bytes and the instrument table: the
//! decoder keeps memory, no state. Invariants: no bytes panic; every report of a frame is made or
//! the frame says `TooMany`; what cannot be read is quarantined, part by part, and hides no other
//! part; a member that stands twice is never guessed at. Must not know: sessions, order status.
//! Threads: none; one decoder per thread that decodes.

mod event;
mod fast_scan;
mod members;
mod order_object;
mod reply;
mod statements;

use model::VenueReport;
use model::execution_report::QuarantineReason;
use model::identifiers::VenueMessage;

use crate::frame::MAX_PAYLOAD_BYTES;
use crate::json_tape::{Json, TapeBuffers};
use crate::venue::okx::instrument_table::InstrumentTable;

use fast_scan::QuotePlaces;
pub(crate) use members::{Member, json_members, key_digest};
pub(crate) use order_object::{FillMembers, client_order_id, fill_of_query, order_of_query};
pub(crate) use reply::{rest_reply, whole_reply};
pub(crate) use statements::{each_balance, position};

/// Most reports of one frame. A frame of 64 KiB has some sixty orders of the venue's own form.
pub const MAX_REPORTS: usize = 512;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodedFrame {
    /// The reports are in the list, one or more.
    Engine,
    /// For the session. The list may still hold a report (an error that names no request).
    Session(SessionMessage),
}

/// A channel that we subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// `orders`.
    Orders,
    /// `account`.
    Account,
    /// `positions`.
    Positions,
    /// Any other.
    Other,
}

impl Channel {
    /// The channel of the venue's name.
    pub fn from_text(text: &str) -> Self {
        match text {
            "orders" => Self::Orders,
            "account" => Self::Account,
            "positions" => Self::Positions,
            _ => Self::Other,
        }
    }
}

/// A message that is about the connection and not about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMessage {
    /// The text `pong`.
    Pong,
    /// The answer to a login; 0 = logged in.
    Login {
        /// The venue's code.
        code: u32,
    },
    /// A subscription is in force.
    Subscribed(Channel),
    /// A subscription has ended.
    Unsubscribed(Channel),
    /// An error that belongs to no command of ours.
    Error {
        /// The venue's code.
        code: u32,
        /// The venue's words, cut to fit.
        message: VenueMessage,
    },
    /// A notice; 64008 = the connection will close for a service upgrade.
    Notice {
        /// The venue's code.
        code: u32,
    },
    /// How many connections of the account have the channel.
    ConnectionCount {
        /// The channel.
        channel: Channel,
        /// True when it is over the venue's limit: this connection gets no pushes.
        over_limit: bool,
    },
    /// A push that states nothing.
    Data(Channel),
}

json_members! {
    /// The members of a message's outermost object that say what it is.
    struct Envelope {
        id = "id",
        op = "op",
        event = "event",
        code = "code",
        msg = "msg",
        arg = "arg",
        data = "data",
        channel = "channel",
        out_time = "outTime",
    }
}

json_members! {
    /// What a push or an acknowledged subscription is about.
    struct ChannelArg {
        channel = "channel",
    }
}

/// Decodes OKX WebSocket text. Holds about 3 MB, so that no frame makes it allocate.
pub struct OkxDecoder {
    tape: TapeBuffers,
    quotes: QuotePlaces,
}

impl Default for OkxDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl OkxDecoder {
    /// A decoder for frames of up to [`MAX_PAYLOAD_BYTES`].
    pub fn new() -> Self {
        Self {
            tape: TapeBuffers::new(MAX_PAYLOAD_BYTES),
            quotes: QuotePlaces::new(),
        }
    }

    /// Reads one text message. `payload` is spoilt; `reports` is emptied first.
    ///
    /// A push of orders in the venue's usual form is read by the fast scan; all else, and all that
    /// it does not know, by [`Self::decode_by_tape`], with the same reports.
    ///
    /// `reports` must have been made with a capacity of [`MAX_REPORTS`] for the call not to
    /// allocate. Secrets must be masked before: words of the venue are copied into reports.
    pub fn decode(
        &mut self,
        payload: &mut [u8],
        table: &InstrumentTable,
        reports: &mut Vec<VenueReport>,
    ) -> DecodedFrame {
        match self.decode_by_scan(payload, table, reports) {
            Some(frame) => frame,
            None => self.decode_by_tape(payload, table, reports),
        }
    }

    /// Reads a push of orders as [`Self::decode`] does, by the fast scan alone; `None` = it is not
    /// in the form that the scan knows, and `reports` is empty.
    pub fn decode_by_scan(
        &mut self,
        payload: &[u8],
        table: &InstrumentTable,
        reports: &mut Vec<VenueReport>,
    ) -> Option<DecodedFrame> {
        reports.clear();
        let mut sink = ReportSink { reports };
        fast_scan::read_orders(payload, &mut self.quotes, table, &mut sink)?;
        Some(DecodedFrame::Engine)
    }

    /// Reads one text message as [`Self::decode`] does, by the JSON parser's tape alone: the form
    /// that the fast scan is compared with.
    pub fn decode_by_tape(
        &mut self,
        payload: &mut [u8],
        table: &InstrumentTable,
        reports: &mut Vec<VenueReport>,
    ) -> DecodedFrame {
        reports.clear();
        if payload == b"pong" {
            return DecodedFrame::Session(SessionMessage::Pong);
        }
        let mut sink = ReportSink { reports };
        let read = self
            .tape
            .parse(payload, |json| read_message(json, table, &mut sink));
        match read {
            Ok(Ok(frame)) => frame,
            Ok(Err(reason)) => sink.quarantine(reason),
            Err(_) => sink.quarantine(QuarantineReason::Malformed),
        }
    }
}

/// The caller's list, never longer than [`MAX_REPORTS`].
struct ReportSink<'a> {
    reports: &'a mut Vec<VenueReport>,
}

impl ReportSink<'_> {
    fn push(&mut self, report: VenueReport) {
        match self.reports.len() {
            0..LAST_REPORT => self.reports.push(report),
            LAST_REPORT => self
                .reports
                .push(VenueReport::Quarantined(QuarantineReason::TooMany)),
            _ => {}
        }
    }

    /// Adds a quarantine mark, and says that the frame is for the engine.
    fn quarantine(&mut self, reason: QuarantineReason) -> DecodedFrame {
        self.push(VenueReport::Quarantined(reason));
        DecodedFrame::Engine
    }
}

/// The place that says `TooMany`.
const LAST_REPORT: usize = MAX_REPORTS - 1;

fn read_message(
    json: Json<'_, '_>,
    table: &InstrumentTable,
    sink: &mut ReportSink<'_>,
) -> Result<DecodedFrame, QuarantineReason> {
    let envelope = Envelope::read(json)?;
    if envelope.event.is_some() {
        event::read(&envelope, sink)
    } else if envelope.op.is_some() {
        reply::read(&envelope, sink)
    } else if envelope.arg.is_some() {
        read_push(&envelope, table, sink)
    } else {
        Err(QuarantineReason::MissingMember)
    }
}

fn read_push(
    envelope: &Envelope<Json<'_, '_>>,
    table: &InstrumentTable,
    sink: &mut ReportSink<'_>,
) -> Result<DecodedFrame, QuarantineReason> {
    let channel = channel_of(envelope)?;
    let data = envelope.data.ok_or(QuarantineReason::MissingMember);
    match channel {
        Channel::Orders => {
            for order in data?.elements().ok_or(QuarantineReason::Malformed)? {
                order_object::read_push(order, table, sink);
            }
        }
        Channel::Positions => statements::read_positions(data?, table, sink)?,
        Channel::Account => statements::read_balances(data?, sink)?,
        Channel::Other => return Err(QuarantineReason::UnknownKind),
    }
    if sink.reports.is_empty() {
        return Ok(DecodedFrame::Session(SessionMessage::Data(channel)));
    }
    Ok(DecodedFrame::Engine)
}

fn channel_of(envelope: &Envelope<Json<'_, '_>>) -> Result<Channel, QuarantineReason> {
    let arg = envelope.arg.ok_or(QuarantineReason::MissingMember)?;
    let channel = ChannelArg::read(arg)?.channel.required_text()?;
    Ok(Channel::from_text(channel))
}
