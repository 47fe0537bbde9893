//! 64-bit hashes of canonical bytes, the same on every run and machine.
//!
//! Shows that two values are equal (but for a 64-bit chance); no defence against somebody who wants
//! two values with one hash.

use model::canonical_bytes::ByteSink;

/// Hashes what is put into it, eight bytes at a time.
#[derive(Debug, Default)]
pub(crate) struct CanonicalHash(pub(crate) u64);

impl ByteSink for CanonicalHash {
    fn put(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = crate::order::mixed(self.0.rotate_left(5) ^ u64::from_le_bytes(word));
        }
    }
}

/// Hashes a stream of bytes: however it is cut into pieces, the hash is the same.
#[derive(Debug, Default)]
pub(super) struct StreamHash {
    hash: u64,
    /// Bytes that do not make a whole word yet, lowest first.
    word: u64,
    /// How many, in bits.
    filled_bits: u32,
    bytes: u64,
}

impl StreamHash {
    pub(super) fn finish(mut self) -> u64 {
        self.mix();
        self.word = self.bytes;
        self.mix();
        self.hash
    }

    fn mix(&mut self) {
        self.hash = crate::order::mixed(self.hash.rotate_left(5) ^ self.word);
    }
}

impl ByteSink for StreamHash {
    fn put(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let value = u64::from_le_bytes(word);
            let added = u32::try_from(chunk.len()).unwrap_or(8);
            self.bytes = self.bytes.saturating_add(added.into());
            self.word |= value.checked_shl(self.filled_bits).unwrap_or(0);
            let filled_bits = self.filled_bits.saturating_add(added.saturating_mul(8));
            if let Some(left_bits) = filled_bits.checked_sub(64) {
                self.mix();
                let taken_bits = 64u32.saturating_sub(self.filled_bits);
                self.word = value.checked_shr(taken_bits).unwrap_or(0);
                self.filled_bits = left_bits;
            } else {
                self.filled_bits = filled_bits;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_hash_however_it_is_cut_and_another_when_a_byte_differs() {
        let bytes: Vec<u8> = (0..100).collect();
        let whole = hash_of(&bytes, 100);
        for piece in [1, 2, 3, 5, 7, 8, 9, 31] {
            assert_eq!(hash_of(&bytes, piece), whole, "pieces of {piece}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(hash_of(&other, 8), whole, "byte {at}");
            assert_ne!(hash_of(&bytes[..at], 8), whole, "cut at {at}");
        }
        assert_ne!(hash_of(&[0; 8], 8), hash_of(&[0; 9], 8), "zeros count");
    }

    fn hash_of(bytes: &[u8], piece: usize) -> u64 {
        let mut hash = StreamHash::default();
        bytes.chunks(piece).for_each(|chunk| hash.put(chunk));
        hash.finish()
    }
}
