//! What a verb is, and the line it ends with.
//!
//! Owns the shape of the last line: `VERB key=value key=value`. Must not know any verb.

use std::fmt;

use anyhow::Result;
use clap::{ArgMatches, Command};

use crate::repository::Repository;
use crate::step::Verdict;

/// One row of the table of verbs.
pub(crate) struct Verb {
    /// What is typed after `cargo xtask`.
    pub(crate) name: &'static str,
    /// Declares the arguments and the help with examples.
    pub(crate) command: fn(&'static str) -> Command,
    /// Does the work and prints progress. An `Err` means that the verb itself could not run;
    /// a check that found something is an `Ok` whose summary did not pass.
    pub(crate) run: fn(&Repository, &ArgMatches) -> Result<Summary>,
}

/// What a verb found, as its last line says it.
pub(crate) struct Summary {
    verb: &'static str,
    /// Decides the exit code.
    pub(crate) passed: bool,
    figures: Vec<(&'static str, String)>,
}

impl Summary {
    /// A summary without figures yet.
    pub(crate) fn new(verb: &'static str, passed: bool) -> Self {
        Self {
            verb,
            passed,
            figures: Vec::new(),
        }
    }

    /// Adds one figure. Spaces become underscores, so that the line splits at blanks.
    pub(crate) fn figure(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.figures
            .push((key, value.to_string().replace(' ', "_")));
        self
    }

    /// The verdict on a verb that ran as a step of another one. A verb of which no part ran has
    /// not passed.
    pub(crate) fn into_verdict(self) -> Verdict {
        if !self.passed {
            return Verdict::Failed(self.to_string());
        }
        let of = |wanted| {
            self.figures
                .iter()
                .find(|(key, _)| *key == wanted)
                .map(|(_, v)| v)
        };
        let nothing_passed = of("passed").is_none_or(|passed| passed == "0");
        if nothing_passed && of("not_run").is_some_and(|not_run| not_run != "0") {
            return Verdict::NotRun(self.to_string());
        }
        Verdict::Passed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.verb)?;
        for (key, value) in &self.figures {
            write!(formatter, " {key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_verb_and_its_figures_split_by_blanks() {
        let summary = Summary::new("loom", true)
            .figure("models", 3)
            .figure("reason", "not here");
        assert_eq!(summary.to_string(), "loom models=3 reason=not_here");
    }

    #[test]
    fn a_verb_of_which_nothing_ran_is_not_run_rather_than_passed() {
        let verdict_of = |passed, steps: u32, not_run: u32| {
            Summary::new("loom", passed)
                .figure("passed", steps)
                .figure("not_run", not_run)
                .into_verdict()
        };
        assert!(matches!(verdict_of(true, 0, 1), Verdict::NotRun(_)));
        assert_eq!(verdict_of(true, 1, 1), Verdict::Passed);
        assert_eq!(verdict_of(true, 1, 0), Verdict::Passed);
        assert!(matches!(verdict_of(false, 1, 1), Verdict::Failed(_)));
        let miri = Summary::new("miri", true).figure("not_run", 1);
        assert!(matches!(miri.into_verdict(), Verdict::NotRun(_)));
    }
}
