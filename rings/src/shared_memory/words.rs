//! Memory that a ring lives in, as two capabilities: words we write, words the peer writes.
//!
//! Owns: the traits [`OwnWords`] (stores only) and [`PeerWords`] (loads only), and the form of
//! both over heap memory. Invariants: no end can load a word of its own file, so an index that we
//! own is never taken back from memory that another process may have touched; every access is one
//! atomic `u64`, so no value a peer writes, at any moment, is undefined behaviour.
//! Must not know: what a word is for. Threads: any; ordering is the caller's, by fences.

use std::sync::Arc;

use super::layout::{PAYLOAD_WORDS, SlotPayload};
use crate::sync::{AtomicU64, Ordering};

/// Words of our own file. Stores only.
///
/// # Panics
/// Every method panics on a word outside the file; callers form indices from private state only.
pub trait OwnWords: Send {
    /// Stores without ordering.
    fn store(&self, word: usize, value: u64);
    /// Stores with release ordering: what we stored before is visible to whoever loads this.
    fn publish(&self, word: usize, value: u64);
    /// Stores a payload from `first_word` on, without ordering.
    fn store_payload(&self, first_word: usize, payload: &SlotPayload);
}

/// Words of the peer's file. Loads only, and only relaxed ones: an acquire load has no guarantee
/// on memory that is mapped read-only, a relaxed load and an acquire fence behind it has.
///
/// # Panics
/// As [`OwnWords`].
pub trait PeerWords: Send {
    /// Loads without ordering.
    fn load(&self, word: usize) -> u64;
    /// Copies a payload out from `first_word` on, word by word, without ordering.
    fn load_payload(&self, first_word: usize, payload: &mut SlotPayload);
}

/// A ring file on the heap: for loom, Miri, sanitizers, property tests and benches.
///
/// Both capabilities over the same words, so a test can also play a hostile peer.
#[derive(Debug, Clone)]
pub struct HeapWords(Arc<[AtomicU64]>);

impl HeapWords {
    /// `words` zero words.
    pub fn new(words: usize) -> Self {
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }
}

impl OwnWords for HeapWords {
    #[inline]
    fn store(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Relaxed);
    }

    #[inline]
    fn publish(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Release);
    }

    #[inline]
    fn store_payload(&self, first_word: usize, payload: &SlotPayload) {
        store_payload(&self.0, first_word, payload);
    }
}

impl PeerWords for HeapWords {
    #[inline]
    fn load(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Relaxed)
    }

    #[inline]
    fn load_payload(&self, first_word: usize, payload: &mut SlotPayload) {
        load_payload(&self.0, first_word, payload);
    }
}

/// One bounds check, then one relaxed store a word.
#[inline]
pub(super) fn store_payload(words: &[AtomicU64], first_word: usize, payload: &SlotPayload) {
    let slot = &words[first_word..first_word + PAYLOAD_WORDS];
    for (word, value) in slot.iter().zip(payload) {
        word.store(*value, Ordering::Relaxed);
    }
}

/// One bounds check, then one relaxed load a word: each word is read exactly once.
#[inline]
pub(super) fn load_payload(words: &[AtomicU64], first_word: usize, payload: &mut SlotPayload) {
    let slot = &words[first_word..first_word + PAYLOAD_WORDS];
    for (value, word) in payload.iter_mut().zip(slot) {
        *value = load_payload_word(word);
    }
}

#[cfg(not(loom))]
#[inline]
fn load_payload_word(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Loom cannot let a load see a later store, so a relaxed load would hide a slot that is given
/// back too early. The unsynchronised load makes it report every store that is not ordered before
/// or after this read.
#[cfg(loom)]
#[expect(
    unsafe_code,
    reason = "loom marks the load that checks for races as unsafe"
)]
fn load_payload_word(word: &AtomicU64) -> u64 {
    // SAFETY: under loom this is a checked access of loom's own cell: a race is its report, not
    // undefined behaviour.
    unsafe { word.unsync_load() }
}
