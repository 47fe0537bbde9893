//! `cargo xtask vectors FILE`: messages of the venues' own clients against our signing and
//! encoding.
//!
//! Prints one line per vector and, last, `vectors file=… total=N passed=N failed=N`. Exit 0 when
//! all passed, 1 when any failed, 2 when anything in the file is not known: never a pass, never
//! skipped. Owns the reading of the file; the verdict is made by [`runner`]. One thread.

mod args;
mod compare;
mod decimal;
mod okx;
mod runner;
mod schema;

use std::process::ExitCode;

use runner::Outcome;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: cargo xtask vectors FILE");
        return ExitCode::from(2);
    };
    let report = match std::fs::read_to_string(&path) {
        Ok(text) => runner::run(&text),
        Err(error) => runner::Report::unreadable(&error.to_string()),
    };
    for line in &report.lines {
        println!("{line}");
    }
    println!(
        "vectors file={path} total={} passed={} failed={}",
        report.total, report.passed, report.failed
    );
    ExitCode::from(match report.outcome() {
        Outcome::Passed => 0,
        Outcome::Failed => 1,
        Outcome::Unknown => 2,
    })
}

#[cfg(test)]
mod tests;
