//! Where every word of a ring file lies, and the header that says so.
//!
//! Owns: offsets, limits, the header's encoding and its check. `docs/RING_LAYOUT.md` draws the
//! same table. Invariants: both files of an attachment have this one layout, and each holds all
//! that one side may write: its outgoing slots, its read index of the other ring, its parked flag
//! and its closed mark. Must not know: what the payload words mean, how a file is mapped.
//!
//! Under `--cfg loom` the distances shrink (the model has no cache lines and pays for each word);
//! the code that uses them is the same.

/// First word of a ring file: `MILLRING` in the bytes of a little-endian machine.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MILLRING");
/// Version of this layout. A reader refuses any other.
pub const VERSION: u64 = 1;

/// Bytes of one word. Everything in a ring file is a native-endian `u64` word.
pub const WORD_BYTES: usize = 8;
/// Words of a slot: the stamp and the payload.
pub const SLOT_WORDS: usize = if cfg!(loom) { 3 } else { 16 };
/// Words of a slot's payload.
pub const PAYLOAD_WORDS: usize = SLOT_WORDS - 1;
/// Bytes of a slot: two cache lines, so a slot never shares a line with its neighbour.
pub const SLOT_BYTES: usize = SLOT_WORDS * WORD_BYTES;
/// Payload words that lie in the stamp's own cache line (56 bytes): one miss brings them all.
pub const FIRST_LINE_PAYLOAD_WORDS: usize = 7;

/// Fewest slots of a ring.
pub const CAPACITY_MIN: u64 = 2;
/// Most slots of a ring: 128 MiB of slots.
pub const CAPACITY_MAX: u64 = 1 << 20;
/// A consumer publishes its read index after this many slots, or when it finds the ring empty.
pub const HEAD_PUBLISH_INTERVAL: u64 = 32;

/// Words between two control words that different sides poll: a pair of cache lines, because the
/// processor fetches lines in pairs.
const LINE_PAIR_WORDS: usize = if cfg!(loom) { 1 } else { 16 };

/// Words of the header, from word 0.
pub const HEADER_WORDS: usize = 8;
/// The file owner's read index of the ring in the *other* file.
pub const HEAD_WORD: usize = LINE_PAIR_WORDS;
/// 1 while the file's owner is parked, else 0.
pub const PARKED_WORD: usize = 2 * LINE_PAIR_WORDS;
/// Not 0 once the file's owner has closed its outgoing ring.
pub const CLOSED_WORD: usize = 3 * LINE_PAIR_WORDS;
/// The number that the owner gave when it closed the ring; valid once [`CLOSED_WORD`] is set.
pub const CLOSED_MARK_WORD: usize = CLOSED_WORD + 1;
/// The first slot: a page of its own, apart from the control words.
pub const SLOTS_WORD: usize = if cfg!(loom) {
    CLOSED_MARK_WORD + 1
} else {
    512
};

#[cfg(not(loom))]
const _: () = {
    assert!(SLOT_BYTES == 128);
    assert!(PAYLOAD_WORDS * WORD_BYTES == 120);
    assert!((1 + FIRST_LINE_PAYLOAD_WORDS) * WORD_BYTES == 64);
    assert!(HEADER_WORDS <= HEAD_WORD);
    assert!(HEAD_WORD * WORD_BYTES == 128);
    assert!(PARKED_WORD * WORD_BYTES == 256);
    assert!(CLOSED_WORD * WORD_BYTES == 384);
    assert!(SLOTS_WORD * WORD_BYTES == FILE_GRANULE_BYTES as usize);
    assert!(CAPACITY_MAX.is_power_of_two() && CAPACITY_MIN.is_power_of_two());
};

/// Ring files are a multiple of this size.
const FILE_GRANULE_BYTES: u64 = 4096;

/// The words of one item, without meaning. 120 bytes; the first 56 share the stamp's line.
pub type SlotPayload = [u64; PAYLOAD_WORDS];

/// First word (the stamp) of the slot that `position` uses. `capacity` is a power of two.
#[inline]
pub fn slot_word(position: u64, capacity: u64) -> usize {
    SLOTS_WORD + (position & (capacity - 1)) as usize * SLOT_WORDS
}

/// The stamp of a slot whose item `position` can be read.
#[inline]
pub fn ready_stamp(position: u64) -> u64 {
    position.wrapping_add(1)
}

/// The stamp of a slot that waits for item `position`: the previous lap's ready stamp. A new file
/// is written with these, so there is no second form of "empty", also where positions wrap.
#[inline]
pub fn empty_stamp(position: u64, capacity: u64) -> u64 {
    ready_stamp(position).wrapping_sub(capacity)
}

/// Words of a ring file that holds `capacity` slots.
pub fn file_words(capacity: u64) -> usize {
    SLOTS_WORD + capacity as usize * SLOT_WORDS
}

/// Bytes of a ring file that holds `capacity` slots, up to a whole page.
pub fn file_bytes(capacity: u64) -> u64 {
    ((file_words(capacity) * WORD_BYTES) as u64).next_multiple_of(FILE_GRANULE_BYTES)
}

/// Which way the slots of a ring file travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum RingKind {
    /// Written by the client, read by the engine.
    Request = 1,
    /// Written by the engine, read by the client.
    Event = 2,
}

/// What both sides of an attachment agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairShape {
    /// Slots from client to engine; a power of two in [`CAPACITY_MIN`]`..=`[`CAPACITY_MAX`].
    pub request_capacity: u64,
    /// Slots from engine to client; same range.
    pub event_capacity: u64,
    /// Number of this attachment, chosen by the engine; a new one for each attach.
    pub generation: u64,
    /// Position of the first item in both rings. 0, but for tests of the wrap.
    pub start_position: u64,
}

impl PairShape {
    /// Checks both capacities.
    ///
    /// # Errors
    /// [`HeaderError::Capacity`] names the first bad one.
    pub fn check(&self) -> Result<(), HeaderError> {
        check_capacity(self.request_capacity)?;
        check_capacity(self.event_capacity)
    }
}

fn check_capacity(found: u64) -> Result<(), HeaderError> {
    if found.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&found) {
        return Ok(());
    }
    Err(HeaderError::Capacity { found })
}

/// Why a ring file's header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file is no ring file.
    #[error("no ring file: magic is {found:#018x}, expected {expected:#018x}")]
    Magic {
        /// Always [`MAGIC`].
        expected: u64,
        /// Word 0 of the file.
        found: u64,
    },
    /// The file has another layout.
    #[error("ring layout version is {found}, expected {expected}")]
    Version {
        /// Always [`VERSION`].
        expected: u64,
        /// What the file says.
        found: u64,
    },
    /// The file is the ring of the other direction, or of none.
    #[error("ring kind is {found}, expected {expected}")]
    Kind {
        /// A [`RingKind`].
        expected: u64,
        /// What the file says.
        found: u64,
    },
    /// No power of two, or outside the limits.
    #[error("capacity {found} is no power of two in {CAPACITY_MIN}..={CAPACITY_MAX}")]
    Capacity {
        /// What was asked for, or what the file says.
        found: u64,
    },
    /// Slots of another size.
    #[error("slots have {found} bytes, expected {expected}")]
    SlotBytes {
        /// Always [`SLOT_BYTES`].
        expected: u64,
        /// What the file says.
        found: u64,
    },
    /// The header, the capacity and the file's real size do not agree.
    #[error("ring file has {found} bytes, expected {expected}")]
    FileBytes {
        /// What the capacity asks for.
        expected: u64,
        /// The file's size, or what its header says.
        found: u64,
    },
    /// The two files belong to different attachments, or not to the one that was announced.
    #[error("attachment is {found:?}, expected {expected:?}")]
    Shape {
        /// What was announced, or what the request file says.
        expected: PairShape,
        /// What the files say together.
        found: PairShape,
    },
}

/// A header after its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingHeader {
    pub(crate) kind: RingKind,
    pub(crate) capacity: u64,
    pub(crate) generation: u64,
    pub(crate) start_position: u64,
}

impl RingHeader {
    /// The header's words, as they lie in the file.
    #[cfg_attr(loom, expect(dead_code, reason = "loom models have no files"))]
    pub(crate) fn encode(&self) -> [u64; HEADER_WORDS] {
        [
            MAGIC,
            VERSION,
            self.kind as u64,
            self.capacity,
            SLOT_BYTES as u64,
            self.generation,
            file_bytes(self.capacity),
            self.start_position,
        ]
    }

    /// Checks words that were copied out of a file of `real_bytes` bytes.
    #[cfg_attr(loom, expect(dead_code, reason = "loom models have no files"))]
    pub(crate) fn decode(
        words: &[u64; HEADER_WORDS],
        kind: RingKind,
        real_bytes: u64,
    ) -> Result<Self, HeaderError> {
        let [
            magic,
            version,
            found_kind,
            capacity,
            slot_bytes,
            generation,
            bytes,
            start,
        ] = *words;
        if magic != MAGIC {
            return Err(HeaderError::Magic {
                expected: MAGIC,
                found: magic,
            });
        }
        if version != VERSION {
            return Err(HeaderError::Version {
                expected: VERSION,
                found: version,
            });
        }
        if found_kind != kind as u64 {
            return Err(HeaderError::Kind {
                expected: kind as u64,
                found: found_kind,
            });
        }
        check_capacity(capacity)?;
        if slot_bytes != SLOT_BYTES as u64 {
            let expected = SLOT_BYTES as u64;
            return Err(HeaderError::SlotBytes {
                expected,
                found: slot_bytes,
            });
        }
        let expected = file_bytes(capacity);
        for found in [bytes, real_bytes] {
            if found != expected {
                return Err(HeaderError::FileBytes { expected, found });
            }
        }
        Ok(Self {
            kind,
            capacity,
            generation,
            start_position: start,
        })
    }
}
