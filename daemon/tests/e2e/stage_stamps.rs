//! What the engine stamps while it works: every command and every frame, at every boundary, in
//! order.

use std::collections::BTreeMap;

use journal::Reader;
use millrun_client::{OrderEventKind, Side};
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::order_change::ChangeBody;
use model::sent_record::{FrameStamp, SentRecord, SentStamp};
use model::{Decision, MonotonicNs};

use crate::rig::Rig;
use crate::trader::limit;

/// What a journal holds about commands and frames.
#[derive(Default)]
struct Told {
    /// By intent: the entry that holds it, and when the request was written.
    intents: BTreeMap<u64, (u64, MonotonicNs)>,
    frames: Vec<u64>,
    sent: BTreeMap<u64, SentStamp>,
    arrived: BTreeMap<u64, FrameStamp>,
}

fn read(directory: &std::path::Path) -> Told {
    let mut told = Told::default();
    let mut reader = Reader::open(directory, 1).unwrap();
    let mut buffers = EntryBuffers::default();
    while let Some(entry) = reader.next_entry().unwrap() {
        let kind = EntryKind::from_number(u8::try_from(entry.kind).unwrap()).unwrap();
        if kind == EntryKind::Sent {
            let record = SentRecord::take(entry.body).unwrap();
            let intents = record.intents.iter();
            told.sent.extend(intents.map(|it| (it.intent_seq, *it)));
            let frames = record.frames.iter();
            told.arrived
                .extend(frames.map(|it| (it.entry_sequence, *it)));
            continue;
        }
        let (input, decisions) = take_entry(kind, entry.body, &mut buffers).unwrap();
        let requested_at = match input {
            Input::Request(request) => request.written_at,
            _ => MonotonicNs(0),
        };
        if kind == EntryKind::VenueFrame {
            told.frames.push(entry.sequence);
        }
        for decision in decisions {
            if let Decision::Order(change) = decision
                && let ChangeBody::CommandStarted(intent) = change.body
            {
                let place = (entry.sequence, requested_at);
                told.intents.insert(intent.intent_seq, place);
            }
        }
    }
    told
}

fn assert_in_order(what: &str, moments: &[MonotonicNs]) {
    assert!(moments[0] != MonotonicNs(0), "{what}: {moments:?}");
    assert!(moments.is_sorted(), "{what}: {moments:?}");
}

// covers: HP4
#[test]
fn every_command_and_every_frame_is_stamped_at_every_boundary_in_order() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    for _ in 0..5 {
        let (request, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
        trader.client.cancel_request(request).unwrap();
        trader.wait(request, OrderEventKind::OrderCancelled);
    }
    assert!(engine.stop().success());

    let told = read(&rig.journal());
    assert_eq!(told.intents.len(), 10);
    for (intent_seq, (entry_sequence, requested_at)) in &told.intents {
        let stamp = told.sent[intent_seq];
        assert_eq!(stamp.entry_sequence, *entry_sequence);
        let way = [
            *requested_at,
            stamp.taken_at,
            stamp.decided_at,
            stamp.committed_at,
            stamp.encoded_at,
            stamp.flushed_at,
            stamp.sealed_at,
            stamp.written_at,
        ];
        assert_in_order("intent", &way);
    }
    assert!(told.frames.len() >= 20, "{} frames", told.frames.len());
    let mut published = 0;
    for sequence in &told.frames {
        let stamp = told.arrived[sequence];
        let mut way = vec![
            stamp.received_at,
            stamp.opened_at,
            stamp.begun_at,
            stamp.decoded_at,
            stamp.decided_at,
            stamp.committed_at,
        ];
        if stamp.published_at != MonotonicNs(0) {
            published += 1;
            way.push(stamp.published_at);
        }
        assert_in_order("frame", &way);
    }
    assert!(published >= 10, "{published} frames made events");
}
