//! The latches: what a kill refuses and cancels, how it ends, and what reduce-only lets through.

use crate::rig::config;
use crate::stage::{Stage, lost_id, order, refusal, venue_id};
use model::control::{Author, Control, ControlOrigin, ControlScope, Latch, LatchOrder};
use model::decision::VenueState;
use model::execution_report::{ReplyOutcome, VenueOrderState};
use model::input::{Admission, Input};
use model::recon_fact::FactSource;
use model::{
    ClientOrderId, CommandKind, Decision, InstrumentId, OrderIntent, OrderStatus, RejectReason,
    Request, Side, StrategyId, Text, UnixNs, VenueId,
};

fn set(stage: &mut Stage, latch: Latch, scope: ControlScope, close: bool) -> Vec<Decision> {
    let author = Author {
        origin: ControlOrigin::File,
        uid: 1_000,
        ordered_at: UnixNs(1),
        reason: Text::lossy(b"a story"),
    };
    stage.feed(&Input::Control(Control::SetLatch(LatchOrder {
        latch,
        scope,
        close,
        author,
    })))
}

fn kill(stage: &mut Stage, scope: ControlScope) {
    set(stage, Latch::Kill, scope, true);
}

fn reason(decisions: &[Decision]) -> Option<RejectReason> {
    refusal(decisions).map(|(reason, ..)| reason)
}

fn buy(stage: &mut Stage, strategy: u16, instrument: u32) -> Option<RejectReason> {
    let request = Request::New(order(instrument, Side::Buy, 10, 100));
    reason(&stage.ask(strategy, request))
}

fn cancels_of(stage: &Stage, id: ClientOrderId) -> usize {
    let intents = stage.sent.iter();
    let of = intents
        .filter(|intent| intent.client_order_id == id && intent.command == CommandKind::Cancel);
    of.count()
}

fn refuse_cancel(stage: &mut Stage, id: ClientOrderId) {
    let of = |intent: &&OrderIntent| {
        intent.client_order_id == id && intent.command == CommandKind::Cancel
    };
    let intent = *stage.sent.iter().rfind(of).expect("a cancel was sent");
    stage.reply_to(&intent, ReplyOutcome::Refused);
}

fn of_new_kind(stage: &Stage) -> usize {
    let intents = stage.sent.iter();
    intents
        .filter(|intent| intent.command != CommandKind::Cancel)
        .count()
}

// covers: P8 BF4
#[test]
fn under_a_kill_nothing_new_is_started_and_everything_open_is_cancelled() {
    let mut stage = Stage::live();
    let resting = stage.resting(50, 100);
    let unanswered = stage.buy(10, 100);
    let lost = stage.place(1, order(2, Side::Buy, 10, 100));
    stage.pass(500);
    assert!(stage.order(lost).is_unknown());
    let started = of_new_kind(&stage);
    kill(&mut stage, ControlScope::All);
    assert_eq!(buy(&mut stage, 0, 0), Some(RejectReason::Killed));
    assert_eq!(
        reason(&stage.replace(resting, 60, 100)),
        Some(RejectReason::Killed)
    );
    stage.pass(1);
    for id in [resting, unanswered, lost] {
        assert_eq!(cancels_of(&stage, id), 1, "{id}");
    }
    stage.pass(2_000);
    assert_eq!(of_new_kind(&stage), started);
    stage.push(stage.filled(resting, "1", 20, 20));
    assert_eq!(stage.position(), 20, "fills go on");
    stage.push(stage.shown(resting, VenueOrderState::Cancelled, 20));
    assert_eq!(stage.order(resting).status, OrderStatus::Cancelled);
}

// covers: P8
#[test]
fn a_killed_request_is_told_so_even_when_there_is_no_room_for_it() {
    let mut stage = Stage::live();
    kill(&mut stage, ControlScope::All);
    let mut input = stage.request_input(0, Request::New(order(0, Side::Buy, 10, 100)));
    input.admission = Admission::Refused(RejectReason::JournalLow);
    let answer = stage.feed(&Input::Request(input));
    assert_eq!(reason(&answer), Some(RejectReason::Killed));
}

// covers: P8 C09
#[test]
fn a_kill_outlives_every_restart_until_it_is_opened_and_goes_on_cancelling() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    kill(&mut stage, ControlScope::All);
    for _ in 0..3 {
        stage.restart();
        assert_eq!(buy(&mut stage, 0, 0), Some(RejectReason::Killed));
    }
    stage.pass(10);
    assert!(cancels_of(&stage, id) >= 1);
    assert_eq!(
        stage.rig.engine.state().venue_state(VenueId(0)),
        Some(VenueState::Halted)
    );
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    set(&mut stage, Latch::Kill, ControlScope::All, false);
    assert_eq!(
        stage.rig.engine.state().venue_state(VenueId(0)),
        Some(VenueState::Live)
    );
    assert_eq!(buy(&mut stage, 0, 0), None);
}

// covers: P8
#[test]
fn an_order_whose_cancel_had_no_effect_is_cancelled_again_after_every_other() {
    let mut config = config::config();
    for rule in &mut config.venues[0].rates {
        rule.messages = if rule.counts_cancel { 2 } else { 1_000 };
    }
    let mut stage = Stage::live_with(&config);
    let ids: Vec<_> = (0..6).map(|_| stage.resting(10, 100)).collect();
    kill(&mut stage, ControlScope::All);
    for step in 0..40 {
        stage.pass(100);
        // The venue refuses every cancel, but the orders are alive.
        for id in &ids {
            if stage.order(*id).pending_of(CommandKind::Cancel).is_some() {
                refuse_cancel(&mut stage, *id);
            }
        }
        let counts: Vec<_> = ids.iter().map(|id| cancels_of(&stage, *id)).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "step {step}: {counts:?}");
    }
    assert!(ids.iter().all(|id| cancels_of(&stage, *id) >= 1));
    let tasks = &stage.rig.engine.state().tasks;
    assert_eq!(tasks.len(), 1, "one act under a latch: {tasks:?}");
}

// covers: P8
#[test]
fn an_order_that_turns_out_to_be_alive_after_its_cancel_was_refused_is_cancelled_again() {
    let mut stage = Stage::live();
    let id = stage.buy(10, 100);
    kill(&mut stage, ControlScope::All);
    stage.pass(1);
    // "No such order", because the new one is still on its way; then it arrives.
    refuse_cancel(&mut stage, id);
    stage.pass(10);
    stage.push(stage.shown(id, VenueOrderState::Live, 0));
    stage.pass(1_100);
    assert_eq!(cancels_of(&stage, id), 2);
    stage.push(stage.shown(id, VenueOrderState::Cancelled, 0));
    stage.pass(20_000);
    assert_eq!(stage.rig.engine.state().tasks.len(), 0, "then it is over");
}

// covers: P8
#[test]
fn an_order_that_no_journal_knows_is_cancelled_too_when_it_shows_up_under_a_kill() {
    let mut stage = Stage::live();
    let known = stage.resting(10, 100);
    let mut update = stage.shown(known, VenueOrderState::Live, 0);
    stage.push(stage.shown(known, VenueOrderState::Cancelled, 0));
    kill(&mut stage, ControlScope::All);
    stage.pass(10);
    assert_eq!(stage.rig.engine.state().tasks.len(), 0);
    let lost = lost_id(7);
    update.client_order_id = Some(lost);
    update.venue_order_id = venue_id(lost);
    stage.seen(update, FactSource::OpenOrders);
    stage.pass(10);
    assert_eq!(cancels_of(&stage, lost), 1);
}

// covers: BF4
#[test]
fn a_kill_over_a_venue_an_instrument_or_a_strategy_leaves_the_others_alone() {
    let cases = [
        (ControlScope::Venue(VenueId(1)), (0, 2)),
        (ControlScope::Instrument(InstrumentId(1)), (0, 1)),
        (ControlScope::Strategy(StrategyId(1)), (1, 0)),
    ];
    for (scope, (strategy, instrument)) in cases {
        let mut stage = Stage::live();
        let other = stage.place(0, order(0, Side::Buy, 10, 100));
        let meant = stage.place(strategy, order(instrument, Side::Buy, 10, 100));
        kill(&mut stage, scope);
        stage.pass(1);
        assert_eq!(cancels_of(&stage, meant), 1, "{scope}");
        assert_eq!(cancels_of(&stage, other), 0, "{scope}");
        let killed = buy(&mut stage, strategy, instrument);
        assert_eq!(killed, Some(RejectReason::Killed), "{scope}");
        assert_eq!(buy(&mut stage, 0, 0), None, "{scope}");
        set(&mut stage, Latch::Kill, scope, false);
        assert_eq!(buy(&mut stage, strategy, instrument), None, "{scope}");
    }
}

// covers: BF4
#[test]
fn opening_one_latch_opens_no_other() {
    let mut stage = Stage::live();
    kill(&mut stage, ControlScope::All);
    kill(&mut stage, ControlScope::Strategy(StrategyId(1)));
    set(&mut stage, Latch::Kill, ControlScope::All, false);
    assert_eq!(buy(&mut stage, 1, 0), Some(RejectReason::Killed));
    assert_eq!(buy(&mut stage, 0, 0), None);
    let waiting = of_new_kind(&stage);
    stage.pass(10_000);
    assert_eq!(of_new_kind(&stage), waiting);
}

// covers: BF4
#[test]
fn under_reduce_only_a_position_can_shrink_and_nothing_else() {
    let mut stage = Stage::live();
    let filled = stage.resting(50, 100);
    stage.push(stage.filled(filled, "1", 50, 50));
    let resting = stage.resting(30, 100);
    set(&mut stage, Latch::ReduceOnly, ControlScope::All, true);
    assert_eq!(buy(&mut stage, 0, 0), Some(RejectReason::RiskReduceOnly));
    let mut sell = |quantity| {
        let request = Request::New(order(0, Side::Sell, quantity, 100));
        refusal(&stage.ask(0, request))
    };
    assert_eq!(sell(60), Some((RejectReason::RiskReduceOnly, 50, 60)));
    assert_eq!(sell(40), None);
    assert_eq!(sell(20), Some((RejectReason::RiskReduceOnly, 10, 20)));
    assert_eq!(
        reason(&stage.replace(resting, 30, 105)),
        Some(RejectReason::RiskReduceOnly)
    );
    assert_eq!(reason(&stage.replace(resting, 20, 100)), None);
    stage.cancel(resting);
    set(&mut stage, Latch::ReduceOnly, ControlScope::All, false);
    assert_eq!(buy(&mut stage, 0, 0), None);
}
