//! Request limits as a client meets them.

use serde_json::{Value, json};

use crate::client::{SWAP, Socket, Venue, limit, named};

fn codes(socket: &mut Socket, ids: &[String]) -> Vec<String> {
    let code = |reply: Value| reply["data"][0]["sCode"].as_str().unwrap().to_owned();
    ids.iter().map(|id| code(socket.reply(id))).collect()
}

#[test]
fn the_sixty_first_order_within_two_seconds_is_refused_and_cancels_have_their_own_budget() {
    let venue = Venue::start(|_| {});
    let mut trader = venue.trader(1);
    let ids: Vec<String> = (0..61)
        .map(|number| {
            let leg = limit(&number.to_string(), "buy", "63000", "0.01");
            trader.operation("order", json!([leg]))
        })
        .collect();
    let found = codes(&mut trader, &ids);
    assert!(found[..60].iter().all(|code| code == "0"), "{found:?}");
    assert_eq!(found[60], "50011");
    let cancelled = trader.ask("cancel-order", named("0"));
    assert_eq!(cancelled["data"][0]["sCode"], "0");
    let other = json!([{"instIdCode": 10461, "tdMode": "cross", "side": "buy",
        "ordType": "limit", "px": "3100", "sz": "1"}]);
    assert_eq!(
        trader.ask("order", other)["code"],
        "0",
        "another instrument has its own budget"
    );
    let body = json!({"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit",
        "px": "63000", "sz": "1"});
    let (_, answer) = venue.rest(1, "POST", "/api/v5/trade/order", &body.to_string());
    assert_eq!(
        answer["data"][0]["sCode"], "50011",
        "REST shares the budget"
    );
    let batch = json!([
        limit("b1", "buy", "63000", "1"),
        limit("b2", "buy", "63000", "1")
    ]);
    assert_eq!(
        trader.ask("batch-orders", batch)["code"],
        "0",
        "batches have their own budget"
    );
    let single = json!([limit("b3", "buy", "63000", "1")]);
    let reply = trader.ask("batch-orders", single);
    assert_eq!(
        reply["data"][0]["sCode"], "50011",
        "a batch of one is a single order"
    );
    assert_eq!(venue.stop().rate_limited, 3);
}

#[test]
fn the_sub_account_budget_counts_new_and_amended_orders_but_not_cancels() {
    let venue = Venue::start(|config| config.limits.sub_account_per_window = 2);
    let mut trader = venue.trader(1);
    trader.ask("order", json!([limit("1", "buy", "63000", "1")]));
    let terms = json!([{"instIdCode": 10459, "clOrdId": "1", "newSz": "2"}]);
    assert_eq!(trader.ask("amend-order", terms)["code"], "0");
    let refused = trader.ask("order", json!([limit("2", "buy", "63000", "1")]));
    assert_eq!(refused["data"][0]["sCode"], "50061");
    assert_eq!(trader.ask("cancel-order", named("1"))["code"], "0");
}

#[test]
fn queries_beyond_their_limit_get_429_with_50011() {
    let venue = Venue::start(|_| {});
    let answers: Vec<(u16, Value)> = (0..6)
        .map(|_| venue.rest(1, "GET", "/api/v5/account/config", ""))
        .collect();
    assert!(answers[..5].iter().all(|(status, _)| *status == 200));
    assert_eq!(
        (answers[5].0, answers[5].1["code"].as_str()),
        (429, Some("50011"))
    );
}
