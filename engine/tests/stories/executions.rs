//! Executions: each booked once, from wherever it comes, and none invented.

use crate::rig::config;
use crate::stage::{Stage, alarms, order, refusal};
use model::decision::{AlarmCode, IgnoredReason};
use model::execution_report::{VenueOrderState, VenueReport};
use model::order_event::OrderEventKind as Kind;
use model::recon_fact::FactSource;
use model::{Decision, OrderStatus, Quantity, RejectReason, Request, Side, TradeId};

// covers: V05
#[test]
fn the_same_execution_by_push_again_and_by_query_counts_once() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let push = stage.filled(id, "1", 20, 20);
    stage.push(push);
    let again = stage.push(push);
    assert_eq!(again, [Decision::Ignored(IgnoredReason::Duplicate)]);
    let seen = stage.fill_seen(id, "1", 20);
    assert_eq!(seen, [Decision::Ignored(IgnoredReason::Duplicate)]);
    assert_eq!((stage.position(), stage.order(id).fee_units), (20, 7));
    stage.restart();
    stage.fill_seen(id, "1", 20);
    assert_eq!(stage.position(), 20);
}

// covers: V05
#[test]
fn two_of_our_orders_that_met_share_a_trade_id_and_both_count() {
    let mut stage = Stage::live();
    let buy = stage.resting(50, 100);
    let sell = stage.place(0, order(0, Side::Sell, 50, 100));
    stage.push(stage.filled(buy, "1", 50, 50));
    stage.push(stage.filled(sell, "1", 50, 50));
    assert_eq!(stage.order(buy).status, OrderStatus::Filled);
    assert_eq!(stage.order(sell).status, OrderStatus::Filled);
    assert_eq!(stage.position(), 0);
}

#[test]
fn an_execution_without_a_trade_id_counts_once_per_order() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let mut push = stage.filled(id, "1", 50, 50);
    if let Some(fill) = &mut push.fill {
        fill.trade_id = TradeId::EMPTY;
    }
    stage.push(push);
    stage.push(push);
    assert_eq!(stage.position(), 50);
}

#[test]
fn an_execution_of_nothing_is_an_alarm_and_is_not_booked() {
    for quantity in [0, -10] {
        let mut stage = Stage::live();
        let id = stage.resting(50, 100);
        let push = stage.filled(id, "1", quantity, 0);
        assert_eq!(alarms(&stage.push(push)), [AlarmCode::Contradiction]);
        assert_eq!(
            (stage.position(), stage.order(id).cum_quantity),
            (0, Quantity::ZERO)
        );
    }
}

// covers: V06
#[test]
fn a_jump_of_the_venues_count_is_asked_about_and_never_invented() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.push(stage.filled(id, "2", 10, 30));
    assert_eq!(stage.position(), 10);
    assert!(stage.order(id).fills_missing());
    stage.pass(0);
    assert_eq!(stage.order(id).asks, 1);
    stage.fill_seen(id, "1", 20);
    assert_eq!(stage.position(), 30);
    assert!(!stage.order(id).needs_asking());
    assert_eq!(stage.order(id).status, OrderStatus::PartiallyFilled);
}

// covers: V06
#[test]
fn an_end_waits_for_the_executions_that_it_counts() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 30));
    assert!(stage.order(id).is_open());
    assert_eq!(stage.open_buys(), 50);
    stage.fill_seen(id, "1", 10);
    assert!(stage.order(id).is_open());
    stage.fill_seen(id, "2", 20);
    assert_eq!(stage.order(id).status, OrderStatus::Cancelled);
    assert_eq!((stage.position(), stage.open_buys()), (30, 0));
    assert_eq!(stage.last_kind(0), Kind::OrderCancelled);
}

// covers: V07
#[test]
fn a_fill_behind_the_end_is_booked_and_flagged() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    let late = stage.push(stage.filled(id, "1", 20, 20));
    assert!(alarms(&late).contains(&AlarmCode::LateFill));
    assert_eq!(stage.order(id).status, OrderStatus::Cancelled);
    assert_eq!(stage.order(id).cum_quantity, Quantity::from_units(20));
    assert_eq!((stage.position(), stage.last_kind(0)), (20, Kind::LateFill));
}

#[test]
fn an_ended_order_whose_venue_counts_more_still_counts_in_the_worst_case_and_is_asked_about() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 30));
    assert_eq!(stage.open_buys(), 30);
    stage.pass(0);
    assert_eq!(stage.order(id).asks, 1);
    stage.fill_seen(id, "1", 30);
    assert_eq!((stage.open_buys(), stage.position()), (0, 30));
    assert!(!stage.order(id).needs_asking());
}

#[test]
fn an_ended_order_whose_executions_never_come_is_given_to_a_person() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 30));
    for _ in 0..20 {
        stage.pass(300);
        stage.looked_up(id, true);
    }
    assert!(stage.order(id).needs_operator);
    assert_eq!(stage.last_kind(0), Kind::NeedsOperator);
    assert!(stage.order(id).asks < 20);
}

#[test]
fn more_filled_than_ordered_is_booked_and_alarmed() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let over = stage.push(stage.filled(id, "1", 70, 70));
    assert!(alarms(&over).contains(&AlarmCode::Overfill));
    assert_eq!((stage.position(), stage.open_buys()), (70, 0));
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
}

// covers: V11
#[test]
fn a_late_push_of_an_older_total_does_not_end_an_order_that_grew() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let early = stage.filled(id, "1", 20, 20);
    stage.pass(5);
    stage.replace(id, 100, 100);
    stage.replaced(id, true);
    stage.pass(5);
    let mut second = stage.filled(id, "2", 30, 50);
    second.order_quantity = Quantity::from_units(100);
    stage.push(second);
    let mut early = early;
    early.order_quantity = Quantity::from_units(50);
    stage.push(early);
    assert_eq!(stage.order(id).cum_quantity, Quantity::from_units(50));
    assert_eq!(stage.order(id).status, OrderStatus::PartiallyFilled);
    assert_eq!(
        stage.open_buys(),
        50,
        "the other half still rests at the venue"
    );
}

#[test]
fn a_full_table_of_executions_refuses_new_orders_and_still_books_once() {
    let mut config = config::config();
    config.execution_capacity = 128;
    config.instruments[0].order_quantity_max = Quantity::from_units(2_000);
    let mut stage = Stage::live_with(&config);
    let id = stage.resting(2_000, 100);
    for number in 1..=64 {
        stage.push(stage.filled(id, &number.to_string(), 10, number * 10));
    }
    stage.place(1, order(1, Side::Buy, 10, 100));
    stage.push(stage.filled(id, "65", 10, 650));
    let refused = stage.ask(1, Request::New(order(1, Side::Buy, 10, 100)));
    assert_eq!(
        refusal(&refused),
        Some((RejectReason::ExecutionsFull, 64, 63))
    );
    let mut alarmed = 0;
    for number in 66..=140 {
        let push = stage.filled(id, &number.to_string(), 10, number * 10);
        let full = AlarmCode::ExecutionsFull;
        alarmed += alarms(&stage.push(push))
            .iter()
            .filter(|code| **code == full)
            .count();
        stage.push(push);
        stage.fill_seen(id, &number.to_string(), 10);
    }
    assert_eq!(stage.position(), 1_400, "once each, remembered or not");
    assert!(alarmed >= 12);
}

#[test]
fn a_fill_that_a_query_shows_first_is_not_booked_again_by_its_push() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    stage.fill_seen(id, "1", 50);
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
    stage.push(stage.filled(id, "1", 50, 50));
    assert_eq!(stage.position(), 50);
    let mut seen = stage.shown(id, VenueOrderState::Filled, 50);
    seen.fill = None;
    stage.seen(seen, FactSource::History);
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
}

#[test]
fn a_frame_of_many_reports_keeps_to_its_bound_and_books_them_all() {
    let mut config = config::config();
    config.instruments[0].order_quantity_max = Quantity::from_units(2_000);
    let mut stage = Stage::live_with(&config);
    let id = stage.buy(2_000, 100);
    let push = |number: i64| stage.filled(id, &number.to_string(), 10, number * 10);
    let reports: Vec<_> = (1..=200)
        .map(|number| VenueReport::Order(push(number)))
        .collect();
    let decisions = stage.reports(&reports);
    assert!(decisions.len() >= 200);
    assert_eq!(
        (stage.order(id).status, stage.position()),
        (OrderStatus::Filled, 2_000)
    );
}

/// The worst that one report can bring: an adoption with an execution beyond the total, a jump of
/// the count, an end.
#[test]
fn the_report_that_causes_most_decisions_keeps_to_the_bound_of_a_report() {
    let mut stage = Stage::live();
    let known = stage.resting(50, 100);
    let mut update = stage.filled(known, "1", 70, 90);
    update.client_order_id = Some(crate::stage::lost_id(5));
    update.venue_order_id = crate::stage::venue_id(crate::stage::lost_id(5));
    update.state = VenueOrderState::PartiallyFilled;
    let decisions = stage.push(update);
    assert!(alarms(&decisions).contains(&AlarmCode::Overfill));
    assert!(decisions.len() > 4 && decisions.len() <= millrun_engine::DECISIONS_PER_REPORT_MAX);
}

// covers: V03
#[test]
fn a_fill_from_a_query_and_a_reply_behind_it_make_the_venues_id_known() {
    for by_reply in [false, true] {
        let mut stage = Stage::live();
        let id = stage.buy(50, 100);
        let mut first = model::recon_fact::FillSeen {
            asked_at_seq: stage.rig.sequence(),
            client_order_id: Some(id),
            is_foreign: false,
            venue_order_id: crate::stage::venue_id(id),
            instrument: model::InstrumentId(0),
            side: Side::Buy,
            fill: stage.fill("1", 10),
        };
        if by_reply {
            first.venue_order_id = model::VenueOrderId::EMPTY;
        }
        stage.fact(model::ReconFact::FillSeen(first));
        if by_reply {
            stage.reply(model::execution_report::ReplyOutcome::Accepted);
        }
        let mut second = first;
        second.client_order_id = None;
        second.venue_order_id = crate::stage::venue_id(id);
        second.fill = stage.fill("2", 20);
        stage.fact(model::ReconFact::FillSeen(second));
        assert_eq!(stage.position(), 30);
        let mut other = first;
        other.venue_order_id = crate::stage::venue_id(crate::stage::lost_id(9));
        other.fill = stage.fill("3", 10);
        let said = stage.fact(model::ReconFact::FillSeen(other));
        assert_eq!(
            (alarms(&said), stage.position()),
            (vec![AlarmCode::DuplicateId], 30)
        );
    }
}
