//! The process's own streams and signals around [`run`].
//!
//! Owns: buffering of standard output, the wait between two looks at a live journal, exit codes.
//! Invariants: a wait is one `poll` of standard output, so a closed pipe ends a quiet follow at
//! once and nothing spins; signals are caught only while following, else they end the process as
//! usual. Threads: one; the signal handler only stores a flag.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::arguments::ReplayArgs;
use crate::export::{ExportFormat, Exported, export};
use crate::failure::ReplayError;
use crate::json_lines::ascii_line;
use crate::walk::{Pace, Streams, run};
use crate::{state_at, verify_command};

/// Between two looks at the end of a live journal.
const WAIT_NS: i64 = 10_000_000;

/// Runs a replay on standard output and error. Exit codes are in the help text.
pub fn run_cli(args: &ReplayArgs) -> ExitCode {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    if let (Some(format), Some(path)) = (args.export, &args.out) {
        let bar = verify_command::spinner();
        let exported = export(&args.dir, format, path, &mut |at| bar.set_position(at));
        bar.finish_and_clear();
        let printed = exported.and_then(|it| Ok(print_export(args.json, format, path, it)?));
        return ended(printed.map(|()| 0));
    }
    if let Some(sequence) = args.at {
        let shown = state_at::run(args, sequence, &mut out);
        leave_unwritten(out);
        return ended(shown.map(|()| 0));
    }
    if args.verify {
        let verified = verify_command::run(args, &mut out);
        leave_unwritten(out);
        return ended(verified);
    }
    let replayed = FollowPace::new(args.follow)
        .map_err(ReplayError::Signals)
        .and_then(|mut pace| {
            run(
                args,
                Streams {
                    out: &mut out,
                    notes: &mut io::stderr(),
                },
                &mut pace,
            )
        });
    leave_unwritten(out);
    ended(replayed.map(|_| 0))
}

/// The last line of an export.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_export(
    as_json: bool,
    format: ExportFormat,
    path: &Path,
    exported: Exported,
) -> io::Result<()> {
    let Exported {
        orders,
        fills,
        commands,
        decisions,
        last_sequence,
    } = exported;
    let (format, mut out) = (format.name(), io::stdout().lock());
    if as_json {
        let object = json!({"format": format, "orders": orders, "fills": fills,
            "commands": commands, "decisions": decisions, "last_sequence": last_sequence,
            "out": path});
        return out.write_all(&ascii_line(&object)?);
    }
    writeln!(
        out,
        "export format={format} orders={orders} fills={fills} commands={commands} \
         decisions={decisions} last_sequence={last_sequence} out={}",
        path.display()
    )
}

pub(crate) fn ended(code: Result<u8, ReplayError>) -> ExitCode {
    ExitCode::from(code.unwrap_or_else(|error| {
        // A standard error that is closed leaves the exit code to tell it.
        let _ = writeln!(io::stderr(), "error: {error}");
        error.exit_code()
    }))
}

/// `run` has flushed what could be written; trying again on a closed pipe helps nobody.
fn leave_unwritten(out: BufWriter<StdoutLock<'_>>) {
    drop(out.into_parts());
}

/// Waits on standard output's state and the process's signals.
struct FollowPace {
    over: Arc<AtomicBool>,
}

impl FollowPace {
    fn new(follow: bool) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        if follow {
            for signal in [SIGINT, SIGTERM] {
                // The second signal ends the process even if a write to a slow reader blocks.
                flag::register_conditional_shutdown(signal, 0, Arc::clone(&over))?;
                flag::register(signal, Arc::clone(&over))?;
            }
        }
        Ok(Self { over })
    }
}

impl Pace for FollowPace {
    fn is_over(&mut self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn wait(&mut self) {
        let stdout = io::stdout();
        // No event is asked for: only a hang-up or an error is ever reported.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: WAIT_NS,
        };
        // An interrupted wait is a short one; the signal's flag is looked at next.
        if poll(&mut watched, Some(&timeout)).is_ok_and(|ready| ready > 0) {
            self.over.store(true, Ordering::Relaxed);
        }
    }
}
