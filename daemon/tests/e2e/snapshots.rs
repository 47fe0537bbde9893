//! An engine that is killed after a snapshot comes back from it, with the state that the whole
//! journal gives.

use std::fs;

use millrun_client::{OrderEventKind, Side};
use serde_json::Value;

use crate::rig::Rig;
use crate::trader::limit;

fn status(rig: &Rig) -> Value {
    let output = rig.run(&["status", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

// covers: D17 C08
#[test]
fn a_killed_engine_comes_back_from_its_snapshot_with_the_state_of_the_whole_journal() {
    let rig = Rig::new();
    rig.write_config(|text| format!("{text}\n[shadow]\nsnapshot_every_entries = 100\n"));
    let engine = rig.start();
    engine.wait_for_line("state read from the whole journal, without a snapshot");
    let mut trader = rig.attach("grid");
    let (filled, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    for tick in 0..40 {
        let price = (62_000 + tick).to_string();
        trader.rest(&limit(Side::Buy, "1", &price));
    }
    engine.wait_for_line("snapshot written");
    rig.counterparty("sell", "1", "63000");
    trader.wait(filled, OrderEventKind::OrderFilled);
    engine.kill();

    let with = status(&rig);
    let snapshots = rig.path("data/snapshots");
    let aside = rig.path("data/snapshots-away");
    fs::rename(&snapshots, &aside).unwrap();
    assert_eq!(status(&rig), with, "the same state without a snapshot");
    fs::rename(&aside, &snapshots).unwrap();

    let mut engine = rig.start();
    engine.wait_for_line("state read from a snapshot and the entries behind it");
    assert!(engine.stop().success());
    assert!(!engine.all_printed().contains("SHADOW_DIVERGED"));

    for file in fs::read_dir(&snapshots).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let mut engine = rig.start();
    engine.wait_for_line("was passed over");
    engine.wait_for_line("state read from the whole journal, without a snapshot");
    assert!(engine.stop().success());
    rig.ledgers_agree();
}
