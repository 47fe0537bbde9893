//! One timed step of a verb: runs, prints its name, its verdict and its seconds.
//!
//! Invariant: every step ends as exactly one of passed, failed, not run; and a step that is not
//! run says why. Nothing is skipped in silence.

use std::fmt;
use std::process::Command;
use std::time::Instant;

use crate::verb::Summary;

/// How one step ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ran and holds.
    Passed,
    /// It ran and does not hold, or could not run though it should have.
    Failed(String),
    /// It cannot run here or now; the reason is printed.
    NotRun(String),
}

impl Verdict {
    /// Runs a child process with our own output, and judges by its exit code.
    pub(crate) fn of_command(command: &mut Command) -> Self {
        println!("   $ {}", Displayed(command));
        match command.status() {
            Ok(status) if status.success() => Self::Passed,
            Ok(status) => Self::Failed(status.to_string()),
            Err(error) => Self::Failed(format!("cannot start: {error}")),
        }
    }
}

/// The steps of one verb so far.
pub(crate) struct Steps {
    verb: &'static str,
    started: Instant,
    passed: u32,
    failed: Vec<String>,
    not_run: u32,
}

impl Steps {
    /// No step yet; the wall clock starts now.
    pub(crate) fn new(verb: &'static str) -> Self {
        Self {
            verb,
            started: Instant::now(),
            passed: 0,
            failed: Vec::new(),
            not_run: 0,
        }
    }

    /// Runs one step and prints how it ended. Later steps run even if this one failed.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Verdict) {
        println!("== {name}");
        let started = Instant::now();
        let verdict = step();
        let seconds = started.elapsed().as_secs_f64();
        match verdict {
            Verdict::Passed => {
                self.passed += 1;
                println!("-- {name}: passed seconds={seconds:.1}");
            }
            Verdict::Failed(reason) => {
                self.failed.push(name.to_owned());
                println!("-- {name}: FAILED seconds={seconds:.1} reason={reason}");
            }
            Verdict::NotRun(reason) => {
                self.not_run += 1;
                println!("-- {name}: not_run reason={reason}");
            }
        }
    }

    /// The figures of all steps. Passed when no step failed.
    pub(crate) fn finish(self) -> Summary {
        for name in &self.failed {
            println!("failed step: {name}");
        }
        let failed = self.failed.len();
        Summary::new(self.verb, failed == 0)
            .figure(
                "steps",
                self.passed as usize + failed + self.not_run as usize,
            )
            .figure("passed", self.passed)
            .figure("failed", failed)
            .figure("not_run", self.not_run)
            .figure(
                "wall_s",
                format!("{:.1}", self.started.elapsed().as_secs_f64()),
            )
    }
}

/// A command as one could type it.
struct Displayed<'a>(&'a Command);

impl fmt::Display for Displayed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in self.0.get_envs() {
            if let Some(value) = value {
                write!(formatter, "{}='{}' ", key.display(), value.display())?;
            }
        }
        write!(formatter, "{}", self.0.get_program().display())?;
        for argument in self.0.get_args() {
            write!(formatter, " {}", argument.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_not_run_is_counted_and_fails_nothing() {
        let mut steps = Steps::new("test");
        steps.run("one", || Verdict::Passed);
        steps.run("two", || Verdict::NotRun("not built yet".into()));
        let summary = steps.finish();
        assert!(summary.passed);
        assert!(
            summary
                .to_string()
                .starts_with("test steps=2 passed=1 failed=0 not_run=1 wall_s=")
        );
    }

    #[test]
    fn one_failed_step_fails_the_verb_and_later_steps_still_run() {
        let mut steps = Steps::new("test");
        let mut later_ran = false;
        steps.run("one", || Verdict::of_command(&mut Command::new("false")));
        steps.run("two", || {
            later_ran = true;
            Verdict::Passed
        });
        let summary = steps.finish();
        assert!(later_ran);
        assert!(!summary.passed);
        assert!(
            summary
                .to_string()
                .starts_with("test steps=2 passed=1 failed=1 not_run=0 wall_s=")
        );
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_failure_not_a_pass() {
        let verdict = Verdict::of_command(&mut Command::new("/no/such/program"));
        assert!(matches!(verdict, Verdict::Failed(reason) if reason.starts_with("cannot start")));
    }
}
