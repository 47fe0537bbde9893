//! The first page of a segment: birth, opening, sync markers; bytes to checked values and back.
//!
//! Owns: the order of checks (length, magic, byte order, version, checksum, fields) and the
//! two-slot sync marker. Invariants: nothing is believed before its checksum matched; a field is
//! written before the word that announces it. Must not know: entries. Threads: the writer writes
//! the opening, the keeper the markers; any thread or process reads.

use crate::error::JournalErrorKind;
use crate::layout::{
    BYTE_ORDER_MARK, ENTRIES_START, FORMAT_VERSION, MAGIC, SECTOR_BYTES, SEQUENCE_LIMIT,
    SUSPECT_WORD, SegmentIdentity, birth, is_segment_bytes, opening, sync_marker,
};
use crate::mapping::{Region, RegionWriter};

/// What the writer left when it entered the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Sequence of the first entry.
    pub(crate) first_sequence: u64,
    /// Epoch of the run that opened it.
    pub(crate) boot_epoch: u32,
    /// Checksum of the previous segment's seal; 0 in the first segment.
    pub(crate) previous_seal_checksum: u32,
}

/// How far the keeper's last successful sync reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncMarker {
    /// Counts up; the larger valid slot is the newer one.
    pub(crate) generation: u64,
    /// All bytes below were synced.
    pub(crate) synced_offset: u64,
    /// Last sequence below that offset.
    pub(crate) synced_sequence: u64,
}

/// The birth sector of a new segment.
pub(crate) fn birth_sector(identity: &SegmentIdentity) -> [u8; SECTOR_BYTES as usize] {
    let mut sector = [0; SECTOR_BYTES as usize];
    let mut put = |at: u32, bytes: &[u8]| {
        sector[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    };
    put(birth::MAGIC, &MAGIC.to_le_bytes());
    put(birth::FORMAT_VERSION, &FORMAT_VERSION.to_le_bytes());
    put(birth::BYTE_ORDER, &BYTE_ORDER_MARK.to_le_bytes());
    put(birth::JOURNAL_ID, &identity.journal_id.to_le_bytes());
    put(birth::SEGMENT_SALT, &identity.segment_salt.to_le_bytes());
    put(birth::SEGMENT_INDEX, &identity.segment_index.to_le_bytes());
    put(birth::SEGMENT_BYTES, &identity.segment_bytes.to_le_bytes());
    put(
        birth::INSTANCE_TAG,
        &u32::from(identity.instance_tag).to_le_bytes(),
    );
    put(birth::BOOT_EPOCH, &identity.boot_epoch.to_le_bytes());
    let checksum = crc32c::crc32c(&sector[..birth::CHECKSUM as usize]);
    sector[birth::CHECKSUM as usize..].copy_from_slice(&checksum.to_le_bytes());
    sector
}

/// Reads and checks the birth sector.
///
/// # Errors
/// The first rule that the sector breaks.
pub(crate) fn read_birth(sector: &[u8]) -> Result<SegmentIdentity, JournalErrorKind> {
    let magic = u64_at(sector, birth::MAGIC);
    if magic != MAGIC {
        return Err(JournalErrorKind::BadMagic { found: magic });
    }
    let mark = u32_at(sector, birth::BYTE_ORDER);
    if mark == BYTE_ORDER_MARK.swap_bytes() {
        return Err(JournalErrorKind::ForeignByteOrder { found: mark });
    }
    let version = u32_at(sector, birth::FORMAT_VERSION);
    if version != FORMAT_VERSION {
        return Err(JournalErrorKind::Version {
            expected: FORMAT_VERSION,
            found: version,
        });
    }
    let expected = crc32c::crc32c(&sector[..birth::CHECKSUM as usize]);
    let found = u32_at(sector, birth::CHECKSUM);
    if expected != found {
        let what = "segment header";
        return Err(JournalErrorKind::ChecksumMismatch {
            what,
            expected,
            found,
        });
    }
    let wrong = |what, expected: u64, found: u64| {
        Err(JournalErrorKind::WrongField {
            what,
            expected,
            found,
        })
    };
    if mark != BYTE_ORDER_MARK {
        return wrong(
            "byte order mark",
            u64::from(BYTE_ORDER_MARK),
            u64::from(mark),
        );
    }
    let segment_bytes = u32_at(sector, birth::SEGMENT_BYTES);
    if !is_segment_bytes(segment_bytes) {
        return Err(JournalErrorKind::SegmentBytes {
            found_bytes: u64::from(segment_bytes),
        });
    }
    let tag = u32_at(sector, birth::INSTANCE_TAG);
    let Ok(instance_tag) = u16::try_from(tag) else {
        return wrong("instance tag", u64::from(u16::MAX), u64::from(tag));
    };
    let segment_salt = u64_at(sector, birth::SEGMENT_SALT);
    if segment_salt & SEQUENCE_LIMIT == 0 {
        return wrong("salt's top bit", 1, 0);
    }
    let id_low = u64_at(sector, birth::JOURNAL_ID);
    let id_high = u64_at(sector, birth::JOURNAL_ID + 8);
    Ok(SegmentIdentity {
        journal_id: u128::from(id_low) | u128::from(id_high) << 64,
        segment_salt,
        segment_index: u32_at(sector, birth::SEGMENT_INDEX),
        segment_bytes,
        instance_tag,
        boot_epoch: u32_at(sector, birth::BOOT_EPOCH),
    })
}

/// Writes the opening; the word that announces it comes last. No system call.
pub(crate) fn write_opening(
    writer: &mut RegionWriter,
    identity: &SegmentIdentity,
    opened: &Opening,
) {
    let mut bytes = [0; opening::COVERED_BYTES as usize + 4];
    bytes[..8].copy_from_slice(&opened.first_sequence.to_le_bytes());
    bytes[8..12].copy_from_slice(&opened.boot_epoch.to_le_bytes());
    bytes[12..16].copy_from_slice(&opened.previous_seal_checksum.to_le_bytes());
    let checksum = crc32c::crc32c_append(identity.checksum_seed(), &bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    writer.copy_in(opening::FIRST_SEQUENCE, &bytes);
    // Pairs with the Acquire in `read_opening`.
    writer
        .region()
        .store_release(opening::WORD, identity.commit_word(opened.first_sequence));
}

/// The opening, or `None` while the segment is a spare.
///
/// # Errors
/// `ChecksumMismatch` or `WrongField` if there is one but it is damaged.
pub(crate) fn read_opening(
    region: &Region,
    identity: &SegmentIdentity,
) -> Result<Option<Opening>, JournalErrorKind> {
    let word = region.load_acquire(opening::WORD); // pairs with the Release in `write_opening`
    if word == 0 {
        return Ok(None);
    }
    let mut bytes = [0; opening::COVERED_BYTES as usize + 8];
    region.copy_out(opening::FIRST_SEQUENCE, &mut bytes);
    let expected = crc32c::crc32c_append(identity.checksum_seed(), &bytes[..16]);
    let found = u32_at(&bytes, 16);
    if expected != found {
        let what = "segment opening";
        return Err(JournalErrorKind::ChecksumMismatch {
            what,
            expected,
            found,
        });
    }
    let first_sequence = u64_at(&bytes, 0);
    let expected = identity.commit_word(first_sequence);
    if word != expected {
        let what = "opening word";
        return Err(JournalErrorKind::WrongField {
            what,
            expected,
            found: word,
        });
    }
    let (boot_epoch, previous_seal_checksum) = (u32_at(&bytes, 8), u32_at(&bytes, 12));
    Ok(Some(Opening {
        first_sequence,
        boot_epoch,
        previous_seal_checksum,
    }))
}

/// Writes the next marker into the slot that does not hold the newest one.
pub(crate) fn write_sync_marker(region: &Region, identity: &SegmentIdentity, marker: &SyncMarker) {
    let slot = sync_marker::SLOTS[(marker.generation % 2) as usize];
    // While it is being changed the slot is invalid and the other one counts.
    region.store_release(slot + sync_marker::CHECK, 0);
    region.store_release(slot + sync_marker::GENERATION, marker.generation);
    region.store_release(slot + sync_marker::SYNCED_OFFSET, marker.synced_offset);
    region.store_release(slot + sync_marker::SYNCED_SEQUENCE, marker.synced_sequence);
    region.store_release(slot + sync_marker::CHECK, marker_check(identity, marker));
}

/// The newest valid marker; the default one (nothing synced) if there is none. The second value
/// counts slots that hold something else: after a kill at most one.
pub(crate) fn read_sync_marker(region: &Region, identity: &SegmentIdentity) -> (SyncMarker, u32) {
    let mut newest = SyncMarker::default();
    let mut damaged = 0;
    for slot in sync_marker::SLOTS {
        let marker = SyncMarker {
            generation: region.load_acquire(slot + sync_marker::GENERATION),
            synced_offset: region.load_acquire(slot + sync_marker::SYNCED_OFFSET),
            synced_sequence: region.load_acquire(slot + sync_marker::SYNCED_SEQUENCE),
        };
        let check = region.load_acquire(slot + sync_marker::CHECK);
        if marker == SyncMarker::default() && check == 0 {
            continue;
        }
        let plausible = marker.synced_offset >= u64::from(ENTRIES_START)
            && marker.synced_offset <= u64::from(identity.segment_bytes);
        if check != marker_check(identity, &marker) || !plausible {
            damaged += 1;
        } else if marker.generation > newest.generation {
            newest = marker;
        }
    }
    (newest, damaged)
}

fn marker_check(identity: &SegmentIdentity, marker: &SyncMarker) -> u64 {
    let mut check = identity.checksum_seed();
    for word in [
        marker.generation,
        marker.synced_offset,
        marker.synced_sequence,
    ] {
        check = crc32c::crc32c_append(check, &word.to_le_bytes());
    }
    u64::from(check) | 1 << 32
}

/// Latches the segment as suspect after a failed sync.
pub(crate) fn mark_suspect(region: &Region, errno: i32) {
    region.store_release(SUSPECT_WORD, u64::from(errno.unsigned_abs().max(1)));
}

/// Takes the mark off again: the segment was written anew.
pub(crate) fn clear_suspect(region: &Region) {
    region.store_release(SUSPECT_WORD, 0);
}

/// The error number of a failed sync, if one was latched.
pub(crate) fn suspect_errno(region: &Region) -> Option<u64> {
    let word = region.load_acquire(SUSPECT_WORD);
    (word != 0).then_some(word)
}

/// Little-endian u16 at an offset that the caller has bounded.
pub(crate) fn u16_at(bytes: &[u8], at: u32) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// Little-endian u32 at an offset that the caller has bounded.
pub(crate) fn u32_at(bytes: &[u8], at: u32) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// Little-endian u64 at an offset that the caller has bounded.
pub(crate) fn u64_at(bytes: &[u8], at: u32) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: u32) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at as usize..at as usize + N]);
    array
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn identity() -> SegmentIdentity {
        SegmentIdentity {
            journal_id: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10,
            segment_salt: SEQUENCE_LIMIT | 0x55,
            segment_index: 3,
            segment_bytes: 65_536,
            instance_tag: 9,
            boot_epoch: 77,
        }
    }

    #[test]
    fn birth_round_trips_and_every_flipped_bit_is_refused() {
        let sector = birth_sector(&identity());
        assert_eq!(read_birth(&sector).unwrap(), identity());
        for bit in 0..sector.len() * 8 {
            let mut damaged = sector;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                read_birth(&damaged).is_err(),
                "bit {bit} of the header went unseen"
            );
        }
    }

    #[test]
    fn a_torn_opening_word_or_body_is_an_error_and_none_is_a_spare() {
        let region = Arc::new(Region::heap(4096));
        assert_eq!(read_opening(&region, &identity()).unwrap(), None);
        let mut writer = region.claim_writer().unwrap();
        let opened = Opening {
            first_sequence: 41,
            boot_epoch: 5,
            previous_seal_checksum: 6,
        };
        write_opening(&mut writer, &identity(), &opened);
        assert_eq!(read_opening(&region, &identity()).unwrap(), Some(opened));
        writer.copy_in(opening::BOOT_EPOCH, &[6]);
        assert!(read_opening(&region, &identity()).is_err());
    }

    #[test]
    fn a_half_written_marker_leaves_the_older_one_in_force() {
        let region = Region::heap(4096);
        let older = SyncMarker {
            generation: 1,
            synced_offset: 8192,
            synced_sequence: 10,
        };
        let newer = SyncMarker {
            generation: 2,
            synced_offset: 12_288,
            synced_sequence: 20,
        };
        write_sync_marker(&region, &identity(), &older);
        write_sync_marker(&region, &identity(), &newer);
        assert_eq!(read_sync_marker(&region, &identity()), (newer, 0));
        region.store_release(sync_marker::SLOTS[0] + sync_marker::CHECK, 0);
        assert_eq!(read_sync_marker(&region, &identity()), (older, 1));
    }
}
