//! A ring file's pages in our address space. The only unsafe code of this crate.
//!
//! Owns: mapping, prefault, locking, and the one step from pages to atomic words. Invariants: the
//! file cannot shrink (`sealed_file.rs` makes or checks the seal before anything is mapped), so no
//! access faults; pages are reached as `AtomicU64` only; pages mapped read-only are reached
//! through [`PeerMapping`] alone, which cannot store. Must not know: what a word is for.
//! Threads: map and drop on the cold side (system calls); use anywhere.

use std::io;
use std::sync::Arc;

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::layout::{RingKind, SlotPayload, WORD_BYTES};
use super::sealed_file::{RingFile, SetupError};
use super::words::{OwnWords, PeerWords, load_payload, store_payload};
use crate::sync::{AtomicU64, Ordering};

/// How far a mapping's pages are kept in memory. Neither failure makes the ring wrong: it may cost
/// page faults, so the caller prints it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MappingNote {
    /// The system's error number when pages could not be mapped ahead of use (old kernels).
    pub prefault_error: Option<i32>,
    /// The system's error number when pages could not be locked (`RLIMIT_MEMLOCK`).
    pub lock_error: Option<i32>,
}

/// Our own file, mapped for writing. Clones share the mapping; the last one unmaps.
#[derive(Debug, Clone)]
pub struct OwnMapping(Arc<Pages>);

/// The peer's file, mapped for reading. Clones share the mapping; the last one unmaps.
#[derive(Debug, Clone)]
pub struct PeerMapping(Arc<Pages>);

impl OwnMapping {
    /// Maps `file` writable, whole.
    pub(super) fn map(file: &RingFile) -> Result<(Self, MappingNote), SetupError> {
        let raw = MmapOptions::new().len(file.bytes()).map_raw(file.fd());
        let (pages, note) = Pages::keep(raw, file.kind(), Advice::PopulateWrite)?;
        Ok((Self(Arc::new(pages)), note))
    }
}

impl PeerMapping {
    /// Maps `file` read-only, whole.
    pub(super) fn map(file: &RingFile) -> Result<(Self, MappingNote), SetupError> {
        let raw = MmapOptions::new()
            .len(file.bytes())
            .map_raw_read_only(file.fd());
        let (pages, note) = Pages::keep(raw, file.kind(), Advice::PopulateRead)?;
        Ok((Self(Arc::new(pages)), note))
    }
}

impl OwnWords for OwnMapping {
    #[inline]
    fn store(&self, word: usize, value: u64) {
        self.0.words()[word].store(value, Ordering::Relaxed);
    }

    #[inline]
    fn publish(&self, word: usize, value: u64) {
        self.0.words()[word].store(value, Ordering::Release);
    }

    #[inline]
    fn store_payload(&self, first_word: usize, payload: &SlotPayload) {
        store_payload(self.0.words(), first_word, payload);
    }
}

impl PeerWords for PeerMapping {
    #[inline]
    fn load(&self, word: usize) -> u64 {
        self.0.words()[word].load(Ordering::Relaxed)
    }

    #[inline]
    fn load_payload(&self, first_word: usize, payload: &mut SlotPayload) {
        load_payload(self.0.words(), first_word, payload);
    }
}

#[derive(Debug)]
struct Pages {
    raw: MmapRaw,
}

impl Pages {
    fn keep(
        mapped: io::Result<MmapRaw>,
        kind: RingKind,
        prefault: Advice,
    ) -> Result<(Self, MappingNote), SetupError> {
        let raw = mapped.map_err(|source| SetupError::System {
            kind,
            call: "mmap",
            source,
        })?;
        let note = MappingNote {
            prefault_error: error_number(raw.advise(prefault)),
            lock_error: error_number(raw.lock()),
        };
        Ok((Self { raw }, note))
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        let first = self.raw.as_ptr().cast::<AtomicU64>();
        // SAFETY: `raw` maps `len` bytes for as long as `self` lives, page-aligned, so `first` is
        // aligned for `len / 8` words. The pages stay backed: the file cannot shrink, by the seal
        // that `RingFile` sets or checks. Every bit pattern is a valid word, and another process
        // may change it at any time only as it may change any `AtomicU64`. Pages mapped read-only
        // are only ever loaded from, relaxed (`PeerMapping` above), which is allowed on them.
        unsafe { std::slice::from_raw_parts(first, self.raw.len() / WORD_BYTES) }
    }
}

fn error_number(outcome: io::Result<()>) -> Option<i32> {
    outcome.err().map(|error| error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    //! What needs a raw system call: a read-only mapping of the event file stays read-only.

    use rustix::io::Errno;
    use rustix::mm::MprotectFlags;

    use super::super::pair::{create_pair, open_pair};
    use super::*;

    // covers: R06
    #[test]
    fn client_cannot_turn_its_read_only_event_mapping_writable() {
        let engine = create_pair(4, 4, 1).expect("pair");
        let event_fd = engine.event_fd.try_clone().expect("dup");
        let raw = MmapOptions::new()
            .len(4096)
            .map_raw_read_only(&event_fd)
            .expect("map");
        let flags = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the range is one whole mapping of ours that nothing refers to; the call changes
        // no contents, and here it must fail.
        let outcome = unsafe { rustix::mm::mprotect(raw.as_mut_ptr().cast(), raw.len(), flags) };
        assert_eq!(outcome, Err(Errno::ACCESS));
    }

    #[test]
    fn mappings_are_prefaulted_and_say_whether_they_are_locked() {
        let engine = create_pair(64, 64, 1).expect("pair");
        let notes = [engine.request_note, engine.event_note];
        let client = open_pair(engine.request_fd, engine.event_fd).expect("open");
        for note in notes
            .into_iter()
            .chain([client.request_note, client.event_note])
        {
            assert_eq!(note.prefault_error, None);
            let lock_refusals = [Errno::NOMEM, Errno::PERM, Errno::AGAIN].map(Errno::raw_os_error);
            assert!(
                note.lock_error
                    .is_none_or(|number| lock_refusals.contains(&number))
            );
        }
    }
}
