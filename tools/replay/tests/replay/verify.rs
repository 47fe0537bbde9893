//! Re-execution: a true journal is identical, and every planted change is found where it is.

use std::path::Path;
use std::process::Command;

use engine::replay::Replay;
use engine::{ENGINE_VERSION, Moment};
use journal::Reader;
use millrun_replay::{Difference, DifferentPart, Verdict, Verification, Verifier};
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, put_entry, take_entry};
use model::sent_record::SentRecord;
use model::*;
use serde_json::Value;

use crate::recorded::{RawEntry, Recording, push, rewritten};
use crate::replaying::arguments;
use crate::story::{Stage, new_order};

/// Entries of [`Recording::open`] and the story behind it.
const PLACED: u64 = 6;
const SENT: u64 = 7;
const FILLED: u64 = 10;

fn verify(directory: &Path) -> (Verdict, Verification, u64) {
    let mut verifier = Verifier::open(directory).unwrap();
    let verdict = verifier.advance(&mut |_| {}).unwrap();
    (verdict, verifier.totals(), verifier.state_digest())
}

fn difference(stage: &Stage) -> Difference {
    match verify(&stage.directory).0 {
        Verdict::Differs(difference) => *difference,
        Verdict::Identical => panic!("the change was not seen"),
    }
}

fn traded() -> Recording {
    let mut recording = Recording::open();
    recording.trade();
    recording
}

/// The state that recovery comes to.
fn folded_digest(directory: &Path) -> u64 {
    let mut reader = Reader::open(directory, 1).unwrap();
    let mut buffers = EntryBuffers::default();
    let mut replay = Replay::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let kind = EntryKind::from_number(u8::try_from(entry.kind).unwrap()).unwrap();
        if kind == EntryKind::Sent {
            continue;
        }
        let (input, decisions) = take_entry(kind, entry.body, &mut buffers).unwrap();
        let moment = Moment {
            sequence: entry.sequence,
            now: MonotonicNs(entry.now_ns),
        };
        replay.fold(moment, &input, decisions).unwrap();
    }
    replay.engine().unwrap().state().digest()
}

// covers: NX1 HP6 P2
#[test]
fn a_true_journal_gives_the_same_decisions_payloads_and_state_again_and_again() {
    let mut recording = traded();
    let live_digest = recording.engine.state().digest();
    recording.stage.close();
    let directory = &recording.stage.directory;
    for _ in 0..2 {
        let (verdict, totals, digest) = verify(directory);
        assert!(matches!(verdict, Verdict::Identical), "{verdict:?}");
        assert_eq!(digest, live_digest);
        assert_eq!(totals.entries, 15);
        assert_eq!((totals.inputs, totals.payloads), (13, 2));
        assert_eq!(totals.folded_other_version, 0);
        assert!(totals.decisions >= 12, "{totals:?}");
    }
    assert_eq!(folded_digest(directory), live_digest);
}

// covers: NX1
#[test]
fn a_verification_goes_on_where_it_stopped_while_the_journal_grows() {
    let mut recording = Recording::open();
    let mut verifier = Verifier::open(&recording.stage.directory).unwrap();
    assert!(matches!(
        verifier.advance(&mut |_| {}),
        Ok(Verdict::Identical)
    ));
    let before = verifier.totals().entries;
    recording.trade();
    assert!(matches!(
        verifier.advance(&mut |_| {}),
        Ok(Verdict::Identical)
    ));
    assert_eq!(verifier.totals().entries, before + 10);
    assert_eq!(verifier.state_digest(), recording.engine.state().digest());
}

// covers: NX1
#[test]
fn a_changed_decision_is_found_at_its_sequence_with_both_sides() {
    let mut recording = traded();
    let copy = rewritten(&mut recording.stage, |entry| {
        if entry.sequence == PLACED {
            entry.decide(|decisions| {
                let Some(Decision::Order(change)) = decisions.get_mut(1) else {
                    panic!("the second decision starts the command");
                };
                change.limit_price = Price::from_units(6_500_020);
            });
        }
    });
    let found = difference(&copy);
    assert_eq!(
        (found.sequence, found.part, found.at),
        (PLACED, DifferentPart::Decisions, 1)
    );
    let json = found.json();
    assert_eq!(json["recorded"][1]["limit_price"], "65000.2");
    assert_eq!(json["computed"][1]["limit_price"], "65000.1");
    assert_eq!(json["entry"]["kind"], "Request");
    let human = found.human();
    let line = human.lines().find(|line| line.contains("limit_price  "));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words, ["!", "limit_price", "65000.2", "65000.1"], "{human}");
}

// covers: NX1
#[test]
fn a_decision_that_is_missing_or_too_many_is_found() {
    type Edit = fn(&mut Vec<Decision>);
    let edits: [(Edit, usize); 2] = [
        (|decisions| decisions.truncate(1), 1),
        (
            |decisions| decisions.push(Decision::Intake { open: false }),
            2,
        ),
    ];
    for (edit, at) in edits {
        let mut recording = traded();
        let copy = rewritten(&mut recording.stage, |entry| {
            if entry.sequence == PLACED {
                entry.decide(edit);
            }
        });
        let found = difference(&copy);
        assert_eq!((found.sequence, found.at), (PLACED, at));
        assert!(found.human().contains("computed"));
    }
}

// covers: NX1
#[test]
fn an_engine_that_read_a_clock_of_its_own_is_found_at_the_first_entry_that_it_spoilt() {
    let mut recording = Recording::open();
    // One nanosecond is enough to move the command's deadline at the venue.
    recording.clock_error_ns = 1;
    let spoilt = recording.ask(0, 1, Request::New(new_order()));
    recording.clock_error_ns = 0;
    recording.stage.close();
    let found = difference(&recording.stage);
    assert_eq!(
        (found.sequence, found.part),
        (spoilt, DifferentPart::Decisions)
    );
    assert!(
        found.human().contains("! detail.created_at"),
        "{}",
        found.human()
    );
}

// covers: NX1
#[test]
fn a_changed_payload_hash_is_found_at_its_entry_and_the_true_payload_is_shown() {
    let mut recording = traded();
    let copy = rewritten(&mut recording.stage, |entry| {
        if entry.sequence == SENT {
            let mut record = SentRecord::take(&entry.body).unwrap();
            record.intents[0].payload_hash ^= 1;
            entry.body.clear();
            record.put(&mut entry.body);
        }
    });
    let found = difference(&copy);
    assert_eq!((found.sequence, found.part), (SENT, DifferentPart::Payload));
    let json = found.json();
    assert_ne!(
        json["recorded"][0]["payload_hash"],
        json["computed"][0]["payload_hash"]
    );
    let payload = json["computed"][0]["payload"].as_str().unwrap();
    assert!(
        payload.starts_with("{\"id\":") && payload.contains("\"px\":\"65000.1\""),
        "{payload}"
    );
}

// covers: NX1
#[test]
fn reports_that_are_not_what_the_frame_says_are_found_and_so_is_a_changed_frame() {
    let tamper_report = |entry: &mut RawEntry| {
        entry.edit(|input, decisions| {
            let Input::VenueFrame {
                venue,
                link,
                raw,
                reports,
            } = input
            else {
                panic!("a frame");
            };
            let mut reports = reports.to_vec();
            let VenueReport::Order(update) = &mut reports[0] else {
                panic!("an update");
            };
            update.cum_quantity = Quantity::from_units(2_400);
            let mut body = Vec::new();
            let input = Input::VenueFrame {
                venue,
                link,
                raw,
                reports: &reports,
            };
            put_entry(&input, decisions, &mut body);
            body
        });
    };
    let tamper_frame = |entry: &mut RawEntry| {
        let more = push("partially_filled", "0.26", Some(("778", "0.26")));
        entry.edit(|input, decisions| {
            let Input::VenueFrame {
                venue,
                link,
                reports,
                ..
            } = input
            else {
                panic!("a frame");
            };
            let mut body = Vec::new();
            let input = Input::VenueFrame {
                venue,
                link,
                raw: more.as_bytes(),
                reports,
            };
            put_entry(&input, decisions, &mut body);
            body
        });
    };
    for tamper in [&tamper_report as &dyn Fn(&mut RawEntry), &tamper_frame] {
        let mut recording = traded();
        let copy = rewritten(&mut recording.stage, |entry| {
            if entry.sequence == FILLED {
                tamper(entry);
            }
        });
        let found = difference(&copy);
        assert_eq!(
            (found.sequence, found.part),
            (FILLED, DifferentPart::Reports)
        );
        let json = found.json();
        assert_ne!(
            json["recorded"][0]["cum_quantity"],
            json["computed"][0]["cum_quantity"]
        );
    }
}

// covers: NX1
#[test]
fn entries_of_another_engine_version_are_folded_and_counted_and_not_compared() {
    let mut recording = Recording::of_version(ENGINE_VERSION + 1);
    recording.trade();
    let digest = recording.engine.state().digest();
    recording.stage.close();
    let (verdict, totals, folded) = verify(&recording.stage.directory);
    assert!(matches!(verdict, Verdict::Identical));
    assert_eq!((totals.inputs, totals.folded_other_version), (0, 13));
    assert_eq!((totals.decisions, totals.payloads), (0, 0));
    assert_eq!(folded, digest);
}

// covers: NX1
#[test]
fn what_lies_outside_of_the_range_is_not_compared() {
    let mut recording = traded();
    let copy = rewritten(&mut recording.stage, |entry| {
        if entry.sequence == SENT {
            let mut record = SentRecord::take(&entry.body).unwrap();
            record.intents[0].payload_hash ^= 1;
            entry.body.clear();
            record.put(&mut entry.body);
        }
    });
    let within = |from, to| {
        let mut verifier = Verifier::open(&copy.directory).unwrap().within(from, to);
        let verdict = verifier.advance(&mut |_| {}).unwrap();
        (matches!(verdict, Verdict::Identical), verifier.totals())
    };
    assert!(within(1, SENT - 1).0);
    assert!(!within(1, SENT).0);
    let (identical, totals) = within(SENT, u64::MAX);
    assert!(identical, "the intent lies before the range");
    assert_eq!((totals.inputs, totals.payloads), (7, 1));
}

fn program(directory: &Path, options: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_millrun-replay"))
        .arg("--dir")
        .arg(directory)
        .args(options)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

// covers: NX1 HP6
#[test]
fn the_last_line_says_the_verdict_and_a_difference_has_an_exit_code_of_its_own() {
    let mut recording = traded();
    recording.stage.close();
    let directory = &recording.stage.directory;
    let (code, out) = program(directory, &["--verify"]);
    assert_eq!(code, Some(0));
    let digest = recording.engine.state().digest();
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("replay verdict=identical entries=15 inputs=13 decisions="),
        "{last}"
    );
    let end = format!(" payloads=2 folded_other_version=0 state_digest={digest:016x}");
    assert!(last.ends_with(&end), "{last}");

    let copy = rewritten(&mut recording.stage, |entry| {
        if entry.sequence == FILLED {
            entry.decide(Vec::clear);
        }
    });
    let (code, out) = program(&copy.directory, &["--verify"]);
    assert_eq!(code, Some(7));
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("replay verdict=differs sequence=10 part=decisions"),
        "{last}"
    );
    let (code, out) = program(&copy.directory, &["--verify", "--json"]);
    assert_eq!(code, Some(7));
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&told["verdict"], &told["sequence"]),
        (&"differs".into(), &10.into())
    );
    assert_eq!(told["recorded"], Value::Array(Vec::new()));
    assert!(told["entries_per_s"].is_u64());
}

#[test]
fn verify_takes_no_option_that_would_have_no_effect_and_refuses_an_empty_journal() {
    let empty = Stage::empty();
    for option in ["--raw", "--follow", "--limit=1", "--grep=x", "--kind=Timer"] {
        assert!(
            arguments(&empty.directory, &["--verify", option]).is_err(),
            "{option}"
        );
    }
    let (code, _) = program(&empty.directory, &["--verify"]);
    assert_eq!(code, Some(1));
}

#[test]
fn a_venue_whose_dialect_is_not_known_is_named_and_nothing_is_guessed() {
    let mut recording = traded();
    let copy = rewritten(&mut recording.stage, |entry| {
        if entry.sequence == 1 {
            entry.edit(|input, decisions| {
                let Input::ConfigApplied(config) = input else {
                    panic!("a configuration");
                };
                let mut config = config.clone();
                config.venues[0].dialect = Text::new(b"klingon").unwrap();
                let mut body = Vec::new();
                put_entry(&Input::ConfigApplied(&config), decisions, &mut body);
                body
            });
        }
    });
    let mut verifier = Verifier::open(&copy.directory).unwrap();
    let error = verifier.advance(&mut |_| {}).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("klingon"), "{error}");
}

// covers: HP6 P2
#[test]
fn the_state_at_any_entry_has_the_digest_that_the_engine_had_there() {
    let mut recording = Recording::open();
    let mut digests = Vec::new();
    let mut note = |recording: &mut Recording| {
        let last = recording.stage.writer().next_sequence() - 1;
        digests.push((last, recording.engine.state().digest()));
    };
    note(&mut recording);
    recording.ask(0, 1, Request::New(new_order()));
    note(&mut recording);
    recording.hear(&push("partially_filled", "0.25", Some(("778", "0.25"))));
    note(&mut recording);
    for (at, digest) in digests {
        let (code, out) = program(
            &recording.stage.directory,
            &["--at", &at.to_string(), "--json"],
        );
        assert_eq!(code, Some(0));
        let state: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(state["state_digest"], format!("{digest:016x}"), "{at}");
        assert_eq!(state["sequence"], at);
    }
    let (_, out) = program(&recording.stage.directory, &["--at", "8", "--json"]);
    let state: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(state["positions"][0]["position"], "0.25");
    assert_eq!(state["positions"][0]["open_buy"], "0.75");
    assert_eq!(state["orders"][0]["status"], "partially_filled");
    assert_eq!(state["strategies"][0]["attached"], true);
    assert_eq!(state["venues"][0]["state"], "LIVE");
    let (_, out) = program(&recording.stage.directory, &["--at", "8"]);
    assert!(
        out.contains("position  instrument=BTC-USDT position=0.25"),
        "{out}"
    );
    assert!(
        out.lines().last().unwrap().starts_with("state sequence=8 "),
        "{out}"
    );
    let (code, _) = program(&recording.stage.directory, &["--at", "9"]);
    assert_eq!(code, Some(2));
}
