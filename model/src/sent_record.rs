//! The body of a `Sent` entry: when what one turn sent and published passed each boundary.
//!
//! `record version u8 | intents | frames`. Invariants: it is journaled after the turn's last write
//! and off every order's path; it is no input and never changes state, so a run that was cut before
//! one says less about time and nothing else. A moment of 0 was not reached.
//!
//! A boundary is stamped once and ends one stage where the next begins: the stages of an intent,
//! and those of a frame, add up to the whole. Must not know: clocks, and how stages are called.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes, put_list};
use crate::canonical_struct;
use crate::journal_record::RECORD_VERSION;
use crate::time::MonotonicNs;

/// When one input passed the boundaries that every input has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryMoments {
    /// When a request had been copied out of its ring and checked; 0 for any other input.
    pub taken_at: MonotonicNs,
    /// When the engine had decided.
    pub decided_at: MonotonicNs,
    /// When the entry was committed.
    pub committed_at: MonotonicNs,
    /// When its intents, which had to wait for the entry's sync, were let go; 0 when they had not.
    pub released_at: MonotonicNs,
}

/// When a frame came in, as far as its connection knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// When the socket had given the bytes that completed it.
    pub received_at: MonotonicNs,
    /// When they were decrypted.
    pub opened_at: MonotonicNs,
    /// When its reading began, after the frames of the same read that came before it.
    pub begun_at: MonotonicNs,
}

canonical_struct! {
    /// One intent on its way out.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SentStamp {
        /// The intent.
        pub intent_seq: u64,
        /// Sequence of the entry that holds the intent.
        pub entry_sequence: u64,
        /// 64-bit hash of the payload that was handed to TLS.
        pub payload_hash: u64,
        /// When its request had been taken from the ring; 0 when no request asked for it.
        pub taken_at: MonotonicNs,
        /// When the engine had decided.
        pub decided_at: MonotonicNs,
        /// When the entry was committed.
        pub committed_at: MonotonicNs,
        /// When it was let go after waiting for the entry's sync; 0 when it had not to wait.
        pub released_at: MonotonicNs,
        /// When the payload was encoded and framed.
        pub encoded_at: MonotonicNs,
        /// When the turn began to flush its connection.
        pub flushed_at: MonotonicNs,
        /// When TLS had sealed it: the bytes are handed to the kernel next.
        pub sealed_at: MonotonicNs,
        /// When the socket had taken the last byte; 0 = it is still in our backlog. A later `Sent`
        /// has the intent again once it left; if none does, its connection ended first.
        pub written_at: MonotonicNs,
    }
}

canonical_struct! {
    /// One frame on its way in.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FrameStamp {
        /// Sequence of the entry that holds the frame.
        pub entry_sequence: u64,
        /// When the socket had given the bytes that completed it.
        pub received_at: MonotonicNs,
        /// When they were decrypted.
        pub opened_at: MonotonicNs,
        /// When its reading began.
        pub begun_at: MonotonicNs,
        /// When it was masked, copied and decoded.
        pub decoded_at: MonotonicNs,
        /// When the engine had decided.
        pub decided_at: MonotonicNs,
        /// When the entry was committed.
        pub committed_at: MonotonicNs,
        /// When its last event was visible in a strategy's ring; 0 when it made none.
        pub published_at: MonotonicNs,
    }
}

/// What one turn sent and took in. Reused from turn to turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentRecord {
    /// Intents that were handed to TLS, or left our backlog, in this turn.
    pub intents: Vec<SentStamp>,
    /// Frames that were journaled in this turn.
    pub frames: Vec<FrameStamp>,
}

impl SentRecord {
    /// A record with room for so many stamps.
    pub fn with_capacity(intents: usize, frames: usize) -> Self {
        Self {
            intents: Vec::with_capacity(intents),
            frames: Vec::with_capacity(frames),
        }
    }

    /// True when there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.intents.is_empty() && self.frames.is_empty()
    }

    /// The most bytes that [`Self::put`] writes.
    pub fn bytes_max(&self) -> usize {
        let intents = self.intents.len().saturating_mul(size_of::<SentStamp>());
        let frames = self.frames.len().saturating_mul(size_of::<FrameStamp>());
        intents.saturating_add(frames).saturating_add(16)
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.intents.clear();
        self.frames.clear();
    }

    /// Writes the body of a `Sent` entry.
    pub fn put(&self, sink: &mut impl ByteSink) {
        sink.put(&[RECORD_VERSION]);
        put_list(&self.intents, sink);
        put_list(&self.frames, sink);
    }

    /// Reads the body of a `Sent` entry.
    ///
    /// # Errors
    /// [`BytesError`] when the bytes are not what [`Self::put`] writes.
    pub fn take(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut source = ByteSource::new(bytes);
        let version = u8::take(&mut source)?;
        if version != RECORD_VERSION {
            return Err(BytesError::Invalid {
                what: "record version",
                found: u64::from(version),
            });
        }
        let record = Self {
            intents: Vec::take(&mut source)?,
            frames: Vec::take(&mut source)?,
        };
        source.finish()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intent(first: u64) -> SentStamp {
        let at = |step: u64| MonotonicNs(first.wrapping_add(step));
        SentStamp {
            intent_seq: first,
            entry_sequence: first.wrapping_add(9),
            payload_hash: first.rotate_left(7),
            taken_at: at(1),
            decided_at: at(2),
            committed_at: at(3),
            released_at: at(4),
            encoded_at: at(5),
            flushed_at: at(6),
            sealed_at: at(7),
            written_at: at(8),
        }
    }

    fn frame(first: u64) -> FrameStamp {
        let at = |step: u64| MonotonicNs(first.wrapping_add(step));
        FrameStamp {
            entry_sequence: first,
            received_at: at(1),
            opened_at: at(2),
            begun_at: at(3),
            decoded_at: at(4),
            decided_at: at(5),
            committed_at: at(6),
            published_at: at(7),
        }
    }

    #[test]
    fn a_record_is_read_back_whole_and_cut_or_lengthened_bytes_are_refused() {
        let record = SentRecord {
            intents: vec![intent(5), intent(u64::MAX)],
            frames: vec![frame(77)],
        };
        let mut bytes = Vec::new();
        record.put(&mut bytes);
        assert!(bytes.len() <= record.bytes_max());
        assert_eq!(SentRecord::take(&bytes), Ok(record));
        for cut in 0..bytes.len() {
            assert!(SentRecord::take(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        bytes.push(0);
        assert_eq!(
            SentRecord::take(&bytes),
            Err(BytesError::Trailing { found: 1 })
        );
        bytes[0] = RECORD_VERSION + 1;
        assert!(SentRecord::take(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_whatever_is_read_is_written_back_the_same(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            if let Ok(record) = SentRecord::take(&bytes) {
                let mut again = Vec::new();
                record.put(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
