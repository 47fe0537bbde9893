//! The project's one entry point for checks, tests and measurements: `cargo xtask VERB`.
//!
//! Owns the table of verbs and the exit code. Each verb is one file and one row of [`VERBS`].
//! Invariant: the last line a verb prints is `VERB key=value …`, and the process exits 0 if it
//! passed and 1 if it did not. Must not know what the verbs do. One thread.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod coverage;
mod instructions;
mod kill_loop;
mod loom;
mod miri;
mod repository;
mod rust_source;
mod step;
mod suites;
mod test;
mod tidy;
mod vectors;
mod verb;

use std::process::ExitCode;

use clap::Command;

use crate::repository::Repository;
use crate::verb::Verb;

/// Every verb, in the order `--help` shows them. A new verb is one file and one row here.
const VERBS: &[Verb] = &[
    check::VERB,
    test::VERB,
    tidy::VERB,
    vectors::VERB,
    kill_loop::VERB,
    coverage::VERB,
    loom::VERB,
    miri::VERB,
    bench::VERB,
    instructions::VERB,
];

fn main() -> ExitCode {
    let matches = command_line().get_matches();
    let (name, arguments) = matches
        .subcommand()
        .expect("clap requires one of the verbs");
    let verb = find_verb(name).expect("clap knows only the verbs of the table");
    let summary = Repository::find().and_then(|repository| (verb.run)(&repository, arguments));
    match summary {
        Ok(summary) => {
            println!("{summary}");
            if summary.passed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            println!("{name} result=error");
            ExitCode::FAILURE
        }
    }
}

/// The verb of that name, if this build has it.
fn find_verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

fn command_line() -> Command {
    let command = Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("The project's one entry point for checks, tests and measurements")
        .after_help(
            "Each verb has its own --help with examples, for instance: cargo xtask test --help",
        )
        .subcommand_required(true)
        .arg_required_else_help(true);
    VERBS.iter().fold(command, |command, verb| {
        command.subcommand((verb.command)(verb.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_declared_once_and_its_help_has_an_example() {
        command_line().debug_assert();
        for verb in VERBS {
            let mut command = (verb.command)(verb.name);
            let help = command.render_long_help().to_string();
            assert!(
                help.contains(&format!("cargo xtask {}", verb.name)),
                "{help}"
            );
            assert_eq!(
                VERBS.iter().filter(|other| other.name == verb.name).count(),
                1
            );
        }
    }

    #[test]
    fn an_unknown_verb_is_refused() {
        let refused = command_line().try_get_matches_from(["xtask", "no-such-verb"]);
        assert_eq!(
            refused.unwrap_err().kind(),
            clap::error::ErrorKind::InvalidSubcommand
        );
    }
}
