//! Entries survive their bytes, and no bytes panic.

use super::*;
use crate::execution_report::{CommandReply, QuarantineReason, ReplyOutcome};
use crate::identifiers::*;
use crate::input::{Control, LinkChanged, LinkReason, LinkState, LossReason, NotSentReason};
use crate::order_change::{ChangeBody, OrderChange};
use crate::order_event::OrderEvent;
use crate::order_request::*;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::{MonotonicNs, UnixNs, UtcAnchor};
use proptest::prelude::*;

fn an_order_change() -> OrderChange {
    OrderChange {
        strategy: StrategyId(1),
        event_seq: 7,
        client_order_id: ClientOrderId::from_integer(99).unwrap(),
        request_id: RequestId(12),
        instrument: InstrumentId(2),
        side: Side::Buy,
        status: OrderStatus::Acknowledged,
        unknown: false,
        order_quantity: Quantity::from_units(10),
        limit_price: Price::from_units(20),
        cum_quantity: Quantity::ZERO,
        body: ChangeBody::Acknowledged {
            venue_order_id: Text::new(b"2510789768709120").unwrap(),
            venue_time: UnixNs(3),
        },
    }
}

fn survives(input: &Input<'_>, decisions: &[Decision]) {
    let mut bytes = Vec::new();
    put_entry(input, decisions, &mut bytes);
    let mut buffers = EntryBuffers::default();
    let (read, read_decisions) = take_entry(input.kind(), &bytes, &mut buffers).unwrap();
    assert_eq!(&read, input);
    assert_eq!(read_decisions, decisions);
    for cut in 0..bytes.len() {
        let mut buffers = EntryBuffers::default();
        assert!(
            take_entry(input.kind(), &bytes[..cut], &mut buffers).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn every_kind_of_entry_survives_its_bytes_and_no_cut_of_it_does() {
    let decisions = [
        Decision::Order(an_order_change()),
        Decision::Alarm {
            code: crate::decision::AlarmCode::LateFill,
            client_order_id: 99,
        },
    ];
    let reports = [
        VenueReport::Quarantined(QuarantineReason::Malformed),
        VenueReport::Reply(CommandReply {
            client_order_id: ClientOrderId::from_integer(5).unwrap(),
            command: CommandKind::Cancel,
            command_seq: 2,
            outcome: ReplyOutcome::AlreadyGone,
            venue_order_id: Text::EMPTY,
            venue_code: 51_400,
            message: Text::lossy(b"gone"),
            venue_time: UnixNs(1),
        }),
    ];
    survives(&Input::Timer, &[]);
    survives(&Input::Control(Control::StopIntake), &decisions);
    survives(
        &Input::VenueFrame {
            venue: VenueId(0),
            link: LinkId(3),
            raw: b"{}",
            reports: &reports,
        },
        &decisions,
    );
    survives(
        &Input::Request(RequestInput {
            strategy: StrategyId(1),
            request_id: RequestId(4),
            written_at: MonotonicNs(5),
            admission: Admission::Refused(RejectReason::VenueDown),
            request: Request::CancelAll { instrument: None },
        }),
        &decisions,
    );
    survives(
        &Input::LinkChanged(LinkChanged {
            venue: VenueId(0),
            link: LinkId(1),
            state: LinkState::Down,
            reason: LinkReason::Silent,
        }),
        &[],
    );
    survives(&Input::UtcAnchor(UtcAnchor::default()), &[]);
    survives(
        &Input::NotSent {
            intent_seq: 4,
            reason: NotSentReason::LinkGone,
        },
        &[],
    );
    survives(
        &Input::StrategyLost {
            strategy: StrategyId(0),
            generation: 2,
            reason: LossReason::RingCorrupt,
        },
        &[],
    );
}

#[test]
fn an_event_survives_its_slot() {
    let event = an_order_change().event().unwrap();
    assert_eq!(event.text.as_str(), "2510789768709120");
    assert_eq!(OrderEvent::from_words(&event.to_words()), Some(event));
}

#[test]
fn a_change_without_an_event_number_is_not_published() {
    let change = OrderChange {
        event_seq: 0,
        ..an_order_change()
    };
    assert_eq!(change.event(), None);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_whatever_is_read_is_written_back_the_same(
        kind in 0u8..70,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Some(kind) = EntryKind::from_number(kind) {
            let mut framed = vec![RECORD_VERSION];
            framed.extend_from_slice(&bytes);
            let mut buffers = EntryBuffers::default();
            if let Ok((input, decisions)) = take_entry(kind, &framed, &mut buffers) {
                let mut again = Vec::new();
                put_entry(&input, decisions, &mut again);
                prop_assert_eq!(again, framed);
            }
        }
    }
}
