//! Two databases, compared table by table and row by row.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

const TABLES: &[(&str, &str)] = &[
    ("orders", "client_order_id"),
    ("trade_intents", "intent_id"),
    ("fills", "sequence, ordinal"),
    ("execution_logs", "sequence, ordinal"),
    ("instruments", "instrument_id"),
    ("cursor", "only_row"),
];

fn rows(path: &Path, table: &str, order: &str) -> Vec<Vec<Value>> {
    let db = Connection::open(path).unwrap();
    let query = format!("SELECT * FROM {table} ORDER BY {order}");
    let mut statement = db.prepare(&query).unwrap();
    let columns = statement.column_count();
    let read = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
    read.unwrap().map(Result::unwrap).collect()
}

/// Every table has the same rows.
pub(crate) fn assert_equal_rows(one: &Path, other: &Path) {
    for (table, order) in TABLES {
        let (left, right) = (rows(one, table, order), rows(other, table, order));
        assert!(!left.is_empty(), "{table} is empty");
        for (left, right) in left.iter().zip(&right) {
            assert_eq!(left, right, "{table}");
        }
        assert_eq!(left.len(), right.len(), "{table}");
    }
}
