//! What an entry looks like as text and as JSON.

use crate::replaying::replay;
use crate::story::{HOSTILE_FRAME, Stage, frame, order_id};
use model::execution_report::QuarantineReason;
use model::{Input, UnixNs, UtcAnchor, VenueReport};
use serde_json::Value;

const GOLDEN: &str = include_str!("fixtures/order_story.txt");

fn json_lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_story_of_an_order_is_told_as_the_golden_text() {
    let stage = Stage::told();
    let replayed = replay(&stage.directory, &["--raw"]);
    if std::env::var_os("MILLRUN_WRITE_GOLDEN").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/replay/fixtures/order_story.txt"
        );
        std::fs::write(path, &replayed.out).unwrap();
    }
    assert_eq!(replayed.out, GOLDEN);
    assert_eq!(replayed.notes, "");
}

#[test]
fn every_entry_is_one_json_object_with_the_same_names() {
    let stage = Stage::told();
    let told = json_lines(&replay(&stage.directory, &["--json"]).out);
    assert_eq!(told.len(), 13);
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for entry in &told {
        assert_eq!(names(entry), names(&told[0]));
    }
    assert_eq!(
        names(&told[0]).join(" "),
        "sequence kind boot_epoch now_ns utc utc_error_ns config_version flags segment \
         offset_bytes body decisions"
    );
}

#[test]
fn a_fill_leads_back_to_order_strategy_request_config_and_times() {
    let stage = Stage::told();
    let told = json_lines(&replay(&stage.directory, &["--json"]).out);
    let fill = &told[7];
    assert_eq!(fill["utc"], "2026-01-01T00:00:00.000006500Z");
    assert_eq!(fill["utc_error_ns"], 250_000);
    assert_eq!(fill["config_version"], 1);
    let change = &fill["decisions"][0];
    assert_eq!(change["event"], "OrderPartiallyFilled");
    assert_eq!(change["client_order_id"], order_id().to_string());
    assert_eq!(change["strategy"], "grid");
    assert_eq!(change["request_id"], 1);
    let detail = &change["detail"];
    assert_eq!(detail["last_price"], "65000.1");
    assert_eq!(detail["last_quantity"], "0.25");
    assert_eq!(detail["fee"], "-0.01300002");
    let request = &told[4];
    assert_eq!(request["body"]["request_id"], 1);
    assert_eq!(request["body"]["admission"], "granted");
    assert_eq!(request["decisions"][1]["detail"]["intent_seq"], 1);
    let sent = &told[5]["body"]["stamps"][0];
    assert_eq!(sent["intent_seq"], 1);
    assert_eq!(sent["entry_sequence"], 5);
    assert_eq!(sent["payload_hash"], "feed000000000001");
    assert_eq!(sent["encode_ns"], 50);
    assert_eq!(sent["seal_ns"], 280);
    assert_eq!(sent["write_ns"], 2_100);
    assert_eq!(told[5]["body"]["frames"][0]["wire_to_ring_ns"], 2_070);
    let in_backlog = &told[9]["body"];
    assert_eq!(in_backlog["stamps"][0]["write_ns"], Value::Null);
    assert_eq!(in_backlog["frames"][0]["publish_ns"], Value::Null);
}

#[test]
fn numbers_beyond_64_bits_stay_exact() {
    let stage = Stage::told();
    let told = json_lines(&replay(&stage.directory, &["--json", "--strategy", "hedge"]).out);
    let refused = &told[0]["decisions"][0];
    assert_eq!(refused["reason"], "RISK_POSITION");
    assert_eq!(refused["actual_units"], "184467440737095516150");
}

#[test]
fn control_characters_of_a_frame_never_reach_the_terminal_and_json_keeps_every_one() {
    let stage = Stage::told();
    for options in [vec!["--raw"], vec!["--raw", "--json"]] {
        let out = replay(&stage.directory, &options).out;
        assert!(
            out.bytes()
                .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte))
        );
    }
    let told = json_lines(&replay(&stage.directory, &["--raw", "--json"]).out);
    let raw = told[7]["body"]["raw"].as_str().unwrap();
    assert_eq!(raw.as_bytes(), HOSTILE_FRAME);
}

#[test]
fn a_frame_that_is_no_text_is_told_as_hex() {
    let mut stage = Stage::empty();
    let reports = [VenueReport::Quarantined(QuarantineReason::Malformed)];
    stage.append(&frame(&[0xff, 0x00, 0x41], &reports), &[]);
    let text = replay(&stage.directory, &["--raw"]).out;
    assert!(text.contains("raw \\xff\\x00A\n"), "{text}");
    let told = json_lines(&replay(&stage.directory, &["--raw", "--json"]).out);
    assert_eq!(told[0]["body"]["raw_hex"], "ff0041");
    assert_eq!(told[0]["body"]["raw"], Value::Null);
}

#[test]
fn raw_bytes_are_shown_only_when_asked_for() {
    let stage = Stage::told();
    assert!(!replay(&stage.directory, &[]).out.contains("\"state\""));
    assert!(
        !replay(&stage.directory, &["--json"])
            .out
            .contains("\"raw\"")
    );
}

#[test]
fn a_number_without_a_known_scale_is_told_in_units_and_not_guessed() {
    let mut stage = Stage::empty();
    stage.tell_order();
    let told = json_lines(&replay(&stage.directory, &["--json", "--limit", "1"]).out);
    let request = &told[0]["body"]["request"];
    assert_eq!(request["limit_price"], Value::Null);
    assert_eq!(request["limit_price_units"], 6_500_010);
    assert_eq!(told[0]["utc"], Value::Null);
    assert_eq!(told[0]["config_version"], Value::Null);
}

#[test]
fn entries_before_the_first_configuration_take_their_scales_from_it() {
    let mut stage = Stage::empty();
    stage.tell_order();
    stage.tell_beginning();
    let told = json_lines(&replay(&stage.directory, &["--json", "--limit", "1"]).out);
    assert_eq!(told[0]["body"]["request"]["limit_price"], "65000.1");
    assert_eq!(told[0]["config_version"], Value::Null);
}

#[test]
fn names_scales_and_clocks_are_known_behind_from() {
    let stage = Stage::told();
    let all = replay(&stage.directory, &[]).out;
    let one = replay(&stage.directory, &["--from", "13"]);
    assert_eq!(one.out.lines().next(), all.lines().rev().nth(1));
    let request = replay(&stage.directory, &["--from", "12", "--limit", "1"]).out;
    assert!(request.contains("instrument=ETH-USDT"), "{request}");
    assert!(request.contains("limit_price=3500.1"), "{request}");
}

#[test]
fn a_replace_takes_its_scales_from_what_was_decided_on_its_order() {
    let mut stage = Stage::empty();
    stage.tell_beginning();
    stage.tell_replace();
    let told = json_lines(&replay(&stage.directory, &["--json", "--from", "5"]).out);
    assert_eq!(told[0]["body"]["request"]["limit_price"], "64000.1");
    assert_eq!(told[0]["body"]["request"]["order_quantity"], "0.5");
    assert_eq!(
        told[1]["body"]["request"]["limit_price"],
        Value::Null,
        "refused: no instrument"
    );
    assert_eq!(told[1]["body"]["request"]["limit_price_units"], 6_400_010);
}

#[test]
fn no_scale_that_a_journal_can_hold_ends_the_tool() {
    let mut stage = Stage::empty();
    let mut config = crate::story::config();
    for policy in &mut config.instruments {
        policy.instrument.price_scale = 255;
        policy.instrument.quantity_scale = 255;
        policy.instrument.multiplier_scale = 255;
    }
    stage.append(&Input::ConfigApplied(&config), &[]);
    stage.tell_order();
    for form in ["--raw", "--json"] {
        assert_eq!(replay(&stage.directory, &[form]).sequences().len(), 10);
    }
}

#[test]
fn an_anchor_of_an_earlier_run_dates_nothing_of_a_later_one() {
    let mut stage = Stage::told();
    let mut later = crate::story::options(&stage.directory);
    later.minutes_since_2025 += 10;
    stage.journal = Some(journal::Journal::open(&later).unwrap());
    stage.append(&Input::Timer, &[]);
    let anchor = UtcAnchor {
        unix: UnixNs(1_767_226_000_000_000_000),
        ..crate::story::ANCHOR
    };
    stage.append(&Input::UtcAnchor(anchor), &[]);
    stage.append(&Input::Timer, &[]);
    let told = json_lines(&replay(&stage.directory, &["--json", "--from", "13"]).out);
    assert_eq!(told[0]["utc"], "2026-01-01T00:00:00.000011500Z");
    assert_eq!(told[1]["utc"], Value::Null);
    assert_eq!(told[3]["utc"], "2026-01-01T00:06:40.000014500Z");
    let text = replay(&stage.directory, &["--from", "14", "--to", "14"]).out;
    assert!(text.contains("monotonic"), "{text}");
}
