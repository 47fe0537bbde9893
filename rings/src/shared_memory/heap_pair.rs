//! Both sides of an attachment over heap memory, in one process.
//!
//! Owns: the same ends as a real attachment, over [`HeapWords`]: what loom, Miri, sanitizers and
//! property tests run. Invariant: same stamps, same control words, same code. Must not know: files.
//! Threads: the sides may go to different threads.

use super::Ends;
use super::layout::{HEAD_WORD, HeaderError, PairShape, empty_stamp, file_words, slot_word};
use super::words::{HeapWords, OwnWords};

/// Both sides, and their memory for tests that play a hostile peer.
#[derive(Debug)]
pub struct HeapPair {
    /// Takes requests, sends events.
    pub engine: Ends<HeapWords, HeapWords>,
    /// Takes events, sends requests.
    pub client: Ends<HeapWords, HeapWords>,
    /// What the client writes.
    pub request_words: HeapWords,
    /// What the engine writes.
    pub event_words: HeapWords,
}

/// Makes both sides of an attachment over heap memory.
///
/// # Errors
/// [`HeaderError::Capacity`].
pub fn create_heap_pair(shape: PairShape) -> Result<HeapPair, HeaderError> {
    shape.check()?;
    let start = shape.start_position;
    let request_words = empty_ring(shape.request_capacity, start);
    let event_words = empty_ring(shape.event_capacity, start);
    let engine = Ends::new(
        event_words.clone(),
        request_words.clone(),
        shape.request_capacity,
        shape.event_capacity,
        start,
    );
    let client = Ends::new(
        request_words.clone(),
        event_words.clone(),
        shape.event_capacity,
        shape.request_capacity,
        start,
    );
    Ok(HeapPair {
        engine,
        client,
        request_words,
        event_words,
    })
}

fn empty_ring(capacity: u64, start_position: u64) -> HeapWords {
    let words = HeapWords::new(file_words(capacity));
    words.store(HEAD_WORD, start_position);
    for lap_offset in 0..capacity {
        let position = start_position.wrapping_add(lap_offset);
        words.store(
            slot_word(position, capacity),
            empty_stamp(position, capacity),
        );
    }
    words
}
