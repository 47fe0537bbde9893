//! What a start refuses: in one paragraph with what, where and what to do, and with nothing
//! changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use millrun_client::{Client, OrderEventKind, RejectReason, Resume, Side};
use serde_json::json;
use venue_simulator::{Simulator, SimulatorConfig};

use crate::rig::Rig;
use crate::trader::limit;

/// A start that ends by itself: its exit code and what it said.
fn refused(rig: &Rig) -> (i32, String) {
    let mut engine = rig.spawn();
    let status = engine.wait_exit();
    (status.code().unwrap(), engine.all_printed())
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Every file below a directory.
fn files_of(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.path().display().to_string();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_of(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// An address where nobody listens.
fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// The configuration with the venue at another port.
fn moved_to(rig: &Rig, port: u16) {
    let from = format!("localhost:{}", rig.venue.addr().port());
    rig.write_config(|text| text.replace(&from, &format!("localhost:{port}")));
}

/// A journal with one order that rests at the venue.
fn with_an_order(rig: &Rig) {
    let mut engine = rig.start();
    rig.attach("grid").rest(&limit(Side::Buy, "1", "63000"));
    assert!(engine.stop().success());
}

#[test]
fn configuration_with_several_errors_is_refused_with_all_of_them_at_once() {
    let rig = Rig::new();
    rig.write_config(|text| {
        text.replace("instance_tag = 7", "instance_tag = 700")
            .replace("idle = \"park\"", "idle = \"parked\"")
            .replace("max_long = \"100000\"", "max_lnog = \"100000\"")
    });
    let (code, text) = refused(&rig);
    assert_eq!(code, 3, "{text}");
    holds(
        &text,
        &[
            "millrun.toml",
            "instance_tag",
            "parked",
            "max_lnog",
            "max_long",
        ],
    );
    assert!(!rig.path("data").exists(), "nothing was made");
}

#[test]
fn key_file_that_is_missing_or_open_to_others_is_refused_by_its_path() {
    let rig = Rig::new();
    rig.write_keys(0o644);
    let (code, text) = refused(&rig);
    assert_eq!(code, 3, "{text}");
    holds(&text, &["okx.credentials", "644", "chmod"]);
    fs::remove_file(rig.path("okx.credentials")).unwrap();
    let (code, text) = refused(&rig);
    assert_eq!(code, 3, "{text}");
    holds(&text, &["okx.credentials"]);
    assert!(!rig.path("data").exists(), "nothing was made");
}

#[test]
fn order_of_a_strategy_that_is_not_configured_is_refused_by_its_name() {
    let rig = Rig::new();
    let place = [
        "order",
        "place",
        "--as",
        "nobody",
        "--symbol",
        "BTC-USDT-SWAP",
        "--side",
        "buy",
        "--quantity",
        "1",
        "--price",
        "63000",
    ];
    let output = rig.run(&place);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    holds(&text, &["nobody", "[[strategy]]", "--as"]);
}

// covers: D03
#[test]
fn damage_before_the_end_of_the_journal_is_refused_and_leaves_every_file_as_it_was() {
    let rig = Rig::new();
    with_an_order(&rig);
    let segment = fs::read_dir(rig.journal())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.metadata().unwrap().len() > 1 << 20)
        .min()
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // Entries begin behind the header page (JOURNAL_FORMAT.md).
    bytes[4096 + (used - 4096) / 2] ^= 0x10;
    fs::write(&segment, &bytes).unwrap();
    let before = files_of(&rig.journal());
    let (code, text) = refused(&rig);
    assert_eq!(code, 5, "{text}");
    let name = segment.file_name().unwrap().to_str().unwrap();
    holds(&text, &[name, "offset", "last good"]);
    let mut after = files_of(&rig.journal());
    // The lock was taken, with our number in it, before anything was read.
    let lock = rig.journal().join("LOCK").display().to_string();
    after.insert(lock.clone(), before[&lock].clone());
    let changed: Vec<&String> = after
        .iter()
        .filter(|(name, bytes)| before.get(*name) != Some(*bytes))
        .map(|(name, _)| name)
        .collect();
    assert_eq!((changed, after.len()), (Vec::new(), before.len()));
}

// covers: C12
#[test]
fn second_engine_on_a_directory_is_refused_and_names_the_first_and_a_dead_ones_lock_is_taken() {
    let rig = Rig::new();
    let engine = rig.start();
    let (code, text) = refused(&rig);
    assert_eq!(code, 4, "{text}");
    holds(&text, &["ALREADY_RUNNING", &engine.pid().to_string()]);
    rig.attach("grid").rest(&limit(Side::Buy, "1", "63000"));
    engine.kill();
    let mut next = rig.start();
    assert!(next.stop().success());
    rig.ledgers_agree();
}

#[test]
fn first_start_without_its_venue_is_refused_with_what_to_do() {
    let rig = Rig::new();
    let address = dead_address();
    moved_to(&rig, address.port());
    let (code, text) = refused(&rig);
    assert_eq!(code, 1, "{text}");
    holds(
        &text,
        &["venue okx", &address.port().to_string(), "start again"],
    );
}

/// Carries bytes from a new listener at `address` to the venue.
fn forward(address: SocketAddr, venue: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let Ok(to) = TcpStream::connect(venue) else {
                return;
            };
            for (mut read, mut write) in [
                (from.try_clone().unwrap(), to.try_clone().unwrap()),
                (to, from),
            ] {
                std::thread::spawn(move || {
                    let _ = io::copy(&mut read, &mut write);
                    let _ = write.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
}

#[test]
fn later_start_without_its_venue_waits_with_the_rules_of_the_last_run_and_opens_when_it_comes() {
    let rig = Rig::new();
    with_an_order(&rig);
    let address = dead_address();
    moved_to(&rig, address.port());
    let mut engine = rig.spawn();
    engine.wait_for_line("starting with the rules of the last run");
    engine.wait_for_line("tcp failed");
    assert!(engine.is_running());
    let said = engine.all_printed();
    let line = said.lines().find(|line| line.contains("tcp failed"));
    assert_eq!(line.unwrap().matches("check the port").count(), 1, "{said}");
    rig.counterparty("sell", "1", "63000");
    forward(address, rig.venue.addr());
    engine.wait_ready();
    let mut trader = rig.attach("grid");
    trader.wait_for("the fill", |event| {
        event.kind == OrderEventKind::OrderFilled
    });
    assert!(engine.stop().success());
    rig.ledgers_agree();
}

// covers: V23
#[test]
fn refused_login_is_said_and_is_not_tried_again_and_again() {
    let rig = Rig::new();
    rig.arm(json!({"fault": {"kind": "reject_login", "code": "60005"}, "when": {"times": 0}}));
    let mut engine = rig.spawn();
    let said = engine.wait_for_line("AUTH_FAILED");
    holds(&engine.all_printed(), &["60005"]);
    let attached = Client::attach(rig.path("data/attach.sock"), "grid", Resume::FROM_NOW);
    let mut client = attached.unwrap().client;
    let request = client.place(&limit(Side::Buy, "1", "63000")).unwrap();
    let answer = client.next_event(Duration::from_secs(5)).unwrap().unwrap();
    assert_eq!(answer.request_id, request);
    assert_eq!(answer.kind, OrderEventKind::RequestRefused);
    assert_eq!(answer.reason, Some(RejectReason::VenueDown));
    // That nothing happens can only be seen by letting time pass; events are read meanwhile.
    while said.elapsed() < Duration::from_secs(2) {
        let left = Duration::from_secs(2).saturating_sub(said.elapsed());
        assert_eq!(client.next_event(left).unwrap(), None);
    }
    assert!(
        rig.venue.stats().connections <= 2,
        "{:#?}",
        rig.venue.stats()
    );
    assert!(engine.is_running());
    assert!(engine.stop().success());
}

// covers: V22
#[test]
fn venue_whose_certificate_is_not_trusted_expired_or_of_another_name_is_refused() {
    let foreign = Simulator::start_blocking(SimulatorConfig::default(), None).unwrap();
    let rig = Rig::new();
    with_an_order(&rig);
    let logins = rig.venue.stats().logins;
    fs::write(rig.path("ca.pem"), foreign.ca_pem()).unwrap();
    let mut engine = rig.spawn();
    engine.wait_for_line("starting with the rules of the last run");
    let began = Instant::now();
    engine.wait_for_lines("ertificate", 2);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(engine.stop().success());
    assert_eq!(rig.venue.stats().logins, logins, "no login was sent");

    let expired = Rig::with(|config| config.has_expired_certificate = true);
    let elsewhere = Rig::with(|config| config.certificate_names = vec!["elsewhere.test".into()]);
    for (rig, word) in [(expired, "xpired"), (elsewhere, "name")] {
        let (code, text) = refused(&rig);
        assert_eq!(code, 1, "{text}");
        holds(&text, &[word, "start again"]);
        assert_eq!(rig.venue.stats().rest_requests, 0);
    }
}
