//! An entry as one JSON object on one line.
//!
//! Owns: the names at the top of the object, and an ASCII-only form of strings: JSON itself lets
//! control characters above 0x7f through, and a terminal may act on them. Invariant: reading the
//! line back gives the very strings. Threads: any.

use std::fmt::Write as _;
use std::io;

use journal::Entry;
use model::input::EntryKind;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};

use crate::describe_input::Description;
use crate::fields::utc_text;
use crate::in_force::InForce;

/// The entry's line, with its line end.
pub(crate) fn line(
    entry: &Entry<'_>,
    kind: EntryKind,
    told: Description<'_>,
    known: &InForce,
    show_raw: bool,
) -> io::Result<Vec<u8>> {
    ascii_line(&object(entry, kind, told, known, show_raw))
}

/// Any value on one line of ASCII, with its line end.
pub(crate) fn ascii_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, AsciiOnly))?;
    line.push(b'\n');
    Ok(line)
}

/// The entry as one object.
pub(crate) fn object(
    entry: &Entry<'_>,
    kind: EntryKind,
    told: Description<'_>,
    known: &InForce,
    show_raw: bool,
) -> Value {
    let utc = known.utc_of(entry);
    let mut body = told.body;
    for (name, _, items) in told.lists {
        body.insert(
            name.to_owned(),
            items.into_iter().map(Value::Object).collect(),
        );
    }
    if let Some(raw) = told.raw.filter(|_| show_raw) {
        put_raw(&mut body, raw);
    }
    let decisions: Vec<Value> = told.decisions.into_iter().map(Value::Object).collect();
    json!({
        "sequence": entry.sequence,
        "kind": kind.name(),
        "boot_epoch": entry.boot_epoch,
        "now_ns": entry.now_ns,
        "utc": utc.map(|(utc, _)| utc_text(utc)),
        "utc_error_ns": utc.map(|(_, error_ns)| error_ns),
        "config_version": known.config_version,
        "flags": entry.flags,
        "segment": entry.place.segment_index,
        "offset_bytes": entry.place.offset_bytes,
        "body": body,
        "decisions": decisions,
    })
}

/// Frames are text at every venue so far; bytes that are none are told as hex.
fn put_raw(body: &mut Map<String, Value>, raw: &[u8]) {
    let text = std::str::from_utf8(raw).ok();
    let hex = text.is_none().then(|| {
        raw.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    });
    body.insert("raw".to_owned(), text.into());
    body.insert("raw_hex".to_owned(), hex.into());
}

/// Escapes everything but printable ASCII.
struct AsciiOnly;

impl Formatter for AsciiOnly {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                write!(writer, "{character}")?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
