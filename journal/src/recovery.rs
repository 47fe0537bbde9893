//! What to do about the end of a journal: a table, and the one function that follows it.
//!
//! Owns: [`TAIL_RULES`], the decision, [`Recovered`]. Invariants: exactly one rule fits every
//! combination of facts (a test walks them); a refusal changes no byte; doing it again gives the
//! same. Must not know: entries' meaning, the writer. Threads: start only, under the directory
//! lock.

use std::path::{Path, PathBuf};

use crate::boot_epoch::{self, MachineSince};
use crate::error::{JournalError, JournalErrorKind};
use crate::repair;
use crate::survey::{self, Expectation, LaterEntry, Stop, Survey, Tail, TailFacts, Visit};

/// Every way in which good entries can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecoveryCase {
    /// Nothing was ever written.
    Empty,
    /// The last entry is followed by zeros.
    CleanEnd,
    /// The last segment is sealed and the next was not entered.
    SealedEnd,
    /// The last entry is incomplete and nothing valid follows: it never happened.
    TornTail,
    /// The machine went down, and un-synced pages are missing before ones that arrived.
    UnsyncedHole,
    /// As `UnsyncedHole`, between a sealed segment and the ones behind it.
    UnsyncedSegments,
    /// Valid entries behind bytes that are none, and the machine did not go down: damage.
    DamageBeforeValid,
    /// A segment in use behind a sealed one lost its opening, and the machine did not go down.
    LostOpening,
    /// Bytes that were reported as synced are no entry.
    DamageInSynced,
    /// A whole entry with the wrong number: segments were mixed.
    WrongNumber,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on behind the last entry.
    Continue,
    /// Keep the bytes aside, zero them in place, go on behind the last good entry.
    Cut,
    /// Do not start; change nothing.
    Refuse,
}

/// One row: which facts it fits (`None`: any), and what is done.
#[derive(Clone, Copy, Debug)]
pub struct TailRule {
    /// Name of the case.
    pub case: RecoveryCase,
    /// Ways to stop that it covers.
    pub stops: &'static [Stop],
    /// See [`TailFacts::later_entries`].
    pub later_entries: Option<bool>,
    /// See [`TailFacts::in_synced_region`].
    pub in_synced_region: Option<bool>,
    /// See [`TailFacts::machine_restarted`].
    pub machine_restarted: Option<bool>,
    /// What is done.
    pub action: Action,
}

/// The decision table.
#[rustfmt::skip]
pub const TAIL_RULES: [TailRule; 10] = {
    use Action::{Continue, Cut, Refuse};
    use RecoveryCase as Case;
    use Stop::{Blank, Damaged, Sealed, WrongNumber};
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    const ANY: Option<bool> = None;
    const fn rule(
        case: RecoveryCase, stops: &'static [Stop], later_entries: Option<bool>,
        in_synced_region: Option<bool>, machine_restarted: Option<bool>, action: Action,
    ) -> TailRule {
        TailRule { case, stops, later_entries, in_synced_region, machine_restarted, action }
    }
    [
        //   case                      stops               later synced restarted action
        rule(Case::SealedEnd,         &[Sealed],           NO,   NO,   ANY,  Continue),
        rule(Case::LostOpening,       &[Sealed],           YES,  NO,   NO,   Refuse),
        rule(Case::UnsyncedSegments,  &[Sealed],           YES,  NO,   YES,  Cut),
        rule(Case::DamageInSynced,    &[Sealed],           ANY,  YES,  ANY,  Refuse),
        rule(Case::WrongNumber,       &[WrongNumber],      ANY,  ANY,  ANY,  Refuse),
        rule(Case::DamageInSynced,    &[Blank, Damaged],   ANY,  YES,  ANY,  Refuse),
        rule(Case::CleanEnd,          &[Blank],            NO,   NO,   ANY,  Continue),
        rule(Case::TornTail,          &[Damaged],          NO,   NO,   ANY,  Cut),
        rule(Case::DamageBeforeValid, &[Blank, Damaged],   YES,  NO,   NO,   Refuse),
        rule(Case::UnsyncedHole,      &[Blank, Damaged],   YES,  NO,   YES,  Cut),
    ]
};

impl TailRule {
    /// Whether the row fits the facts.
    pub fn fits(&self, facts: &TailFacts) -> bool {
        let fits = |rule: Option<bool>, fact: bool| rule.is_none_or(|asked| asked == fact);
        self.stops.contains(&facts.stop)
            && fits(self.later_entries, facts.later_entries)
            && fits(self.in_synced_region, facts.in_synced_region)
            && fits(self.machine_restarted, facts.machine_restarted)
    }
}

/// The one row that fits.
pub fn decide(facts: &TailFacts) -> &'static TailRule {
    TAIL_RULES
        .iter()
        .find(|rule| rule.fits(facts))
        .expect("the table is total: see its test")
}

/// What recovery found and did.
#[derive(Debug)]
pub struct Recovered {
    /// Which case the end was.
    pub case: RecoveryCase,
    /// First sequence held; 0 if none.
    pub first_sequence: u64,
    /// Last good sequence; 0 if none.
    pub last_sequence: u64,
    /// Epoch of the last good entry; 0 if none. The run that starts claims a later one.
    pub boot_epoch: u32,
    /// Good entries.
    pub entries: u64,
    /// What was cut, if anything.
    pub cut: Option<Cut>,
    /// What an operator may want to know besides.
    pub notes: Vec<Note>,
}

/// Bytes taken out of the journal and kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Segment that ends here now.
    pub segment_index: u32,
    /// Where it ends.
    pub offset_bytes: u32,
    /// Bytes taken out of that segment.
    pub cut_bytes: u64,
    /// Where they are kept; `None` if no bytes of that segment were cut.
    pub aside: Option<PathBuf>,
    /// Segments behind it, moved aside whole.
    pub segments_aside: Vec<PathBuf>,
    /// Valid entries among all that; never applied.
    pub later_entries: u64,
    /// Their content, up to 100,000 of them: to ask for their ids.
    pub later: Vec<LaterEntry>,
}

/// Something harmless that was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A name that is not ours; ignored.
    StrayFile(PathBuf),
    /// An unfinished file of ours; removed.
    RemovedTemporary(PathBuf),
    /// A spare that was never entered; removed, a new one will be made.
    RemovedSpare(PathBuf),
    /// A sync marker that cannot be read: the write of it was interrupted, or it is damaged.
    UnreadableSyncMarker(PathBuf),
    /// A sync of this segment failed in an earlier run, with this error number.
    SuspectSegment(PathBuf, u64),
    /// The machine went down since the last run.
    MachineRestarted,
}

/// What recovery needs to know.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryOptions {
    /// Instance that must own the journal.
    pub instance_tag: u16,
    /// Last sequence held by a base; the oldest segment must follow it or overlap. 0 for none.
    pub base_sequence: u64,
    /// Whether the machine went down since; `None` to compare with the epoch file.
    pub machine: Option<MachineSince>,
    /// Last sequence of a state that the caller has verified; 0 for none. Sealed segments that lie
    /// below it whole are not read: their damage is found by whoever reads them later.
    pub trusted_sequence: u64,
}

/// Where the next entry goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// No segment yet.
    NewJournal,
    /// In this segment.
    Within {
        segment_index: u32,
        path: PathBuf,
        offset: u32,
        segment_entries: u64,
    },
    /// In a new segment behind a sealed one.
    NextSegment {
        segment_index: u32,
        journal_id: u128,
        seal_checksum: u32,
    },
}

/// Brings a journal into a state that can be written on. The caller holds the directory lock.
///
/// # Errors
/// Every refusal, with file, offset and last good sequence; then no byte was changed.
pub fn recover(directory: &Path, options: &RecoveryOptions) -> Result<Recovered, JournalError> {
    recover_and_continue(directory, options, &mut |_| {}).map(|(recovered, _)| recovered)
}

pub(crate) fn recover_and_continue(
    directory: &Path,
    options: &RecoveryOptions,
    visit: Visit<'_>,
) -> Result<(Recovered, Continuation), JournalError> {
    let stored = boot_epoch::read_epoch(directory)?;
    let machine = options
        .machine
        .unwrap_or_else(|| boot_epoch::machine_since(stored.as_ref()));
    let expected = Expectation {
        instance_tag: options.instance_tag,
        base_sequence: options.base_sequence,
        machine,
        trusted_sequence: options.trusted_sequence,
    };
    let survey = survey::survey(directory, &expected, visit)?;
    if stored.is_none() && !survey.segments.is_empty() {
        let path = directory.join(boot_epoch::EPOCH_FILE);
        return Err(JournalError::new(JournalErrorKind::EpochMissing, &path, 0));
    }
    let mut notes = notes_of(&survey, machine);
    let (case, action) = match &survey.tail {
        None => (RecoveryCase::Empty, Action::Continue),
        Some(tail) => {
            let rule = decide(&tail.facts);
            (rule.case, rule.action)
        }
    };
    let cut = match (&survey.tail, action) {
        (Some(tail), Action::Refuse) => return Err(refusal(case, &survey, tail)),
        (Some(tail), Action::Cut) => Some(repair::cut(directory, &survey, tail)?),
        _ => None,
    };
    repair::remove_leftovers(directory, &survey, &mut notes)?;
    let continuation = continuation(&survey);
    let recovered = Recovered {
        case,
        first_sequence: if survey.entries > 0 {
            survey.first_sequence
        } else {
            0
        },
        last_sequence: survey.last_sequence,
        boot_epoch: survey.last_epoch,
        entries: survey.entries,
        cut,
        notes,
    };
    Ok((recovered, continuation))
}

fn continuation(survey: &Survey) -> Continuation {
    let Some(tail) = &survey.tail else {
        return Continuation::NewJournal;
    };
    let segment = &survey.segments[tail.at];
    let segment_index = segment.identity.segment_index;
    if tail.facts.stop == Stop::Sealed {
        return Continuation::NextSegment {
            segment_index: segment_index + 1,
            journal_id: segment.identity.journal_id,
            seal_checksum: tail.seal_checksum,
        };
    }
    Continuation::Within {
        segment_index,
        path: segment.path.clone(),
        offset: tail.offset,
        segment_entries: tail.segment_entries,
    }
}

fn refusal(case: RecoveryCase, survey: &Survey, tail: &Tail) -> JournalError {
    let segment = &survey.segments[tail.at];
    let (fault, synced_sequence) = (tail.fault, segment.synced.synced_sequence);
    let kind = match case {
        RecoveryCase::DamageInSynced => JournalErrorKind::DamageInSyncedRegion {
            fault,
            synced_sequence,
        },
        RecoveryCase::LostOpening => JournalErrorKind::LostOpening,
        RecoveryCase::WrongNumber => JournalErrorKind::DamagedEntry { fault },
        _ => JournalErrorKind::DamageBeforeValidEntries { fault },
    };
    let behind_seal = tail.facts.stop == Stop::Sealed;
    let (path, offset) = match survey.segments.get(tail.at + 1) {
        Some(next) if behind_seal => (&next.path, 0),
        _ => (&segment.path, u64::from(tail.offset)),
    };
    JournalError::new(kind, path, offset).after(survey.last_sequence)
}

fn notes_of(survey: &Survey, machine: MachineSince) -> Vec<Note> {
    let mut notes: Vec<Note> = survey
        .inventory
        .strays
        .iter()
        .cloned()
        .map(Note::StrayFile)
        .collect();
    for segment in &survey.segments {
        if segment.damaged_markers > 0 {
            notes.push(Note::UnreadableSyncMarker(segment.path.clone()));
        }
        if let Some(errno) = segment.suspect_errno {
            notes.push(Note::SuspectSegment(segment.path.clone(), errno));
        }
    }
    if machine == MachineSince::Restarted {
        notes.push(Note::MachineRestarted);
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all_facts() -> Vec<TailFacts> {
        let mut all = Vec::new();
        for stop in [Stop::Sealed, Stop::Blank, Stop::Damaged, Stop::WrongNumber] {
            for bits in 0..8_u8 {
                all.push(TailFacts {
                    stop,
                    later_entries: bits & 1 != 0,
                    in_synced_region: bits & 2 != 0,
                    machine_restarted: bits & 4 != 0,
                });
            }
        }
        all
    }

    #[test]
    fn exactly_one_rule_fits_every_combination_of_facts() {
        let mut used = BTreeSet::new();
        for facts in all_facts() {
            let fitting: Vec<_> = TAIL_RULES.iter().filter(|rule| rule.fits(&facts)).collect();
            assert_eq!(fitting.len(), 1, "{facts:?} fits {fitting:?}");
            used.insert(fitting[0].case);
        }
        let named: BTreeSet<_> = TAIL_RULES.iter().map(|rule| rule.case).collect();
        assert_eq!(used, named, "a rule that never fits is no rule");
    }

    #[test]
    fn nothing_synced_is_ever_cut_and_entries_are_only_given_up_after_a_restart() {
        for facts in all_facts() {
            let rule = decide(&facts);
            if facts.in_synced_region {
                assert_eq!(rule.action, Action::Refuse, "{facts:?}");
            }
            if facts.later_entries && rule.action == Action::Cut {
                assert!(facts.machine_restarted, "{facts:?}");
            }
        }
    }
}
