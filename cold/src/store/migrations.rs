//! The schema's versions, each with its way up and its way down, applied in one transaction.
//!
//! Invariant: a version that was released never changes; what comes later is a new one.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{StoreError, StoreErrorKind};

struct Migration {
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

/// Version n is the n-th.
const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "tables",
        up: include_str!("schema/0001_tables.up.sql"),
        down: include_str!("schema/0001_tables.down.sql"),
    },
    Migration {
        name: "order_views",
        up: include_str!("schema/0002_order_views.up.sql"),
        down: include_str!("schema/0002_order_views.down.sql"),
    },
];

/// The newest version of the schema.
pub const SCHEMA_VERSION: u32 = 2;
const _: () = assert!(MIGRATIONS.len() == SCHEMA_VERSION as usize);

/// The version that is in force; 0 = an empty database.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    let has_table: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_versions'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if has_table.is_none() {
        return Ok(0);
    }
    let query = "SELECT coalesce(max(version), 0) FROM schema_versions";
    connection.query_row(query, [], |row| row.get(0))
}

/// Goes to `target`, or changes nothing.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    target: u32,
) -> Result<(), StoreError> {
    if target > SCHEMA_VERSION {
        let (asked, known) = (target, SCHEMA_VERSION);
        return Err(StoreError::new(
            path,
            StoreErrorKind::NoSuchVersion { asked, known },
        ));
    }
    let failed = |error| StoreError::sqlite("changing its schema", path, error);
    if version(connection).map_err(failed)? == target {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found = version(&transaction).map_err(failed)?;
    if found > SCHEMA_VERSION {
        let known = SCHEMA_VERSION;
        return Err(StoreError::new(
            path,
            StoreErrorKind::Newer { found, known },
        ));
    }
    let steps = steps(&transaction, found, target);
    steps.and_then(|()| transaction.commit()).map_err(failed)
}

fn steps(connection: &Connection, found: u32, target: u32) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_versions (
            version INTEGER PRIMARY KEY,
            name    TEXT NOT NULL
        ) STRICT;",
    )?;
    let place = |version: u32| usize::try_from(version).unwrap_or(usize::MAX);
    for version in found..target {
        let step = &MIGRATIONS[place(version)];
        connection.execute_batch(step.up)?;
        connection.execute(
            "INSERT INTO schema_versions (version, name) VALUES (?1, ?2)",
            (version + 1, step.name),
        )?;
    }
    for version in (target..found).rev() {
        connection.execute_batch(MIGRATIONS[place(version)].down)?;
        connection.execute(
            "DELETE FROM schema_versions WHERE version = ?1",
            (version + 1,),
        )?;
    }
    Ok(())
}
