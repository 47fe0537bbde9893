//! Messages with `event`: about the connection, except errors that name a request of ours.
//!
//! okx.com/docs-v5, "WebSocket", login, subscribe, notification, "Connection count limit". An order
//! frame that the venue could not parse may come back as an error event that quotes our JSON, with
//! its `id`, inside `msg`; that quotation is data for the look-up of the id and nothing else.

use model::execution_report::QuarantineReason;
use model::identifiers::VenueMessage;
use model::{UnixNs, VenueReport};

use super::members::Member;
use super::reply::whole_reply;
use super::{Channel, DecodedFrame, Envelope, ReportSink, SessionMessage, channel_of};
use crate::json_tape::Json;
use crate::venue::okx::request_id::{CommandKey, REQUEST_ID_BYTES_MAX};

/// "Illegal request": the venue could not read a frame of ours.
const ILLEGAL_REQUEST: u32 = 60_012;

/// Reads a message that has `event`.
pub(super) fn read(
    envelope: &Envelope<Json<'_, '_>>,
    sink: &mut ReportSink<'_>,
) -> Result<DecodedFrame, QuarantineReason> {
    let code = || envelope.code.code().map(Option::unwrap_or_default);
    let message = match envelope.event.required_text()? {
        "error" => return read_error(envelope, sink),
        "login" => SessionMessage::Login { code: code()? },
        "subscribe" => SessionMessage::Subscribed(channel_of(envelope)?),
        "unsubscribe" => SessionMessage::Unsubscribed(channel_of(envelope)?),
        "notice" => SessionMessage::Notice { code: code()? },
        "channel-conn-count" => connection_count(envelope, false)?,
        "channel-conn-count-error" => connection_count(envelope, true)?,
        _ => return Err(QuarantineReason::UnknownKind),
    };
    Ok(DecodedFrame::Session(message))
}

fn connection_count(
    envelope: &Envelope<Json<'_, '_>>,
    over_limit: bool,
) -> Result<SessionMessage, QuarantineReason> {
    let channel = Channel::from_text(envelope.channel.required_text()?);
    Ok(SessionMessage::ConnectionCount {
        channel,
        over_limit,
    })
}

fn read_error(
    envelope: &Envelope<Json<'_, '_>>,
    sink: &mut ReportSink<'_>,
) -> Result<DecodedFrame, QuarantineReason> {
    let code = envelope.code.code()?.unwrap_or(0);
    let message = envelope.msg.text()?.unwrap_or_default();
    let own_id = envelope.id.text()?.unwrap_or_default();
    let key = CommandKey::parse(own_id.as_bytes()).or_else(|| quoted_key(message));
    if let Some(key) = key.filter(|_| code != 0) {
        let reply = whole_reply(&key, code, message, UnixNs(0));
        sink.push(VenueReport::Reply(reply));
        return Ok(DecodedFrame::Engine);
    }
    if code == ILLEGAL_REQUEST {
        // Some command of ours was refused and we cannot say which: it will time out as Unknown.
        sink.push(VenueReport::Quarantined(QuarantineReason::UnknownRequest));
    }
    Ok(DecodedFrame::Session(SessionMessage::Error {
        code,
        message: VenueMessage::lossy(message.as_bytes()),
    }))
}

/// The request id in the quotation of a frame: what stands behind the first `"id":"`.
fn quoted_key(message: &str) -> Option<CommandKey> {
    let (_, behind) = message.split_once("\"id\"")?;
    let value = behind.trim_start().strip_prefix(':')?.trim_start();
    let value = value.strip_prefix('"')?;
    let end = value
        .bytes()
        .take(REQUEST_ID_BYTES_MAX + 1)
        .position(|byte| byte == b'"')?;
    CommandKey::parse(&value.as_bytes()[..end])
}
