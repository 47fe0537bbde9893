//! Instruments as OKX lists them (docs: "GET / Instruments"), for the public and the account path.

use crate::instruments::{Instrument, InstrumentKind};
use crate::okx::json_object::{JsonObject, plain};

/// One instrument with the whole documented field set. `kind_name` may be `MARGIN` for a spot pair.
pub(crate) fn instrument_object(listed: &Instrument, kind_name: &str) -> String {
    let is_derivative = listed.is_derivative();
    let derivative = |text: &str| {
        if is_derivative {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let spot = |text: &str| {
        if is_derivative {
            String::new()
        } else {
            text.to_owned()
        }
    };
    let is_dated = listed.kind == InstrumentKind::Futures;
    let mut json = JsonObject::new();
    json.text("instType", kind_name)
        .text("instId", &listed.symbol);
    json.raw("instIdCode", &listed.code.to_string());
    json.text("uly", &derivative(&listed.family()));
    json.text("instFamily", &derivative(&listed.family()));
    json.text("groupId", "1").text("category", "1");
    json.text("baseCcy", &spot(&listed.base))
        .text("quoteCcy", &spot(&listed.quote));
    json.text("settleCcy", &derivative(&listed.quote));
    json.text("ctVal", &derivative(&plain(listed.contract_value)));
    json.text("ctMult", &derivative("1"))
        .text("ctValCcy", &derivative(&listed.base));
    json.text("ctType", &derivative("linear"))
        .blanks(&["optType", "stk"]);
    json.integer("listTime", listed.listed_at_ms);
    let expiry = listed
        .expires_at_ms
        .map_or(String::new(), |at_ms| at_ms.to_string());
    json.text("expTime", &expiry);
    json.blanks(&["contTdSwTime", "preMktSwTime", "auctionEndTime"]);
    json.text("openType", &spot("call_auction"));
    let leverage = listed.max_leverage.to_string();
    json.text("lever", if kind_name == "SPOT" { "" } else { &leverage });
    json.decimal("tickSz", listed.tick)
        .decimal("lotSz", listed.lot);
    json.decimal("minSz", listed.min_quantity);
    json.text("alias", if is_dated { "next_quarter" } else { "" });
    json.text("state", &listed.state).text("ruleType", "normal");
    write_limits(&mut json, listed);
    json.raw("futureSettlement", "false");
    let quotes = if is_derivative {
        "[]".to_owned()
    } else {
        format!("[\"{}\"]", listed.quote)
    };
    json.raw("tradeQuoteCcyList", &quotes)
        .text("instCategory", "1")
        .raw("upcChg", "[]");
    json.blanks(&["posLmtAmt", "posLmtPct", "maxPlatOILmt"]);
    json.finish()
}

fn write_limits(json: &mut JsonObject, listed: &Instrument) {
    let wide = format!("{}.0000000000000000", plain(listed.max_limit_quantity));
    let is_derivative = listed.is_derivative();
    json.decimal("maxLmtSz", listed.max_limit_quantity);
    json.decimal("maxMktSz", listed.max_market_quantity)
        .text("maxLmtAmt", "20000000");
    json.text("maxMktAmt", if is_derivative { "" } else { "1000000" });
    json.text("maxTwapSz", &wide)
        .text("maxIcebergSz", &wide)
        .text("maxTriggerSz", &wide);
    json.decimal("maxStopSz", listed.max_market_quantity);
}
