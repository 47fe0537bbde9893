//! A projector that follows a journal while it is written, watched through what it says; and what
//! it does when its database fails.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use millrun_cold::projector::{Projector, ProjectorNotice, ProjectorSettings, read_state, rebuild};
use millrun_cold::store::Store;
use rusqlite::Connection;

use crate::row_by_row::assert_equal_rows;
use crate::trading_day::TradingDay;

const PATIENCE: Duration = Duration::from_secs(30);

type Told = Arc<(Mutex<Vec<ProjectorNotice>>, Condvar)>;

/// A running projector.
pub(crate) struct Watched {
    projector: Projector,
    told: Told,
    database: std::path::PathBuf,
}

pub(crate) fn follow(journal: &Path, database: &Path) -> Watched {
    let told: Told = Arc::default();
    let sink = Arc::clone(&told);
    watch(journal, database, told, move |notice| {
        sink.0.lock().unwrap().push(notice);
        sink.1.notify_all();
    })
}

fn watch(
    journal: &Path,
    database: &Path,
    told: Told,
    sink: impl Fn(ProjectorNotice) + Send + Sync + 'static,
) -> Watched {
    let settings = ProjectorSettings {
        journal_directory: journal.to_owned(),
        database: database.to_owned(),
        batch_entries: 512,
    };
    Watched {
        projector: Projector::start(settings, Arc::new(sink)).unwrap(),
        told,
        database: database.to_owned(),
    }
}

impl Watched {
    pub(crate) fn wait_for_degraded(&self, code: &str) {
        self.wait_for(code, |notice| match notice {
            ProjectorNotice::Degraded { detail, .. } => detail.contains(code),
            _ => false,
        });
    }

    pub(crate) fn wait_for_following(&self) {
        self.wait_for("following", |notice| {
            matches!(notice, ProjectorNotice::Following { .. })
        });
    }

    fn wait_for(&self, code: &str, is_it: impl Fn(&ProjectorNotice) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut told = self.told.0.lock().unwrap();
        while !told.iter().any(&is_it) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {code}, but {told:?}");
            told = self.told.1.wait_timeout(told, left).unwrap().0;
        }
    }

    /// Waits until the rows go up to this entry.
    pub(crate) fn wait_for_sequence(&self, sequence: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let store = Store::open_to_read(&self.database);
            let cursor = store.and_then(|store| store.cursor());
            if cursor.as_ref().is_ok_and(|cursor| {
                cursor
                    .as_ref()
                    .is_some_and(|cursor| cursor.sequence >= sequence)
            }) {
                return;
            }
            let told = self.told.0.lock().unwrap().clone();
            assert!(Instant::now() < deadline, "{cursor:?} {told:?}");
            // Another thread writes the file: there is nothing to wait on.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stop(self) {
        self.projector.stop();
    }
}

// covers: HP3
#[test]
fn rows_follow_a_journal_that_is_being_written_and_are_those_of_a_rebuild() {
    let temporary = tempfile::tempdir().unwrap();
    let database = temporary.path().join("millrun.db");
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 11);
    let watched = follow(&day.directory, &database);
    for entries in [10, 2_000, 2_001, 6_000] {
        day.trade_to(entries);
        watched.wait_for_sequence(day.sequence());
    }
    day.restart();
    day.trade_to(9_000);
    // What is written before the stop is in the rows after it.
    watched.stop();
    assert_eq!(read_state(&database).unwrap().state, "stopped");
    let again = temporary.path().join("again.db");
    rebuild(&day.directory, &again, |_| {}).unwrap();
    assert_equal_rows(&database, &again);
}

// covers: P9
#[test]
fn locked_database_degrades_the_projector_and_never_the_writer_and_it_catches_up() {
    let temporary = tempfile::tempdir().unwrap();
    let database = temporary.path().join("millrun.db");
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 12);
    let watched = follow(&day.directory, &database);
    watched.wait_for_sequence(day.sequence());
    let holder = Connection::open(&database).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    day.trade_to(3_000);
    watched.wait_for_degraded("holds its lock");
    let said = read_state(&database).unwrap();
    assert_eq!(said.state, "degraded");
    assert!(said.reason.unwrap().contains("lock"));
    day.trade_to(5_000);
    holder.execute_batch("COMMIT").unwrap();
    watched.wait_for_sequence(day.sequence());
    assert_eq!(read_state(&database).unwrap().state, "following");
    watched.stop();
    let again = temporary.path().join("again.db");
    rebuild(&day.directory, &again, |_| {}).unwrap();
    assert_equal_rows(&database, &again);
}

// covers: C11
#[test]
fn projector_that_panics_is_degraded_and_follows_again() {
    let temporary = tempfile::tempdir().unwrap();
    let database = temporary.path().join("millrun.db");
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 14);
    day.trade_to(700);
    let told = Told::default();
    let (sink, armed) = (Arc::clone(&told), AtomicBool::new(true));
    let watched = watch(&day.directory, &database, told, move |notice| {
        let is_first = armed.swap(false, Ordering::Relaxed);
        assert!(!is_first, "planted on the projector's own thread");
        sink.0.lock().unwrap().push(notice);
        sink.1.notify_all();
    });
    watched.wait_for_degraded("PROJECTOR_PANICKED");
    day.trade_to(900);
    watched.wait_for_sequence(day.sequence());
    watched.wait_for_following();
    watched.stop();
}

#[test]
fn cursor_that_somebody_changed_is_refused_by_its_column_and_a_rebuild_mends_it() {
    let temporary = tempfile::tempdir().unwrap();
    let database = temporary.path().join("millrun.db");
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 13);
    day.trade_to(500);
    rebuild(&day.directory, &database, |_| {}).unwrap();
    let damage = Connection::open(&database).unwrap();
    damage
        .execute("UPDATE cursor SET config = x'00ff'", [])
        .unwrap();
    let watched = follow(&day.directory, &database);
    watched.wait_for_degraded("cursor.config");
    rebuild(&day.directory, &database, |_| {}).unwrap();
    watched.wait_for_following();
    day.trade_to(900);
    watched.wait_for_sequence(day.sequence());
    watched.stop();
}
