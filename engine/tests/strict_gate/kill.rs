//! A kill in a turn: read before everything else, and heard by what waits for the disk.

use crate::paper_ports::Paper;
use model::control::{Author, Control, ControlOrigin, ControlScope, Latch, LatchOrder};
use model::input::NotSentReason;
use model::{CommandKind, RejectReason, StrategyId, Text, UnixNs};

fn kill(paper: &mut Paper, scope: ControlScope) {
    let author = Author {
        origin: ControlOrigin::Signal,
        uid: 0,
        ordered_at: UnixNs(0),
        reason: Text::EMPTY,
    };
    let order = LatchOrder {
        latch: Latch::Kill,
        scope,
        close: true,
        author,
    };
    paper
        .turn
        .messages
        .controls
        .push_back(Control::SetLatch(order));
}

// covers: P8
#[test]
fn a_kill_gives_back_every_new_order_and_replace_that_waits_for_the_disk() {
    let mut paper = Paper::live(8);
    let resting = paper.buy(0);
    paper.run();
    paper.turn.journal.sync();
    paper.run();
    let id = paper.order_of(resting);
    paper.replace(resting, 105);
    paper.buy(0);
    paper.buy(2);
    paper.run();
    kill(&mut paper, ControlScope::All);
    paper.run();
    let given_back = paper.given_back();
    assert_eq!(given_back.len(), 3);
    assert!(
        given_back
            .iter()
            .all(|(_, reason)| *reason == NotSentReason::Killed),
        "{given_back:?}"
    );
    paper.turn.journal.sync();
    for _ in 0..5 {
        paper.pass_ms(50);
        paper.run();
    }
    assert_eq!(
        paper.sent(),
        [(CommandKind::New, id), (CommandKind::Cancel, id)]
    );
    assert_eq!(paper.turn.venues.withdrawals, 1);
    paper.decides_again();
}

// covers: P8
#[test]
fn a_request_of_the_same_turn_comes_after_the_kill() {
    let mut paper = Paper::live(8);
    let request = paper.buy(0);
    kill(&mut paper, ControlScope::All);
    paper.run();
    assert_eq!(paper.refusal(request), Some(RejectReason::Killed));
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(paper.sent(), []);
}

// covers: P8 BF4
#[test]
fn a_kill_of_another_strategy_leaves_what_waits_alone() {
    let mut paper = Paper::live(8);
    paper.buy(0);
    paper.run();
    kill(&mut paper, ControlScope::Strategy(StrategyId(1)));
    paper.run();
    assert_eq!(paper.given_back(), []);
    paper.turn.journal.sync();
    paper.run();
    assert_eq!(paper.sent().len(), 1);
}
