//! New terms: confirmed, refused, crossed with a fill, or made by the venue itself.

use crate::rig::started;
use crate::stage::{Stage, refusal};
use model::execution_report::{ReplyOutcome, VenueOrderState};
use model::order_event::OrderEventKind as Kind;
use model::recon_fact::FactSource;
use model::{OrderStatus, Price, Quantity, RejectReason};

fn terms(stage: &Stage, id: model::ClientOrderId) -> (i64, i64) {
    let order = stage.order(id);
    (order.order_quantity.units(), order.limit_price.units())
}

// covers: V11
#[test]
fn new_terms_count_at_their_worst_until_confirmed_and_hold_only_then() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.replace(id, 80, 105);
    assert_eq!((terms(&stage, id), stage.open_buys()), ((50, 100), 80));
    stage.reply(ReplyOutcome::Accepted);
    assert_eq!((terms(&stage, id), stage.open_buys()), ((50, 100), 80));
    stage.replaced(id, true);
    assert_eq!((terms(&stage, id), stage.open_buys()), ((80, 105), 80));
    assert_eq!(stage.last_kind(0), Kind::OrderReplaced);
    stage.replace(id, 30, 105);
    assert_eq!(
        stage.open_buys(),
        80,
        "less is only less when the venue says so"
    );
    stage.replaced(id, true);
    assert_eq!((terms(&stage, id), stage.open_buys()), ((30, 105), 30));
}

// covers: V11
#[test]
fn refused_terms_leave_the_old_ones() {
    for by_reply in [true, false] {
        let mut stage = Stage::live();
        let id = stage.resting(50, 100);
        stage.replace(id, 80, 105);
        if by_reply {
            stage.reply(ReplyOutcome::Refused);
        } else {
            stage.replaced(id, false);
        }
        assert_eq!((terms(&stage, id), stage.open_buys()), ((50, 100), 50));
        assert_eq!(stage.last_kind(0), Kind::ReplaceRejected);
    }
}

// covers: V11
#[test]
fn terms_that_cross_a_fill_never_leave_more_open_than_intended() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.replace(id, 20, 100);
    stage.push(stage.filled(id, "1", 30, 30));
    assert_eq!((stage.position(), stage.open_buys()), (30, 20));
    // The venue takes a total below what is filled for "done".
    let mut done = stage.shown(id, VenueOrderState::Filled, 30);
    done.order_quantity = Quantity::from_units(30);
    done.replace = Some(model::execution_report::ReplaceResult {
        command_seq: 2,
        applied: true,
    });
    stage.push(done);
    assert_eq!(stage.order(id).status, OrderStatus::Filled);
    assert_eq!((stage.position(), stage.open_buys()), (30, 0));
}

#[test]
fn the_venue_may_change_terms_by_itself_and_an_older_push_does_not_undo_it() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let older = stage.shown(id, VenueOrderState::Live, 0);
    stage.pass(10);
    let mut newer = stage.shown(id, VenueOrderState::Live, 0);
    newer.order_quantity = Quantity::from_units(40);
    newer.limit_price = Price::from_units(95);
    stage.push(newer);
    assert_eq!(terms(&stage, id), (40, 95));
    stage.push(older);
    assert_eq!(terms(&stage, id), (40, 95));
}

#[test]
fn terms_that_a_look_up_confirmed_are_not_undone_by_a_push_from_before() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let mut before = stage.shown(id, VenueOrderState::Live, 0);
    before.venue_time.0 += 1_000;
    stage.pass(1);
    stage.replace(id, 80, 100);
    stage.pass(500);
    assert!(stage.order(id).is_unknown());
    let mut seen = stage.shown(id, VenueOrderState::Live, 0);
    seen.order_quantity = Quantity::from_units(80);
    stage.seen(seen, FactSource::OpenOrders);
    stage.looked_up(id, true);
    assert_eq!(terms(&stage, id), (80, 100));
    stage.push(before);
    assert_eq!((terms(&stage, id), stage.open_buys()), ((80, 100), 80));
}

// covers: V11
#[test]
fn a_late_answer_to_an_older_replace_does_not_undo_a_newer_one() {
    for by_list in [false, true] {
        let mut stage = Stage::live();
        let id = stage.resting(50, 100);
        stage.replace(id, 20, 100);
        let mut older = stage.shown(id, VenueOrderState::Live, 0);
        older.order_quantity = Quantity::from_units(20);
        stage.pass(10);
        stage.replace(id, 90, 100);
        stage.replaced(id, true);
        assert_eq!((terms(&stage, id), stage.open_buys()), ((90, 100), 90));
        if by_list {
            stage.pass(400);
            stage.seen(older, FactSource::OpenOrders);
            stage.looked_up(id, true);
        } else {
            let applied = true;
            let command_seq = 2;
            let result = model::execution_report::ReplaceResult {
                command_seq,
                applied,
            };
            older.replace = Some(result);
            stage.push(older);
        }
        assert!(stage.order(id).pending.iter().all(Option::is_none));
        assert_eq!((terms(&stage, id), stage.open_buys()), ((90, 100), 90));
    }
}

#[test]
fn unknown_terms_are_given_up_only_by_a_list_read_after_their_window() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.replace(id, 80, 100);
    for wait in [400, 300, 300, 300, 150] {
        stage.pass(wait);
        stage.seen(
            stage.shown(id, VenueOrderState::Live, 0),
            FactSource::OpenOrders,
        );
        stage.looked_up(id, true);
        assert_eq!(stage.open_buys(), 80, "the venue may still act on it");
        assert_eq!(
            stage.order(id).asks_in_vain,
            0,
            "asked too early is not asked in vain"
        );
    }
    stage.pass(300);
    stage.seen(
        stage.shown(id, VenueOrderState::Live, 0),
        FactSource::OpenOrders,
    );
    stage.looked_up(id, true);
    assert_eq!((terms(&stage, id), stage.open_buys()), ((50, 100), 50));
    assert_eq!(stage.last_kind(0), Kind::ReplaceRejected);
}

#[test]
fn a_list_from_before_the_asking_settles_nothing() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.cancel(id);
    stage.pass(400);
    let before = stage.rig.sequence();
    stage.pass(2_000);
    stage.looked_up(id, false);
    stage.pass(300);
    let update = stage.shown(id, VenueOrderState::Live, 0);
    let source = FactSource::OpenOrders;
    let seen = model::recon_fact::OrderSeen {
        asked_at_seq: before - 1,
        source,
        update,
    };
    stage.fact(model::ReconFact::OrderSeen(seen));
    stage.looked_up(id, true);
    assert!(stage.order(id).is_unknown());
    assert_eq!(stage.order(id).asks_in_vain, 1);
}

#[test]
fn terms_that_change_nothing_fall_below_the_filled_or_come_too_many_are_refused() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    let reason = |decisions: &[model::Decision]| refusal(decisions).map(|(reason, ..)| reason);
    let same = stage.replace(id, 50, 100);
    assert_eq!(reason(&same), Some(RejectReason::NothingToChange));
    stage.push(stage.filled(id, "1", 20, 20));
    let below = stage.replace(id, 20, 100);
    assert_eq!(reason(&below), Some(RejectReason::InvalidStateTransition));
    for quantity in [60, 70, 80, 90] {
        assert!(
            stage
                .replace(id, quantity, 100)
                .iter()
                .any(|one| started(one).is_some())
        );
    }
    let fifth = stage.replace(id, 100, 100);
    assert_eq!(reason(&fifth), Some(RejectReason::PendingFull));
    assert_eq!(stage.open_buys(), 70);
}

#[test]
fn an_order_that_has_had_its_65_535_commands_can_be_changed_no_more_and_cancelled_to_the_last() {
    let mut config = crate::rig::config::config();
    config.venues[0].rates.clear();
    let mut stage = Stage::live_with(&config);
    stage.rig.compare_each = 10_000;
    let id = stage.resting(50, 100);
    let mut refused = None;
    for turn in 0..66_000_u32 {
        let quantity = if turn % 2 == 0 { 60 } else { 50 };
        refused = refusal(&stage.replace(id, quantity, 100));
        if refused.is_some() {
            break;
        }
        stage.replaced(id, true);
    }
    assert_eq!(
        refused.map(|(reason, ..)| reason),
        Some(RejectReason::InvalidStateTransition)
    );
    for _ in 0..300 {
        let cancel = stage.cancel(id);
        if refusal(&cancel).is_some() {
            return;
        }
        stage.reply(ReplyOutcome::Refused);
    }
    panic!("cancels came without end");
}
