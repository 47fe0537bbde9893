//! The way of an order, from the strategy to the venue and back, without any fault.

use millrun_client::{
    ClientOrderId, OrderEventKind, OrderReference, OrderStatus, RejectReason, Side, TimeInForce,
};
use serde_json::Value;

use crate::rig::{Rig, SWAP};
use crate::trader::limit;

// covers: HP1 OK4
#[test]
fn an_order_is_placed_filled_in_parts_replaced_and_cancelled_and_both_ledgers_agree() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (buy, id) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.counterparty("sell", "0.4", "63000");
    let part = trader.wait(buy, OrderEventKind::OrderPartiallyFilled);
    assert_eq!(part.cum_quantity, part.last_quantity);
    rig.counterparty("sell", "0.6", "63000");
    let full = trader.wait(buy, OrderEventKind::OrderFilled);
    assert_eq!(full.client_order_id, Some(id));
    assert_eq!(full.cum_quantity, full.order_quantity);

    let (sell, id) = trader.rest(&limit(Side::Sell, "2", "66000"));
    let order = OrderReference::ClientOrderId(id);
    trader.client.replace(order, SWAP, "3", "66100").unwrap();
    let replaced = trader.wait_for("a replace", |event| {
        event.kind == OrderEventKind::OrderReplaced
    });
    assert_eq!(replaced.client_order_id, Some(id));
    let at_venue = rig.venue_order(id).unwrap();
    assert_eq!(
        (&at_venue["px"], &at_venue["sz"]),
        (&"66100".into(), &"3".into())
    );
    trader.client.cancel_request(sell).unwrap();
    let cancelled = trader.wait(sell, OrderEventKind::OrderCancelled);
    assert_eq!(cancelled.status, Some(OrderStatus::Cancelled));

    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: OK4 V13
#[test]
fn post_only_that_would_take_ioc_and_fok_end_as_the_venue_says() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.counterparty("sell", "1", "64000");
    let maker = limit(Side::Buy, "1", "64100").post_only();
    let maker = trader.client.place(&maker).unwrap();
    let ended = trader.wait(maker, OrderEventKind::OrderCancelled);
    assert_ne!(ended.venue_code, 0, "the venue's reason is kept");
    assert!(ended.cum_quantity.is_zero());

    let all_or_nothing = limit(Side::Buy, "2", "64000").time_in_force(TimeInForce::FillOrKill);
    let killed = trader.client.place(&all_or_nothing).unwrap();
    let ended = trader.wait(killed, OrderEventKind::OrderCancelled);
    assert!(ended.cum_quantity.is_zero());

    let at_once = limit(Side::Buy, "2", "64000").time_in_force(TimeInForce::ImmediateOrCancel);
    let taken = trader.client.place(&at_once).unwrap();
    let part = trader.wait(taken, OrderEventKind::OrderPartiallyFilled);
    let ended = trader.wait(taken, OrderEventKind::OrderCancelled);
    assert_eq!(ended.cum_quantity, part.last_quantity);

    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: OK6
#[test]
fn act_on_an_order_that_does_not_exist_is_refused_as_not_found_and_nothing_is_sent() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (_, id) = trader.rest(&limit(Side::Buy, "1", "63000"));
    let nobodys = ClientOrderId::from_integer(id.integer() + 1).unwrap();
    let order = OrderReference::ClientOrderId(nobodys);
    let requests = [
        trader.client.cancel(nobodys).unwrap(),
        trader.client.query(order).unwrap(),
        trader.client.replace(order, SWAP, "1", "63000").unwrap(),
    ];
    for request in requests {
        let refused = trader.wait(request, OrderEventKind::RequestRefused);
        assert_eq!(refused.reason, Some(RejectReason::OrderNotFound));
    }
    let stats = rig.venue.stats();
    assert_eq!((stats.cancels_received, stats.amends_received), (0, 0));
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

/// Runs `millrun order …` as "second" and reads what it printed as JSON; its exit code too.
fn order_command(rig: &Rig, arguments: &[&str]) -> (i32, Vec<Value>) {
    let mut all = vec!["order"];
    all.extend(arguments);
    all.extend(["--as", "second", "--json"]);
    let output = rig.run(&all);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let code = output.status.code().unwrap();
    (code, lines.map(Result::unwrap).collect())
}

// covers: OK8
#[test]
fn orders_are_placed_listed_shown_and_cancelled_from_the_command_line() {
    let rig = Rig::new();
    // The attachment of each command ends with it; its orders shall not.
    rig.write_config(|text| text.replace("\"cancel_all\"", "\"keep\""));
    let mut engine = rig.start();
    let place = [
        "place",
        "--symbol",
        SWAP,
        "--side",
        "buy",
        "--quantity",
        "1",
        "--price",
    ];
    let (code, lines) = order_command(&rig, &[&place[..], &["63000"]].concat());
    assert_eq!(code, 0, "{lines:#?}");
    let placed = lines.last().unwrap();
    assert_eq!(placed["event"], "OrderAcknowledged");
    let id = placed["order"].as_str().unwrap().to_owned();
    assert_eq!(rig.venue_order(&id).unwrap()["state"], "live");
    let (code, listed) = order_command(&rig, &["list"]);
    assert!(
        code == 0 && format!("{listed:?}").contains(&id),
        "{listed:#?}"
    );
    let (code, lines) = order_command(&rig, &["cancel", "--order", &id]);
    assert_eq!(code, 0, "{lines:#?}");
    assert_eq!(lines.last().unwrap()["event"], "OrderCancelled");
    let (_, listed) = order_command(&rig, &["list"]);
    assert!(!format!("{listed:?}").contains(&id), "{listed:#?}");
    let (code, shown) = order_command(&rig, &["show", "--order", &id]);
    assert!(
        code == 0 && format!("{shown:?}").contains("cancelled"),
        "{shown:#?}"
    );
    // Beyond the venue's price band.
    let (code, lines) = order_command(&rig, &[&place[..], &["99000"]].concat());
    assert_eq!(code, 6, "{lines:#?}");
    assert_eq!(lines.last().unwrap()["event"], "OrderRejected");
    assert!(engine.stop().success());
    rig.ledgers_agree();
}
