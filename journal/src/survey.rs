//! Looks at a journal directory and says how far it is good, without changing a byte.
//!
//! Owns: the checks between segments (numbers, chain, one journal, one instance) and the facts
//! about the point where good entries end. Invariants: read-only mappings only; every finding that
//! no rule of the tail table covers is an error here. Must not know: what to do about the facts
//! (`recovery.rs`). Threads: start only; the journal must not be written meanwhile (`lock.rs`).

use std::path::{Path, PathBuf};

use crate::boot_epoch::MachineSince;
use crate::directory::{Inventory, check_file, take_inventory};
use crate::entry::{Entry, EntryHeader, SegmentCursor, Step, end_of_bytes, find_valid_entry};
use crate::error::{EntryFault, JournalError, JournalErrorKind};
use crate::header::{self, Opening, SyncMarker};
use crate::layout::{ENTRIES_START, ENTRY_ALIGN_BYTES, KIND_RESERVED_FROM, SegmentIdentity};
use crate::mapping::Region;
use crate::segment::open_segment;

/// Entries behind a hole of which the content is kept for the report; all are counted.
const LATER_ENTRIES_KEPT: usize = 100_000;

/// How the good entries end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// With the seal of a full segment.
    Sealed,
    /// With zeros up to the end of the segment.
    Blank,
    /// With bytes that are no entry, or with a zero commit word before other bytes.
    Damaged,
    /// With an entry that is whole but carries the wrong number or epoch.
    WrongNumber,
}

/// What the tail table decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailFacts {
    /// How the good entries end.
    pub stop: Stop,
    /// Whether valid entries, or segments in use, lie behind that point.
    pub later_entries: bool,
    /// Whether that point, or something behind it, was reported as synced.
    pub in_synced_region: bool,
    /// Whether the machine went down since the last run.
    pub machine_restarted: bool,
}

/// An entry behind a hole: not applied, but its ids can be asked at the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterEntry {
    /// Number of the entry.
    pub sequence: u64,
    /// Its epoch.
    pub boot_epoch: u32,
    /// Its kind.
    pub kind: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// A segment as found.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) path: PathBuf,
    pub(crate) identity: SegmentIdentity,
    pub(crate) region: Region,
    pub(crate) opened: Option<Opening>,
    pub(crate) synced: SyncMarker,
    pub(crate) damaged_markers: u32,
    pub(crate) suspect_errno: Option<u64>,
}

/// Where good entries end, and what is known about it.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) facts: TailFacts,
    /// Position in `Survey::segments`.
    pub(crate) at: usize,
    pub(crate) offset: u32,
    pub(crate) fault: EntryFault,
    pub(crate) seal_checksum: u32,
    pub(crate) segment_entries: u64,
    /// End of the last bytes that are not zero; `offset` if there are none.
    pub(crate) bytes_end: u32,
    pub(crate) later_count: u64,
    pub(crate) later: Vec<LaterEntry>,
}

/// All that is known of a directory.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) inventory: Inventory,
    pub(crate) segments: Vec<Surveyed>,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) last_epoch: u32,
    pub(crate) entries: u64,
    /// `None` if no segment was ever opened.
    pub(crate) tail: Option<Tail>,
}

/// What the directory is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expectation {
    pub(crate) instance_tag: u16,
    pub(crate) base_sequence: u64,
    pub(crate) machine: MachineSince,
    /// Entries below are held by a state that was verified: sealed segments that lie below it whole
    /// are not read again.
    pub(crate) trusted_sequence: u64,
}

/// Is shown every good entry, once, in order, from the first segment that is read.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&Entry<'_>);

/// Looks at everything.
///
/// # Errors
/// Whatever makes the journal unusable before its tail.
pub(crate) fn survey(
    directory: &Path,
    expected: &Expectation,
    visit: Visit<'_>,
) -> Result<Survey, JournalError> {
    let inventory = take_inventory(directory)?;
    let mut segments = Vec::with_capacity(inventory.segments.len());
    for (at, (index, path)) in inventory.segments.iter().enumerate() {
        let expected_index = inventory.segments[0].0 + at as u32;
        if *index != expected_index {
            let kind = JournalErrorKind::MissingSegment {
                segment_index: expected_index,
            };
            return Err(JournalError::new(kind, directory, 0));
        }
        segments.push(Surveyed::open(path, *index)?);
    }
    check_one_journal(&segments, expected)?;
    let mut survey = Survey {
        inventory,
        segments,
        first_sequence: 0,
        last_sequence: 0,
        last_epoch: 0,
        entries: 0,
        tail: None,
    };
    survey.walk(directory, expected, visit)?;
    Ok(survey)
}

impl Survey {
    /// Walks all opened segments and leaves the facts about the end in `tail`.
    fn walk(
        &mut self,
        directory: &Path,
        expected: &Expectation,
        visit: Visit<'_>,
    ) -> Result<(), JournalError> {
        let Some(opened) = self.segments.first().and_then(|first| first.opened) else {
            return self.never_opened(expected);
        };
        let first_index = self.segments[0].identity.segment_index;
        let begins_late = opened.first_sequence > expected.base_sequence + 1;
        if begins_late || (first_index == 1 && opened.first_sequence != 1) {
            let missing = first_index.saturating_sub(1);
            let kind = JournalErrorKind::MissingSegment {
                segment_index: missing,
            };
            return Err(JournalError::new(kind, directory, 0));
        }
        self.first_sequence = opened.first_sequence;
        self.last_sequence = opened.first_sequence - 1;
        let mut buffer = Vec::new();
        let mut previous_seal = opened.previous_seal_checksum;
        for at in 0..self.segments.len() {
            let Some(opened) = self.segments[at].opened else {
                break;
            };
            self.check_chain(at, &opened, previous_seal)?;
            if let Some(next) = self.trusted_next(at, &opened, expected.trusted_sequence) {
                self.entries += next.first_sequence - opened.first_sequence;
                self.last_sequence = next.first_sequence - 1;
                self.last_epoch = next.boot_epoch;
                previous_seal = next.previous_seal_checksum;
                continue;
            }
            let (step, cursor) = self.walk_segment(at, &mut buffer, visit);
            let next_opened = self
                .segments
                .get(at + 1)
                .is_some_and(|next| next.opened.is_some());
            if let (Step::Sealed { checksum }, true) = (step, next_opened) {
                previous_seal = checksum;
                continue;
            }
            self.tail = Some(self.examine_tail(at, step, &cursor, expected, &mut buffer));
            break;
        }
        Ok(())
    }

    /// No segment is in use, or the first one lost its opening.
    fn never_opened(&self, expected: &Expectation) -> Result<(), JournalError> {
        let first_index = self
            .segments
            .first()
            .map_or(1, |first| first.identity.segment_index);
        let used = self.segments.iter().find(|segment| segment.is_used());
        if let Some(used) = used {
            return Err(JournalError::new(JournalErrorKind::LostOpening, &used.path, 0).after(0));
        }
        if first_index != 1 || expected.base_sequence > 0 {
            let kind = JournalErrorKind::MissingSegment { segment_index: 1 };
            let path = self
                .segments
                .first()
                .map_or(Path::new("."), |first| &first.path);
            return Err(JournalError::new(kind, path, 0));
        }
        Ok(())
    }

    fn check_chain(
        &self,
        at: usize,
        opened: &Opening,
        previous_seal: u32,
    ) -> Result<(), JournalError> {
        let refuse = |kind| {
            Err(JournalError::new(kind, &self.segments[at].path, 0).after(self.last_sequence))
        };
        let (expected, found) = (self.last_sequence + 1, opened.first_sequence);
        if expected != found {
            return refuse(JournalErrorKind::SequenceBreak { expected, found });
        }
        if opened.previous_seal_checksum != previous_seal {
            return refuse(JournalErrorKind::WrongField {
                what: "checksum of the previous segment's seal",
                expected: u64::from(previous_seal),
                found: u64::from(opened.previous_seal_checksum),
            });
        }
        Ok(())
    }

    /// The opening behind this segment, when the segment lies below the trusted sequence whole.
    fn trusted_next(&self, at: usize, opened: &Opening, trusted: u64) -> Option<Opening> {
        let next = self.segments.get(at + 1)?.opened?;
        let follows = next.first_sequence >= opened.first_sequence;
        (follows && next.first_sequence <= trusted).then_some(next)
    }

    fn walk_segment(
        &mut self,
        at: usize,
        buffer: &mut Vec<u8>,
        visit: Visit<'_>,
    ) -> (Step, SegmentCursor) {
        let segment = &self.segments[at];
        let next_sequence = self.last_sequence + 1;
        let mut cursor = SegmentCursor::new(segment.identity, next_sequence, self.last_epoch);
        loop {
            match cursor.step(&segment.region, buffer) {
                Step::Entry(header, place) => {
                    self.last_sequence = header.sequence;
                    self.entries += 1;
                    visit(&header.with_body(buffer, place));
                }
                step => {
                    self.last_epoch = cursor.boot_epoch;
                    return (step, cursor);
                }
            }
        }
    }

    fn examine_tail(
        &self,
        at: usize,
        step: Step,
        cursor: &SegmentCursor,
        expected: &Expectation,
        buffer: &mut Vec<u8>,
    ) -> Tail {
        let segment = &self.segments[at];
        let offset = cursor.offset;
        let bytes_end = end_of_bytes(&segment.region, &segment.identity, offset);
        let (stop, fault, seal_checksum) = match step {
            Step::Sealed { checksum } => (Stop::Sealed, EntryFault::NotCommitted, checksum),
            Step::Bad(fault @ (EntryFault::Sequence { .. } | EntryFault::EpochBack { .. })) => {
                (Stop::WrongNumber, fault, 0)
            }
            Step::Bad(fault) => (Stop::Damaged, fault, 0),
            _ if bytes_end > offset => (Stop::Damaged, EntryFault::NotCommitted, 0),
            _ => (Stop::Blank, EntryFault::NotCommitted, 0),
        };
        let mut later = LaterEntries::default();
        if stop != Stop::Sealed {
            later.collect(segment, offset, buffer);
        }
        let mut later_in_use = later.count > 0;
        // By number, not by offset: the entry that crosses the synced offset is not synced itself.
        let mut in_synced_region = self.last_sequence < segment.synced.synced_sequence;
        for behind in &self.segments[at + 1..] {
            later_in_use |= behind.is_used();
            in_synced_region |= behind.synced.synced_offset > 0;
            later.collect(behind, ENTRIES_START, buffer);
        }
        let facts = TailFacts {
            stop,
            later_entries: later_in_use,
            in_synced_region,
            machine_restarted: expected.machine == MachineSince::Restarted,
        };
        Tail {
            facts,
            at,
            offset,
            fault,
            seal_checksum,
            segment_entries: cursor.segment_entries,
            bytes_end,
            later_count: later.count,
            later: later.kept,
        }
    }
}

impl Surveyed {
    fn open(path: &Path, index: u32) -> Result<Self, JournalError> {
        let refuse = |kind| JournalError::new(kind, path, 0);
        let (file, identity) = open_segment(path, index, false)?;
        check_file(path)?;
        let region = Region::map_file_read_only(&file, identity.segment_bytes as usize)
            .map_err(|error| JournalError::io("mapping", path, error))?;
        let opened = header::read_opening(&region, &identity).map_err(refuse)?;
        let (synced, damaged_markers) = header::read_sync_marker(&region, &identity);
        let suspect_errno = header::suspect_errno(&region);
        let path = path.to_path_buf();
        Ok(Self {
            path,
            identity,
            region,
            opened,
            synced,
            damaged_markers,
            suspect_errno,
        })
    }

    /// Whether anything but a blank spare.
    pub(crate) fn is_used(&self) -> bool {
        let end = end_of_bytes(&self.region, &self.identity, ENTRIES_START);
        self.opened.is_some() || end > ENTRIES_START
    }
}

#[derive(Default)]
struct LaterEntries {
    count: u64,
    kept: Vec<LaterEntry>,
}

impl LaterEntries {
    fn collect(&mut self, segment: &Surveyed, from: u32, buffer: &mut Vec<u8>) {
        let (region, identity) = (&segment.region, &segment.identity);
        let bytes_end = end_of_bytes(region, identity, from);
        let mut from = from;
        while let Some((offset, header)) =
            find_valid_entry(region, identity, (from, bytes_end), buffer)
        {
            from = offset + header.length_bytes.next_multiple_of(ENTRY_ALIGN_BYTES);
            self.count += 1;
            if header.kind < KIND_RESERVED_FROM && self.kept.len() < LATER_ENTRIES_KEPT {
                self.kept
                    .push(later_entry(&header, buffer, identity, offset));
            }
        }
    }
}

fn later_entry(
    header: &EntryHeader,
    bytes: &[u8],
    identity: &SegmentIdentity,
    offset_bytes: u32,
) -> LaterEntry {
    let (segment_index, length_bytes) = (identity.segment_index, header.length_bytes);
    let place = crate::entry::Place {
        segment_index,
        offset_bytes,
        length_bytes,
    };
    let entry = header.with_body(bytes, place);
    LaterEntry {
        sequence: entry.sequence,
        boot_epoch: entry.boot_epoch,
        kind: entry.kind,
        body: entry.body.to_vec(),
    }
}

fn check_one_journal(segments: &[Surveyed], expected: &Expectation) -> Result<(), JournalError> {
    let Some(first) = segments.first() else {
        return Ok(());
    };
    for segment in segments {
        let refuse = |kind| Err(JournalError::new(kind, &segment.path, 0));
        let (expected_id, found) = (first.identity.journal_id, segment.identity.journal_id);
        if expected_id != found {
            return refuse(JournalErrorKind::ForeignJournal {
                expected: expected_id,
                found,
            });
        }
        let (tag, found) = (expected.instance_tag, segment.identity.instance_tag);
        if tag != found {
            let (expected, found) = (u64::from(tag), u64::from(found));
            return refuse(JournalErrorKind::WrongField {
                what: "instance tag",
                expected,
                found,
            });
        }
    }
    Ok(())
}
