//! The way of an order, from the strategy to the venue and back, without any fault.

use millrun_client::{OrderEventKind, OrderReference, OrderStatus, Side, TimeInForce};

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
