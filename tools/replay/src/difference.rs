//! The first place where re-execution and journal part, told so that both sides can be compared.
//!
//! Owns: [`Difference`] and its two forms. Invariants: both sides are told by the same words; only
//! printable ASCII is written. Threads: any.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::human_lines::write_escaped;

/// What of an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferentPart {
    /// The frame says something else than was recorded.
    Reports,
    /// The engine decides something else.
    Decisions,
    /// The command encodes to other bytes than were sent.
    Payload,
}

impl DifferentPart {
    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Decisions => "decisions",
            Self::Payload => "payload",
        }
    }
}

/// One entry of which a part differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The entry.
    pub sequence: u64,
    /// What of it.
    pub part: DifferentPart,
    /// The first item of that part, from 0, that differs.
    pub at: usize,
    /// The whole entry, as `replay --json --raw` tells it.
    pub(crate) entry: Value,
    /// The same for people.
    pub(crate) entry_lines: String,
    /// Everything of that part as the journal has it.
    pub(crate) recorded: Vec<Map<String, Value>>,
    /// Everything of that part as it comes out now.
    pub(crate) computed: Vec<Map<String, Value>>,
}

impl Difference {
    /// The difference as one object.
    pub fn json(&self) -> Value {
        json!({
            "verdict": "differs",
            "sequence": self.sequence,
            "part": self.part.name(),
            "at": self.at,
            "recorded": self.recorded,
            "computed": self.computed,
            "entry": self.entry,
        })
    }

    /// The difference for people: the entry, then the item that differs, both sides beside each
    /// other, with a mark at what is not the same.
    pub fn human(&self) -> String {
        let mut text = self.entry_lines.clone();
        let (recorded, computed) = (self.recorded.len(), self.computed.len());
        let _ = writeln!(
            text,
            "\n{} of entry {}: {recorded} recorded, {computed} computed; number {} differs:",
            self.part.name(),
            self.sequence,
            self.at + 1
        );
        let recorded = flat(self.recorded.get(self.at));
        let computed = flat(self.computed.get(self.at));
        let mut names: Vec<&String> = recorded.iter().map(|(name, _)| name).collect();
        for (name, _) in &computed {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let width = |column: &mut dyn Iterator<Item = usize>| column.max().unwrap_or(0).min(80);
        let name_width = width(&mut names.iter().map(|name| name.len()));
        let left_width = width(&mut recorded.iter().map(|(_, value)| value.len())).max(8);
        let _ = writeln!(
            text,
            "  {:name_width$}  {:left_width$}  computed",
            "", "recorded"
        );
        for name in names {
            let (left, right) = (value_of(&recorded, name), value_of(&computed, name));
            let mark = if left == right { ' ' } else { '!' };
            let _ = writeln!(
                text,
                "{mark} {name:name_width$}  {left:left_width$}  {right}"
            );
        }
        text
    }
}

type Flat = Vec<(String, String)>;

fn value_of<'a>(fields: &'a Flat, name: &str) -> &'a str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("-", |(_, value)| value)
}

/// Nested values by their dotted names; a side that has no such item has no values.
fn flat(item: Option<&Map<String, Value>>) -> Flat {
    let mut fields = Flat::new();
    if let Some(item) = item {
        flatten("", item, &mut fields);
    }
    fields
}

fn flatten(prefix: &str, item: &Map<String, Value>, fields: &mut Flat) {
    for (name, value) in item {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(inner) => flatten(&format!("{name}."), inner, fields),
            Value::String(text) => {
                let mut escaped = String::new();
                write_escaped(&mut escaped, text.as_bytes());
                fields.push((name, escaped));
            }
            Value::Null => fields.push((name, "-".to_owned())),
            other => fields.push((name, other.to_string())),
        }
    }
}
