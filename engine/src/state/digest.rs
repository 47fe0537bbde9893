//! A 64-bit hash of canonical bytes, the same on every run and machine.
//!
//! Shows that two values are equal (but for a 64-bit chance); no defence against somebody who wants
//! two values with one hash.

use model::canonical_bytes::ByteSink;

/// Hashes what is put into it, eight bytes at a time.
#[derive(Debug, Default)]
pub(super) struct CanonicalHash(pub(super) u64);

impl ByteSink for CanonicalHash {
    fn put(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = crate::order::mixed(self.0.rotate_left(5) ^ u64::from_le_bytes(word));
        }
    }
}
