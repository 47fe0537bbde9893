//! Every WebSocket frame (RFC 6455) that crosses a venue link: kinds, limits and errors.
//!
//! Owns the client side of the framing: `encode` writes masked frames in place, `decode` reads
//! server frames from bytes that arrive in any pieces. No extension is ever offered, so a reserved
//! bit is always an error and no compressed data can arrive.
//! Invariants: memory is fixed when a reader or a batch is made; no input makes it grow or panic.
//! Must not know: sockets, TLS, JSON, venues, clocks. Masking keys come from a seeded sequence.
//! Threads: none; a value belongs to the thread that drives its link.

pub mod decode;
pub mod encode;
pub mod mask;

use std::fmt;

pub use decode::FrameReader;
pub use encode::{EncodeError, FrameBatch, encode_close_payload, encode_frame};
pub use mask::MaskSequence;

/// Largest payload of one message in bytes, in either direction.
pub const MAX_PAYLOAD_BYTES: usize = 65_536;

/// Largest payload of a ping, pong or close frame in bytes (RFC 6455, 5.5).
pub const MAX_CONTROL_BYTES: usize = 125;

/// Most fragments that one message may have; a peer that sends more is closed with 1009.
pub const MAX_FRAGMENTS: u32 = 4_096;

/// What a complete message or control frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A text message; its payload is valid UTF-8.
    Text,
    /// A binary message.
    Binary,
    /// A ping; the answer is a pong with the same payload.
    Ping,
    /// A pong, asked for or not.
    Pong,
    /// The peer's last frame.
    Close,
}

impl FrameKind {
    /// The opcode on the wire (RFC 6455, 5.2).
    pub const fn opcode(self) -> u8 {
        match self {
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether the frame is a control frame: at most 125 bytes, never fragmented.
    pub const fn is_control(self) -> bool {
        match self {
            Self::Text | Self::Binary => false,
            Self::Ping | Self::Pong | Self::Close => true,
        }
    }
}

/// One complete message or control frame, lent from the reader's buffer until its next call.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: FrameKind,
    /// Its bytes; they may be rewritten in place, the reader does not look at them again.
    pub payload: &'a mut [u8],
}

impl Frame<'_> {
    /// The status code of a close frame; `None` when it has none or the frame is no close frame.
    pub fn close_code(&self) -> Option<u16> {
        match (self.kind, &*self.payload) {
            (FrameKind::Close, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The reason text of a close frame; empty when it has none or the frame is no close frame.
    pub fn close_reason(&self) -> &str {
        match (self.kind, &*self.payload) {
            (FrameKind::Close, [_, _, reason @ ..]) => std::str::from_utf8(reason).unwrap_or(""),
            _ => "",
        }
    }
}

/// Why the peer's bytes cannot be read on. The reader stays in this error; the link is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// RSV bits are set although no extension was agreed.
    ReservedBits {
        /// The three bits, RSV1 as 4.
        found: u8,
    },
    /// The opcode has no meaning in RFC 6455.
    ReservedOpcode {
        /// The opcode found.
        found: u8,
    },
    /// A server frame is masked.
    MaskedServerFrame,
    /// A control frame is not final.
    FragmentedControl,
    /// A control frame is longer than 125 bytes.
    ControlTooLong,
    /// The length is not encoded in the least number of bytes.
    NonMinimalLength {
        /// The length found.
        found_bytes: u64,
    },
    /// The 64-bit length has its highest bit set.
    LengthHighBit,
    /// A continuation frame arrived with no message to continue.
    UnexpectedContinuation,
    /// A new message began before the fragmented one was complete.
    InterleavedMessage,
    /// A close frame's payload is one byte long.
    CloseTruncated,
    /// A close frame carries a code that must not be on the wire.
    CloseCodeInvalid {
        /// The code found.
        found: u16,
    },
    /// A text message or a close reason is not UTF-8.
    InvalidUtf8,
    /// A message is longer than the reader's limit.
    MessageTooLong {
        /// The bytes of the message so far, with the frame just announced.
        found_bytes: u64,
        /// The limit given to the reader.
        limit_bytes: usize,
    },
    /// A message has more than [`MAX_FRAGMENTS`] fragments.
    TooManyFragments,
}

impl FrameError {
    /// The status code for our close frame (RFC 6455, 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::ReservedBits { .. }
            | Self::ReservedOpcode { .. }
            | Self::MaskedServerFrame
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::NonMinimalLength { .. }
            | Self::LengthHighBit
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::CloseTruncated
            | Self::CloseCodeInvalid { .. } => 1002,
            Self::InvalidUtf8 => 1007,
            Self::MessageTooLong { .. } | Self::TooManyFragments => 1009,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits { found } => {
                write!(f, "reserved bits {found:#05b} are set, expected 0")
            }
            Self::ReservedOpcode { found } => write!(f, "opcode {found:#x} is reserved"),
            Self::MaskedServerFrame => f.write_str("server frame is masked"),
            Self::FragmentedControl => f.write_str("control frame is fragmented"),
            Self::ControlTooLong => {
                write!(f, "control frame is longer than {MAX_CONTROL_BYTES} bytes")
            }
            Self::NonMinimalLength { found_bytes } => {
                write!(
                    f,
                    "length {found_bytes} is not encoded in the least number of bytes"
                )
            }
            Self::LengthHighBit => f.write_str("64-bit length has its highest bit set"),
            Self::UnexpectedContinuation => f.write_str("continuation without a message"),
            Self::InterleavedMessage => f.write_str("message inside a fragmented message"),
            Self::CloseTruncated => f.write_str("close payload of one byte"),
            Self::CloseCodeInvalid { found } => {
                write!(f, "close code {found} must not be on the wire")
            }
            Self::InvalidUtf8 => f.write_str("text is not valid UTF-8"),
            Self::MessageTooLong {
                found_bytes,
                limit_bytes,
            } => {
                write!(
                    f,
                    "message of at least {found_bytes} bytes, limit {limit_bytes}"
                )
            }
            Self::TooManyFragments => write!(f, "message has over {MAX_FRAGMENTS} fragments"),
        }
    }
}

impl std::error::Error for FrameError {}
