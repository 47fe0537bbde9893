//! An order's way from request to end.

use crate::stage::{Stage, alarms, lost_id, order, venue_id};
use model::decision::{AlarmCode, IgnoredReason};
use model::execution_report::{ReplyOutcome, VenueOrderState};
use model::input::{Input, NotSentReason};
use model::order_event::OrderEventKind as Kind;
use model::order_request::OrderReference;
use model::{CommandKind, Decision, OrderStatus, Quantity, Request, Side, UnixNs};

// covers: OK1 OK3
#[test]
fn an_order_is_placed_acknowledged_partly_filled_and_filled() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    assert_eq!(stage.order(id).status, OrderStatus::Submitted);
    assert_eq!(stage.open_buys(), 50);
    stage.reply(ReplyOutcome::Accepted);
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
    assert_eq!(stage.order(id).venue_order_id, venue_id(id));
    stage.push(stage.filled(id, "1", 20, 20));
    assert_eq!(stage.order(id).status, OrderStatus::PartiallyFilled);
    assert_eq!((stage.position(), stage.open_buys()), (20, 30));
    stage.push(stage.filled(id, "2", 30, 50));
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
    assert_eq!((stage.position(), stage.open_buys()), (50, 0));
    assert_eq!(
        stage.kinds(0),
        [
            Kind::OrderCreated,
            Kind::OrderSubmitted,
            Kind::OrderAcknowledged,
            Kind::OrderPartiallyFilled,
            Kind::OrderFilled
        ]
    );
}

#[test]
fn an_intent_says_until_when_the_venue_may_act_and_no_longer_than_the_order_is_worth() {
    let mut stage = Stage::live();
    stage.buy(10, 100);
    let window_ns = 1_000_000_000;
    assert_eq!(
        stage.sent[0].valid_until,
        UnixNs(stage.unix().0 + window_ns)
    );
    let mut short = order(0, Side::Buy, 10, 100);
    short.valid_for_ns = 50_000_000;
    let mut input = stage.request_input(0, Request::New(short));
    input.written_at.0 -= 20_000_000;
    stage.feed(&Input::Request(input));
    assert_eq!(
        stage.sent[1].valid_until,
        UnixNs(stage.unix().0 + 30_000_000)
    );
}

// covers: V03 V04
#[test]
fn a_fill_before_the_ack_counts_and_the_ack_behind_it_is_stale() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.push(stage.filled(id, "1", 50, 50));
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
    let late = stage.reply(ReplyOutcome::Accepted);
    assert_eq!(late, [Decision::Ignored(IgnoredReason::NoSuchCommand)]);
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
    assert_eq!(stage.position(), 50);
}

#[test]
fn a_push_alone_acknowledges_and_the_same_push_again_changes_nothing() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    let push = stage.shown(id, VenueOrderState::Live, 0);
    stage.push(push);
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
    assert_eq!(
        stage.push(push),
        [Decision::Ignored(IgnoredReason::Duplicate)]
    );
}

#[test]
fn a_refused_order_ends_with_the_venues_words_and_frees_its_exposure() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.reply(ReplyOutcome::Refused);
    assert_eq!(stage.order(id).status, OrderStatus::Rejected);
    assert_eq!(stage.open_buys(), 0);
    let event = *stage.rig.events(stage.order(id).strategy).last().unwrap();
    assert_eq!(
        (event.kind, event.venue_code),
        (Kind::OrderRejected, 51_000)
    );
    assert_eq!(event.text.as_str(), "so it is");
}

// covers: V08
#[test]
fn a_reject_after_the_ack_is_an_end_and_frees_the_exposure_once() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.reply(ReplyOutcome::Accepted);
    let push = stage.shown(id, VenueOrderState::Rejected, 0);
    stage.push(push);
    assert_eq!(stage.order(id).status, OrderStatus::Rejected);
    assert_eq!(stage.open_buys(), 0);
    stage.push(push);
    assert_eq!(stage.open_buys(), 0);
}

// covers: V13
#[test]
fn the_venue_may_end_an_order_by_itself_and_its_reason_is_kept() {
    for (state, status, kind) in [
        (
            VenueOrderState::Cancelled,
            OrderStatus::Cancelled,
            Kind::OrderCancelled,
        ),
        (
            VenueOrderState::Expired,
            OrderStatus::Expired,
            Kind::OrderExpired,
        ),
        (
            VenueOrderState::Filled,
            OrderStatus::Filled,
            Kind::OrderFilled,
        ),
    ] {
        let mut stage = Stage::live();
        let id = stage.resting(50, 100);
        stage.push(stage.shown(id, state, 0));
        assert_eq!(stage.order(id).status, status);
        let event = *stage.rig.events(stage.order(id).strategy).last().unwrap();
        assert_eq!((event.kind, event.venue_code), (kind, 20));
    }
}

#[test]
fn a_cancel_ends_the_order_only_when_the_venue_says_so() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.cancel(id);
    stage.reply(ReplyOutcome::Accepted);
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
    assert_eq!(stage.open_buys(), 50);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    assert_eq!(stage.order(id).status, OrderStatus::Cancelled);
    assert!(stage.order(id).pending.iter().all(Option::is_none));
}

#[test]
fn a_refused_cancel_leaves_the_order_standing() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.cancel(id);
    stage.reply(ReplyOutcome::Refused);
    assert_eq!(stage.last_kind(0), Kind::CancelRejected);
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
    stage.cancel(id);
    assert_eq!(stage.sent.last().unwrap().command_seq, 3);
}

// covers: V09
#[test]
fn a_cancel_of_an_order_that_is_gone_is_a_question_and_the_fill_answers_it() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.cancel(id);
    stage.reply(ReplyOutcome::AlreadyGone);
    assert!(stage.order(id).is_unknown());
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
    stage.push(stage.filled(id, "1", 50, 50));
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
    assert!(!stage.order(id).is_unknown());
}

// covers: V10
#[test]
fn an_order_can_be_cancelled_before_the_venues_id_is_known_by_either_of_its_numbers() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.cancel(id);
    let cancel = stage.sent[1];
    assert_eq!(
        (cancel.command, cancel.client_order_id),
        (CommandKind::Cancel, id)
    );
    assert!(cancel.venue_order_id.is_empty());
    let second = stage.buy(20, 100);
    let request = stage.order(second).request_id;
    stage.ask(
        0,
        Request::Cancel {
            order: OrderReference::RequestId(request),
        },
    );
    assert_eq!(stage.sent.last().unwrap().client_order_id, second);
}

#[test]
fn what_the_gate_gives_back_never_left() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    let reason = NotSentReason::LinkGone;
    stage.feed(&Input::NotSent {
        intent_seq: stage.sent[0].intent_seq,
        reason,
    });
    assert_eq!(stage.order(id).status, OrderStatus::Failed);
    assert_eq!(stage.last_kind(0), Kind::OrderFailed);
    assert_eq!(stage.open_buys(), 0);
    let other = stage.resting(50, 100);
    stage.cancel(other);
    let intent_seq = stage.sent.last().unwrap().intent_seq;
    stage.feed(&Input::NotSent { intent_seq, reason });
    assert_eq!(stage.order(other).status, OrderStatus::Acknowledged);
    assert_eq!(stage.last_kind(0), Kind::CancelRejected);
    let again = stage.feed(&Input::NotSent { intent_seq, reason });
    assert_eq!(again, [Decision::Ignored(IgnoredReason::NoSuchCommand)]);
}

// covers: V12
#[test]
fn an_order_of_ours_from_a_lost_tail_is_adopted_and_a_strangers_is_not_touched() {
    let mut stage = Stage::live();
    let known = stage.resting(50, 100);
    let mut update = stage.shown(known, VenueOrderState::PartiallyFilled, 10);
    update.client_order_id = Some(lost_id(77));
    update.venue_order_id = venue_id(lost_id(77));
    let adopted = stage.push(update);
    assert_eq!(alarms(&adopted), [AlarmCode::AdoptedOrder]);
    let order = stage.order(lost_id(77));
    assert_eq!(
        (order.status, order.fills_missing()),
        (OrderStatus::Acknowledged, true)
    );
    assert_eq!(
        stage.open_buys(),
        100,
        "all of it counts until the execution is booked"
    );
    update.client_order_id = None;
    update.venue_order_id = venue_id(lost_id(78));
    assert_eq!(
        stage.push(update),
        [Decision::Ignored(IgnoredReason::Foreign)]
    );
    assert_eq!(stage.rig.engine.state().orders.iter().count(), 2);
}

#[test]
fn an_adopted_order_is_nobodys_to_cancel_but_the_operators() {
    let mut stage = Stage::live();
    let known = stage.resting(50, 100);
    let mut update = stage.shown(known, VenueOrderState::Live, 0);
    update.client_order_id = Some(lost_id(77));
    update.venue_order_id = venue_id(lost_id(77));
    stage.push(update);
    stage.feed(&Input::Control(model::input::Control::CancelAll));
    stage.pass(1);
    let cancelled: Vec<_> = stage.sent[1..]
        .iter()
        .map(|intent| intent.client_order_id)
        .collect();
    assert_eq!(cancelled, [known, lost_id(77)]);
}

#[test]
fn another_venue_id_for_an_order_of_ours_is_an_alarm_and_changes_nothing() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let mut update = stage.filled(id, "1", 50, 50);
    update.venue_order_id = venue_id(lost_id(1));
    assert_eq!(alarms(&stage.push(update)), [AlarmCode::DuplicateId]);
    assert_eq!(
        (stage.order(id).status, stage.position()),
        (OrderStatus::Acknowledged, 0)
    );
}

#[test]
fn a_report_by_the_venues_id_alone_finds_its_order() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let mut update = stage.filled(id, "1", 50, 50);
    update.client_order_id = None;
    stage.push(update);
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
}

// covers: V12
#[test]
fn a_refused_order_that_the_venue_shows_alive_is_an_alarm_and_its_fills_are_booked() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.reply(ReplyOutcome::Refused);
    let push = stage.shown(id, VenueOrderState::Live, 0);
    assert!(alarms(&stage.push(push)).contains(&AlarmCode::Contradiction));
    let fill = stage.push(stage.filled(id, "1", 50, 50));
    assert!(alarms(&fill).contains(&AlarmCode::LateFill));
    assert_eq!(
        (stage.order(id).status, stage.position()),
        (OrderStatus::Rejected, 50)
    );
    assert_eq!(stage.order(id).cum_quantity, Quantity::from_units(50));
}

// covers: V26 V27
#[test]
fn each_leg_of_a_frame_counts_by_its_own_code_and_a_strangers_reply_changes_nothing() {
    let mut stage = Stage::live();
    let good = stage.buy(50, 100);
    let bad = stage.buy(20, 100);
    let [first, second] = [stage.sent[0], stage.sent[1]];
    let reply = |intent: &model::OrderIntent, outcome| {
        model::execution_report::VenueReport::Reply(model::execution_report::CommandReply {
            client_order_id: intent.client_order_id,
            command: intent.command,
            command_seq: intent.command_seq,
            outcome,
            venue_order_id: model::VenueOrderId::EMPTY,
            venue_code: 1,
            message: model::identifiers::VenueMessage::EMPTY,
            venue_time: UnixNs(0),
        })
    };
    let mut strange = first;
    strange.client_order_id = lost_id(5);
    let mut other = first;
    other.command_seq = 9;
    let unreadable = model::execution_report::QuarantineReason::Malformed;
    let decisions = stage.reports(&[
        reply(&first, ReplyOutcome::Accepted),
        reply(&second, ReplyOutcome::Refused),
        reply(&strange, ReplyOutcome::Refused),
        reply(&other, ReplyOutcome::Refused),
        model::execution_report::VenueReport::Quarantined(unreadable),
    ]);
    assert_eq!(stage.order(good).status, OrderStatus::Acknowledged);
    assert_eq!(stage.order(bad).status, OrderStatus::Rejected);
    assert!(decisions.contains(&Decision::Ignored(IgnoredReason::Foreign)));
    assert!(decisions.contains(&Decision::Ignored(IgnoredReason::NoSuchCommand)));
    assert_eq!(alarms(&decisions), [AlarmCode::Quarantined]);
}

#[test]
fn as_many_lost_orders_as_there_are_extra_places_are_adopted_and_found_by_the_venues_id() {
    let mut config = crate::rig::config::config();
    config.order_capacity = 4;
    let mut stage = Stage::live_with(&config);
    let known = stage.resting(50, 100);
    let mut update = stage.shown(known, VenueOrderState::Live, 0);
    let mut adopted = 0;
    for sequence in 1..=300 {
        let id = lost_id(sequence);
        update.client_order_id = Some(id);
        update.venue_order_id = venue_id(id);
        let said = alarms(&stage.push(update));
        adopted += usize::from(said == [AlarmCode::AdoptedOrder]);
        assert_eq!(said.len(), 1);
    }
    assert_eq!(adopted, 3 + 256);
    update.client_order_id = None;
    update.venue_order_id = venue_id(lost_id(100));
    update.state = VenueOrderState::Cancelled;
    stage.push(update);
    assert_eq!(stage.order(lost_id(100)).status, OrderStatus::Cancelled);
    update.venue_order_id = venue_id(lost_id(100_000));
    assert_eq!(
        stage.push(update),
        [Decision::Ignored(IgnoredReason::Foreign)]
    );
}
