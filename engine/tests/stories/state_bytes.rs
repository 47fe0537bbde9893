//! A state as bytes: what reads back, and what is refused. That a state goes on as before when it
//! was written and read is checked by the rig, in every story and every simulated history.

use crate::rig::reread;
use crate::stage::Stage;
use millrun_engine::Engine;
use millrun_engine::state::{STATE_VERSION, State, StateBytesError};
use model::execution_report::VenueOrderState;
use model::{ClientOrderId, Request};

/// A state with everything in it: open, unknown, ended and partly filled orders, executions,
/// answers, a cancel-all under way, a past run.
fn full_stage() -> (Stage, [ClientOrderId; 2]) {
    let mut stage = Stage::live();
    let unknown = stage.buy(50, 100);
    stage.restart();
    let filled = stage.resting(50, 100);
    stage.push(stage.filled(filled, "t1", 20, 20));
    stage.push(stage.filled(filled, "t2", 30, 50));
    let missing = stage.resting(40, 100);
    stage.push(stage.shown(missing, VenueOrderState::PartiallyFilled, 10));
    stage.ask(0, Request::CancelAll { instrument: None });
    (stage, [unknown, filled])
}

fn bytes_of(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.state().put_bytes(&mut bytes);
    bytes
}

#[test]
fn a_state_that_is_written_and_read_has_every_order_execution_and_number() {
    let (stage, [unknown, filled]) = full_stage();
    let read = reread(&stage.rig.engine);
    let (live, read) = (stage.rig.engine.state(), read.state());
    assert!(read.orders.get(unknown).unwrap().is_unknown());
    assert_eq!(read.orders.get(filled).unwrap().cum_quantity.units(), 50);
    let venue_id = live.orders.get(filled).unwrap().venue_order_id;
    let found = read.orders.get_by_venue_id(&venue_id).unwrap();
    assert_eq!(found.client_order_id, filled);
    assert_eq!(read.executions.room(), live.executions.room());
    assert_eq!(read.exposures, live.exposures);
    assert_eq!(read.tasks, live.tasks);
    assert_eq!(read.past_runs, live.past_runs);
    assert_eq!(read.past_runs.len(), 1);
}

// covers: D17
#[test]
fn a_state_with_any_byte_changed_is_refused_or_is_another_state() {
    let (stage, _) = full_stage();
    let bytes = bytes_of(&stage.rig.engine);
    let digest = stage.rig.engine.state().digest();
    let (mut refused, mut other) = (0, 0);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        match State::from_bytes(&changed) {
            Err(_) => refused += 1,
            Ok(state) => {
                assert_ne!(state.digest(), digest, "byte {at} counts");
                assert!(bytes_of(&Engine::from_state(state)) == changed, "byte {at}");
                other += 1;
            }
        }
    }
    assert!(refused > 200 && other > 200, "{refused} {other}");
}

#[test]
fn a_state_that_is_cut_or_followed_by_anything_is_refused() {
    let (stage, _) = full_stage();
    let mut bytes = bytes_of(&stage.rig.engine);
    for length in 0..bytes.len() {
        assert!(State::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    bytes.push(0);
    assert!(State::from_bytes(&bytes).is_err());
}

#[test]
fn a_state_of_another_version_is_refused_by_both_numbers() {
    let (stage, _) = full_stage();
    let mut bytes = bytes_of(&stage.rig.engine);
    let found = STATE_VERSION + 1;
    bytes[..2].copy_from_slice(&found.to_le_bytes());
    let expected = STATE_VERSION;
    let error = State::from_bytes(&bytes).unwrap_err();
    assert_eq!(error, StateBytesError::Version { expected, found });
    assert!(error.to_string().contains(&found.to_string()), "{error}");
}

#[test]
fn a_sum_that_is_not_the_sum_of_the_orders_is_refused() {
    let (stage, _) = full_stage();
    let bytes = bytes_of(&stage.rig.engine);
    // The count of open orders lies before the orders: two of them here, found by its neighbours.
    let open = stage.rig.engine.state().orders.open_count();
    let used = u32::try_from(stage.rig.engine.state().orders.iter().count()).unwrap();
    let counts = [open.to_le_bytes(), used.to_le_bytes()].concat();
    let at = bytes
        .windows(8)
        .position(|window| window == counts)
        .unwrap();
    let mut changed = bytes.clone();
    changed[at] += 1;
    let error = State::from_bytes(&changed).unwrap_err();
    assert_eq!(error, StateBytesError::NotWritten { offset_bytes: at });
}
