//! Attach messages survive their bytes, and no other bytes become a message.

use proptest::prelude::*;

use super::*;
use crate::identifiers::{AccountId, InstrumentId, VenueId};
use crate::instrument::{InstrumentKind, InstrumentState};
use crate::price::Price;
use crate::quantity::Quantity;

fn bytes_of(value: &impl CanonicalBytes) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    bytes
}

fn request() -> AttachRequest {
    AttachRequest {
        protocol_version: ATTACH_PROTOCOL_VERSION,
        strategy: Text::new(&[b's'; 31]).unwrap(),
        last_event_seq: Some(u64::MAX),
        last_request_id: RequestId(7),
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(3),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: Text::new(&[b'S'; 31]).unwrap(),
        venue_code: 9,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 2,
        tick: Price::from_units(100),
        lot: Quantity::from_units(1),
        quantity_min: Quantity::from_units(1),
        quantity_max: Quantity::from_units(1_000),
        multiplier_units: 1,
        multiplier_scale: 2,
    }
}

fn replies() -> Vec<AttachReply> {
    vec![
        AttachReply::Accepted(Accepted {
            strategy: StrategyId(2),
            generation: 5,
            request_capacity: 1_024,
            event_capacity: 4_096,
            idle_mode: IdleMode::Park,
            wakes_clients: true,
        }),
        AttachReply::Refused {
            code: RefusalCode::RingBusy,
            text: Text::new(b"another process is attached").unwrap(),
        },
        AttachReply::Instruments(vec![instrument(); LIST_MAX]),
        AttachReply::Backlog(vec![EventWords([u64::MAX; EVENT_WORDS]); LIST_MAX]),
        AttachReply::Gap { from: 1, to: 9 },
        AttachReply::Live(Live {
            sequence: 100,
            next_event_seq: 10,
            last_request_id: RequestId(4),
        }),
    ]
}

#[test]
fn every_message_survives_its_bytes_and_the_largest_one_fits_its_bound() {
    let bytes = bytes_of(&request());
    assert!(bytes.len() <= REQUEST_BYTES_MAX);
    assert_eq!(AttachRequest::from_message(&bytes), Ok(request()));
    for reply in replies() {
        let bytes = bytes_of(&reply);
        assert!(bytes.len() <= MESSAGE_BYTES_MAX);
        assert_eq!(AttachReply::from_message(&bytes), Ok(reply));
    }
}

#[test]
fn a_message_that_is_cut_or_has_a_byte_too_many_is_refused() {
    for reply in replies() {
        let mut bytes = bytes_of(&reply);
        let cut = &bytes[..bytes.len() - 1];
        assert!(matches!(
            AttachReply::from_message(cut),
            Err(BytesError::TooShort { .. })
        ));
        bytes.push(0);
        assert_eq!(
            AttachReply::from_message(&bytes),
            Err(BytesError::Trailing { found: 1 })
        );
    }
}

#[test]
fn a_list_longer_than_its_bound_is_refused() {
    let too_many = AttachReply::Backlog(vec![EventWords([0; EVENT_WORDS]); LIST_MAX + 1]);
    assert!(matches!(
        AttachReply::from_message(&bytes_of(&too_many)),
        Err(BytesError::Invalid { found: 513, .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_of_exactly_these_bytes_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(request) = AttachRequest::from_message(&bytes) {
            prop_assert_eq!(bytes_of(&request), bytes.clone());
        }
        if let Ok(reply) = AttachReply::from_message(&bytes) {
            prop_assert_eq!(bytes_of(&reply), bytes);
        }
    }
}
