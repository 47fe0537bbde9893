//! Every interleaving, within a bound on preemptions, of the shipped ring code over heap words.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p millrun-rings --release --test loom`
//!
//! Capacity 2, positions that wrap past the end of `u64`, slots of two payload words.
#![cfg(loom)]

use std::sync::atomic::{AtomicU64, Ordering};

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use millrun_rings::shared_memory::Ends;
use millrun_rings::shared_memory::consumer::PopError;
use millrun_rings::shared_memory::heap_pair::{HeapPair, create_heap_pair};
use millrun_rings::shared_memory::layout::{PARKED_WORD, PairShape, SlotPayload};
use millrun_rings::shared_memory::producer::PushError;
use millrun_rings::shared_memory::words::{HeapWords, PeerWords};

/// Runs `model` under every schedule with up to `preemptions` forced switches, and prints how many
/// there were. A model that explored next to nothing proves nothing, so that fails.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let schedules = std::sync::Arc::new(AtomicU64::new(0));
    let counted = schedules.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let schedules = schedules.load(Ordering::Relaxed);
    println!("preemptions={preemptions} schedules={schedules}");
    assert!(schedules > 100, "only {schedules} schedules");
}

fn pair_at_the_wrap() -> HeapPair {
    create_heap_pair(PairShape {
        request_capacity: 2,
        event_capacity: 2,
        generation: 1,
        start_position: u64::MAX - 1,
    })
    .expect("capacity is valid")
}

fn payload(number: u64) -> SlotPayload {
    std::array::from_fn(|index| number * 10 + index as u64)
}

#[test]
fn items_arrive_whole_and_in_order_over_two_laps_and_the_wrap() {
    const ITEMS: u64 = 4;
    check(5, || {
        let HeapPair {
            mut engine,
            mut client,
            ..
        } = pair_at_the_wrap();
        let sender = thread::spawn(move || {
            for number in 0..ITEMS {
                while let Err(error) = client.outgoing.push(&payload(number)) {
                    assert_eq!(error, PushError::Full);
                    thread::yield_now();
                }
            }
        });
        for number in 0..ITEMS {
            let item = loop {
                match engine
                    .incoming
                    .pop()
                    .expect("an honest peer is never corrupt")
                {
                    Some(item) => break item,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(item, payload(number));
        }
        sender.join().expect("sender ends");
        assert_eq!(engine.incoming.pop(), Ok(None));
    });
}

#[test]
fn close_is_seen_only_behind_every_item() {
    check(12, || {
        let HeapPair {
            mut engine,
            mut client,
            ..
        } = pair_at_the_wrap();
        let sender = thread::spawn(move || {
            engine.outgoing.push(&payload(0)).expect("room");
            engine.outgoing.push(&payload(1)).expect("room");
            engine.outgoing.close(42);
        });
        let mut taken = 0;
        loop {
            match client.incoming.pop() {
                Ok(Some(item)) => {
                    assert_eq!(item, payload(taken));
                    taken += 1;
                }
                Ok(None) => thread::yield_now(),
                Err(error) => {
                    assert_eq!(error, PopError::Closed { mark: 42 });
                    break;
                }
            }
        }
        assert_eq!(taken, 2);
        sender.join().expect("sender ends");
    });
}

/// What an eventfd is to a sleeping thread: signals add up until one wait takes them.
#[derive(Clone)]
struct Doorbell(Arc<(Mutex<bool>, Condvar)>);

impl Doorbell {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new())))
    }

    fn ring(&self) {
        *self.0.0.lock().expect("no panic inside") = true;
        self.0.1.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.0.0.lock().expect("no panic inside");
        while !*rung {
            rung = self.0.1.wait(rung).expect("no panic inside");
        }
        *rung = false;
    }
}

/// Takes `items`, sleeping by the park protocol. A lost wake-up is a deadlock, which loom reports.
fn take_parking(engine: Ends<HeapWords, HeapWords>, items: u64, bell: Doorbell) {
    let mut requests = engine.incoming;
    let mut taken = 0;
    while taken < items {
        if let Some(item) = requests.pop().expect("honest peer") {
            assert_eq!(item, payload(taken));
            taken += 1;
            continue;
        }
        requests.park_begin();
        if !requests.peek_ready().expect("honest peer") {
            bell.wait();
        }
        requests.park_end();
    }
}

#[test]
fn parked_consumer_never_misses_a_wake_up() {
    check(5, || {
        let HeapPair { engine, client, .. } = pair_at_the_wrap();
        let mut requests = client.outgoing;
        let bell = Doorbell::new();
        let ringer = bell.clone();
        let sender = thread::spawn(move || {
            for number in 0..2 {
                if requests.publish(&payload(number)).expect("room for two") {
                    ringer.ring();
                }
            }
        });
        take_parking(engine, 2, bell);
        sender.join().expect("sender ends");
    });
}

#[test]
fn parked_consumer_of_a_full_ring_never_strands_its_producer() {
    check(4, || {
        let HeapPair { engine, client, .. } = pair_at_the_wrap();
        let mut requests = client.outgoing;
        let bell = Doorbell::new();
        let ringer = bell.clone();
        let sender = thread::spawn(move || {
            for number in 0..3 {
                let wake = loop {
                    match requests.publish(&payload(number)) {
                        Ok(wake) => break wake,
                        Err(error) => assert_eq!(error, PushError::Full),
                    }
                    thread::yield_now();
                };
                if wake {
                    ringer.ring();
                }
            }
        });
        take_parking(engine, 3, bell);
        sender.join().expect("sender ends");
    });
}

/// The model above can see a lost wake-up: without the producer's fence there is one.
#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_the_model_finds_the_lost_wake_up() {
    check(3, || {
        let HeapPair {
            engine,
            client,
            event_words,
            ..
        } = pair_at_the_wrap();
        let mut requests = client.outgoing;
        let bell = Doorbell::new();
        let ringer = bell.clone();
        let sender = thread::spawn(move || {
            requests.push(&payload(0)).expect("room");
            if event_words.load(PARKED_WORD) != 0 {
                ringer.ring();
            }
        });
        take_parking(engine, 1, bell);
        sender.join().expect("sender ends");
    });
}
