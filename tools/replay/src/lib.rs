//! `millrun replay`: prints, filters and follows a journal, and changes nothing.
//!
//! Owns: the options, the walk over the entries, their form as text and as JSON. Invariants:
//! entries are shown in order, each whole or not at all; a number is shown as exact decimal text,
//! or as a count of units where the scale is not known, and never rounded; whatever a frame or a
//! venue's words hold, no control character reaches a terminal; damage ends the walk with a
//! message, it is never skipped silently. Frames were masked before they were journaled, so
//! nothing here can leak a key. Must not know: the engine's state, sockets, who writes the
//! journal. Threads: one, the caller's.
//!
//! # JSON
//! With `--json` each entry is one object on one line, and there is no totals line: `sequence kind
//! boot_epoch now_ns utc utc_error_ns config_version flags segment offset_bytes body decisions`.
//! Names never change meaning; what is not known is `null`. Client order ids, hashes and 128-bit
//! numbers are strings, since not every reader keeps 64 bits; prices and quantities are decimal
//! strings. `limit_price` is `null` and `limit_price_units` holds the count where the journal
//! names no scale; so for every price and quantity.

#![forbid(unsafe_code)]

mod arguments;
mod failure;
mod terminal;
mod walk;

mod in_force;
mod record;
mod selection;

mod describe_control;
mod describe_decision;
mod describe_input;
mod describe_report;
mod describe_state;
mod fields;

mod human_lines;
mod json_lines;

mod difference;
mod explain;
mod export;
mod state_at;
mod venue_codec;
mod verify;
mod verify_command;

pub use arguments::ReplayArgs;
pub use difference::{Difference, DifferentPart};
pub use explain::{ExplainArgs, OrderName, explain, explain_all, run_explain};
pub use export::{ExportFormat, Exported, export};
pub use failure::ReplayError;
pub use state_at::state_at;
pub use terminal::{print_export, run_cli};
pub use venue_codec::CodecError;
pub use verify::{Verdict, Verification, Verifier};
pub use walk::{Pace, Streams, Totals, run};
