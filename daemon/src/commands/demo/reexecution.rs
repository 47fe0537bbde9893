//! The demo's check that the journal is complete: the engine runs over it again, round by round.
//!
//! Invariants: every entry is decided again once, however many rounds there are; the state that
//! comes of deciding again must be the state that comes of folding. Threads: the demo's.

use crate::recovery::fold;
use anyhow::Result;
use replay::{Difference, Verdict, Verification, Verifier};
use std::path::{Path, PathBuf};

/// A re-execution that goes on while the journal grows.
pub(super) struct Reexecution {
    journal: PathBuf,
    verifier: Option<Verifier>,
    difference: Option<Box<Difference>>,
    rounds: u32,
}

/// What it came to.
pub(super) struct Reexecuted {
    /// `identical`, or `differs@` with the first sequence.
    pub(super) word: String,
    /// What was compared.
    pub(super) totals: Verification,
    /// How often the journal was read on.
    pub(super) rounds: u32,
    /// The first difference, for people.
    pub(super) difference: Option<String>,
}

impl Reexecuted {
    /// True when nothing differs and there was something to compare.
    pub(super) fn is_identical(&self) -> bool {
        self.difference.is_none() && self.totals.inputs > 0 && self.totals.payloads > 0
    }
}

impl Reexecution {
    pub(super) fn new(journal: &Path) -> Self {
        Self {
            journal: journal.to_path_buf(),
            verifier: None,
            difference: None,
            rounds: 0,
        }
    }

    /// Reads on to the journal's present end.
    pub(super) fn round(&mut self) -> Result<()> {
        let verifier = match &mut self.verifier {
            Some(verifier) => verifier,
            None => self.verifier.insert(Verifier::open(&self.journal)?),
        };
        if let Verdict::Differs(difference) = verifier.advance(&mut |_| {})? {
            self.difference = Some(difference);
        }
        self.rounds += 1;
        Ok(())
    }

    /// The last round, when nobody writes any more.
    pub(super) fn finish(mut self) -> Result<Reexecuted> {
        self.round()?;
        let (totals, digest) = match &self.verifier {
            Some(verifier) => (verifier.totals(), verifier.state_digest()),
            None => Default::default(),
        };
        let mut reexecuted = Reexecuted {
            word: "identical".to_owned(),
            totals,
            rounds: self.rounds,
            difference: None,
        };
        if let Some(difference) = self.difference {
            reexecuted.word = format!("differs@{}", difference.sequence);
            reexecuted.difference = Some(difference.human());
            return Ok(reexecuted);
        }
        let folded = fold(&self.journal, |_| {})?;
        let folded = folded.engine.map_or(0, |engine| engine.state().digest());
        if folded != digest {
            reexecuted.word = format!("differs@{}", totals.last_sequence);
            reexecuted.difference = Some(format!(
                "the folded state has the digest {folded:016x}, the re-executed one {digest:016x}"
            ));
        }
        Ok(reexecuted)
    }
}
