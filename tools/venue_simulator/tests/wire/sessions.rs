//! Connections: login, keepalive, subscriptions, endpoints, close codes, malformed input.

use std::time::Duration;

use millrun_venue_simulator::{AccountConfig, KeyEnvironment};
use serde_json::{Value, json};
use tungstenite::Message;

use crate::client::{Socket, Venue, limit, login_message, sign, unix_seconds};

#[test]
fn operations_and_private_channels_before_login_are_refused_with_60011() {
    let venue = Venue::start(|_| {});
    let mut socket = Socket::open(&venue, "private");
    socket.operation("order", json!([limit("1", "buy", "63000", "1")]));
    let refused = socket.wait(|message| message["event"] == "error");
    assert_eq!(
        (&refused["code"], &refused["id"]),
        (&json!("60011"), &json!("1"))
    );
    socket.send(&json!({"op": "subscribe", "args": [{"channel": "account"}]}));
    socket.wait(|message| message["code"] == "60011" && message.get("id").is_none());
    assert_eq!(venue.stop().orders_received, 0);
}

#[test]
fn a_login_takes_numbers_and_ids_and_a_second_one_is_refused_with_60031() {
    let venue = Venue::start(|_| {});
    let account = AccountConfig::numbered(1);
    let mut socket = Socket::open(&venue, "private");
    let now = unix_seconds();
    let mut login = login_message(&account, now);
    login["args"][0]["timestamp"] = json!(now);
    login["id"] = json!("77");
    socket.send(&login);
    let answer = socket.wait(|message| message["event"] == "login");
    assert_eq!(
        (&answer["id"], &answer["code"]),
        (&json!("77"), &json!("0"))
    );
    assert_eq!(answer["connId"].as_str().unwrap().len(), 8);
    socket.send(&login);
    socket.wait(|message| message["code"] == "60031");
}

#[test]
fn a_refused_login_is_told_why_and_then_closed_with_4001() {
    let venue = Venue::start(|_| {});
    let account = AccountConfig::numbered(1);
    let stale = login_message(&account, unix_seconds() - 60);
    let mut wrong = login_message(&account, unix_seconds());
    wrong["args"][0]["sign"] = json!(sign("other", "message"));
    for (login, code) in [(stale, "60006"), (wrong, "60007")] {
        let mut socket = Socket::open(&venue, "private");
        socket.send(&login);
        socket.wait(|message| message["code"] == code);
        socket.wait(|message| message["closed"] == 4001);
    }
}

#[test]
fn text_ping_and_protocol_ping_are_answered() {
    let venue = Venue::start(|_| {});
    let mut socket = Socket::open(&venue, "public");
    socket.send_text("ping");
    assert_eq!(socket.wait(Value::is_string), "pong");
    socket.send_message(Message::Ping(vec![1, 2, 3].into()));
    let answer = socket.next(Duration::from_secs(5));
    assert_eq!(answer, Some(Message::Pong(vec![1, 2, 3].into())));
}

#[test]
fn an_idle_connection_is_closed_with_4004_and_a_busy_one_is_kept() {
    let venue = Venue::start(|config| config.idle_timeout = Duration::from_millis(400));
    let mut idle = Socket::open(&venue, "private");
    let mut busy = Socket::open(&venue, "private");
    for _ in 0..4 {
        busy.send_text("ping");
        busy.next(Duration::from_millis(150));
        let wait = |_: &Value| false;
        busy.find(wait, Duration::from_millis(200));
    }
    busy.send_text("ping");
    busy.wait(Value::is_string);
    idle.wait(|message| message["closed"] == 4004);
}

#[test]
fn every_private_channel_acks_counts_connections_and_starts_with_its_snapshot() {
    let venue = Venue::start(|_| {});
    let mut socket = Socket::open(&venue, "private");
    socket.login(&AccountConfig::numbered(1));
    let args = json!([{"channel": "orders", "instType": "SWAP"}, {"channel": "account"},
        {"channel": "positions", "instType": "ANY"}, {"channel": "balance_and_position"},
        {"channel": "fills"}]);
    socket.send(&json!({"id": "s9", "op": "subscribe", "args": args}));
    socket.wait(|message| message["arg"]["channel"] == "fills");
    for argument in args.as_array().unwrap() {
        let ack = socket.wait(|m| m["event"] == "subscribe" && m["arg"] == *argument);
        assert_eq!(ack["id"], "s9");
    }
    for channel in ["orders", "account", "positions", "balance_and_position"] {
        let count = socket.wait(|message| {
            message["event"] == "channel-conn-count" && message["channel"] == channel
        });
        assert_eq!(count["connCount"], "1");
    }
    for channel in ["account", "positions"] {
        let first = socket.wait(|m| m["arg"]["channel"] == channel && m.get("data").is_some());
        assert_eq!(
            (&first["eventType"], &first["lastPage"]),
            (&json!("snapshot"), &json!(true))
        );
        assert!(first["arg"]["uid"].is_string());
    }
    let first =
        socket.wait(|m| m["arg"]["channel"] == "balance_and_position" && m.get("data").is_some());
    assert_eq!(first["data"][0]["eventType"], "snapshot");
}

#[test]
fn one_connection_too_many_on_a_channel_is_acked_and_then_dead() {
    let venue = Venue::start(|config| config.limits.connections_per_channel = 1);
    let mut first = venue.trader(1);
    let mut second = venue.trader(1);
    let error = second.wait(|message| message["event"] == "channel-conn-count-error");
    assert_eq!(
        (&error["channel"], &error["connCount"]),
        (&json!("orders"), &json!("1"))
    );
    second.ask("order", json!([limit("c1", "buy", "63000", "1")]));
    first.order("c1", "live");
    assert!(
        second.pushes("c1").is_empty(),
        "its orders work, its subscription does not"
    );
}

#[test]
fn channels_on_the_wrong_endpoint_have_their_own_codes() {
    let venue = Venue::start(|_| {});
    for (path, argument, code) in [
        (
            "public",
            json!({"channel": "orders", "instType": "ANY"}),
            "60008",
        ),
        (
            "private",
            json!({"channel": "orders-algo", "instType": "ANY"}),
            "64001",
        ),
        (
            "business",
            json!({"channel": "tickers", "instId": "BTC-USDT"}),
            "64002",
        ),
        ("private", json!({"channel": "nothing"}), "60018"),
    ] {
        let mut socket = Socket::open(&venue, path);
        if path != "public" {
            socket.login(&AccountConfig::numbered(1));
        }
        socket.send(&json!({"op": "subscribe", "args": [argument]}));
        let error = socket.wait(|message| message["event"] == "error");
        assert_eq!(error["code"], code, "{path} {argument}");
    }
}

#[test]
fn text_that_is_no_request_is_quoted_in_a_60012_event() {
    let venue = Venue::start(|_| {});
    let mut socket = Socket::open(&venue, "private");
    for text in ["{", "[]", "hello", r#"{"op":"dance","id":"4"}"#] {
        socket.send_text(text);
        let quote = format!("Illegal request: {text}");
        socket.wait(|message| message["code"] == "60012" && message["msg"] == quote);
    }
}

#[test]
fn rest_refuses_missing_headers_wrong_signatures_and_the_other_environment_by_code() {
    let venue = Venue::start(|config| config.accounts[1].environment = KeyEnvironment::Demo);
    let path = "/api/v5/account/balance";
    let demo = [("x-simulated-trading", "1")];
    assert_eq!(venue.rest_with(2, "GET", path, "", &demo).unwrap().0, 200);
    let (status, answer) = venue.rest(2, "GET", path, "");
    assert_eq!((status, answer["code"].as_str()), (401, Some("50101")));
    let unknown = venue.rest(9, "GET", path, "");
    assert_eq!(
        (unknown.0, unknown.1["code"].as_str()),
        (200, Some("50119"))
    );
    for (replaced, code) in [
        (("OK-ACCESS-KEY", ""), "50103"),
        (("OK-ACCESS-PASSPHRASE", ""), "50104"),
        (("OK-ACCESS-PASSPHRASE", "wrong"), "50105"),
        (("OK-ACCESS-SIGN", ""), "50106"),
        (("OK-ACCESS-SIGN", "wrong"), "50113"),
        (("OK-ACCESS-TIMESTAMP", ""), "50107"),
        (("OK-ACCESS-TIMESTAMP", "1760000000123"), "50112"),
        (("OK-ACCESS-TIMESTAMP", "2020-01-01T00:00:00.000Z"), "50102"),
    ] {
        let (status, answer) = venue.rest_replacing(1, path, replaced);
        assert_eq!(
            (status, answer["code"].as_str()),
            (401, Some(code)),
            "{replaced:?}"
        );
    }
}

#[test]
fn the_fills_channel_needs_the_trading_tier() {
    let venue = Venue::start(|config| config.accounts[0].has_fills_channel = false);
    let mut socket = Socket::open(&venue, "private");
    socket.login(&AccountConfig::numbered(1));
    socket.send(&json!({"op": "subscribe", "args": [{"channel": "fills"}]}));
    socket.wait(|message| message["code"] == "64003");
}

#[test]
fn algo_channels_are_acked_on_the_business_endpoint_after_login() {
    let venue = Venue::start(|_| {});
    let mut socket = Socket::open(&venue, "business");
    socket.login(&AccountConfig::numbered(1));
    for channel in ["orders-algo", "algo-advance"] {
        socket.subscribe(json!({"channel": channel, "instType": "ANY"}));
    }
    socket.operation("order", json!([limit("1", "buy", "63000", "1")]));
    socket.wait(|message| message["code"] == "60028");
}

// covers: NX12
#[test]
fn hostile_numbers_and_texts_are_refused_and_the_venue_goes_on() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let huge = "79228162514264337593543950335";
    for (field, value) in [
        ("px", json!(huge)),
        ("sz", json!(huge)),
        ("sz", json!("1e3")),
        ("sz", json!("-1")),
        ("sz", json!("NaN")),
        ("sz", json!("0")),
        ("px", json!("0.00000000000000000000000000000001")),
        ("px", json!({"a": 1})),
        ("clOrdId", json!("with-dash")),
        ("clOrdId", json!("x".repeat(33))),
        ("tag", json!("t".repeat(17))),
        ("side", json!("hold")),
        ("ordType", json!("gtd")),
        ("tdMode", json!("cash")),
        ("instIdCode", json!(9_223_372_036_854_775_807_i64)),
        ("instIdCode", json!("no")),
        ("reduceOnly", json!("perhaps")),
    ] {
        let mut leg = limit("1", "buy", "63000", "1");
        leg[field] = value.clone();
        let reply = trader.ask("order", json!([leg]));
        let code = reply["data"][0]["sCode"].as_str().unwrap().to_owned();
        assert!(
            ["51000", "51001", "51150"].contains(&code.as_str()),
            "{field} {value}: {code}"
        );
    }
    let mut socket = Socket::open(&venue, "private");
    let mut login = login_message(&AccountConfig::numbered(1), 0);
    login["args"][0]["timestamp"] = json!(i64::MIN.to_string());
    socket.send(&login);
    socket.wait(|message| message["code"] == "60006");
    let mut socket = Socket::open(&venue, "public");
    socket.send_text(&"x".repeat((1 << 20) + 1));
    socket.wait(|message| message["closed"] == 1009);
    assert_eq!(
        trader.ask("order", json!([limit("1", "buy", "63000", "1")]))["code"],
        "0"
    );
}

// covers: NX12
#[test]
fn connections_beyond_the_limit_per_second_get_429() {
    let venue = Venue::start(|config| config.limits.connections_per_second = 3);
    let opened: Vec<bool> = (0..4)
        .map(|_| Socket::try_open(&venue, "public").is_some())
        .collect();
    assert_eq!(opened, [true, true, true, false]);
}

#[test]
fn an_expired_certificate_and_a_wrong_name_are_visible_to_a_client_that_checks() {
    let good = Venue::start(|_| {});
    let expired = Venue::start(|config| config.has_expired_certificate = true);
    let named = Venue::start(|config| config.certificate_names = vec!["example.org".to_owned()]);
    for (venue, refusal) in [
        (&good, ""),
        (&expired, "Expired"),
        (&named, "NotValidForName"),
    ] {
        let mut stream = venue.tls();
        let found = stream.conn.complete_io(&mut stream.sock);
        let text = found
            .err()
            .map_or(String::new(), |error| format!("{error:?}"));
        assert_eq!(text.is_empty(), refusal.is_empty(), "{text}");
        assert!(text.contains(refusal), "{text}");
    }
}

#[test]
fn shutdown_writes_the_ledger_of_all_accounts() {
    let path = std::env::temp_dir().join(format!("simulator-ledger-{}", std::process::id()));
    let venue = Venue::start(|config| config.ledger = Some(path.clone()));
    venue
        .trader(2)
        .ask("order", json!([limit("1", "buy", "63000", "1")]));
    venue.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((of_kind("account"), of_kind("order")), (2, 1));
}
