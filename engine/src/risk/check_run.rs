//! One check that ran, as data: which limit it held against which value, and what came of it.
//!
//! Owns: [`CheckRun`], and who is told of it. Invariant: the checks that tell are the checks that
//! decide; on the hot path nobody is told, and telling nobody costs nothing. Threads: none.

use model::RejectReason;

/// What the numbers of a check count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckUnit {
    /// It has no numbers: it holds or not.
    None,
    /// Nanoseconds.
    Nanoseconds,
    /// Orders, commands, messages, executions.
    Count,
    /// Request ids.
    RequestId,
    /// Price units of the instrument.
    Price,
    /// Quantity units of the instrument.
    Quantity,
    /// Notional units of the instrument.
    Notional,
}

/// One check that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckRun {
    /// The code that it refuses with.
    pub reason: RejectReason,
    /// What the two numbers count.
    pub unit: CheckUnit,
    /// The limit at that moment.
    pub limit: i128,
    /// The value at that moment.
    pub actual: i128,
    /// False when it refused.
    pub passed: bool,
}

impl CheckRun {
    /// A check without numbers.
    pub const fn bare(reason: RejectReason, passed: bool) -> Self {
        Self {
            reason,
            unit: CheckUnit::None,
            limit: 0,
            actual: 0,
            passed,
        }
    }
}

/// Who is told of each check, in the order in which they run.
pub trait CheckWitness {
    /// A check ran. What makes the numbers is called only by a witness that wants them.
    fn note(&mut self, run: impl FnOnce() -> CheckRun);
}

/// The hot path's witness: wants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwitnessed;

impl CheckWitness for Unwitnessed {
    fn note(&mut self, _run: impl FnOnce() -> CheckRun) {}
}

impl CheckWitness for Vec<CheckRun> {
    fn note(&mut self, run: impl FnOnce() -> CheckRun) {
        self.push(run());
    }
}

impl<W: CheckWitness> CheckWitness for &mut W {
    fn note(&mut self, run: impl FnOnce() -> CheckRun) {
        W::note(self, run);
    }
}
