//! `cargo xtask vectors [FILE]`: messages of the venues' own clients against our signing and
//! encoding.
//!
//! Owns nothing but the call: the reading and the verdict are an example of the protocol crate, so
//! that this tool builds without it. With a FILE the process ends with the example's own last line
//! and exit code: 0 all passed, 1 some failed, 2 something in the file is not known.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::{Arg, ArgMatches};

use crate::repository::Repository;
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "vectors",
    command,
    run,
};

/// Where our own files are.
const FOLDER: &str = "gateway/protocol/vectors/";

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Messages of the venues' own clients against our signing and encoding")
        .arg(Arg::new("file").value_name("FILE").help(
            "A file of vectors, format 2; without it, every file of gateway/protocol/vectors",
        ))
        .after_help(
            "Exit: 0 all passed, 1 some failed, 2 something in the file is not known\n\
             Examples:\n  cargo xtask vectors\n  \
             cargo xtask vectors gateway/protocol/vectors/okx.json",
        )
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    if let Some(file) = arguments.get_one::<String>("file") {
        let code = check(repository, Path::new(file))?;
        // The child has printed the last line and chosen between three codes: both are passed on.
        std::process::exit(code);
    }
    let (mut passed, mut failed) = (0u32, 0u32);
    for path in repository.files()? {
        if path.starts_with(FOLDER) && path.ends_with(".json") {
            match check(repository, &repository.root.join(path))? {
                0 => passed += 1,
                _ => failed += 1,
            }
        }
    }
    Ok(Summary::new(VERB.name, failed == 0 && passed > 0)
        .figure("files", passed + failed)
        .figure("passed", passed)
        .figure("failed", failed))
}

/// Runs one file in the directory in which we were called, so that its path means the same there.
fn check(repository: &Repository, file: &Path) -> Result<i32> {
    let manifest: PathBuf = repository.root.join("Cargo.toml");
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--package", "millrun-protocol"])
        .args(["--example", "vectors", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .arg(file)
        .stdin(Stdio::null())
        .status()
        .context("starting cargo")?;
    // Killed by a signal is no verdict: not known.
    Ok(status.code().unwrap_or(2))
}
