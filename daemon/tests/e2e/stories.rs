//! What the journal of a real run proves: each order's story, and the way back from every fill.

use millrun_client::{OrderEventKind, Side};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::trader::{Trader, limit};

/// The story that `millrun explain` prints, while the engine runs or not.
fn explained(rig: &Rig, order: &str) -> Value {
    let journal = rig.journal();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_millrun"))
        .args(["explain", order, "--json", "--dir"])
        .arg(journal)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().unwrap()
}

fn stage_names(of: &Value) -> Vec<&str> {
    let stages = list(of, "stages").iter();
    stages.map(|time| time["stage"].as_str().unwrap()).collect()
}

/// The changes that were decided about the order, in their order.
fn changes(story: &Value) -> Vec<&str> {
    let steps = list(story, "steps").iter();
    let decisions = steps.flat_map(|step| list(step, "decisions"));
    decisions.filter_map(|it| it["change"].as_str()).collect()
}

fn has_in_order(changes: &[&str], wanted: &[&str]) {
    let mut rest = changes.iter();
    for change in wanted {
        assert!(
            rest.any(|it| it == change),
            "{change} of {wanted:?} in {changes:?}"
        );
    }
}

// covers: NX4 P14
#[test]
fn a_filled_order_is_told_from_the_request_to_the_fill_with_every_stage() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let (buy, id) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.counterparty("sell", "1", "63000");
    trader.wait(buy, OrderEventKind::OrderFilled);
    let running = explained(&rig, &id.to_string());
    assert!(engine.stop().success());
    let story = explained(&rig, &format!("grid:{buy}"));
    assert_eq!(
        story["fills"], running["fills"],
        "the engine's state changes nothing"
    );
    has_in_order(
        &changes(&story),
        &["Created", "CommandStarted", "Acknowledged", "Executed"],
    );
    let placed = &list(&story, "commands")[0];
    assert_eq!(placed["payload_is_as_sent"], true);
    for stage in [
        "ring_wait",
        "decide",
        "journal",
        "encode",
        "seal",
        "write",
        "venue_ack",
    ] {
        assert!(stage_names(placed).contains(&stage), "{stage}: {placed:#}");
    }
    let fill = &list(&story, "fills")[0];
    for stage in [
        "open",
        "decode",
        "apply",
        "journal_in",
        "publish",
        "wire_to_ring",
    ] {
        assert!(stage_names(fill).contains(&stage), "{stage}: {fill:#}");
    }
    assert_eq!(story["order"]["status"], "filled");
    assert_eq!(story["order"]["doubts"], json!([]));
    let text = rig
        .venue
        .ledger(&venue_simulator::AccountConfig::numbered(1).api_key)
        .join("\n");
    assert!(
        text.contains(fill["trade_id"].as_str().unwrap()),
        "the venue knows the trade"
    );
}

// covers: NX4
#[test]
fn a_refused_order_is_told_with_the_check_and_both_numbers() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let request = trader
        .client
        .place(&limit(Side::Buy, "1001", "63000"))
        .unwrap();
    trader.wait(request, OrderEventKind::RequestRefused);
    let story = explained(&rig, &format!("grid:{request}"));
    let step = &list(&story, "steps")[0];
    let last = list(step, "checks").last().unwrap();
    assert_eq!(last["check"], "RISK_ORDER_QTY");
    assert_eq!(
        (&last["passed"], &last["unit"]),
        (&false.into(), &"quantity".into())
    );
    assert_eq!(
        (&last["limit"], &last["actual"]),
        (&"1000".into(), &"1001".into())
    );
    assert_eq!(story["commands"], json!([]));
    assert!(engine.stop().success());
}

// covers: NX4 NX3
#[test]
fn an_unknown_order_is_told_with_its_doubt_the_question_and_what_settled_it() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    rig.arm(json!({"fault": {"kind": "drop_ack"}, "when": {"on": "order"}}));
    rig.arm(json!({"fault": {"kind": "drop_push"}, "when": {"on": "orders", "state": "live"}}));
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "63000"))
        .unwrap();
    trader.wait(request, OrderEventKind::OrderAcknowledged);
    let story = explained(&rig, &format!("grid:{request}"));
    let told = changes(&story);
    has_in_order(
        &told,
        &[
            "Created",
            "CommandStarted",
            "CommandUnknown",
            "Asked",
            "Acknowledged",
        ],
    );
    let facts = list(&story, "steps")
        .iter()
        .filter(|step| step["kind"] == "ReconFact");
    let answers: Vec<&str> = facts
        .map(|step| step["body"]["type"].as_str().unwrap())
        .collect();
    assert!(answers.contains(&"order_seen"), "{answers:?}");
    assert_eq!(story["order"]["doubts"], json!([]));
    assert!(engine.stop().success());
}

/// A cancelled order of which a fill is heard of after the cancel.
fn late_fill(rig: &Rig, trader: &mut Trader) -> String {
    let (buy, id) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.arm(json!({"fault": {"kind": "delay_push", "ms": 300}, "when": {"on": "orders"}}));
    rig.counterparty("sell", "0.4", "63000");
    trader.client.cancel_request(buy).unwrap();
    trader.wait(buy, OrderEventKind::OrderCancelled);
    rig.ledgers_agree();
    id.to_string()
}

// covers: NX4
#[test]
fn a_cancelled_order_with_a_late_fill_is_told_with_both_commands_and_the_fill() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    let id = late_fill(&rig, &mut trader);
    assert!(engine.stop().success());
    let story = explained(&rig, &id);
    let commands: Vec<&Value> = list(&story, "commands")
        .iter()
        .map(|it| &it["command"])
        .collect();
    assert_eq!(commands, ["new", "cancel"]);
    assert!(
        list(&story, "commands")
            .iter()
            .all(|it| it["payload_is_as_sent"] == true)
    );
    has_in_order(
        &changes(&story),
        &["CommandStarted", "CommandStarted", "Executed"],
    );
    assert_eq!(list(&story, "fills").len(), 1);
    assert_eq!(list(&story, "fills")[0]["last_quantity"], "0.4");
    assert_eq!(story["order"]["status"], "cancelled");
    assert_eq!(story["order"]["cum_quantity"], "0.4");
}

/// Runs `millrun replay --export` and gives its last line as JSON.
fn exported(rig: &Rig, format: &str, out: &std::path::Path) -> (bool, Value) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_millrun"))
        .args(["replay", "--json", "--export", format, "--dir"])
        .arg(rig.journal())
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.success(), told)
}

// covers: HP6
#[test]
fn the_three_exports_of_a_run_have_the_same_orders_fills_and_commands() {
    let rig = Rig::new();
    let mut engine = rig.start();
    let mut trader = rig.attach("grid");
    late_fill(&rig, &mut trader);
    let (buy, _) = trader.rest(&limit(Side::Buy, "1", "62900"));
    rig.counterparty("sell", "1", "62900");
    trader.wait(buy, OrderEventKind::OrderFilled);
    assert!(engine.stop().success());
    for format in ["jsonl", "csv", "sqlite"] {
        let out = rig.path(&format!("export.{format}"));
        let (is_done, told) = exported(&rig, format, &out);
        assert!(is_done && told["format"] == format, "{told}");
        assert_eq!(
            (&told["orders"], &told["fills"]),
            (&2.into(), &2.into()),
            "{told}"
        );
        assert_eq!(told["commands"], 3, "{told}");
        assert!(!exported(&rig, format, &out).0, "nothing is written over");
    }
    let fills = std::fs::read_to_string(rig.path("export.csv/fills.csv")).unwrap();
    assert_eq!(fills.lines().count(), 3);
    let store = cold::store::Store::open_to_read(&rig.path("export.sqlite")).unwrap();
    assert_eq!(store.orders(false).unwrap().len(), 2);
}

// covers: P14 P2 NX1
#[test]
fn from_every_fill_of_a_run_with_kills_and_faults_there_is_a_way_back_to_everything() {
    let rig = Rig::new();
    let engine = rig.start();
    let mut trader = rig.attach("grid");
    late_fill(&rig, &mut trader);
    let (first, _) = trader.rest(&limit(Side::Buy, "1", "62900"));
    let (second, _) = trader.rest(&limit(Side::Buy, "2", "62800"));
    rig.counterparty("sell", "1", "62900");
    trader.wait(first, OrderEventKind::OrderFilled);
    engine.kill();
    rig.counterparty("sell", "0.5", "62800");
    let mut engine = rig.start();
    rig.counterparty("sell", "1.5", "62800");
    rig.ledgers_agree();
    assert!(engine.stop().success());
    drop((trader, second));

    let stories = replay::explain_all(&rig.journal(), &mut |_| {}).unwrap();
    let mut fills = 0;
    for story in &stories {
        for fill in list(story, "fills") {
            fills += 1;
            let request = &fill["request_id"];
            let commands = list(story, "commands");
            let asked = commands.iter().find(|it| it["request_id"] == *request);
            let asked = asked.unwrap_or_else(|| panic!("no command of {request}: {story:#}"));
            assert_eq!(asked["strategy"], "grid");
            assert!(asked["config_version"].is_u64() && asked["engine_version"].is_u64());
            let verdict = list(asked, "checks");
            assert!(verdict.len() > 10 && verdict.iter().all(|run| run["passed"] == true));
            assert!(asked["payload"].as_str().unwrap().starts_with("{\"id\":"));
            assert_eq!(asked["payload_is_as_sent"], true);
            assert!(fill["utc"].is_string() && fill["utc_error_ns"].is_u64());
            assert!(fill["now_ns"].is_u64() && fill["venue_time"].is_string());
        }
    }
    let lines = rig
        .venue
        .ledger(&venue_simulator::AccountConfig::numbered(1).api_key);
    let at_venue = lines
        .iter()
        .filter(|line| line.contains("\"kind\":\"fill\""))
        .count();
    assert_eq!((fills, at_venue), (4, 4));
    let mut verifier = replay::Verifier::open(&rig.journal()).unwrap();
    let verdict = verifier.advance(&mut |_| {}).unwrap();
    assert!(matches!(verdict, replay::Verdict::Identical), "{verdict:?}");
    // The engine printed the digest of what it folded at its second start.
    let printed = engine.all_printed();
    let line = printed
        .lines()
        .find(|line| line.contains("state folded"))
        .unwrap();
    let word = |key: &str| {
        let rest = line.split(key).nth(1).unwrap();
        rest.split(|c: char| !c.is_ascii_alphanumeric())
            .find(|it| !it.is_empty())
            .unwrap()
    };
    let at: u64 = word("last_sequence=").parse().unwrap();
    let mut again = replay::Verifier::open(&rig.journal())
        .unwrap()
        .within(0, at);
    again.advance(&mut |_| {}).unwrap();
    assert_eq!(
        format!("{:016x}", again.state_digest()),
        word("state_digest=")
    );
}
