//! A dry run: everything but the sending.

use std::path::Path;

use millrun_client::{OrderEventKind, OrderStatus, Side};
use serde_json::Value;

use crate::rig::Rig;
use crate::trader::limit;

fn set_dry_run(rig: &Rig, is_dry_run: bool) {
    rig.write_config(|text| {
        text.replace(
            "command_window_ms = 1000\n",
            &format!("command_window_ms = 1000\ndry_run = {is_dry_run}\n"),
        )
    });
}

fn status(rig: &Rig) -> Value {
    serde_json::from_slice(&rig.run(&["status", "--json"]).stdout).unwrap()
}

/// Runs the engine over its own journal again.
fn verify(journal: &Path) {
    let verified = std::process::Command::new(env!("CARGO_BIN_EXE_millrun"))
        .args(["replay", "--verify", "--dir"])
        .arg(journal)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned()
        + &String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{said}");
}

// covers: BF8 BY7
#[test]
fn dry_run_checks_and_journals_every_command_and_the_venue_receives_none() {
    let rig = Rig::new();
    // A real order of an earlier run: a dry run must not touch it either.
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (_, resting) = trader.rest(&limit(Side::Buy, "1", "62000"));
    assert!(engine.stop().success());
    drop(trader);
    let before = rig.venue.stats();

    set_dry_run(&rig, true);
    let mut engine = rig.start();
    engine.wait_for_line("DRY_RUN: no order command is sent");
    let mut trader = rig.attach("second");
    for (side, price) in [(Side::Buy, "62500"), (Side::Sell, "66000")] {
        let request = trader.client.place(&limit(side, "1", price)).unwrap();
        trader.wait(request, OrderEventKind::OrderSubmitted);
        let failed = trader.wait(request, OrderEventKind::OrderFailed);
        assert_eq!(failed.status, Some(OrderStatus::Failed));
        assert_eq!(failed.text.as_str(), "DRY_RUN");
    }
    // The checks are the real ones.
    let refused = trader
        .client
        .place(&limit(Side::Buy, "1", "62500.01"))
        .unwrap();
    trader.wait(refused, OrderEventKind::RequestRefused);
    drop(trader);
    let mut owner = rig.attach("grid");
    let cancel = owner.client.cancel(resting).unwrap();
    let given_back = owner.wait(cancel, OrderEventKind::CancelRejected);
    assert_eq!(given_back.text.as_str(), "DRY_RUN");
    let all = owner.client.cancel_all(None).unwrap();
    owner.wait(all, OrderEventKind::CancelAllAccepted);
    assert_eq!(status(&rig)["venues"][0]["mode"], "dry_run");
    assert!(engine.stop().success());
    let after = rig.venue.stats();
    assert_eq!(after.orders_received, before.orders_received);
    assert_eq!(rig.venue_order(resting).unwrap()["state"], "live");
    verify(&rig.journal());

    // Out of the dry run the very same order can be cancelled.
    set_dry_run(&rig, false);
    let mut engine = rig.start();
    drop(owner);
    let mut owner = rig.attach("grid");
    owner.client.cancel(resting).unwrap();
    owner.wait_for("its end", |event| {
        event.client_order_id == Some(resting) && event.status == Some(OrderStatus::Cancelled)
    });
    assert_eq!(status(&rig)["venues"][0]["mode"], "paper");
    assert!(engine.stop().success());
    rig.ledgers_agree();
}
