//! Order commands as OKX WebSocket text, from byte templates into the caller's buffer.
//!
//! Encoding is a pure function of the intent and the instrument table. What [`check_intent`] lets
//! pass always encodes, and fits [`MAX_COMMAND_BYTES`]: nothing can fail after the intent is
//! journaled. Allocates nothing. Must not know: frames, signatures, whether an order is allowed.
//! Threads: none.

use model::DecimalText;
use model::InstrumentId;
use model::instrument::InstrumentKind;
use model::order_request::{CommandKind, OrderIntent, OrderType, Side, TimeInForce};
use model::time::UnixNs;

use crate::byte_writer::{BufferTooShort, ByteWriter, DIGITS_MAX};
use crate::template_writer::{Template, TemplateWriter};
use crate::venue::okx::instrument_table::{InstrumentTable, OkxInstrument, SelfTradePrevention};
use crate::venue::okx::order_templates::{
    CANCEL_END, CANCEL_LETTER, END, HEAD, NEW_LETTER, ORDER_ID, OrderTemplates, PRICE, REPEATED,
    limit_terms,
};
use crate::venue::okx::order_terms::{
    AmendTerms, CancelTerms, InstrumentRef, OrderRef, OrderTerms, PlaceTerms,
};
use crate::venue::okx::request_id::{CommandKey, RequestIdText};

/// Largest text of one command in bytes; a test encodes the longest one.
pub const MAX_COMMAND_BYTES: usize = 512;
/// Most orders of one batch (okx.com/docs-v5, "WS / Place multiple orders").
pub const MAX_BATCH_ORDERS: usize = 20;
/// Largest text of a batch in bytes.
pub const MAX_BATCH_BYTES: usize = 8_192;
const _: () = assert!(MAX_BATCH_ORDERS * 400 + 192 <= MAX_BATCH_BYTES);

/// Why an intent cannot become a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The table does not have the instrument.
    UnknownInstrument {
        /// It.
        found: InstrumentId,
    },
    /// The venue gave the instrument no `instIdCode`, so the WebSocket cannot name it.
    NoInstrumentCode {
        /// It.
        found: InstrumentId,
    },
    /// A combination that OKX has no `ordType` for.
    Unsupported {
        /// In words for an operator.
        what: &'static str,
    },
    /// A batch without orders, with too many, or with commands of different kinds or numbers.
    BadBatch {
        /// Orders in it.
        found: usize,
    },
    /// The caller's buffer is shorter than the constants say.
    BufferTooShort(BufferTooShort),
}

impl From<BufferTooShort> for EncodeError {
    fn from(short: BufferTooShort) -> Self {
        Self::BufferTooShort(short)
    }
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownInstrument { found } => {
                write!(f, "instrument {found} is not in the table")
            }
            Self::NoInstrumentCode { found } => {
                write!(f, "the venue gave instrument {found} no instIdCode")
            }
            Self::Unsupported { what } => f.write_str(what),
            Self::BadBatch { found } => {
                write!(
                    f,
                    "{found} orders do not make a batch of 1 to {MAX_BATCH_ORDERS}"
                )
            }
            Self::BufferTooShort(short) => {
                write!(f, "a buffer of {} bytes is too short", short.found_bytes)
            }
        }
    }
}

impl std::error::Error for EncodeError {}

/// True knowledge before the intent is journaled: what passes here always encodes.
///
/// # Errors
/// [`EncodeError`] naming what OKX has no words for.
pub fn check_intent(intent: &OrderIntent, table: &InstrumentTable) -> Result<(), EncodeError> {
    check(intent, table).map(|_| ())
}

fn check<'t>(
    intent: &OrderIntent,
    table: &'t InstrumentTable,
) -> Result<&'t OkxInstrument, EncodeError> {
    let known = instrument_of(intent, table)?;
    if intent.command != CommandKind::New {
        return Ok(known);
    }
    order_type(intent)?;
    let unsupported = |what| Err(EncodeError::Unsupported { what });
    if intent.reduce_only && known.instrument.kind == InstrumentKind::Spot {
        return unsupported("reduce_only has no meaning for spot");
    }
    if intent.time_in_force == TimeInForce::FillOrKill
        && table.self_trade_prevention() == Some(SelfTradePrevention::CancelBoth)
    {
        return unsupported("cancel_both is refused with fill-or-kill (54036)");
    }
    Ok(known)
}

/// Writes one command as an `order`, `cancel-order` or `amend-order` message.
///
/// `out` of [`MAX_COMMAND_BYTES`] is always enough. Returns the bytes written.
///
/// # Errors
/// [`EncodeError`]: never for an intent that [`check_intent`] lets pass.
pub fn encode_command(
    out: &mut [u8],
    intent: &OrderIntent,
    table: &InstrumentTable,
) -> Result<usize, EncodeError> {
    check(intent, table)?;
    match table.templates(intent.instrument) {
        Some(templates) if intent.command == CommandKind::Cancel => {
            Ok(write_cancel(out, intent, templates)?)
        }
        Some(templates) if intent.command == CommandKind::New => {
            let terms = limit_terms(
                intent.side,
                intent.order_type,
                intent.time_in_force,
                intent.post_only,
            );
            match (terms, table.by_id(intent.instrument)) {
                (Some(terms), Some(known)) => {
                    let scales = (
                        known.instrument.quantity_scale,
                        known.instrument.price_scale,
                    );
                    Ok(write_place(out, intent, templates, terms, scales)?)
                }
                _ => encode_by_members(out, intent, table),
            }
        }
        _ => encode_by_members(out, intent, table),
    }
}

/// A limit order from its instrument's templates.
fn write_place(
    out: &mut [u8],
    intent: &OrderIntent,
    templates: &OrderTemplates,
    terms: &Template<48>,
    (quantity_scale, price_scale): (u8, u8),
) -> Result<usize, BufferTooShort> {
    let mut writer = TemplateWriter::new(out);
    let (id_at, id_bytes) = write_id(&mut writer, intent, &NEW_LETTER);
    writer.put(&templates.place);
    writer.put(terms);
    writer.put_decimal(intent.order_quantity.units(), quantity_scale);
    writer.put(&PRICE);
    writer.put_decimal(intent.limit_price.units(), price_scale);
    writer.put(&ORDER_ID);
    writer.repeat::<ID_WIDTH>(id_at, id_bytes);
    writer.put(&templates.place_end[usize::from(intent.reduce_only)]);
    writer.put_integer(intent.valid_until.as_ms());
    writer.put(&END);
    writer.finish()
}

/// A cancel from its instrument's templates.
fn write_cancel(
    out: &mut [u8],
    intent: &OrderIntent,
    templates: &OrderTemplates,
) -> Result<usize, BufferTooShort> {
    let mut writer = TemplateWriter::new(out);
    let (id_at, id_bytes) = write_id(&mut writer, intent, &CANCEL_LETTER);
    writer.put(&templates.cancel);
    writer.repeat::<ID_WIDTH>(id_at, id_bytes);
    writer.put(&CANCEL_END);
    writer.finish()
}

/// Room for the digits of an order id.
const ID_WIDTH: usize = 24;
const _: () = assert!(ID_WIDTH >= DIGITS_MAX);

/// The message's beginning with its request id, as [`RequestIdText`] writes it. Gives the place of
/// the order id in it.
#[inline(always)]
fn write_id(
    writer: &mut TemplateWriter<'_>,
    intent: &OrderIntent,
    letter: &Template<1>,
) -> (usize, usize) {
    writer.put(&HEAD);
    let id_at = writer.position();
    writer.put_integer(intent.client_order_id.integer());
    let id_bytes = writer.position() - id_at;
    writer.put(letter);
    writer.put_integer(u64::from(intent.command_seq));
    if intent.send_no > 1 {
        writer.put(&REPEATED);
        writer.put_integer(u64::from(intent.send_no));
    }
    (id_at, id_bytes)
}

/// Any command, member by member: the general form, which the templates are compared with.
///
/// # Errors
/// As [`encode_command`].
pub fn encode_by_members(
    out: &mut [u8],
    intent: &OrderIntent,
    table: &InstrumentTable,
) -> Result<usize, EncodeError> {
    let request_id = RequestIdText::new(&CommandKey::of(intent));
    let mut writer = ByteWriter::new(out);
    write_head(
        &mut writer,
        request_id.as_bytes(),
        op(intent.command, false),
    );
    write_intent(&mut writer, intent, &request_id, table)?;
    write_tail(&mut writer, expiry(intent));
    Ok(writer.finish()?)
}

/// Writes commands of one kind and one `command_seq` as one batch message.
///
/// The reply names every order by its `clOrdId`, and kind and number by the request id, which is
/// that of the first intent: this is why they must be the same in all. The earliest `valid_until`
/// is the batch's. `out` of [`MAX_BATCH_BYTES`] is always enough. Returns the bytes written.
///
/// # Errors
/// [`EncodeError::BadBatch`], or what [`check_intent`] refuses in any of them.
pub fn encode_batch(
    out: &mut [u8],
    intents: &[OrderIntent],
    table: &InstrumentTable,
) -> Result<usize, EncodeError> {
    let found = intents.len();
    let bad_batch = EncodeError::BadBatch { found };
    let first = intents.first().ok_or(bad_batch)?;
    let alike =
        |it: &OrderIntent| (it.command, it.command_seq) == (first.command, first.command_seq);
    if found > MAX_BATCH_ORDERS || !intents.iter().all(alike) {
        return Err(bad_batch);
    }
    let request_id = RequestIdText::new(&CommandKey::of(first));
    let mut writer = ByteWriter::new(out);
    write_head(&mut writer, request_id.as_bytes(), op(first.command, true));
    for (place, intent) in intents.iter().enumerate() {
        if place > 0 {
            writer.put(b",");
        }
        let own_id = RequestIdText::new(&CommandKey::of(intent));
        write_intent(&mut writer, intent, &own_id, table)?;
    }
    write_tail(&mut writer, intents.iter().filter_map(expiry).min());
    Ok(writer.finish()?)
}

/// Writes a message from terms alone: the same envelope and the same objects as for our intents.
///
/// The `op` follows from the first object and `batch`; `expires_at` is `expTime`.
///
/// # Errors
/// [`EncodeError::BadBatch`] for no terms, for several without `batch`, or for terms of different
/// kinds; [`EncodeError::BufferTooShort`] when opaque texts are longer than the buffer.
pub fn encode_terms(
    out: &mut [u8],
    request_id: &str,
    terms: &[OrderTerms<'_>],
    batch: bool,
    expires_at: Option<UnixNs>,
) -> Result<usize, EncodeError> {
    let found = terms.len();
    let first = terms.first().ok_or(EncodeError::BadBatch { found })?;
    let kind = core::mem::discriminant(first);
    let most = if batch { MAX_BATCH_ORDERS } else { 1 };
    if found > most || terms.iter().any(|it| core::mem::discriminant(it) != kind) {
        return Err(EncodeError::BadBatch { found });
    }
    let command = match first {
        OrderTerms::Place(_) => CommandKind::New,
        OrderTerms::Cancel(_) => CommandKind::Cancel,
        OrderTerms::Amend(_) => CommandKind::Replace,
    };
    let mut writer = ByteWriter::new(out);
    write_head(&mut writer, request_id.as_bytes(), op(command, batch));
    for (place, object) in terms.iter().enumerate() {
        if place > 0 {
            writer.put(b",");
        }
        object.write(&mut writer);
    }
    write_tail(&mut writer, expires_at);
    Ok(writer.finish()?)
}

/// Writes `mass-cancel`, which cancels market-maker-protection orders of one option family.
///
/// # Errors
/// [`EncodeError::BufferTooShort`].
pub fn encode_mass_cancel(
    out: &mut [u8],
    request_id: &str,
    inst_type: &str,
    inst_family: &str,
) -> Result<usize, EncodeError> {
    let mut writer = ByteWriter::new(out);
    write_head(&mut writer, request_id.as_bytes(), "mass-cancel");
    writer.put(b"{\"instType\":");
    writer.put_json_text(inst_type.as_bytes());
    writer.put(b",\"instFamily\":");
    writer.put_json_text(inst_family.as_bytes());
    writer.put(b"}");
    write_tail(&mut writer, None);
    Ok(writer.finish()?)
}

/// The venue's name of an operation.
pub(crate) const fn op(command: CommandKind, batch: bool) -> &'static str {
    match (command, batch) {
        (CommandKind::New, false) => "order",
        (CommandKind::New, true) => "batch-orders",
        (CommandKind::Cancel, false) => "cancel-order",
        (CommandKind::Cancel, true) => "batch-cancel-orders",
        (CommandKind::Replace, false) => "amend-order",
        (CommandKind::Replace, true) => "batch-amend-orders",
    }
}

/// `expTime` is a member of place and amend requests only.
fn expiry(intent: &OrderIntent) -> Option<UnixNs> {
    (intent.command != CommandKind::Cancel).then_some(intent.valid_until)
}

fn write_head(out: &mut ByteWriter<'_>, request_id: &[u8], op: &str) {
    out.put(b"{\"id\":");
    out.put_json_text(request_id);
    out.put(b",\"op\":\"");
    out.put(op.as_bytes());
    out.put(b"\",\"args\":[");
}

fn write_tail(out: &mut ByteWriter<'_>, expires_at: Option<UnixNs>) {
    match expires_at {
        None => out.put(b"]}"),
        Some(moment) => {
            out.put(b"],\"expTime\":\"");
            out.put_integer(moment.as_ms());
            out.put(b"\"}");
        }
    }
}

fn write_intent(
    out: &mut ByteWriter<'_>,
    intent: &OrderIntent,
    request_id: &RequestIdText,
    table: &InstrumentTable,
) -> Result<(), EncodeError> {
    let known = check(intent, table)?;
    let client_order_id = request_id.client_order_id();
    let order = OrderRef::ClientOrderId(client_order_id);
    let instrument = InstrumentRef::Code(known.instrument.venue_code);
    let sz = DecimalText::new(
        intent.order_quantity.units(),
        known.instrument.quantity_scale,
    );
    let px = DecimalText::new(intent.limit_price.units(), known.instrument.price_scale);
    match intent.command {
        CommandKind::New => {
            let limit = intent.order_type == OrderType::Limit;
            let spot_market = !limit && known.instrument.kind == InstrumentKind::Spot;
            OrderTerms::Place(PlaceTerms {
                instrument,
                td_mode: known.trade_mode.text(),
                side: side(intent.side),
                ord_type: order_type(intent)?,
                sz: sz.as_str(),
                px: limit.then_some(px.as_str()),
                cl_ord_id: Some(client_order_id),
                pos_side: None,
                // Our quantities are base currency; a spot market buy is quote unless told.
                tgt_ccy: spot_market.then_some("base_ccy"),
                stp_mode: table.self_trade_prevention().map(SelfTradePrevention::text),
                tag: None,
                reduce_only: intent.reduce_only.then_some(true),
                attach_algo_ords: &[],
            })
            .write(out);
        }
        CommandKind::Cancel => OrderTerms::Cancel(CancelTerms { instrument, order }).write(out),
        CommandKind::Replace => {
            OrderTerms::Amend(AmendTerms {
                instrument,
                order,
                new_sz: Some(sz.as_str()),
                new_px: Some(px.as_str()),
                req_id: Some(request_id.as_str()),
                cxl_on_fail: None,
            })
            .write(out);
        }
    }
    Ok(())
}

fn instrument_of<'t>(
    intent: &OrderIntent,
    table: &'t InstrumentTable,
) -> Result<&'t OkxInstrument, EncodeError> {
    let found = intent.instrument;
    let known = table
        .by_id(found)
        .ok_or(EncodeError::UnknownInstrument { found })?;
    if known.instrument.venue_code == 0 {
        return Err(EncodeError::NoInstrumentCode { found });
    }
    Ok(known)
}

/// OKX has type, time in force and post-only in one word (okx.com/docs-v5, `ordType`).
fn order_type(intent: &OrderIntent) -> Result<&'static str, EncodeError> {
    let unsupported = |what| Err(EncodeError::Unsupported { what });
    match (intent.order_type, intent.time_in_force, intent.post_only) {
        (OrderType::Limit, TimeInForce::GoodTillCancel, false) => Ok("limit"),
        (OrderType::Limit, TimeInForce::GoodTillCancel, true) => Ok("post_only"),
        (OrderType::Limit, TimeInForce::ImmediateOrCancel, false) => Ok("ioc"),
        (OrderType::Limit, TimeInForce::FillOrKill, false) => Ok("fok"),
        (OrderType::Market, TimeInForce::FillOrKill, _) => {
            unsupported("a market order cannot be fill-or-kill")
        }
        (OrderType::Market, _, false) => Ok("market"),
        (_, _, true) => unsupported("post_only is for resting limit orders"),
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}
