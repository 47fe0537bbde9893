//! The projector's process, killed for real in the middle of its work, again and again.
//!
//! The binary starts itself again as the projector, by the name of one of its own tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_cold::projector::{Projector, ProjectorSettings, rebuild};
use millrun_cold::store::Store;

use crate::following::follow;
use crate::row_by_row::assert_equal_rows;
use crate::trading_day::TradingDay;

const JOURNAL: &str = "MILLRUN_PROJECTION_TEST_JOURNAL";
const DATABASE: &str = "MILLRUN_PROJECTION_TEST_DATABASE";
const ROUNDS: u64 = 50;
const ENTRIES_PER_ROUND: u64 = 240;

/// What a child does; in a run of the tests themselves nothing is set, and that is all it sees to.
#[test]
fn the_part_of_a_projector_process() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(journal_directory), Some(database)) = (path(JOURNAL), path(DATABASE)) else {
        return assert!(path(JOURNAL).is_none() && path(DATABASE).is_none());
    };
    // Small batches: many moments at which a kill can hit.
    let settings = ProjectorSettings {
        journal_directory,
        database,
        batch_entries: 4,
    };
    let _projector =
        Projector::start(settings, Arc::new(|notice| eprintln!("{notice:?}"))).unwrap();
    loop {
        std::thread::park();
    }
}

fn start(journal: &Path, database: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "kills::the_part_of_a_projector_process",
            "--exact",
            "--nocapture",
        ])
        .env(JOURNAL, journal)
        .env(DATABASE, database)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn cursor(database: &Path) -> u64 {
    let store = Store::open_to_read(database);
    let cursor = store.and_then(|store| store.cursor());
    cursor.ok().flatten().map_or(0, |cursor| cursor.sequence)
}

// covers: C06 HP3
#[test]
fn projector_killed_in_mid_projection_fifty_times_leaves_the_rows_of_a_rebuild_each_time() {
    let temporary = tempfile::tempdir().unwrap();
    let (database, again) = (
        temporary.path().join("millrun.db"),
        temporary.path().join("again.db"),
    );
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 21);
    let (mut mid, mut chance) = (0, 7_u64);
    for round in 1..=ROUNDS {
        if round % 10 == 0 {
            day.restart();
        }
        let before = cursor(&database);
        day.trade_to(round * ENTRIES_PER_ROUND);
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let wanted = before + 1 + (chance >> 33) % (ENTRIES_PER_ROUND / 2);
        let mut process = start(&day.directory, &database);
        let deadline = Instant::now() + Duration::from_secs(30);
        while cursor(&database) < wanted {
            assert!(Instant::now() < deadline, "round {round} stands still");
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let killed_at = cursor(&database);
        if killed_at < day.sequence() {
            mid += 1;
        }
        // The next one takes the lock over, goes on from the cursor, and ends at the same rows.
        let next = follow(&day.directory, &database);
        next.wait_for_sequence(day.sequence());
        next.stop();
        rebuild(&day.directory, &again, |_| {}).unwrap();
        assert_equal_rows(&database, &again);
    }
    println!("{mid} of {ROUNDS} kills hit a projection in the middle");
    assert!(mid >= ROUNDS / 2, "{mid}");
}
