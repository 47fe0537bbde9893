//! `millrun explain`: the whole story of one order from the journal alone, engine on or off.
//!
//! Owns: the options and the two forms of a story. Invariants: nothing but the journal is read;
//! frames were masked before they were journaled and a payload holds no secret, so a story can be
//! handed on. Threads: one.

mod chronicle;
mod human;
mod reference;
mod story;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::failure::ReplayError;
use crate::json_lines::ascii_line;
use crate::terminal::ended;
use crate::verify_command::spinner;
use chronicle::chronicle;
pub use reference::OrderName;

/// The whole story of one order: request, checks, entry, payload, venue's words, fills, doubts.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
An order is named by its client order id, by the venue's id, or by STRATEGY:REQUEST; the last form
also finds a request that was refused.

Examples:
  millrun explain 504403158265495553
  millrun explain grid:17 --dir ./data/journal
  millrun explain 504403158265495553 --json | jq '.commands[].stages'

Exit codes:
  0  told
  1  the journal could not be opened, or has no such order
  2  an option is wrong
  5  the journal is damaged, or holds an entry that this version cannot read")]
pub struct ExplainArgs {
    /// Client order id, venue order id, or STRATEGY:REQUEST.
    #[arg(value_name = "ORDER")]
    pub order: OrderName,
    /// Directory of the journal.
    #[arg(long, value_name = "DIR", default_value = "./data/journal")]
    pub dir: PathBuf,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Tells a story on standard output.
pub fn run_explain(args: &ExplainArgs) -> ExitCode {
    ended(print(args).map(|()| 0))
}

fn print(args: &ExplainArgs) -> Result<(), ReplayError> {
    let bar = spinner();
    let story = explain(&args.dir, &args.order, &mut |entries| {
        bar.set_position(entries)
    });
    bar.finish_and_clear();
    let story = story?;
    let mut out = io::stdout().lock();
    let written = if args.json {
        ascii_line(&story).and_then(|line| out.write_all(&line))
    } else {
        out.write_all(human::lines(&story).as_bytes())
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The story of one order, or of one request of which no order came, as one object: `order`
/// (its last state and its doubts), `commands` (payload, checks, stages), `fills`, `steps` (every
/// entry about it).
///
/// # Errors
/// [`ReplayError`]: no such order, or a journal that cannot be read.
pub fn explain(
    directory: &Path,
    name: &OrderName,
    progress: &mut dyn FnMut(u64),
) -> Result<Value, ReplayError> {
    let subject = reference::resolve(directory, name)?;
    let stories = chronicle(directory, Some(subject), progress)?;
    let story = stories.first().ok_or_else(|| ReplayError::OrderNotFound {
        name: name.to_string(),
    })?;
    Ok(story.json())
}

/// The story of every order of a journal, in the order of their ids.
///
/// # Errors
/// [`ReplayError`]: a journal that cannot be read.
pub fn explain_all(
    directory: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Value>, ReplayError> {
    let stories = chronicle(directory, None, progress)?;
    Ok(stories.iter().map(story::Story::json).collect())
}
