//! Writing one entry in place, piece by piece.
//!
//! Owns: the announced length. Invariants: no byte is written beyond what was announced; dropped
//! without a commit, nothing is left. No system call, lock or allocation. Must not know: what the
//! pieces mean, where the entry lies (`writer.rs`). Threads: the hot thread.

use crate::writer::{Committed, Writer};

/// An entry that is being written in place. Dropped without [`commit`](Self::commit) it leaves no
/// trace, and its number goes to the next one.
#[derive(Debug)]
#[must_use = "an entry that is not committed never happened"]
pub struct EntryBuilder<'w> {
    writer: &'w mut Writer,
    kind: u16,
    flags: u16,
    now_ns: u64,
    body_bytes_max: u32,
}

impl<'w> EntryBuilder<'w> {
    /// The writer has made room for a body of `body_bytes_max`.
    #[inline]
    pub(crate) fn new(writer: &'w mut Writer, kind: u16, now_ns: u64, body_bytes_max: u32) -> Self {
        Self {
            writer,
            kind,
            flags: 0,
            now_ns,
            body_bytes_max,
        }
    }

    /// Number that the commit will give.
    pub fn sequence(&self) -> u64 {
        self.writer.next_sequence()
    }

    /// Opaque flags of the entry; 0 unless set.
    pub fn set_flags(&mut self, flags: u16) {
        self.flags = flags;
    }

    /// Body bytes written so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.writer.body_position() as usize
    }

    /// Body bytes that may still be written.
    #[inline]
    pub fn room_bytes(&self) -> usize {
        (self.body_bytes_max - self.writer.body_position()) as usize
    }

    /// Appends bytes to the body.
    ///
    /// # Panics
    /// If the body would be longer than announced to `begin`: a bug of the caller.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        let fits = bytes.len() <= self.room_bytes();
        assert!(
            fits,
            "body of {}+{} is longer than announced",
            self.position(),
            bytes.len()
        );
        self.writer.put_body(bytes);
    }

    /// A cursor that writes on in place: for bodies of many small pieces.
    #[inline]
    pub fn cursor(&mut self) -> BodyCursor<'_> {
        let position = self.position();
        let (space, built_to) = self.writer.body_space(self.body_bytes_max);
        BodyCursor {
            space,
            position,
            begun_at: position,
            built_to,
        }
    }

    /// Appends one byte; panics as [`put`](Self::put).
    #[inline]
    pub fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends a little-endian u16; panics as [`put`](Self::put).
    #[inline]
    pub fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a little-endian u32; panics as [`put`](Self::put).
    #[inline]
    pub fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a little-endian u64; panics as [`put`](Self::put).
    #[inline]
    pub fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a little-endian i64; panics as [`put`](Self::put).
    #[inline]
    pub fn put_i64(&mut self, value: i64) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a little-endian u128; panics as [`put`](Self::put).
    #[inline]
    pub fn put_u128(&mut self, value: u128) {
        self.put(&value.to_le_bytes());
    }

    /// Overwrites four bytes at a position that was written before, such as a count.
    ///
    /// # Panics
    /// If the four bytes were not all written yet.
    #[inline]
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        let written = self.position();
        assert!(
            at <= written && written - at >= 4,
            "patch at {at} of {written} written bytes"
        );
        self.writer.patch_body(at as u32, &value.to_le_bytes());
    }

    /// Takes back what was written behind `position`.
    ///
    /// # Panics
    /// If `position` lies behind what was written.
    pub fn truncate(&mut self, position: usize) {
        let written = self.position();
        assert!(
            position <= written,
            "cannot truncate {written} bytes to {position}"
        );
        self.writer.truncate_body(position as u32);
    }

    /// Makes the entry part of the journal: checksum, then the commit word. Cannot fail.
    #[inline]
    pub fn commit(self) -> Committed {
        let (kind, flags, now_ns) = (self.kind, self.flags, self.now_ns);
        self.writer.commit_body(kind, flags, now_ns)
    }
}

/// Writes on where a builder stands, straight into the entry's place. What it wrote is the
/// builder's when it is dropped.
///
/// A piece costs a comparison and a store: no look at the region, no call. Bytes lie behind one
/// another and never beyond what was announced, so nothing is left that a wipe would not find.
#[derive(Debug)]
pub struct BodyCursor<'b> {
    space: &'b mut [u8],
    position: usize,
    begun_at: usize,
    built_to: &'b mut u32,
}

impl BodyCursor<'_> {
    /// Appends bytes to the body.
    ///
    /// # Panics
    /// If the body would be longer than announced to `begin`: a bug of the caller.
    #[inline(always)]
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.position.wrapping_add(bytes.len());
        match self.space.get_mut(self.position..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => longer_than_announced(self.position, bytes.len()),
        }
        self.position = end;
    }
}

impl Drop for BodyCursor<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.built_to += (self.position - self.begun_at) as u32;
    }
}

#[cold]
#[inline(never)]
fn longer_than_announced(position: usize, more_bytes: usize) -> ! {
    panic!("body of {position}+{more_bytes} is longer than announced")
}

impl Drop for EntryBuilder<'_> {
    fn drop(&mut self) {
        // After a commit there is nothing unfinished.
        self.writer.wipe_unfinished();
    }
}
