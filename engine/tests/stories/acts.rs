//! Acts over many orders: cancel-all, a lost strategy, a lost connection.

use crate::rig::config;
use crate::stage::{Stage, order, refusal};
use model::decision::VenueState;
use model::execution_report::VenueOrderState;
use model::input::{Control, Input, LossReason, NotSentReason};
use model::order_event::OrderEventKind as Kind;
use model::{
    CommandKind, Decision, InstrumentId, OrderStatus, RejectReason, Request, Side, StrategyId,
};

fn many(orders: u32) -> Stage {
    let mut config = config::config();
    config.order_capacity = 1024;
    config.instruments[0].open_orders_max = 1_000;
    config.instruments[0].position_long_max = model::Quantity::from_units(100_000);
    for strategy in &mut config.strategies {
        strategy.open_orders_max = 1_000;
        strategy.orders_per_s_max = 1_000;
    }
    for rule in &mut config.venues[0].rates {
        rule.messages = if rule.counts_cancel { 50 } else { 1_000 };
    }
    let mut stage = Stage::live_with(&config);
    for _ in 0..orders {
        stage.resting(10, 100);
    }
    stage
}

fn cancels(stage: &Stage) -> usize {
    stage
        .sent
        .iter()
        .filter(|intent| intent.command == CommandKind::Cancel)
        .count()
}

#[test]
fn a_cancel_all_goes_over_more_orders_than_one_entry_holds_at_the_venues_rate() {
    let mut stage = many(180);
    let taken = stage.ask(0, Request::CancelAll { instrument: None });
    assert!(matches!(taken[0], Decision::CancelAllAccepted { .. }));
    assert_eq!(cancels(&stage), 0);
    stage.pass(10);
    assert_eq!(cancels(&stage), 50, "the venue's cancels of one second");
    stage.pass(1_100);
    assert_eq!(cancels(&stage), 100);
    stage.pass(3_000);
    assert_eq!(cancels(&stage), 180);
    stage.pass(30_000);
    assert_eq!(stage.rig.engine.state().tasks.len(), 0);
}

#[test]
fn a_cancel_all_that_is_asked_again_reaches_the_orders_placed_since() {
    let mut stage = many(60);
    stage.ask(0, Request::CancelAll { instrument: None });
    stage.pass(5);
    let late = stage.resting(10, 100);
    let ended = stage
        .rig
        .engine
        .state()
        .orders
        .iter()
        .next()
        .map(|one| one.client_order_id);
    stage.push(stage.shown(ended.unwrap(), VenueOrderState::Cancelled, 0));
    stage.ask(0, Request::CancelAll { instrument: None });
    stage.pass(3_000);
    assert!(
        stage.sent.iter().any(|intent| {
            intent.client_order_id == late && intent.command == CommandKind::Cancel
        })
    );
}

#[test]
fn a_cancel_all_of_one_instrument_or_strategy_leaves_the_others() {
    let mut stage = Stage::live();
    let mine = stage.resting(10, 100);
    let other_instrument = stage.place(0, order(1, Side::Buy, 10, 100));
    let other_strategy = stage.place(1, order(0, Side::Buy, 10, 100));
    stage.ask(
        0,
        Request::CancelAll {
            instrument: Some(InstrumentId(0)),
        },
    );
    stage.pass(1);
    let last = *stage.sent.last().unwrap();
    assert_eq!(
        (last.client_order_id, last.command),
        (mine, CommandKind::Cancel)
    );
    assert_eq!(cancels(&stage), 1);
    stage.ask(0, Request::CancelAll { instrument: None });
    stage.pass(1);
    assert_eq!(stage.sent.last().unwrap().client_order_id, other_instrument);
    stage.feed(&Input::Control(Control::CancelAll));
    stage.pass(1);
    assert_eq!(stage.sent.last().unwrap().client_order_id, other_strategy);
    let unknown = stage.ask(
        0,
        Request::CancelAll {
            instrument: Some(InstrumentId(9)),
        },
    );
    assert_eq!(
        refusal(&unknown),
        Some((RejectReason::UnknownInstrument, 0, 0))
    );
}

#[test]
fn a_lost_strategys_orders_stay_or_are_cancelled_as_its_policy_says() {
    let mut stage = Stage::live();
    let kept = stage.resting(10, 100);
    let cancelled = stage.place(1, order(0, Side::Buy, 10, 100));
    for strategy in [0, 1] {
        let strategy = StrategyId(strategy);
        let generation = stage.rig.engine.state().strategies[0].generation;
        let reason = LossReason::HungUp;
        let stale = Input::StrategyLost {
            strategy,
            generation: generation + 1,
            reason,
        };
        assert_eq!(
            stage.feed(&stale),
            [],
            "an attachment that is not the present one"
        );
        stage.feed(&Input::StrategyLost {
            strategy,
            generation,
            reason,
        });
    }
    stage.pass(1);
    assert_eq!(cancels(&stage), 1);
    assert_eq!(stage.sent.last().unwrap().client_order_id, cancelled);
    assert!(stage.order(kept).pending.iter().all(Option::is_none));
}

#[test]
fn a_cancel_all_waits_for_a_venue_that_is_down() {
    let mut stage = Stage::live();
    let id = stage.resting(10, 100);
    stage.link_down(0);
    stage.pass(1);
    stage.feed(&Input::Control(Control::CancelAll));
    stage.pass(5_000);
    assert_eq!(
        cancels(&stage),
        0,
        "no cancel is spent on a connection that is not there"
    );
    let entries = stage.rig.sequence();
    stage.pass(10_000);
    assert!(
        stage.rig.sequence() - entries < 100,
        "and waiting does not fill the journal"
    );
    stage.link_up(0);
    stage.pass(1_000);
    assert_eq!(stage.sent.last().unwrap().client_order_id, id);
    assert_eq!(cancels(&stage), 1);
}

#[test]
fn acts_wait_for_each_other_without_end_or_panic() {
    let mut config = config::config();
    // A venue that lets no cancel go: the act can never be done.
    for rule in &mut config.venues[0].rates {
        if rule.counts_cancel {
            rule.messages = 0;
        }
    }
    let mut stage = Stage::live_with(&config);
    let id = stage.resting(10, 100);
    stage.feed(&Input::Control(Control::CancelAll));
    for _ in 0..150 {
        stage.pass(3_000);
        stage.sweep(0, true);
        stage.sweep(1, true);
        stage.ask(
            0,
            Request::CancelAll {
                instrument: Some(InstrumentId(1)),
            },
        );
    }
    assert!(
        stage.order(id).asks > 0,
        "the sweep's act went on beside the one that waits"
    );
    assert!(stage.rig.engine.state().tasks.len() < 8);
    stage.link_down(1);
    stage.pass(100);
    assert_eq!(stage.rig.engine.state().venues[1].state, VenueState::Down);
}

#[test]
fn more_acts_than_there_is_room_for_are_refused_and_never_a_panic() {
    let mut config = config::config();
    for number in 3..200 {
        config.instruments.push(config::instrument(number, 0));
    }
    for rule in &mut config.venues[0].rates {
        rule.messages = if rule.counts_cancel { 0 } else { 1_000 };
    }
    let mut stage = Stage::live_with(&config);
    let mut refused = 0;
    for number in 0..200 {
        let instrument = Some(InstrumentId(number));
        let answer = stage.ask(0, Request::CancelAll { instrument });
        refused += usize::from(
            refusal(&answer).is_some_and(|(reason, ..)| reason == RejectReason::RateLimit),
        );
    }
    assert!(refused > 0);
    stage.link_down(0);
    stage.recover();
    stage.pass(1);
}

#[test]
fn a_venue_opens_only_after_a_complete_sweep_and_closes_with_its_connection() {
    let mut stage = Stage::live();
    let state = |stage: &Stage| stage.rig.engine.state().venues[0].state;
    let buy = || Request::New(order(0, Side::Buy, 10, 100));
    let reason = |decisions: &[Decision]| refusal(decisions).map(|(reason, ..)| reason);
    stage.link_down(0);
    assert_eq!(reason(&stage.ask(0, buy())), Some(RejectReason::VenueDown));
    stage.link_up(0);
    assert_eq!(state(&stage), VenueState::Recovering);
    stage.sweep(0, false);
    assert_eq!(reason(&stage.ask(0, buy())), Some(RejectReason::Recovering));
    stage.pass(400);
    stage.sweep(0, true);
    assert_eq!(
        (state(&stage), reason(&stage.ask(0, buy()))),
        (VenueState::Live, None)
    );
}

#[test]
fn stopping_the_intake_refuses_what_is_new_and_lets_cancels_and_fills_go_on() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.feed(&Input::Control(Control::StopIntake));
    let reason = |decisions: &[Decision]| refusal(decisions).map(|(reason, ..)| reason);
    let new = stage.ask(0, Request::New(order(0, Side::Buy, 10, 100)));
    assert_eq!(reason(&new), Some(RejectReason::Stopping));
    assert_eq!(
        reason(&stage.replace(id, 60, 100)),
        Some(RejectReason::Stopping)
    );
    stage.push(stage.filled(id, "1", 20, 20));
    stage.cancel(id);
    assert_eq!(stage.last_kind(0), Kind::CancelSubmitted);
    assert_eq!(stage.position(), 20);
}

#[test]
fn a_cancel_that_never_left_may_be_asked_for_again() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.cancel(id);
    let intent_seq = stage.sent.last().unwrap().intent_seq;
    stage.feed(&Input::NotSent {
        intent_seq,
        reason: NotSentReason::TooOld,
    });
    stage.cancel(id);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    assert_eq!(stage.order(id).status, OrderStatus::Cancelled);
}
