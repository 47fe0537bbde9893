//! `cargo xtask check`: formatting, lints and the project's own style rules.

use std::process::Command;

use anyhow::Result;
use clap::ArgMatches;

use crate::repository::Repository;
use crate::step::{Steps, Verdict};
use crate::tidy;
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "check",
    command,
    run,
};

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Formatting, lints and style: what must hold before a commit")
        .after_help("Example:\n  cargo xtask check")
}

fn run(repository: &Repository, _arguments: &ArgMatches) -> Result<Summary> {
    let mut steps = Steps::new(VERB.name);
    add_steps(repository, &mut steps);
    Ok(steps.finish())
}

/// The same steps as a part of `cargo xtask test`.
pub(crate) fn add_steps(repository: &Repository, steps: &mut Steps) {
    let mut formatted = cargo(repository, &["fmt", "--all", "--", "--check"]);
    steps.run("fmt", || Verdict::of_command(&mut formatted));
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    let mut linted = cargo(repository, &lints);
    steps.run("clippy", || Verdict::of_command(&mut linted));
    steps.run("tidy", || tidy::verdict(repository));
}

/// A cargo process at the root of the repository.
pub(crate) fn cargo(repository: &Repository, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(&repository.root);
    command
}
