//! Orders over the wire: replies, pushes, batches, deadlines, queries, the ledger.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{SWAP, SWAP_CODE, Venue, is_order, limit, named, unix_ms};

// covers: NX12
#[test]
fn an_order_is_acked_pushed_amended_and_cancelled_over_the_websocket() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let reply = trader.ask("order", json!([limit("71", "buy", "63000", "0.5")]));
    assert_eq!(
        (&reply["code"], &reply["data"][0]["sCode"]),
        (&json!("0"), &json!("0"))
    );
    assert!(
        reply["inTime"].as_str().unwrap().len() == 16,
        "microseconds"
    );
    let live = trader.order("71", "live");
    assert_eq!(live["ordId"], reply["data"][0]["ordId"]);
    assert_eq!(
        (&live["avgPx"], &live["tradeId"]),
        (&json!("0"), &json!(""))
    );
    let acked = trader.position(|message| message["id"] == "1");
    assert!(acked < trader.position(|message| is_order(message, "71", "live")));
    let terms = json!([{"instIdCode": SWAP_CODE, "clOrdId": "71", "newSz": "0.6", "reqId": "q1"}]);
    assert_eq!(trader.ask("amend-order", terms)["data"][0]["reqId"], "q1");
    let amended = trader.wait(|message| message["data"][0]["amendResult"] == "0");
    assert_eq!(amended["data"][0]["sz"], "0.6");
    trader.ask("cancel-order", named("71"));
    assert_eq!(trader.order("71", "canceled")["cancelSource"], "1");
}

#[test]
fn each_leg_of_a_batch_has_its_own_code_and_the_top_code_says_how_many_failed() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let good = limit("1", "buy", "63000", "0.5");
    let bad = limit("2", "buy", "63000", "0.505");
    for (legs, top, codes) in [
        (json!([good, bad]), "2", vec!["0", "51121"]),
        (json!([bad, bad]), "1", vec!["51121", "51121"]),
        (json!([limit("3", "buy", "63000", "1")]), "0", vec!["0"]),
    ] {
        let reply = trader.ask("batch-orders", legs);
        let found: Vec<_> = reply["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|leg| leg["sCode"].clone())
            .collect();
        assert_eq!(
            (reply["code"].as_str(), found),
            (Some(top), codes.iter().map(|c| json!(c)).collect())
        );
    }
    let reply = trader.ask("batch-orders", json!(vec![good; 21]));
    assert_eq!(
        (&reply["code"], &reply["data"]),
        (&json!("60013"), &json!([]))
    );
}

#[test]
fn orders_of_two_accounts_trade_and_each_side_hears_its_own_fee() {
    let venue = Venue::start(|_| {});
    let (mut maker, mut taker) = (venue.trader(1), venue.trader(2));
    maker.ask("order", json!([limit("11", "sell", "64000", "1")]));
    taker.ask("order", json!([limit("12", "buy", "64000", "0.4")]));
    let made = maker.order("11", "partially_filled");
    let took = taker.order("12", "filled");
    assert_eq!(made["tradeId"], took["tradeId"]);
    assert_eq!(
        (&made["execType"], &took["execType"]),
        (&json!("M"), &json!("T"))
    );
    assert_eq!(
        (&made["fillFee"], &took["fillFee"]),
        (&json!("-0.0512"), &json!("-0.128"))
    );
    let path = "/api/v5/trade/fills?instType=SWAP";
    let (_, fills) = venue.rest(2, "GET", path, "");
    assert_eq!(fills["data"][0]["fee"], "-0.128");
    assert_eq!(fills["data"][0]["clOrdId"], "12");
}

#[test]
fn a_request_whose_deadline_passed_is_not_carried_out() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let order = json!([limit("5", "buy", "63000", "1")]);
    let id = trader.operation_until("order", order.clone(), Some(unix_ms() - 1_000));
    assert_eq!(trader.reply(&id)["data"][0]["sCode"], "50036");
    venue.arm(json!({"fault": {"kind": "delay_acceptance", "ms": 300}}));
    let id = trader.operation_until("order", order.clone(), Some(unix_ms() + 100));
    assert_eq!(trader.reply(&id)["data"][0]["sCode"], "50037");
    venue.arm(json!({"fault": {"kind": "delay_acceptance", "ms": 100}}));
    let id = trader.operation_until("order", order, Some(unix_ms() + 5_000));
    assert_eq!(
        trader.reply(&id)["data"][0]["sCode"],
        "0",
        "late, but inside the window"
    );
    assert_eq!(venue.stop().orders_accepted, 1);
}

#[test]
fn the_instrument_is_named_by_its_code_and_by_name_only_where_that_is_allowed() {
    let by_name = json!([{"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit",
        "px": "63000", "sz": "1"}]);
    let venue = Venue::start(|_| {});
    let reply = venue.trader(1).ask("order", by_name.clone());
    assert_eq!(reply["data"][0]["sCode"], "51000");
    let venue = Venue::start(|config| config.allows_instrument_name = true);
    assert_eq!(
        venue.trader(1).ask("order", by_name)["data"][0]["sCode"],
        "0"
    );
    let mut both = limit("9", "buy", "63000", "1");
    both["instId"] = json!("ETH-USDT-SWAP");
    let mut trader = venue.trader(1);
    trader.ask("order", json!([both]));
    assert_eq!(trader.order("9", "live")["instId"], SWAP, "the code wins");
}

#[test]
fn queries_page_newest_first_and_unfilled_cancels_vanish_after_their_time() {
    let venue = Venue::start(|config| config.canceled_retention_ms = 600_000);
    let mut trader = venue.trader(1);
    let mut ids = Vec::new();
    for number in 0..5 {
        let reply = trader.ask(
            "order",
            json!([limit(&format!("p{number}"), "buy", "63000", "1")]),
        );
        ids.push(reply["data"][0]["ordId"].as_str().unwrap().to_owned());
    }
    let read = |path: &str| -> Vec<String> {
        let (_, answer) = venue.rest(1, "GET", path, "");
        let rows = answer["data"].as_array().unwrap();
        rows.iter()
            .map(|row| row["ordId"].as_str().unwrap().to_owned())
            .collect()
    };
    let pending = "/api/v5/trade/orders-pending?instType=SWAP&limit=2";
    assert_eq!(read(pending), vec![ids[4].clone(), ids[3].clone()]);
    let after = format!("{pending}&after={}", ids[3]);
    assert_eq!(read(&after), vec![ids[2].clone(), ids[1].clone()]);
    let before = format!("{pending}&before={}", ids[3]);
    assert_eq!(read(&before), vec![ids[4].clone()]);
    trader.ask("cancel-order", named("p0"));
    let history = "/api/v5/trade/orders-history?instType=SWAP";
    assert_eq!(read(history), vec![ids[0].clone()]);
    venue.running().set_clock_skew_ms(600_500);
    trader.ask("cancel-order", named("p1"));
    venue.running().set_clock_skew_ms(0);
    let (_, found) = venue.rest(
        1,
        "GET",
        &format!("/api/v5/trade/order?instId={SWAP}&clOrdId=p0"),
        "",
    );
    assert_eq!(found["code"], "0", "kept while its time lasts");
    let venue = Venue::start(|config| config.canceled_retention_ms = -1);
    let mut trader = venue.trader(1);
    trader.ask("order", json!([limit("v", "buy", "63000", "1")]));
    trader.ask("cancel-order", named("v"));
    let (_, gone) = venue.rest(
        1,
        "GET",
        &format!("/api/v5/trade/order?instId={SWAP}&clOrdId=v"),
        "",
    );
    assert_eq!(gone["code"], "51603");
    let (_, none) = venue.rest(1, "GET", history, "");
    assert_eq!(none["data"], json!([]));
}

#[test]
fn cancel_all_after_cancels_with_source_20_when_its_time_comes() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    trader.ask("order", json!([limit("d1", "buy", "63000", "1")]));
    let path = "/api/v5/trade/cancel-all-after";
    let (_, refused) = venue.rest(1, "POST", path, r#"{"timeOut":"5"}"#);
    assert_eq!(refused["code"], "51000");
    let (_, armed) = venue.rest(1, "POST", path, r#"{"timeOut":"10","tag":""}"#);
    let trigger: i64 = armed["data"][0]["triggerTime"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((trigger - unix_ms() / 1_000 - 10).abs() <= 1);
    venue.running().set_clock_skew_ms(11_000);
    assert_eq!(trader.order("d1", "canceled")["cancelSource"], "20");
}

#[test]
fn the_ledger_holds_every_accepted_order_and_every_fill() {
    let venue = Venue::start(|_| {});
    let (mut maker, mut taker) = (venue.trader(1), venue.trader(2));
    maker.ask("order", json!([limit("21", "sell", "64000", "1")]));
    taker.ask("order", json!([limit("22", "buy", "64000", "1")]));
    taker.ask("order", json!([limit("22", "buy", "63000", "1")]));
    let ledger = venue.ledger(2);
    let of_kind = |kind: &str| ledger.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((of_kind("order"), of_kind("fill")), (2, 1));
    assert_eq!(ledger[0]["clOrdIdsAcceptedTwice"], 1);
    let order = ledger.iter().find(|line| line["kind"] == "order").unwrap();
    assert_eq!(
        (&order["state"], &order["accFillSz"]),
        (&json!("filled"), &json!("1"))
    );
    assert_eq!(order["timesAccepted"], 2);
    assert_eq!(venue.stop().client_order_ids_accepted_twice, 1);
}

#[test]
fn the_background_market_fills_orders_near_the_middle_within_seconds() {
    let venue = Venue::start(|config| config.market.is_on = true);
    let mut trader = venue.trader(1);
    let path = format!("/api/v5/market/ticker?instId={SWAP}");
    let (_, ticker) = venue.rest(1, "GET", &path, "");
    let bid: f64 = ticker["data"][0]["bidPx"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let started = Instant::now();
    let below = |bps: f64| format!("{:.1}", bid * (1.0 - bps / 10_000.0));
    for (id, bps) in [("m1", 1.0), ("m2", 3.0), ("m3", 5.0)] {
        trader.ask("order", json!([limit(id, "buy", &below(bps), "0.2")]));
    }
    for id in ["m1", "m2", "m3"] {
        let wanted = |message: &serde_json::Value| is_order(message, id, "filled");
        assert!(
            trader.find(wanted, Duration::from_secs(20)).is_some(),
            "{id}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn in_long_short_mode_the_position_side_is_required_and_closing_orders_only_reduce() {
    let venue = Venue::start(|_| {});
    let path = "/api/v5/account/set-position-mode";
    let body = r#"{"posMode":"long_short_mode"}"#;
    assert_eq!(venue.rest(1, "POST", path, body).1["code"], "0");
    let (mut trader, mut other) = (venue.trader(1), venue.trader(2));
    trader.subscribe(json!({"channel": "positions", "instType": "SWAP"}));
    let sided = |id: &str, side: &str, held: &str, quantity: &str| {
        let mut leg = limit(id, side, "64000", quantity);
        leg["posSide"] = json!(held);
        json!([leg])
    };
    let reply = trader.ask("order", json!([limit("1", "buy", "64000", "1")]));
    assert_eq!(reply["data"][0]["sCode"], "51000");
    other.ask("order", json!([limit("o1", "sell", "64000", "2")]));
    trader.ask("order", sided("2", "buy", "long", "2"));
    let update = |message: &serde_json::Value| {
        message["arg"]["channel"] == "positions" && message["eventType"] == "event_update"
    };
    let held = trader.wait(update);
    assert_eq!(
        (&held["data"][0]["posSide"], &held["data"][0]["pos"]),
        (&json!("long"), &json!("2"))
    );
    assert_eq!(
        venue.rest(1, "POST", path, r#"{"posMode":"net_mode"}"#).1["code"],
        "59000"
    );
    trader.ask("order", sided("3", "sell", "long", "5"));
    assert_eq!(trader.order("3", "live")["sz"], "2", "cut to the position");
    let reply = trader.ask("order", sided("4", "buy", "short", "1"));
    assert_eq!(reply["data"][0]["sCode"], "51169");
}

#[test]
fn a_self_trade_cancels_with_source_32_and_attached_orders_are_echoed() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let mut leg = limit("1", "sell", "64000", "1");
    leg["attachAlgoOrds"] = json!([{"tpTriggerPx": "60000", "tpOrdPx": "-1"}]);
    trader.ask("order", json!([leg]));
    assert_eq!(
        trader.order("1", "live")["attachAlgoOrds"],
        leg["attachAlgoOrds"]
    );
    let mut taker = limit("2", "buy", "64000", "1");
    taker["stpMode"] = json!("cancel_taker");
    trader.ask("order", json!([taker]));
    assert_eq!(trader.order("2", "canceled")["cancelSource"], "32");
}
