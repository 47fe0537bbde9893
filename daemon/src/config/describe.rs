//! What a configuration comes to, for people and for programs: values, where from, and memory.
//!
//! Owns the estimate of memory. Invariants: nothing here can hold a secret, since `Settings`
//! cannot. Must not know: what is running. Threads: none.

use super::{Place, Settings};
use engine::order::Order;
use std::fmt::Write;

/// Bytes of one remembered answer, about.
const ANSWER_BYTES: u64 = 40;
/// Bytes of one remembered execution with its place in the table, about.
const EXECUTION_BYTES: u64 = 80;
/// Bytes of an order beside its record: two index words and up to four deadlines.
const ORDER_INDEX_BYTES: u64 = 2 * 4 + 4 * 32;
/// Segments that are mapped at once: the one written, and spares ahead of it.
const SEGMENTS_MAPPED: u64 = 3;

/// Memory that the capacities ask for, in bytes; taken at start and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Orders and their indexes.
    pub orders_bytes: u64,
    /// Executions.
    pub executions_bytes: u64,
    /// Answers of all strategies.
    pub answers_bytes: u64,
    /// Shared rings, with every strategy attached.
    pub rings_bytes: u64,
    /// The shadow engine's orders, executions and answers.
    pub shadow_bytes: u64,
    /// Mapped journal segments; file pages, which the system may write out.
    pub journal_bytes: u64,
}

impl MemoryEstimate {
    /// All together.
    pub fn total_bytes(&self) -> u64 {
        self.orders_bytes
            + self.executions_bytes
            + self.answers_bytes
            + self.rings_bytes
            + self.shadow_bytes
            + self.journal_bytes
    }

    fn parts(&self) -> [(&'static str, u64); 7] {
        [
            ("orders", self.orders_bytes),
            ("executions", self.executions_bytes),
            ("answers", self.answers_bytes),
            ("rings", self.rings_bytes),
            ("shadow", self.shadow_bytes),
            ("journal", self.journal_bytes),
            ("total", self.total_bytes()),
        ]
    }
}

/// The memory that a configuration asks for.
pub fn memory_estimate(settings: &Settings) -> MemoryEstimate {
    let record_bytes = u64::try_from(size_of::<Option<Order>>()).unwrap_or(u64::MAX);
    let strategies = u64::try_from(settings.strategies.len()).unwrap_or(u64::MAX);
    let engine = &settings.engine;
    let attach = &settings.attach;
    let ring_bytes = rings::shared_memory::layout::file_bytes;
    let orders_bytes = u64::from(engine.order_capacity) * (record_bytes + ORDER_INDEX_BYTES);
    let executions_bytes = u64::from(engine.execution_capacity) * EXECUTION_BYTES;
    let answers_bytes = u64::from(engine.answer_window) * ANSWER_BYTES * strategies;
    let state_bytes = orders_bytes + executions_bytes + answers_bytes;
    MemoryEstimate {
        orders_bytes,
        executions_bytes,
        answers_bytes,
        shadow_bytes: if settings.shadow.is_enabled {
            state_bytes
        } else {
            0
        },
        rings_bytes: (ring_bytes(attach.request_capacity) + ring_bytes(attach.event_capacity))
            * strategies,
        journal_bytes: u64::from(settings.journal.segment_bytes()) * SEGMENTS_MAPPED,
    }
}

/// The settings in force for people: one key a line with where it came from, then the memory.
pub fn describe(settings: &Settings) -> String {
    let mut text = format!("configuration {}\n", settings.file.display());
    let width = settings.effective.iter().map(|key| key.key.len()).max();
    for key in &settings.effective {
        let value = key.value.as_deref().unwrap_or("(unset)");
        let place = short_place(&key.place);
        let width = width.unwrap_or(0);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:width$} = {value}  # {place}", key.key);
    }
    text.push_str("memory, taken at start and kept (estimate)\n");
    for (part, bytes) in memory_estimate(settings).parts() {
        let _ = writeln!(text, "  {part:10} {:>9} KiB", bytes.div_ceil(1024));
    }
    text
}

/// As [`describe`], for programs.
pub fn describe_json(settings: &Settings) -> serde_json::Value {
    let keys: Vec<serde_json::Value> = settings
        .effective
        .iter()
        .map(|key| {
            serde_json::json!({
                "key": key.key,
                "value": key.value,
                "from": short_place(&key.place),
            })
        })
        .collect();
    let memory: serde_json::Map<String, serde_json::Value> = memory_estimate(settings)
        .parts()
        .into_iter()
        .map(|(part, bytes)| (format!("{part}_bytes"), bytes.into()))
        .collect();
    serde_json::json!({
        "file": settings.file.display().to_string(),
        "settings": keys,
        "memory": memory,
    })
}

/// The file's name stands once at the top; a line is enough behind each key.
fn short_place(place: &Place) -> String {
    match place {
        Place::File { line, .. } => format!("line {line}"),
        other => other.to_string(),
    }
}
