//! The order object: as the `orders` channel pushes it, and as REST shows it.
//!
//! okx.com/docs-v5, "WS / Order channel" and "Order List". In a push `fillSz`, `fillPx`, `fillFee`,
//! `tradeId` and `execType` are *this* execution; in REST the same names are the last one, so no
//! execution is ever read there. Fee sign: negative = charged. Threads: none.

use model::execution_report::{
    FEE_SCALE, Fill, LiquiditySide, OrderUpdate, QuarantineReason, ReplaceResult,
};
use model::order_request::{CommandKind, Side};
use model::{ClientOrderId, Instrument, Price, Quantity, TradeId, UnixNs, VenueReport};

use super::ReportSink;
use super::members::{Member, Value, json_members};
use crate::json_tape::Json;
use crate::venue::okx::instrument_table::InstrumentTable;
use crate::venue::okx::request_id::CommandKey;
use crate::venue::okx::status_map::order_state;

json_members! {
    /// What is read of an order.
    pub(crate) struct OrderMembers {
        symbol = "instId",
        venue_order_id = "ordId",
        client_order_id = "clOrdId",
        side = "side",
        state = "state",
        cancel_source = "cancelSource",
        quantity = "sz",
        quantity_unit = "tgtCcy",
        price = "px",
        cum_quantity = "accFillSz",
        last_quantity = "fillSz",
        last_price = "fillPx",
        last_fee = "fillFee",
        last_time = "fillTime",
        trade_id = "tradeId",
        liquidity = "execType",
        request_id = "reqId",
        amend_result = "amendResult",
        updated_at = "uTime",
    }
}

json_members! {
    /// What is read of a record of `trade/fills`.
    pub(crate) struct FillMembers {
        symbol = "instId",
        venue_order_id = "ordId",
        client_order_id = "clOrdId",
        side = "side",
        last_quantity = "fillSz",
        last_price = "fillPx",
        fee = "fee",
        last_time = "fillTime",
        booked_at = "ts",
        trade_id = "tradeId",
        liquidity = "execType",
    }
}

/// One order of a push: a report, and a second one if its fee could not be read.
pub(super) fn read_push(order: Json<'_, '_>, table: &InstrumentTable, sink: &mut ReportSink<'_>) {
    match OrderMembers::read(order) {
        Ok(members) => report_push(&members, table, sink),
        Err(reason) => sink.push(VenueReport::Quarantined(reason)),
    }
}

/// The same, of members that were read already.
pub(super) fn report_push<'i, V: Value<'i>>(
    members: &OrderMembers<V>,
    table: &InstrumentTable,
    sink: &mut ReportSink<'_>,
) {
    match push_update(members, table) {
        Ok((update, fee)) => {
            sink.push(VenueReport::Order(update));
            if let Err(reason) = fee {
                sink.push(VenueReport::Quarantined(reason));
            }
        }
        Err(reason) => sink.push(VenueReport::Quarantined(reason)),
    }
}

/// An order as REST shows it: state and sums, no execution and no replace.
pub(crate) fn order_of_query(
    order: Json<'_, '_>,
    table: &InstrumentTable,
) -> Result<OrderUpdate, QuarantineReason> {
    let members = OrderMembers::read(order)?;
    update_without_fill(&members, table).map(|(update, _)| update)
}

/// A fill record of REST. The execution is whole, its fee included, or it is refused.
pub(crate) fn fill_of_query(
    members: &FillMembers<Json<'_, '_>>,
    table: &InstrumentTable,
) -> Result<(Instrument, Side, Fill), QuarantineReason> {
    let instrument = instrument_of(&members.symbol, table)?;
    let booked_at = members.booked_at.time_ms()?;
    let venue_time = members.last_time.time_ms()?.or(booked_at);
    let quantity = members
        .last_quantity
        .required_units(instrument.quantity_scale)?;
    if quantity <= 0 {
        return Err(QuarantineReason::BadNumber);
    }
    let fill = Fill {
        trade_id: trade_id(&members.trade_id)?,
        last_quantity: Quantity::from_units(quantity),
        last_price: Price::from_units(members.last_price.required_units(instrument.price_scale)?),
        fee_units: charged(&members.fee)?,
        liquidity: liquidity(&members.liquidity)?,
        venue_time: venue_time.ok_or(QuarantineReason::MissingMember)?,
    };
    Ok((*instrument, side(&members.side)?, fill))
}

/// Our id, when the venue shows one of our form.
pub(crate) fn client_order_id<'i>(
    member: &impl Member<'i>,
) -> Result<Option<ClientOrderId>, QuarantineReason> {
    let text = member.text()?.unwrap_or_default();
    Ok(ClientOrderId::from_text(text.as_bytes()))
}

/// The update of a push, and whether its fee could be read: an execution is never lost for its fee.
type PushUpdate = (OrderUpdate, Result<(), QuarantineReason>);

fn push_update<'i, V: Value<'i>>(
    members: &OrderMembers<V>,
    table: &InstrumentTable,
) -> Result<PushUpdate, QuarantineReason> {
    let (mut update, instrument) = update_without_fill(members, table)?;
    let mut fee = Ok(());
    let last = members.last_quantity.units(instrument.quantity_scale)?;
    if let Some(last) = last.filter(|last| *last != 0) {
        if last < 0 {
            return Err(QuarantineReason::BadNumber);
        }
        let fee_units = charged(&members.last_fee);
        let last_time = members.last_time.time_ms()?;
        update.fill = Some(Fill {
            trade_id: trade_id(&members.trade_id)?,
            last_quantity: Quantity::from_units(last),
            last_price: Price::from_units(
                members.last_price.required_units(instrument.price_scale)?,
            ),
            fee_units: fee_units.unwrap_or(0),
            liquidity: liquidity(&members.liquidity)?,
            venue_time: last_time.unwrap_or(update.venue_time),
        });
        fee = fee_units.map(|_| ());
    }
    update.replace = replace_result(members, update.client_order_id)?;
    Ok((update, fee))
}

fn update_without_fill<'i, 't, V: Value<'i>>(
    members: &OrderMembers<V>,
    table: &'t InstrumentTable,
) -> Result<(OrderUpdate, &'t Instrument), QuarantineReason> {
    let instrument = instrument_of(&members.symbol, table)?;
    let venue_order_id = members.venue_order_id.id()?;
    if venue_order_id.is_empty() {
        return Err(QuarantineReason::MissingMember);
    }
    let cancel_source = members.cancel_source.code()?.unwrap_or(0);
    let (state, end_code) = order_state(members.state.required_text()?, cancel_source)
        .ok_or(QuarantineReason::UnknownKind)?;
    let quantity = match members.quantity_unit.text()? {
        // `sz` is money here, which is no quantity; our own orders never ask for this.
        Some("quote_ccy") => 0,
        _ => members.quantity.required_units(instrument.quantity_scale)?,
    };
    let cum_quantity = members.cum_quantity.units(instrument.quantity_scale)?;
    let price = members.price.units(instrument.price_scale)?.unwrap_or(0);
    let update = OrderUpdate {
        client_order_id: client_order_id(&members.client_order_id)?,
        venue_order_id,
        instrument: instrument.id,
        side: side(&members.side)?,
        state,
        order_quantity: Quantity::from_units(not_negative(quantity)?),
        limit_price: Price::from_units(price),
        cum_quantity: Quantity::from_units(not_negative(cum_quantity.unwrap_or(0))?),
        fill: None,
        replace: None,
        end_code,
        venue_time: members.updated_at.time_ms()?.unwrap_or(UnixNs(0)),
    };
    Ok((update, instrument))
}

fn instrument_of<'i, 't>(
    symbol: &impl Member<'i>,
    table: &'t InstrumentTable,
) -> Result<&'t Instrument, QuarantineReason> {
    let symbol = symbol.required_text()?;
    table
        .by_symbol(symbol.as_bytes())
        .map(|known| &known.instrument)
        .ok_or(QuarantineReason::UnknownInstrument)
}

fn not_negative(units: i64) -> Result<i64, QuarantineReason> {
    if units < 0 {
        return Err(QuarantineReason::BadNumber);
    }
    Ok(units)
}

fn side<'i>(member: &impl Member<'i>) -> Result<Side, QuarantineReason> {
    match member.required_text()? {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(QuarantineReason::Malformed),
    }
}

/// `0` stands for "none" in order records of liquidations; an empty id is what the engine expects.
fn trade_id<'i>(member: &impl Member<'i>) -> Result<TradeId, QuarantineReason> {
    let id: TradeId = member.id()?;
    Ok(if id.as_bytes() == b"0" {
        TradeId::EMPTY
    } else {
        id
    })
}

/// What was charged, in 10^-12 units: the venue's number with its sign turned. Absent = nothing.
fn charged<'i>(member: &impl Member<'i>) -> Result<i64, QuarantineReason> {
    let venue_units = member.units(FEE_SCALE)?.unwrap_or(0);
    venue_units.checked_neg().ok_or(QuarantineReason::BadNumber)
}

fn liquidity<'i>(member: &impl Member<'i>) -> Result<LiquiditySide, QuarantineReason> {
    Ok(match member.text()? {
        Some("M") => LiquiditySide::Maker,
        Some("T") => LiquiditySide::Taker,
        _ => LiquiditySide::Unknown,
    })
}

/// What became of an amendment of ours. `amendResult` 0 = in force; -1 = failed; 1 = failed and the
/// order is cancelled with it. Empty = the push answers no amendment; 2 and others are not ours.
fn replace_result<'i, V: Value<'i>>(
    members: &OrderMembers<V>,
    order: Option<ClientOrderId>,
) -> Result<Option<ReplaceResult>, QuarantineReason> {
    let Some(text) = members.request_id.text()? else {
        return Ok(None);
    };
    let ours = |key: &CommandKey| {
        key.command == CommandKind::Replace && Some(key.client_order_id) == order
    };
    let Some(key) = CommandKey::parse(text.as_bytes()).filter(ours) else {
        return Ok(None);
    };
    let applied = match members.amend_result.units(0)? {
        Some(0) => true,
        Some(-1 | 1) => false,
        _ => return Ok(None),
    };
    Ok(Some(ReplaceResult {
        command_seq: key.command_seq,
        applied,
    }))
}
