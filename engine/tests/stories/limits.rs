//! The limits: each refuses with its number, costs nothing, and no sequence of steps gets past one.

use crate::rig::config;
use crate::stage::{Stage, order, refusal};
use model::execution_report::{ReplyOutcome, VenueOrderState};
use model::input::Input;
use model::instrument::InstrumentState;
use model::order_event::OrderEventKind as Kind;
use model::{
    NewOrder, Notional, OrderType, Quantity, RejectReason as R, Request, Side, TimeInForce,
};
use proptest::prelude::*;

fn new(stage: &mut Stage, order: NewOrder) -> Option<(R, i128, i128)> {
    refusal(&stage.ask(0, Request::New(order)))
}

// covers: G06 G07
#[test]
fn every_limit_refuses_with_the_limit_and_the_value_that_broke_it() {
    let buy = |quantity, price| order(0, Side::Buy, quantity, price);
    let changed = |change: fn(&mut NewOrder)| {
        let mut changed = buy(10, 100);
        change(&mut changed);
        changed
    };
    let cases = [
        (buy(10, 101), (R::BadTick, 5, 101)),
        (buy(10, 0), (R::BadTick, 5, 0)),
        (buy(10, -5), (R::BadTick, 5, -5)),
        (buy(10, i64::MIN), (R::BadTick, 5, i64::MIN.into())),
        (buy(7, 100), (R::BadLot, 10, 7)),
        (buy(0, 100), (R::BadLot, 10, 0)),
        (buy(-10, 100), (R::BadLot, 10, -10)),
        (buy(1_010, 100), (R::RiskOrderQuantity, 1_000, 1_010)),
        (
            buy(9_223_372_036_854_775_800, 100),
            (R::RiskOrderQuantity, 1_000, 9_223_372_036_854_775_800),
        ),
        (
            buy(1_000, 20_005),
            (R::RiskOrderNotional, 60_000_000, 60_015_000),
        ),
        (
            order(0, Side::Sell, 1_000, 20_005),
            (R::RiskOrderNotional, 60_000_000, 60_015_000),
        ),
        (order(9, Side::Buy, 10, 100), (R::UnknownInstrument, 0, 0)),
        (
            changed(|order| order.order_type = OrderType::Market),
            (R::RiskNoReference, 0, 0),
        ),
        (
            changed(|order| {
                order.post_only = true;
                order.time_in_force = TimeInForce::ImmediateOrCancel;
            }),
            (R::BadRequest, 0, 0),
        ),
    ];
    for (order, expected) in cases {
        let mut stage = Stage::live();
        assert_eq!(new(&mut stage, order), Some(expected), "{order:?}");
        assert_eq!(stage.kinds(0), [Kind::RequestRefused]);
        assert_eq!((stage.open_buys(), stage.sent.len()), (0, 0));
    }
}

#[test]
fn a_value_that_128_bits_do_not_hold_is_an_overflow() {
    let mut config = config::config();
    let policy = &mut config.instruments[0];
    policy.order_quantity_max = Quantity::from_units(i64::MAX);
    policy.instrument.quantity_max = Quantity::from_units(i64::MAX);
    policy.instrument.multiplier_units = 1_000_000_000;
    policy.order_notional_max = Notional(i128::MAX);
    let mut stage = Stage::live_with(&config);
    let huge = i64::MAX - 7;
    assert_eq!(
        new(&mut stage, order(0, Side::Buy, huge, huge)),
        Some((R::Overflow, 0, 0))
    );
}

#[test]
fn a_smallest_order_and_the_instruments_state_are_kept() {
    let mut config = config::config();
    config.instruments[0].instrument.quantity_min = Quantity::from_units(20);
    config.instruments[1].instrument.state = InstrumentState::PostOnly;
    let mut stage = Stage::live_with(&config);
    assert_eq!(
        new(&mut stage, order(0, Side::Buy, 10, 100)),
        Some((R::BelowMinimum, 20, 10))
    );
    let mut resting = order(1, Side::Buy, 10, 100);
    assert_eq!(
        new(&mut stage, resting),
        Some((R::RiskInstrumentState, 0, 0))
    );
    resting.post_only = true;
    assert_eq!(new(&mut stage, resting), None);
    let id = stage.resting(20, 100);
    let mut suspended = config.instruments[0].instrument;
    suspended.state = InstrumentState::Suspended;
    stage.feed(&Input::InstrumentApplied(suspended));
    assert_eq!(
        refusal(&stage.replace(id, 40, 100)),
        Some((R::RiskInstrumentState, 0, 0))
    );
    stage.cancel(id);
    assert_eq!(stage.last_kind(0), Kind::CancelSubmitted);
}

#[test]
fn the_worst_case_position_counts_open_unknown_and_growing_orders_on_both_sides() {
    let mut stage = Stage::live();
    let first = stage.buy(1_000, 100);
    stage.pass(500);
    assert!(stage.order(first).is_unknown());
    let second = stage.resting(500, 100);
    assert_eq!(
        new(&mut stage, order(0, Side::Buy, 510, 100)),
        Some((R::RiskPosition, 2_000, 2_010))
    );
    assert_eq!(refusal(&stage.replace(second, 1_000, 100)), None);
    assert_eq!(
        new(&mut stage, order(0, Side::Buy, 10, 100)),
        Some((R::RiskPosition, 2_000, 2_010))
    );
    stage.place(0, order(0, Side::Sell, 1_000, 100));
    assert_eq!(
        new(&mut stage, order(0, Side::Sell, 510, 100)),
        Some((R::RiskPosition, 1_500, 1_510))
    );
    stage.push(stage.filled(second, "1", 500, 500));
    stage.place(0, order(0, Side::Sell, 1_000, 100));
}

#[test]
fn open_orders_of_instrument_and_strategy_are_counted_until_they_end() {
    let mut stage = Stage::live();
    let ids: Vec<_> = (0..16).map(|_| stage.buy(10, 100)).collect();
    assert_eq!(
        new(&mut stage, order(0, Side::Buy, 10, 100)),
        Some((R::RiskOpenCount, 16, 16))
    );
    for _ in 0..4 {
        stage.place(1, order(0, Side::Buy, 10, 100));
    }
    let other = stage.ask(2, Request::New(order(0, Side::Buy, 10, 100)));
    assert_eq!(refusal(&other), Some((R::RiskOpenCount, 20, 20)));
    let intent = stage.sent[0];
    assert_eq!(intent.client_order_id, ids[0]);
    stage.reply_to(&intent, ReplyOutcome::Refused);
    stage.place(0, order(0, Side::Buy, 10, 100));
}

#[test]
fn order_and_message_rates_are_refused_with_the_wait_that_helps() {
    let mut stage = Stage::live();
    for _ in 0..25 {
        let id = stage.resting(10, 100);
        stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    }
    assert_eq!(
        new(&mut stage, order(0, Side::Buy, 10, 100)),
        Some((R::RiskOrderRate, 25, 26))
    );
    for _ in 0..5 {
        stage.place(1, order(0, Side::Buy, 10, 100));
    }
    stage.pass(100);
    let other = stage.ask(1, Request::New(order(0, Side::Buy, 10, 100)));
    assert_eq!(refusal(&other), Some((R::RiskMessageRate, 0, 900_000_000)));
    stage.pass(900);
    stage.place(1, order(0, Side::Buy, 10, 100));
}

#[derive(Debug, Clone)]
enum Step {
    Place { buys: bool, lots: i64 },
    Replace { which: usize, lots: i64 },
    Cancel { which: usize },
    Fill { which: usize, lots: i64 },
    End { which: usize },
    Refuse { which: usize },
    Wait { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..12_usize;
    prop_oneof![
        6 => (any::<bool>(), 1..100_i64).prop_map(|(buys, lots)| Step::Place { buys, lots }),
        4 => (which.clone(), 1..100_i64).prop_map(|(which, lots)| Step::Replace { which, lots }),
        2 => which.clone().prop_map(|which| Step::Cancel { which }),
        4 => (which.clone(), 1..60_i64).prop_map(|(which, lots)| Step::Fill { which, lots }),
        2 => which.clone().prop_map(|which| Step::End { which }),
        2 => which.prop_map(|which| Step::Refuse { which }),
        3 => (1..900_u64).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ]
}

/// The order that a step means: one of the newest.
fn chosen(stage: &Stage, which: usize) -> Option<model::OrderIntent> {
    let news: Vec<_> = stage.sent.iter().rev().take(12).copied().collect();
    news.get(which).copied().filter(|intent| {
        stage
            .rig
            .engine
            .state()
            .orders
            .get(intent.client_order_id)
            .is_some()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    /// A venue that fills no more than was asked for cannot bring the position past its limits.
    // covers: G06
    #[test]
    fn no_sequence_brings_the_worst_case_past_the_limits(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut stage = Stage::live();
        let mut trade = 0;
        for step in steps {
            match step {
                Step::Place { buys, lots } => {
                    let side = if buys { Side::Buy } else { Side::Sell };
                    stage.ask(0, Request::New(order(0, side, lots * 10, 100)));
                }
                Step::Replace { which, lots } => if let Some(intent) = chosen(&stage, which) {
                    stage.replace(intent.client_order_id, lots * 10, 105);
                },
                Step::Cancel { which } => if let Some(intent) = chosen(&stage, which) {
                    stage.cancel(intent.client_order_id);
                },
                Step::Fill { which, lots } => if let Some(intent) = chosen(&stage, which) {
                    let id = intent.client_order_id;
                    let known = stage.order(id);
                    let cum = known.cum_quantity.units();
                    let quantity = (lots * 10).min(known.order_quantity.units() - cum);
                    if quantity > 0 && known.is_open() {
                        trade += 1;
                        stage.push(stage.filled(id, &trade.to_string(), quantity, cum + quantity));
                    }
                },
                Step::End { which } => if let Some(intent) = chosen(&stage, which) {
                    let id = intent.client_order_id;
                    let cum = stage.order(id).cum_quantity.units();
                    stage.push(stage.shown(id, VenueOrderState::Cancelled, cum));
                },
                Step::Refuse { which } => if let Some(intent) = chosen(&stage, which) {
                    stage.reply_to(&intent, ReplyOutcome::Refused);
                },
                Step::Wait { ms } => { stage.pass(ms); }
                Step::Restart => stage.restart(),
            }
            let exposure = stage.rig.engine.state().exposures[0];
            prop_assert!(exposure.position_units + exposure.open_buy_units <= 2_000);
            prop_assert!(exposure.open_sell_units - exposure.position_units <= 1_500);
            prop_assert!(exposure.open_orders <= 20);
        }
    }
}
