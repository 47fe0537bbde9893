//! What waits, what overtakes, and what comes back.

use crate::paper_ports::Paper;
use model::input::{LinkState, NotSentReason};
use model::order_event::OrderEventKind;
use model::{CommandKind, MonotonicNs, OrderStatus, RejectReason};

// covers: P11
#[test]
fn new_order_waits_for_its_sync_and_is_sent_in_the_turn_after_it() {
    let mut paper = Paper::live(8);
    paper.buy(0);
    paper.run();
    assert_eq!(paper.sent(), []);
    assert_eq!(
        paper.turn.newest_parked(),
        paper.turn.journal.entries.len() as u64,
        "the journal is told what to sync"
    );
    paper.pass_ms(1);
    paper.run();
    assert_eq!(paper.sent(), []);
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(paper.sent().len(), 1);
    assert_eq!(paper.turn.newest_parked(), 0);
    paper.decides_again();
}

// covers: HP4
#[test]
fn an_order_that_waited_keeps_the_stamps_of_its_entry_and_says_when_it_was_let_go() {
    let mut paper = Paper::live(8);
    paper.buy(0);
    paper.run();
    paper.buy(1);
    paper.turn.journal.sync();
    paper.run();
    paper.turn.journal.sync();
    paper.run();
    let [(first, first_sent_at), (second, _)] = paper.turn.venues.stamps[..] else {
        panic!("two orders were sent");
    };
    let way = [
        first.taken_at,
        first.decided_at,
        first.committed_at,
        first.released_at,
        first_sent_at,
    ];
    assert!(way.is_sorted() && way[0] > MonotonicNs(0), "{way:?}");
    // The second was taken in the turn that let the first one go.
    assert!(second.taken_at > first.released_at);
}

#[test]
fn orders_of_one_venue_leave_in_their_order_and_a_half_synced_queue_leaves_half() {
    let mut paper = Paper::live(8);
    let first = paper.buy(0);
    paper.run();
    let synced = paper.turn.journal.entries.len() as u64;
    let (second, elsewhere) = (paper.buy(1), paper.buy(2));
    paper.run();
    paper.turn.journal.synced = synced;
    paper.run();
    let [one, two, three] = [first, second, elsewhere].map(|request| paper.order_of(request));
    assert_eq!(paper.sent(), [(CommandKind::New, one)]);
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(
        paper.sent()[1..],
        [(CommandKind::New, two), (CommandKind::New, three)]
    );
}

#[test]
fn replace_waits_behind_its_sync_and_a_cancel_of_the_order_takes_it_out_and_goes_at_once() {
    let mut paper = Paper::live(8);
    let order = paper.buy(0);
    paper.run();
    paper.turn.journal.sync();
    paper.run();
    let id = paper.order_of(order);
    paper.replace(order, 105);
    paper.run();
    assert_eq!(paper.sent(), [(CommandKind::New, id)]);
    paper.cancel(order);
    paper.run();
    assert_eq!(
        paper.sent(),
        [(CommandKind::New, id), (CommandKind::Cancel, id)],
        "a cancel overtakes"
    );
    assert_eq!(paper.given_back().len(), 1);
    assert_eq!(paper.given_back()[0].1, NotSentReason::Withdrawn);
    let open = paper.turn.engine().state().orders.get(id).copied().unwrap();
    assert!(
        open.is_open(),
        "the replace is gone and the order unchanged"
    );
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(paper.sent().len(), 2, "the replace is never sent");
    paper.decides_again();
}

#[test]
fn cancel_of_an_order_that_waits_drops_both_and_the_order_was_never_sent() {
    let mut paper = Paper::live(8);
    let (order, other) = (paper.buy(0), paper.buy(0));
    paper.run();
    let (id, other_id) = (paper.order_of(order), paper.order_of(other));
    paper.cancel(order);
    paper.run();
    assert_eq!(paper.sent(), []);
    let state = paper.turn.engine().state();
    assert_eq!(state.orders.get(id).unwrap().status, OrderStatus::Failed);
    assert!(paper.told(order).contains(&OrderEventKind::OrderFailed));
    assert_eq!(paper.given_back().len(), 1);
    assert_eq!(paper.given_back()[0].1, NotSentReason::Withdrawn);
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(paper.sent(), [(CommandKind::New, other_id)]);
    assert_eq!(paper.turn.engine().state().orders.open_count(), 1);
    paper.decides_again();
}

#[test]
fn order_that_grew_too_old_while_it_waited_is_not_sent_even_when_its_sync_comes() {
    let mut paper = Paper::live(8);
    let order = paper.buy(0);
    paper.run();
    // The engine takes requests of at most 200 ms here.
    paper.pass_ms(201);
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(paper.sent(), []);
    assert_eq!(paper.given_back()[0].1, NotSentReason::TooOld);
    assert!(paper.told(order).contains(&OrderEventKind::OrderFailed));
    paper.decides_again();
}

#[test]
fn order_whose_disk_never_answers_comes_back_when_it_is_too_old() {
    let mut paper = Paper::live(8);
    paper.buy(0);
    paper.run();
    paper.pass_ms(200);
    paper.run();
    assert_eq!(paper.given_back(), []);
    paper.pass_ms(1);
    paper.run();
    assert_eq!(paper.given_back().len(), 1);
    assert_eq!(paper.turn.newest_parked(), 0);
}

#[test]
fn connection_that_goes_gives_back_what_waits_for_it_and_nothing_of_another_venue() {
    let mut paper = Paper::live(8);
    let (here, there) = (paper.buy(0), paper.buy(2));
    paper.run();
    paper.link(0, LinkState::Down);
    paper.link(0, LinkState::Up);
    paper.turn.journal.sync();
    paper.run();
    let there = paper.order_of(there);
    assert_eq!(paper.sent(), [(CommandKind::New, there)]);
    assert_eq!(paper.given_back()[0].1, NotSentReason::LinkGone);
    assert!(paper.told(here).contains(&OrderEventKind::OrderFailed));
    assert!(
        !paper
            .turn
            .strategies
            .events
            .iter()
            .any(|event| event.unknown),
        "never sent"
    );
    paper.decides_again();
}

#[test]
fn full_parking_refuses_new_orders_by_its_code_and_takes_cancels() {
    let mut paper = Paper::live(2);
    let (first, _second, third) = (paper.buy(0), paper.buy(0), paper.buy(0));
    paper.run();
    assert_eq!(paper.refusal(third), Some(RejectReason::SyncBacklog));
    let replace = paper.replace(first, 105);
    paper.run();
    assert_eq!(paper.refusal(replace), Some(RejectReason::SyncBacklog));
    let cancel = paper.cancel(first);
    paper.run();
    assert_eq!(paper.refusal(cancel), None);
    let fourth = paper.buy(0);
    paper.run();
    assert_eq!(paper.refusal(fourth), None, "the cancel made room");
    paper.decides_again();
}

#[test]
fn busy_connection_keeps_what_waits_until_it_has_room() {
    let mut paper = Paper::live(8);
    paper.buy(0);
    paper.run();
    paper.turn.journal.sync();
    paper.turn.venues.busy = true;
    paper.run();
    assert_eq!((paper.sent(), paper.given_back()), (vec![], vec![]));
    paper.turn.venues.busy = false;
    paper.run();
    assert_eq!(paper.sent().len(), 1);
}

// covers: D07
#[test]
fn failed_sync_gives_back_what_waits_refuses_what_is_new_and_lets_cancels_go() {
    let mut paper = Paper::live(8);
    let resting = paper.buy(0);
    paper.run();
    paper.turn.journal.sync();
    paper.run();
    let waiting = paper.buy(0);
    paper.run();
    paper.turn.journal.has_failed = true;
    let refused = paper.buy(0);
    let cancel = paper.cancel(resting);
    paper.run();
    assert_eq!(paper.given_back()[0].1, NotSentReason::JournalFailed);
    assert!(paper.told(waiting).contains(&OrderEventKind::OrderFailed));
    assert_eq!(paper.refusal(refused), Some(RejectReason::JournalFailed));
    assert_eq!(paper.refusal(cancel), None);
    let commands: Vec<_> = paper.sent().iter().map(|(command, _)| *command).collect();
    assert_eq!(commands, [CommandKind::New, CommandKind::Cancel]);
    paper.decides_again();
}

// covers: D09
#[test]
fn late_disk_refuses_new_orders_by_its_code_until_it_caught_up() {
    let mut paper = Paper::live(8);
    paper.turn.journal.is_late = true;
    let refused = paper.buy(0);
    paper.run();
    assert_eq!(paper.refusal(refused), Some(RejectReason::LossWindow));
    paper.turn.journal.is_late = false;
    let taken = paper.buy(0);
    paper.run();
    assert_eq!(paper.refusal(taken), None);
}
