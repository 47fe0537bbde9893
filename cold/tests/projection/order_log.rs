//! `orders.jsonl`: each submission and each end once, whatever happens to whoever writes it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_cold::order_log::{OrderLog, OrderLogNotice, OrderLogSettings};
use millrun_cold::projector::rebuild;
use millrun_cold::store::{Store, beside};
use serde_json::Value;

use crate::trading_day::TradingDay;

const JOURNAL: &str = "MILLRUN_ORDER_LOG_TEST_JOURNAL";
/// Longest wait for lines that may have been written already.
const PATIENCE: Duration = Duration::from_millis(300);
const LINES: &str = "MILLRUN_ORDER_LOG_TEST_LINES";

fn settings(journal: &Path, path: &Path) -> OrderLogSettings {
    OrderLogSettings {
        journal_directory: journal.to_owned(),
        path: path.to_owned(),
        file_bytes_max: u64::MAX,
        files_kept: 3,
    }
}

/// Writes everything that the journal holds.
fn write_all(settings: OrderLogSettings) {
    let sink = Arc::new(|notice: OrderLogNotice| {
        assert_eq!(notice, OrderLogNotice::Following);
    });
    OrderLog::start(settings, sink).unwrap().stop();
}

/// What the child does; in a run of the tests themselves nothing is set.
#[test]
fn the_part_of_an_order_log_process() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(journal), Some(lines)) = (path(JOURNAL), path(LINES)) else {
        return assert!(path(JOURNAL).is_none() && path(LINES).is_none());
    };
    let mut settings = settings(&journal, &lines);
    settings.file_bytes_max = 5_000;
    settings.files_kept = 10_000;
    let _log = OrderLog::start(settings, Arc::new(|notice| eprintln!("{notice:?}"))).unwrap();
    loop {
        std::thread::park();
    }
}

fn start(journal: &Path, lines: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "order_log::the_part_of_an_order_log_process",
            "--exact",
            "--nocapture",
        ])
        .env(JOURNAL, journal)
        .env(LINES, lines)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// All lines, of the full files and the last one.
fn all_lines(path: &Path) -> String {
    let mut text = String::new();
    for number in 1.. {
        match std::fs::read_to_string(beside(path, &format!("{number:05}"))) {
            Ok(full) => text.push_str(&full),
            Err(_) => break,
        }
    }
    text + &std::fs::read_to_string(path).unwrap_or_default()
}

// covers: RH4
#[test]
fn every_submission_and_every_end_is_one_line_with_its_envelope() {
    let temporary = tempfile::tempdir().unwrap();
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 31);
    day.trade_to(4_000);
    day.restart();
    day.trade_to(6_000);
    let path = temporary.path().join("orders.jsonl");
    write_all(settings(&day.directory, &path));
    let database = temporary.path().join("millrun.db");
    rebuild(&day.directory, &database, |_| {}).unwrap();
    let orders = Store::open_to_read(&database)
        .unwrap()
        .orders(false)
        .unwrap();
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in all_lines(&path).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        seen.entry(line["order"].as_str().unwrap().to_owned())
            .or_default()
            .push(line);
    }
    assert_eq!(seen.len(), orders.len());
    for order in orders {
        let lines = &seen[&order.client_order_id.to_string()];
        let submitted = &lines[0];
        assert_eq!(submitted["event"], "submitted");
        assert_eq!(submitted["symbol"], order.market.symbol.as_str());
        assert_eq!(submitted["side"], order.side.name());
        assert_eq!(submitted["mode"], "paper");
        assert_eq!(submitted["submitted_at_ns"], order.submitted_at.unwrap().0);
        let correlation = format!(
            "{}-{}",
            order.client_order_id.epoch(),
            order.client_order_id
        );
        assert_eq!(submitted["correlation"], correlation.as_str());
        assert_eq!(lines.len(), 1 + usize::from(order.status.is_terminal()));
        let Some(ended) = lines.get(1) else { continue };
        assert_eq!(ended["event"], "ended");
        assert_eq!(ended["status"], order.status.name());
        assert_eq!(ended["correlation"], correlation.as_str());
        if !order.order_id.is_empty() {
            assert_eq!(ended["venue_order_id"], order.order_id.as_str());
        }
    }
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

// covers: RH4 C06
#[test]
fn writer_killed_again_and_again_neither_drops_nor_doubles_a_line_also_when_files_turn_over() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, whole) = (
        temporary.path().join("orders.jsonl"),
        temporary.path().join("whole.jsonl"),
    );
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 32);
    let mut chance = 11_u64;
    for _ in 0..20 {
        let mut process = start(&day.directory, &path);
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Written while it is followed, so that the kill hits a line, a cursor or a turning over.
        for _ in 0..(chance >> 33) % 12 + 3 {
            let (before, deadline) = (all_lines(&path).len(), Instant::now() + PATIENCE);
            let entries = day.sequence() + 25;
            day.trade_to(entries);
            while all_lines(&path).len() == before && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let mut last = settings(&day.directory, &path);
    (last.file_bytes_max, last.files_kept) = (5_000, 10_000);
    write_all(last);
    write_all(settings(&day.directory, &whole));
    assert!(beside(&path, "00002").exists(), "files turned over");
    assert!(
        all_lines(&path) == all_lines(&whole),
        "a line is missing, doubled or changed"
    );
}

#[test]
fn no_more_full_files_are_kept_than_asked_for() {
    let temporary = tempfile::tempdir().unwrap();
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 33);
    let path = temporary.path().join("orders.jsonl");
    for round in 1..=8 {
        day.trade_to(round * 300);
        let mut settings = settings(&day.directory, &path);
        settings.file_bytes_max = 2_000;
        write_all(settings);
    }
    let full = (1..=20).filter(|number| beside(&path, &format!("{number:05}")).exists());
    assert_eq!(full.collect::<Vec<_>>(), [6, 7, 8]);
}

#[test]
fn log_of_another_journal_or_one_that_was_cut_is_refused_by_name() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("orders.jsonl");
    let mut day = TradingDay::begin(&temporary.path().join("journal"), 1 << 20, 34);
    day.trade_to(600);
    write_all(settings(&day.directory, &path));
    let mut other = TradingDay::begin(&temporary.path().join("other"), 1 << 20, 35);
    other.trade_to(600);
    let (told, hear) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let sink = Arc::new(move |notice| drop(told.lock().unwrap().send(notice)));
    let degraded = |journal: &Path| {
        let log = OrderLog::start(settings(journal, &path), sink.clone()).unwrap();
        let notice = hear.recv_timeout(Duration::from_secs(20)).unwrap();
        log.stop();
        hear.try_iter().count();
        format!("{notice:?}")
    };
    let said = degraded(&other.directory);
    assert!(said.contains("ORDER_LOG_OTHER_JOURNAL"), "{said}");
    std::fs::write(&path, "").unwrap();
    let said = degraded(&day.directory);
    assert!(said.contains("ORDER_LOG_SHORT"), "{said}");
}
