//! REST answers, one payload per file, and the records that reconciliation gets from them.

use millrun_protocol::venue::okx::reject_map::FailureClass;
use millrun_protocol::venue::okx::request_id::CommandKey;
use millrun_protocol::venue::okx::rest::answer::{RestAnswers, RestError, SkippedRow};
use millrun_protocol::venue::okx::rest::instrument_rules::{InstrumentRules, RulesError};
use model::execution_report::{
    CommandReply, LiquiditySide, QuarantineReason, ReplyOutcome, VenueOrderState,
};
use model::identifiers::Text;
use model::instrument::{InstrumentKind, InstrumentState};
use model::order_request::CommandKind;
use model::{BalanceStated, ClientOrderId, MarginMode, PositionSide};
use proptest::prelude::*;

use crate::instruments::table;

fn body(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/venue/okx/fixtures");
    std::fs::read(format!("{folder}/rest_{name}.json")).unwrap()
}

fn key(integer: u64) -> CommandKey {
    CommandKey {
        client_order_id: ClientOrderId::from_integer(integer).unwrap(),
        command: CommandKind::New,
        command_seq: 1,
        send_no: 1,
    }
}

const OURS: u64 = 7_000_000_000_000_000_012;

#[test]
fn an_open_order_is_read_without_its_last_fill_which_is_not_this_answers_news() {
    let page = RestAnswers::new()
        .orders(200, &mut body("orders_pending"), &table())
        .unwrap();
    assert_eq!(page.rows.len(), 1);
    let order = page.rows[0];
    assert_eq!(order.client_order_id, ClientOrderId::from_integer(OURS));
    assert_eq!(order.state, VenueOrderState::PartiallyFilled);
    assert_eq!(order.cum_quantity.text(4).as_str(), "0.1");
    assert_eq!((order.fill, order.replace), (None, None));
    let reason = QuarantineReason::UnknownInstrument;
    assert_eq!(page.skipped, [SkippedRow { row: 1, reason }]);
    assert!(
        page.is_complete(),
        "a foreign instrument hides no order of ours"
    );
}

// covers: V29
#[test]
fn a_full_page_has_a_next_one_and_a_page_that_is_not_full_is_the_last() {
    let page = RestAnswers::new()
        .orders(200, &mut body("orders_pending"), &table())
        .unwrap();
    assert_eq!(page.next_after(2).unwrap().as_str(), "2510789768709100");
    assert_eq!(page.next_after(3), None);
    let page = RestAnswers::new()
        .orders(200, &mut body("orders_none"), &table())
        .unwrap();
    assert_eq!((page.rows.len(), page.next_after(0)), (0, None));
    let page = RestAnswers::new()
        .fills(200, &mut body("fills"), &table(), 40)
        .unwrap();
    assert_eq!(page.next_after(2).unwrap().as_str(), "2510789768709200");
}

// covers: V29
#[test]
fn a_list_with_a_row_that_cannot_be_read_is_not_complete() {
    let page = RestAnswers::new()
        .orders(200, &mut body("orders_pending_with_a_bad_row"), &table())
        .unwrap();
    assert_eq!((page.rows.len(), page.is_complete()), (1, false));
    let reason = QuarantineReason::MissingMember;
    assert_eq!(page.skipped, [SkippedRow { row: 1, reason }]);
    assert_eq!(
        RestAnswers::new().orders(200, &mut body("orders_without_id"), &table()),
        Err(RestError::BadRow { row: 0, reason })
    );
}

#[test]
fn one_order_is_found_or_proved_not_found_and_other_refusals_prove_nothing() {
    let mut answers = RestAnswers::new();
    let table = table();
    let found = answers.order(200, &mut body("order_canceled"), &table);
    let order = found.unwrap().unwrap();
    assert_eq!(
        (order.state, order.end_code),
        (VenueOrderState::Cancelled, 20)
    );
    let absent = answers.order(200, &mut body("order_not_found"), &table);
    assert_eq!(absent, Ok(None));
    let limited = answers.order(429, &mut body("rate_limited"), &table);
    assert_eq!(limited.unwrap_err().class(), FailureClass::RateLimited);
    assert_eq!(
        answers.order(200, &mut body("orders_none"), &table),
        Err(RestError::BadRow {
            row: 0,
            reason: QuarantineReason::MissingMember
        })
    );
}

#[test]
fn fills_carry_what_was_charged_and_when_the_venue_matched() {
    let page = RestAnswers::new()
        .fills(200, &mut body("fills"), &table(), 40)
        .unwrap();
    let [newest, oldest] = page.rows.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(
        (newest.asked_at_seq, newest.fill.fee_units),
        (40, -10_000_000_000)
    );
    assert_eq!(newest.fill.liquidity, LiquiditySide::Taker);
    assert_eq!(oldest.fill.fee_units, 12_824_700_000);
    assert_eq!(oldest.fill.trade_id.as_str(), "1518905529");
    assert_eq!(oldest.fill.venue_time.as_ms(), 1_760_000_000_300);
    let page = RestAnswers::new()
        .fills(200, &mut body("fills_fee_too_fine"), &table(), 40)
        .unwrap();
    assert_eq!((page.rows.len(), page.is_complete()), (0, false));
}

#[test]
fn clock_configuration_positions_and_timer_are_read() {
    let mut answers = RestAnswers::new();
    let time = answers.time(200, &mut body("time")).unwrap();
    assert_eq!(time.as_ms(), 1_760_000_000_123);
    let config = answers.account_config(200, &mut body("account_config"));
    let config = config.unwrap();
    assert!(config.net_positions);
    assert_eq!(config.account_level, 2);
    assert_eq!(config.permissions.as_str(), "read_only,trade");
    let positions = answers.positions(200, &mut body("positions"), &table());
    let positions = positions.unwrap();
    assert_eq!(positions.rows.len(), 1);
    assert_eq!(positions.rows[0].units, -12_500);
    assert_eq!(positions.rows[0].side, PositionSide::Net);
    assert_eq!(positions.rows[0].margin, MarginMode::Cross);
    let reason = QuarantineReason::UnknownInstrument;
    assert_eq!(positions.skipped, [SkippedRow { row: 1, reason }]);
    let balances = answers.balances(200, &mut body("balance")).unwrap();
    let told = |it: &BalanceStated| (it.currency.to_string(), it.total.to_string());
    let told: Vec<_> = balances.iter().map(told).collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(told, [pair("USDT", "10000.5"), pair("BTC", "2")]);
    let trigger = answers.cancel_all_after(200, &mut body("cancel_all_after"));
    assert_eq!(trigger, Ok(1_760_000_030));
}

fn rules() -> Vec<InstrumentRules> {
    let page = RestAnswers::new().instruments(200, &mut body("instruments"));
    let page = page.unwrap();
    let reason = QuarantineReason::UnknownKind;
    assert_eq!(page.skipped, [SkippedRow { row: 4, reason }]);
    page.rows
}

#[test]
fn instruments_keep_the_venues_exact_rules() {
    let rows = [
        (
            "BTC-USDT-SWAP",
            InstrumentKind::Linear,
            InstrumentState::Live,
            10_459,
            "0.01",
        ),
        (
            "BTC-USD-SWAP",
            InstrumentKind::Inverse,
            InstrumentState::PostOnly,
            10_458,
            "100",
        ),
        (
            "PEPE-USDT",
            InstrumentKind::Spot,
            InstrumentState::Live,
            0,
            "1",
        ),
    ];
    let rules = rules();
    for (read, (symbol, kind, state, code, multiplier)) in rules.iter().zip(rows) {
        assert_eq!(
            (read.symbol.as_str(), read.kind, read.state),
            (symbol, kind, state)
        );
        assert_eq!(read.venue_code, code);
        assert_eq!(read.multiplier().unwrap().as_str(), multiplier);
    }
    assert_eq!(
        (rules[0].tick.as_str(), rules[0].lot.as_str()),
        ("0.1", "0.01")
    );
    assert_eq!(rules[3].state, InstrumentState::Suspended);
}

#[test]
fn a_multiplier_that_is_no_positive_decimal_or_does_not_fit_is_refused_by_name() {
    let mut swap = rules()[0];
    for text in ["", "-1", "0", "x"] {
        swap.contract_value = Text::new(text.as_bytes()).unwrap();
        let error = swap.multiplier().unwrap_err();
        assert_eq!(
            error,
            RulesError::BadDecimal { member: "ctVal" },
            "{text:?}"
        );
    }
    swap.contract_value = Text::new(b"0.0000000001").unwrap();
    swap.contract_multiplier = Text::new(b"0.0000000001").unwrap();
    assert_eq!(
        swap.multiplier().unwrap_err(),
        RulesError::MultiplierTooLarge
    );
}

// covers: V27
#[test]
fn each_order_of_an_answer_counts_by_its_own_code() {
    let keys = [key(OURS), key(OURS + 1), key(OURS + 2)];
    let replies = RestAnswers::new().replies(200, &mut body("batch_mixed"), &keys);
    let outcome = |reply: &CommandReply| (reply.client_order_id, reply.outcome, reply.venue_code);
    assert_eq!(
        replies.iter().map(outcome).collect::<Vec<_>>(),
        [
            (keys[0].client_order_id, ReplyOutcome::Accepted, 0),
            (keys[1].client_order_id, ReplyOutcome::Refused, 51_008),
            (keys[2].client_order_id, ReplyOutcome::Unknown, 0),
        ]
    );
    assert_eq!(replies[0].venue_order_id.as_str(), "2510789768709120");
}

#[test]
fn an_order_call_without_a_clear_answer_has_an_unknown_outcome() {
    let mut answers = RestAnswers::new();
    let keys = [key(OURS)];
    let mut outcome =
        |status, mut body: Vec<u8>| answers.replies(status, &mut body, &keys)[0].outcome;
    assert_eq!(outcome(200, body("order_refused")), ReplyOutcome::Refused);
    assert_eq!(outcome(429, body("rate_limited")), ReplyOutcome::Refused);
    assert_eq!(outcome(200, body("timeout")), ReplyOutcome::Unknown);
    assert_eq!(
        outcome(502, b"<html>Bad Gateway</html>".to_vec()),
        ReplyOutcome::Unknown
    );
    assert_eq!(outcome(503, body("rate_limited")), ReplyOutcome::Unknown);
    assert_eq!(outcome(200, b"".to_vec()), ReplyOutcome::Unknown);
    assert_eq!(
        outcome(200, b"{\"code\":\"0\"}".to_vec()),
        ReplyOutcome::Unknown
    );
}

// covers: V24
#[test]
fn failures_say_what_to_do_by_the_code_and_without_one_by_the_status() {
    let mut answers = RestAnswers::new();
    let skewed = answers.time(401, &mut body("bad_clock")).unwrap_err();
    assert_eq!(skewed.class(), FailureClass::ClockSkew);
    assert_eq!(
        skewed.to_string(),
        "the venue says 50102 Timestamp request expired: ClockSkew"
    );
    let table = [
        (401, FailureClass::Credentials),
        (404, FailureClass::NotFound),
        (429, FailureClass::RateLimited),
        (502, FailureClass::Unavailable),
        (200, FailureClass::Unavailable),
        (400, FailureClass::BadRequest),
    ];
    for (status, class) in table {
        let error = answers.time(status, &mut b"no json".to_vec()).unwrap_err();
        assert_eq!(error, RestError::NotAnAnswer { status, class });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // covers: V18
    #[test]
    fn no_answer_panics(
        name in prop::sample::select(vec!["orders_pending", "fills", "instruments", "batch_mixed"]),
        place: prop::sample::Index, byte: u8, cut: prop::sample::Index, status: u16,
    ) {
        let mut damaged = body(name);
        let at = place.index(damaged.len());
        damaged[at] = byte;
        damaged.truncate(cut.index(damaged.len()) + 1);
        let mut answers = RestAnswers::new();
        let table = table();
        let _ = answers.orders(status, &mut damaged.clone(), &table);
        let _ = answers.fills(status, &mut damaged.clone(), &table, 1);
        let _ = answers.positions(status, &mut damaged.clone(), &table);
        if let Ok(page) = answers.instruments(status, &mut damaged.clone()) {
            for rules in page.rows {
                let _ = rules.multiplier();
            }
        }
        let replies = answers.replies(status, &mut damaged, &[key(OURS)]);
        prop_assert_eq!(replies.len(), 1);
    }
}
