//! Orders and fills as OKX writes them: the whole field set of the order channel, of REST order
//! objects and of fill records (docs: "WS / Order channel", "GET / Order details", "GET /
//! Transaction details").
//!
//! Invariants: in a push the `fill*` members are this push's fill only; in REST they are the last
//! fill.

use crate::instruments::Instrument;
use crate::matching::{AmendOutcome, Exchange, Execution, Order, OrderState, Side, SizeUnit};
use crate::okx::json_object::{JsonObject, plain};

/// What a push adds to the order itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct PushDetail<'a> {
    pub(crate) execution: Option<&'a Execution>,
    pub(crate) amend: Option<AmendOutcome>,
    /// Overrides, for faults: state, `uTime` later by ms.
    pub(crate) state: Option<OrderState>,
    pub(crate) later_ms: i64,
}

/// One element of an order channel push.
pub(crate) fn order_push(exchange: &Exchange, order: &Order, detail: PushDetail<'_>) -> String {
    let mut json = JsonObject::new();
    write_identity(&mut json, exchange, order);
    let price = order
        .price
        .unwrap_or_else(|| exchange.mark_price(order.new.instrument));
    let listed = &exchange.instruments[order.new.instrument];
    let notional = listed.notional(order.quantity, price).round_dp(6);
    json.decimal("notionalUsd", notional);
    write_kind(&mut json, order);
    write_fill(&mut json, detail.execution);
    write_fill_marks(&mut json, exchange, order, detail.execution);
    let average = order.average_price().map_or("0".to_owned(), plain);
    write_progress(
        &mut json,
        exchange,
        order,
        &average,
        detail.state.unwrap_or(order.state),
    );
    json.integer("uTime", order.updated_ms + detail.later_ms)
        .integer("cTime", order.created_ms);
    let (request, result) = match detail.amend {
        Some(AmendOutcome::Done) => (&*order.amend_request_id, "0"),
        Some(AmendOutcome::Failed) => (&*order.amend_request_id, "-1"),
        Some(AmendOutcome::FailedAndCanceled) => (&*order.amend_request_id, "1"),
        None if order.state == OrderState::Canceled => (&*order.amend_request_id, ""),
        None => ("", ""),
    };
    json.text("reqId", request).text("amendResult", result);
    write_tail(&mut json, listed, order);
    json.decimal("lastPx", exchange.last_price[order.new.instrument]);
    json.text("code", "0")
        .text("msg", "")
        .text("tradeQuoteCcy", &listed.quote);
    json.finish()
}

/// A REST order object, at its present state.
pub(crate) fn order_object(exchange: &Exchange, order: &Order) -> String {
    let mut json = JsonObject::new();
    let listed = &exchange.instruments[order.new.instrument];
    write_identity(&mut json, exchange, order);
    write_kind(&mut json, order);
    write_last_fill(&mut json, order.last_execution.as_deref());
    let average = order.average_price().map_or(String::new(), plain);
    write_progress(&mut json, exchange, order, &average, order.state);
    json.integer("uTime", order.updated_ms)
        .integer("cTime", order.created_ms);
    write_tail(&mut json, listed, order);
    json.text("tradeQuoteCcy", &listed.quote);
    json.finish()
}

fn write_identity(json: &mut JsonObject, exchange: &Exchange, order: &Order) {
    let listed = &exchange.instruments[order.new.instrument];
    let new = &order.new;
    json.text("instType", listed.kind.name())
        .text("instId", &listed.symbol);
    json.text("tgtCcy", new.size_unit_text)
        .text("ccy", &listed.quote);
    json.integer("ordId", order.order_id)
        .text("clOrdId", &new.client_order_id);
    json.text("tag", &new.tag);
    json.text("px", &order.price.map_or(String::new(), plain));
    json.blanks(&["pxUsd", "pxVol", "pxType"]);
    // A market order sized in quote shows the amount that was asked for.
    let quantity = if order.is_quote_sized() {
        new.quantity
    } else {
        order.quantity
    };
    json.decimal("sz", quantity);
}

fn write_kind(json: &mut JsonObject, order: &Order) {
    json.text("ordType", order.new.order_type.name())
        .text("side", order.new.side.name());
    json.text("posSide", order.new.position_side.name());
    json.text("tdMode", order.new.trade_mode.name());
}

fn write_fill(json: &mut JsonObject, execution: Option<&Execution>) {
    match execution {
        Some(fill) => {
            json.decimal("fillPx", fill.price)
                .integer("tradeId", fill.trade_id);
            json.decimal("fillSz", fill.quantity)
                .decimal("fillPnl", fill.profit);
            json.integer("fillTime", fill.at_ms)
                .decimal("fillFee", fill.fee);
            json.text("fillFeeCcy", &fill.fee_currency);
        }
        None => {
            json.blanks(&["fillPx", "tradeId"])
                .text("fillSz", "0")
                .text("fillPnl", "0");
            json.text("fillTime", "")
                .text("fillFee", "0")
                .text("fillFeeCcy", "");
        }
    }
}

fn write_last_fill(json: &mut JsonObject, execution: Option<&Execution>) {
    match execution {
        Some(fill) => {
            json.decimal("fillPx", fill.price)
                .integer("tradeId", fill.trade_id);
            json.decimal("fillSz", fill.quantity)
                .integer("fillTime", fill.at_ms);
        }
        None => {
            json.blanks(&["fillPx", "tradeId"])
                .text("fillSz", "0")
                .text("fillTime", "");
        }
    }
}

fn write_fill_marks(
    json: &mut JsonObject,
    exchange: &Exchange,
    order: &Order,
    execution: Option<&Execution>,
) {
    json.blanks(&["fillPxVol", "fillPxUsd", "fillMarkVol", "fillFwdPx"]);
    let Some(fill) = execution else {
        json.blanks(&["fillMarkPx", "fillIdxPx", "fillNotionalUsd", "execType"]);
        return;
    };
    let instrument = order.new.instrument;
    let mark = exchange.mark_price(instrument);
    let notional = exchange.instruments[instrument].notional(fill.quantity, fill.price);
    json.decimal("fillMarkPx", mark).decimal("fillIdxPx", mark);
    json.decimal("fillNotionalUsd", notional.round_dp(6));
    json.text("execType", exec_type(fill));
}

fn write_progress(
    json: &mut JsonObject,
    exchange: &Exchange,
    order: &Order,
    average: &str,
    state: OrderState,
) {
    let listed = &exchange.instruments[order.new.instrument];
    let leverage = if listed.is_derivative() {
        plain(order.leverage)
    } else {
        String::new()
    };
    json.decimal("accFillSz", order.filled)
        .text("avgPx", average)
        .text("state", state.name());
    json.text("lever", &leverage).text("attachAlgoClOrdId", "");
    json.blanks(&["tpTriggerPx", "tpTriggerPxType", "tpOrdPx"]);
    json.blanks(&["slTriggerPx", "slTriggerPxType", "slOrdPx"]);
    let attached = if order.new.attached.is_empty() {
        "[]"
    } else {
        &order.new.attached
    };
    json.raw("attachAlgoOrds", attached)
        .raw("linkedAlgoOrd", r#"{"algoId":""}"#);
    let (fee_currency, rebate_currency) = fee_currencies(listed, order);
    json.text("stpId", "")
        .text("stpMode", order.new.self_trade_rule.name());
    json.text("feeCcy", fee_currency).decimal("fee", order.fee);
    json.text("rebateCcy", rebate_currency)
        .decimal("rebate", order.rebate);
    json.decimal("pnl", order.profit.round_dp(12))
        .text("source", "");
    let source = order
        .cancel_source
        .map_or(String::new(), |source| source.0.to_string());
    json.text("cancelSource", &source)
        .text("cancelSourceReason", "");
    json.text("amendSource", order.amend_source)
        .text("category", "normal");
    json.text("isTpLimit", "false");
}

fn write_tail(json: &mut JsonObject, listed: &Instrument, order: &Order) {
    let is_reduce_only = order.new.reduce_only && listed.is_derivative();
    json.text("reduceOnly", if is_reduce_only { "true" } else { "false" });
    json.blanks(&["quickMgnType", "algoClOrdId", "algoId"]);
}

/// Currencies of charged fees and of rebates.
fn fee_currencies<'a>(listed: &'a Instrument, order: &Order) -> (&'a str, &'a str) {
    if listed.is_derivative() {
        return (&listed.quote, &listed.quote);
    }
    match order.new.side {
        Side::Buy => (&listed.base, &listed.quote),
        Side::Sell => (&listed.quote, &listed.base),
    }
}

fn exec_type(fill: &Execution) -> &'static str {
    if fill.is_taker { "T" } else { "M" }
}

/// A REST fill record.
pub(crate) fn fill_record(exchange: &Exchange, fill: &Execution) -> String {
    let listed = &exchange.instruments[fill.instrument];
    let mark = exchange.mark_price(fill.instrument);
    let mut json = JsonObject::new();
    json.text("side", fill.side.name())
        .decimal("fillSz", fill.quantity);
    json.decimal("fillPx", fill.price)
        .blanks(&["fillPxVol", "fillFwdPx"]);
    json.decimal("fee", fill.fee)
        .decimal("fillPnl", fill.profit.round_dp(12));
    json.integer("ordId", fill.order_id)
        .decimal("feeRate", fill.fee_rate);
    json.text("instType", listed.kind.name())
        .text("fillPxUsd", "");
    json.text("instId", &listed.symbol)
        .text("clOrdId", &fill.client_order_id);
    json.text("posSide", fill.position_side.name())
        .integer("billId", fill.bill_id);
    json.text("subType", sub_type(fill))
        .text("fillMarkVol", "")
        .text("tag", &fill.tag);
    json.integer("fillTime", fill.at_ms)
        .text("execType", exec_type(fill));
    json.decimal("fillIdxPx", mark)
        .integer("tradeId", fill.trade_id);
    json.decimal("fillMarkPx", mark)
        .text("feeCcy", &fill.fee_currency);
    json.integer("ts", fill.at_ms)
        .text("tradeQuoteCcy", &listed.quote);
    json.finish()
}

/// One element of a fills channel push; `clOrdId` only when it is a positive 63-bit integer.
pub(crate) fn fill_push(exchange: &Exchange, fill: &Execution) -> String {
    let is_integer = fill
        .client_order_id
        .parse::<i64>()
        .is_ok_and(|number| number > 0);
    let client_order_id = if is_integer {
        &*fill.client_order_id
    } else {
        "0"
    };
    let mut json = JsonObject::new();
    json.text("instId", &exchange.instruments[fill.instrument].symbol);
    json.decimal("fillSz", fill.quantity)
        .decimal("fillPx", fill.price);
    json.text("side", fill.side.name())
        .integer("ts", fill.at_ms);
    json.integer("ordId", fill.order_id)
        .text("clOrdId", client_order_id);
    json.integer("tradeId", fill.trade_id)
        .text("execType", exec_type(fill));
    json.text("count", "1");
    json.finish()
}

/// Bill subtype: 1 buy, 2 sell.
fn sub_type(fill: &Execution) -> &'static str {
    match fill.side {
        Side::Buy => "1",
        Side::Sell => "2",
    }
}

/// `tgtCcy` as it is echoed.
pub(crate) fn size_unit_name(unit: SizeUnit) -> &'static str {
    match unit {
        SizeUnit::Base => "base_ccy",
        SizeUnit::Quote => "quote_ccy",
    }
}
