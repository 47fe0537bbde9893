//! The engine's process dies or is told to stop, at bad moments; what was open goes on.

use std::time::{Duration, Instant};

use millrun_client::{OrderEvent, OrderEventKind, RequestId, Side};
use serde_json::json;

use crate::engine_process::{EngineProcess, PATIENCE};
use crate::rig::Rig;
use crate::trader::{Trader, limit};

/// Attaches the same client again, after the engine came back.
fn reattach(trader: &mut Trader) {
    let deadline = Instant::now() + PATIENCE;
    while trader.client.is_connected() {
        assert!(Instant::now() < deadline, "the engine's end was not seen");
        if let Ok(Some(event)) = trader.client.next_event(Duration::from_millis(50)) {
            trader.events.push(event);
        }
    }
    // What came before the end is read first: the engine sends only what is missing.
    while let Ok(Some(event)) = trader.client.next_event(Duration::ZERO) {
        trader.events.push(event);
    }
    trader.resync = trader.client.reattach().unwrap();
}

/// Every event once, from the first on.
fn is_complete(events: &[OrderEvent]) {
    let numbers: Vec<u64> = events.iter().map(|event| event.event_seq).collect();
    let wanted: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, wanted);
}

// covers: HP7 C01
#[test]
fn killed_engine_comes_back_with_its_orders_and_the_client_misses_nothing_and_gets_nothing_twice() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    let (filled, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    let (part, _) = trader.rest(&limit(Side::Buy, "1", "62900"));
    let (open, id) = trader.rest(&limit(Side::Sell, "1", "66000"));
    engine.freeze();
    let not_taken = trader
        .client
        .place(&limit(Side::Buy, "1", "62000"))
        .unwrap();
    engine.kill();
    rig.counterparty("sell", "1", "63000");
    rig.counterparty("sell", "0.3", "62900");

    let mut engine = rig.start();
    reattach(&mut trader);
    assert!(trader.resync.gaps.is_empty());
    let ids: Vec<RequestId> = trader.resync.not_taken.ids().collect();
    assert_eq!(ids, [not_taken]);
    assert_eq!(rig.venue.stats().orders_received, 3);
    trader.wait(filled, OrderEventKind::OrderFilled);
    trader.wait(part, OrderEventKind::OrderPartiallyFilled);
    let listed = rig.run(&["order", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(&id.to_string()), "{listed}");
    trader.client.cancel_request(open).unwrap();
    trader.wait(open, OrderEventKind::OrderCancelled);
    trader.client.cancel_request(part).unwrap();
    trader.wait(part, OrderEventKind::OrderCancelled);
    assert_eq!(trader.count(not_taken, OrderEventKind::OrderCreated), 0);
    is_complete(&trader.events);
    assert_eq!(
        rig.venue.stats().orders_received,
        3,
        "nothing was sent again"
    );
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: C04
#[test]
fn order_whose_answer_was_under_way_when_the_engine_died_is_adopted_with_its_fill() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "drop_ack"}, "when": {"on": "order"}}));
    rig.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "times": 0}}));
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    rig.wait_stats(|stats| stats.orders_accepted == 1);
    engine.kill();
    rig.venue.disarm_all();
    rig.counterparty("sell", "0.4", "63000");
    let mut engine = rig.start();
    reattach(&mut trader);
    assert!(trader.resync.not_taken.is_empty());
    let part = trader.wait(request, OrderEventKind::OrderPartiallyFilled);
    assert!(!part.unknown);
    rig.counterparty("sell", "0.6", "63000");
    trader.wait(request, OrderEventKind::OrderFilled);
    is_complete(&trader.events);
    assert_eq!(rig.venue.stats().orders_received, 1);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: C05
#[test]
fn fill_that_was_journaled_but_never_published_reaches_the_strategy_once() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    let (request, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    let resume = trader.client.resume();
    let mut events = std::mem::take(&mut trader.events);
    drop(trader);
    engine.wait_for_line("strategy lost");
    rig.counterparty("sell", "1", "63000");
    rig.ledgers_agree();
    engine.kill();
    let mut engine = rig.start();
    let mut trader = Trader::attach(&rig.path("data/attach.sock"), "grid", resume);
    trader.wait(request, OrderEventKind::OrderFilled);
    trader.rest(&limit(Side::Buy, "1", "62000"));
    assert_eq!(trader.count(request, OrderEventKind::OrderFilled), 1);
    events.append(&mut trader.events);
    is_complete(&events);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

#[test]
fn engine_that_is_killed_again_and_again_under_load_loses_and_doubles_no_order_and_no_fill() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let mut placed = 0;
    for round in 0..6 {
        rig.counterparty("sell", "3", "63000");
        for _ in 0..8 {
            placed += 1;
            trader
                .client
                .place(&limit(Side::Buy, "1", "63000"))
                .unwrap();
        }
        let accepted = rig.venue.stats().orders_accepted;
        // Killed with commands in every state: later in the burst each time.
        rig.wait_stats(|stats| stats.orders_accepted >= accepted + round);
        engine.kill();
        engine = rig.start();
        reattach(&mut trader);
        assert!(trader.resync.gaps.is_empty());
        placed -= trader.resync.not_taken.count();
    }
    trader.client.cancel_all(None).unwrap();
    let created: Vec<RequestId> = wait_created(&mut trader, placed);
    for request in created {
        trader.wait_for("its end", |event| {
            event.request_id == request && event.status.is_some_and(|status| status.is_terminal())
        });
    }
    is_complete(&trader.events);
    assert_eq!(rig.venue.stats().client_order_ids_accepted_twice, 0);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

/// Waits until as many orders as were taken are created; their requests.
fn wait_created(trader: &mut Trader, count: u64) -> Vec<RequestId> {
    loop {
        let created = trader
            .events
            .iter()
            .filter(|event| event.kind == OrderEventKind::OrderCreated);
        let created: Vec<RequestId> = created.map(|event| event.request_id).collect();
        if created.len() as u64 == count {
            return created;
        }
        assert!(trader.next_within(PATIENCE).is_some(), "{created:?}");
    }
}

// covers: C13
#[test]
fn engine_that_is_told_to_stop_under_load_ends_in_order_and_a_second_signal_ends_it_at_once() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    for _ in 0..50 {
        trader
            .client
            .place(&limit(Side::Buy, "1", "63000"))
            .unwrap();
    }
    let began = Instant::now();
    assert_eq!(engine.stop().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10));
    let said = engine.all_printed();
    assert!(!said.contains("is not known"), "hung up on answers: {said}");
    rig.ledgers_agree();

    rig.arm(json!({"fault": {"kind": "delay_acceptance", "ms": 60000},
        "when": {"on": "cancel-order", "times": 0}}));
    let mut engine = EngineProcess::spawn(&rig.config(), &["--cancel-on-stop"]);
    engine.wait_ready();
    reattach(&mut trader);
    trader.rest(&limit(Side::Buy, "1", "62000"));
    engine.ask_to_stop();
    engine.wait_for_line("stopping");
    assert!(engine.is_running());
    let began = Instant::now();
    assert_eq!(engine.stop().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(1));
    rig.venue.disarm_all();
    let mut engine = rig.start();
    assert_eq!(engine.stop().code(), Some(0));
    rig.ledgers_agree();
}

#[test]
fn stop_that_shall_cancel_leaves_no_order_at_the_venue() {
    let rig = Rig::new();
    let mut engine = EngineProcess::spawn(&rig.config(), &["--cancel-on-stop"]);
    engine.wait_ready();
    let mut trader = rig.attach("grid");
    let ids: Vec<_> = ["63000", "62000", "61000"]
        .map(|price| trader.rest(&limit(Side::Buy, "1", price)).1)
        .into();
    assert_eq!(engine.stop().code(), Some(0));
    for id in ids {
        assert_eq!(rig.venue_order(id).unwrap()["state"], "canceled");
    }
    rig.ledgers_agree();
}
