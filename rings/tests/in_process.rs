//! The rings between threads of one process, from outside.
#![cfg(not(loom))]

use std::thread;

use millrun_rings::in_process::{Full, ring};

#[test]
fn full_ring_hands_the_item_back_and_counts_it() {
    let (mut producer, mut consumer) = ring("entries", 2);
    assert_eq!(producer.push("a"), Ok(()));
    assert_eq!(producer.push("b"), Ok(()));
    assert_eq!(producer.push("c"), Err(Full("c")));
    assert_eq!(producer.free_slots(), 0);

    assert_eq!(consumer.peek(), Some(&"a"));
    assert_eq!(consumer.pop(), Some("a"));
    assert_eq!(producer.push("c"), Ok(()));
    assert_eq!(consumer.pop(), Some("b"));
    assert_eq!(consumer.pop(), Some("c"));
    assert_eq!(consumer.pop(), None);

    let stats = consumer.stats();
    assert_eq!((stats.name(), stats.capacity()), ("entries", 2));
    assert_eq!((stats.pushed(), stats.popped()), (3, 3));
    assert_eq!((stats.full(), stats.dropped()), (1, 0));
}

#[test]
fn push_or_drop_counts_what_it_drops() {
    let (mut producer, consumer) = ring("wake-ups", 1);
    assert!(producer.push_or_drop(1));
    assert!(!producer.push_or_drop(2));
    assert!(!producer.push_or_drop(3));
    let stats = producer.stats();
    assert_eq!((stats.pushed(), stats.full(), stats.dropped()), (1, 2, 2));
    assert_eq!(consumer.waiting(), 1);
}

#[test]
fn each_end_sees_that_the_other_is_gone_and_items_can_still_be_taken() {
    let (mut producer, mut consumer) = ring("links", 4);
    assert_eq!(producer.push(7), Ok(()));
    assert!(!consumer.is_abandoned());
    drop(producer);
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.pop(), Some(7));

    let (producer, consumer) = ring::<u64>("links", 4);
    assert!(!producer.is_abandoned());
    drop(consumer);
    assert!(producer.is_abandoned());
}

#[test]
#[should_panic(expected = "ring nothing needs at least one slot")]
fn ring_without_slots_is_refused() {
    let _ = ring::<u8>("nothing", 0);
}

#[test]
fn items_cross_threads_in_order_and_counters_balance() {
    const ITEMS: u64 = 100_000;
    let (mut producer, mut consumer) = ring("numbers", 64);
    let stats = producer.stats();
    let sender = thread::spawn(move || {
        for item in 0..ITEMS {
            let mut waiting = item;
            while let Err(Full(back)) = producer.push(waiting) {
                waiting = back;
                thread::yield_now();
            }
        }
    });
    for expected in 0..ITEMS {
        let item = loop {
            match consumer.pop() {
                Some(item) => break item,
                None => thread::yield_now(),
            }
        };
        assert_eq!(item, expected);
    }
    sender.join().expect("sender ends");
    assert_eq!(
        (stats.pushed(), stats.popped(), stats.dropped()),
        (ITEMS, ITEMS, 0)
    );
}
