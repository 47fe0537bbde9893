//! Request parameters as clients write them: strings, numbers or booleans; `""` and null are
//! absent.
//!
//! Invariants: nothing is guessed: a value that cannot be read is refused with the parameter's
//! name. Must not know: the state of the venue, but for the instrument table and an account's
//! position mode.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::instruments::Instrument;
use crate::matching::{
    Amendment, NewOrder, OrderType, PositionMode, PositionSide, SelfTradeRule, Side, SizeUnit,
    TradeMode,
};
use crate::okx::error_code::VenueError;
use crate::okx::order_json::size_unit_name;

/// Larger prices and quantities are no numbers to this venue; products of two stay exact.
const LARGEST_NUMBER: u64 = 1_000_000_000_000;

/// A parameter as text; absent when missing, null or empty.
pub(crate) fn text(leg: &Value, key: &str) -> Option<String> {
    match leg.get(key)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A boolean written as `true`, `"true"`, `false`, `"false"` or nothing.
pub(crate) fn flag(leg: &Value, key: &str) -> Result<bool, VenueError> {
    match text(leg, key).as_deref() {
        None => Ok(false),
        Some(written) if written.eq_ignore_ascii_case("true") => Ok(true),
        Some(written) if written.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(VenueError::parameter(key)),
    }
}

fn decimal(leg: &Value, key: &str) -> Result<Option<Decimal>, VenueError> {
    let Some(written) = text(leg, key) else {
        return Ok(None);
    };
    let largest = Decimal::from(LARGEST_NUMBER);
    let looks_plain = written
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match Decimal::from_str_exact(&written) {
        Ok(value) if looks_plain && value <= largest => Ok(Some(value)),
        _ => Err(VenueError::parameter(key)),
    }
}

/// Letters and digits only, at most `longest`.
fn checked_id(leg: &Value, key: &str, longest: usize) -> Result<Arc<str>, VenueError> {
    let written = text(leg, key).unwrap_or_default();
    let is_valid =
        written.len() <= longest && written.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_valid {
        Ok(Arc::from(written))
    } else {
        Err(VenueError::parameter(key))
    }
}

/// How a leg may name its instrument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstrumentNaming {
    /// `instIdCode` only (WebSocket since 2026).
    Code,
    /// `instIdCode`, or `instId` when there is none.
    CodeOrName,
}

/// Index of the instrument that a leg names.
pub(crate) fn instrument(
    instruments: &[Instrument],
    leg: &Value,
    naming: InstrumentNaming,
) -> Result<usize, VenueError> {
    if let Some(code) = text(leg, "instIdCode") {
        let code: i64 = code
            .parse()
            .map_err(|_| VenueError::parameter("instIdCode"))?;
        let found = instruments.iter().position(|listed| listed.code == code);
        return found.ok_or_else(|| VenueError::known("51001"));
    }
    if naming == InstrumentNaming::Code {
        return Err(VenueError::parameter("instIdCode"));
    }
    let name = text(leg, "instId").ok_or_else(|| VenueError::parameter("instId"))?;
    let found = instruments.iter().position(|listed| listed.symbol == name);
    found.ok_or_else(|| VenueError::known("51001"))
}

/// Order id or client order id of a cancel, amend or query; the order id wins.
pub(crate) enum OwnedName {
    OrderId(u64),
    ClientOrderId(String),
}

pub(crate) fn order_name(leg: &Value) -> Result<OwnedName, VenueError> {
    if let Some(order_id) = text(leg, "ordId") {
        let order_id = order_id
            .parse()
            .map_err(|_| VenueError::parameter("ordId"))?;
        return Ok(OwnedName::OrderId(order_id));
    }
    match text(leg, "clOrdId") {
        Some(client_order_id) => Ok(OwnedName::ClientOrderId(client_order_id)),
        None => Err(VenueError::parameter("ordId or clOrdId")),
    }
}

/// A new order from its parameters.
pub(crate) fn new_order(
    leg: &Value,
    account: usize,
    instrument: usize,
    listed: &Instrument,
    mode: PositionMode,
) -> Result<NewOrder, VenueError> {
    let side = side(leg)?;
    let order_type = order_type(leg)?;
    let price = match decimal(leg, "px")? {
        _ if order_type.is_unpriced() => None,
        Some(price) => Some(price),
        None => return Err(VenueError::parameter("px")),
    };
    let quantity = match decimal(leg, "sz")? {
        Some(quantity) if !quantity.is_zero() => quantity,
        _ => return Err(VenueError::parameter("sz")),
    };
    let (size_unit, size_unit_text) = size_unit(leg, listed, order_type, side)?;
    let self_trade_rule = self_trade_rule(leg, order_type)?;
    let attached = match leg.get("attachAlgoOrds") {
        Some(Value::Array(orders)) if !orders.is_empty() => leg["attachAlgoOrds"].to_string(),
        _ => String::new(),
    };
    Ok(NewOrder {
        account,
        instrument,
        client_order_id: checked_id(leg, "clOrdId", 32)?,
        tag: checked_id(leg, "tag", 16)?,
        side,
        position_side: position_side(leg, listed, mode)?,
        order_type,
        trade_mode: trade_mode(leg, listed)?,
        price,
        quantity,
        size_unit,
        size_unit_text,
        reduce_only: flag(leg, "reduceOnly")?,
        self_trade_rule,
        clamp_price: text(leg, "pxAmendType").as_deref() == Some("1"),
        is_amend_banned: flag(leg, "banAmend")?,
        attached: Arc::from(attached),
    })
}

fn side(leg: &Value) -> Result<Side, VenueError> {
    match text(leg, "side").as_deref() {
        Some("buy") => Ok(Side::Buy),
        Some("sell") => Ok(Side::Sell),
        _ => Err(VenueError::parameter("side")),
    }
}

fn order_type(leg: &Value) -> Result<OrderType, VenueError> {
    match text(leg, "ordType").as_deref() {
        Some("limit") => Ok(OrderType::Limit),
        Some("market") => Ok(OrderType::Market),
        Some("post_only") => Ok(OrderType::PostOnly),
        Some("fok") => Ok(OrderType::FillOrKill),
        Some("ioc") => Ok(OrderType::ImmediateOrCancel),
        Some("optimal_limit_ioc") => Ok(OrderType::OptimalLimitIoc),
        _ => Err(VenueError::parameter("ordType")),
    }
}

fn trade_mode(leg: &Value, listed: &Instrument) -> Result<TradeMode, VenueError> {
    match (text(leg, "tdMode").as_deref(), listed.is_derivative()) {
        (Some("cash"), false) => Ok(TradeMode::Cash),
        (Some("cross"), _) => Ok(TradeMode::Cross),
        (Some("isolated"), true) => Ok(TradeMode::Isolated),
        _ => Err(VenueError::parameter("tdMode")),
    }
}

fn position_side(
    leg: &Value,
    listed: &Instrument,
    mode: PositionMode,
) -> Result<PositionSide, VenueError> {
    if !listed.is_derivative() {
        return Ok(PositionSide::Net);
    }
    match (mode, text(leg, "posSide").as_deref()) {
        (PositionMode::Net, None | Some("net")) => Ok(PositionSide::Net),
        (PositionMode::LongShort, Some("long")) => Ok(PositionSide::Long),
        (PositionMode::LongShort, Some("short")) => Ok(PositionSide::Short),
        _ => Err(VenueError::parameter("posSide")),
    }
}

fn size_unit(
    leg: &Value,
    listed: &Instrument,
    order_type: OrderType,
    side: Side,
) -> Result<(SizeUnit, &'static str), VenueError> {
    if listed.is_derivative() || order_type != OrderType::Market {
        return Ok((SizeUnit::Base, ""));
    }
    let default_unit = if side == Side::Buy {
        SizeUnit::Quote
    } else {
        SizeUnit::Base
    };
    let unit = match text(leg, "tgtCcy").as_deref() {
        None => default_unit,
        Some("base_ccy") => SizeUnit::Base,
        Some("quote_ccy") => SizeUnit::Quote,
        Some(_) => return Err(VenueError::parameter("tgtCcy")),
    };
    Ok((unit, size_unit_name(unit)))
}

fn self_trade_rule(leg: &Value, order_type: OrderType) -> Result<SelfTradeRule, VenueError> {
    match text(leg, "stpMode").as_deref() {
        None | Some("cancel_maker") => Ok(SelfTradeRule::Maker),
        Some("cancel_taker") => Ok(SelfTradeRule::Taker),
        Some("cancel_both") if order_type == OrderType::FillOrKill => Err(VenueError::new(
            "54036",
            "FOK orders cannot use cancel_both.",
        )),
        Some("cancel_both") => Ok(SelfTradeRule::Both),
        Some(_) => Err(VenueError::parameter("stpMode")),
    }
}

/// An amendment from its parameters.
pub(crate) fn amendment(leg: &Value) -> Result<Amendment, VenueError> {
    Ok(Amendment {
        new_price: decimal(leg, "newPx")?,
        new_quantity: decimal(leg, "newSz")?,
        request_id: checked_id(leg, "reqId", 32)?,
        cancel_on_fail: flag(leg, "cxlOnFail")?,
        clamp_price: text(leg, "pxAmendType").as_deref() == Some("1"),
    })
}
