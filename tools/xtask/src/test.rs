//! `cargo xtask test`: everything that must hold, in one command. `.ci/run` calls exactly this.

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{self, cargo};
use crate::repository::Repository;
use crate::step::{Steps, Verdict};
use crate::suites::{self, SUITES, starts};
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "test",
    command,
    run,
};

fn command(name: &'static str) -> clap::Command {
    let suites = SUITES.iter().map(|suite| suite.name);
    clap::Command::new(name)
        .about("Everything: checks, all tests, doc tests, and the suites of --list")
        .arg(
            Arg::new("only")
                .long("only")
                .value_name("SUITE")
                .action(ArgAction::Append)
                .value_parser(PossibleValuesParser::new(suites))
                .help("Run only this suite; may be given several times"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .help("Print the suites and run nothing"),
        )
        .after_help(
            "Examples:\n  cargo xtask test\n  cargo xtask test --list\n  \
             cargo xtask test --only loom --only okx-clients",
        )
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    if arguments.get_flag("list") {
        for suite in SUITES {
            println!("{:<14} {}", suite.name, suite.what);
        }
        return Ok(Summary::new(VERB.name, true).figure("suites", SUITES.len()));
    }
    let only: Option<Vec<&String>> = arguments.get_many("only").map(Iterator::collect);
    let mut steps = Steps::new(VERB.name);
    if only.is_none() {
        check::add_steps(repository, &mut steps);
        add_workspace_tests(repository, &mut steps);
    }
    for suite in SUITES {
        if only
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| *name == suite.name))
        {
            steps.run(suite.name, || suites::run(repository, suite));
        }
    }
    Ok(steps.finish())
}

/// nextest runs the same tests faster, but no doc tests, and a user's machine need not have it.
fn add_workspace_tests(repository: &Repository, steps: &mut Steps) {
    let mut tests = if starts("cargo", &["nextest", "--version"]) {
        let all = [
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--no-tests=pass",
        ];
        cargo(repository, &all)
    } else {
        let all = ["test", "--workspace", "--no-fail-fast"];
        let mut tests = cargo(repository, &all);
        // `--all-targets` would build benches; these are what nextest runs by default.
        tests.args(["--lib", "--bins", "--tests", "--examples"]);
        tests
    };
    steps.run("tests", || Verdict::of_command(&mut tests));
    let mut doc_tests = cargo(
        repository,
        &["test", "--workspace", "--doc", "--no-fail-fast"],
    );
    steps.run("doc tests", || Verdict::of_command(&mut doc_tests));
}
