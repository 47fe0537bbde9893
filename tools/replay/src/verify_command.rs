//! `millrun replay --verify` on a terminal: progress, the first difference, the last line.
//!
//! Invariant: the last line alone says the verdict. Threads: one.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::arguments::ReplayArgs;
use crate::failure::ReplayError;
use crate::json_lines::ascii_line;
use crate::verify::{Verdict, Verification, Verifier};

/// Exit code of a difference.
pub(crate) const DIFFERS: u8 = 7;

/// Verifies and prints; the exit code.
pub(crate) fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<u8, ReplayError> {
    args.check()?;
    let began = Instant::now();
    let mut verifier =
        Verifier::open(&args.dir)?.within(args.from.unwrap_or(0), args.to.unwrap_or(u64::MAX));
    let bar = spinner();
    let verdict = verifier.advance(&mut |entries| bar.set_position(entries));
    bar.finish_and_clear();
    let verdict = verdict?;
    if verifier.totals().entries == 0 {
        return Err(ReplayError::NoEntries {
            directory: args.dir.clone(),
        });
    }
    let took = began.elapsed();
    if args.json {
        out.write_all(&ascii_line(&json_of(&verifier, &verdict, took))?)?;
    } else {
        print(out, &args.dir, &verifier, &verdict, took)?;
    }
    out.flush()?;
    Ok(match verdict {
        Verdict::Identical => 0,
        Verdict::Differs(_) => DIFFERS,
    })
}

/// Drawn on standard error, and only if that is a terminal.
pub(crate) fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {human_pos} entries, {per_sec}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn entries_per_s(entries: u64, took: Duration) -> u64 {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    entries.saturating_mul(1_000_000) / took_us
}

fn json_of(verifier: &Verifier, verdict: &Verdict, took: Duration) -> serde_json::Value {
    let totals = verifier.totals();
    let mut object = match verdict {
        Verdict::Identical => json!({
            "verdict": "identical",
            "state_digest": format!("{:016x}", verifier.state_digest()),
        }),
        Verdict::Differs(difference) => difference.json(),
    };
    let Verification {
        entries,
        inputs,
        decisions,
        payloads,
        folded_other_version,
        last_sequence,
    } = totals;
    let figures = json!({
        "entries": entries,
        "inputs": inputs,
        "decisions": decisions,
        "payloads": payloads,
        "folded_other_version": folded_other_version,
        "last_sequence": last_sequence,
        "entries_per_s": entries_per_s(entries, took),
    });
    if let (Some(object), serde_json::Value::Object(figures)) = (object.as_object_mut(), figures) {
        object.extend(figures);
    }
    object
}

fn print(
    out: &mut dyn Write,
    directory: &Path,
    verifier: &Verifier,
    verdict: &Verdict,
    took: Duration,
) -> io::Result<()> {
    let totals = verifier.totals();
    writeln!(
        out,
        "{}: {} entries in {} ms, {} entries/s",
        directory.display(),
        totals.entries,
        took.as_millis(),
        entries_per_s(totals.entries, took)
    )?;
    let Verification {
        entries,
        inputs,
        decisions,
        payloads,
        folded_other_version,
        ..
    } = totals;
    let figures = format!(
        "entries={entries} inputs={inputs} decisions={decisions} payloads={payloads} \
         folded_other_version={folded_other_version}"
    );
    match verdict {
        Verdict::Identical => writeln!(
            out,
            "replay verdict=identical {figures} state_digest={:016x}",
            verifier.state_digest()
        ),
        Verdict::Differs(difference) => {
            writeln!(out, "{}", difference.human())?;
            writeln!(
                out,
                "replay verdict=differs sequence={} part={} {figures}",
                difference.sequence,
                difference.part.name()
            )
        }
    }
}
