//! Mode `strict` in the real process: no order reaches the venue before its intent is on the disk.
//!
//! The venue's witness reads the sync markers in the journal's files, which are written only after
//! a sync that succeeded; it runs in another process than the engine.

use std::sync::Arc;

use millrun::journal_witness::JournalWitness;
use millrun_client::{OrderEventKind, OrderReference, Side};

use crate::rig::{Rig, SWAP};
use crate::trader::{Trader, limit};

fn rig_in(mode: &str) -> Rig {
    let rig = Rig::witnessed(
        |_| {},
        |journal| Some(Arc::new(JournalWitness::of_strict(journal))),
    );
    rig.write_config(|text| text.replace("mode = \"process\"", &format!("mode = \"{mode}\"")));
    rig
}

/// Orders one by one and in a burst, a replace and a cancel of each.
fn trade(trader: &mut Trader) {
    for round in 0..4 {
        let price = ["63000", "62900", "62800", "62700"][round];
        let (first, id) = trader.rest(&limit(Side::Buy, "1", price));
        let replace = trader
            .client
            .replace(OrderReference::ClientOrderId(id), SWAP, "2", "62000")
            .unwrap();
        trader.wait(replace, OrderEventKind::OrderReplaced);
        let burst: Vec<_> = (0..4)
            .map(|_| {
                trader
                    .client
                    .place(&limit(Side::Buy, "0.5", price))
                    .unwrap()
            })
            .collect();
        for request in &burst {
            trader.wait(*request, OrderEventKind::OrderAcknowledged);
        }
        for request in burst.into_iter().chain([first]) {
            let event = trader.wait(request, OrderEventKind::OrderAcknowledged);
            let order = event.client_order_id.unwrap();
            trader.client.cancel(order).unwrap();
            trader.wait_for("the cancel", |event| {
                event.client_order_id == Some(order) && event.kind == OrderEventKind::OrderCancelled
            });
        }
    }
}

// covers: P11 P1
#[test]
fn strict_engine_sends_no_order_before_its_intent_is_on_the_disk_and_survives_a_kill() {
    let rig = rig_in("strict");
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    trade(&mut trader);
    for _ in 0..8 {
        let order = limit(Side::Buy, "1", "61500");
        trader.client.place(&order).unwrap();
    }
    engine.kill();
    drop(trader);
    let mut engine = rig.start();
    trade(&mut rig.attach("second"));
    assert!(engine.stop().success());
    let stats = rig.venue.stats();
    assert!(stats.commands_checked >= 80, "{stats:#?}");
    assert_eq!(stats.witness_misses, 0, "{:#?}", stats.witness_miss_details);
    rig.ledgers_agree();
}

#[test]
fn the_witness_of_strict_is_awake_and_catches_an_engine_that_does_not_wait_for_the_disk() {
    let rig = rig_in("group");
    let mut engine = rig.start();
    trade(&mut rig.attach("grid"));
    assert!(engine.stop().success());
    assert!(rig.venue.stats().witness_misses > 0);
}
