//! The database beside a trading engine: it says what the journal says, and when it fails nobody
//! waits for it.

use std::time::{Duration, Instant};

use millrun_client::{OrderEventKind, Side};
use rusqlite::Connection;
use serde_json::Value;

use crate::engine_process::PATIENCE;
use crate::rig::Rig;
use crate::trader::limit;

fn shown(rig: &Rig, arguments: &[&str]) -> Value {
    serde_json::from_slice(&rig.run(arguments).stdout).unwrap()
}

/// Waits until `millrun db status` says what `holds` wants.
fn wait_status(rig: &Rig, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = shown(rig, &["db", "status", "--json"]);
        if holds(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:#}");
        // Another process writes it: there is nothing to wait on.
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn rows(rig: &Rig, query: &str) -> Vec<String> {
    let db = Connection::open(rig.path("data/millrun.db")).unwrap();
    let mut statement = db.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

// covers: PM3 PM4 PM5 C06
#[test]
fn orders_of_an_engine_are_in_its_database_also_after_a_kill_and_a_rebuild_says_the_same() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    let (filled, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    let (_, cancelled) = trader.rest(&limit(Side::Buy, "1", "62000"));
    trader.rest(&limit(Side::Sell, "1", "66000"));
    rig.counterparty("sell", "1", "63000");
    trader.wait(filled, OrderEventKind::OrderFilled);
    trader.client.cancel(cancelled).unwrap();
    trader.wait_for("its end", |event| {
        event.client_order_id == Some(cancelled) && event.kind == OrderEventKind::OrderCancelled
    });
    // Killed at once: what the projector had not stored yet, the next run's stores.
    engine.kill();
    let mut engine = rig.start();
    wait_status(&rig, |status| {
        status["state"] == "following" && status["behind"] == 0
    });
    let query = "SELECT status FROM orders ORDER BY client_order_id";
    assert_eq!(rows(&rig, query), ["filled", "cancelled", "acknowledged"]);
    let query = "SELECT state || ' ' || outcome FROM trade_intents WHERE outcome IS NOT NULL \
                 ORDER BY intent_id";
    assert_eq!(
        rows(&rig, query),
        [
            "completed filled",
            "completed cancelled",
            "completed applied"
        ]
    );
    assert_eq!(rows(&rig, "SELECT price FROM fills"), ["63000"]);
    assert_eq!(rows(&rig, "SELECT mode FROM orders LIMIT 1"), ["paper"]);
    let refused = rig.run(&["db", "rebuild"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("DATABASE_IN_USE"),
        "{said}"
    );
    assert!(engine.stop().success());
    let logs = "SELECT group_concat(sequence || '/' || ordinal || kind) FROM execution_logs";
    let before = rows(&rig, logs);
    let rebuilt = shown(&rig, &["db", "rebuild", "--json"]);
    assert_eq!(rebuilt["orders"], 3);
    assert_eq!(rows(&rig, logs), before);
    let migrated = shown(&rig, &["db", "migrate", "--to", "1", "--json"]);
    assert_eq!(migrated["from"], 2);
    let mut engine = rig.start();
    wait_status(&rig, |status| status["schema_version"] == 2);
    assert!(engine.stop().success());
}

// covers: P9
#[test]
fn engine_trades_on_while_another_process_holds_the_databases_lock_for_seconds() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    wait_status(&rig, |status| status["state"] == "following");
    let holder = Connection::open(rig.path("data/millrun.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut answers = Vec::new();
    // As many as the venue takes in two seconds; the first one makes the projector stumble.
    let placed = 50;
    for order in 0..placed {
        let asked = Instant::now();
        trader.rest(&limit(Side::Buy, "0.01", "62000"));
        answers.push(asked.elapsed());
        if order == 0 {
            engine.wait_for_line("DEGRADED: the database stands still, trading goes on");
        }
    }
    let status = shown(&rig, &["db", "status", "--json"]);
    assert_eq!(status["state"], "degraded", "{status:#}");
    // A wait for the database would show as its timeout of a quarter of a second, and more.
    answers.sort_unstable();
    assert!(answers[25] < Duration::from_millis(100), "{answers:?}");
    holder.execute_batch("COMMIT").unwrap();
    let caught_up = wait_status(&rig, |status| {
        status["state"] == "following" && status["behind"] == 0
    });
    assert_eq!(caught_up["orders"], placed);
    assert!(engine.stop().success());
}
