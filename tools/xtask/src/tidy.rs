//! `cargo xtask tidy`: the project's own rules on sources that no compiler and no linter checks.
//!
//! Owns the list of rules and the reading of files. Each rule is a pure function from sources to
//! findings, so that its test can show it failing on a few lines of text. Must not change files.

mod arrows;
mod determinism;
mod fixtures;
mod scripts;
mod shape;
mod supply;
mod unsafe_code;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches};

use crate::repository::{Package, Repository};
use crate::rust_source::RustSource;
use crate::step::Verdict;
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "tidy",
    command,
    run,
};

/// A rule looks at all sources and adds what it finds.
type Rule = fn(&Sources, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    arrows::check,
    shape::check_headers,
    shape::check_lengths,
    shape::check_names,
    words::check_unfinished_work,
    words::check_private_words,
    unsafe_code::check,
    determinism::check,
    fixtures::check,
    scripts::check,
    supply::check,
];

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 1 for what concerns the whole file.
    line: usize,
    rule: &'static str,
    message: String,
}

/// Everything the rules look at.
#[derive(Default)]
struct Sources {
    /// Rust files, in order of their paths.
    rust: Vec<RustSource>,
    /// Every file that is text, Rust included.
    texts: Vec<TextFile>,
    /// Paths of all files, text or not.
    paths: Vec<String>,
    /// Our packages as cargo sees them.
    packages: Vec<Package>,
}

/// A file that is text.
struct TextFile {
    path: String,
    text: String,
}

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("The project's own rules: arrows between crates, sizes, names, banned words")
        .arg(
            Arg::new("folder")
                .action(ArgAction::Append)
                .help("Show only findings below this folder of the repository"),
        )
        .after_help("Examples:\n  cargo xtask tidy\n  cargo xtask tidy engine gateway/protocol")
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    let folders = arguments.get_many::<String>("folder").into_iter().flatten();
    report(repository, &folders.map(String::as_str).collect::<Vec<_>>())
}

/// The same as a step of another verb.
pub(crate) fn verdict(repository: &Repository) -> Verdict {
    match report(repository, &[]) {
        Ok(summary) => {
            println!("{summary}");
            summary.into_verdict()
        }
        Err(error) => Verdict::Failed(format!("{error:#}")),
    }
}

/// Prints what the rules find below the folders; everywhere, if none is named.
fn report(repository: &Repository, folders: &[&str]) -> Result<Summary> {
    let started = Instant::now();
    let (sources, mut findings) = Sources::read(repository)?;
    for rule in RULES {
        rule(&sources, &mut findings);
    }
    let is_shown = |path: &str| {
        folders.is_empty()
            || folders
                .iter()
                .any(|folder| Path::new(path).starts_with(folder))
    };
    findings.retain(|finding| is_shown(&finding.path));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    Ok(Summary::new(VERB.name, findings.is_empty())
        .figure(
            "files",
            sources.paths.iter().filter(|path| is_shown(path)).count(),
        )
        .figure("findings", findings.len())
        .figure("wall_s", format!("{:.1}", started.elapsed().as_secs_f64())))
}

impl Sources {
    fn read(repository: &Repository) -> Result<(Self, Vec<Finding>)> {
        let mut sources = Self {
            paths: repository.files()?,
            packages: repository.metadata()?.packages,
            ..Self::default()
        };
        for package in &mut sources.packages {
            package.manifest_path = repository.relative(&package.manifest_path).into();
            for target in &mut package.targets {
                target.src_path = repository.relative(&target.src_path).into();
            }
        }
        let mut findings = Vec::new();
        for path in sources.paths.clone() {
            let bytes = std::fs::read(repository.root.join(&path))?;
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            findings.extend(sources.add(&path, text));
        }
        sources.mark_test_modules();
        Ok((sources, findings))
    }

    /// Adds one text file; a Rust file that is not Rust is a finding.
    fn add(&mut self, path: &str, text: String) -> Option<Finding> {
        let mut finding = None;
        if path.ends_with(".rs") {
            match RustSource::parse(path, &text) {
                Ok(source) => self.rust.push(source),
                Err(error) => finding = Some(Finding::new(path, 1, "rust", error.to_string())),
            }
        }
        self.texts.push(TextFile {
            path: path.to_owned(),
            text,
        });
        finding
    }

    /// `#[cfg(test)] mod oracle;` makes `oracle.rs` test code, though its own text does not say so.
    fn mark_test_modules(&mut self) {
        let mut test_files = BTreeSet::new();
        for source in &self.rust {
            let (folder, file) = source.path.rsplit_once('/').unwrap_or((".", &source.path));
            let own_folder = match file.trim_end_matches(".rs") {
                "lib" | "main" | "mod" => folder.to_owned(),
                stem => format!("{folder}/{stem}"),
            };
            for module in &source.test_modules {
                test_files.insert(format!("{own_folder}/{module}.rs"));
                test_files.insert(format!("{own_folder}/{module}/mod.rs"));
            }
        }
        for source in &mut self.rust {
            if test_files.contains(&source.path) {
                source.mark_as_test_file();
            }
        }
    }
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}: [{}] {}",
            self.path, self.line, self.rule, self.message
        )
    }
}

#[cfg(test)]
mod tests;
