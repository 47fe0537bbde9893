//! `cargo xtask coverage`: which rows of the catalogue the tests prove, by their own word.
//!
//! A test names its rows in a comment right above it: `// covers: HP1 R05` in Rust, `# covers:` in
//! Python. Rows without a test are listed and fail nothing. A comment that names no row of ours,
//! or that stands above no test, fails: it would claim what nobody checks.

mod catalogue;
mod claims;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches};

use crate::repository::Repository;
use crate::rust_source::RustSource;
use crate::verb::{Summary, Verb};
use catalogue::{Catalogue, Row};
use claims::{Claim, Claims};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "coverage",
    command,
    run,
};

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Rows of docs/requirements with the tests that prove them")
        .arg(
            Arg::new("uncovered")
                .long("uncovered")
                .action(ArgAction::SetTrue)
                .help("Print only the rows that no test proves"),
        )
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .action(ArgAction::SetTrue)
                .conflicts_with("uncovered")
                .help("Print only what is wrong, and the figures"),
        )
        .after_help("Examples:\n  cargo xtask coverage\n  cargo xtask coverage --uncovered")
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    let mut catalogue = Catalogue::default();
    for document in catalogue::DOCUMENTS {
        let path = repository.root.join(document);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading the catalogue {}", path.display()))?;
        catalogue.read(document, &text)?;
    }
    let claims = read_claims(repository)?;
    let report = Report::new(&catalogue, &claims.claims);
    if !arguments.get_flag("quiet") {
        report.print_rows(arguments.get_flag("uncovered"));
    }
    for problem in claims.misplaced.iter().chain(&report.unknown) {
        println!("error: {problem}");
    }
    Ok(report.summary(claims.misplaced.len()))
}

fn read_claims(repository: &Repository) -> Result<Claims> {
    let mut claims = Claims::default();
    for path in repository.files()? {
        let is_rust = path.ends_with(".rs");
        if !is_rust && !path.ends_with(".py") {
            continue;
        }
        let absolute = repository.root.join(&path);
        let text = fs::read_to_string(&absolute)
            .with_context(|| format!("reading {}", absolute.display()))?;
        if is_rust {
            claims.read_rust(&RustSource::parse(&path, &text)?);
        } else {
            claims.read_python(&path, &text);
        }
    }
    Ok(claims)
}

/// Rows beside the tests that claim them.
struct Report<'a> {
    rows: Vec<(&'a Row, Vec<&'a Claim>)>,
    /// Claims of rows that do not exist.
    unknown: Vec<String>,
}

impl<'a> Report<'a> {
    fn new(catalogue: &'a Catalogue, claims: &'a [Claim]) -> Self {
        let mut tests: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for claim in claims {
            if catalogue.rows.iter().any(|row| row.id == claim.id) {
                tests.entry(&claim.id).or_default().push(claim);
            } else {
                let Claim { id, path, line, .. } = claim;
                unknown.push(format!("{path}:{line}: `{id}` is no row of the catalogue"));
            }
        }
        let rows = catalogue.rows.iter();
        let rows = rows
            .map(|row| (row, tests.remove(&*row.id).unwrap_or_default()))
            .collect();
        Self { rows, unknown }
    }

    fn print_rows(&self, only_uncovered: bool) {
        for (row, tests) in &self.rows {
            let shown = if row.needs_test {
                "uncovered"
            } else {
                "named by no test"
            };
            if tests.is_empty() {
                println!("{:<5} {shown}: {}", row.id, row.summary());
            } else if !only_uncovered {
                println!("{:<5} {} tests", row.id, tests.len());
                for test in tests {
                    println!("      {}:{} {}", test.path, test.line, test.test);
                }
            }
        }
    }

    fn summary(&self, misplaced: usize) -> Summary {
        let counted = || self.rows.iter().filter(|(row, _)| row.needs_test);
        let covered = counted().filter(|(_, tests)| !tests.is_empty()).count();
        Summary::new(VERB.name, self.unknown.is_empty() && misplaced == 0)
            .figure("rows", counted().count())
            .figure("covered", covered)
            .figure("uncovered", counted().count() - covered)
            .figure("unknown", self.unknown.len())
            .figure("misplaced", misplaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTS: &str = "## A. Promises\n| # | G |\n|---|---|\n| P1 | Journal first. | x |\n\
                          ## B. Faults\n| ID | Fault |\n|---|---|\n| R05 | Peer truncates | y |\n\
                          | R06 | Peer overwrites | y |\n";

    fn report_line(comment: &str) -> (bool, String) {
        let mut catalogue = Catalogue::default();
        catalogue.read("FAULTS.md", FAULTS).unwrap();
        let text = format!("//! H.\n{comment}\n#[test]\nfn holds() {{ assert!(true) }}\n");
        let mut claims = Claims::default();
        claims.read_rust(&RustSource::parse("a.rs", &text).unwrap());
        let summary = Report::new(&catalogue, &claims.claims).summary(claims.misplaced.len());
        (summary.passed, summary.to_string())
    }

    #[test]
    fn rows_with_a_test_are_counted_and_rows_without_fail_nothing() {
        assert_eq!(
            report_line("// covers: R05"),
            (
                true,
                "coverage rows=2 covered=1 uncovered=1 unknown=0 misplaced=0".to_owned()
            )
        );
    }

    #[test]
    fn a_promise_may_be_named_but_is_not_among_the_counted_rows() {
        assert_eq!(
            report_line("// covers: P1"),
            (
                true,
                "coverage rows=2 covered=0 uncovered=2 unknown=0 misplaced=0".to_owned()
            )
        );
    }

    #[test]
    fn an_unknown_row_fails() {
        assert_eq!(
            report_line("// covers: R05 R99"),
            (
                false,
                "coverage rows=2 covered=1 uncovered=1 unknown=1 misplaced=0".to_owned()
            )
        );
    }
}
