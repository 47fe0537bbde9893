//! `cargo xtask miri`: the crates with pointer code under Miri, where the nightly toolchain has it.
//!
//! Where it has not, the verb says `not_run` and exits 0: it is never reported as passed.

use std::process::Command;

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches};

use crate::repository::Repository;
use crate::step::{Steps, Verdict};
use crate::suites::starts;
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "miri",
    command,
    run,
};

/// Packages that hold unsafe code which runs on heap memory too.
const PACKAGES: &[&str] = &["millrun-rings", "millrun-journal"];

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Unsafe code under Miri, if the nightly toolchain has it")
        .arg(
            Arg::new("package")
                .long("package")
                .short('p')
                .action(ArgAction::Append)
                .help("Package to run; all with unsafe code if none is named"),
        )
        .after_help("Example:\n  cargo xtask miri\n  cargo xtask miri --package millrun-rings")
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    // Through rustup, because the `cargo` of a running `cargo run` takes no `+nightly`.
    if !starts("rustup", &["run", "nightly", "cargo", "miri", "--version"]) {
        let reason = "the nightly toolchain has no miri component";
        println!("miri not_run reason={reason} (rustup component add miri --toolchain nightly)");
        return Ok(Summary::new(VERB.name, true)
            .figure("not_run", 1)
            .figure("reason", reason));
    }
    let named: Vec<&str> = match arguments.get_many::<String>("package") {
        Some(packages) => packages.map(String::as_str).collect(),
        None => PACKAGES.to_vec(),
    };
    let target_directory = repository.metadata()?.target_directory.join("miri");
    let mut steps = Steps::new(VERB.name);
    for package in named {
        let mut miri = Command::new("rustup");
        miri.args([
            "run",
            "nightly",
            "cargo",
            "miri",
            "test",
            "--package",
            package,
        ])
        .arg("--target-dir")
        .arg(&target_directory)
        .env("MIRIFLAGS", "-Zmiri-strict-provenance")
        .current_dir(&repository.root);
        steps.run(&format!("miri {package}"), || {
            Verdict::of_command(&mut miri)
        });
    }
    Ok(steps.finish())
}
