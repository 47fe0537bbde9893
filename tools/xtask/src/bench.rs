//! `cargo xtask bench`: the measurements of `benches`, built with optimisation.
//!
//! A measurement that could be made has passed, however long it took: figures over their targets
//! are printed as `over`, and no suite runs this verb. Must not know what is measured.

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches};

use crate::check::cargo;
use crate::repository::Repository;
use crate::step::{Steps, Verdict};
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "bench",
    command,
    run,
};

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Measures the stages of an order on this machine (no part of `test`)")
        .arg(
            Arg::new("quick")
                .long("quick")
                .action(ArgAction::SetTrue)
                .help("A tenth of the samples"),
        )
        .arg(
            Arg::new("rounds")
                .long("rounds")
                .help("Rounds, at least 5; a figure is the median of its rounds"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("The figures as a JSON document, before the last line"),
        )
        .after_help("Example:\n  cargo xtask bench\n  cargo xtask bench --quick")
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    let mut bench = cargo(repository, &["run", "--release"]);
    bench.args(["--package", "millrun-benches", "--"]);
    for flag in ["quick", "json"] {
        if arguments.get_flag(flag) {
            bench.arg(format!("--{flag}"));
        }
    }
    if let Some(rounds) = arguments.get_one::<String>("rounds") {
        bench.args(["--rounds", rounds]);
    }
    let mut steps = Steps::new(VERB.name);
    steps.run("bench millrun-benches", || Verdict::of_command(&mut bench));
    Ok(steps.finish())
}
