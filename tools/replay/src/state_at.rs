//! `millrun replay --at SEQ`: the engine's whole state behind one entry, folded from the first.
//!
//! Owns: the fold to a place, and its two forms. Invariant: nothing is decided again, so this is
//! the state that a recovery ending at that entry comes to, with the digest that the engine logs
//! then. Threads: one.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use engine::Moment;
use engine::replay::Replay;
use journal::{Entry, Reader};
use model::MonotonicNs;
use model::journal_record::EntryBuffers;
use serde_json::{Map, Value};

use crate::arguments::ReplayArgs;
use crate::describe_state;
use crate::failure::ReplayError;
use crate::fields::utc_text;
use crate::human_lines::write_fields;
use crate::in_force::InForce;
use crate::json_lines::ascii_line;
use crate::record::{Body, kind_of, read};
use crate::verify_command::spinner;

/// Between two reports of progress.
const PROGRESS_ENTRIES: u64 = 1_000;

/// Prints the state behind the entry that `args` name.
pub(crate) fn run(
    args: &ReplayArgs,
    sequence: u64,
    out: &mut dyn Write,
) -> Result<(), ReplayError> {
    let bar = spinner();
    let state = state_at(&args.dir, sequence, &mut |entries| {
        bar.set_position(entries)
    });
    bar.finish_and_clear();
    let state = state?;
    if args.json {
        out.write_all(&ascii_line(&state)?)?;
    } else {
        out.write_all(lines(&state).as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

/// The state behind entry `sequence` as one object: orders with what is under way, positions,
/// strategies, venues, and the digest.
///
/// # Errors
/// [`ReplayError`]: no such entry, or a journal that cannot be read from its first entry.
pub fn state_at(
    directory: &Path,
    sequence: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Value, ReplayError> {
    let mut reader = Reader::open(directory, 1)?;
    let mut fold = Fold {
        in_force: InForce::default(),
        replay: Replay::new(),
        names: EntryBuffers::default(),
        buffers: EntryBuffers::default(),
    };
    let mut last = 0;
    while let Some(entry) = reader.next_entry()? {
        fold.take(&entry)?;
        last = entry.sequence;
        if last % PROGRESS_ENTRIES == 0 {
            progress(last);
        }
        if last == sequence {
            return Ok(fold.told(&entry));
        }
    }
    Err(ReplayError::NoSuchEntry {
        found: sequence,
        last,
    })
}

struct Fold {
    in_force: InForce,
    replay: Replay,
    names: EntryBuffers,
    buffers: EntryBuffers,
}

impl Fold {
    fn take(&mut self, entry: &Entry<'_>) -> Result<(), ReplayError> {
        let kind = kind_of(entry)?;
        self.in_force.observe(kind, entry, &mut self.names)?;
        let moment = Moment {
            sequence: entry.sequence,
            now: MonotonicNs(entry.now_ns),
        };
        match read(kind, entry, &mut self.buffers)? {
            Body::Input(input, decisions) => self
                .replay
                .fold(moment, &input, decisions)
                .map_err(|source| ReplayError::no_configuration(entry, source)),
            Body::Sent(_) | Body::Opaque(_) => Ok(()),
        }
    }

    fn told(&self, entry: &Entry<'_>) -> Value {
        let mut told = Map::new();
        told.insert("sequence".to_owned(), entry.sequence.into());
        told.insert("boot_epoch".to_owned(), entry.boot_epoch.into());
        let utc = self.in_force.utc_of(entry).map(|(utc, _)| utc_text(utc));
        told.insert("utc".to_owned(), utc.into());
        if let Some(engine) = self.replay.engine() {
            told.extend(describe_state::state(&self.in_force, engine.state()));
        }
        Value::Object(told)
    }
}

/// The state for people: open orders, and how many ended ones are still remembered.
fn lines(state: &Value) -> String {
    let mut text = String::new();
    let list = |name: &str| state[name].as_array().cloned().unwrap_or_default();
    for (name, word) in [
        ("venues", "venue"),
        ("strategies", "strategy"),
        ("positions", "position"),
        ("latches", "latch"),
        ("tasks", "task"),
    ] {
        for item in list(name) {
            line(&mut text, word, &item);
        }
    }
    let orders = list("orders");
    let ended = [
        "filled",
        "cancelled",
        "rejected",
        "denied",
        "failed",
        "expired",
    ];
    let is_ended = |order: &&Value| ended.iter().any(|word| order["status"] == *word);
    let is_unknown = |order: &&Value| order["unknown"] == true;
    let unknown = orders.iter().filter(is_unknown).count();
    let remembered = orders.iter().filter(is_ended).count();
    for order in orders.iter().filter(|order| !is_ended(order)) {
        line(&mut text, "order", order);
    }
    let _ = writeln!(text, "ended orders that are still remembered: {remembered}");
    let word = |name: &str| match &state[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let _ = writeln!(
        text,
        "state sequence={} utc={} config_version={} open_orders={} unknown_orders={unknown} \
         intake_open={} state_digest={}",
        word("sequence"),
        word("utc"),
        word("config_version"),
        word("open_orders"),
        word("intake_open"),
        word("state_digest"),
    );
    text
}

fn line(text: &mut String, word: &str, item: &Value) {
    let _ = write!(text, "{word:9} ");
    match item {
        Value::Object(fields) => write_fields(text, fields),
        Value::String(words) => text.push_str(words),
        _ => {}
    }
    text.push('\n');
}
