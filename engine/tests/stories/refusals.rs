//! Which requests are refused for what they are: late, repeated, of another, or of no order.
//!
//! The limits and their numbers are in `limits`.

use crate::stage::{Stage, lost_id, order, refusal};
use millrun_engine::Moment;
use model::execution_report::VenueOrderState;
use model::input::{Admission, Input, RequestInput, RoomRefused};
use model::order_event::OrderEventKind as Kind;
use model::order_request::OrderReference;
use model::{
    Decision, InstrumentId, Price, Quantity, RejectReason as R, Request, RequestId, Side,
    StrategyId,
};

// covers: P14
#[test]
fn every_check_of_a_request_is_told_with_limit_and_value_in_its_order() {
    let mut stage = Stage::live();
    let asked = RequestInput {
        strategy: StrategyId(0),
        request_id: RequestId(1),
        written_at: stage.now,
        admission: Admission::Granted,
        request: Request::New(order(0, Side::Buy, 1_010, 100)),
    };
    let moment = Moment {
        sequence: stage.rig.sequence() + 1,
        now: stage.now,
    };
    let runs = stage.rig.engine.checks_of(moment, &asked);
    let told: Vec<(R, i128, i128)> = runs
        .iter()
        .map(|run| (run.reason, run.limit, run.actual))
        .collect();
    assert_eq!(
        told,
        [
            (R::StaleRequestId, 0, 1),
            (R::Killed, 0, 0),
            (R::StaleRequest, 200_000_000, 0),
            (R::Stopping, 0, 0),
            (R::UnknownInstrument, 0, 0),
            (R::VenueDown, 0, 0),
            (R::RiskNoReference, 0, 0),
            (R::BadRequest, 0, 0),
            (R::RiskInstrumentState, 0, 0),
            (R::BadTick, 5, 100),
            (R::BadLot, 10, 1_010),
            (R::BelowMinimum, 10, 1_010),
            (R::RiskOrderQuantity, 1_000, 1_010),
        ]
    );
    let passed = runs.iter().filter(|run| run.passed).count();
    assert_eq!(passed, runs.len() - 1);
}

// covers: R13
#[test]
fn a_request_that_waited_too_long_is_stale_by_the_engines_rule_or_its_own() {
    let mut stage = Stage::live();
    let mut old = stage.request_input(0, Request::New(order(0, Side::Buy, 10, 100)));
    old.written_at.0 -= 200_000_001;
    assert_eq!(
        refusal(&stage.feed(&Input::Request(old))),
        Some((R::StaleRequest, 200_000_000, 200_000_001))
    );
    let mut short = order(0, Side::Buy, 10, 100);
    short.valid_for_ns = 1_000;
    let mut own = stage.request_input(0, Request::New(short));
    own.written_at.0 -= 1_001;
    assert_eq!(
        refusal(&stage.feed(&Input::Request(own))),
        Some((R::StaleRequest, 1_000, 1_001))
    );
    assert_eq!(stage.sent.len(), 0);
}

// covers: R15
#[test]
fn another_strategys_order_is_not_ones_own() {
    let mut stage = Stage::live();
    let id = stage.resting(10, 100);
    let reference = OrderReference::ClientOrderId(id);
    let requests = [
        Request::Cancel { order: reference },
        Request::Replace {
            order: reference,
            order_quantity: Quantity::from_units(20),
            limit_price: Price::from_units(100),
        },
        Request::Query { order: reference },
    ];
    for request in requests {
        assert_eq!(refusal(&stage.ask(1, request)), Some((R::NotOwner, 0, 0)));
    }
    let none = OrderReference::ClientOrderId(lost_id(3));
    let cancel = stage.ask(1, Request::Cancel { order: none });
    assert_eq!(refusal(&cancel), Some((R::OrderNotFound, 0, 0)));
    assert_eq!(stage.sent.len(), 1);
}

// covers: OK6
#[test]
fn an_ended_order_can_be_neither_cancelled_nor_changed_nor_found_by_a_wrong_number() {
    let mut stage = Stage::live();
    let id = stage.resting(10, 100);
    stage.cancel(id);
    let twice = stage.cancel(id);
    assert_eq!(
        refusal(&twice),
        Some((R::InvalidStateTransition, 0, 0)),
        "one is under way"
    );
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    assert_eq!(
        refusal(&stage.cancel(id)),
        Some((R::InvalidStateTransition, 0, 0))
    );
    assert_eq!(
        refusal(&stage.replace(id, 20, 100)),
        Some((R::InvalidStateTransition, 0, 0))
    );
    let by_request = OrderReference::RequestId(RequestId(9_999));
    let query = stage.ask(0, Request::Query { order: by_request });
    assert_eq!(refusal(&query), Some((R::OrderNotFound, 0, 0)));
}

// covers: R12
#[test]
fn the_same_request_again_gets_the_same_answer_and_other_content_is_refused() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let reference = OrderReference::ClientOrderId(id);
    let requests = [
        Request::New(order(0, Side::Buy, 10, 100)),
        Request::New(order(0, Side::Buy, 7, 100)),
        Request::Query { order: reference },
        Request::CancelAll {
            instrument: Some(InstrumentId(1)),
        },
        Request::Cancel { order: reference },
    ];
    for request in requests {
        let input = stage.request_input(0, request);
        let first = stage.feed(&Input::Request(input));
        let sent = stage.sent.len();
        let again = stage.feed(&Input::Request(input));
        assert_eq!(
            stage.sent.len(),
            sent,
            "nothing goes out twice: {request:?}"
        );
        let reason = |decisions: &[Decision]| refusal(decisions).map(|(reason, ..)| reason);
        assert_eq!(reason(&first), reason(&again), "{request:?}");
        assert_eq!(again.len(), 1);
        let mut other = input;
        other.request = Request::Query {
            order: OrderReference::RequestId(RequestId(1)),
        };
        let other = stage.feed(&Input::Request(other));
        assert_eq!(refusal(&other), Some((R::DuplicateRequestId, 0, 0)));
    }
    let last = stage.rig.engine.state().strategies[0].last_request_id;
    let mut forgotten = stage.request_input(0, requests[0]);
    forgotten.request_id = RequestId(1);
    let forgotten = stage.feed(&Input::Request(forgotten));
    assert_eq!(
        refusal(&forgotten),
        Some((R::StaleRequestId, last.0.into(), 1))
    );
}

// covers: R12
#[test]
fn a_request_of_a_run_that_found_no_room_is_answered_and_never_taken_later() {
    let mut stage = Stage::live();
    let mut late = stage.request_input(0, Request::New(order(0, Side::Buy, 10, 100)));
    late.request_id = RequestId(55);
    let run = RoomRefused {
        strategy: StrategyId(0),
        first: RequestId(50),
        last: RequestId(60),
        count: 11,
        reason: R::RateLimit,
    };
    stage.feed(&Input::RoomRefused(run));
    assert_eq!(stage.last_kind(0), Kind::RequestsRefused);
    let late = stage.feed(&Input::Request(late));
    assert_eq!(refusal(&late), Some((R::StaleRequestId, 60, 55)));
    assert_eq!(stage.sent.len(), 0);
}

// covers: R04
#[test]
fn the_id_in_a_slot_that_is_no_request_does_not_shut_the_strategy_out() {
    let mut stage = Stage::live();
    let last = RequestId(u64::MAX);
    let run = RoomRefused {
        strategy: StrategyId(0),
        first: last,
        last,
        count: 1,
        reason: R::BadRequest,
    };
    stage.feed(&Input::RoomRefused(run));
    assert_eq!(stage.last_kind(0), Kind::RequestsRefused);
    let id = stage.resting(50, 100);
    assert!(stage.order(id).is_open());
}

#[test]
fn a_request_without_room_or_from_nobody_is_refused_before_anything_else() {
    let mut stage = Stage::live();
    let mut input = stage.request_input(0, Request::New(order(0, Side::Buy, 10, 100)));
    input.admission = Admission::Refused(R::VenueBusy);
    assert_eq!(
        refusal(&stage.feed(&Input::Request(input))),
        Some((R::VenueBusy, 0, 0))
    );
    let nobody = stage.ask(9, Request::New(order(0, Side::Buy, 10, 100)));
    assert_eq!(refusal(&nobody), Some((R::BadRequest, 0, 0)));
}

#[test]
fn a_query_states_the_order_as_it_stands() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.push(stage.filled(id, "1", 20, 20));
    stage.ask(
        0,
        Request::Query {
            order: OrderReference::ClientOrderId(id),
        },
    );
    let event = *stage.rig.events(StrategyId(0)).last().unwrap();
    assert_eq!(event.kind, Kind::OrderState);
    assert_eq!(
        (event.client_order_id, event.cum_quantity),
        (Some(id), Quantity::from_units(20))
    );
}
