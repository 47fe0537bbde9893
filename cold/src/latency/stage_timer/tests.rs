//! A small journal, entry by entry, and every time that it must give.

use journal::Place;
use model::execution_report::VenueReport;
use model::identifiers::{AccountId, LinkId, RequestId, StrategyId, Symbol, VenueOrderId};
use model::input::{Admission, RequestInput};
use model::instrument::{InstrumentKind, InstrumentState};
use model::journal_record::put_entry;
use model::order_request::OrderReference;
use model::{
    ClientOrderId, CommandKind, Instrument, OrderChange, OrderStatus, OrderType, Price, Quantity,
    Request, Side, TimeInForce, UnixNs,
};

use super::*;

const VENUE: VenueId = VenueId(3);

/// Feeds a timer and keeps what it told.
#[derive(Default)]
struct Told {
    timer: StageTimer,
    samples: Vec<(Stage, u64)>,
    sequence: u64,
}

impl Told {
    fn entry(&mut self, kind: EntryKind, now_ns: u64, body: &[u8]) {
        self.sequence += 1;
        let entry = Entry {
            sequence: self.sequence,
            boot_epoch: 1,
            kind: u16::from(kind.number()),
            flags: 0,
            now_ns,
            body,
            place: Place {
                segment_index: 1,
                offset_bytes: 0,
                length_bytes: 0,
            },
        };
        let samples = &mut self.samples;
        let told = self
            .timer
            .see(&entry, &mut EntryBuffers::default(), |sample| {
                assert_eq!(sample.venue, VENUE);
                samples.push((sample.stage, sample.ns));
            });
        told.unwrap();
    }

    fn input(&mut self, now_ns: u64, input: &Input<'_>, decisions: &[Decision]) {
        let mut body = Vec::new();
        put_entry(input, decisions, &mut body);
        self.entry(input.kind(), now_ns, &body);
    }

    fn sent(&mut self, intents: Vec<SentStamp>, frames: Vec<FrameStamp>) {
        let mut body = Vec::new();
        SentRecord { intents, frames }.put(&mut body);
        self.entry(EntryKind::Sent, 0, &body);
    }

    fn take(&mut self) -> Vec<(Stage, u64)> {
        core::mem::take(&mut self.samples)
    }

    /// An instrument at the venue, and a request that starts intent 1 in entry 2.
    fn with_order() -> Self {
        let mut told = Self::default();
        told.input(10, &Input::InstrumentApplied(instrument()), &[]);
        let request = RequestInput {
            strategy: StrategyId(0),
            request_id: RequestId(1),
            written_at: MonotonicNs(1_000),
            admission: Admission::Granted,
            request: Request::Cancel {
                order: OrderReference::ClientOrderId(order_id()),
            },
        };
        let started = change(ChangeBody::CommandStarted(intent()));
        told.input(1_050, &Input::Request(request), &[started]);
        assert_eq!(told.take(), []);
        told
    }
}

fn order_id() -> ClientOrderId {
    ClientOrderId::from_integer(77).unwrap()
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        venue: VENUE,
        account: AccountId(0),
        symbol: Symbol::new(b"BTC-USDT-SWAP").unwrap(),
        venue_code: 1,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 4,
        tick: Price::from_units(100),
        lot: Quantity::from_units(100),
        quantity_min: Quantity::from_units(100),
        quantity_max: Quantity::from_units(1_000_000),
        multiplier_units: 1,
        multiplier_scale: 2,
    }
}

fn intent() -> OrderIntent {
    OrderIntent {
        intent_seq: 1,
        command: CommandKind::New,
        command_seq: 1,
        send_no: 1,
        client_order_id: order_id(),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: Quantity::from_units(1),
        limit_price: Price::from_units(1),
        valid_until: UnixNs(1),
    }
}

fn change(body: ChangeBody) -> Decision {
    Decision::Order(OrderChange {
        strategy: StrategyId(0),
        event_seq: 1,
        client_order_id: order_id(),
        request_id: RequestId(1),
        instrument: InstrumentId(0),
        side: Side::Buy,
        status: OrderStatus::Submitted,
        unknown: false,
        order_quantity: Quantity::from_units(1),
        limit_price: Price::from_units(1),
        cum_quantity: Quantity::ZERO,
        body,
    })
}

fn stamp(written_at: u64) -> SentStamp {
    SentStamp {
        intent_seq: 1,
        entry_sequence: 2,
        payload_hash: 0,
        taken_at: MonotonicNs(1_100),
        decided_at: MonotonicNs(1_300),
        committed_at: MonotonicNs(1_350),
        released_at: MonotonicNs(0),
        encoded_at: MonotonicNs(1_400),
        flushed_at: MonotonicNs(1_410),
        sealed_at: MonotonicNs(1_700),
        written_at: MonotonicNs(written_at),
    }
}

fn acknowledge(told: &mut Told, now_ns: u64) {
    let frame = Input::VenueFrame {
        venue: VENUE,
        link: LinkId(1),
        raw: b"{}",
        reports: &[] as &[VenueReport],
    };
    let acknowledged = change(ChangeBody::Acknowledged {
        venue_order_id: VenueOrderId::EMPTY,
        venue_time: UnixNs(1),
    });
    told.input(now_ns, &frame, &[acknowledged]);
}

fn frame_stamp(entry_sequence: u64) -> FrameStamp {
    FrameStamp {
        entry_sequence,
        received_at: MonotonicNs(52_000),
        opened_at: MonotonicNs(52_600),
        begun_at: MonotonicNs(52_610),
        decoded_at: MonotonicNs(54_000),
        decided_at: MonotonicNs(54_060),
        committed_at: MonotonicNs(54_300),
        published_at: MonotonicNs(54_400),
    }
}

// covers: HP4 PM2
#[test]
fn an_order_there_and_back_gives_every_stage_once() {
    let mut told = Told::with_order();
    told.sent(vec![stamp(2_000)], vec![]);
    let out = told.take();
    assert_eq!(out.len(), 10);
    for expected in [
        (Stage::RingWait, 100),
        (Stage::Decide, 200),
        (Stage::Seal, 290),
        (Stage::Write, 300),
        (Stage::RingToWire, 700),
        (Stage::RingToKernel, 1_000),
    ] {
        assert!(out.contains(&expected), "{expected:?} in {out:?}");
    }
    acknowledge(&mut told, 51_050);
    assert_eq!(told.take(), [(Stage::IntentToAck, 50_000)]);
    told.sent(vec![], vec![frame_stamp(4)]);
    let back = told.take();
    assert_eq!(back.len(), 8);
    assert!(back.contains(&(Stage::VenueAck, 50_000)), "{back:?}");
    assert!(back.contains(&(Stage::WireToRing, 2_400)), "{back:?}");
    // A second report of the same answers nothing any more.
    acknowledge(&mut told, 99_000);
    assert_eq!(told.take(), []);
}

// covers: HP4
#[test]
fn an_intent_that_left_the_backlog_later_is_counted_once_per_stage() {
    let mut told = Told::with_order();
    told.sent(vec![stamp(0)], vec![]);
    let first = told.take();
    assert!(!first.iter().any(|(stage, _)| *stage == Stage::Write));
    told.sent(vec![stamp(9_700)], vec![]);
    assert_eq!(
        told.take(),
        [(Stage::Write, 8_000), (Stage::RingToKernel, 8_700)]
    );
}

#[test]
fn stamps_of_entries_that_were_not_seen_make_no_time() {
    let mut told = Told::default();
    told.sent(vec![stamp(2_000)], vec![frame_stamp(1)]);
    assert_eq!(told.take(), []);
}

#[test]
fn moments_of_a_former_run_make_no_time_in_the_next() {
    let mut told = Told::with_order();
    told.sent(vec![stamp(2_000)], vec![]);
    told.take();
    let started = model::input::RecoveryStarted {
        epoch: model::BootEpoch::new(2).unwrap(),
        engine_version: 1,
        anchor: model::UtcAnchor::default(),
    };
    told.input(5, &Input::RecoveryStarted(started), &[]);
    acknowledge(&mut told, 51_050);
    assert_eq!(told.take(), []);
}
