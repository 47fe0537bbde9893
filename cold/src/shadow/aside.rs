//! Two states beside each other, for a person: as bytes that can be loaded, and as JSON.

use std::path::{Path, PathBuf};

use engine::order::Order;
use engine::state::State;
use journal::JournalError;
use journal::state_file::{StateFileWriter, create_state_directory};
use serde_json::{Value, json};

use crate::state_fold::StateFold;

/// Writes each state as `shadow-SEQ-NAME.mrs` and `shadow-SEQ-NAME.json`; gives the files.
///
/// # Errors
/// `Io`, and names that exist already.
pub(super) fn write_aside(
    directory: &Path,
    sequence: u64,
    states: [(&str, &StateFold); 2],
) -> Result<Vec<PathBuf>, JournalError> {
    create_state_directory(directory)?;
    let mut written = Vec::new();
    for (name, fold) in states {
        let (Some(engine), Some((header, body))) = (fold.engine(), fold.state_file(0)) else {
            continue;
        };
        let path = directory.join(format!("shadow-{sequence}-{name}.mrs"));
        StateFileWriter::new(path.clone(), header, body).write_now()?;
        written.push(path);
        let path = directory.join(format!("shadow-{sequence}-{name}.json"));
        let text = format!("{:#}\n", readable(engine.state(), fold.last_sequence()));
        if std::fs::write(&path, text).is_ok() {
            written.push(path);
        }
    }
    Ok(written)
}

fn readable(state: &State, sequence: u64) -> Value {
    let orders: Vec<Value> = state.orders.iter().map(readable_order).collect();
    json!({
        "sequence": sequence,
        "digest": format!("{:016x}", state.digest()),
        "next_order_sequence": state.next_order_sequence,
        "next_intent_seq": state.next_intent_seq,
        "intake_open": state.intake_open,
        "exposures": debug_lines(&state.exposures),
        "venues": debug_lines(&state.venues),
        "tasks": state.tasks.iter().map(|task| format!("{task:?}")).collect::<Vec<_>>(),
        "orders": orders,
    })
}

/// The fields of an order by name, as text: the same two states give the same lines.
fn readable_order(order: &Order) -> Value {
    json!({
        "client_order_id": order.client_order_id.integer(),
        "status": order.status.name(),
        "state": format!("{order:?}"),
    })
}

fn debug_lines<T: std::fmt::Debug>(all: &[T]) -> Vec<String> {
    all.iter().map(|one| format!("{one:?}")).collect()
}
