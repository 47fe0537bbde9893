//! Both ends of a shared ring over heap memory: order, wrap, full, close, park, and every way in
//! which a hostile peer can bend a word. A sanitizer or Miri can run this file whole.
#![cfg(not(loom))]

use std::collections::VecDeque;

use millrun_rings::shared_memory::RingCorrupt;
use millrun_rings::shared_memory::consumer::PopError;
use millrun_rings::shared_memory::heap_pair::{HeapPair, create_heap_pair};
use millrun_rings::shared_memory::layout::{
    CLOSED_WORD, HEAD_WORD, HEADER_WORDS, HeaderError, PARKED_WORD, PAYLOAD_WORDS, PairShape,
    SlotPayload, empty_stamp, ready_stamp, slot_word,
};
use millrun_rings::shared_memory::producer::PushError;
use millrun_rings::shared_memory::words::{HeapWords, OwnWords, PeerWords};
use proptest::prelude::*;

fn pair_from(capacity: u64, start_position: u64) -> HeapPair {
    create_heap_pair(PairShape {
        request_capacity: capacity,
        event_capacity: capacity,
        generation: 1,
        start_position,
    })
    .expect("capacity is valid")
}

fn pair(capacity: u64) -> HeapPair {
    pair_from(capacity, 0)
}

fn payload(number: u64) -> SlotPayload {
    std::array::from_fn(|index| number.wrapping_mul(31).wrapping_add(index as u64))
}

fn corrupt<T: std::fmt::Debug>(outcome: Result<T, PopError>) -> RingCorrupt {
    match outcome {
        Err(PopError::Corrupt(corrupt)) => corrupt,
        other => panic!("expected corruption, got {other:?}"),
    }
}

#[test]
fn items_come_out_in_order_with_every_word() {
    let HeapPair {
        mut engine,
        mut client,
        ..
    } = pair(8);
    assert_eq!(engine.incoming.pop(), Ok(None));
    for number in 0..8 {
        assert_eq!(client.outgoing.push(&payload(number)), Ok(()));
    }
    for number in 0..8 {
        assert_eq!(engine.incoming.peek_ready(), Ok(true));
        assert_eq!(engine.incoming.pop(), Ok(Some(payload(number))));
    }
    assert_eq!(engine.incoming.peek_ready(), Ok(false));
    assert_eq!(engine.incoming.pop(), Ok(None));
}

#[test]
fn both_directions_are_independent() {
    let HeapPair {
        mut engine,
        mut client,
        ..
    } = pair(2);
    client.outgoing.push(&payload(1)).expect("room");
    engine.outgoing.push(&payload(2)).expect("room");
    assert_eq!(engine.incoming.pop(), Ok(Some(payload(1))));
    assert_eq!(client.incoming.pop(), Ok(Some(payload(2))));
    assert_eq!(engine.incoming.pop(), Ok(None));
    assert_eq!(client.incoming.pop(), Ok(None));
}

#[test]
fn full_ring_refuses_without_waiting_and_goes_on_after_a_read() {
    let HeapPair {
        mut engine,
        mut client,
        ..
    } = pair(4);
    for number in 0..4 {
        client.outgoing.push(&payload(number)).expect("room");
    }
    assert_eq!(client.outgoing.push(&payload(4)), Err(PushError::Full));
    assert_eq!(client.outgoing.free_slots(), Ok(0));
    assert_eq!(client.outgoing.full_count(), 1);
    for number in 0..4 {
        assert_eq!(engine.incoming.pop(), Ok(Some(payload(number))));
    }
    assert_eq!(client.outgoing.has_room(4), Ok(true));
    assert_eq!(client.outgoing.has_room(5), Ok(false));
    assert_eq!(client.outgoing.push(&payload(4)), Ok(()));
    assert_eq!(engine.incoming.pop(), Ok(Some(payload(4))));
}

#[test]
fn read_index_is_published_every_32_items_and_when_the_ring_is_found_empty() {
    let HeapPair {
        mut engine,
        mut client,
        event_words,
        ..
    } = pair(128);
    for number in 0..40 {
        client.outgoing.push(&payload(number)).expect("room");
    }
    for _ in 0..31 {
        assert!(engine.incoming.pop().expect("good").is_some());
    }
    assert_eq!(event_words.load(HEAD_WORD), 0);
    assert!(engine.incoming.pop().expect("good").is_some());
    assert_eq!(event_words.load(HEAD_WORD), 32);
    for _ in 32..40 {
        assert!(engine.incoming.pop().expect("good").is_some());
    }
    assert_eq!(event_words.load(HEAD_WORD), 32);
    assert_eq!(engine.incoming.pop(), Ok(None));
    assert_eq!(event_words.load(HEAD_WORD), 40);
}

// covers: R14
#[test]
fn positions_wrap_at_the_end_of_u64() {
    for start in [u64::MAX - 3, u64::MAX - 1, u64::MAX, 5] {
        for capacity in [2, 4, 8] {
            let HeapPair {
                mut engine,
                mut client,
                ..
            } = pair_from(capacity, start);
            assert_eq!(engine.incoming.pop(), Ok(None));
            for number in 0..40 {
                client.outgoing.push(&payload(number)).expect("room");
                client.outgoing.push(&payload(!number)).expect("room");
                assert_eq!(engine.incoming.pop(), Ok(Some(payload(number))));
                assert_eq!(engine.incoming.pop(), Ok(Some(payload(!number))));
                assert_eq!(engine.incoming.pop(), Ok(None));
            }
            assert_eq!(client.outgoing.position(), start.wrapping_add(80));
            assert_eq!(engine.incoming.position(), start.wrapping_add(80));
        }
    }
}

// The ring's part of R11: the producer never waits, and the mark arrives behind all that went in.
#[test]
fn overrun_closes_the_ring_and_the_mark_arrives_after_the_last_item() {
    let HeapPair {
        mut engine,
        mut client,
        ..
    } = pair(4);
    for number in 0..4 {
        engine.outgoing.push(&payload(number)).expect("room");
    }
    assert_eq!(engine.outgoing.push(&payload(4)), Err(PushError::Full));
    assert!(!engine.outgoing.close(1_004));
    assert_eq!(engine.outgoing.push(&payload(4)), Err(PushError::Closed));
    assert!(!engine.outgoing.close(9), "a second close changes nothing");

    assert!(client.incoming.is_closed());
    for number in 0..4 {
        assert_eq!(client.incoming.pop(), Ok(Some(payload(number))));
    }
    for _ in 0..2 {
        assert_eq!(client.incoming.pop(), Err(PopError::Closed { mark: 1_004 }));
    }
}

#[test]
fn push_tells_of_a_parked_peer_only_while_it_is_parked() {
    let HeapPair {
        mut engine,
        mut client,
        ..
    } = pair(8);
    assert_eq!(client.outgoing.publish(&payload(1)), Ok(false));
    engine.incoming.park_begin();
    assert_eq!(
        engine.incoming.peek_ready(),
        Ok(true),
        "the look after the flag finds it"
    );
    assert_eq!(client.outgoing.publish(&payload(2)), Ok(true));
    assert!(client.outgoing.peer_is_parked());
    engine.incoming.park_end();
    assert_eq!(client.outgoing.publish(&payload(3)), Ok(false));

    client.incoming.park_begin();
    assert!(
        engine.outgoing.close(0),
        "a parked reader must be woken for the close"
    );
}

#[test]
fn capacities_outside_the_limits_are_refused() {
    for found in [0, 1, 3, 6, 100, (1 << 20) + 1, 1 << 21, u64::MAX] {
        let shape = PairShape {
            request_capacity: 4,
            event_capacity: found,
            generation: 1,
            start_position: 0,
        };
        let refused = create_heap_pair(shape).map(|_| ());
        assert_eq!(refused, Err(HeaderError::Capacity { found }));
    }
}

// The ring's part of R01: an impossible index is found at the next look, and stays found.
#[test]
fn read_index_that_moves_back_or_runs_ahead_is_corruption() {
    for (taken, found) in [(4, 3_u64), (4, 0), (2, u64::MAX), (0, 9), (4, 1 << 63)] {
        let HeapPair {
            mut engine,
            mut client,
            event_words,
            ..
        } = pair(4);
        for number in 0..4 {
            client.outgoing.push(&payload(number)).expect("room");
        }
        for _ in 0..taken {
            assert!(engine.incoming.pop().expect("good").is_some());
        }
        let oldest = client.outgoing.free_slots().expect("good");
        event_words.store(HEAD_WORD, found);
        let expected = PushError::Corrupt(RingCorrupt::HeadOutOfRange {
            found,
            oldest,
            newest: 4,
        });
        assert_eq!(client.outgoing.free_slots(), Err(expected));
        event_words.store(HEAD_WORD, 4);
        assert_eq!(
            client.outgoing.push(&payload(9)),
            Err(expected),
            "corruption is final"
        );
        assert_eq!(client.outgoing.has_room(1), Err(expected));
    }
}

// The ring's part of R01: the producer's index is its slots' stamps.
#[test]
fn stamp_that_is_neither_ready_nor_empty_is_corruption() {
    let good = [ready_stamp(5), empty_stamp(5, 4)];
    for found in [0, 3, 4, 5, 7, 8, 10, 1 << 40, u64::MAX] {
        assert!(!good.contains(&found));
        let HeapPair {
            mut engine,
            mut client,
            request_words,
            ..
        } = pair_from(4, 5);
        request_words.store(slot_word(5, 4), found);
        let expected = RingCorrupt::StampOutOfRange {
            position: 5,
            found,
            expected_ready: 6,
            expected_empty: 2,
        };
        assert_eq!(corrupt(engine.incoming.peek_ready()), expected);
        client.outgoing.push(&payload(1)).expect("room");
        assert_eq!(
            corrupt(engine.incoming.pop()),
            expected,
            "corruption is final"
        );
    }
}

/// A peer that changes a slot's stamp while the slot is being copied.
struct ChangesDuringCopy {
    words: HeapWords,
    stamp_word: usize,
    stamp_after: u64,
}

impl PeerWords for ChangesDuringCopy {
    fn load(&self, word: usize) -> u64 {
        self.words.load(word)
    }

    fn load_payload(&self, first_word: usize, payload: &mut SlotPayload) {
        self.words.load_payload(first_word, payload);
        self.words.store(self.stamp_word, self.stamp_after);
    }
}

// covers: R03
#[test]
fn slot_that_changes_while_it_is_read_is_corruption() {
    for found in [0, 2, ready_stamp(4), u64::MAX] {
        let HeapPair {
            mut client,
            request_words,
            event_words,
            ..
        } = pair(4);
        client.outgoing.push(&payload(0)).expect("room");
        let peer = ChangesDuringCopy {
            words: request_words,
            stamp_word: slot_word(0, 4),
            stamp_after: found,
        };
        let mut engine =
            millrun_rings::shared_memory::consumer::Consumer::over(event_words, peer, 4, 0);
        let expected = RingCorrupt::SlotChanged {
            position: 0,
            found,
            expected: 1,
        };
        assert_eq!(corrupt(engine.pop()), expected);
        assert_eq!(corrupt(engine.pop()), expected, "corruption is final");
        assert_eq!(engine.position(), 0, "nothing was taken");
    }
}

// covers: R03
#[test]
fn copy_that_was_taken_stays_as_it_was() {
    let HeapPair {
        mut engine,
        mut client,
        request_words,
        ..
    } = pair(4);
    client.outgoing.push(&payload(7)).expect("room");
    let copy = engine.incoming.pop().expect("good").expect("an item");
    request_words.store_payload(slot_word(0, 4) + 1, &[u64::MAX; PAYLOAD_WORDS]);
    assert_eq!(copy, payload(7));
}

// covers: R06
#[test]
fn overwritten_read_index_of_ours_is_not_believed_and_is_written_anew() {
    let HeapPair {
        mut engine,
        mut client,
        event_words,
        ..
    } = pair(4);
    for number in 0..2 {
        client.outgoing.push(&payload(number)).expect("room");
    }
    assert_eq!(engine.incoming.pop(), Ok(Some(payload(0))));
    event_words.store(HEAD_WORD, 77);
    assert_eq!(engine.incoming.pop(), Ok(Some(payload(1))));
    assert_eq!(engine.incoming.pop(), Ok(None));
    assert_eq!(event_words.load(HEAD_WORD), 2);
    assert_eq!(client.outgoing.free_slots(), Ok(4));
}

// covers: R02
#[test]
fn header_words_changed_while_running_are_ignored() {
    let HeapPair {
        mut engine,
        mut client,
        request_words,
        event_words,
    } = pair(4);
    for number in 0..20 {
        for word in 0..HEADER_WORDS {
            request_words.store(word, u64::MAX - number);
            event_words.store(word, number);
        }
        client.outgoing.push(&payload(number)).expect("room");
        assert_eq!(engine.incoming.pop(), Ok(Some(payload(number))));
        assert_eq!(engine.incoming.pop(), Ok(None));
    }
}

#[test]
fn flags_with_any_value_are_only_zero_or_not() {
    for value in [2, 1 << 63, u64::MAX] {
        let HeapPair {
            mut engine,
            mut client,
            request_words,
            event_words,
        } = pair(4);
        event_words.store(PARKED_WORD, value);
        assert_eq!(client.outgoing.publish(&payload(1)), Ok(true));
        request_words.store(CLOSED_WORD, value);
        assert_eq!(engine.incoming.pop(), Ok(Some(payload(1))));
        assert_eq!(engine.incoming.pop(), Err(PopError::Closed { mark: 0 }));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push,
    Pop,
    HasRoom(u64),
    Park,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Push),
        4 => Just(Step::Pop),
        1 => (0..20_u64).prop_map(Step::HasRoom),
        1 => Just(Step::Park),
    ]
}

proptest! {
    #[test]
    fn ring_behaves_as_a_bounded_queue(
        capacity_bits in 1_u32..6,
        start in prop_oneof![Just(0_u64), any::<u64>(), (u64::MAX - 40)..=u64::MAX],
        steps in proptest::collection::vec(step(), 0..400),
    ) {
        let capacity = 1_u64 << capacity_bits;
        let HeapPair { mut engine, mut client, .. } = pair_from(capacity, start);
        let mut model = VecDeque::new();
        let mut number = 0;
        for step in steps {
            let length = model.len() as u64;
            match step {
                Step::Push => match client.outgoing.push(&payload(number)) {
                    Ok(()) => {
                        prop_assert!(length < capacity);
                        model.push_back(payload(number));
                        number += 1;
                    }
                    // The reader gives slots back late: at most half a ring, never all of it.
                    Err(error) => {
                        prop_assert_eq!(error, PushError::Full);
                        prop_assert!(length > 0 && length + capacity / 2 > capacity);
                    }
                },
                Step::Pop => prop_assert_eq!(engine.incoming.pop(), Ok(model.pop_front())),
                Step::HasRoom(wanted) => {
                    if client.outgoing.has_room(wanted).expect("honest peer") {
                        prop_assert!(length + wanted <= capacity);
                    }
                }
                Step::Park => {
                    engine.incoming.park_begin();
                    prop_assert!(client.outgoing.peer_is_parked());
                    prop_assert_eq!(engine.incoming.peek_ready(), Ok(!model.is_empty()));
                    engine.incoming.park_end();
                    prop_assert_eq!(client.outgoing.free_slots(), Ok(capacity - length));
                }
            }
        }
        while let Some(expected) = model.pop_front() {
            prop_assert_eq!(engine.incoming.pop(), Ok(Some(expected)));
        }
        prop_assert_eq!(engine.incoming.pop(), Ok(None));
        prop_assert_eq!(client.outgoing.free_slots(), Ok(capacity));
    }

    #[test]
    fn any_words_in_both_files_end_in_corruption_or_a_copy_of_those_words(
        capacity_bits in 1_u32..5,
        scribbles in proptest::collection::vec((any::<prop::sample::Index>(), word_value()), 1..60),
        rounds in 1_usize..40,
    ) {
        let capacity = 1_u64 << capacity_bits;
        let HeapPair { mut engine, mut client, request_words, event_words } = pair(capacity);
        let words = millrun_rings::shared_memory::layout::file_words(capacity);
        for (index, value) in &scribbles {
            request_words.store(index.index(words), *value);
            event_words.store(index.index(words), *value);
        }
        let ours = payload(1);
        for _ in 0..rounds {
            let _ = client.outgoing.publish(&ours);
            match engine.incoming.pop() {
                Ok(Some(copy)) => for word in copy {
                    let known = word == 0 || ours.contains(&word);
                    prop_assert!(known || scribbles.iter().any(|(_, value)| *value == word));
                },
                Ok(None) => {}
                Err(error) => {
                    prop_assert_eq!(engine.incoming.peek_ready().is_err(),
                        matches!(error, PopError::Corrupt(_)));
                    break;
                }
            }
        }
    }
}

/// Mostly values near what an honest file holds.
fn word_value() -> impl Strategy<Value = u64> {
    prop_oneof![0..40_u64, (u64::MAX - 40)..=u64::MAX, any::<u64>()]
}
