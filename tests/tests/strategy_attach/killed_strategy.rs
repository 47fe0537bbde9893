//! A strategy in a process of its own is killed; the test's executable plays both parts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use millrun_client::{Client, OrderEventKind, OrderReference, OrderStatus, Resume};
use model::input::LossReason;

use crate::engine_stand_in::{EngineStandIn, PATIENCE};
use crate::{HANG_UP_SEEN_WITHIN, data, event_of, place};

/// Set in the strategy's process: socket and strategy, joined by a colon.
const STRATEGY_VARIABLE: &str = "MILLRUN_ATTACH_TEST_STRATEGY";
const READY: &str = "the order rests";

/// Starts this executable again as a strategy and waits until its order rests.
fn strategy_process(test: &str, engine: &EngineStandIn, strategy: &str) -> Child {
    let part = format!("{}:{strategy}", engine.socket_path.display());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(STRATEGY_VARIABLE, part)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains(READY));
    assert!(ready, "the strategy ended early");
    child
}

/// The strategy's part: an order, then no end.
fn be_strategy(part: &str) -> ! {
    let (socket, strategy) = part.split_once(':').unwrap();
    let mut client = Client::attach(socket, strategy, Resume::FROM_START)
        .unwrap()
        .client;
    let placed = place(&mut client);
    event_of(&mut client, OrderEventKind::OrderAcknowledged, placed);
    println!("{READY}");
    loop {
        client.next_event(PATIENCE).unwrap();
    }
}

// covers: R07
#[test]
fn killed_strategy_is_lost_within_100_ms_and_its_orders_stay_or_go_by_its_policy() {
    if let Ok(part) = std::env::var(STRATEGY_VARIABLE) {
        be_strategy(&part);
    }
    let test = "killed_strategy::\
                killed_strategy_is_lost_within_100_ms_and_its_orders_stay_or_go_by_its_policy";
    let data = data();
    let engine = EngineStandIn::start(data.path());
    for (losses, strategy) in [(1, "grid"), (2, "second")] {
        let mut child = strategy_process(test, &engine, strategy);
        let killed = Instant::now();
        child.kill().unwrap();
        let (seen, reason) = engine.wait_for_losses(losses);
        assert_eq!(reason, LossReason::HungUp);
        let late = seen - killed;
        assert!(late < HANG_UP_SEEN_WITHIN, "{strategy}: {late:?}");
        child.wait().unwrap();
    }
    let attach = |strategy| Client::attach(&engine.socket_path, strategy, Resume::FROM_START);
    let mut keeps = attach("grid").unwrap().client;
    let first = keeps.last_request_id();
    let asked = keeps.query(OrderReference::RequestId(first)).unwrap();
    let events = event_of(&mut keeps, OrderEventKind::OrderState, asked);
    let state = events.last().unwrap();
    assert_eq!(state.status, Some(OrderStatus::Acknowledged));
    let mut cancels = attach("second").unwrap().client;
    let first = cancels.last_request_id();
    event_of(&mut cancels, OrderEventKind::OrderCancelled, first);
}
