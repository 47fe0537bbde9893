//! Commands whose effect is not known: how they become so, what they count, what settles them.

use crate::stage::{Stage, alarms, order, venue_id};
use model::decision::{AlarmCode, IgnoredReason};
use model::execution_report::{ReplyOutcome, VenueOrderState};
use model::input::{LinkReason, LinkState};
use model::order_event::OrderEventKind as Kind;
use model::recon_fact::{FactSource, LookupEnded};
use model::{ClientOrderId, Decision, LinkId, OrderStatus, ReconFact, Side};

const STALE: Decision = Decision::Ignored(IgnoredReason::Stale);

/// Both lists lack the order, and the look-up is over.
fn both_lack(stage: &mut Stage, id: ClientOrderId) {
    stage.absent(id, FactSource::OpenOrders);
    stage.absent(id, FactSource::History);
    stage.looked_up(id, true);
}

#[test]
fn no_answer_in_time_makes_a_command_unknown_and_the_venue_is_asked_at_once() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(399);
    assert!(!stage.order(id).is_unknown());
    stage.pass(1);
    assert!(stage.order(id).is_unknown());
    assert_eq!(
        (stage.order(id).status, stage.open_buys()),
        (OrderStatus::Submitted, 50)
    );
    assert_eq!(
        (stage.last_kind(0), stage.order(id).asks),
        (Kind::CommandUnknown, 1)
    );
}

// covers: OK5
#[test]
fn a_question_is_asked_again_when_its_answer_failed_or_is_surely_lost_and_not_before() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(400);
    stage.pass(20_000);
    assert_eq!(stage.order(id).asks, 1, "an answer may still be under way");
    stage.looked_up(id, false);
    stage.pass(300);
    assert_eq!(stage.order(id).asks, 2, "the answer failed");
    stage.pass(29_000);
    assert_eq!(stage.order(id).asks, 2);
    stage.pass(1_000);
    assert_eq!(stage.order(id).asks, 3, "30 s without an answer: lost");
}

// covers: V01
#[test]
fn a_lost_connection_makes_every_command_on_it_unknown_and_none_elsewhere() {
    let mut stage = Stage::live();
    let first = stage.buy(50, 100);
    let second = stage.resting(50, 100);
    stage.cancel(second);
    let other = stage.place(0, order(2, Side::Buy, 50, 100));
    stage.link_down(0);
    stage.pass(0);
    assert!(stage.order(first).is_unknown() && stage.order(second).is_unknown());
    assert!(!stage.order(other).is_unknown());
    let again = stage.link(0, LinkId(99), LinkState::Down, LinkReason::IoError);
    assert_eq!(again, [], "a connection that was not the venue's own");
}

#[test]
fn a_venue_that_does_not_know_itself_makes_a_command_unknown_never_refused() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.reply(ReplyOutcome::Unknown);
    assert!(stage.order(id).is_unknown());
    assert_eq!(
        (stage.order(id).status, stage.open_buys()),
        (OrderStatus::Submitted, 50)
    );
}

// covers: V02
#[test]
fn a_lost_ack_is_found_by_the_look_up() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(400);
    stage.seen(
        stage.shown(id, VenueOrderState::Live, 0),
        FactSource::OpenOrders,
    );
    stage.looked_up(id, true);
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
    assert!(!stage.order(id).needs_asking());
    let asks = stage.order(id).asks;
    stage.pass(2_000);
    assert_eq!(stage.order(id).asks, asks);
}

// covers: V29
#[test]
fn absence_is_proved_by_two_lists_after_window_and_settling_time_and_by_nothing_less() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(1_400);
    both_lack(&mut stage, id);
    assert!(
        stage.order(id).is_open(),
        "window and settling time are not over"
    );
    assert_eq!(stage.absent(id, FactSource::History), [STALE]);
    stage.pass(400);
    stage.absent(id, FactSource::OpenOrders);
    stage.looked_up(id, true);
    assert!(stage.order(id).is_open(), "one list is not two");
    stage.pass(300);
    stage.absent(id, FactSource::OrderById);
    stage.absent(id, FactSource::OpenOrders);
    stage.looked_up(id, true);
    assert!(
        stage.order(id).is_open(),
        "neither the open orders nor a second time the same"
    );
    stage.pass(300);
    stage.absent(id, FactSource::OpenOrders);
    stage.absent(id, FactSource::History);
    stage.looked_up(id, false);
    assert!(
        stage.order(id).is_open(),
        "a look-up that failed proves nothing"
    );
    stage.pass(300);
    both_lack(&mut stage, id);
    assert_eq!(
        (stage.order(id).status, stage.open_buys()),
        (OrderStatus::Failed, 0)
    );
    assert_eq!(stage.last_kind(0), Kind::OrderFailed);
}

// covers: V29
#[test]
fn absence_read_before_newer_news_proves_nothing() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(1_800);
    let before = stage.rig.sequence();
    stage.seen(
        stage.shown(id, VenueOrderState::Live, 0),
        FactSource::OpenOrders,
    );
    let absent = stage.absent_as_of(id, FactSource::History, before);
    assert_eq!(absent, [STALE]);
    assert_eq!(stage.order(id).status, OrderStatus::Acknowledged);
}

#[test]
fn the_settling_time_is_the_orders_own_venues() {
    let mut stage = Stage::live();
    let slow = stage.place(0, order(2, Side::Buy, 50, 100));
    stage.pass(3_400);
    both_lack(&mut stage, slow);
    assert!(
        stage.order(slow).is_open(),
        "2 s window and 1.5 s settling time"
    );
    stage.pass(500);
    both_lack(&mut stage, slow);
    assert_eq!(stage.order(slow).status, OrderStatus::Failed);
    let fast = stage.resting(50, 100);
    stage.cancel(fast);
    stage.pass(1_600);
    stage.looked_up(fast, false);
    stage.pass(300);
    stage.seen(
        stage.shown(fast, VenueOrderState::Live, 0),
        FactSource::OpenOrders,
    );
    stage.looked_up(fast, true);
    assert_eq!(
        stage.last_kind(0),
        Kind::CancelRejected,
        "1 s window and 0.5 s settling time"
    );
}

#[test]
fn an_answer_to_an_older_asking_settles_nothing() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(2_000);
    stage.absent(id, FactSource::OpenOrders);
    stage.absent(id, FactSource::History);
    let older = LookupEnded {
        asked_at_seq: stage.rig.sequence(),
        client_order_id: id,
        ask_no: stage.order(id).asks - 1,
        complete: true,
    };
    assert_eq!(stage.fact(ReconFact::LookupEnded(older)), [STALE]);
    assert!(stage.order(id).is_open());
}

#[test]
fn what_asking_never_settles_is_given_to_a_person_and_counts_on() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(1_800);
    let mut said = Vec::new();
    for _ in 0..20 {
        said.extend(stage.looked_up(id, true));
        said.extend(stage.pass(300));
    }
    assert!(alarms(&said).contains(&AlarmCode::NeedsOperator));
    let asks = stage.order(id).asks;
    assert!(stage.order(id).needs_operator && stage.order(id).is_unknown());
    assert_eq!(stage.open_buys(), 50);
    stage.pass(5_000);
    assert_eq!(stage.order(id).asks, asks, "no more asking");
}

#[test]
fn news_that_settles_takes_an_order_from_the_operators_list_and_later_doubts_are_asked_again() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.pass(1_800);
    for _ in 0..20 {
        stage.looked_up(id, true);
        stage.pass(300);
    }
    assert!(stage.order(id).needs_operator);
    stage.push(stage.shown(id, VenueOrderState::Live, 0));
    assert!(!stage.order(id).needs_operator);
    let asks = stage.order(id).asks;
    stage.cancel(id);
    stage.pass(400);
    assert_eq!(stage.order(id).asks, asks + 1);
    assert_eq!(stage.order(id).asks_in_vain, 0);
}

#[test]
fn an_open_order_that_a_complete_sweep_does_not_show_is_asked_about() {
    let mut stage = Stage::live();
    let seen = stage.resting(50, 100);
    let unseen = stage.resting(50, 100);
    stage.pass(3_000);
    let update = stage.shown(seen, VenueOrderState::Live, 0);
    stage.seen(update, FactSource::OpenOrders);
    stage.sweep(0, true);
    stage.pass(0);
    assert_eq!((stage.order(seen).asks, stage.order(unseen).asks), (0, 1));
    let mut ended = stage.shown(unseen, VenueOrderState::Cancelled, 0);
    ended.fill = None;
    stage.seen(ended, FactSource::History);
    assert_eq!(stage.order(unseen).status, OrderStatus::Cancelled);
}

#[test]
fn a_sweep_that_failed_or_is_over_already_proves_nothing_and_the_next_one_comes() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.pass(3_000);
    stage.sweep(0, false);
    stage.pass(1);
    assert_eq!(stage.order(id).asks, 0);
    let sweeps = stage.rig.engine.state().venues[0].sweep_no;
    stage.pass(300);
    assert_eq!(stage.rig.engine.state().venues[0].sweep_no, sweeps + 1);
    let ended = model::recon_fact::SweepEnded {
        asked_at_seq: stage.rig.sequence(),
        venue: model::VenueId(0),
        sweep_no: sweeps,
        complete: true,
    };
    assert_eq!(stage.fact(ReconFact::SweepEnded(ended)), [STALE]);
}

// covers: V29
#[test]
fn an_order_with_newer_news_than_the_sweep_is_not_missed_by_it() {
    let mut stage = Stage::live();
    stage.pass(3_000);
    let before = stage.rig.sequence();
    let id = stage.resting(50, 100);
    let ended = model::recon_fact::SweepEnded {
        asked_at_seq: before,
        venue: model::VenueId(0),
        sweep_no: stage.rig.engine.state().venues[0].sweep_no,
        complete: true,
    };
    stage.fact(ReconFact::SweepEnded(ended));
    stage.pass(1);
    assert_eq!((stage.order(id).asks, stage.order(id).unseen), (0, false));
}

#[test]
fn an_order_that_was_missed_and_then_shown_is_settled() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.pass(3_000);
    stage.sweep(0, true);
    stage.pass(1);
    assert!(stage.order(id).unseen);
    stage.seen(
        stage.shown(id, VenueOrderState::Live, 0),
        FactSource::OrderById,
    );
    stage.looked_up(id, true);
    assert!(!stage.order(id).needs_asking());
    assert_eq!(stage.order(id).venue_order_id, venue_id(id));
}
