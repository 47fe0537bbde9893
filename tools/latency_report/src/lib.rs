//! Percentiles of every stage, made of a journal: table, histograms for other tools, JSON, plot.
//!
//! The stamps are in the journal, so a report needs no engine: it is the same while one runs, after
//! it died, and for any stretch of the past. The sums are those of the cold side's own recorder
//! (`cold::latency`). Invariant: nothing is changed, and a running engine is not disturbed.
//! Must not know: configuration files, the live engine. Threads: one.

#![forbid(unsafe_code)]

mod arguments;
mod failure;

mod collect;
mod report;

mod percentile_text;
mod plot;
mod png;
mod table;

mod command;

pub use arguments::LatencyArgs;
pub use collect::{Collected, Selection, collect};
pub use command::run_cli;
pub use failure::LatencyError;
pub use report::{Report, Row};
pub use table::table;
