//! Re-execution: the same engine over the journal's inputs, compared entry by entry.
//!
//! Three things are compared, from the journal alone: what a frame says (decoded again from its raw
//! bytes with the instrument table in force), what the engine decides, and the bytes of every order
//! command (encoded again, by their hash in the `Sent` entry). Entries of another engine version
//! are folded and counted. Invariants: the first difference ends it; nothing is written; a
//! difference is never skipped. Must not know: configuration files, keys, who writes the journal.
//! Threads: one, the caller's.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use engine::replay::{Compared, Replay};
use engine::{ENGINE_VERSION, Engine, Moment};
use journal::{Entry, Reader};
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, FLAG_RAW_IS_DIGEST, payload_hash};
use model::sent_record::SentStamp;
use model::{ChangeBody, Decision, Input, MonotonicNs, OrderIntent, VenueReport};
use serde_json::{Map, Value};

use crate::describe_decision::{decision, intent_fields};
use crate::describe_input::{describe, stamp};
use crate::describe_report::report;
use crate::difference::{Difference, DifferentPart};
use crate::failure::ReplayError;
use crate::fields::Fields;
use crate::in_force::InForce;
use crate::record::{Body, kind_of, read};
use crate::venue_codec::{CodecError, VenueCodecs};
use crate::{human_lines, json_lines};

/// A run's first entries, behind which its RecoveryStarted must lie.
const RUN_HEAD_ENTRIES: u32 = 64;
/// Between two reports of progress.
const PROGRESS_ENTRIES: u64 = 1_000;

/// What was compared so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Entries read.
    pub entries: u64,
    /// Inputs that were decided again.
    pub inputs: u64,
    /// Decisions that were compared.
    pub decisions: u64,
    /// Payloads whose hash was compared.
    pub payloads: u64,
    /// Inputs of another engine version: folded.
    pub folded_other_version: u64,
    /// The last entry read; 0 for none.
    pub last_sequence: u64,
}

/// How a verification stands.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Everything that was compared is the same.
    Identical,
    /// Something is not.
    Differs(Box<Difference>),
}

/// A verification that can be carried on while the journal grows.
pub struct Verifier {
    directory: PathBuf,
    reader: Reader,
    to_sequence: u64,
    comparer: Comparer,
    totals: Verification,
    difference: Option<Box<Difference>>,
}

impl Verifier {
    /// A verification from the journal's first entry on.
    ///
    /// # Errors
    /// [`ReplayError`] when the journal cannot be opened or does not hold its first entry any more.
    pub fn open(directory: &Path) -> Result<Self, ReplayError> {
        Ok(Self {
            directory: directory.to_path_buf(),
            reader: Reader::open(directory, 1)?,
            to_sequence: u64::MAX,
            comparer: Comparer::new(),
            totals: Verification::default(),
            difference: None,
        })
    }

    /// Compares only these entries: earlier ones are folded, later ones are not read.
    #[must_use]
    pub fn within(mut self, from_sequence: u64, to_sequence: u64) -> Self {
        self.comparer.from_sequence = from_sequence;
        self.to_sequence = to_sequence;
        self
    }

    /// Reads on to the end of what is committed, or to the first difference.
    ///
    /// # Errors
    /// [`ReplayError`]: damage, an entry that this build cannot read, an engine that stopped at a
    /// broken invariant.
    pub fn advance(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Verdict, ReplayError> {
        while self.difference.is_none() && self.reader.next_sequence() <= self.to_sequence {
            let Some(entry) = self.reader.next_entry()? else {
                break;
            };
            if self.comparer.is_new_run(&entry) {
                let version = version_of_run(&self.directory, &entry)?;
                self.comparer.begin_run(&entry, version);
            }
            self.difference = self.comparer.take(&entry, &mut self.totals)?.map(Box::new);
            self.totals.last_sequence = entry.sequence;
            self.totals.entries = self.totals.entries.saturating_add(1);
            if self.totals.entries.is_multiple_of(PROGRESS_ENTRIES) {
                progress(self.totals.entries);
            }
        }
        progress(self.totals.entries);
        Ok(match &self.difference {
            Some(difference) => Verdict::Differs(difference.clone()),
            None => Verdict::Identical,
        })
    }

    /// What was compared so far.
    pub fn totals(&self) -> Verification {
        self.totals
    }

    /// The engine as it stands behind the last entry; `None` before the first configuration.
    pub fn engine(&self) -> Option<&Engine> {
        self.comparer.replay.engine()
    }

    /// The digest of the state behind the last entry; 0 before the first configuration.
    pub fn state_digest(&self) -> u64 {
        self.engine().map_or(0, |engine| engine.state().digest())
    }
}

/// The engine version that a run's RecoveryStarted names; `None` for a run that ended before it.
///
/// A run's configuration stands before its RecoveryStarted, so this looks ahead.
fn version_of_run(directory: &Path, first: &Entry<'_>) -> Result<Option<u32>, ReplayError> {
    let mut reader = Reader::open(directory, first.sequence)?;
    let mut buffers = EntryBuffers::default();
    for _ in 0..RUN_HEAD_ENTRIES {
        let Some(entry) = reader.next_entry()? else {
            break;
        };
        if entry.boot_epoch != first.boot_epoch {
            break;
        }
        if kind_of(&entry)? != EntryKind::RecoveryStarted {
            continue;
        }
        if let Body::Input(Input::RecoveryStarted(started), _) =
            read(EntryKind::RecoveryStarted, &entry, &mut buffers)?
        {
            return Ok(Some(started.engine_version));
        }
    }
    Ok(None)
}

/// The run that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Run {
    boot_epoch: u32,
    /// Decided by this version of the engine.
    is_ours: bool,
}

/// An intent whose `Sent` entry may still come.
struct Intended {
    intent: OrderIntent,
    /// `None` when it has no words at the venue.
    payload_hash: Option<u64>,
}

/// Decides again, decodes again, encodes again.
struct Comparer {
    in_force: InForce,
    replay: Replay,
    codecs: VenueCodecs,
    buffers: EntryBuffers,
    names: EntryBuffers,
    run: Option<Run>,
    from_sequence: u64,
    /// Of the run, those intents that were compared and may still be written.
    intents: BTreeMap<u64, Intended>,
}

impl Comparer {
    fn new() -> Self {
        Self {
            in_force: InForce::default(),
            replay: Replay::new(),
            codecs: VenueCodecs::new(),
            buffers: EntryBuffers::default(),
            names: EntryBuffers::default(),
            run: None,
            from_sequence: 0,
            intents: BTreeMap::new(),
        }
    }

    fn is_new_run(&self, entry: &Entry<'_>) -> bool {
        self.run
            .is_none_or(|run| run.boot_epoch != entry.boot_epoch)
    }

    /// What the last run did not write by its end is never written.
    fn begin_run(&mut self, entry: &Entry<'_>, version: Option<u32>) {
        self.intents.clear();
        self.run = Some(Run {
            boot_epoch: entry.boot_epoch,
            is_ours: version == Some(ENGINE_VERSION),
        });
    }

    fn take(
        &mut self,
        entry: &Entry<'_>,
        totals: &mut Verification,
    ) -> Result<Option<Difference>, ReplayError> {
        let kind = kind_of(entry)?;
        self.in_force.observe(kind, entry, &mut self.names)?;
        let mut buffers = core::mem::take(&mut self.buffers);
        let found = match read(kind, entry, &mut buffers)? {
            Body::Input(input, recorded) => self.take_input(entry, &input, recorded, totals),
            Body::Sent(record) => Ok(self.take_stamps(entry, &record.intents, totals)),
            Body::Opaque(_) => Ok(None),
        };
        self.buffers = buffers;
        found
    }

    fn take_input(
        &mut self,
        entry: &Entry<'_>,
        input: &Input<'_>,
        recorded: &[Decision],
        totals: &mut Verification,
    ) -> Result<Option<Difference>, ReplayError> {
        match input {
            Input::ConfigApplied(config) => self.codecs.apply_config(config),
            Input::InstrumentApplied(instrument) => self
                .codecs
                .apply_instrument(instrument)
                .map_err(|source| ReplayError::codec(entry, source))?,
            Input::NotSent { intent_seq, .. } => {
                self.intents.remove(intent_seq);
            }
            _ => {}
        }
        let is_ours = self.run.is_some_and(|run| run.is_ours);
        let moment = Moment {
            sequence: entry.sequence,
            now: MonotonicNs(entry.now_ns),
        };
        if !is_ours || entry.sequence < self.from_sequence {
            unbroken(entry, || self.replay.fold(moment, input, recorded))?
                .map_err(|source| ReplayError::no_configuration(entry, source))?;
            totals.folded_other_version += u64::from(!is_ours);
            return Ok(None);
        }
        if let Input::VenueFrame {
            venue,
            raw,
            reports,
            ..
        } = input
            // Without its bytes a frame cannot be decoded again; what it decided still can.
            && entry.flags & FLAG_RAW_IS_DIGEST == 0
        {
            let decoded = self
                .codecs
                .decode(*venue, raw)
                .map_err(|source| ReplayError::codec(entry, source))?;
            if decoded != *reports {
                let decoded = decoded.to_vec();
                return Ok(Some(self.reports_differ(entry, reports, &decoded)));
            }
        }
        let compared = unbroken(entry, || self.replay.reexecute(moment, input, recorded))?
            .map_err(|source| ReplayError::no_configuration(entry, source))?;
        totals.inputs += 1;
        totals.decisions += recorded.len() as u64;
        if let Compared::Differs { at } = compared {
            return Ok(Some(self.decisions_differ(entry, at, recorded)));
        }
        self.note_intents(recorded)
            .map_err(|source| ReplayError::codec(entry, source))?;
        Ok(None)
    }

    fn note_intents(&mut self, decisions: &[Decision]) -> Result<(), CodecError> {
        for decision in decisions {
            if let Decision::Order(change) = decision
                && let ChangeBody::CommandStarted(intent) = change.body
            {
                let payload_hash = match self.codecs.encode(&intent) {
                    Ok(payload) => Some(payload_hash(payload)),
                    Err(CodecError::Encode(_)) => None,
                    Err(error) => return Err(error),
                };
                let intended = Intended {
                    intent,
                    payload_hash,
                };
                self.intents.insert(intent.intent_seq, intended);
            }
        }
        Ok(())
    }

    /// Every payload that was written in a turn must be the one that its intent gives now.
    fn take_stamps(
        &mut self,
        entry: &Entry<'_>,
        stamps: &[SentStamp],
        totals: &mut Verification,
    ) -> Option<Difference> {
        for (at, stamp) in stamps.iter().enumerate() {
            // Intents of entries that were folded are not compared.
            let Some(intended) = self.intents.get(&stamp.intent_seq) else {
                continue;
            };
            totals.payloads += 1;
            if intended.payload_hash != Some(stamp.payload_hash) {
                let intent = intended.intent;
                let hash = intended.payload_hash;
                return Some(self.payload_differs(entry, at, stamps, &intent, hash));
            }
            // What is still in the backlog is stamped again when it left.
            if stamp.written_at.0 != 0 {
                self.intents.remove(&stamp.intent_seq);
            }
        }
        None
    }

    fn reports_differ(
        &self,
        entry: &Entry<'_>,
        recorded: &[VenueReport],
        decoded: &[VenueReport],
    ) -> Difference {
        let tell = |reports: &[VenueReport]| -> Vec<Told> {
            let told = reports.iter().map(|it| report(&self.in_force, it));
            told.map(Fields::into_map).collect()
        };
        let pairs = recorded.iter().zip(decoded);
        let at = pairs.take_while(|(one, other)| one == other).count();
        self.difference(
            entry,
            DifferentPart::Reports,
            at,
            tell(recorded),
            tell(decoded),
        )
    }

    fn decisions_differ(&self, entry: &Entry<'_>, at: usize, recorded: &[Decision]) -> Difference {
        let tell = |decisions: &[Decision]| -> Vec<Told> {
            let told = decisions.iter().map(|it| decision(&self.in_force, it));
            told.map(Fields::into_map).collect()
        };
        let computed = tell(self.replay.decided());
        self.difference(
            entry,
            DifferentPart::Decisions,
            at,
            tell(recorded),
            computed,
        )
    }

    fn payload_differs(
        &mut self,
        entry: &Entry<'_>,
        at: usize,
        stamps: &[SentStamp],
        intent: &OrderIntent,
        payload_hash: Option<u64>,
    ) -> Difference {
        let told = stamps
            .iter()
            .map(|it| stamp(Fields::new(&self.in_force), it).into_map());
        let recorded: Vec<Told> = told.collect();
        let mut computed = recorded.clone();
        let payload = match self.codecs.encode(intent) {
            Ok(payload) => String::from_utf8_lossy(payload).into_owned(),
            Err(error) => error.to_string(),
        };
        if let Some(fields) = computed.get_mut(at) {
            let hash = payload_hash.map(|hash| format!("{hash:016x}"));
            fields.insert("payload_hash".to_owned(), hash.into());
            fields.insert("payload".to_owned(), payload.into());
            let intent = intent_fields(Fields::new(&self.in_force), intent);
            fields.insert("intent".to_owned(), intent.into_map().into());
        }
        self.difference(entry, DifferentPart::Payload, at, recorded, computed)
    }

    fn difference(
        &self,
        entry: &Entry<'_>,
        part: DifferentPart,
        at: usize,
        recorded: Vec<Told>,
        computed: Vec<Told>,
    ) -> Difference {
        let mut buffers = EntryBuffers::default();
        let told = kind_of(entry)
            .and_then(|kind| Ok((kind, read(kind, entry, &mut buffers)?)))
            .map(|(kind, body)| {
                let lines = human_lines::lines(
                    entry,
                    kind,
                    &describe(&self.in_force, &body),
                    &self.in_force,
                    true,
                );
                let told = describe(&self.in_force, &body);
                let object = json_lines::object(entry, kind, told, &self.in_force, true);
                (object, lines)
            });
        let (object, entry_lines) = told.unwrap_or_default();
        Difference {
            sequence: entry.sequence,
            part,
            at,
            entry: object,
            entry_lines,
            recorded,
            computed,
        }
    }
}

type Told = Map<String, Value>;

/// Runs the engine on an entry; a broken invariant is an error that names the entry.
fn unbroken<T>(entry: &Entry<'_>, run: impl FnOnce() -> T) -> Result<T, ReplayError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| ReplayError::BrokenInvariant {
        sequence: entry.sequence,
    })
}
