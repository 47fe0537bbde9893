//! What the venue states of positions against what we expect: baseline, breaks, healing, strangers.

use crate::rig::config;
use crate::stage::{Stage, lost_id, order, refusal, venue_id};
use model::decision::{AlarmCode, IgnoredReason, PositionStep, PositionStep as Step};
use model::execution_report::{VenueOrderState, VenueReport};
use model::order_request::OrderReference;
use model::recon_fact::{FillSeen, PositionSeen};
use model::{
    Decision, InstrumentId, MarginMode, PositionCells, PositionSide, PositionStated, ReconFact,
    RejectReason, Request, Side, VenueOrderId,
};

/// The first venue's settling time and a little, in milliseconds.
const SETTLE: u64 = 510;
/// After the list that confirms a difference.
const CONFIRM: u64 = 260;

impl Stage {
    /// A push states the net position of instrument 0.
    fn states(&mut self, units: i64) -> Vec<Decision> {
        self.states_cell(PositionSide::Net, units)
    }

    fn states_cell(&mut self, side: PositionSide, units: i64) -> Vec<Decision> {
        self.reports(&[VenueReport::Position(PositionStated {
            instrument: InstrumentId(0),
            side,
            margin: MarginMode::Cross,
            units,
            venue_time: self.unix(),
        })])
    }

    /// A whole list that is asked for now states it.
    fn lists(&mut self, units: i64) -> Vec<Decision> {
        let asked_at_seq = self.rig.sequence();
        self.lists_as_of(units, asked_at_seq)
    }

    fn lists_as_of(&mut self, units: i64, asked_at_seq: u64) -> Vec<Decision> {
        let net_cross = units;
        let seen = PositionSeen {
            asked_at_seq,
            instrument: InstrumentId(0),
            is_listed: units != 0,
            cells: PositionCells {
                net_cross,
                ..PositionCells::default()
            },
            as_of: self.unix(),
        };
        self.fact(ReconFact::PositionSeen(seen))
    }

    /// The difference stands, the venue is asked, and its list says the same again.
    fn confirms(&mut self, units: i64) -> Vec<Decision> {
        let mut said = self.pass(SETTLE);
        assert!(
            steps(&said).iter().any(|it| it.0 == Step::Asked),
            "{said:?}"
        );
        said.extend(self.lists(units));
        said.extend(self.pass(CONFIRM));
        said
    }

    /// An execution of somebody else's order at instrument 0, as the order's push tells it.
    fn stranger(&mut self, order: u32, trade: &str, quantity: i64) -> Vec<Decision> {
        let known = self.resting(10, 100);
        let mut update = self.filled(known, trade, quantity, quantity);
        update.client_order_id = None;
        update.venue_order_id = venue_id(lost_id(order));
        self.push(update)
    }
}

/// Every step with what the venue stated and what we expected.
fn steps(decisions: &[Decision]) -> Vec<(PositionStep, i128, i128)> {
    let step = |decision: &Decision| match decision {
        Decision::Position {
            step,
            stated_units,
            expected_units,
            ..
        } => Some((*step, *stated_units, *expected_units)),
        _ => None,
    };
    decisions.iter().filter_map(step).collect()
}

fn breaks(decisions: &[Decision]) -> usize {
    let alarm = Decision::Alarm {
        code: AlarmCode::ReconBreak,
        client_order_id: 0,
    };
    decisions.iter().filter(|it| **it == alarm).count()
}

/// A position of 70 was there before us.
fn stage() -> Stage {
    let mut stage = Stage::live();
    let said = stage.lists(70);
    assert_eq!(steps(&said), [(Step::Baseline, 70, 0)]);
    stage.pass(1);
    stage
}

// covers: V30
#[test]
fn what_was_there_before_us_is_where_we_start_and_our_executions_move_from_there() {
    for push_first in [false, true] {
        let mut stage = stage();
        let id = stage.resting(50, 100);
        let mut said = Vec::new();
        if push_first {
            said.extend(stage.states(90));
            said.extend(stage.push(stage.filled(id, "1", 20, 20)));
        } else {
            said.extend(stage.push(stage.filled(id, "1", 20, 20)));
            said.extend(stage.states(90));
        }
        said.extend(stage.pass(5_000));
        said.extend(stage.lists(90));
        said.extend(stage.pass(5_000));
        assert_eq!(steps(&said), []);
        let state = stage.rig.engine.state();
        assert_eq!(state.expected_units(InstrumentId(0)), 90);
        assert_eq!(stage.position(), 20, "ours alone");
    }
}

// covers: V30
#[test]
fn a_lasting_difference_is_announced_once_with_both_numbers_and_no_trade_is_invented() {
    let mut stage = stage();
    stage.pass(1_000);
    assert_eq!(stage.states(95), [], "a push alone proves nothing yet");
    let said = stage.confirms(95);
    assert_eq!(steps(&said), [(Step::Asked, 95, 70), (Step::Broke, 95, 70)]);
    assert_eq!(breaks(&said), 1);
    assert_eq!((stage.position(), stage.sent.len()), (0, 0));
    let mut said = Vec::new();
    for _ in 0..4 {
        said.extend(stage.states(95));
        said.extend(stage.lists(95));
        said.extend(stage.pass(3_000));
    }
    assert_eq!((steps(&said), breaks(&said)), (vec![], 0), "once");
    // Our own execution moves both numbers: it is still the same difference.
    let id = stage.resting(50, 100);
    let mut said = stage.push(stage.filled(id, "1", 20, 20));
    said.extend(stage.states(115));
    said.extend(stage.pass(3_000));
    assert_eq!(steps(&said), []);
    stage.states(120);
    let said = stage.confirms(120);
    assert_eq!(
        steps(&said)[1],
        (Step::Broke, 120, 90),
        "another difference"
    );
    assert_eq!(breaks(&said), 1);
}

// covers: V29
#[test]
fn a_list_that_was_asked_for_before_our_last_execution_is_not_compared() {
    let mut stage = stage();
    let id = stage.resting(50, 100);
    let asked_at_seq = stage.rig.sequence();
    stage.push(stage.filled(id, "1", 20, 20));
    stage.states(90);
    let mut said = stage.lists_as_of(70, asked_at_seq);
    said.extend(stage.pass(3_000));
    assert_eq!(steps(&said), []);
    // Nor does it confirm: the list must have been asked for after the difference was seen.
    stage.states(95);
    let before = stage.rig.sequence();
    stage.pass(SETTLE);
    let mut said = stage.lists_as_of(95, before);
    said.extend(stage.pass(3_000));
    assert_eq!(breaks(&said), 0);
}

// covers: V29
#[test]
fn a_push_that_comes_late_does_not_replace_a_newer_one() {
    let mut stage = stage();
    stage.pass(100);
    let late = VenueReport::Position(PositionStated {
        instrument: InstrumentId(0),
        side: PositionSide::Net,
        margin: MarginMode::Cross,
        units: 60,
        venue_time: stage.unix(),
    });
    stage.pass(10);
    stage.states(70);
    stage.reports(&[late]);
    let said = stage.pass(3_000);
    assert_eq!(steps(&said), []);
    assert_eq!(stage.rig.engine.state().positions[0].stated_units(), 70);
}

// covers: V30
#[test]
fn an_execution_whose_push_was_lost_comes_with_the_sweep_and_breaks_nothing() {
    let mut stage = stage();
    let id = stage.resting(50, 100);
    stage.states(90);
    let mut said = stage.pass(SETTLE);
    assert_eq!(steps(&said), [(Step::Asked, 90, 70)]);
    let asks = |it: &Decision| matches!(it, Decision::SweepStarted { .. });
    assert!(said.iter().any(asks), "{said:?}");
    said = stage.fill_seen(id, "1", 20);
    said.extend(stage.lists(90));
    said.extend(stage.pass(3_000));
    assert_eq!((steps(&said), breaks(&said)), (vec![], 0));
}

// covers: V30
#[test]
fn a_break_is_over_when_the_numbers_agree_again_and_lasts_through_a_restart() {
    let mut stage = stage();
    stage.pass(1_000);
    stage.states(95);
    stage.confirms(95);
    stage.restart();
    let mut said = stage.lists(95);
    said.extend(stage.pass(3_000));
    assert_eq!(breaks(&said), 0, "it was announced before");
    let standing = |stage: &Stage| stage.rig.engine.state().positions[0].break_units;
    assert_eq!(standing(&stage), Some(25));
    stage.states(70);
    let said = stage.pass(SETTLE);
    assert_eq!(steps(&said), [(Step::Agrees, 70, 70)]);
    assert_eq!(standing(&stage), None);
}

#[test]
fn a_difference_that_passes_before_it_is_confirmed_is_nobodys_affair() {
    let mut stage = stage();
    stage.pass(1_000);
    stage.states(95);
    let mut said = stage.pass(SETTLE - 100);
    stage.states(70);
    said.extend(stage.pass(3_000));
    assert_eq!(steps(&said), []);
    stage.states(95);
    stage.pass(SETTLE);
    let mut said = stage.lists(70);
    said.extend(stage.pass(3_000));
    assert_eq!((steps(&said), breaks(&said)), (vec![], 0));
}

// covers: V12
#[test]
fn a_strangers_execution_counts_once_in_the_accounts_position_and_in_the_limits() {
    let mut stage = stage();
    stage.pass(1_000);
    let said = stage.stranger(7, "s1", 40);
    assert!(matches!(said[..], [Decision::Foreign(_)]), "{said:?}");
    let again = stage.stranger(7, "s1", 40);
    assert_eq!(again, [Decision::Ignored(IgnoredReason::Duplicate)]);
    let seen = FillSeen {
        asked_at_seq: stage.rig.sequence(),
        client_order_id: None,
        is_foreign: true,
        venue_order_id: venue_id(lost_id(7)),
        instrument: InstrumentId(0),
        side: Side::Buy,
        fill: stage.fill("s1", 40),
    };
    let again = stage.fact(ReconFact::FillSeen(seen));
    assert_eq!(again, [Decision::Ignored(IgnoredReason::Duplicate)]);
    let hidden = FillSeen {
        is_foreign: false,
        fill: stage.fill("s2", 40),
        ..seen
    };
    let said = stage.fact(ReconFact::FillSeen(hidden));
    assert_eq!(said, [Decision::Ignored(IgnoredReason::Foreign)]);
    stage.states(110);
    assert_eq!(steps(&stage.pass(3_000)), []);
    let state = stage.rig.engine.state();
    assert_eq!(state.expected_units(InstrumentId(0)), 110);
    assert_eq!(stage.position(), 0, "ours alone");
    let worst = state.exposures[0].worst_long(model::Quantity::ZERO);
    assert_eq!(worst, Some(110 + stage.open_buys()));
    let short = state.exposures[0].worst_short(model::Quantity::ZERO);
    assert_eq!(short, Some(0), "what a stranger holds lends us nothing");
}

#[test]
fn an_execution_that_turns_out_to_be_ours_is_no_strangers_any_more() {
    let mut stage = stage();
    stage.pass(1_000);
    let id = stage.buy(50, 100);
    let unlinked = FillSeen {
        asked_at_seq: stage.rig.sequence(),
        client_order_id: None,
        is_foreign: true,
        venue_order_id: venue_id(id),
        instrument: InstrumentId(0),
        side: Side::Buy,
        fill: stage.fill("1", 20),
    };
    stage.fact(ReconFact::FillSeen(unlinked));
    stage.states(90);
    stage.push(stage.filled(id, "1", 20, 20));
    let said = stage.pass(3_000);
    let state = stage.rig.engine.state();
    assert_eq!((stage.position(), steps(&said)), (20, vec![]));
    assert_eq!(state.expected_units(InstrumentId(0)), 90);
}

#[test]
fn a_strangers_execution_near_the_first_sight_has_it_taken_again() {
    let mut stage = stage();
    // Inside the list or not? Nobody can say.
    stage.stranger(7, "s1", 40);
    stage.states(110);
    let state = stage.rig.engine.state();
    assert_eq!(state.positions[0].baseline_units, None);
    let said = stage.pass(SETTLE);
    assert_eq!(steps(&said)[0].0, Step::Asked);
    let said = stage.lists(110);
    assert_eq!(steps(&said)[0].0, Step::Baseline);
    let state = stage.rig.engine.state();
    assert_eq!(state.expected_units(InstrumentId(0)), 110);
    assert_eq!(state.positions[0].baseline_units, Some(70));
}

#[test]
fn long_and_short_cells_add_up_to_one_position() {
    let mut stage = Stage::live();
    stage.lists(0);
    stage.pass(1_000);
    stage.states_cell(PositionSide::Long, 50);
    stage.states_cell(PositionSide::Short, 20);
    let said = stage.pass(SETTLE);
    assert_eq!(steps(&said), [(Step::Asked, 30, 0)]);
}

#[test]
fn nothing_is_compared_before_a_whole_list_was_read() {
    let mut stage = Stage::live();
    let id = stage.resting(50, 100);
    stage.states(33);
    let mut said = stage.push(stage.filled(id, "1", 20, 20));
    said.extend(stage.states(53));
    assert_eq!(steps(&said), []);
    // A list is asked for once it is quiet.
    let said = stage.pass(SETTLE);
    assert_eq!(steps(&said)[0].0, Step::Asked);
    stage.lists(53);
    stage.pass(CONFIRM);
    let state = stage.rig.engine.state();
    assert_eq!(state.positions[0].baseline_units, Some(33));
}

// covers: V30
#[test]
fn an_instrument_that_halts_on_a_break_takes_no_more_risk_until_the_numbers_agree() {
    let mut config = config::config();
    config.instruments[0].halt_on_recon_break = true;
    let mut stage = Stage::live_with(&config);
    stage.lists(70);
    stage.lists(70);
    stage.pass(1_000);
    let id = stage.resting(50, 100);
    stage.states(95);
    stage.confirms(95);
    let ask = |stage: &mut Stage| stage.ask(0, Request::New(order(0, Side::Buy, 10, 100)));
    let refused = refusal(&ask(&mut stage));
    assert_eq!(refused, Some((RejectReason::ReconBreak, 0, 25)));
    let grows = stage.replace(id, 80, 100);
    assert_eq!(refusal(&grows), Some((RejectReason::ReconBreak, 0, 25)));
    assert_eq!(refusal(&stage.replace(id, 40, 100)), None, "it may shrink");
    stage.replaced(id, true);
    assert_eq!(refusal(&stage.cancel(id)), None);
    let elsewhere = stage.ask(0, Request::New(order(1, Side::Buy, 10, 100)));
    assert_eq!(refusal(&elsewhere), None, "other instruments go on");
    let query = Request::Query {
        order: OrderReference::ClientOrderId(id),
    };
    assert_eq!(refusal(&stage.ask(0, query)), None);
    stage.states(70);
    stage.pass(SETTLE);
    assert_eq!(refusal(&ask(&mut stage)), None);
}

#[test]
fn a_stranger_without_a_trade_id_counts_once_per_order() {
    let mut stage = stage();
    stage.pass(1_000);
    for (order, counts) in [(7, true), (7, false), (8, true)] {
        let known = stage.resting(10, 100);
        let mut update = stage.shown(known, VenueOrderState::Filled, 10);
        update.client_order_id = None;
        update.venue_order_id = venue_id(lost_id(order));
        update.fill = Some(stage.fill("", 10));
        let said = stage.push(update);
        assert_eq!(matches!(said[..], [Decision::Foreign(_)]), counts);
    }
    assert_ne!(venue_id(lost_id(7)), VenueOrderId::EMPTY);
}
