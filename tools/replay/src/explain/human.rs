//! A story for people: what happened in its order, how long each hop took, what came of it.
//!
//! Invariant: printable ASCII only; made of the same object that `--json` prints. Threads: any.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::human_lines::{write_escaped, write_fields};

/// The story's lines.
pub(crate) fn lines(story: &Value) -> String {
    let mut text = String::new();
    for step in items(story, "steps") {
        write_step(&mut text, step);
    }
    for command in items(story, "commands") {
        write_command(&mut text, command);
    }
    let fills = items(story, "fills");
    if !fills.is_empty() {
        text.push_str("\nfills\n");
    }
    for fill in fills {
        let mut plain = fill.as_object().cloned().unwrap_or_default();
        plain.remove("stages");
        write_item(&mut text, "  ", &Value::Object(plain));
    }
    write_end(&mut text, &story["order"]);
    text
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn write_step(text: &mut String, step: &Value) {
    let utc = step["utc"].as_str().unwrap_or("(no clock of this run yet)");
    let since = match step["since_previous_ns"].as_u64() {
        Some(ns) => format!("+{}", duration(ns)),
        None => "another run".to_owned(),
    };
    let _ = writeln!(
        text,
        "{:>8}  {utc}  {since:>12}  {}  (segment {} offset {}, config {})",
        step["sequence"].to_string(),
        step["kind"].as_str().unwrap_or("?"),
        step["segment"],
        step["offset_bytes"],
        step["config_version"]
    );
    if let Some(body) = step["body"].as_object() {
        let mut plain = Map::new();
        for (name, value) in body {
            match (name.as_str(), value) {
                ("raw" | "raw_hex", _) => {}
                (_, Value::Array(list)) => {
                    for item in list {
                        write_item(text, &format!("          {name} "), item);
                    }
                }
                _ => {
                    plain.insert(name.clone(), value.clone());
                }
            }
        }
        if !plain.is_empty() {
            write_item(text, "          ", &Value::Object(plain));
        }
        if let Some(raw) = body.get("raw").and_then(Value::as_str) {
            text.push_str("          venue message: ");
            write_escaped(text, raw.as_bytes());
            text.push('\n');
        }
    }
    for check in items(step, "checks") {
        write_check(text, check);
    }
    for decision in items(step, "decisions") {
        write_item(text, "          -> ", decision);
    }
    let stages = items(step, "stages").iter();
    let told: Vec<String> = stages
        .map(|time| {
            format!(
                "{} {} ns",
                time["stage"].as_str().unwrap_or("?"),
                time["ns"]
            )
        })
        .collect();
    if !told.is_empty() {
        let _ = writeln!(text, "          stages: {}", told.join(", "));
    }
}

fn write_check(text: &mut String, check: &Value) {
    let word = if check["passed"] == true {
        "passed"
    } else {
        "REFUSED"
    };
    let name = check["check"].as_str().unwrap_or("?");
    let _ = write!(text, "          check {name:24} {word:7}");
    if let (Some(limit), Some(actual)) = (check["limit"].as_str(), check["actual"].as_str()) {
        let unit = check["unit"].as_str().unwrap_or("");
        let _ = write!(text, "  limit {limit}  actual {actual}  ({unit})");
    }
    text.push('\n');
}

fn write_command(text: &mut String, command: &Value) {
    let word = |name: &str| command[name].as_str().unwrap_or("-");
    let _ = writeln!(
        text,
        "\ncommand {} {} of entry {}: request {} of {}, config {}, engine version {}",
        command["command_seq"],
        word("command"),
        command["entry_sequence"],
        command["request_id"],
        word("strategy"),
        command["config_version"],
        command["engine_version"]
    );
    let payload = match &command["payload"] {
        Value::String(payload) => payload.clone(),
        other => other.to_string(),
    };
    text.push_str("  payload ");
    write_escaped(text, payload.as_bytes());
    text.push('\n');
    let sent = match (&command["not_sent"], &command["payload_is_as_sent"]) {
        (Value::String(reason), _) => format!("never sent: {reason}"),
        (_, Value::Bool(true)) => {
            let (hash, sequence) = (word("payload_hash"), &command["sent_sequence"]);
            format!("these are the bytes that were sent: hash {hash} in entry {sequence}")
        }
        (_, Value::Bool(false)) => format!(
            "NOT the bytes that were sent: {} here, {} in entry {}",
            word("payload_hash"),
            word("sent_payload_hash"),
            command["sent_sequence"]
        ),
        _ => "whether it was sent is not known: no entry says so".to_owned(),
    };
    let _ = writeln!(text, "  {sent}");
    write_stages(text, command);
}

/// The stages of one way, each with its nanoseconds.
fn write_stages(text: &mut String, of: &Value) {
    for time in items(of, "stages") {
        let stage = time["stage"].as_str().unwrap_or("?");
        let ns = time["ns"].to_string();
        let _ = writeln!(text, "    {stage:16} {ns:>14} ns");
    }
}

fn write_end(text: &mut String, order: &Value) {
    let doubts = items(order, "doubts");
    text.push_str("\nnot known: ");
    if doubts.is_empty() {
        text.push_str("nothing\n");
    } else {
        text.push('\n');
    }
    for doubt in doubts {
        let word = |name: &str| doubt[name].as_str().unwrap_or("not recorded");
        let _ = writeln!(
            text,
            "  {}, because {} (since entry {}){}",
            word("what"),
            word("why"),
            doubt["since_sequence"],
            match doubt["needs_operator"] == true {
                true => "; asking did not help: a person must look",
                false => "; it is being asked about",
            }
        );
    }
    let mut plain = order.as_object().cloned().unwrap_or_default();
    plain.remove("doubts");
    if plain.values().any(|value| !value.is_null()) {
        write_item(text, "state: ", &Value::Object(plain));
    } else {
        text.push_str("state: no order came of this request\n");
    }
}

fn write_item(text: &mut String, mark: &str, item: &Value) {
    text.push_str(mark);
    if let Some(fields) = item.as_object() {
        write_fields(text, fields);
    }
    text.push('\n');
}

/// Nanoseconds in the largest unit that keeps them readable.
fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{}.{} us", ns / 1_000, ns / 100 % 10),
        _ => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
    }
}
