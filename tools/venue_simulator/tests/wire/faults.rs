//! Faults on demand, as the client suffers them and as the ledger tells the truth about them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{SWAP, Socket, Venue, is_order, limit, login_message, named, unix_seconds};

const SHORT: Duration = Duration::from_millis(300);

fn state_of(venue: &Venue, client_order_id: &str) -> String {
    let ledger = venue.ledger(1);
    let found = ledger
        .iter()
        .rev()
        .find(|line| line["kind"] == "order" && line["clOrdId"] == client_order_id);
    found.map_or("absent".to_owned(), |line| {
        line["state"].as_str().unwrap().to_owned()
    })
}

fn order(id: &str) -> Value {
    json!([limit(id, "buy", "63000", "1")])
}

#[test]
fn a_dropped_ack_leaves_a_live_order() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    venue.arm(json!({"fault": {"kind": "drop_ack"}, "when": {"on": "order"}}));
    let id = trader.operation("order", order("1"));
    trader.order("1", "live");
    assert!(trader.find(|message| message["id"] == id, SHORT).is_none());
    assert_eq!(state_of(&venue, "1"), "live");
}

#[test]
fn an_ack_can_come_after_the_final_fill() {
    let venue = Venue::start(|_| {});
    let (mut maker, mut taker) = (venue.trader(2), venue.trader(1));
    maker.ask("order", json!([limit("m", "sell", "64000", "1")]));
    venue.arm(json!({"fault": {"kind": "ack_after_fill", "ms": 2000},
        "when": {"client_order_id": "t"}}));
    let id = taker.operation("order", json!([limit("t", "buy", "64000", "1")]));
    taker.reply(&id);
    let filled = taker.position(|message| is_order(message, "t", "filled"));
    assert!(filled < taker.position(|message| message["id"] == id && message["op"] == "order"));
}

#[test]
fn a_duplicate_push_has_the_same_trade_and_a_later_time() {
    let venue = Venue::start(|_| {});
    let (mut maker, mut taker) = (venue.trader(2), venue.trader(1));
    maker.ask("order", json!([limit("m", "sell", "64000", "1")]));
    venue.arm(json!({"fault": {"kind": "duplicate_push", "after_ms": 5},
        "when": {"client_order_id": "t", "state": "filled"}}));
    taker.ask("order", json!([limit("t", "buy", "64000", "1")]));
    let first = taker.order("t", "filled");
    let later = |message: &Value| {
        is_order(message, "t", "filled") && message["data"][0]["uTime"] != first["uTime"]
    };
    let second = taker.wait(later);
    assert_eq!(second["data"][0]["tradeId"], first["tradeId"]);
}

#[test]
fn a_dropped_push_is_seen_by_query_only() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    venue.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "state": "live"}}));
    trader.ask("order", order("1"));
    assert!(
        trader
            .find(|message| is_order(message, "1", "live"), SHORT)
            .is_none()
    );
    let path = format!("/api/v5/trade/order?instId={SWAP}&clOrdId=1");
    assert_eq!(
        venue.rest(1, "GET", &path, "").1["data"][0]["state"],
        "live"
    );
}

#[test]
fn a_disconnect_takes_the_order_or_not_as_told() {
    let venue = Venue::start(|_| {});
    for (id, executes, expected) in [("1", true, "live"), ("2", false, "absent")] {
        let mut trader = venue.trader(1);
        venue.arm(json!({"fault": {"kind": "disconnect", "executes": executes}}));
        trader.operation("order", order(id));
        assert!(trader.is_ended(Duration::from_secs(5)));
        assert_eq!(state_of(&venue, id), expected);
    }
}

#[test]
fn a_disconnect_at_a_byte_tears_a_message_and_the_order_stands() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    venue.arm(json!({"fault": {"kind": "disconnect_at_byte", "bytes": 40}}));
    trader.operation("order", order("1"));
    assert!(trader.is_ended(Duration::from_secs(5)));
    assert_eq!(state_of(&venue, "1"), "live");
    assert!(trader.pushes("1").is_empty());
}

#[test]
fn a_stalled_connection_stays_open_and_says_nothing() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    venue.arm(json!({"fault": {"kind": "stall", "executes": true}}));
    trader.operation("order", order("1"));
    trader.send_text("ping");
    assert!(!trader.is_ended(Duration::from_millis(500)));
    assert_eq!(state_of(&venue, "1"), "live");
}

#[test]
fn a_dribbling_connection_delivers_every_message_whole() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    venue.arm(json!({"fault": {"kind": "dribble", "bytes": 1}}));
    trader.ask("order", order("1"));
    assert_eq!(trader.order("1", "live")["sz"], "1");
}

#[test]
fn unknown_outcome_codes_come_with_and_without_execution() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    for (number, code, executes, expected) in [
        ("1", "50004", true, "live"),
        ("2", "50004", false, "absent"),
        ("3", "51149", true, "live"),
    ] {
        venue.arm(json!({"fault": {"kind": "answer", "code": code, "executes": executes}}));
        let reply = trader.ask("order", order(number));
        assert_eq!(reply["data"][0]["sCode"], code);
        assert_eq!(reply["data"][0]["ordId"], "");
        assert_eq!(state_of(&venue, number), expected);
    }
    venue.arm(
        json!({"fault": {"kind": "answer", "code": "50004", "executes": true,
        "at_top": true}}),
    );
    let reply = trader.ask("order", order("4"));
    assert_eq!(
        (&reply["code"], &reply["data"]),
        (&json!("50004"), &json!([]))
    );
}

#[test]
fn a_service_notice_is_followed_by_the_close() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    venue.arm(json!({"fault": {"kind": "service_notice", "close_after_ms": 100}}));
    trader.operation("order", order("1"));
    let notice = trader.wait(|message| message["event"] == "notice");
    assert_eq!(notice["code"], "64008");
    assert!(trader.is_ended(Duration::from_secs(5)));
}

#[test]
fn a_login_can_be_rejected_with_any_code() {
    let venue = Venue::start(|_| {});
    venue.arm(json!({"fault": {"kind": "reject_login", "code": "63999"}}));
    let mut socket = Socket::open(&venue, "private");
    let account = millrun_venue_simulator::AccountConfig::numbered(1);
    socket.send(&login_message(&account, unix_seconds()));
    socket.wait(|message| message["code"] == "63999");
}

#[test]
fn an_acked_cancel_can_lose_against_a_fill_and_an_acked_amend_can_fail() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    trader.ask("order", order("1"));
    venue.arm(json!({"fault": {"kind": "amend_fails"}}));
    let terms = json!([{"instIdCode": 10459, "clOrdId": "1", "newSz": "2", "reqId": "r1"}]);
    assert_eq!(trader.ask("amend-order", terms)["code"], "0");
    let failed = trader.wait(|message| message["data"][0]["amendResult"] == "-1");
    assert_eq!(
        (&failed["data"][0]["sz"], &failed["data"][0]["reqId"]),
        (&json!("1"), &json!("r1"))
    );
    venue.arm(json!({"fault": {"kind": "fill_instead_of_cancel"}}));
    assert_eq!(trader.ask("cancel-order", named("1"))["code"], "0");
    assert_eq!(trader.order("1", "filled")["accFillSz"], "1");
}

#[test]
fn a_final_fill_can_be_told_in_two_pushes_the_last_without_quantity() {
    let venue = Venue::start(|_| {});
    let (mut maker, mut taker) = (venue.trader(2), venue.trader(1));
    maker.ask("order", json!([limit("m", "sell", "64000", "1")]));
    venue.arm(
        json!({"fault": {"kind": "split_final_fill"}, "when": {"client_order_id": "t",
        "state": "filled"}}),
    );
    taker.ask("order", json!([limit("t", "buy", "64000", "1")]));
    let last = taker.order("t", "filled");
    assert_eq!(
        (&last["fillSz"], &last["tradeId"]),
        (&json!("0"), &json!(""))
    );
    assert_eq!(taker.order("t", "partially_filled")["fillSz"], "1");
}

#[test]
fn rest_can_fail_with_a_status_with_and_without_execution_or_never_answer() {
    let venue = Venue::start(|_| {});
    let body = |id: &str| {
        json!({"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit",
            "px": "63000", "sz": "1", "clOrdId": id})
        .to_string()
    };
    let path = "/api/v5/trade/order";
    for (id, executes, expected) in [("1", true, "live"), ("2", false, "absent")] {
        venue.arm(
            json!({"fault": {"kind": "rest_status", "status": 500, "code": "50026",
            "executes": executes}, "when": {"on": "trade/order"}}),
        );
        let (status, answer) = venue.rest(1, "POST", path, &body(id));
        assert_eq!((status, answer["code"].as_str()), (500, Some("50026")));
        assert_eq!(state_of(&venue, id), expected);
    }
    venue.arm(json!({"fault": {"kind": "rest_timeout", "ms": 100, "executes": true}}));
    assert!(venue.rest_with(1, "POST", path, &body("3"), &[]).is_err());
    assert_eq!(state_of(&venue, "3"), "live");
}

#[test]
fn a_stale_query_shows_the_past() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    trader.ask("order", order("1"));
    let path = format!("/api/v5/trade/order?instId={SWAP}&clOrdId=1");
    venue.arm(json!({"fault": {"kind": "rest_stale", "lag_ms": 60000}}));
    assert_eq!(
        venue.rest(1, "GET", &path, "").1["code"],
        "51603",
        "not known a minute ago"
    );
    assert_eq!(
        venue.rest(1, "GET", &path, "").1["data"][0]["state"],
        "live"
    );
}

#[test]
fn a_skewed_venue_clock_refuses_requests_with_50102() {
    let venue = Venue::start(|_| {});
    venue.running().set_clock_skew_ms(60_000);
    let (status, answer) = venue.rest(1, "GET", "/api/v5/account/balance", "");
    assert_eq!((status, answer["code"].as_str()), (401, Some("50102")));
    let (_, time) = venue.rest(1, "GET", "/api/v5/public/time", "");
    let ahead = time["data"][0]["ts"]
        .as_str()
        .unwrap()
        .parse::<i64>()
        .unwrap()
        - crate::client::unix_ms();
    assert!((ahead - 60_000).abs() < 5_000);
}

#[test]
fn the_admin_side_arms_faults_acts_as_the_venue_and_reports() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let key = millrun_venue_simulator::AccountConfig::numbered(1).api_key;
    let act = |act: Value| venue.rest(1, "POST", "/sim/act", &act.to_string());
    let (_, placed) = act(
        json!({"act": "place", "api_key": key, "order": {"instId": SWAP,
        "tdMode": "cross", "side": "buy", "ordType": "limit", "px": "63000", "sz": "1"}}),
    );
    let foreign = trader.order("", "live");
    assert_eq!(foreign["ordId"], placed["ordId"]);
    let order_id: u64 = placed["ordId"].as_str().unwrap().parse().unwrap();
    act(json!({"act": "cancel", "api_key": key, "ord_id": order_id, "cancel_source": 9}));
    assert_eq!(trader.order("", "canceled")["cancelSource"], "9");
    act(json!({"act": "inject", "api_key": key, "text": "{\"strange\":1}"}));
    trader.wait(|message| message["strange"] == 1);
    act(json!({"act": "instrument", "inst_id": SWAP, "tick": "0.5"}));
    let reply = trader.ask("order", json!([limit("1", "buy", "63000.1", "1")]));
    assert_eq!(reply["data"][0]["sCode"], "51150");
    let rule = json!({"fault": {"kind": "drop_ack"}}).to_string();
    assert_eq!(venue.rest(1, "POST", "/sim/faults", &rule).0, 200);
    assert_eq!(venue.rest(1, "POST", "/sim/faults", "{}").0, 400);
    venue.rest(1, "DELETE", "/sim/faults", "");
    assert_eq!(trader.ask("order", order("2"))["code"], "0");
    let (_, stats) = venue.rest(1, "GET", "/sim/stats", "");
    assert_eq!(
        (&stats["ordersReceived"], &stats["ordersRefused"]),
        (&json!(2), &json!(1))
    );
    act(json!({"act": "disconnect", "api_key": key}));
    assert!(trader.is_ended(Duration::from_secs(5)));
}
