//! Client frames: header and mask written in place, without allocation.
//!
//! [`FrameBatch`] gathers the frames of one turn behind each other, so that they enter TLS as one
//! record. The payload is written straight into the batch, then `finish_frame` puts the header
//! before it and masks it.
//! Invariants: each frame is final, masked, its length in the least number of bytes; a refused
//! frame leaves the batch as it was. Must not know: what a payload says. Threads: none.

use std::fmt;
use std::ops::Range;

use super::mask::apply_mask;
use super::{FrameKind, MAX_CONTROL_BYTES, MAX_PAYLOAD_BYTES};

/// Longest header of a client frame in bytes: 2, a 64-bit length, the masking key.
pub const MAX_HEADER_BYTES: usize = 14;

/// Room left before a payload that is still being written: the header of 126 to 65,535 bytes.
const HEADROOM_BYTES: usize = 8;

/// Why a frame was not written. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A control payload is over 125 bytes.
    ControlTooLong {
        /// The payload's length.
        found_bytes: usize,
    },
    /// A payload is over [`MAX_PAYLOAD_BYTES`].
    PayloadTooLong {
        /// The payload's length.
        found_bytes: usize,
    },
    /// The frame does not fit into what is left of the buffer.
    NoRoom {
        /// Bytes of the frame with its header.
        needed_bytes: usize,
        /// Bytes left.
        free_bytes: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlTooLong { found_bytes } => write!(
                f,
                "control payload of {found_bytes} bytes, at most {MAX_CONTROL_BYTES} allowed"
            ),
            Self::PayloadTooLong { found_bytes } => {
                write!(
                    f,
                    "payload of {found_bytes} bytes, at most {MAX_PAYLOAD_BYTES} allowed"
                )
            }
            Self::NoRoom {
                needed_bytes,
                free_bytes,
            } => {
                write!(f, "frame of {needed_bytes} bytes, {free_bytes} left")
            }
        }
    }
}

impl std::error::Error for EncodeError {}

/// Frames of one turn, contiguous, in a buffer that never grows.
#[derive(Debug)]
pub struct FrameBatch {
    buffer: Box<[u8]>,
    filled_bytes: usize,
}

impl FrameBatch {
    /// Makes an empty batch for `capacity_bytes` of frames; the only allocation.
    pub fn new(capacity_bytes: usize) -> Self {
        Self {
            buffer: vec![0; capacity_bytes].into_boxed_slice(),
            filled_bytes: 0,
        }
    }

    /// Where the next payload is written; empty when not even a header fits. What is written
    /// counts only after [`Self::finish_frame`].
    pub fn payload_space(&mut self) -> &mut [u8] {
        let start = (self.filled_bytes + HEADROOM_BYTES).min(self.buffer.len());
        &mut self.buffer[start..]
    }

    /// Makes the first `payload_bytes` of [`Self::payload_space`] a frame; gives its place in
    /// [`Self::bytes`]. A text payload must be UTF-8: the caller's templates are.
    pub fn finish_frame(
        &mut self,
        kind: FrameKind,
        payload_bytes: usize,
        mask_key: [u8; 4],
    ) -> Result<Range<usize>, EncodeError> {
        let frame_bytes = self.check(kind, payload_bytes)?;
        let written_at = self.filled_bytes + HEADROOM_BYTES;
        let written_end = written_at + payload_bytes;
        if written_end > self.buffer.len() {
            return Err(EncodeError::NoRoom {
                needed_bytes: HEADROOM_BYTES + payload_bytes,
                free_bytes: self.buffer.len() - self.filled_bytes,
            });
        }
        let payload_at = self.filled_bytes + header_bytes(payload_bytes);
        if payload_at != written_at {
            self.buffer.copy_within(written_at..written_end, payload_at);
        }
        Ok(self.seal(kind, payload_bytes, frame_bytes, mask_key))
    }

    /// Copies `payload` into a frame; gives its place in [`Self::bytes`].
    pub fn push(
        &mut self,
        kind: FrameKind,
        payload: &[u8],
        mask_key: [u8; 4],
    ) -> Result<Range<usize>, EncodeError> {
        let frame_bytes = self.check(kind, payload.len())?;
        let payload_at = self.filled_bytes + header_bytes(payload.len());
        self.buffer[payload_at..payload_at + payload.len()].copy_from_slice(payload);
        Ok(self.seal(kind, payload.len(), frame_bytes, mask_key))
    }

    /// Takes a whole frame out again; those behind it move up.
    ///
    /// # Panics
    /// When the place is not within [`Self::bytes`].
    pub fn take_out(&mut self, place: Range<usize>) {
        assert!(
            place.start <= place.end && place.end <= self.filled_bytes,
            "a frame that is taken out is in the batch"
        );
        self.buffer
            .copy_within(place.end..self.filled_bytes, place.start);
        self.filled_bytes -= place.len();
    }

    /// All frames of the batch, ready for the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled_bytes]
    }

    /// Bytes left for frames, their headers included.
    pub fn free_bytes(&self) -> usize {
        self.buffer.len() - self.filled_bytes
    }

    /// Whether no frame was written since the last [`Self::clear`].
    pub fn is_empty(&self) -> bool {
        self.filled_bytes == 0
    }

    /// Forgets all frames; the memory stays.
    pub fn clear(&mut self) {
        self.filled_bytes = 0;
    }

    /// The bytes of the whole frame, if it is lawful and fits.
    fn check(&self, kind: FrameKind, payload_bytes: usize) -> Result<usize, EncodeError> {
        let needed_bytes = checked_frame_bytes(kind, payload_bytes)?;
        let free_bytes = self.free_bytes();
        if needed_bytes > free_bytes {
            return Err(EncodeError::NoRoom {
                needed_bytes,
                free_bytes,
            });
        }
        Ok(needed_bytes)
    }

    /// Writes the header before a payload that is in its final place, masks it, counts the frame.
    fn seal(
        &mut self,
        kind: FrameKind,
        payload_bytes: usize,
        frame_bytes: usize,
        mask_key: [u8; 4],
    ) -> Range<usize> {
        let place = self.filled_bytes..self.filled_bytes + frame_bytes;
        seal_frame(
            kind,
            &mut self.buffer[place.clone()],
            payload_bytes,
            mask_key,
        );
        self.filled_bytes = place.end;
        place
    }
}

/// Writes one masked frame to the start of `out`; gives its length in bytes.
pub fn encode_frame(
    kind: FrameKind,
    payload: &[u8],
    mask_key: [u8; 4],
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let needed_bytes = checked_frame_bytes(kind, payload.len())?;
    if needed_bytes > out.len() {
        return Err(EncodeError::NoRoom {
            needed_bytes,
            free_bytes: out.len(),
        });
    }
    let frame = &mut out[..needed_bytes];
    frame[header_bytes(payload.len())..].copy_from_slice(payload);
    seal_frame(kind, frame, payload.len(), mask_key);
    Ok(needed_bytes)
}

/// Writes the payload of a close frame; gives its length. A reason over 123 bytes is cut at a
/// character's end.
pub fn encode_close_payload(code: u16, reason: &str, out: &mut [u8; MAX_CONTROL_BYTES]) -> usize {
    let reason_bytes = reason.floor_char_boundary(MAX_CONTROL_BYTES - 2);
    out[..2].copy_from_slice(&code.to_be_bytes());
    out[2..2 + reason_bytes].copy_from_slice(&reason.as_bytes()[..reason_bytes]);
    2 + reason_bytes
}

/// Bytes of a client frame's header, masking key included.
pub const fn header_bytes(payload_bytes: usize) -> usize {
    if payload_bytes <= 125 {
        6
    } else if payload_bytes <= u16::MAX as usize {
        8
    } else {
        MAX_HEADER_BYTES
    }
}

/// The frame's length in bytes, or why it may not be sent at all.
fn checked_frame_bytes(kind: FrameKind, payload_bytes: usize) -> Result<usize, EncodeError> {
    if kind.is_control() && payload_bytes > MAX_CONTROL_BYTES {
        return Err(EncodeError::ControlTooLong {
            found_bytes: payload_bytes,
        });
    }
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return Err(EncodeError::PayloadTooLong {
            found_bytes: payload_bytes,
        });
    }
    Ok(header_bytes(payload_bytes) + payload_bytes)
}

/// Writes the header of `frame`, whose payload is its last `payload_bytes`, and masks the payload.
fn seal_frame(kind: FrameKind, frame: &mut [u8], payload_bytes: usize, mask_key: [u8; 4]) {
    const FINAL: u8 = 0x80;
    const MASKED: u8 = 0x80;
    let (header, payload) = frame.split_at_mut(header_bytes(payload_bytes));
    header[0] = FINAL | kind.opcode();
    match header.len() {
        6 => header[1] = MASKED | payload_bytes as u8,
        8 => {
            header[1] = MASKED | 126;
            header[2..4].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            header[1] = MASKED | 127;
            header[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    let key_at = header.len() - 4;
    header[key_at..].copy_from_slice(&mask_key);
    apply_mask(payload, mask_key);
}
