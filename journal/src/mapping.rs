//! The only unsafe code of the crate: a region of memory, mapped from a file or on the heap.
//!
//! Owns: bounds, alignment and the split between one writer and many readers.
//! Invariants: every access is checked against the region's length; at most one [`RegionWriter`]
//! exists per region; readers load whole 8-byte words atomically and look at an entry only after
//! an Acquire load of its commit word has shown it complete, and a complete entry is never changed.
//! Must not know: what lies where. Threads: `Region` is shared; `RegionWriter` belongs to one.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Bytes that live as long as this value, from a file's mapping or from the heap.
#[derive(Debug)]
pub struct Region {
    /// Start of the bytes that `backing` owns; aligned to 8.
    first_byte: NonNull<u8>,
    region_bytes: usize,
    has_writer: AtomicBool,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    File(MmapRaw),
    Heap(#[expect(dead_code, reason = "keeps the bytes alive")] Box<[AtomicU64]>),
}

// SAFETY: the pointer is into `backing`, which is owned and neither moves nor shrinks.
unsafe impl Send for Region {}
// SAFETY: shared access is by atomic words only; plain writes need the one `RegionWriter`, made by
// `claim_writer`.
unsafe impl Sync for Region {}

impl Region {
    /// Maps the whole file for reading and writing; advice that must precede the first touch is
    /// given here (`MADV_RANDOM` keeps the page cache at single pages, so that syncing pages behind
    /// the cursor does not write-protect pages ahead of it).
    ///
    /// # Errors
    /// Those of `mmap` and `madvise`.
    pub(crate) fn map_file(file: &File, region_bytes: usize) -> io::Result<Self> {
        let mapping = MmapOptions::new().len(region_bytes).map_raw(file)?;
        mapping.advise(Advice::Random)?;
        Ok(Self::over_mapping(mapping))
    }

    /// Maps the whole file for reading only; a store to it would be a fault, so no writer is given.
    ///
    /// # Errors
    /// Those of `mmap`.
    pub(crate) fn map_file_read_only(file: &File, region_bytes: usize) -> io::Result<Self> {
        let mapping = MmapOptions::new()
            .len(region_bytes)
            .map_raw_read_only(file)?;
        let region = Self::over_mapping(mapping);
        region.has_writer.store(true, Ordering::Relaxed); // taken for ever: nobody may write
        Ok(region)
    }

    /// Zeroed heap memory of the same shape, for tests and for Miri, which cannot map files.
    pub fn heap(region_bytes: usize) -> Self {
        assert!(
            region_bytes.is_multiple_of(8),
            "a region is made of whole words"
        );
        let words: Box<[AtomicU64]> = (0..region_bytes / 8).map(|_| AtomicU64::new(0)).collect();
        let first_byte = NonNull::from(&*words).cast::<u8>();
        let backing = Backing::Heap(words);
        Self {
            first_byte,
            region_bytes,
            has_writer: AtomicBool::new(false),
            backing,
        }
    }

    fn over_mapping(mapping: MmapRaw) -> Self {
        let first_byte = NonNull::new(mapping.as_mut_ptr()).expect("mmap never returns null");
        let region_bytes = mapping.len();
        let backing = Backing::File(mapping);
        Self {
            first_byte,
            region_bytes,
            has_writer: AtomicBool::new(false),
            backing,
        }
    }

    /// Length in bytes.
    pub fn region_bytes(&self) -> usize {
        self.region_bytes
    }

    /// The one right to write plain bytes; `None` if somebody has it, or on a read-only mapping.
    pub fn claim_writer(self: &Arc<Self>) -> Option<RegionWriter> {
        let taken = self.has_writer.swap(true, Ordering::AcqRel);
        (!taken).then(|| RegionWriter {
            region: Arc::clone(self),
        })
    }

    /// Loads the word at `offset`; what was written before its Release store is visible afterwards.
    ///
    /// # Panics
    /// If `offset` is not a multiple of 8 or outside of the region.
    pub fn load_acquire(&self, offset: u32) -> u64 {
        u64::from_le(self.word(offset).load(Ordering::Acquire)) // pairs with `store_release`
    }

    /// Copies `into.len()` bytes from `offset` word by word; each word is loaded atomically.
    ///
    /// # Panics
    /// If the range is not made of whole words inside the region.
    pub fn copy_out(&self, offset: u32, into: &mut [u8]) {
        assert!(into.len().is_multiple_of(8), "whole words only");
        let words = self.words(offset, into.len() / 8);
        let (chunks, _) = into.as_chunks_mut::<8>();
        for (bytes, word) in chunks.iter_mut().zip(words) {
            // Memory holds little-endian words, whatever the machine: bytes stay as they lie.
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
    }

    /// The last word in a range that is not zero: its offset.
    ///
    /// # Panics
    /// If the range is not made of whole words inside the region.
    pub fn last_word_set(&self, from: u32, to: u32) -> Option<u32> {
        assert!(from <= to, "a range goes forward");
        let words = self.words(from, (to - from) as usize / 8);
        let last = words
            .iter()
            .rposition(|word| word.load(Ordering::Acquire) != 0)?;
        Some(from + last as u32 * 8)
    }

    /// Stores the word at `offset`, after all that this thread wrote before.
    ///
    /// # Panics
    /// If `offset` is not a multiple of 8 or outside of the region.
    pub(crate) fn store_release(&self, offset: u32, value: u64) {
        self.word(offset).store(value.to_le(), Ordering::Release); // pairs with `load_acquire`
    }

    /// Makes the pages of a range present and writable without changing them; nothing on the heap.
    ///
    /// # Errors
    /// Those of `madvise(MADV_POPULATE_WRITE)`, which needs Linux 5.14.
    pub(crate) fn populate(&self, offset: u32, range_bytes: u32) -> io::Result<()> {
        match &self.backing {
            Backing::File(mapping) if range_bytes > 0 => {
                mapping.advise_range(Advice::PopulateWrite, offset as usize, range_bytes as usize)
            }
            _ => Ok(()),
        }
    }

    /// Waits until the pages of a range are on the disk; nothing on the heap.
    ///
    /// # Errors
    /// Those of `msync(MS_SYNC)`. After one, the kernel may have dropped the bytes: never retry.
    pub(crate) fn sync(&self, offset: u32, range_bytes: u32) -> io::Result<()> {
        match &self.backing {
            Backing::File(mapping) if range_bytes > 0 => {
                mapping.flush_range(offset as usize, range_bytes as usize)
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn check(&self, offset: u32, range_bytes: usize) {
        let offset = offset as usize;
        let fits = offset <= self.region_bytes && range_bytes <= self.region_bytes - offset;
        assert!(
            fits,
            "range {offset}+{range_bytes} leaves the region of {}",
            self.region_bytes
        );
    }

    /// Whole words from `offset`, checked once for all of them.
    fn words(&self, offset: u32, count: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(8), "words are aligned");
        self.check(offset, count * 8);
        // SAFETY: `check` holds `offset` inside the bytes that `backing` owns.
        let first = unsafe { self.first_byte.add(offset as usize) }.cast::<AtomicU64>();
        let words = NonNull::slice_from_raw_parts(first, count);
        // SAFETY: inside the region (`check`), aligned as in `word`, alive as long as `self`; a
        // read-only mapping is only ever loaded from (`claim_writer` refuses it).
        unsafe { words.as_ref() }
    }

    #[inline]
    fn word(&self, offset: u32) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8), "words are aligned");
        self.check(offset, 8);
        // SAFETY: `check` holds `offset` inside the bytes that `backing` owns.
        let at = unsafe { self.first_byte.add(offset as usize) }.cast::<AtomicU64>();
        // SAFETY: aligned (mapping or `Box<[AtomicU64]>`, and offset a multiple of 8), alive as
        // long as `self`; a read-only mapping is only ever loaded from (`claim_writer` refuses it).
        unsafe { at.as_ref() }
    }
}

/// The right to write plain bytes into a region. Given once by [`Region::claim_writer`].
#[derive(Debug)]
pub struct RegionWriter {
    region: Arc<Region>,
}

impl RegionWriter {
    /// The region behind it.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Copies bytes in. Readers do not look there before the commit word's Release store.
    ///
    /// # Panics
    /// If the range leaves the region.
    #[inline]
    pub fn copy_in(&mut self, offset: u32, bytes: &[u8]) {
        self.region.check(offset, bytes.len());
        // SAFETY: `check` holds `offset` inside the bytes that `backing` owns.
        let to = unsafe { self.region.first_byte.add(offset as usize) };
        // SAFETY: the range is inside the region and `bytes` cannot overlap it, since `written`
        // ties the slices it gives to a borrow of this writer; nobody else writes (`claim_writer`).
        unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    /// The bytes of a range, to be written in place.
    ///
    /// # Panics
    /// If the range leaves the region.
    #[inline]
    pub(crate) fn space(&mut self, offset: u32, range_bytes: u32) -> &mut [u8] {
        self.region.check(offset, range_bytes as usize);
        // SAFETY: `check` holds `offset` inside the bytes that `backing` owns.
        let from = unsafe { self.region.first_byte.add(offset as usize) };
        let mut bytes = NonNull::slice_from_raw_parts(from, range_bytes as usize);
        // SAFETY: inside the region; this writer is borrowed for as long as the slice lives and is
        // the only one who writes (`claim_writer`); readers do not look there before the commit
        // word behind it, which is no part of a body, is stored.
        unsafe { bytes.as_mut() }
    }

    /// Sets a range to zero.
    ///
    /// # Panics
    /// If the range leaves the region.
    pub fn fill_zero(&mut self, offset: u32, range_bytes: u32) {
        self.region.check(offset, range_bytes as usize);
        // SAFETY: `check` holds `offset` inside the bytes that `backing` owns.
        let to = unsafe { self.region.first_byte.add(offset as usize) };
        // SAFETY: the range is inside the region and nobody else writes (`claim_writer`).
        unsafe { to.write_bytes(0, range_bytes as usize) };
    }

    /// The bytes of a range, as this writer left them.
    ///
    /// # Panics
    /// If the range leaves the region.
    #[inline]
    pub fn written(&self, offset: u32, range_bytes: u32) -> &[u8] {
        self.region.check(offset, range_bytes as usize);
        // SAFETY: `check` holds `offset` inside the bytes that `backing` owns.
        let from = unsafe { self.region.first_byte.add(offset as usize) };
        let bytes = NonNull::slice_from_raw_parts(from, range_bytes as usize);
        // SAFETY: inside the region; the only one who writes plain bytes is this writer, which is
        // borrowed; the keeper's words in the first page are never asked for.
        unsafe { bytes.as_ref() }
    }
}

impl Drop for RegionWriter {
    fn drop(&mut self) {
        self.region.has_writer.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_written_before_a_release_store_are_seen_after_the_acquire_load() {
        let region = Arc::new(Region::heap(4096));
        let mut writer = region.claim_writer().unwrap();
        let reading = Arc::clone(&region);
        let reader = std::thread::spawn(move || {
            while reading.load_acquire(0) == 0 {
                std::thread::yield_now();
            }
            let mut copy = [0; 16];
            reading.copy_out(8, &mut copy);
            copy
        });
        writer.copy_in(8, b"0123456789abcdef");
        region.store_release(0, 1);
        assert_eq!(&reader.join().unwrap(), b"0123456789abcdef");
    }

    #[test]
    fn a_second_writer_is_refused_until_the_first_is_gone() {
        let region = Arc::new(Region::heap(64));
        let first = region.claim_writer();
        assert!(first.is_some());
        assert!(region.claim_writer().is_none());
        drop(first);
        assert!(region.claim_writer().is_some());
    }

    #[test]
    fn words_are_little_endian_in_memory() {
        let region = Arc::new(Region::heap(64));
        let mut writer = region.claim_writer().unwrap();
        writer.copy_in(8, &0x0102_0304_0506_0708_u64.to_le_bytes());
        assert_eq!(region.load_acquire(8), 0x0102_0304_0506_0708);
        region.store_release(16, 7);
        assert_eq!(writer.written(16, 8), &7_u64.to_le_bytes());
        writer.fill_zero(16, 8);
        assert_eq!(region.load_acquire(16), 0);
    }

    #[test]
    #[should_panic(expected = "leaves the region")]
    fn a_write_past_the_end_panics_before_it_touches_memory() {
        let region = Arc::new(Region::heap(64));
        region.claim_writer().unwrap().copy_in(60, &[1; 8]);
    }

    #[test]
    #[should_panic(expected = "leaves the region")]
    fn a_load_past_the_end_panics() {
        Region::heap(64).load_acquire(64);
    }

    #[test]
    #[should_panic(expected = "words are aligned")]
    fn an_unaligned_word_panics() {
        Region::heap(64).load_acquire(4);
    }

    #[test]
    fn a_read_only_mapping_gives_no_writer() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let region = Arc::new(Region::map_file_read_only(&file, 4096).unwrap());
        assert!(region.claim_writer().is_none());
        assert_eq!(region.load_acquire(0), 0);
    }
}
