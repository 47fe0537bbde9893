//! The rows are the fold of the journal, and equal to what the engine itself remembers.

use std::path::Path;

use engine::order::Order;
use millrun_cold::projector::rebuild;
use millrun_cold::store::Store;
use millrun_cold::store::rows::OrderRow;
use rusqlite::Connection;

use crate::trading_day::TradingDay;

/// A day with two restarts, 20,000 entries.
fn day(directory: &Path) -> TradingDay {
    let mut day = TradingDay::begin(&directory.join("journal"), 4 << 20, 7);
    day.trade_to(8_000);
    day.restart();
    day.trade_to(14_000);
    day.restart();
    day.trade_to(20_000);
    day
}

fn int(connection: &Connection, query: &str) -> i64 {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

fn same(order: &Order, row: &OrderRow) {
    assert_eq!(row.client_order_id, order.client_order_id);
    assert_eq!(row.order_id, order.venue_order_id, "{order:?}");
    assert_eq!(
        (
            row.strategy,
            row.request_id,
            row.market.instrument,
            row.side
        ),
        (
            order.strategy,
            order.request_id.0,
            order.instrument,
            order.side
        )
    );
    assert_eq!(
        (
            row.order_type,
            row.time_in_force,
            row.post_only,
            row.reduce_only
        ),
        (
            order.order_type,
            order.time_in_force,
            order.post_only,
            order.reduce_only
        )
    );
    assert_eq!(
        (row.order_quantity, row.limit_price, row.cum_quantity),
        (order.order_quantity, order.limit_price, order.cum_quantity)
    );
    assert_eq!(
        (row.executed_value, row.fee_units),
        (order.executed_value, order.fee_units)
    );
    assert_eq!(
        (row.status, row.unknown, row.created_at),
        (order.status, order.is_unknown(), order.created_at),
        "{order:?}"
    );
}

// covers: PM3 PM7
#[test]
fn every_order_in_memory_equals_its_row_and_the_open_ones_are_the_same_ones() {
    let temporary = tempfile::tempdir().unwrap();
    let day = day(temporary.path());
    let path = temporary.path().join("millrun.db");
    rebuild(&day.directory, &path, |_| {}).unwrap();
    let store = Store::open_to_read(&path).unwrap();
    let mut compared = 0;
    for order in day.engine.state().orders.iter() {
        let row = store.order(order.client_order_id).unwrap();
        same(order, &row.expect("every order has its row"));
        compared += 1;
    }
    assert!(compared > 100, "{compared} orders were in memory");
    let open = store.orders(true).unwrap();
    let in_memory = day.engine.state().orders.iter();
    let mut open_in_memory: Vec<_> = in_memory
        .filter(|order| order.is_open())
        .map(|order| order.client_order_id)
        .collect();
    open_in_memory.sort_unstable();
    let ids: Vec<_> = open.iter().map(|row| row.client_order_id).collect();
    assert_eq!(ids, open_in_memory);
    assert!(
        store
            .orders_of_window("2026-01-01T00:05")
            .unwrap()
            .is_empty()
    );
}

// covers: P4 PM4 PM5 PM13 EX6
#[test]
fn every_order_has_its_intents_fills_and_moves_and_an_ended_one_its_result() {
    let temporary = tempfile::tempdir().unwrap();
    let day = day(temporary.path());
    let path = temporary.path().join("millrun.db");
    rebuild(&day.directory, &path, |_| {}).unwrap();
    let db = Connection::open(&path).unwrap();
    // What a position is made of: the signed sum of fills is the sum of what orders have filled.
    let none_of = [
        "SELECT count(*) FROM orders o WHERE filled_units <> \
         (SELECT coalesce(sum(quantity_units), 0) FROM fills f \
          WHERE f.client_order_id = o.client_order_id)",
        "SELECT count(*) FROM orders WHERE status IN ('filled', 'cancelled') \
         AND (ended_at_ns IS NULL OR ended_at_ns < created_at_ns)",
        "SELECT count(*) FROM orders WHERE status = 'filled' AND filled_at_ns IS NULL",
        "SELECT count(*) FROM orders WHERE status = 'cancelled' AND cancelled_at_ns IS NULL",
        "SELECT count(*) FROM orders WHERE status = 'rejected' AND error_message IS NULL",
        "SELECT count(*) FROM orders WHERE filled_units > 0 AND average_fill_price IS NULL",
        // An intent of an ended order is over and says what it came to.
        "SELECT count(*) FROM trade_intents i JOIN orders o USING (client_order_id) \
         WHERE o.ended_at_ns IS NOT NULL \
         AND (i.state NOT IN ('completed', 'failed') OR i.result IS NULL)",
        "SELECT count(*) FROM trade_intents i JOIN orders o USING (client_order_id) \
         WHERE i.command = 'new' AND o.ended_at_ns IS NOT NULL \
         AND (json_extract(result, '$.status') <> o.status \
              OR json_extract(result, '$.filled_quantity') <> o.filled_quantity)",
        "SELECT count(*) FROM trade_intents WHERE state = 'completed' AND command = 'new' \
         AND sent_at_ns IS NULL",
        "SELECT count(*) FROM orders o LEFT JOIN trade_intents i ON i.intent_id = o.intent_id \
         WHERE i.intent_id IS NULL",
        // The last move in the log is to the order's status, and each move begins where the one
        // before ended.
        "SELECT count(*) FROM orders o WHERE status <> (SELECT to_status FROM execution_logs l \
         WHERE l.client_order_id = o.client_order_id AND to_status IS NOT NULL \
         ORDER BY sequence DESC, ordinal DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT from_status, kind, lag(to_status) OVER \
         (PARTITION BY client_order_id ORDER BY sequence, ordinal) AS last \
         FROM execution_logs WHERE client_order_id IS NOT NULL AND to_status IS NOT NULL) \
         WHERE last IS NOT NULL AND from_status <> last",
    ];
    for query in none_of {
        assert_eq!(int(&db, query), 0, "{query}");
    }
    for kind in [
        "approved",
        "submitted",
        "acknowledged",
        "executed",
        "filled",
        "cancelled",
        "rejected",
        "failed",
        "replaced",
        "late_fill",
        "denied",
        "unknown",
        "cancel_submitted",
        "replace_ended",
    ] {
        let found: i64 = db
            .query_row(
                "SELECT count(*) FROM execution_logs WHERE kind = ?1",
                [kind],
                |row| row.get(0),
            )
            .unwrap();
        assert!(found > 0, "the day has no {kind}");
    }
}

// covers: PM2
#[test]
fn latency_from_intent_to_answer_is_stored_for_every_command_that_was_answered() {
    let temporary = tempfile::tempdir().unwrap();
    let day = day(temporary.path());
    let path = temporary.path().join("millrun.db");
    rebuild(&day.directory, &path, |_| {}).unwrap();
    let db = Connection::open(&path).unwrap();
    for command in ["new", "cancel", "replace"] {
        let (answered, with_latency): (i64, i64) = db
            .query_row(
                "SELECT count(*), count(latency_us) FROM trade_intents \
                 WHERE command = ?1 AND state = 'completed' AND outcome <> 'superseded'",
                [command],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert!(answered > 50, "{command}: {answered}");
        assert_eq!(with_latency, answered, "{command}");
    }
    let not_its_orders = "SELECT count(*) FROM orders o JOIN trade_intents i \
         ON i.intent_id = o.intent_id WHERE o.latency_us IS NOT i.latency_us";
    assert_eq!(int(&db, not_its_orders), 0);
    // The venue of this day answers after 40 to 940 microseconds.
    let (least, most): (i64, i64) = db
        .query_row(
            "SELECT min(latency_us), max(latency_us) FROM orders WHERE status <> 'failed'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert!(least >= 40 && most < 1_000, "{least} to {most}");
}
