//! The hot thread's end: `begin`, write in place, `commit`.
//!
//! Owns: the next sequence number, the cursor in the segment, the roll into a spare, the published
//! sync limit. Invariants: bytes from the cursor on are zero but for an entry being built; the
//! commit word is stored last; a number is used up only by a commit; room for the seal is always
//! kept; [`Committed`] is made here only. No system call, lock or allocation from `begin` to
//! `commit`. Must not know: what kinds and bodies mean, who syncs. Threads: one owner, the hot
//! thread.

use std::sync::Arc;

use rtrb::{Consumer, Producer};

use crate::entry::Place;
use crate::entry_builder::EntryBuilder;
use crate::error::AppendError;
use crate::header::{self, Opening};
use crate::layout::{
    ENTRIES_START, ENTRY_ALIGN_BYTES, ENTRY_HEADER_BYTES, ENTRY_OVERHEAD_BYTES, KIND_PAD,
    KIND_RESERVED_FROM, KIND_SEAL, PAGE_BYTES, SEAL_BODY_BYTES, SEAL_STRIDE_BYTES, SEQUENCE_LIMIT,
    SegmentIdentity, body_bytes_max, entry, entry_stride_bytes,
};
use crate::mapping::RegionWriter;
use crate::progress::{LimitPosition, Progress};
use crate::segment::{PreparedSegment, RetiredSegment};

/// Proof that an entry is in the journal. Made only here, by the commit of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    sequence: u64,
    place: Place,
}

impl Committed {
    /// Number of the entry.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where it lies.
    pub fn place(&self) -> Place {
        self.place
    }
}

/// Where a writer goes on: made by recovery or for a new journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResumePoint {
    pub(crate) offset: u32,
    pub(crate) last_sequence: u64,
    pub(crate) segment_entries: u64,
    /// Epoch of the run that begins.
    pub(crate) boot_epoch: u32,
}

/// Appends entries to a mapped segment and moves on to the next one.
#[derive(Debug)]
pub struct Writer {
    segment: PreparedSegment,
    identity: SegmentIdentity,
    checksum_seed: u32,
    /// Start of the next entry.
    cursor: u32,
    /// End of what the current builder wrote; equal to `cursor` when there is none.
    built_to: u32,
    /// Entries end here; the seal's place begins.
    entries_end: u32,
    /// Last page boundary that was published.
    limit_offset: u32,
    next_sequence: u64,
    segment_entries: u64,
    boot_epoch: u32,
    spare: Option<PreparedSegment>,
    spares: Consumer<PreparedSegment>,
    retired: Producer<RetiredSegment>,
    progress: Arc<Progress>,
}

impl Writer {
    pub(crate) fn resume(
        segment: PreparedSegment,
        point: ResumePoint,
        spares: Consumer<PreparedSegment>,
        retired: Producer<RetiredSegment>,
        progress: Arc<Progress>,
    ) -> Self {
        let identity = *segment.identity();
        let entries_end = identity.segment_bytes - SEAL_STRIDE_BYTES;
        assert!(
            point.offset >= ENTRIES_START,
            "entries start behind the header"
        );
        assert!(
            point.offset <= entries_end,
            "an unsealed segment has room for its seal"
        );
        let mut writer = Self {
            segment,
            identity,
            checksum_seed: identity.checksum_seed(),
            cursor: point.offset,
            built_to: point.offset,
            entries_end,
            limit_offset: 0,
            next_sequence: point.last_sequence + 1,
            segment_entries: point.segment_entries,
            boot_epoch: point.boot_epoch,
            spare: None,
            spares,
            retired,
            progress,
        };
        writer.publish_limit(point.last_sequence);
        writer
    }

    /// Starts an entry with room for a body of `max_body_bytes`. Rolls into the spare segment when
    /// this one has no room. An entry that a forgotten builder left behind is wiped first.
    ///
    /// # Errors
    /// `NoSpareSegment` or `Full` when there is no room and no spare; `EntryTooLong` if no segment
    /// could hold it. Nothing is changed then.
    ///
    /// # Panics
    /// If `kind` is one of the journal's own (0xFF00 and up).
    #[inline]
    pub fn begin(
        &mut self,
        kind: u16,
        now_ns: u64,
        max_body_bytes: usize,
    ) -> Result<EntryBuilder<'_>, AppendError> {
        assert!(
            kind < KIND_RESERVED_FROM,
            "kind {kind:#06x} belongs to the journal"
        );
        self.wipe_unfinished();
        self.make_room(max_body_bytes)?;
        self.built_to = self.cursor + ENTRY_HEADER_BYTES;
        Ok(EntryBuilder::new(self, kind, now_ns, max_body_bytes as u32))
    }

    /// Fills the rest of the page, so that what was committed can be synced without the hot thread
    /// writing into a page under way to the disk; publishes the new limit. Nothing to do on a page
    /// boundary. A gap too small for a pad is filled by one that reaches into the next page.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), when the segment has no room for the pad.
    pub fn pad_to_page(&mut self, now_ns: u64) -> Result<(), AppendError> {
        self.wipe_unfinished();
        let gap_bytes = self.cursor.next_multiple_of(PAGE_BYTES) - self.cursor;
        if gap_bytes == 0 {
            return Ok(());
        }
        if self.cursor + gap_bytes.max(ENTRY_OVERHEAD_BYTES) > self.entries_end {
            return self.roll(); // the seal ends this segment, and all of it may be synced
        }
        let last_sequence = self.last_sequence();
        let header = Header {
            kind: KIND_PAD,
            flags: 0,
            now_ns,
            sequence: last_sequence,
        };
        let length_bytes = gap_bytes.max(ENTRY_OVERHEAD_BYTES);
        self.write_entry(header, length_bytes, 0);
        self.move_cursor(length_bytes, last_sequence, last_sequence);
        Ok(())
    }

    /// Body bytes that can still be written for certain: this segment and every spare that is
    /// ready. Each further entry costs its overhead too, so compare with a margin.
    pub fn remaining_bytes(&mut self) -> u64 {
        self.take_spare();
        let spare_bytes = self.spare.as_ref().map_or(0, |spare| {
            spare.identity().segment_bytes - ENTRIES_START - SEAL_STRIDE_BYTES
        });
        // Those that still wait for the writer are of the same size.
        let spares = 1 + self.spares.slots() as u64;
        u64::from(self.entries_end - self.cursor) + u64::from(spare_bytes) * spares
    }

    /// Number of the last committed entry; 0 if there is none.
    pub fn last_sequence(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Number that the next commit will give.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Epoch of this run.
    pub fn boot_epoch(&self) -> u32 {
        self.boot_epoch
    }

    /// Whether something was committed above the published limit: a reason to pad.
    pub fn has_entries_above_limit(&self) -> bool {
        self.last_sequence() > self.progress.limit_sequence()
    }

    /// State shared with the keeper: synced sequence, latched failure, spares.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Bytes of the body that is being built.
    #[inline]
    pub(crate) fn body_position(&self) -> u32 {
        self.built_to - self.cursor - ENTRY_HEADER_BYTES
    }

    /// Appends to the body that is being built; the builder has checked the room.
    #[inline]
    pub(crate) fn put_body(&mut self, bytes: &[u8]) {
        self.segment.writer().copy_in(self.built_to, bytes);
        self.built_to += bytes.len() as u32;
    }

    /// The body's space of `body_bytes_max`, and where to note how far it was written.
    #[inline]
    pub(crate) fn body_space(&mut self, body_bytes_max: u32) -> (&mut [u8], &mut u32) {
        let body_at = self.cursor + ENTRY_HEADER_BYTES;
        let space = self.segment.writer().space(body_at, body_bytes_max);
        (space, &mut self.built_to)
    }

    /// Overwrites bytes of the body; the builder has checked that they were written.
    #[inline]
    pub(crate) fn patch_body(&mut self, position: u32, bytes: &[u8]) {
        let offset = self.cursor + ENTRY_HEADER_BYTES + position;
        self.segment.writer().copy_in(offset, bytes);
    }

    /// Takes back all of the body behind `position`.
    pub(crate) fn truncate_body(&mut self, position: u32) {
        let from = self.cursor + ENTRY_HEADER_BYTES + position;
        self.segment.writer().fill_zero(from, self.built_to - from);
        self.built_to = from;
    }

    /// Makes the body that was built an entry: the only maker of [`Committed`].
    #[inline]
    pub(crate) fn commit_body(&mut self, kind: u16, flags: u16, now_ns: u64) -> Committed {
        let sequence = self.next_sequence;
        assert!(sequence < SEQUENCE_LIMIT, "sequence numbers are used up");
        let body_bytes = self.body_position();
        let place = Place {
            segment_index: self.identity.segment_index,
            offset_bytes: self.cursor,
            length_bytes: ENTRY_OVERHEAD_BYTES + body_bytes,
        };
        let header = Header {
            kind,
            flags,
            now_ns,
            sequence,
        };
        self.write_entry(header, place.length_bytes, body_bytes);
        self.next_sequence = sequence + 1;
        self.segment_entries += 1;
        self.move_cursor(place.length_bytes, sequence - 1, sequence);
        Committed { sequence, place }
    }

    /// Leaves zeros where a builder wrote and did not commit.
    #[inline]
    pub(crate) fn wipe_unfinished(&mut self) {
        if self.built_to != self.cursor {
            let (from, to) = (self.cursor, self.built_to);
            self.segment.writer().fill_zero(from, to - from);
            self.built_to = self.cursor;
        }
    }

    #[inline]
    fn make_room(&mut self, max_body_bytes: usize) -> Result<(), AppendError> {
        let max_bytes = body_bytes_max(self.identity.segment_bytes);
        let found_bytes = max_body_bytes as u64;
        if found_bytes > u64::from(max_bytes) {
            return Err(AppendError::EntryTooLong {
                found_bytes,
                max_bytes,
            });
        }
        let body_bytes = max_body_bytes as u32;
        if self.cursor + entry_stride_bytes(body_bytes) > self.entries_end {
            self.roll()?;
            if self.cursor + entry_stride_bytes(body_bytes) > self.entries_end {
                let max_bytes = body_bytes_max(self.identity.segment_bytes);
                return Err(AppendError::EntryTooLong {
                    found_bytes,
                    max_bytes,
                });
            }
        }
        Ok(())
    }

    /// Seals this segment and goes on in the spare. All is checked before anything is changed.
    #[cold]
    fn roll(&mut self) -> Result<(), AppendError> {
        self.take_spare();
        if self.spare.is_none() || self.retired.is_full() {
            let failed = self.progress.prepare_failure().is_some();
            return Err(if failed {
                AppendError::Full
            } else {
                AppendError::NoSpareSegment
            });
        }
        let spare = self.spare.take().expect("looked at above");
        let next_identity = *spare.identity();
        assert!(
            next_identity.segment_index == self.identity.segment_index + 1,
            "spares in order"
        );
        let last_sequence = self.last_sequence();
        let seal_checksum = self.write_seal(last_sequence);
        let full = LimitPosition::new(self.identity.segment_index, self.identity.segment_bytes);
        self.progress.publish_limit(full, last_sequence);
        let old = std::mem::replace(&mut self.segment, spare);
        self.identity = next_identity;
        self.checksum_seed = next_identity.checksum_seed();
        self.entries_end = next_identity.segment_bytes - SEAL_STRIDE_BYTES;
        self.cursor = ENTRIES_START;
        self.built_to = ENTRIES_START;
        self.segment_entries = 0;
        let opened = Opening {
            first_sequence: self.next_sequence,
            boot_epoch: self.boot_epoch,
            previous_seal_checksum: seal_checksum,
        };
        header::write_opening(self.segment.writer(), &self.identity, &opened);
        self.publish_limit(last_sequence);
        // Unmapping interrupts other cores, so the keeper does it.
        self.retired
            .push(old.retire())
            .expect("checked for room above");
        Ok(())
    }

    fn write_seal(&mut self, last_sequence: u64) -> u32 {
        let mut body = [0; SEAL_BODY_BYTES as usize];
        body[..8].copy_from_slice(&last_sequence.to_le_bytes());
        body[8..].copy_from_slice(&self.segment_entries.to_le_bytes());
        self.region().copy_in_at(ENTRY_HEADER_BYTES, &body);
        let header = Header {
            kind: KIND_SEAL,
            flags: 0,
            now_ns: 0,
            sequence: last_sequence,
        };
        self.write_entry(
            header,
            ENTRY_OVERHEAD_BYTES + SEAL_BODY_BYTES,
            SEAL_BODY_BYTES,
        )
    }

    /// Header, checksum, commit word around a body that is in place. Returns the checksum.
    #[inline]
    fn write_entry(&mut self, header: Header, length_bytes: u32, body_bytes: u32) -> u32 {
        let mut bytes = [0; (ENTRY_HEADER_BYTES - entry::SEQUENCE) as usize];
        bytes[..8].copy_from_slice(&header.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&header.now_ns.to_le_bytes());
        bytes[16..20].copy_from_slice(&length_bytes.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.boot_epoch.to_le_bytes());
        bytes[24..26].copy_from_slice(&header.kind.to_le_bytes());
        bytes[26..].copy_from_slice(&header.flags.to_le_bytes());
        let (seed, cursor) = (self.checksum_seed, self.cursor);
        let mut target = self.region();
        target.copy_in_at(entry::SEQUENCE, &bytes);
        let covered_bytes = ENTRY_HEADER_BYTES - entry::SEQUENCE + body_bytes;
        let covered = target
            .region
            .written(cursor + entry::SEQUENCE, covered_bytes);
        let checksum = crc32c::crc32c_append(seed, covered);
        target.copy_in_at(ENTRY_HEADER_BYTES + body_bytes, &checksum.to_le_bytes());
        let word = self.identity.commit_word(header.sequence);
        // Pairs with the Acquire in `Unverified::copy_from`.
        self.segment
            .writer()
            .region()
            .store_release(cursor + entry::COMMIT_WORD, word);
        checksum
    }

    #[inline]
    fn move_cursor(&mut self, length_bytes: u32, sequence_before: u64, sequence: u64) {
        self.cursor += length_bytes.next_multiple_of(ENTRY_ALIGN_BYTES);
        self.built_to = self.cursor;
        if self.cursor - self.limit_offset >= PAGE_BYTES {
            let whole_page = self.cursor.is_multiple_of(PAGE_BYTES);
            self.publish_limit(if whole_page {
                sequence
            } else {
                sequence_before
            });
        }
    }

    /// Publishes the start of the cursor's page; `sequence` is the last one wholly below it.
    fn publish_limit(&mut self, sequence: u64) {
        self.limit_offset = self.cursor - self.cursor % PAGE_BYTES;
        // At start the last entry may lie in the cursor's own page; in the modes that sync, the
        // start has synced that page as well.
        let position = LimitPosition::new(self.identity.segment_index, self.limit_offset);
        self.progress.publish_limit(position, sequence);
    }

    fn take_spare(&mut self) {
        if self.spare.is_none() {
            self.spare = self.spares.pop().ok();
        }
    }

    fn region(&mut self) -> AtCursor<'_> {
        AtCursor {
            cursor: self.cursor,
            region: self.segment.writer(),
        }
    }
}

#[derive(Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    now_ns: u64,
    sequence: u64,
}

/// The region seen from the entry that is being written.
struct AtCursor<'w> {
    cursor: u32,
    region: &'w mut RegionWriter,
}

impl AtCursor<'_> {
    #[inline]
    fn copy_in_at(&mut self, at: u32, bytes: &[u8]) {
        self.region.copy_in(self.cursor + at, bytes);
    }
}
