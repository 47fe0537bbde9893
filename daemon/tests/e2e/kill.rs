//! The kill latch at the level of processes: files, restarts, and a venue that sees the cancels.

use std::process::Output;
use std::time::{Duration, Instant};

use millrun_client::{OrderEventKind, RejectReason, Side};
use serde_json::{Value, json};

use venue_simulator::AccountConfig;

use crate::engine_process::PATIENCE;
use crate::rig::Rig;
use crate::trader::{Trader, limit};

/// Orders that rest at the venue.
fn open_at_venue(rig: &Rig) -> usize {
    let lines = rig.venue.ledger(&AccountConfig::numbered(1).api_key);
    let lines = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let open = lines.filter(|line| {
        line["kind"] == "order" && (line["state"] == "live" || line["state"] == "partially_filled")
    });
    open.count()
}

fn wait_open(rig: &Rig, holds: impl Fn(usize) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds(open_at_venue(rig)) {
        assert!(Instant::now() < deadline, "{} are open", open_at_venue(rig));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn said(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"))
}

fn is_refused_as_killed(trader: &mut Trader) {
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "61000"))
        .unwrap();
    let refused = trader.wait(request, OrderEventKind::RequestRefused);
    assert_eq!(refused.reason, Some(RejectReason::Killed));
}

fn rest_many(trader: &mut Trader, count: u32) {
    let requests: Vec<_> = (0..count)
        .map(|number| {
            let price = format!("{}", 61_000 + number);
            trader
                .client
                .place(&limit(Side::Buy, "0.1", &price))
                .unwrap()
        })
        .collect();
    for request in requests {
        trader.wait(request, OrderEventKind::OrderAcknowledged);
    }
}

// covers: P8 BF4
#[test]
fn a_kill_cancels_every_order_refuses_what_is_new_outlives_a_restart_and_is_rearmed() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rest_many(&mut trader, 20);
    let plan = said(&rig.run(&["kill", "--plan", "--json"]));
    assert_eq!(plan["open_orders"], 20);
    let killed = rig.run(&["kill", "--reason", "a test", "--json"]);
    assert_eq!(killed.status.code(), Some(0), "{killed:?}");
    let figures = said(&killed);
    assert_eq!(figures["open_at_kill"], 20);
    assert_eq!(
        (&figures["open_orders"], &figures["kill_to_last_new_us"]),
        (&json!(0), &json!(0))
    );
    let (took, plan) = (
        &figures["kill_to_last_cancel_ms"],
        &figures["cancels_take_ms"],
    );
    assert!(took.as_u64() <= plan.as_u64(), "{figures}");
    assert_eq!(open_at_venue(&rig), 0);
    is_refused_as_killed(&mut trader);
    let status = said(&rig.run(&["status", "--json"]));
    assert_eq!(status["latches"], json!(["KILLED"]));
    assert_eq!(status["venues"][0]["state"], "HALTED");
    assert!(engine.stop().success());

    let mut engine = rig.start();
    engine.wait_for_line("KILLED: this run begins under the kill latch");
    let mut trader = rig.attach("second");
    is_refused_as_killed(&mut trader);
    let rearmed = rig.run(&["rearm", "--reason", "calm again"]);
    assert_eq!(rearmed.status.code(), Some(0), "{rearmed:?}");
    trader.rest(&limit(Side::Buy, "1", "61000"));
    assert_eq!(
        rig.run(&["rearm"]).status.code(),
        Some(6),
        "nothing is closed"
    );
    assert!(engine.stop().success());
    // The audit: who closed and opened, when and why.
    let directory = rig.journal();
    let replay = std::process::Command::new(env!("CARGO_BIN_EXE_millrun"))
        .args(["replay", "--json", "--dir"])
        .arg(directory)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&replay.stdout);
    assert!(
        text.contains("a test") && text.contains("calm again"),
        "{text}"
    );
}

// covers: C09
#[test]
fn an_engine_killed_while_its_kill_goes_on_is_still_killed_and_resumes_the_cancels() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    // More than the cancels of one window: some are left when the process dies.
    for _ in 0..3 {
        rest_many(&mut trader, 40);
        std::thread::sleep(Duration::from_millis(2_200));
    }
    std::fs::write(rig.path("data/KILLED"), "").unwrap();
    wait_open(&rig, |open| open < 120);
    engine.kill();
    assert!(open_at_venue(&rig) > 0, "the kill was over too soon");

    let mut engine = rig.start();
    let mut trader = rig.attach("second");
    is_refused_as_killed(&mut trader);
    wait_open(&rig, |open| open == 0);
    assert_eq!(rig.venue.stats().orders_received, 120);
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: P8
#[test]
fn a_kill_with_the_engine_off_holds_for_the_next_start_which_cancels() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    trader.rest(&limit(Side::Buy, "1", "61000"));
    engine.kill();
    let killed = rig.run(&["kill", "--json"]);
    assert_eq!(killed.status.code(), Some(9), "{killed:?}");
    assert_eq!(said(&killed)["engine_running"], false);
    assert_eq!(open_at_venue(&rig), 1);
    let mut engine = rig.start();
    wait_open(&rig, |open| open == 0);
    assert!(engine.stop().success());
}

// covers: P8
#[test]
fn a_signal_alone_closes_the_latch_and_its_file_is_made() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    trader.rest(&limit(Side::Buy, "1", "61000"));
    let pid = rustix::process::Pid::from_raw(i32::try_from(engine.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    wait_open(&rig, |open| open == 0);
    let deadline = Instant::now() + PATIENCE;
    while !rig.path("data/KILLED").exists() {
        assert!(Instant::now() < deadline, "no file was made");
        std::thread::yield_now();
    }
    is_refused_as_killed(&mut trader);
    assert!(engine.stop().success());
}

// covers: BF4
#[test]
fn a_kill_of_one_strategy_leaves_the_other_trading() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let (mut grid, mut second) = (rig.attach("grid"), rig.attach("second"));
    grid.rest(&limit(Side::Buy, "1", "61000"));
    second.rest(&limit(Side::Buy, "1", "61000"));
    let killed = rig.run(&["kill", "--strategy", "grid", "--json"]);
    assert_eq!(killed.status.code(), Some(0), "{killed:?}");
    is_refused_as_killed(&mut grid);
    second.rest(&limit(Side::Buy, "1", "61100"));
    assert_eq!(open_at_venue(&rig), 2);
    assert!(engine.stop().success());
}
