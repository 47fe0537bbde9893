//! The engine over a journal's entries: fold what was decided, or decide again and compare.
//!
//! Recovery folds and never re-decides; re-execution is a check. Both run the same engine over the
//! same inputs, so a state that was folded and one that was decided again must be the same state.
//! Invariants: the first configuration makes the engine; an entry is taken once, in its order. Must
//! not know: how an entry is stored or read, what a payload looks like. Threads: the caller's.

use crate::decisions::{Decisions, FRAME_DECISIONS_MAX};
use crate::engine::{Engine, Moment};
use crate::risk::check_run::CheckRun;
use model::Decision;
use model::input::{EntryKind, Input, RequestInput};

/// An entry that stands before the first configuration: no engine can take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoConfiguration {
    /// The entry's kind.
    pub found: EntryKind,
}

impl core::fmt::Display for NoConfiguration {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let found = self.found;
        write!(
            f,
            "the journal begins with {found} instead of a configuration"
        )
    }
}

impl core::error::Error for NoConfiguration {}

/// What deciding again on an input gave, beside what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same decisions.
    Identical,
    /// Others.
    Differs {
        /// The first decision, from 0, that one side lacks or has otherwise.
        at: usize,
    },
}

/// An engine that is fed from a journal.
#[derive(Debug)]
pub struct Replay {
    engine: Option<Engine>,
    decisions: Decisions,
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// No engine yet: the journal's first configuration makes it.
    pub fn new() -> Self {
        Self {
            engine: None,
            decisions: Decisions::with_capacity(FRAME_DECISIONS_MAX),
        }
    }

    /// Goes on from an engine that has taken everything before.
    pub fn resume(engine: Engine) -> Self {
        Self {
            engine: Some(engine),
            ..Self::new()
        }
    }

    /// The engine so far; `None` before the first configuration.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The engine, to go on with.
    pub fn into_engine(self) -> Option<Engine> {
        self.engine
    }

    /// What was decided by the last [`Self::reexecute`].
    pub fn decided(&self) -> &[Decision] {
        self.decisions.as_slice()
    }

    /// Every check that a request meets, as [`Engine::checks_of`]; its entry must be folded next.
    /// Nothing before the first configuration.
    pub fn checks_of(&mut self, moment: Moment, request: &RequestInput) -> Vec<CheckRun> {
        let engine = self.engine.as_mut();
        engine.map_or_else(Vec::new, |engine| engine.checks_of(moment, request))
    }

    /// Takes over an entry as it was recorded.
    ///
    /// # Errors
    /// [`NoConfiguration`].
    ///
    /// # Panics
    /// When the recorded decisions break an invariant of the state: no engine wrote them.
    pub fn fold(
        &mut self,
        moment: Moment,
        input: &Input<'_>,
        recorded: &[Decision],
    ) -> Result<(), NoConfiguration> {
        made(&mut self.engine, input)?.fold(moment, input, recorded);
        Ok(())
    }

    /// Decides on an entry's input again and compares with what is recorded.
    ///
    /// After a difference the state is that of the new decisions: only the first one means
    /// anything.
    ///
    /// # Errors
    /// [`NoConfiguration`].
    ///
    /// # Panics
    /// As [`Engine::handle`], when the input breaks an invariant.
    pub fn reexecute(
        &mut self,
        moment: Moment,
        input: &Input<'_>,
        recorded: &[Decision],
    ) -> Result<Compared, NoConfiguration> {
        made(&mut self.engine, input)?.handle(moment, input, &mut self.decisions);
        Ok(compare(recorded, self.decisions.as_slice()))
    }
}

fn made<'e>(
    engine: &'e mut Option<Engine>,
    input: &Input<'_>,
) -> Result<&'e mut Engine, NoConfiguration> {
    match (&mut *engine, input) {
        (Some(_), _) => {}
        (None, Input::ConfigApplied(config)) => *engine = Some(Engine::new(config)),
        (None, _) => {
            return Err(NoConfiguration {
                found: input.kind(),
            });
        }
    }
    Ok(engine.as_mut().expect("it was there or was just made"))
}

fn compare(recorded: &[Decision], decided: &[Decision]) -> Compared {
    let alike = recorded
        .iter()
        .zip(decided)
        .take_while(|(recorded, decided)| recorded == decided)
        .count();
    if alike == recorded.len() && alike == decided.len() {
        Compared::Identical
    } else {
        Compared::Differs { at: alike }
    }
}
