//! `millrun replay --export sqlite`: the projection of a whole journal into a new file.
//!
//! The replay tool writes text by itself; a database is made by the projector, the one that also
//! keeps the running engine's, so both always hold the same rows.

use crate::cli::Exit;
use anyhow::{Result, bail};
use cold::projector::rebuild;
use indicatif::{ProgressBar, ProgressStyle};
use replay::{ExportFormat, Exported, ReplayArgs, print_export};
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// A file that is there already; what a rebuild gives.
pub fn run(arguments: &ReplayArgs, out: &Path) -> Result<Exit> {
    if out.exists() {
        bail!(
            "{} is there already: name a new file with --out, or use `millrun db rebuild --out`",
            out.display()
        );
    }
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {human_pos} entries, {per_sec}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let rebuilt = rebuild(&arguments.dir, out, |sequence| bar.set_position(sequence));
    bar.finish_and_clear();
    let rebuilt = rebuilt?;
    let exported = Exported {
        orders: rebuilt.orders,
        fills: rebuilt.fills,
        commands: rebuilt.intents,
        decisions: rebuilt.logs,
        last_sequence: rebuilt.sequence,
    };
    print_export(arguments.json, ExportFormat::Sqlite, out, exported)?;
    Ok(Exit::Ok)
}
