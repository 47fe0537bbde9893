//! A new run: what is asked again, what is kept, and which numbers go on.

use crate::rig::config;
use crate::stage::{Stage, alarms, order, refusal};
use model::decision::AlarmCode;
use model::execution_report::{ReplyOutcome, VenueOrderState};
use model::input::{Control, Input};
use model::recon_fact::FactSource;
use model::{ClientOrderId, CommandKind, Decision, OrderStatus, RejectReason, Request, Side};

#[test]
fn commands_in_flight_at_a_crash_are_unknown_and_asked_about() {
    let mut stage = Stage::live();
    let id = stage.buy(50, 100);
    let rests = stage.resting(20, 100);
    stage.rig.restart();
    stage.recover();
    assert_eq!(stage.open_buys(), 70);
    stage.pass(1);
    assert!(stage.order(id).is_unknown() && !stage.order(rests).is_unknown());
    assert_eq!((stage.order(id).asks, stage.order(rests).asks), (1, 0));
    stage.pass(1_800);
    stage.absent(id, FactSource::OpenOrders);
    stage.absent(id, FactSource::History);
    stage.looked_up(id, true);
    assert_eq!(stage.order(id).status, OrderStatus::Failed);
}

#[test]
fn an_unknown_command_and_a_missing_fill_are_asked_about_again_in_the_next_run() {
    let mut stage = Stage::live();
    let unknown = stage.buy(50, 100);
    let missing = stage.resting(50, 100);
    stage.push(stage.shown(missing, VenueOrderState::PartiallyFilled, 20));
    stage.pass(500);
    let asks = (stage.order(unknown).asks, stage.order(missing).asks);
    // A machine whose own clock starts again.
    stage.rig.restart();
    stage.now = model::MonotonicNs(2_000_000_000);
    stage.recover();
    stage.pass(0);
    assert_eq!(stage.order(unknown).asks, asks.0 + 1);
    assert_eq!(stage.order(missing).asks, asks.1 + 1);
}

// covers: G08
#[test]
fn ids_of_a_new_run_are_new_and_orders_of_the_old_keep_their_slots() {
    let mut stage = Stage::live();
    let before = stage.resting(10, 100);
    stage.restart();
    let after = stage.resting(10, 100);
    assert_ne!(before, after);
    assert_eq!((before.epoch() + 1, before.sequence()), (after.epoch(), 1));
    assert_eq!(after.sequence(), 2, "the slot of sequence 1 is taken");
    assert!(stage.order(before).is_open());
}

#[test]
fn the_order_rate_of_the_last_run_counts_in_the_next() {
    let mut stage = Stage::live();
    for _ in 0..15 {
        stage.buy(10, 100);
    }
    stage.pass(1_001);
    stage.restart();
    assert_eq!(stage.rig.engine.state().strategies[0].open_orders, 15);
}

#[test]
fn a_strategys_numbers_and_answers_survive() {
    let mut stage = Stage::live();
    let request = Request::New(order(0, Side::Buy, 10, 100));
    let input = stage.request_input(0, request);
    stage.feed(&Input::Request(input));
    let events = stage.kinds(0).len();
    stage.restart();
    let mut repeated = input;
    repeated.written_at = stage.now;
    stage.feed(&Input::Request(repeated));
    assert_eq!(
        stage.kinds(0).len(),
        events + 2,
        "unknown by the restart, then said again"
    );
    assert_eq!(
        stage
            .sent
            .iter()
            .filter(|one| one.command == CommandKind::New)
            .count(),
        1
    );
}

#[test]
fn a_cancel_all_under_way_at_a_crash_goes_on_in_the_next_run() {
    let mut stage = Stage::live();
    let id = stage.resting(10, 100);
    stage.ask(0, Request::CancelAll { instrument: None });
    stage.restart();
    stage.pass(1_000);
    let last = *stage.sent.last().unwrap();
    assert_eq!(
        (last.client_order_id, last.command),
        (id, CommandKind::Cancel)
    );
    stage.feed(&Input::Control(Control::CancelAll));
    assert_eq!(stage.rig.engine.state().tasks.len(), 1);
}

#[test]
fn a_late_report_of_an_order_that_left_the_store_is_an_alarm_and_books_nothing() {
    let mut config = config::config();
    config.order_capacity = 4;
    config.terminal_keep_ns = 1_000_000;
    let mut stage = Stage::live_with(&config);
    let first = stage.resting(10, 100);
    let live = stage.shown(first, VenueOrderState::Live, 0);
    let fill = stage.filled(first, "1", 10, 10);
    stage.push(fill);
    stage.pass(10);
    for round in 0..4 {
        let id = stage.buy(10, 100);
        stage.reply(ReplyOutcome::Refused);
        assert!(stage.order(id).status.is_terminal());
        stage.pass(10);
        if round == 1 {
            stage.restart();
        }
    }
    assert!(stage.rig.engine.state().orders.get(first).is_none());
    for update in [live, fill] {
        assert_eq!(alarms(&stage.push(update)), [AlarmCode::EvictedOrder]);
    }
    let seen = stage.fill_seen(first, "1", 10);
    assert_eq!(alarms(&seen), [AlarmCode::EvictedOrder]);
    assert_eq!(stage.position(), 10);
}

#[test]
fn a_store_whose_slots_are_all_open_orders_is_full_and_has_room_again_when_one_leaves() {
    let mut config = config::config();
    config.order_capacity = 4;
    config.terminal_keep_ns = 1_000_000;
    let mut stage = Stage::live_with(&config);
    let ids: Vec<_> = (0..4).map(|_| stage.resting(10, 100)).collect();
    let buy = || Request::New(order(0, Side::Buy, 10, 100));
    let reason = |stage: &mut Stage| refusal(&stage.ask(0, buy())).map(|(reason, ..)| reason);
    assert_eq!(reason(&mut stage), Some(RejectReason::StoreFull));
    stage.push(stage.shown(ids[2], VenueOrderState::Cancelled, 0));
    assert_eq!(
        reason(&mut stage),
        Some(RejectReason::StoreFull),
        "it is kept for a while"
    );
    stage.pass(1);
    assert_eq!(reason(&mut stage), None);
    assert!(stage.rig.engine.state().orders.get(ids[2]).is_none());
}

#[test]
fn a_long_run_of_open_orders_in_the_slots_does_not_close_the_store_behind_it() {
    let mut config = config::config();
    config.order_capacity = 4096;
    config.instruments[0].open_orders_max = 5_000;
    config.instruments[0].position_long_max = model::Quantity::from_units(1_000_000);
    config.strategies[0].open_orders_max = 5_000;
    config.strategies[0].orders_per_s_max = 5_000;
    config.venues[0].rates.clear();
    let mut stage = Stage::live_with(&config);
    stage.rig.compare_each = 500;
    for _ in 0..1_500 {
        stage.resting(10, 100);
    }
    stage.restart();
    let buy = || Request::New(order(0, Side::Buy, 10, 100));
    let refused = (0..3)
        .filter(|_| refusal(&stage.ask(0, buy())).is_some())
        .count();
    assert!(refused <= 1, "2,500 slots are free");
    stage.rig.compare_folded();
}

// covers: G08
#[test]
fn the_last_id_of_a_run_is_given_out_and_none_beyond_it() {
    let mut stage = Stage::live();
    let mut scratch = Stage::live();
    let first = scratch.buy(10, 100);
    let mut created: Vec<Decision> = scratch.said.iter().rev().take(2).rev().copied().collect();
    let tag = scratch.rig.engine.state().config.instance_tag;
    let epoch = scratch.rig.engine.state().epoch.unwrap();
    let near = ClientOrderId::new(tag, epoch, ClientOrderId::SEQUENCE_MAX - 1).unwrap();
    for decision in &mut created {
        if let Decision::Order(change) = decision {
            assert_eq!(change.client_order_id, first);
            change.client_order_id = near;
        }
    }
    stage.rig.fold_in(stage.now, &created);
    let last = stage.buy(10, 100);
    assert_eq!(last.sequence(), ClientOrderId::SEQUENCE_MAX);
    let buy = Request::New(order(0, Side::Buy, 10, 100));
    let refused = stage.ask(0, buy);
    assert_eq!(refusal(&refused), Some((RejectReason::IdsExhausted, 0, 0)));
    stage.restart();
    stage.buy(10, 100);
}

#[test]
fn a_changed_configuration_keeps_orders_and_forgets_no_message_that_was_sent() {
    let config = config::config();
    let mut stage = Stage::live_with(&config);
    let id = stage.resting(10, 100);
    for _ in 0..24 {
        stage.push(stage.shown(id, VenueOrderState::Live, 0));
        let next = stage.resting(10, 100);
        stage.push(stage.shown(next, VenueOrderState::Cancelled, 0));
    }
    let mut changed = config.clone();
    changed.version = 2;
    changed.order_capacity = 128;
    changed.strategies[0].orders_per_s_max = 40;
    changed.instruments[0].open_orders_max = 30;
    stage.feed(&Input::ConfigApplied(&changed));
    assert!(stage.order(id).is_open());
    let buy = || Request::New(order(0, Side::Buy, 10, 100));
    let refused = (0..15).filter_map(|_| refusal(&stage.ask(0, buy())));
    let refused: Vec<_> = refused.map(|(reason, ..)| reason).collect();
    assert_eq!(
        refused.len(),
        15,
        "25 went out: what the old limit forgot counts as sent"
    );
    stage.pass(1_000);
    stage.buy(10, 100);
    stage.rig.compare_folded();
}
