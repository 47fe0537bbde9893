//! The journal against a list: whatever is done to it, it holds what was committed, in order.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fixture;

use std::path::Path;

use fixture::{Fixture, Seen};
use millrun_journal::{AppendError, Writer};
use proptest::prelude::*;

/// One thing that may be done.
#[derive(Clone, Debug)]
enum Act {
    Append {
        kind: u16,
        pieces: Vec<Vec<u8>>,
        spare_room: u16,
    },
    Abandon {
        body_bytes: u16,
    },
    Pad,
    Reopen,
    ReadFrom {
        share: u8,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let piece = prop::collection::vec(any::<u8>(), 0..400);
    let append = (
        0_u16..0xFF00,
        prop::collection::vec(piece, 0..4),
        0_u16..300,
    )
        .prop_map(|(kind, pieces, spare_room)| Act::Append {
            kind,
            pieces,
            spare_room,
        });
    prop_oneof![
        20 => append,
        3 => (0_u16..3_000).prop_map(|body_bytes| Act::Abandon { body_bytes }),
        3 => Just(Act::Pad),
        1 => Just(Act::Reopen),
        1 => any::<u8>().prop_map(|share| Act::ReadFrom { share }),
    ]
}

fn append(writer: &mut Writer, kind: u16, now_ns: u64, pieces: &[Vec<u8>], spare_room: u16) -> u64 {
    let body_bytes: usize = pieces.iter().map(Vec::len).sum();
    loop {
        match writer.begin(kind, now_ns, body_bytes + usize::from(spare_room)) {
            Ok(mut builder) => {
                pieces.iter().for_each(|piece| builder.put(piece));
                return builder.commit().sequence();
            }
            Err(error) => assert_eq!(error, AppendError::NoSpareSegment),
        }
        std::thread::yield_now();
    }
}

fn check(directory: &Path, model: &[Seen], share: u8) {
    let from = model.len() * usize::from(share) / 256;
    let read = fixture::read_from(directory, from as u64 + 1).unwrap();
    assert_eq!(read, model[from..]);
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_journal_holds_what_a_list_would_hold(acts in prop::collection::vec(act(), 1..250)) {
        let fixture = Fixture::in_memory();
        let mut model: Vec<Seen> = Vec::new();
        let mut journal = fixture.open();
        for (at, act) in acts.into_iter().enumerate() {
            let now_ns = at as u64;
            match act {
                Act::Append { kind, pieces, spare_room } => {
                    let sequence = append(&mut journal.writer, kind, now_ns, &pieces, spare_room);
                    prop_assert_eq!(sequence, model.len() as u64 + 1);
                    model.push(Seen { sequence, kind, now_ns, body: pieces.concat() });
                }
                Act::Abandon { body_bytes } => {
                    let body_bytes = usize::from(body_bytes);
                    if let Ok(mut builder) = journal.writer.begin(1, now_ns, body_bytes) {
                        builder.put(&vec![0xEE; body_bytes]);
                    }
                }
                Act::Pad => {
                    while journal.writer.pad_to_page(now_ns).is_err() {
                        std::thread::yield_now();
                    }
                }
                Act::Reopen => {
                    drop(journal);
                    journal = fixture.open();
                    prop_assert_eq!(journal.recovered.entries, model.len() as u64);
                    prop_assert!(journal.recovered.cut.is_none());
                }
                Act::ReadFrom { share } => check(&fixture.directory, &model, share),
            }
        }
        check(&fixture.directory, &model, 0);
        drop(journal);
        prop_assert_eq!(fixture.recover().unwrap().last_sequence, model.len() as u64);
        check(&fixture.directory, &model, 0);
    }
}
