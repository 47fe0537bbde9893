//! One entry as bytes: copied out of the mapping first, verified second, believed third.
//!
//! Owns: [`Unverified`], the checks that make an [`Entry`] of it, and the cursor that walks a
//! segment. Invariants: no length is followed before it is bounded by the segment; commit word,
//! checksum, zero padding, sequence and epoch are all checked before an entry is shown.
//! Must not know: what a body means, files. Threads: any; each walk has its own buffer.

use crate::error::EntryFault;
use crate::header::{u16_at, u32_at, u64_at};
use crate::layout::{
    ENTRIES_START, ENTRY_ALIGN_BYTES, ENTRY_CHECKSUM_BYTES, ENTRY_HEADER_BYTES,
    ENTRY_OVERHEAD_BYTES, KIND_PAD, KIND_RESERVED_FROM, KIND_SEAL, SEAL_BODY_BYTES,
    SEAL_STRIDE_BYTES, SEQUENCE_LIMIT, SegmentIdentity, entry,
};
use crate::mapping::Region;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Segment, from 1.
    pub segment_index: u32,
    /// First byte of the entry in its segment.
    pub offset_bytes: u32,
    /// Header, body and checksum.
    pub length_bytes: u32,
}

/// A verified entry. The body is opaque here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Number of the entry, from 1 without gaps.
    pub sequence: u64,
    /// Boot epoch of the run that wrote it.
    pub boot_epoch: u32,
    /// Opaque kind.
    pub kind: u16,
    /// Opaque flags.
    pub flags: u16,
    /// The writer's clock, nanoseconds.
    pub now_ns: u64,
    /// The body.
    pub body: &'a [u8],
    /// Where it lies.
    pub place: Place,
}

/// Header fields of a verified entry; the body stays in the walk's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    pub(crate) sequence: u64,
    pub(crate) boot_epoch: u32,
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) now_ns: u64,
    pub(crate) length_bytes: u32,
    pub(crate) checksum: u32,
}

impl EntryHeader {
    /// Joins the header with the body that lies in `bytes`, a whole verified entry.
    pub(crate) fn with_body<'a>(&self, bytes: &'a [u8], place: Place) -> Entry<'a> {
        let body_end = (self.length_bytes - ENTRY_CHECKSUM_BYTES) as usize;
        Entry {
            sequence: self.sequence,
            boot_epoch: self.boot_epoch,
            kind: self.kind,
            flags: self.flags,
            now_ns: self.now_ns,
            body: &bytes[ENTRY_HEADER_BYTES as usize..body_end],
            place,
        }
    }
}

/// Bytes of one entry, copied from a segment; only the length has been looked at.
#[derive(Debug)]
pub struct Unverified<'a> {
    bytes: &'a [u8],
    is_pad: bool,
    length_bytes: u32,
}

impl<'a> Unverified<'a> {
    /// Copies the entry at `offset` into `buffer`. `None` if no commit word is there.
    ///
    /// # Errors
    /// `EntryFault::Length` if the length cannot be; then nothing beyond the header was read.
    pub fn copy_from(
        region: &Region,
        identity: &SegmentIdentity,
        offset: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<Self>, EntryFault> {
        let segment_bytes = identity.segment_bytes.min(region.region_bytes() as u32);
        let room = segment_bytes.saturating_sub(offset);
        if room < ENTRY_OVERHEAD_BYTES || region.load_acquire(offset) == 0 {
            return Ok(None); // pairs with the Release in `Writer`'s commit
        }
        buffer.clear();
        buffer.resize(ENTRY_OVERHEAD_BYTES as usize, 0);
        region.copy_out(offset, buffer);
        let length_bytes = u32_at(buffer, entry::LENGTH);
        let kind = u16_at(buffer, entry::KIND);
        // An entry never reaches into the place that is kept for the seal.
        let max_bytes = if kind == KIND_SEAL {
            room
        } else {
            room - room.min(SEAL_STRIDE_BYTES)
        };
        if length_bytes < ENTRY_OVERHEAD_BYTES || length_bytes > max_bytes {
            return Err(EntryFault::Length {
                found_bytes: length_bytes,
                max_bytes,
            });
        }
        let stride = length_bytes.next_multiple_of(ENTRY_ALIGN_BYTES);
        buffer.resize(stride as usize, 0);
        region.copy_out(offset, buffer);
        Ok(Some(Self {
            bytes: buffer,
            is_pad: kind == KIND_PAD,
            length_bytes,
        }))
    }

    /// Checks everything that the entry says about itself.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) fn verify(
        self,
        identity: &SegmentIdentity,
        checksum_seed: u32,
    ) -> Result<EntryHeader, EntryFault> {
        let Self {
            bytes,
            is_pad,
            length_bytes,
        } = self;
        // A pad's checksum follows its header, and the rest is zero.
        let body_bytes = if is_pad {
            0
        } else {
            length_bytes - ENTRY_OVERHEAD_BYTES
        };
        let checksum_at = ENTRY_HEADER_BYTES + body_bytes;
        let covered = &bytes[entry::SEQUENCE as usize..checksum_at as usize];
        let checksum = u32_at(bytes, checksum_at);
        let expected = crc32c::crc32c_append(checksum_seed, covered);
        if expected != checksum {
            return Err(EntryFault::Checksum {
                expected,
                found: checksum,
            });
        }
        let sequence = u64_at(bytes, entry::SEQUENCE);
        let (expected, found) = (identity.commit_word(sequence), u64_at(bytes, 0));
        if expected != found || sequence >= SEQUENCE_LIMIT {
            return Err(EntryFault::CommitWord { expected, found });
        }
        let behind = &bytes[(checksum_at + ENTRY_CHECKSUM_BYTES) as usize..];
        if behind.iter().any(|byte| *byte != 0) {
            return Err(EntryFault::Padding);
        }
        Ok(EntryHeader {
            sequence,
            boot_epoch: u32_at(bytes, entry::BOOT_EPOCH),
            kind: u16_at(bytes, entry::KIND),
            flags: u16_at(bytes, entry::FLAGS),
            now_ns: u64_at(bytes, entry::NOW_NS),
            length_bytes,
            checksum,
        })
    }
}

/// What lies at the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A verified entry; its bytes are in the buffer.
    Entry(EntryHeader, Place),
    /// The segment was sealed here; `checksum` is its seal's.
    Sealed { checksum: u32 },
    /// No commit word.
    NotWritten,
    /// Something that is no entry.
    Bad(EntryFault),
}

/// Walks one segment from entry to entry, skipping pads.
#[derive(Clone, Debug)]
pub(crate) struct SegmentCursor {
    identity: SegmentIdentity,
    checksum_seed: u32,
    /// Where the next entry would start.
    pub(crate) offset: u32,
    /// The number it must carry.
    pub(crate) next_sequence: u64,
    /// The epoch it must not fall behind.
    pub(crate) boot_epoch: u32,
    /// Entries walked over so far.
    pub(crate) segment_entries: u64,
}

impl SegmentCursor {
    pub(crate) fn new(identity: SegmentIdentity, first_sequence: u64, boot_epoch: u32) -> Self {
        Self {
            identity,
            checksum_seed: identity.checksum_seed(),
            offset: ENTRIES_START,
            next_sequence: first_sequence,
            boot_epoch,
            segment_entries: 0,
        }
    }

    /// Looks at the next entry and moves behind it if it is good; a fault leaves the cursor.
    pub(crate) fn step(&mut self, region: &Region, buffer: &mut Vec<u8>) -> Step {
        loop {
            let header = match self.verified(region, buffer) {
                Ok(Some(header)) => header,
                Ok(None) => return Step::NotWritten,
                Err(fault) => return Step::Bad(fault),
            };
            match header.kind {
                KIND_SEAL => return self.seal(buffer, &header),
                kind if kind >= KIND_RESERVED_FROM => self.advance(&header),
                _ => {
                    let place = Place {
                        segment_index: self.identity.segment_index,
                        offset_bytes: self.offset,
                        length_bytes: header.length_bytes,
                    };
                    self.advance(&header);
                    self.next_sequence += 1;
                    self.segment_entries += 1;
                    return Step::Entry(header, place);
                }
            }
        }
    }

    fn verified(
        &self,
        region: &Region,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<EntryHeader>, EntryFault> {
        let unverified = Unverified::copy_from(region, &self.identity, self.offset, buffer)?;
        let Some(unverified) = unverified else {
            return Ok(None);
        };
        let header = unverified.verify(&self.identity, self.checksum_seed)?;
        // Pads and seals carry the number of the entry before them.
        let own_number = u64::from(header.kind < KIND_RESERVED_FROM);
        let expected = self.next_sequence - 1 + own_number;
        if header.sequence != expected {
            return Err(EntryFault::Sequence {
                expected,
                found: header.sequence,
            });
        }
        if header.boot_epoch < self.boot_epoch {
            let previous = self.boot_epoch;
            return Err(EntryFault::EpochBack {
                previous,
                found: header.boot_epoch,
            });
        }
        Ok(Some(header))
    }

    fn advance(&mut self, header: &EntryHeader) {
        self.offset += header.length_bytes.next_multiple_of(ENTRY_ALIGN_BYTES);
        self.boot_epoch = header.boot_epoch;
    }

    fn seal(&mut self, bytes: &[u8], header: &EntryHeader) -> Step {
        let body_bytes = header.length_bytes - ENTRY_OVERHEAD_BYTES;
        if body_bytes != SEAL_BODY_BYTES {
            let (found_bytes, max_bytes) = (header.length_bytes, SEAL_STRIDE_BYTES);
            return Step::Bad(EntryFault::Length {
                found_bytes,
                max_bytes,
            });
        }
        let last_sequence = u64_at(bytes, ENTRY_HEADER_BYTES);
        if last_sequence != header.sequence {
            let (expected, found) = (header.sequence, last_sequence);
            return Step::Bad(EntryFault::Sequence { expected, found });
        }
        Step::Sealed {
            checksum: header.checksum,
        }
    }
}

/// First valid entry at or behind `from`, at any alignment: offset and header. For telling a torn
/// tail from damage; looks up to `bytes_end`, the [`end_of_bytes`], for no commit word is zero.
pub(crate) fn find_valid_entry(
    region: &Region,
    identity: &SegmentIdentity,
    (from, bytes_end): (u32, u32),
    buffer: &mut Vec<u8>,
) -> Option<(u32, EntryHeader)> {
    let seed = identity.checksum_seed();
    let end = identity.segment_bytes.min(region.region_bytes() as u32);
    let mut offset = from;
    while offset < bytes_end && offset + ENTRY_OVERHEAD_BYTES <= end {
        let word = region.load_acquire(offset);
        // Cheap test first: the commit word binds to the sequence field behind it.
        if word != 0 && word == identity.commit_word(region.load_acquire(offset + 8)) {
            let copied = Unverified::copy_from(region, identity, offset, buffer);
            if let Ok(Some(unverified)) = copied
                && let Ok(header) = unverified.verify(identity, seed)
            {
                return Some((offset, header));
            }
        }
        offset += ENTRY_ALIGN_BYTES;
    }
    None
}

/// End of the last word at or behind `from` that is not zero; `from` if all are.
pub(crate) fn end_of_bytes(region: &Region, identity: &SegmentIdentity, from: u32) -> u32 {
    let end = identity.segment_bytes.min(region.region_bytes() as u32);
    region
        .last_word_set(from.min(end), end)
        .map_or(from, |last| last + 8)
}
