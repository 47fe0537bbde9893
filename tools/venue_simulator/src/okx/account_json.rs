//! Balances and positions as OKX writes them: account, positions and balance_and_position messages
//! and their REST twins (docs: "Trading Account").
//!
//! Invariants: the whole field set, strings but for the documented booleans; `""` where OKX gives
//! none.

use rust_decimal::Decimal;

use crate::matching::{Exchange, Position, PositionSide, Side};
use crate::okx::json_object::{JsonObject, plain};

const MAINTENANCE_RATE_PER_MILLE: u32 = 4;

/// The single element of an account message, with the named currencies, or all.
pub(crate) fn account_object(
    exchange: &Exchange,
    account: usize,
    currencies: Option<&[String]>,
    now_ms: i64,
) -> String {
    let holdings = &exchange.holdings[account];
    let mut details = Vec::new();
    let mut total = Decimal::ZERO;
    for currency in holdings.cash.keys() {
        let is_wanted =
            currencies.is_none_or(|wanted| wanted.iter().any(|name| **name == **currency));
        total += equity(exchange, account, currency) * usd_price(exchange, currency);
        if is_wanted {
            details.push(detail_object(exchange, account, currency));
        }
    }
    let (margin, maintenance, notional, profit) = margin_totals(exchange, account);
    let mut json = JsonObject::new();
    json.integer("uTime", now_ms)
        .decimal("totalEq", total.round_dp(8))
        .text("isoEq", "0");
    json.blanks(&["adjEq", "availEq", "ordFroz"])
        .decimal("imr", margin.round_dp(8));
    json.decimal("mmr", maintenance.round_dp(8))
        .text("borrowFroz", "");
    json.decimal("notionalUsd", notional.round_dp(8))
        .text("mgnRatio", "");
    json.decimal("upl", profit.round_dp(8));
    json.blanks(&["delta", "deltaLever", "deltaNeutralStatus"]);
    json.blanks(&[
        "notionalUsdForBorrow",
        "notionalUsdForFutures",
        "notionalUsdForOption",
    ]);
    json.decimal("notionalUsdForSwap", notional.round_dp(8));
    json.raw("details", &format!("[{}]", details.join(",")));
    json.finish()
}

fn detail_object(exchange: &Exchange, account: usize, currency: &str) -> String {
    let cash = exchange.holdings[account].cash_of(currency);
    let profit = unrealized_in(exchange, account, currency);
    let margin = margin_in(exchange, account, currency);
    let equity = (cash.total + profit).round_dp(12);
    let available = exchange
        .available(account, currency)
        .max(Decimal::ZERO)
        .round_dp(12);
    let price = usd_price(exchange, currency);
    let mut json = JsonObject::new();
    json.text("ccy", currency)
        .decimal("eq", equity)
        .decimal("cashBal", cash.total);
    json.integer("uTime", cash.updated_ms)
        .text("isoEq", "0")
        .decimal("availEq", available);
    json.decimal("disEq", (equity * price).round_dp(8))
        .text("fixedBal", "0");
    json.decimal("availBal", available);
    json.decimal("frozenBal", (cash.frozen + margin).round_dp(12));
    json.decimal("ordFrozen", cash.frozen.round_dp(12))
        .blanks(&["liab"]);
    json.decimal("upl", profit.round_dp(12))
        .blanks(&["uplLiab", "crossLiab", "isoLiab"]);
    json.text("rewardBal", "0")
        .text("mgnRatio", "")
        .decimal("imr", margin.round_dp(12));
    json.decimal("mmr", (margin * maintenance_share()).round_dp(12));
    json.text("interest", "")
        .text("twap", "0")
        .text("frpType", "0")
        .text("maxLoan", "");
    json.decimal("eqUsd", (equity * price).round_dp(8))
        .text("borrowFroz", "");
    json.text("notionalLever", "0")
        .decimal("coinUsdPrice", price.round_dp(8));
    json.text("stgyEq", "0").text("isoUpl", "0");
    json.blanks(&["spotInUseAmt", "clSpotInUseAmt", "maxSpotInUseAmt"]);
    json.zeros(&["spotIsoBal", "smtSyncEq", "spotCopyTradingEq"])
        .text("spotBal", "");
    json.blanks(&["openAvgPx", "accAvgPx", "spotUpl", "spotUplRatio"]);
    json.blanks(&["totalPnl", "totalPnlRatio"])
        .text("colRes", "0");
    json.raw("collateralEnabled", "false")
        .raw("collateralRestrict", "false");
    json.text("colBorrAutoConversion", "0")
        .text("autoLendStatus", "off");
    json.text("autoLendMtAmt", "0");
    json.finish()
}

fn maintenance_share() -> Decimal {
    Decimal::new(i64::from(MAINTENANCE_RATE_PER_MILLE), 2)
}

fn unrealized_in(exchange: &Exchange, account: usize, currency: &str) -> Decimal {
    exchange
        .positions_in(account, currency)
        .map(|(instrument, position)| {
            let contract = exchange.instruments[instrument].contract_value;
            position.unrealized(exchange.mark_price(instrument), contract)
        })
        .sum()
}

fn margin_in(exchange: &Exchange, account: usize, currency: &str) -> Decimal {
    exchange
        .positions_in(account, currency)
        .map(|(instrument, position)| {
            let mark = exchange.mark_price(instrument);
            exchange.margin_of(account, instrument, position.quantity, mark)
        })
        .sum()
}

/// Initial margin, maintenance margin, notional and open profit over all positions.
fn margin_totals(exchange: &Exchange, account: usize) -> (Decimal, Decimal, Decimal, Decimal) {
    let mut totals = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    for ((instrument, _), position) in &exchange.holdings[account].positions {
        let mark = exchange.mark_price(*instrument);
        let listed = &exchange.instruments[*instrument];
        let margin = exchange.margin_of(account, *instrument, position.quantity, mark);
        totals.0 += margin;
        totals.1 += margin * maintenance_share();
        totals.2 += listed.notional(position.quantity.abs(), mark);
        totals.3 += position.unrealized(mark, listed.contract_value);
    }
    totals
}

fn equity(exchange: &Exchange, account: usize, currency: &str) -> Decimal {
    let cash = exchange.holdings[account].cash_of(currency).total;
    cash + unrealized_in(exchange, account, currency)
}

fn usd_price(exchange: &Exchange, currency: &str) -> Decimal {
    if currency == "USDT" {
        return Decimal::ONE;
    }
    let index = exchange
        .instruments
        .iter()
        .position(|listed| listed.base == currency);
    index.map_or(Decimal::ZERO, |instrument| exchange.mark_price(instrument))
}

/// One position, open or just closed.
pub(crate) fn position_object(
    exchange: &Exchange,
    account: usize,
    key: (usize, PositionSide),
    position: &Position,
    now_ms: i64,
) -> String {
    let listed = &exchange.instruments[key.0];
    let leverage = exchange.holdings[account].leverage_of(key.0);
    let mark = exchange.mark_price(key.0);
    let last = exchange.last_price[key.0];
    let shown = shown_quantity(key.1, position);
    let average = average_text(listed.contract_value, position);
    let profit = position
        .unrealized(mark, listed.contract_value)
        .round_dp(12);
    let last_profit = position
        .unrealized(last, listed.contract_value)
        .round_dp(12);
    let margin = exchange
        .margin_of(account, key.0, position.quantity, mark)
        .round_dp(12);
    let mut json = JsonObject::new();
    json.text("instType", listed.kind.name())
        .text("instId", &listed.symbol);
    json.text("mgnMode", "cross")
        .integer("posId", position.position_id);
    json.text("posSide", key.1.name()).decimal("pos", shown);
    json.blanks(&["baseBal", "baseBorrowed", "baseInterest"]);
    json.blanks(&["quoteBal", "quoteBorrowed", "quoteInterest", "posCcy"]);
    json.decimal("availPos", shown.abs())
        .text("avgPx", &average);
    json.text("nonSettleAvgPx", "").decimal("upl", profit);
    json.decimal("uplRatio", ratio(profit, margin))
        .decimal("uplLastPx", last_profit);
    json.decimal("uplRatioLastPx", ratio(last_profit, margin))
        .decimal("lever", leverage);
    json.text("liqPx", "")
        .decimal("markPx", mark)
        .decimal("imr", margin)
        .text("margin", "");
    json.text("mgnRatio", "")
        .decimal("mmr", (margin * maintenance_share()).round_dp(12));
    json.blanks(&["liab", "liabCcy"]).text("interest", "0");
    json.integer("tradeId", position.last_trade_id);
    let notional = listed.notional(position.quantity.abs(), mark).round_dp(8);
    json.decimal("notionalUsd", notional)
        .text("optVal", "")
        .text("pendingCloseOrdLiabVal", "0");
    json.text("adl", "1")
        .text("ccy", &listed.quote)
        .decimal("last", last);
    json.decimal("idxPx", mark)
        .text("usdPx", "1")
        .text("bePx", &average);
    write_money(&mut json, position, now_ms);
    json.finish()
}

fn write_money(json: &mut JsonObject, position: &Position, now_ms: i64) {
    let realized = (position.realized_profit + position.fee).round_dp(12);
    json.decimal("realizedPnl", realized);
    json.decimal("pnl", position.realized_profit.round_dp(12));
    json.decimal("fee", position.fee.round_dp(12))
        .zeros(&["fundingFee", "liqPenalty"]);
    json.integer("pTime", now_ms)
        .integer("uTime", position.updated_ms);
    json.integer("cTime", position.opened_ms)
        .raw("closeOrderAlgo", "[]");
    json.blanks(&[
        "spotInUseAmt",
        "spotInUseCcy",
        "clSpotInUseAmt",
        "maxSpotInUseAmt",
    ]);
    json.blanks(&["deltaBS", "deltaPA", "gammaBS", "gammaPA"]);
    json.blanks(&["thetaBS", "thetaPA", "vegaBS", "vegaPA"]);
    json.blanks(&["settledPnl", "hedgedPos", "bizRefId", "bizRefType"]);
}

fn ratio(profit: Decimal, margin: Decimal) -> Decimal {
    if margin.is_zero() {
        Decimal::ZERO
    } else {
        (profit / margin).round_dp(8)
    }
}

/// Net positions are signed, long and short ones positive.
fn shown_quantity(side: PositionSide, position: &Position) -> Decimal {
    match side {
        PositionSide::Net => position.quantity,
        PositionSide::Long | PositionSide::Short => position.quantity.abs(),
    }
}

fn average_text(contract: Decimal, position: &Position) -> String {
    position
        .average_price(contract)
        .map_or(String::new(), plain)
}

/// `balData` element.
pub(crate) fn balance_change(exchange: &Exchange, account: usize, currency: &str) -> String {
    let cash = exchange.holdings[account].cash_of(currency);
    let mut json = JsonObject::new();
    json.text("ccy", currency)
        .decimal("cashBal", cash.total)
        .integer("uTime", cash.updated_ms);
    json.finish()
}

/// `posData` element.
pub(crate) fn position_change(
    exchange: &Exchange,
    key: (usize, PositionSide),
    position: &Position,
) -> String {
    let listed = &exchange.instruments[key.0];
    let mut json = JsonObject::new();
    json.integer("posId", position.position_id)
        .integer("tradeId", position.last_trade_id);
    json.text("instId", &listed.symbol)
        .text("instType", listed.kind.name());
    json.text("mgnMode", "cross").text("posSide", key.1.name());
    json.decimal("pos", shown_quantity(key.1, position))
        .text("ccy", &listed.quote);
    json.text("posCcy", "")
        .text("avgPx", &average_text(listed.contract_value, position));
    json.blanks(&["nonSettleAvgPx", "settledPnl"])
        .integer("uTime", position.updated_ms);
    json.finish()
}

/// The single element of a balance_and_position message.
pub(crate) fn balance_and_position(
    now_ms: i64,
    event: &str,
    balances: &[String],
    positions: &[String],
    trades: &[String],
) -> String {
    let mut json = JsonObject::new();
    json.integer("pTime", now_ms).text("eventType", event);
    json.raw("balData", &format!("[{}]", balances.join(",")));
    json.raw("posData", &format!("[{}]", positions.join(",")));
    json.raw("trades", &format!("[{}]", trades.join(",")));
    json.finish()
}

/// Best bid and ask as book rows: price, quantity, `0`, number of orders.
pub(crate) fn book_rows(
    exchange: &Exchange,
    instrument: usize,
    side: Side,
    depth: usize,
) -> String {
    let rows: Vec<String> = exchange
        .depth(instrument, side, depth)
        .into_iter()
        .map(|(price, quantity, orders)| {
            format!(
                r#"["{}","{}","0","{orders}"]"#,
                plain(price),
                plain(quantity)
            )
        })
        .collect();
    format!("[{}]", rows.join(","))
}
