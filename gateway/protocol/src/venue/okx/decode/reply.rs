//! Replies to order commands: each order by its own `sCode`, never by the envelope's `code` alone.
//!
//! okx.com/docs-v5, "WS / Place order": the envelope says 0, 1 or 2 for all, none or some; 60xxx
//! and other codes come with empty `data` and then speak for the request as a whole. `sCode` 0
//! means taken for processing. Reply texts are kept for people and never matched on. Threads: none.

use model::execution_report::{CommandReply, QuarantineReason};
use model::identifiers::{VenueMessage, VenueOrderId};
use model::order_request::CommandKind;
use model::{ClientOrderId, UnixNs, VenueReport};

use super::members::{Member, json_members};
use super::{DecodedFrame, Envelope, ReportSink};
use crate::json_tape::Json;
use crate::venue::okx::encode::op;
use crate::venue::okx::reject_map::reply_outcome;
use crate::venue::okx::request_id::CommandKey;

json_members! {
    /// One order's part of a reply.
    struct ReplyItem {
        client_order_id = "clOrdId",
        venue_order_id = "ordId",
        code = "sCode",
        message = "sMsg",
        request_id = "reqId",
        time = "ts",
    }
}

/// Nanoseconds in a microsecond, the unit of `inTime` and `outTime`.
const NS_PER_US: u64 = 1_000;

/// Reads a message that has `op`.
pub(super) fn read(
    envelope: &Envelope<Json<'_, '_>>,
    sink: &mut ReportSink<'_>,
) -> Result<DecodedFrame, QuarantineReason> {
    let (command, batch) = operation(envelope.op.required_text()?)?;
    let id = envelope.id.text()?.unwrap_or_default();
    let key = CommandKey::parse(id.as_bytes())
        .filter(|key| key.command == command)
        .ok_or(QuarantineReason::UnknownRequest)?;
    let answered_at = answered_at(envelope)?;
    let items = match envelope.data {
        None => None,
        Some(data) => Some(data.elements().ok_or(QuarantineReason::Malformed)?),
    };
    let mut count = 0usize;
    for item in items.into_iter().flatten() {
        count += 1;
        // A reply to one order has one item; a second one says nothing about another order.
        let read = if !batch && count > 1 {
            Err(QuarantineReason::Malformed)
        } else {
            read_item(item, &key, batch, answered_at)
        };
        sink.push(match read {
            Ok(reply) => VenueReport::Reply(reply),
            Err(reason) => VenueReport::Quarantined(reason),
        });
    }
    if count == 0 {
        let code = envelope.code.code()?.unwrap_or(0);
        // Success without a word about the order proves nothing.
        if code == 0 {
            return Err(QuarantineReason::MissingMember);
        }
        let message = envelope.msg.text()?.unwrap_or_default();
        sink.push(VenueReport::Reply(whole_reply(
            &key,
            code,
            message,
            answered_at,
        )));
    }
    Ok(DecodedFrame::Engine)
}

/// A reply that speaks for the request as a whole: the code of an envelope or of an error event.
pub(crate) fn whole_reply(
    key: &CommandKey,
    code: u32,
    message: &str,
    venue_time: UnixNs,
) -> CommandReply {
    CommandReply {
        client_order_id: key.client_order_id,
        command: key.command,
        command_seq: key.command_seq,
        outcome: reply_outcome(code, key.command),
        venue_order_id: VenueOrderId::EMPTY,
        venue_code: code,
        message: VenueMessage::lossy(message.as_bytes()),
        venue_time,
    }
}

/// One order's part of an answer of REST, which names orders and no request. `alone` = the request
/// had one order, so a row without ids is about it.
pub(crate) fn rest_reply(
    row: Json<'_, '_>,
    key: &CommandKey,
    alone: bool,
) -> Result<CommandReply, QuarantineReason> {
    let reply = read_item(row, key, !alone, UnixNs(0))?;
    if reply.client_order_id != key.client_order_id {
        return Err(QuarantineReason::UnknownRequest);
    }
    Ok(reply)
}

/// The command behind an `op`, and whether it is a batch.
fn operation(name: &str) -> Result<(CommandKind, bool), QuarantineReason> {
    for command in CommandKind::ALL {
        for batch in [false, true] {
            if op(*command, batch) == name {
                return Ok((*command, batch));
            }
        }
    }
    Err(QuarantineReason::UnknownKind)
}

/// The gateway's time of the answer; 0 when it is not said.
fn answered_at(envelope: &Envelope<Json<'_, '_>>) -> Result<UnixNs, QuarantineReason> {
    let Some(out_time) = envelope.out_time else {
        return Ok(UnixNs(0));
    };
    let us = out_time.scalar().unsigned()?.unwrap_or(0);
    us.checked_mul(NS_PER_US)
        .map(UnixNs)
        .ok_or(QuarantineReason::BadNumber)
}

fn read_item(
    item: Json<'_, '_>,
    key: &CommandKey,
    batch: bool,
    answered_at: UnixNs,
) -> Result<CommandReply, QuarantineReason> {
    let item = ReplyItem::read(item)?;
    let code = item.code.code()?.ok_or(QuarantineReason::MissingMember)?;
    let named = item.client_order_id.text()?;
    let client_order_id = match named {
        // A refused order may come back without any id; alone, the request id says which it is.
        None if !batch => key.client_order_id,
        None => return Err(QuarantineReason::UnknownRequest),
        Some(text) => ClientOrderId::from_text(text.as_bytes())
            .filter(|id| batch || *id == key.client_order_id)
            .ok_or(QuarantineReason::UnknownRequest)?,
    };
    if let Some(text) = item.request_id.text()? {
        // The amendment's own id must say the same as the request's.
        let amended = CommandKey::parse(text.as_bytes());
        let same = |it: &CommandKey| {
            (it.client_order_id, it.command, it.command_seq)
                == (client_order_id, key.command, key.command_seq)
        };
        amended
            .filter(same)
            .ok_or(QuarantineReason::UnknownRequest)?;
    }
    Ok(CommandReply {
        client_order_id,
        command: key.command,
        command_seq: key.command_seq,
        outcome: reply_outcome(code, key.command),
        venue_order_id: item.venue_order_id.id()?,
        venue_code: code,
        message: VenueMessage::lossy(item.message.text()?.unwrap_or_default().as_bytes()),
        venue_time: item.time.time_ms()?.unwrap_or(answered_at),
    })
}
