//! What a venue or the way to it can do wrong while orders are under way, over real TLS.

use std::time::{Duration, Instant};

use millrun_client::{OrderEventKind, OrderReference, OrderStatus, RejectReason, Side};
use serde_json::json;

use crate::rig::Rig;
use crate::trader::{Trader, limit};

/// After its window and the settling time absence is believed (see the rig's configuration).
const ABSENT_AFTER: Duration = Duration::from_millis(1_300);

/// The order as the engine has it now.
fn status(trader: &mut Trader, order: OrderReference) -> (Option<OrderStatus>, bool) {
    let asked = trader.client.query(order).unwrap();
    let state = trader.wait(asked, OrderEventKind::OrderState);
    (state.status, state.unknown)
}

// covers: V02
#[test]
fn order_whose_reply_and_push_are_lost_is_found_by_asking_and_adopted() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "drop_ack"}, "when": {"on": "order"}}));
    rig.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "state": "live"}}));
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    let unknown = trader.wait(request, OrderEventKind::CommandUnknown);
    assert!(unknown.unknown);
    let found = trader.wait(request, OrderEventKind::OrderAcknowledged);
    assert!(!found.unknown);
    assert_eq!(rig.venue.stats().orders_accepted, 1);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V01
#[test]
fn order_that_broke_the_connection_and_never_arrived_fails_after_its_window_and_is_not_resent() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "disconnect", "executes": false}, "when": {"on": "order"}}));
    let began = Instant::now();
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    trader.wait(request, OrderEventKind::CommandUnknown);
    let failed = trader.wait(request, OrderEventKind::OrderFailed);
    assert!(began.elapsed() >= ABSENT_AFTER, "{:?}", began.elapsed());
    assert!(!failed.unknown);
    let id = failed.client_order_id.unwrap();
    assert_eq!(rig.venue.stats().orders_accepted, 0);
    assert_eq!(rig.venue.stats().orders_received, 1, "it was sent once");
    let journal = rig.run(&["order", "show", "--order", &id.to_string()]);
    let shown = String::from_utf8_lossy(&journal.stdout).into_owned();
    assert!(shown.contains("NeverArrived"), "{shown}");
    trader.rest(&limit(Side::Buy, "1", "63000"));
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V01
#[test]
fn connection_that_breaks_after_any_number_of_bytes_loses_and_doubles_nothing() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    for (round, bytes) in [0, 1, 5, 22, 23, 60, 180, 400, 900].into_iter().enumerate() {
        rig.arm(
            json!({"fault": {"kind": "disconnect_at_byte", "bytes": bytes},
            "when": {"on": "order"}}),
        );
        let (request, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
        // Its cut may still be ahead: the next order must meet a new connection.
        rig.venue.cut_connections(None);
        engine.wait_for_lines("state=up", round + 2);
        let order = OrderReference::RequestId(request);
        let state = status(&mut trader, order);
        assert_eq!(state, (Some(OrderStatus::Acknowledged), false), "{bytes}");
        rig.venue.disarm_all();
        engine.wait_for_lines("state=LIVE", round + 2);
    }
    assert_eq!(rig.venue.stats().orders_accepted, 9);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

#[test]
fn order_that_the_venue_takes_late_but_inside_its_window_is_adopted_and_never_called_absent() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "delay_acceptance", "ms": 800}, "when": {"on": "order"}}));
    rig.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "state": "live"}}));
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    trader.wait(request, OrderEventKind::CommandUnknown);
    assert_eq!(rig.venue.stats().orders_accepted, 0);
    let found = trader.wait(request, OrderEventKind::OrderAcknowledged);
    assert!(!found.unknown);
    assert_eq!(trader.count(request, OrderEventKind::OrderFailed), 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

#[test]
fn order_that_the_venue_takes_up_after_its_window_ends_without_having_been_live() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "delay_acceptance", "ms": 1100}, "when": {"on": "order"}}));
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    let ended = trader.wait_for("the end", |event| {
        event.request_id == request && event.status.is_some_and(OrderStatus::is_terminal)
    });
    assert_eq!(ended.kind, OrderEventKind::OrderRejected);
    assert_eq!(rig.venue.stats().orders_accepted, 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V05
#[test]
fn fill_that_is_pushed_twice_and_read_again_after_each_reconnect_counts_once() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (buy, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.arm(json!({"fault": {"kind": "duplicate_push", "after_ms": 5},
        "when": {"on": "orders", "times": 0}}));
    rig.counterparty("sell", "0.4", "63000");
    trader.wait(buy, OrderEventKind::OrderPartiallyFilled);
    for round in 0..2 {
        rig.venue.cut_connections(None);
        engine.wait_for_lines("state=LIVE", round + 2);
    }
    rig.counterparty("sell", "0.6", "63000");
    let full = trader.wait(buy, OrderEventKind::OrderFilled);
    assert_eq!(full.cum_quantity, full.order_quantity);
    // Behind the answer to a later order lies everything that came before it.
    trader.rest(&limit(Side::Buy, "1", "62000"));
    assert_eq!(trader.count(buy, OrderEventKind::OrderPartiallyFilled), 1);
    assert_eq!(trader.count(buy, OrderEventKind::OrderFilled), 1);
    assert_eq!(trader.count(buy, OrderEventKind::LateFill), 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V03 V04
#[test]
fn fill_before_the_ack_is_booked_at_once_and_the_late_ack_changes_nothing() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.counterparty("sell", "1", "64000");
    rig.arm(json!({"fault": {"kind": "ack_after_fill", "ms": 2000}, "when": {"on": "order"}}));
    rig.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "state": "live"}}));
    let buy = trader
        .client
        .place(&limit(Side::Buy, "1", "64000"))
        .unwrap();
    trader.wait(buy, OrderEventKind::OrderFilled);
    trader.rest(&limit(Side::Buy, "1", "62000"));
    let order = OrderReference::RequestId(buy);
    assert_eq!(
        status(&mut trader, order),
        (Some(OrderStatus::Filled), false)
    );
    assert_eq!(trader.count(buy, OrderEventKind::OrderFilled), 1);
    assert_eq!(trader.count(buy, OrderEventKind::CommandUnknown), 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

#[test]
fn cancel_that_is_acked_while_the_order_fills_instead_ends_as_filled() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (buy, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.arm(json!({"fault": {"kind": "fill_instead_of_cancel"}}));
    trader.client.cancel_request(buy).unwrap();
    trader.wait(buy, OrderEventKind::OrderFilled);
    assert_eq!(trader.count(buy, OrderEventKind::OrderCancelled), 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V09
#[test]
fn cancel_that_is_refused_because_the_order_filled_unheard_ends_as_the_venue_says() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (buy, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders"}}));
    rig.counterparty("sell", "1", "63000");
    trader.client.cancel_request(buy).unwrap();
    let filled = trader.wait(buy, OrderEventKind::OrderFilled);
    assert_eq!(filled.cum_quantity, filled.order_quantity);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V07
#[test]
fn fill_that_is_heard_of_after_the_cancel_is_booked_once() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (buy, id) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.arm(json!({"fault": {"kind": "delay_push", "ms": 300}, "when": {"on": "orders"}}));
    rig.counterparty("sell", "0.4", "63000");
    trader.client.cancel_request(buy).unwrap();
    trader.wait(buy, OrderEventKind::OrderCancelled);
    rig.ledgers_agree();
    let asked = trader
        .client
        .query(OrderReference::ClientOrderId(id))
        .unwrap();
    let state = trader.wait(asked, OrderEventKind::OrderState);
    assert_eq!(state.status, Some(OrderStatus::Cancelled));
    let executions = trader.count(buy, OrderEventKind::LateFill)
        + trader.count(buy, OrderEventKind::OrderPartiallyFilled);
    assert_eq!(executions, 1, "{:#?}", trader.told());
    assert!(!state.cum_quantity.is_zero());
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V05
#[test]
fn fills_of_the_time_without_a_connection_are_each_booked_once() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (first, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    let (second, _) = trader.rest(&limit(Side::Buy, "1", "62900"));
    let (third, _) = trader.rest(&limit(Side::Sell, "1", "66000"));
    rig.venue.cut_connections(None);
    rig.counterparty("sell", "1", "63000");
    rig.counterparty("sell", "0.3", "62900");
    rig.counterparty("sell", "0.3", "62900");
    trader.wait(first, OrderEventKind::OrderFilled);
    trader.wait_for("both parts", |event| {
        event.request_id == second && event.cum_quantity > event.last_quantity
    });
    engine.wait_for_lines("state=LIVE", 2);
    rig.counterparty("buy", "1", "66000");
    trader.wait(third, OrderEventKind::OrderFilled);
    assert_eq!(
        trader.count(second, OrderEventKind::OrderPartiallyFilled),
        2
    );
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

#[test]
fn answer_that_leaves_the_outcome_open_is_settled_by_asking_whether_it_acted_or_not() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let mut ended = Vec::new();
    for executes in [true, false] {
        rig.arm(
            json!({"fault": {"kind": "answer", "code": "50004", "executes": executes},
            "when": {"on": "order"}}),
        );
        if executes {
            rig.arm(
                json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "state": "live"}}),
            );
        }
        let request = trader
            .client
            .place(&limit(Side::Buy, "1", "63000"))
            .unwrap();
        trader.wait(request, OrderEventKind::CommandUnknown);
        ended.push((request, executes));
    }
    for (request, executes) in ended {
        let end = match executes {
            true => OrderEventKind::OrderAcknowledged,
            false => OrderEventKind::OrderFailed,
        };
        assert!(!trader.wait(request, end).unknown);
        assert_eq!(trader.count(request, OrderEventKind::OrderRejected), 0);
    }
    assert_eq!(rig.venue.stats().orders_accepted, 1);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V17
#[test]
fn announced_close_stops_new_orders_and_the_venue_is_open_again_on_a_new_connection() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (resting, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.act(json!({"act": "service_notice", "api_key": null, "close_after_ms": 1000}));
    let refused = loop {
        let request = trader
            .client
            .place(&limit(Side::Buy, "1", "62000"))
            .unwrap();
        let answer = trader.wait_for("an answer", |event| {
            event.request_id == request
                && matches!(
                    event.kind,
                    OrderEventKind::RequestRefused | OrderEventKind::OrderAcknowledged
                )
        });
        if answer.kind == OrderEventKind::RequestRefused {
            break answer;
        }
    };
    assert_eq!(refused.reason, Some(RejectReason::VenueDown));
    engine.wait_for_lines("state=LIVE", 2);
    trader.client.cancel_request(resting).unwrap();
    trader.wait(resting, OrderEventKind::OrderCancelled);
    trader.rest(&limit(Side::Buy, "1", "62000"));
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V21
#[test]
fn connection_that_falls_silent_is_noticed_by_the_heartbeat_and_its_order_is_found() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "stall", "executes": true}, "when": {"on": "order"}}));
    let began = Instant::now();
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    let noticed = engine.wait_for_line("state=down") - began;
    assert!(noticed < Duration::from_millis(1_800), "{noticed:?}");
    assert!(
        !trader
            .wait(request, OrderEventKind::OrderAcknowledged)
            .unknown
    );
    engine.wait_for_lines("state=LIVE", 2);
    trader.rest(&limit(Side::Buy, "1", "62000"));
    assert_eq!(rig.venue.stats().orders_accepted, 2);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

#[test]
fn command_that_is_refused_for_its_rate_is_refused_and_not_unknown() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let refusal = json!({"kind": "answer", "code": "50011", "executes": false});
    let limited = |on: &str| json!({"fault": refusal, "when": {"on": on}});
    let (resting, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.arm(limited("order"));
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    let refused = trader.wait(request, OrderEventKind::OrderRejected);
    assert_eq!((refused.venue_code, refused.unknown), (50011, false));
    rig.arm(limited("cancel-order"));
    trader.client.cancel_request(resting).unwrap();
    let refused = trader.wait_for("a refused cancel", |event| {
        event.kind == OrderEventKind::CancelRejected
    });
    assert_eq!((refused.venue_code, refused.unknown), (50011, false));
    assert_eq!(refused.status, Some(OrderStatus::Acknowledged));
    trader.client.cancel_request(resting).unwrap();
    trader.wait(resting, OrderEventKind::OrderCancelled);
    let unknown = |event: &&millrun_client::OrderEvent| event.unknown;
    assert_eq!(trader.events.iter().filter(unknown).count(), 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V13
#[test]
fn order_that_the_venue_cancels_by_itself_ends_with_the_venues_reason() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    for source in [2, 31] {
        let (request, id) = trader.rest(&limit(Side::Buy, "1", "63000"));
        let venue_order = rig.venue_order(id).unwrap();
        let ord_id: u64 = venue_order["ordId"].as_str().unwrap().parse().unwrap();
        rig.act(
            json!({"act": "cancel", "api_key": venue_order["apiKey"], "ord_id": ord_id,
            "cancel_source": source}),
        );
        let ended = trader.wait(request, OrderEventKind::OrderCancelled);
        assert_eq!(ended.venue_code, source);
    }
    assert!(engine.stop().success());
    rig.ledgers_agree();
}
