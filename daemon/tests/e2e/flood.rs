//! A strategy that writes requests as fast as they can be written, beside one that trades.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millrun_client::{
    Client, OrderEventKind, OrderReference, OrderStatus, RequestError, RequestId, Resume, Side,
};

use crate::rig::Rig;
use crate::trader::{Trader, limit};

/// A flood that is longer than this says that the orders beside it do not get on.
const FLOOD_MAX: u64 = 300_000;
/// An order beside the flood is answered within this.
const ANSWERED_WITHIN: Duration = Duration::from_millis(500);

/// Queries at line rate until told to stop; how many. Its events are read only when the ring is
/// full, so it is never without something to take.
fn flood(socket: &Path, stop: &AtomicBool) -> u64 {
    let attached = Client::attach(socket, "second", Resume::FROM_NOW).unwrap();
    let mut client = attached.client;
    let nobodys = OrderReference::RequestId(RequestId(u64::MAX));
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) && written < FLOOD_MAX {
        match client.query(nobodys) {
            Ok(_) => written += 1,
            Err(RequestError::Full) => {
                while client.next_event(Duration::ZERO).unwrap().is_some() {}
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    written
}

/// Places fifty orders, each after the answer to the one before; the longest wait.
fn fifty_orders(trader: &mut Trader) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        let order = limit(Side::Buy, "0.01", "63000");
        let request = trader.client.place(&order).unwrap();
        let answer = trader.wait(request, OrderEventKind::OrderAcknowledged);
        assert_eq!(answer.status, Some(OrderStatus::Acknowledged));
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

// covers: R10
#[test]
fn strategy_that_floods_at_line_rate_does_not_hold_up_the_fifty_orders_of_another() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let stop = AtomicBool::new(false);
    let socket = rig.path("data/attach.sock");
    let (orders, flooded) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&socket, &stop));
        let orders = catch_unwind(AssertUnwindSafe(|| fifty_orders(&mut trader)));
        stop.store(true, Ordering::Relaxed);
        (orders, flooding.join().unwrap())
    });
    let slowest = orders.unwrap_or_else(|panic| resume_unwind(panic));
    assert!(slowest < ANSWERED_WITHIN, "{slowest:?}");
    assert!(
        (1_000..FLOOD_MAX).contains(&flooded),
        "{flooded} queries beside fifty orders"
    );
    assert!(engine.stop().success());
    rig.ledgers_agree();
}
