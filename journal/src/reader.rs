//! Reading entries by sequence, from a closed journal or from one that is being written.
//!
//! Owns: the walk from segment to segment, read-only mappings. Invariants: an entry is shown only
//! after all its checks; the chain from one segment to the next (sequence, seal checksum) is
//! checked on the way; nothing is ever written. Must not know: what entries mean, who writes.
//! Threads: any thread of any process, one reader each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::entry::{Entry, SegmentCursor, Step};
use crate::error::{EntryFault, JournalError, JournalErrorKind};
use crate::header;
use crate::layout::{SegmentIdentity, segment_index_of, segment_path};
use crate::mapping::Region;
use crate::segment::open_segment;

/// Reads entries in order of their sequence. At the end of what is committed it gives `None`, and
/// may be asked again later.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    next_sequence: u64,
    current: Option<Current>,
    buffer: Vec<u8>,
}

/// A reader of a journal that another thread or process writes.
#[derive(Debug)]
pub struct Follower {
    reader: Reader,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    identity: SegmentIdentity,
    region: Region,
    cursor: SegmentCursor,
    /// Checksum of the seal once it was seen.
    sealed: Option<u32>,
}

impl Reader {
    /// Starts at `from_sequence` (0 counts as 1). A journal without segments is an empty one.
    ///
    /// # Errors
    /// `SequenceNotHeld` if the oldest segment starts later; those of opening a segment.
    pub fn open(directory: &Path, from_sequence: u64) -> Result<Self, JournalError> {
        let directory = directory.to_path_buf();
        let next_sequence = from_sequence.max(1);
        let mut reader = Self {
            directory,
            next_sequence,
            current: None,
            buffer: Vec::new(),
        };
        reader.locate()?;
        Ok(reader)
    }

    /// The next entry, or `None` if no more is committed.
    ///
    /// # Errors
    /// `DamagedEntry` with file, offset and last good sequence; those of opening a segment.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, JournalError> {
        let found = loop {
            if self.current.is_none() && !self.locate()? {
                return Ok(None);
            }
            let current = self.current.as_mut().expect("located above");
            if current.sealed.is_some() {
                if !self.enter_next_segment()? {
                    return Ok(None);
                }
                continue;
            }
            match current.cursor.step(&current.region, &mut self.buffer) {
                Step::Entry(header, _) if header.sequence < self.next_sequence => {}
                Step::Entry(header, place) => break (header, place),
                Step::Sealed { checksum } => current.sealed = Some(checksum),
                Step::NotWritten => return Ok(None),
                Step::Bad(fault) => return Err(current.damaged(fault)),
            }
        };
        let (header, place) = found;
        self.next_sequence = header.sequence + 1;
        Ok(Some(header.with_body(&self.buffer, place)))
    }

    /// Sequence of the entry that comes next.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The journal's id, the same in all its segments; `None` while no segment was opened.
    pub fn journal_id(&self) -> Option<u128> {
        let current = self.current.as_ref();
        current.map(|current| current.identity.journal_id)
    }

    /// Finds the segment that holds `next_sequence`. `false` while no segment was opened.
    fn locate(&mut self) -> Result<bool, JournalError> {
        let mut indexes = segment_indexes(&self.directory)?;
        indexes.sort_unstable_by(|a, b| b.cmp(a));
        let mut oldest = None;
        for index in indexes {
            let Some(candidate) = Current::open(&self.directory, index)? else {
                continue;
            };
            let first_sequence = candidate.cursor.next_sequence;
            if first_sequence <= self.next_sequence {
                self.current = Some(candidate);
                return Ok(true);
            }
            oldest = Some(first_sequence);
        }
        oldest.map_or(Ok(false), |oldest| {
            let kind = JournalErrorKind::SequenceNotHeld {
                asked: self.next_sequence,
                oldest,
            };
            Err(JournalError::new(kind, &self.directory, 0))
        })
    }

    /// Moves behind a seal. `false` while the next segment does not exist or is still a spare.
    fn enter_next_segment(&mut self) -> Result<bool, JournalError> {
        let current = self.current.as_ref().expect("a segment was sealed");
        let index = current.identity.segment_index + 1;
        if !segment_path(&self.directory, index).exists() {
            return Ok(false);
        }
        let Some(mut next) = Current::open(&self.directory, index)? else {
            return Ok(false);
        };
        let last_good = current.cursor.next_sequence - 1;
        next.follows(current)
            .map_err(|error| error.after(last_good))?;
        next.cursor.boot_epoch = current.cursor.boot_epoch;
        self.current = Some(next);
        Ok(true)
    }
}

/// The last sequence that the journal's own markers report as on the disk; 0 if none does.
///
/// Reads what the keeper wrote into the segments after a sync that succeeded, so it is a lower
/// bound, and it can be asked from another process. In mode `process` no marker is written.
///
/// # Errors
/// Those of opening a segment.
pub fn synced_sequence_of(directory: &Path) -> Result<u64, JournalError> {
    let mut indexes = segment_indexes(directory)?;
    indexes.sort_unstable_by(|a, b| b.cmp(a));
    let mut synced = 0;
    for index in indexes {
        let path = segment_path(directory, index);
        let (file, identity) = open_segment(&path, index, false)?;
        let region = Region::map_file_read_only(&file, identity.segment_bytes as usize)
            .map_err(|error| JournalError::io("mapping", &path, error))?;
        let (marker, _damaged_slots) = header::read_sync_marker(&region, &identity);
        synced = synced.max(marker.synced_sequence);
        // Segments are synced in their order: the newest marker counts.
        if synced != 0 {
            break;
        }
    }
    Ok(synced)
}

impl Follower {
    /// As [`Reader::open`]; the journal may still be empty.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(directory: &Path, from_sequence: u64) -> Result<Self, JournalError> {
        Ok(Self {
            reader: Reader::open(directory, from_sequence)?,
        })
    }

    /// The next committed entry, or `None` when there is nothing new. Does not wait.
    ///
    /// # Errors
    /// As [`Reader::next_entry`].
    pub fn poll(&mut self) -> Result<Option<Entry<'_>>, JournalError> {
        self.reader.next_entry()
    }

    /// Sequence of the entry that comes next.
    pub fn next_sequence(&self) -> u64 {
        self.reader.next_sequence()
    }

    /// As [`Reader::journal_id`].
    pub fn journal_id(&self) -> Option<u128> {
        self.reader.journal_id()
    }
}

impl Current {
    /// Maps a segment read-only; `None` while it is a spare.
    fn open(directory: &Path, index: u32) -> Result<Option<Self>, JournalError> {
        let path = segment_path(directory, index);
        let (file, identity) = open_segment(&path, index, false)?;
        let region = Region::map_file_read_only(&file, identity.segment_bytes as usize)
            .map_err(|error| JournalError::io("mapping", &path, error))?;
        let opened = header::read_opening(&region, &identity)
            .map_err(|kind| JournalError::new(kind, &path, 0))?;
        let Some(opened) = opened else {
            return Ok(None);
        };
        // Recovered tails are written on by later runs, so an epoch is only a lower bound here.
        let cursor = SegmentCursor::new(identity, opened.first_sequence, 0);
        Ok(Some(Self {
            path,
            identity,
            region,
            cursor,
            sealed: None,
        }))
    }

    /// Checks that this segment is the continuation of `previous`.
    fn follows(&self, previous: &Self) -> Result<(), JournalError> {
        let refuse = |kind| Err(JournalError::new(kind, &self.path, 0));
        let (expected, found) = (previous.identity.journal_id, self.identity.journal_id);
        if expected != found {
            return refuse(JournalErrorKind::ForeignJournal { expected, found });
        }
        let (expected, found) = (previous.cursor.next_sequence, self.cursor.next_sequence);
        if expected != found {
            return refuse(JournalErrorKind::SequenceBreak { expected, found });
        }
        let opened = header::read_opening(&self.region, &self.identity)
            .map_err(|kind| JournalError::new(kind, &self.path, 0))?;
        let found = opened.map_or(0, |opened| u64::from(opened.previous_seal_checksum));
        let expected = u64::from(previous.sealed.expect("entered behind a seal"));
        if expected != found {
            let what = "checksum of the previous segment's seal";
            return refuse(JournalErrorKind::WrongField {
                what,
                expected,
                found,
            });
        }
        Ok(())
    }

    fn damaged(&self, fault: EntryFault) -> JournalError {
        let kind = JournalErrorKind::DamagedEntry { fault };
        JournalError::new(kind, &self.path, u64::from(self.cursor.offset))
            .after(self.cursor.next_sequence - 1)
    }
}

fn segment_indexes(directory: &Path) -> Result<Vec<u32>, JournalError> {
    let io_error = |error| JournalError::io("listing", directory, error);
    let mut indexes = Vec::new();
    for found in fs::read_dir(directory).map_err(io_error)? {
        let name = found.map_err(io_error)?.file_name();
        indexes.extend(name.to_str().and_then(segment_index_of));
    }
    Ok(indexes)
}
