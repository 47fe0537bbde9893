//! Masking of client payloads (RFC 6455, 5.3) and the sequence of masking keys.
//!
//! Invariants: masking twice with the same key restores the bytes; the keys of one seed are always
//! the same, so a simulation repeats. The key exists to keep a script in a browser from steering
//! what a plain-text proxy sees; inside TLS, with payloads of our own making, it guards nothing,
//! so a seeded sequence is enough.
//! Must not know: frames, sockets, clocks. Threads: none.

/// Masks, or unmasks, `payload` in place.
pub fn apply_mask(payload: &mut [u8], mask_key: [u8; 4]) {
    let wide = u128::from_ne_bytes(std::array::from_fn(|at| mask_key[at & 3]));
    let (chunks, rest) = payload.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    // Chunks are 16 bytes, so the rest begins at the key's first byte again.
    for (byte, key) in rest.iter_mut().zip(mask_key.iter().cycle()) {
        *byte ^= key;
    }
}

/// An endless sequence of masking keys, decided by its seed alone (SplitMix64).
#[derive(Clone, Debug)]
pub struct MaskSequence {
    state: u64,
}

impl MaskSequence {
    /// Starts the sequence of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The key for the next frame.
    pub fn next_key(&mut self) -> [u8; 4] {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let bytes = mixed.to_le_bytes();
        [bytes[0], bytes[1], bytes[2], bytes[3]]
    }
}
