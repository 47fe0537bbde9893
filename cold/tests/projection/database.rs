//! The database itself: its versions, its append-only log, its mode, and which journals it refuses.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use journal::{Journal, JournalOptions, Mode};
use millrun_cold::projector::rebuild;
use millrun_cold::store::{SCHEMA_VERSION, Store, StoreErrorKind, beside};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::following::{Watched, follow};
use crate::trading_day::TradingDay;

struct Site {
    directory: TempDir,
    journal: PathBuf,
    database: PathBuf,
}

/// A database of a short day.
fn site() -> Site {
    let directory = tempfile::tempdir().unwrap();
    let mut day = TradingDay::begin(&directory.path().join("journal"), 1 << 20, 3);
    day.trade_to(2_000);
    day.close();
    let (journal, database) = (day.directory, directory.path().join("millrun.db"));
    rebuild(&journal, &database, |_| {}).unwrap();
    Site {
        directory,
        journal,
        database,
    }
}

fn count(path: &Path, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    let db = Connection::open(path).unwrap();
    db.query_row(&query, [], |row| row.get(0)).unwrap()
}

// covers: PM3
#[test]
fn schema_goes_down_and_up_again_with_its_rows_in_place() {
    let site = site();
    let orders = count(&site.database, "orders");
    assert!(orders > 100);
    let mut store = Store::open_as_it_is(&site.database).unwrap();
    assert_eq!(store.schema_version().unwrap(), SCHEMA_VERSION);
    store.migrate_to(1).unwrap();
    assert_eq!(store.schema_version().unwrap(), 1);
    assert!(store.orders(true).is_err(), "the view is gone");
    assert_eq!(store.orders(false).unwrap().len() as i64, orders);
    store.migrate_to(SCHEMA_VERSION).unwrap();
    assert!(!store.orders(true).unwrap().is_empty());
    assert_eq!(store.orders(false).unwrap().len() as i64, orders);
    // All the way down nothing is left; the next follower begins at the first entry.
    store.migrate_to(0).unwrap();
    let left = "sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND name <> 'schema_versions'";
    assert_eq!(count(&site.database, left), 0);
    drop(store);
    let watched = follow(&site.journal, &site.database);
    watched.wait_for_sequence(2_000);
    watched.stop();
    assert_eq!(count(&site.database, "orders"), orders);
}

#[test]
fn migration_that_fails_half_way_changes_nothing() {
    let site = site();
    let mut store = Store::open_as_it_is(&site.database).unwrap();
    store.migrate_to(1).unwrap();
    let db = Connection::open(&site.database).unwrap();
    // The second thing that version 2 makes is there already.
    db.execute_batch("CREATE VIEW open_orders AS SELECT 1")
        .unwrap();
    let error = store.migrate_to(2).unwrap_err().to_string();
    assert!(error.contains("open_orders"), "{error}");
    assert_eq!(store.schema_version().unwrap(), 1);
    assert_eq!(
        count(&site.database, "sqlite_schema WHERE name = 'order_states'"),
        0
    );
}

#[test]
fn database_of_a_newer_version_is_refused_by_name_and_unchanged() {
    let site = site();
    let db = Connection::open(&site.database).unwrap();
    db.execute("INSERT INTO schema_versions VALUES (99, 'later')", [])
        .unwrap();
    let error = Store::open(&site.database).unwrap_err();
    assert!(matches!(
        error.kind(),
        StoreErrorKind::Newer { found: 99, .. }
    ));
    assert!(error.to_string().contains("DATABASE_NEWER"), "{error}");
    let watched = follow(&site.journal, &site.database);
    watched.wait_for_degraded("DATABASE_NEWER");
    watched.stop();
    assert_eq!(count(&site.database, "schema_versions"), 3);
}

// covers: EX6
#[test]
fn no_connection_can_change_delete_or_replace_a_line_of_the_execution_log() {
    let site = site();
    let db = Connection::open(&site.database).unwrap();
    let lines = count(&site.database, "execution_logs");
    let hash = "SELECT group_concat(sequence || kind || ifnull(reason, '-')) FROM \
                (SELECT * FROM execution_logs ORDER BY sequence, ordinal)";
    let before: String = db.query_row(hash, [], |row| row.get(0)).unwrap();
    let line = "(sequence, ordinal, request_id, strategy, kind, unknown, at_ns) \
                SELECT sequence, ordinal, 0, 'forger', 'filled', 0, 0 FROM execution_logs LIMIT 1";
    let attempts = [
        "UPDATE execution_logs SET reason = 'better'".to_owned(),
        "UPDATE OR REPLACE execution_logs SET sequence = 1".to_owned(),
        "UPDATE execution_logs SET reason = 'x' WHERE rowid IS NOT NULL".to_owned(),
        "DELETE FROM execution_logs".to_owned(),
        "DELETE FROM execution_logs WHERE sequence > 100".to_owned(),
        format!("INSERT OR REPLACE INTO execution_logs {line}"),
        format!("REPLACE INTO execution_logs {line}"),
        format!(
            "INSERT INTO execution_logs {line} \
             ON CONFLICT (sequence, ordinal) DO UPDATE SET kind = 'filled'"
        )
        .replace("LIMIT 1", "WHERE true LIMIT 1"),
    ];
    for recursive in ["OFF", "ON"] {
        let pragma = format!("PRAGMA recursive_triggers = {recursive}");
        db.execute_batch(&pragma).unwrap();
        for attempt in &attempts {
            let refused = db.execute_batch(attempt);
            assert!(refused.is_err(), "recursive {recursive}: {attempt}");
        }
    }
    let after: String = db.query_row(hash, [], |row| row.get(0)).unwrap();
    assert_eq!(count(&site.database, "execution_logs"), lines);
    assert!(before == after, "a line changed");
    let told = db.execute_batch("DELETE FROM execution_logs").unwrap_err();
    assert!(told.to_string().contains("append-only"), "{told}");
}

// covers: EX6
#[test]
fn execution_is_in_the_table_once_by_venue_instrument_execution_and_order() {
    let site = site();
    let db = Connection::open(&site.database).unwrap();
    let again = db.execute_batch(
        "INSERT INTO fills SELECT 999999, ordinal, kind, venue, symbol, execution_id, \
         client_order_id, strategy, side, price_scale, quantity_scale, price, price_units, \
         quantity, quantity_units, commission, commission_units, liquidity, late, overfill, \
         venue_time_ns, booked_at_ns FROM fills LIMIT 1",
    );
    assert!(again.unwrap_err().to_string().contains("UNIQUE"));
}

// covers: S21
#[test]
fn database_and_everything_beside_it_is_closed_to_other_users() {
    let site = site();
    std::fs::set_permissions(&site.database, PermissionsExt::from_mode(0o644)).unwrap();
    let watched = follow(&site.journal, &site.database);
    watched.wait_for_following();
    let mut seen = 0;
    for file in std::fs::read_dir(site.directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        if file.file_name().to_string_lossy().starts_with("millrun.db") {
            seen += 1;
            assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", file.file_name());
        }
    }
    assert!(seen >= 3, "database, lock, state: {seen}");
    watched.stop();
}

#[test]
fn database_of_another_journal_is_refused_and_made_anew_by_a_rebuild() {
    let site = site();
    let mut other = TradingDay::begin(&site.directory.path().join("other"), 1 << 20, 4);
    other.trade_to(3_000);
    let watched = follow(&other.directory, &site.database);
    watched.wait_for_degraded("DATABASE_OTHER_JOURNAL");
    // The refused database is not held: it can be rebuilt beside a running engine.
    rebuild(&other.directory, &site.database, |_| {}).unwrap();
    watched.wait_for_sequence(3_000);
    watched.stop();
}

#[test]
fn database_that_knows_more_than_its_journal_is_refused() {
    let site = site();
    // The journal as it was earlier: another one with the same id is cut at a copy.
    let copy = site.directory.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o700)).unwrap();
    let mut day = TradingDay::begin(&site.directory.path().join("grown"), 1 << 20, 5);
    day.trade_to(1_000);
    day.close();
    for file in std::fs::read_dir(&day.directory).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    day.restart();
    day.trade_to(1_500);
    let grown = day.sequence();
    day.close();
    let database = site.directory.path().join("grown.db");
    rebuild(&day.directory, &database, |_| {}).unwrap();
    let watched = follow(&copy, &database);
    watched.wait_for_degraded("DATABASE_BEYOND_JOURNAL");
    watched.stop();
    // And when the shorter journal has grown past that number in another run.
    let mut options = JournalOptions::new(copy.clone(), 9, 497_530);
    (options.mode, options.segment_bytes) = (Mode::Process, 1 << 20);
    options.allow_tmpfs = true;
    let mut journal = Journal::open(&options).unwrap();
    while journal.writer.next_sequence() <= grown + 50 {
        let mut body = Vec::new();
        model::journal_record::put_entry(&model::Input::Timer, &[], &mut body);
        let mut entry = journal.writer.begin(4, 1, body.len()).unwrap();
        entry.put(&body);
        entry.commit();
    }
    let watched: Watched = follow(&copy, &database);
    watched.wait_for_degraded("DATABASE_BEYOND_JOURNAL");
    watched.stop();
}

#[test]
fn two_projectors_never_write_to_one_database() {
    let site = site();
    let first = follow(&site.journal, &site.database);
    first.wait_for_following();
    let second = follow(&site.journal, &site.database);
    second.wait_for_degraded("DATABASE_IN_USE");
    let refused = rebuild(&site.journal, &site.database, |_| {}).unwrap_err();
    assert!(refused.to_string().contains("DATABASE_IN_USE"), "{refused}");
    first.stop();
    second.wait_for_following();
    second.stop();
    assert!(!beside(&site.database, "rebuild").exists());
}
