//! What holds of every frame: no bytes panic, the same bytes give the same reports, lists are
//! bounded.

use millrun_protocol::venue::okx::decode::{DecodedFrame, MAX_REPORTS, OkxDecoder};
use model::VenueReport;
use model::execution_report::QuarantineReason;
use proptest::prelude::*;

use crate::instruments::table;

fn decode(payload: &[u8]) -> (DecodedFrame, Vec<VenueReport>) {
    let mut reports = Vec::new();
    let frame = OkxDecoder::new().decode(&mut payload.to_vec(), &table(), &mut reports);
    (frame, reports)
}

fn quarantined(payload: &str) -> QuarantineReason {
    match decode(payload.as_bytes()) {
        (DecodedFrame::Engine, reports) => match reports.as_slice() {
            [VenueReport::Quarantined(reason)] => *reason,
            other => panic!("{payload}: {other:?}"),
        },
        (other, _) => panic!("{payload}: {other:?}"),
    }
}

// covers: V18
#[test]
fn shapes_that_no_message_has_are_set_aside_whole() {
    use QuarantineReason::{Malformed, MissingMember, UnknownRequest};
    let table = [
        ("", Malformed),
        ("ping", Malformed),
        ("{", Malformed),
        ("[]", Malformed),
        ("null", Malformed),
        ("\"text\"", Malformed),
        ("{}", MissingMember),
        (r#"{"data":[]}"#, MissingMember),
        (r#"{"arg":{},"data":[]}"#, MissingMember),
        (r#"{"arg":[],"data":[]}"#, Malformed),
        (r#"{"arg":{"channel":"orders"}}"#, MissingMember),
        (r#"{"arg":{"channel":"orders"},"data":{}}"#, Malformed),
        (r#"{"arg":{"channel":"orders"},"data":[[]]}"#, Malformed),
        (r#"{"arg":{"channel":"orders"},"data":[{}]}"#, MissingMember),
        (r#"{"arg":{"channel":7},"data":[]}"#, Malformed),
        (
            r#"{"arg":{"channel":"orders"},"arg":{"channel":"account"},"data":[]}"#,
            Malformed,
        ),
        (r#"{"event":"","code":"0"}"#, MissingMember),
        (r#"{"event":{},"code":"0"}"#, Malformed),
        (r#"{"op":"order","data":[],"code":"60013"}"#, UnknownRequest),
        (
            r#"{"id":"7n1","op":"order","data":7,"code":"0"}"#,
            Malformed,
        ),
        (
            r#"{"id":"7n1","op":"order","data":[7],"code":"0"}"#,
            Malformed,
        ),
        (
            r#"{"id":"7n1","op":"order","data":[],"code":123456789012345678901234567890}"#,
            Malformed,
        ),
    ];
    for (payload, reason) in table {
        assert_eq!(quarantined(payload), reason, "{payload}");
    }
}

// covers: V18
#[test]
fn numbers_too_large_for_their_member_are_bad_numbers() {
    for payload in [
        r#"{"id":"7n1","op":"order","data":[{"sCode":"4294967296"}],"code":"1"}"#,
        r#"{"id":"7n1","op":"order","data":[{"sCode":"-1"}],"code":"1"}"#,
        r#"{"id":"7n1","op":"order","data":[{"sCode":"0","ts":"99999999999999999"}],"code":"0"}"#,
        r#"{"id":"7n1","op":"order","data":[],"code":"1","outTime":"99999999999999999999"}"#,
    ] {
        assert_eq!(
            quarantined(payload),
            QuarantineReason::BadNumber,
            "{payload}"
        );
    }
}

#[test]
fn a_frame_with_more_parts_than_reports_says_so_and_the_list_does_not_grow() {
    let parts = vec!["{}"; 5_000].join(",");
    let payload = format!(r#"{{"arg":{{"channel":"orders"}},"data":[{parts}]}}"#);
    let table = table();
    let mut reports = Vec::with_capacity(MAX_REPORTS);
    let frame = OkxDecoder::new().decode(&mut payload.into_bytes(), &table, &mut reports);
    assert_eq!(frame, DecodedFrame::Engine);
    assert_eq!(
        (reports.len(), reports.capacity()),
        (MAX_REPORTS, MAX_REPORTS)
    );
    assert_eq!(
        reports.last(),
        Some(&VenueReport::Quarantined(QuarantineReason::TooMany))
    );
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/venue/okx/fixtures");
    std::fs::read(format!("{folder}/{name}.json")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // covers: V18
    #[test]
    fn no_bytes_panic_and_all_are_answered(payload: Vec<u8>) {
        let (frame, reports) = decode(&payload);
        prop_assert!(frame != DecodedFrame::Engine || !reports.is_empty());
    }

    // covers: V18
    #[test]
    fn no_damage_to_a_real_message_panics_and_the_same_bytes_say_the_same(
        name in prop::sample::select(vec![
            "orders_partial_fill", "reply_batch_mixed", "event_illegal_request",
        ]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: Option<prop::sample::Index>,
    ) {
        let mut payload = fixture(name);
        for (place, byte) in edits {
            let at = place.index(payload.len());
            payload[at] = byte;
        }
        if let Some(cut) = cut {
            let length = cut.index(payload.len());
            payload.truncate(length);
        }
        let table = table();
        let mut decoder = OkxDecoder::new();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let frame = decoder.decode(&mut payload.clone(), &table, &mut first);
        prop_assert!(frame != DecodedFrame::Engine || !first.is_empty());
        prop_assert_eq!(frame, decoder.decode(&mut payload, &table, &mut second));
        prop_assert_eq!(first, second);
    }
}
