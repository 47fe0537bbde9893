//! Account paths: balance, positions, configuration, position mode, leverage, fees, currencies.

use rust_decimal::Decimal;

use crate::matching::{PositionMode, PositionSide};
use crate::okx::account_json::{account_object, position_object};
use crate::okx::error_code::VenueError;
use crate::okx::json_object::JsonObject;
use crate::okx::parameters::{self, InstrumentNaming, text};
use crate::okx::rest_router::RestRequest;
use crate::okx::rest_trade::body_object;
use crate::okx::venue::{Shared, uid_of};

pub(crate) fn balance(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let wanted: Option<Vec<String>> = request
        .parameter("ccy")
        .map(|list| list.split(',').map(str::to_owned).collect());
    let venue = shared.venue();
    let now_ms = shared.clock.now_ms();
    Ok(vec![account_object(
        &venue.exchange,
        request.account,
        wanted.as_deref(),
        now_ms,
    )])
}

pub(crate) fn positions(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let now_ms = shared.clock.now_ms();
    let same = |name: &str, value: &str| {
        request
            .parameter(name)
            .is_none_or(|wanted| wanted.split(',').any(|one| one == value))
    };
    let wanted = exchange.holdings[request.account]
        .positions
        .iter()
        .filter(|(key, held)| {
            let listed = &exchange.instruments[key.0];
            !held.quantity.is_zero()
                && same("instType", listed.kind.name())
                && same("instId", &listed.symbol)
                && same("posId", &held.position_id.to_string())
        });
    Ok(wanted
        .map(|(key, held)| position_object(exchange, request.account, *key, held, now_ms))
        .collect())
}

pub(crate) fn config(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let venue = shared.venue();
    let account = &shared.config.accounts[request.account];
    let holdings = &venue.exchange.holdings[request.account];
    let main_uid = account.main_uid.unwrap_or_else(|| uid_of(request.account));
    let mut json = JsonObject::new();
    json.integer("uid", uid_of(request.account))
        .integer("mainUid", main_uid);
    json.integer("acctLv", account.account_level)
        .text("acctStpMode", "cancel_maker");
    json.text("posMode", holdings.position_mode.name())
        .raw("autoLoan", "false");
    json.text("greeksType", "PA")
        .text("level", "Lv1")
        .text("levelTmp", "");
    json.text("ctIsoMode", "automatic")
        .text("mgnIsoMode", "automatic");
    json.blanks(&["spotOffsetType"])
        .text("stgyType", "0")
        .text("roleType", "0");
    json.raw("traderInsts", "[]")
        .text("spotRoleType", "0")
        .raw("spotTraderInsts", "[]");
    json.text("opAuth", "0")
        .text("kycLv", "3")
        .text("label", "simulator")
        .text("ip", "");
    json.text("perm", "read_only,trade")
        .text("liquidationGear", "-1");
    json.raw("enableSpotBorrow", "false")
        .raw("spotBorrowAutoRepay", "false");
    json.text("type", "0")
        .text("feeType", "0")
        .text("settleCcy", "USDT");
    json.raw("settleCcyList", r#"["USDT"]"#);
    Ok(vec![json.finish()])
}

pub(crate) fn set_position_mode(
    shared: &Shared,
    request: &RestRequest,
) -> Result<Vec<String>, VenueError> {
    let body = body_object(request)?;
    let mode = match text(&body, "posMode").as_deref() {
        Some("net_mode") => PositionMode::Net,
        Some("long_short_mode") => PositionMode::LongShort,
        _ => return Err(VenueError::parameter("posMode")),
    };
    let mut venue = shared.venue();
    let exchange = &mut venue.exchange;
    let has_open = exchange.open_order_count(request.account) > 0
        || exchange.holdings[request.account]
            .positions
            .values()
            .any(|held| !held.quantity.is_zero());
    let holdings = &mut exchange.holdings[request.account];
    if has_open && holdings.position_mode != mode {
        return Err(VenueError::new(
            "59000",
            "Setting failed. Cancel any open orders, close positions, and stop trading bots \
             first.",
        ));
    }
    holdings.position_mode = mode;
    let mut json = JsonObject::new();
    json.text("posMode", mode.name());
    Ok(vec![json.finish()])
}

pub(crate) fn set_leverage(
    shared: &Shared,
    request: &RestRequest,
) -> Result<Vec<String>, VenueError> {
    let body = body_object(request)?;
    let mut venue = shared.venue();
    let exchange = &mut venue.exchange;
    let naming = InstrumentNaming::CodeOrName;
    let instrument = parameters::instrument(&exchange.instruments, &body, naming)?;
    let leverage = text(&body, "lever")
        .and_then(|written| Decimal::from_str_exact(&written).ok())
        .filter(|value| {
            *value >= Decimal::ONE
                && *value <= Decimal::from(exchange.instruments[instrument].max_leverage)
        })
        .ok_or_else(|| VenueError::parameter("lever"))?;
    let margin_mode = text(&body, "mgnMode").ok_or_else(|| VenueError::parameter("mgnMode"))?;
    exchange.holdings[request.account]
        .leverage
        .insert(instrument, leverage);
    let symbol = exchange.instruments[instrument].symbol.clone();
    Ok(vec![leverage_object(&symbol, &margin_mode, leverage)])
}

pub(crate) fn leverage_info(
    shared: &Shared,
    request: &RestRequest,
) -> Result<Vec<String>, VenueError> {
    let symbols = request
        .parameter("instId")
        .ok_or_else(|| VenueError::parameter("instId"))?;
    let margin_mode = request.parameter("mgnMode").unwrap_or("cross");
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let known = exchange.instruments.iter().enumerate();
    let wanted = known.filter(|(_, listed)| symbols.split(',').any(|one| one == listed.symbol));
    Ok(wanted
        .map(|(index, listed)| {
            let leverage = exchange.holdings[request.account].leverage_of(index);
            leverage_object(&listed.symbol, margin_mode, leverage)
        })
        .collect())
}

fn leverage_object(symbol: &str, margin_mode: &str, leverage: Decimal) -> String {
    let mut json = JsonObject::new();
    json.text("instId", symbol)
        .text("mgnMode", margin_mode)
        .text("ccy", "");
    json.text("posSide", PositionSide::Net.name())
        .decimal("lever", leverage);
    json.finish()
}

pub(crate) fn trade_fee(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let kind = request
        .parameter("instType")
        .ok_or_else(|| VenueError::new("50014", "Parameter instType can not be empty."))?;
    let fees = &shared.config.fees;
    let is_spot = ["SPOT", "MARGIN"].contains(&kind);
    let (maker, taker) = if is_spot {
        (fees.spot_maker, fees.spot_taker)
    } else {
        (fees.derivative_maker, fees.derivative_taker)
    };
    let mut json = JsonObject::new();
    json.text("category", "1")
        .text("level", "Lv1")
        .text("instType", kind);
    json.text("ruleType", "normal")
        .integer("ts", shared.clock.now_ms());
    json.decimal("maker", maker).decimal("taker", taker);
    let (maker_u, taker_u) = if is_spot {
        (Decimal::ZERO, Decimal::ZERO)
    } else {
        (maker, taker)
    };
    json.decimal("makerU", maker_u).decimal("takerU", taker_u);
    json.decimal("makerUSDC", maker).decimal("takerUSDC", taker);
    json.blanks(&["delivery", "exercise", "settle"])
        .raw("fiat", "[]")
        .raw("feeGroup", "[]");
    Ok(vec![json.finish()])
}

pub(crate) fn rate_limit(shared: &Shared) -> Result<Vec<String>, VenueError> {
    let limit = shared.config.limits.sub_account_per_window;
    let mut json = JsonObject::new();
    json.text("fillRatio", "0.1")
        .text("mainFillRatio", "0.1")
        .integer("accRateLimit", limit);
    json.integer("nextAccRateLimit", limit)
        .integer("ts", shared.clock.now_ms());
    Ok(vec![json.finish()])
}

pub(crate) fn currencies(
    shared: &Shared,
    request: &RestRequest,
) -> Result<Vec<String>, VenueError> {
    let mut names: Vec<&str> = shared
        .config
        .instruments
        .iter()
        .map(|listed| listed.base.as_str())
        .collect();
    names.push("USDT");
    names.sort_unstable();
    names.dedup();
    let wanted = request.parameter("ccy");
    Ok(names
        .into_iter()
        .filter(|name| wanted.is_none_or(|list| list.split(',').any(|one| one == *name)))
        .map(currency_object)
        .collect())
}

fn currency_object(name: &str) -> String {
    let mut json = JsonObject::new();
    json.text("ccy", name)
        .text("name", name)
        .text("logoLink", "");
    json.text("chain", &format!("{name}-Mainnet"))
        .text("ctAddr", "")
        .raw("mainNet", "true");
    json.raw("canDep", "true")
        .raw("canWd", "true")
        .raw("canInternal", "true");
    json.text("depEstOpenTime", "")
        .text("wdEstOpenTime", "")
        .text("minDep", "0.0001");
    json.text("minWd", "0.001")
        .text("minInternal", "0.0001")
        .text("maxWd", "1000000");
    json.text("wdTickSz", "8")
        .text("wdQuota", "10000000")
        .text("usedWdQuota", "0");
    json.text("fee", "0.0001")
        .text("minFee", "0.0001")
        .text("maxFee", "0.0002");
    json.text("minFeeForCtAddr", "")
        .text("maxFeeForCtAddr", "")
        .text("burningFeeRate", "");
    json.raw("needTag", "false")
        .text("minDepArrivalConfirm", "1");
    json.text("minWdUnlockConfirm", "2")
        .text("depQuotaFixed", "");
    json.text("usedDepQuotaFixed", "")
        .text("depQuoteDailyLayer2", "");
    json.finish()
}
