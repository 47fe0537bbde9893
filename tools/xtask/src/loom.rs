//! `cargo xtask loom`: the ring's models under every interleaving that loom can reach.

use anyhow::Result;
use clap::ArgMatches;

use crate::check::cargo;
use crate::repository::Repository;
use crate::step::{Steps, Verdict};
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "loom",
    command,
    run,
};

/// Package, file and name of each test target that holds models.
const MODELS: &[(&str, &str, &str)] = &[("millrun-rings", "rings/tests/loom.rs", "loom")];

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Models of the rings under all interleavings")
        .after_help("Example:\n  cargo xtask loom\n  LOOM_LOG=trace cargo xtask loom")
}

fn run(repository: &Repository, _arguments: &ArgMatches) -> Result<Summary> {
    // A directory of its own: another cfg would else rebuild everything twice.
    let target_directory = repository.metadata()?.target_directory.join("loom");
    let flags = match std::env::var("RUSTFLAGS") {
        Ok(flags) => format!("{flags} --cfg loom"),
        Err(_) => "--cfg loom".to_owned(),
    };
    let mut steps = Steps::new(VERB.name);
    for (package, file, test) in MODELS {
        steps.run(&format!("loom {package}"), || {
            if !repository.has(file) {
                return Verdict::NotRun(format!("{file} is not in the tree yet"));
            }
            let mut models = cargo(repository, &["test", "--release"]);
            models.args(["--package", package, "--test", test, "--target-dir"]);
            models.arg(&target_directory).env("RUSTFLAGS", &flags);
            Verdict::of_command(&mut models)
        });
    }
    Ok(steps.finish())
}
