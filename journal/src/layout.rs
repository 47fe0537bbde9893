//! Where every byte of a segment lies, as offsets; `docs/JOURNAL_FORMAT.md` is the same in prose.
//!
//! Owns: format version 1, the segment header and the entry header as byte positions, and the two
//! values that bind an entry to its place (the commit word and the checksum's start value).
//! Invariants: all integers are little-endian; offsets are derived from one another and asserted
//! at compile time; nothing here reads or writes a file or a mapping.
//! Must not know: what an entry means. Threads: none, these are pure functions.

use std::path::{Path, PathBuf};

/// Version of everything in this file. Any change of a byte is a new version.
pub const FORMAT_VERSION: u32 = 1;
/// First eight bytes of a segment: `MLRNJRNL`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MLRNJRNL");
/// Written as a little-endian u32; a machine of the other byte order would read it reversed.
pub const BYTE_ORDER_MARK: u32 = 0x0A0B_0C0D;
/// Unit of mapping, of sync and of padding.
pub const PAGE_BYTES: u32 = 4096;
/// Smallest sector that a disk writes whole; things that change apart lie in sectors apart.
pub const SECTOR_BYTES: u32 = 512;
/// Entries start at multiples of this.
pub const ENTRY_ALIGN_BYTES: u32 = 8;

/// Smallest segment, for tests.
pub const SEGMENT_BYTES_MIN: u32 = 64 * 1024;
/// Default segment.
pub const SEGMENT_BYTES_DEFAULT: u32 = 64 * 1024 * 1024;
/// Largest segment: offsets stay below 2^31.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;

/// Birth sector: written and synced before the file gets its name, never changed.
pub(crate) mod birth {
    pub(crate) const MAGIC: u32 = 0;
    pub(crate) const FORMAT_VERSION: u32 = MAGIC + 8;
    pub(crate) const BYTE_ORDER: u32 = FORMAT_VERSION + 4;
    pub(crate) const JOURNAL_ID: u32 = BYTE_ORDER + 4;
    pub(crate) const SEGMENT_SALT: u32 = JOURNAL_ID + 16;
    pub(crate) const SEGMENT_INDEX: u32 = SEGMENT_SALT + 8;
    pub(crate) const SEGMENT_BYTES: u32 = SEGMENT_INDEX + 4;
    pub(crate) const INSTANCE_TAG: u32 = SEGMENT_BYTES + 4;
    pub(crate) const BOOT_EPOCH: u32 = INSTANCE_TAG + 4;
    pub(crate) const RESERVED: u32 = BOOT_EPOCH + 4;
    pub(crate) const CHECKSUM: u32 = super::SECTOR_BYTES - 4;
}

/// Opening sector: written once by the writer when it enters the segment.
pub(crate) mod opening {
    /// `first_sequence ^ salt`, stored last; zero while the segment is a spare.
    pub(crate) const WORD: u32 = super::SECTOR_BYTES;
    pub(crate) const FIRST_SEQUENCE: u32 = WORD + 8;
    pub(crate) const BOOT_EPOCH: u32 = FIRST_SEQUENCE + 8;
    pub(crate) const PREVIOUS_SEAL_CHECKSUM: u32 = BOOT_EPOCH + 4;
    pub(crate) const CHECKSUM: u32 = PREVIOUS_SEAL_CHECKSUM + 4;
    pub(crate) const RESERVED: u32 = CHECKSUM + 4;
    /// Place for the SHA-256 of the previous segment, which the cold side may fill in.
    pub(crate) const PREVIOUS_SHA256: u32 = RESERVED + 4;
    /// Bytes from `FIRST_SEQUENCE` that `CHECKSUM` covers.
    pub(crate) const COVERED_BYTES: u32 = CHECKSUM - FIRST_SEQUENCE;
}

/// The two sync markers, written in turn by the keeper, each in a sector of its own.
pub(crate) mod sync_marker {
    pub(crate) const SLOTS: [u32; 2] = [2 * super::SECTOR_BYTES, 3 * super::SECTOR_BYTES];
    pub(crate) const GENERATION: u32 = 0;
    pub(crate) const SYNCED_OFFSET: u32 = GENERATION + 8;
    pub(crate) const SYNCED_SEQUENCE: u32 = SYNCED_OFFSET + 8;
    /// CRC32C of the three words, with bit 32 set so that a written slot is never zero.
    pub(crate) const CHECK: u32 = SYNCED_SEQUENCE + 8;
}

/// Non-zero once a sync of this segment failed: the error number.
pub(crate) const SUSPECT_WORD: u32 = 4 * SECTOR_BYTES;
/// Entries start here; the rest of the first page is reserved and ignored.
pub const ENTRIES_START: u32 = PAGE_BYTES;

/// Entry header, relative to the entry's first byte.
pub(crate) mod entry {
    /// `sequence ^ salt`, stored last with Release; zero means not written.
    pub(crate) const COMMIT_WORD: u32 = 0;
    pub(crate) const SEQUENCE: u32 = COMMIT_WORD + 8;
    pub(crate) const NOW_NS: u32 = SEQUENCE + 8;
    /// Header + body + checksum, without the alignment bytes behind them.
    pub(crate) const LENGTH: u32 = NOW_NS + 8;
    pub(crate) const BOOT_EPOCH: u32 = LENGTH + 4;
    pub(crate) const KIND: u32 = BOOT_EPOCH + 4;
    pub(crate) const FLAGS: u32 = KIND + 2;
    pub(crate) const BODY: u32 = FLAGS + 2;
}

/// Bytes before the body.
pub const ENTRY_HEADER_BYTES: u32 = entry::BODY;
/// CRC32C behind the body.
pub const ENTRY_CHECKSUM_BYTES: u32 = 4;
/// Header and checksum: what an entry costs beyond its body, before alignment.
pub const ENTRY_OVERHEAD_BYTES: u32 = ENTRY_HEADER_BYTES + ENTRY_CHECKSUM_BYTES;
/// Kinds from here on belong to the journal itself.
pub const KIND_RESERVED_FROM: u16 = 0xFF00;
/// Fills up to the next page; carries no sequence number of its own.
pub(crate) const KIND_PAD: u16 = 0xFFFE;
/// Last entry of a full segment; carries no sequence number of its own.
pub(crate) const KIND_SEAL: u16 = 0xFFFD;
/// Seal body: last sequence u64, number of entries in the segment u64.
pub(crate) const SEAL_BODY_BYTES: u32 = 16;
/// Room that is kept free at the end of every segment for its seal.
pub(crate) const SEAL_STRIDE_BYTES: u32 = entry_stride_bytes(SEAL_BODY_BYTES);
/// Sequence numbers stay below this, and every salt has this bit set: no commit word is zero.
pub(crate) const SEQUENCE_LIMIT: u64 = 1 << 63;

const _: () = assert!(birth::RESERVED < birth::CHECKSUM);
const _: () = assert!(birth::CHECKSUM + 4 == opening::WORD);
const _: () = assert!(opening::PREVIOUS_SHA256 + 32 <= sync_marker::SLOTS[0]);
const _: () = assert!(opening::COVERED_BYTES == 16);
const _: () = assert!(sync_marker::SLOTS[0] + sync_marker::CHECK + 8 <= sync_marker::SLOTS[1]);
const _: () = assert!(sync_marker::SLOTS[1] + sync_marker::CHECK + 8 <= SUSPECT_WORD);
const _: () = assert!(SUSPECT_WORD + 8 <= ENTRIES_START);
const _: () = assert!(ENTRY_HEADER_BYTES == 36);
const _: () = assert!(ENTRY_OVERHEAD_BYTES.is_multiple_of(ENTRY_ALIGN_BYTES));
const _: () = assert!(SEAL_STRIDE_BYTES == 56);
const _: () = assert!(SEGMENT_BYTES_MIN.is_multiple_of(PAGE_BYTES));
const _: () = assert!(SEGMENT_BYTES_DEFAULT.is_multiple_of(PAGE_BYTES));

/// Bytes that an entry with this body takes in the segment.
pub const fn entry_stride_bytes(body_bytes: u32) -> u32 {
    (ENTRY_OVERHEAD_BYTES + body_bytes).next_multiple_of(ENTRY_ALIGN_BYTES)
}

/// Largest body that fits into an empty segment of this size.
pub const fn body_bytes_max(segment_bytes: u32) -> u32 {
    segment_bytes - ENTRIES_START - SEAL_STRIDE_BYTES - ENTRY_OVERHEAD_BYTES - ENTRY_ALIGN_BYTES
}

/// Whether a segment may have this size: whole pages between the two limits.
pub const fn is_segment_bytes(segment_bytes: u32) -> bool {
    segment_bytes >= SEGMENT_BYTES_MIN
        && segment_bytes <= SEGMENT_BYTES_MAX
        && segment_bytes.is_multiple_of(PAGE_BYTES)
}

/// What makes a segment this segment and no other; made once, at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentIdentity {
    /// Random, the same in all segments of a journal.
    pub journal_id: u128,
    /// Random per created file, top bit set; stale bytes of another life never match it.
    pub segment_salt: u64,
    /// Position in the journal, from 1; also in the file name.
    pub segment_index: u32,
    /// Length of the file.
    pub segment_bytes: u32,
    /// Which engine instance owns the journal.
    pub instance_tag: u16,
    /// Boot epoch of the run that created the file.
    pub boot_epoch: u32,
}

impl SegmentIdentity {
    /// Start value of every CRC32C in this segment: binds entries to journal, segment and file
    /// life.
    pub fn checksum_seed(&self) -> u32 {
        let mut seed = crc32c::crc32c(&self.journal_id.to_le_bytes());
        seed = crc32c::crc32c_append(seed, &self.segment_salt.to_le_bytes());
        crc32c::crc32c_append(seed, &self.segment_index.to_le_bytes())
    }

    /// The commit word of an entry that carries this sequence number; never zero.
    pub fn commit_word(&self, sequence: u64) -> u64 {
        sequence ^ self.segment_salt
    }
}

/// File name of a segment inside the journal directory.
pub fn segment_path(directory: &Path, segment_index: u32) -> PathBuf {
    directory.join(format!("segment-{segment_index:010}.mrj"))
}

/// Index from a segment's file name; `None` for any other name.
pub fn segment_index_of(file_name: &str) -> Option<u32> {
    let digits = file_name.strip_prefix("segment-")?.strip_suffix(".mrj")?;
    let all_digits = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_round_trip_and_other_names_are_refused() {
        for index in [1, 9, 4_294_967_295] {
            let path = segment_path(Path::new("/j"), index);
            let name = path.file_name().and_then(|name| name.to_str()).unwrap();
            assert_eq!(segment_index_of(name), Some(index));
        }
        for name in [
            "segment-1.mrj",
            "segment-0000000001.mrj.tmp",
            "segment-00000000x1.mrj",
            "a",
        ] {
            assert_eq!(segment_index_of(name), None, "{name}");
        }
        assert_eq!(
            segment_index_of("segment-9999999999.mrj"),
            None,
            "beyond 32 bits"
        );
    }

    #[test]
    fn a_commit_word_is_never_zero() {
        let identity = SegmentIdentity {
            journal_id: 1,
            segment_salt: SEQUENCE_LIMIT,
            segment_index: 1,
            segment_bytes: SEGMENT_BYTES_MIN,
            instance_tag: 1,
            boot_epoch: 1,
        };
        for sequence in [0, 1, SEQUENCE_LIMIT - 1] {
            assert_ne!(identity.commit_word(sequence), 0);
        }
    }

    #[test]
    fn checksum_seed_depends_on_journal_segment_and_file_life() {
        let one = SegmentIdentity {
            journal_id: 7,
            segment_salt: SEQUENCE_LIMIT | 3,
            segment_index: 4,
            segment_bytes: SEGMENT_BYTES_MIN,
            instance_tag: 1,
            boot_epoch: 1,
        };
        for other in [
            SegmentIdentity {
                journal_id: 8,
                ..one
            },
            SegmentIdentity {
                segment_salt: SEQUENCE_LIMIT | 4,
                ..one
            },
            SegmentIdentity {
                segment_index: 5,
                ..one
            },
        ] {
            assert_ne!(one.checksum_seed(), other.checksum_seed());
        }
    }
}
