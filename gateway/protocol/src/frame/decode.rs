//! Server frames, read from bytes in any pieces.
//!
//! A frame that is a whole message is lent from the receive buffer without a copy; fragments are
//! gathered in a second buffer. Both are allocated once.
//! Invariants: the result depends on the bytes alone, not on how they were cut; after an error the
//! reader repeats it, after a close frame it gives nothing more, and both discard what follows.
//! Must not know: sockets, what a payload says. Threads: none.

use std::ops::Range;

use super::{Frame, FrameError, FrameKind, MAX_CONTROL_BYTES, MAX_FRAGMENTS};

/// Longest header of a server frame in bytes: 2 and a 64-bit length.
const MAX_HEADER_BYTES: usize = 10;

/// Free bytes that [`FrameReader::feed_space`] gives at least once the reader was emptied: one
/// TLS record's plaintext.
pub const FEED_BYTES: usize = 16_384;

/// Reads the frames of one link.
#[derive(Debug)]
pub struct FrameReader {
    /// Received bytes; `start..end` are not yet given out.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The fragmented message so far; a lent one stays until the next call.
    message: Box<[u8]>,
    message_bytes: usize,
    /// Kind of the message being continued.
    continued: Option<FrameKind>,
    fragments: u32,
    limit_bytes: usize,
    state: ReaderState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReaderState {
    Open,
    CloseReceived,
    Failed(FrameError),
}

/// A parsed frame header. `kind` is `None` for a continuation.
struct Header {
    is_final: bool,
    kind: Option<FrameKind>,
    header_bytes: usize,
    payload_bytes: usize,
}

/// What one frame led to.
enum Step {
    NeedMore,
    FragmentKept,
    InPlace {
        kind: FrameKind,
        payload: Range<usize>,
    },
    Reassembled {
        kind: FrameKind,
    },
}

impl FrameReader {
    /// Makes a reader for messages of at most `limit_bytes`; allocates twice that and a little.
    pub fn new(limit_bytes: usize) -> Self {
        // A control frame may arrive inside a message, whatever its limit is.
        let largest_bytes = limit_bytes.max(MAX_CONTROL_BYTES);
        let capacity_bytes = largest_bytes + MAX_HEADER_BYTES + FEED_BYTES;
        Self {
            buffer: vec![0; capacity_bytes].into_boxed_slice(),
            start: 0,
            end: 0,
            message: vec![0; limit_bytes].into_boxed_slice(),
            message_bytes: 0,
            continued: None,
            fragments: 0,
            limit_bytes,
            state: ReaderState::Open,
        }
    }

    /// Forgets everything received, for a new link; the memory stays.
    pub fn reset(&mut self) {
        (self.start, self.end) = (0, 0);
        self.message_bytes = 0;
        self.continued = None;
        self.fragments = 0;
        self.state = ReaderState::Open;
    }

    /// Where received bytes are to be put: at least [`FEED_BYTES`] when [`Self::next`] gave `None`
    /// or an error before; then call [`Self::advance`].
    pub fn feed_space(&mut self) -> &mut [u8] {
        if self.state != ReaderState::Open || self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 && self.buffer.len() - self.end < FEED_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// Says that the first `received_bytes` of [`Self::feed_space`] were filled.
    ///
    /// # Panics
    /// When that is more than the space given.
    pub fn advance(&mut self, received_bytes: usize) {
        assert!(
            received_bytes <= self.buffer.len() - self.end,
            "advance beyond the feed space"
        );
        self.end += received_bytes;
    }

    /// The next message or control frame; `None` when more bytes are needed, and after a close
    /// frame. Call until `None` before feeding again.
    ///
    /// # Errors
    /// The first breach of the protocol, and the same again at every later call.
    #[expect(
        clippy::should_implement_trait,
        reason = "lends its buffer, which no Iterator can"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        match self.state {
            ReaderState::Open => {}
            ReaderState::CloseReceived => return Ok(None),
            ReaderState::Failed(error) => return Err(error),
        }
        let step = loop {
            match self.step() {
                Ok(Step::FragmentKept) => {}
                Ok(step) => break step,
                Err(error) => {
                    self.state = ReaderState::Failed(error);
                    return Err(error);
                }
            }
        };
        Ok(match step {
            Step::NeedMore | Step::FragmentKept => None,
            Step::InPlace { kind, payload } => Some(Frame {
                kind,
                payload: &mut self.buffer[payload],
            }),
            Step::Reassembled { kind } => Some(Frame {
                kind,
                payload: &mut self.message[..self.message_bytes],
            }),
        })
    }

    /// Whether the peer's close frame was given out; nothing follows it.
    pub fn is_closed(&self) -> bool {
        self.state == ReaderState::CloseReceived
    }

    /// Takes one frame off the buffer, if it is there as a whole.
    fn step(&mut self) -> Result<Step, FrameError> {
        let Some(header) = self.parse_header()? else {
            return Ok(Step::NeedMore);
        };
        let payload_at = self.start + header.header_bytes;
        if self.end - payload_at < header.payload_bytes {
            return Ok(Step::NeedMore);
        }
        let payload = payload_at..payload_at + header.payload_bytes;
        self.start = payload.end;
        match header.kind {
            Some(kind) if kind.is_control() => {
                if kind == FrameKind::Close {
                    check_close(&self.buffer[payload.clone()])?;
                    self.state = ReaderState::CloseReceived;
                }
                Ok(Step::InPlace { kind, payload })
            }
            Some(kind) if header.is_final => {
                check_text(kind, &self.buffer[payload.clone()])?;
                Ok(Step::InPlace { kind, payload })
            }
            Some(kind) => {
                self.message_bytes = 0;
                self.fragments = 0;
                self.continued = Some(kind);
                self.keep_fragment(payload)?;
                Ok(Step::FragmentKept)
            }
            None => self.continue_message(payload, header.is_final),
        }
    }

    /// Adds a continuation; gives the message out when it was the last one.
    fn continue_message(
        &mut self,
        payload: Range<usize>,
        is_final: bool,
    ) -> Result<Step, FrameError> {
        let kind = self.continued.ok_or(FrameError::UnexpectedContinuation)?;
        self.keep_fragment(payload)?;
        if !is_final {
            return Ok(Step::FragmentKept);
        }
        self.continued = None;
        check_text(kind, &self.message[..self.message_bytes])?;
        Ok(Step::Reassembled { kind })
    }

    /// Copies a fragment behind the message so far. Its length was checked with its header.
    fn keep_fragment(&mut self, payload: Range<usize>) -> Result<(), FrameError> {
        self.fragments += 1;
        if self.fragments > MAX_FRAGMENTS {
            return Err(FrameError::TooManyFragments);
        }
        let message_end = self.message_bytes + payload.len();
        self.message[self.message_bytes..message_end].copy_from_slice(&self.buffer[payload]);
        self.message_bytes = message_end;
        Ok(())
    }

    /// Parses and judges the header at `start`; `None` while it is incomplete.
    fn parse_header(&self) -> Result<Option<Header>, FrameError> {
        let received = &self.buffer[self.start..self.end];
        let [first, second, extended @ ..] = received else {
            return Ok(None);
        };
        let is_final = first & 0x80 != 0;
        let kind = self.check_first_bytes(*first, *second)?;
        let (header_bytes, payload_bytes) = match second & 0x7F {
            126 => {
                let Some(length) = extended.first_chunk::<2>() else {
                    return Ok(None);
                };
                let payload_bytes = u64::from(u16::from_be_bytes(*length));
                if payload_bytes < 126 {
                    return Err(FrameError::NonMinimalLength {
                        found_bytes: payload_bytes,
                    });
                }
                (4, payload_bytes)
            }
            127 => {
                let Some(length) = extended.first_chunk::<8>() else {
                    return Ok(None);
                };
                let payload_bytes = u64::from_be_bytes(*length);
                if payload_bytes >> 63 != 0 {
                    return Err(FrameError::LengthHighBit);
                }
                if payload_bytes <= u64::from(u16::MAX) {
                    return Err(FrameError::NonMinimalLength {
                        found_bytes: payload_bytes,
                    });
                }
                (10, payload_bytes)
            }
            short => (2, u64::from(short)),
        };
        let payload_bytes = self.check_length(kind, payload_bytes)?;
        Ok(Some(Header {
            is_final,
            kind,
            header_bytes,
            payload_bytes,
        }))
    }

    /// Judges the first two bytes of a frame; gives its kind, `None` for a continuation.
    fn check_first_bytes(&self, first: u8, second: u8) -> Result<Option<FrameKind>, FrameError> {
        let reserved = (first >> 4) & 0x7;
        if reserved != 0 {
            return Err(FrameError::ReservedBits { found: reserved });
        }
        let kind = match first & 0x0F {
            0x0 => None,
            0x1 => Some(FrameKind::Text),
            0x2 => Some(FrameKind::Binary),
            0x8 => Some(FrameKind::Close),
            0x9 => Some(FrameKind::Ping),
            0xA => Some(FrameKind::Pong),
            found => return Err(FrameError::ReservedOpcode { found }),
        };
        if second & 0x80 != 0 {
            return Err(FrameError::MaskedServerFrame);
        }
        match kind {
            Some(kind) if kind.is_control() => {
                if first & 0x80 == 0 {
                    return Err(FrameError::FragmentedControl);
                }
                if usize::from(second & 0x7F) > MAX_CONTROL_BYTES {
                    return Err(FrameError::ControlTooLong);
                }
            }
            Some(_) if self.continued.is_some() => return Err(FrameError::InterleavedMessage),
            None if self.continued.is_none() => return Err(FrameError::UnexpectedContinuation),
            Some(_) | None => {}
        }
        Ok(kind)
    }

    /// Refuses a message over the limit as soon as its length is announced.
    fn check_length(&self, kind: Option<FrameKind>, frame_bytes: u64) -> Result<usize, FrameError> {
        let limit_bytes = self.limit_bytes;
        let (before_bytes, limited) = match kind {
            None => (self.message_bytes, true),
            Some(kind) => (0, !kind.is_control()),
        };
        let found_bytes = frame_bytes.saturating_add(before_bytes as u64);
        if limited && found_bytes > limit_bytes as u64 {
            return Err(FrameError::MessageTooLong {
                found_bytes,
                limit_bytes,
            });
        }
        // At most the limit, or 125: it fits.
        Ok(frame_bytes as usize)
    }
}

/// Refuses a text message that is not UTF-8.
fn check_text(kind: FrameKind, payload: &[u8]) -> Result<(), FrameError> {
    if kind == FrameKind::Text && std::str::from_utf8(payload).is_err() {
        return Err(FrameError::InvalidUtf8);
    }
    Ok(())
}

/// Refuses a close payload that RFC 6455, 7.4 and the IANA registry of codes do not allow.
fn check_close(payload: &[u8]) -> Result<(), FrameError> {
    let (code, reason) = match payload {
        [] => return Ok(()),
        [_] => return Err(FrameError::CloseTruncated),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        found => return Err(FrameError::CloseCodeInvalid { found }),
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(FrameError::InvalidUtf8);
    }
    Ok(())
}
