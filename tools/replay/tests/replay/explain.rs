//! One order's story from the journal alone: names, checks, payloads, doubts.

use millrun_replay::{OrderName, ReplayError, explain, explain_all};
use model::*;
use serde_json::Value;

use crate::recorded::Recording;
use crate::story::{Stage, new_order, order_id};

fn traded() -> Stage {
    let mut recording = Recording::open();
    recording.trade();
    recording.stage.close();
    recording.stage
}

fn story(stage: &Stage, name: &str) -> Value {
    explain(&stage.directory, &name.parse().unwrap(), &mut |_| {}).unwrap()
}

fn checks(of: &Value) -> Vec<(&str, bool)> {
    let runs = of["checks"].as_array().unwrap().iter();
    runs.map(|run| (run["check"].as_str().unwrap(), run["passed"] == true))
        .collect()
}

// covers: NX4 P14
#[test]
fn an_order_is_found_by_its_three_names_and_its_story_has_checks_payload_words_and_end() {
    let stage = traded();
    let by_id = story(&stage, &order_id().to_string());
    for name in ["2510", "grid:1", "0:1"] {
        assert_eq!(story(&stage, name), by_id, "{name}");
    }
    let placed = &by_id["commands"][0];
    assert_eq!(placed["command"], "new");
    assert_eq!(
        (&placed["strategy"], &placed["request_id"]),
        (&"grid".into(), &1.into())
    );
    assert_eq!(
        (&placed["config_version"], &placed["entry_sequence"]),
        (&1.into(), &6.into())
    );
    assert!(checks(placed).iter().all(|(_, passed)| *passed));
    let notional = placed["checks"].as_array().unwrap();
    let notional = notional
        .iter()
        .find(|run| run["check"] == "RISK_ORDER_NOTIONAL");
    let notional = notional.unwrap();
    assert_eq!(
        (&notional["limit"], &notional["actual"]),
        (&"1000000".into(), &"65000.1".into())
    );
    let payload = placed["payload"].as_str().unwrap();
    assert!(
        payload.contains("\"px\":\"65000.1\"") && payload.contains("\"expTime\""),
        "{payload}"
    );
    assert_eq!(placed["payload_is_as_sent"], true);
    let stages: Vec<&str> = placed["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|time| time["stage"].as_str().unwrap())
        .collect();
    for stage in [
        "ring_wait",
        "decide",
        "journal",
        "encode",
        "seal",
        "write",
        "intent_to_ack",
    ] {
        assert!(stages.contains(&stage), "{stage} in {stages:?}");
    }
    assert_eq!(by_id["commands"][1]["command"], "cancel");
    assert_eq!(by_id["fills"][0]["trade_id"], "778");
    assert_eq!(by_id["order"]["status"], "cancelled");
    assert_eq!(by_id["order"]["cum_quantity"], "0.25");
    assert_eq!(by_id["order"]["doubts"], Value::Array(Vec::new()));
    let words = by_id["steps"].as_array().unwrap().iter();
    let words = words.filter(|step| step["body"]["raw"].as_str().is_some());
    assert_eq!(words.count(), 5, "two replies and three pushes");
}

// covers: NX4 P14
#[test]
fn a_refused_request_has_a_story_that_ends_at_the_check_that_refused_it() {
    let stage = traded();
    let refused = story(&stage, "grid:2");
    assert_eq!(refused["commands"], Value::Array(Vec::new()));
    let step = &refused["steps"][0];
    let runs = checks(step);
    assert_eq!(runs.last(), Some(&("RISK_ORDER_QTY", false)));
    assert!(runs[..runs.len() - 1].iter().all(|(_, passed)| *passed));
    let last = step["checks"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["limit"], &last["actual"]),
        (&"5".into(), &"6".into())
    );
    let decided = &step["decisions"][0];
    assert_eq!(decided["reason"], "RISK_ORDER_QTY");
    assert_eq!(decided["actual_units"], "60000");
}

// covers: NX4
#[test]
fn what_is_not_known_is_said_with_its_reason_and_since_when() {
    let mut recording = Recording::open();
    // What a run begins with goes on by timers: commands of the run before become unknown.
    recording.feed(&Input::Timer);
    recording.ask(0, 1, Request::New(new_order()));
    recording.stage.now_ns += 6_000_000_000;
    let overdue = recording.feed(&Input::Timer);
    recording.stage.close();
    let told = story(&recording.stage, "grid:1");
    let doubt = &told["order"]["doubts"][0];
    assert_eq!(doubt["why"], "timeout");
    assert_eq!(doubt["since_sequence"], overdue);
    assert_eq!(told["order"]["unknown"], true);
    assert_eq!(told["order"]["pending"][0]["certainty"], "unknown");
}

// covers: NX4
#[test]
fn a_payload_that_is_not_what_was_sent_is_said_so() {
    let mut recording = Recording::open();
    recording.trade();
    let copy = crate::recorded::rewritten(&mut recording.stage, |entry| {
        if entry.sequence == 7 {
            let mut record = model::sent_record::SentRecord::take(&entry.body).unwrap();
            record.intents[0].payload_hash ^= 1;
            entry.body.clear();
            record.put(&mut entry.body);
        }
    });
    let told = story(&copy, "grid:1");
    assert_eq!(told["commands"][0]["payload_is_as_sent"], false);
    assert_eq!(told["commands"][1]["payload_is_as_sent"], true);
}

// covers: P14
#[test]
fn every_order_is_told_at_once_with_the_same_stories() {
    let stage = traded();
    let all = explain_all(&stage.directory, &mut |_| {}).unwrap();
    assert_eq!(all, [story(&stage, "grid:1")]);
}

#[test]
fn a_name_that_nothing_has_is_refused_and_so_is_one_that_is_none() {
    let stage = traded();
    for name in ["999", "grid:77", "nobody:1"] {
        let error = explain(&stage.directory, &name.parse().unwrap(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, ReplayError::OrderNotFound { .. }));
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(name), "{error}");
    }
    for name in ["", "grid:", "grid:x", "grid:-1"] {
        assert!(name.parse::<OrderName>().is_err(), "{name:?}");
    }
}
