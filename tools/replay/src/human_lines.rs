//! An entry as lines for people: one header, then one indented line per thing in it.
//!
//! Owns: what is left out where it says nothing (unknown values, flags that are not set, numbers
//! beside their names), and the escaping of raw bytes. Invariant: only printable ASCII and line
//! ends are written. Threads: any.

use std::fmt::Write;

use journal::Entry;
use model::input::EntryKind;
use serde_json::{Map, Value};

use crate::describe_input::Description;
use crate::fields::utc_text;
use crate::in_force::InForce;

/// Values that stand for themselves.
const BARE: &[&str] = &["type", "change"];
/// Numbers that are left out beside the name they stand for.
const NUMBERS_OF_NAMES: &[(&str, &str)] = &[
    ("strategy_id", "strategy"),
    ("instrument_id", "instrument"),
    ("venue_id", "venue"),
];
/// Numbers whose zero means "none".
const NONE_WHEN_ZERO: &[&str] = &["venue_code", "end_code", "valid_for_ns", "event_seq"];

/// The entry's lines, each with its line end.
pub(crate) fn lines(
    entry: &Entry<'_>,
    kind: EntryKind,
    told: &Description<'_>,
    known: &InForce,
    show_raw: bool,
) -> String {
    let time = match known.utc_of(entry) {
        Some((utc, _)) => utc_text(utc),
        // No anchor of this run yet: only the run's own clock is known.
        None => format!("monotonic {:>17} ns", entry.now_ns),
    };
    let mut line = format!(
        "{:>8}  {time}  {}  {kind}",
        entry.sequence, entry.boot_epoch
    );
    let mut summary = String::new();
    write_fields(&mut summary, &told.body);
    if !summary.is_empty() {
        line = format!("{line}  {summary}");
    }
    line.push('\n');
    for (_, word, items) in &told.lists {
        for item in items {
            write_item(&mut line, &format!("{word} "), item);
        }
    }
    if let Some(raw) = told.raw.filter(|_| show_raw) {
        line.push_str("          raw ");
        write_escaped(&mut line, raw);
        line.push('\n');
    }
    for decision in &told.decisions {
        write_item(&mut line, "-> ", decision);
    }
    line
}

fn write_item(line: &mut String, mark: &str, item: &Map<String, Value>) {
    line.push_str("          ");
    line.push_str(mark);
    write_fields(line, item);
    line.push('\n');
}

pub(crate) fn write_fields(line: &mut String, fields: &Map<String, Value>) {
    let mut first = true;
    for (name, value) in fields {
        let mut text = String::new();
        match (name.as_str(), value) {
            ("detail", Value::Object(detail)) => write_detail(&mut text, detail, fields),
            _ if is_left_out(fields, name, value) => {}
            _ => write_field(&mut text, name, value),
        }
        if text.is_empty() {
            continue;
        }
        if !first {
            line.push(' ');
        }
        first = false;
        line.push_str(&text);
    }
}

/// What is special to a change; what only repeats the order's own numbers is left out.
fn write_detail(line: &mut String, detail: &Map<String, Value>, order: &Map<String, Value>) {
    let mut special = detail.clone();
    special.retain(|name, value| order.get(name) != Some(value));
    let mut inner = String::new();
    write_fields(&mut inner, &special);
    if !inner.is_empty() {
        let _ = write!(line, "({inner})");
    }
}

fn is_left_out(fields: &Map<String, Value>, name: &str, value: &Value) -> bool {
    let zero = value.as_u64() == Some(0) && NONE_WHEN_ZERO.contains(&name);
    let named = NUMBERS_OF_NAMES
        .iter()
        .any(|(number, of)| *number == name && fields.get(*of).is_some_and(|name| !name.is_null()));
    zero || named || value.is_null() || *value == Value::Bool(false)
}

fn write_field(line: &mut String, name: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut inner = String::new();
            write_fields(&mut inner, fields);
            if !inner.is_empty() {
                let _ = write!(line, "{name}({inner})");
            }
        }
        Value::Array(items) => {
            for item in items.iter().filter_map(Value::as_object) {
                let mut inner = String::new();
                write_fields(&mut inner, item);
                let gap = if line.is_empty() { "" } else { " " };
                let _ = write!(line, "{gap}{name}({inner})");
            }
        }
        Value::Bool(_) => line.push_str(name),
        Value::String(text) => {
            if !BARE.contains(&name) {
                let _ = write!(line, "{name}=");
            }
            if text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
            {
                line.push_str(text);
            } else {
                line.push('"');
                write_escaped(line, text.as_bytes());
                line.push('"');
            }
        }
        _ => {
            let _ = write!(line, "{name}={value}");
        }
    }
}

/// Bytes as printable ASCII; a backslash is doubled, so the text tells exactly which they are.
pub(crate) fn write_escaped(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
}
