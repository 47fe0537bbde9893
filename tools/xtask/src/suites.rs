//! The suites that `cargo xtask test` runs after the workspace's own tests: one table.
//!
//! A suite that needs a file or a verb which the tree does not have yet, or a tool that this
//! machine lacks, is reported as `not_run` with the reason, never passed over. Must not know how
//! a verb of ours works: it is called through the table of verbs.

use std::process::{Command, Stdio};

use crate::check::cargo;
use crate::repository::Repository;
use crate::step::Verdict;

/// One suite.
pub(crate) struct Suite {
    /// As printed, and as accepted by `--only`.
    pub(crate) name: &'static str,
    /// One phrase for `--list`.
    pub(crate) what: &'static str,
    /// How it is run.
    pub(crate) how: How,
}

/// How a suite is run.
pub(crate) enum How {
    /// A verb of ours with its arguments.
    Verb(&'static str, &'static [&'static str]),
    /// Code of this file.
    Code(fn(&Repository) -> Verdict),
}

/// The suites in the order they run: the quick ones first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "coverage",
        what: "every row id that a test claims exists",
        how: How::Verb("coverage", &["--quiet"]),
    },
    Suite {
        name: "dependencies",
        what: "licences, sources and banned crates",
        how: How::Code(run_cargo_deny),
    },
    Suite {
        name: "vectors",
        what: "signatures and encodings against published values",
        how: How::Verb("vectors", &[]),
    },
    Suite {
        name: "loom",
        what: "every interleaving of the shared-memory ring",
        how: How::Verb("loom", &[]),
    },
    Suite {
        name: "okx-clients",
        what: "the venue's public client libraries against our simulator",
        how: How::Code(run_okx_clients),
    },
    Suite {
        name: "kill-loop",
        what: "SIGKILL at random moments, then ledgers compared",
        how: How::Verb("kill-loop", &["--rounds", "20"]),
    },
    Suite {
        name: "instructions",
        what: "instructions of the hot path against benches/instructions.toml",
        how: How::Verb("instructions", &[]),
    },
    Suite {
        name: "hdr-tools",
        what: "a standard HdrHistogram tool on what millrun latency writes",
        how: How::Code(run_hdr_tools),
    },
    Suite {
        name: "demo",
        what: "what the README promises a new user",
        how: How::Code(run_demo),
    },
];

/// The simulator's package, whose binary the client libraries talk to.
const SIMULATOR_PACKAGE: &str = "millrun-venue-simulator";
/// Drives the client libraries.
const OKX_CLIENTS_SCRIPT: &str = "tests/okx_clients/run.py";

/// Runs one suite.
pub(crate) fn run(repository: &Repository, suite: &Suite) -> Verdict {
    match suite.how {
        How::Code(code) => code(repository),
        How::Verb(verb, arguments) => run_verb(repository, verb, arguments),
    }
}

fn run_verb(repository: &Repository, name: &str, arguments: &[&str]) -> Verdict {
    let Some(verb) = crate::find_verb(name) else {
        return Verdict::NotRun(format!("the verb {name} is not built yet"));
    };
    let typed = std::iter::once(name).chain(arguments.iter().copied());
    let summary = (verb.command)(verb.name)
        .try_get_matches_from(typed)
        .map_err(anyhow::Error::from)
        .and_then(|matches| (verb.run)(repository, &matches));
    match summary {
        Ok(summary) => {
            println!("{summary}");
            summary.into_verdict()
        }
        Err(error) => Verdict::Failed(format!("{error:#}")),
    }
}

fn run_cargo_deny(repository: &Repository) -> Verdict {
    if !starts("cargo", &["deny", "--version"]) {
        return Verdict::NotRun("cargo-deny is not installed".into());
    }
    let checks = ["deny", "check", "licenses", "bans", "sources"];
    Verdict::of_command(&mut cargo(repository, &checks))
}

fn run_okx_clients(repository: &Repository) -> Verdict {
    if !repository.has(OKX_CLIENTS_SCRIPT) {
        return Verdict::NotRun(format!("{OKX_CLIENTS_SCRIPT} is not in the tree yet"));
    }
    let metadata = match repository.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Verdict::Failed(format!("{error:#}")),
    };
    let Some(simulator) = metadata.debug_binary(SIMULATOR_PACKAGE) else {
        return Verdict::NotRun(format!("{SIMULATOR_PACKAGE} has no binary yet"));
    };
    if let Err(verdict) = ensure_python_can_make_environments() {
        return verdict;
    }
    let build = ["build", "--package", SIMULATOR_PACKAGE, "--bins"];
    match Verdict::of_command(&mut cargo(repository, &build)) {
        Verdict::Passed => {}
        not_built => return not_built,
    }
    let mut script = Command::new("python3");
    script
        .arg(OKX_CLIENTS_SCRIPT)
        .arg("--simulator-binary")
        .arg(simulator);
    Verdict::of_command(script.current_dir(&repository.root))
}

/// The client libraries are installed into an environment of their own, which needs `ensurepip`.
/// Debian ships that apart from python3.
fn ensure_python_can_make_environments() -> Result<(), Verdict> {
    if !starts("python3", &["--version"]) {
        return Err(Verdict::NotRun("python3 is not installed".into()));
    }
    let probe = ["-c", "import ensurepip, venv"];
    if starts("python3", &probe) {
        return Ok(());
    }
    if !rustix::process::getuid().is_root() || !starts("apt-get", &["--version"]) {
        return Err(Verdict::NotRun(
            "python3-venv is missing: apt-get install python3-venv".into(),
        ));
    }
    let mut update = Command::new("apt-get");
    update.arg("update");
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "python3-venv"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    for command in [&mut update, &mut install] {
        if let Verdict::Failed(reason) = Verdict::of_command(command) {
            return Err(Verdict::Failed(format!(
                "installing python3-venv: {reason}"
            )));
        }
    }
    if starts("python3", &probe) {
        return Ok(());
    }
    Err(Verdict::Failed(
        "python3 has no venv even after installing python3-venv".into(),
    ))
}

/// `millrun latency` on a journal of the demo, read by HdrHistogram's Python port.
fn run_hdr_tools(repository: &Repository) -> Verdict {
    let metadata = match repository.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Verdict::Failed(format!("{error:#}")),
    };
    let Some(millrun) = metadata.debug_binary("millrun") else {
        return Verdict::Failed("the package millrun has no binary".into());
    };
    if let Err(verdict) = ensure_python_can_make_environments() {
        return verdict;
    }
    let build = ["build", "--package", "millrun", "--bins"];
    match Verdict::of_command(&mut cargo(repository, &build)) {
        Verdict::Passed => {}
        not_built => return not_built,
    }
    let mut script = Command::new("python3");
    script.arg("tests/hdr_tools/run.py").arg("--millrun");
    Verdict::of_command(script.arg(millrun).current_dir(&repository.root))
}

fn run_demo(repository: &Repository) -> Verdict {
    // The profile of the tests: built already, and it finds the same.
    Verdict::of_command(&mut cargo(repository, &["run", "--quiet", "--", "demo"]))
}

/// Whether a program is there and does what is asked, quietly.
pub(crate) fn starts(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_whose_verb_does_not_exist_says_so_and_is_not_passed() {
        let repository = Repository::find().unwrap();
        let suite = Suite {
            name: "x",
            what: "",
            how: How::Verb("no-such-verb", &[]),
        };
        assert_eq!(
            run(&repository, &suite),
            Verdict::NotRun("the verb no-such-verb is not built yet".into())
        );
    }

    #[test]
    fn arguments_that_a_verb_does_not_take_fail_the_suite() {
        let repository = Repository::find().unwrap();
        let suite = Suite {
            name: "x",
            what: "",
            how: How::Verb("loom", &["--no-such-flag"]),
        };
        assert!(matches!(run(&repository, &suite), Verdict::Failed(_)));
    }

    #[test]
    fn suite_names_are_unique() {
        for suite in SUITES {
            assert_eq!(
                SUITES
                    .iter()
                    .filter(|other| other.name == suite.name)
                    .count(),
                1
            );
        }
    }

    #[test]
    fn a_program_that_fails_or_is_missing_does_not_count_as_there() {
        assert!(starts("true", &[]));
        assert!(!starts("false", &[]));
        assert!(!starts("/no/such/program", &[]));
    }
}
