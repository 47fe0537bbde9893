//! The witness of commands: asked for every leg, before the venue acts.

use std::sync::{Arc, Mutex};

use millrun_venue_simulator::{CommandWitness, ReceivedCommand, Transport, WitnessVerdict};
use serde_json::json;

use crate::client::{SWAP, SWAP_CODE, Venue, limit, named};

#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<String>>,
}

impl CommandWitness for Recorder {
    fn check(&self, command: &ReceivedCommand<'_>) -> WitnessVerdict {
        assert_eq!(command.instrument, SWAP);
        assert!(command.raw.contains(command.client_order_id));
        let line = format!(
            "{} {} {} {} {} {} {}",
            command.operation,
            command.request_id,
            command.leg,
            command.client_order_id,
            command.price,
            command.quantity,
            command.transport == Transport::WebSocket,
        );
        self.seen.lock().unwrap().push(line);
        match command.client_order_id {
            "2" => WitnessVerdict::Missing("no intent for 2".to_owned()),
            "3" => WitnessVerdict::NotJudged,
            _ => WitnessVerdict::Witnessed,
        }
    }
}

#[test]
fn the_witness_sees_every_leg_and_its_misses_are_counted() {
    let recorder = Arc::new(Recorder::default());
    let witness: Arc<dyn CommandWitness> = Arc::clone(&recorder) as _;
    let venue = Venue::start_with(|_| {}, Some(witness));
    let mut trader = venue.trader(1);
    let legs = json!([
        limit("1", "buy", "63000", "1"),
        limit("2", "buy", "63000", "2")
    ]);
    trader.ask("batch-orders", legs);
    let terms = json!([{"instIdCode": SWAP_CODE, "clOrdId": "1", "newSz": "3"}]);
    trader.ask("amend-order", terms);
    trader.ask("cancel-order", named("1"));
    let body = json!({"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit",
        "px": "63000", "sz": "1", "clOrdId": "3"});
    venue.rest(1, "POST", "/api/v5/trade/order", &body.to_string());
    assert_eq!(
        *recorder.seen.lock().unwrap(),
        [
            "batch-orders 1 0 1 63000 1 true",
            "batch-orders 1 1 2 63000 2 true",
            "amend-order 2 0 1  3 true",
            "cancel-order 3 0 1   true",
            "order  0 3 63000 1 false",
        ]
    );
    let stats = venue.stop();
    assert_eq!((stats.commands_checked, stats.witness_misses), (4, 1));
    assert_eq!(stats.witness_miss_details, ["no intent for 2"]);
}
