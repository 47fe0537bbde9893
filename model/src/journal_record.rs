//! A journal entry's body: one input, then everything that was decided on it.
//!
//! `record version u8 | input | decision count u16 | decisions`. The kind of the input is in the
//! entry's header, which the journal owns. A record that was written by this module is read back as
//! the same input and decisions, or the bytes are refused.

use crate::canonical_bytes::{
    ByteSink, ByteSource, BytesError, CanonicalBytes, put_list, take_list,
};
use crate::decision::Decision;
use crate::engine_config::EngineConfig;
use crate::execution_report::VenueReport;
use crate::identifiers::{LinkId, VenueId};
use crate::input::{Admission, EntryKind, Input, RequestInput};
use crate::reject_reason::RejectReason;

/// Version of the record layout.
pub const RECORD_VERSION: u8 = 1;
/// Most decisions of an entry other than an inbound frame.
pub const DECISIONS_MAX: usize = 64;
/// Largest raw frame that is journaled; the connection closes over anything larger.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

impl CanonicalBytes for Admission {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::Granted => sink.put(&[0]),
            Self::Refused(reason) => reason.put(sink),
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            0 => Ok(Self::Granted),
            number => {
                RejectReason::from_number(number)
                    .map(Self::Refused)
                    .ok_or(BytesError::Invalid {
                        what: "Admission",
                        found: u64::from(number),
                    })
            }
        }
    }
}

impl CanonicalBytes for RequestInput {
    fn put(&self, sink: &mut impl ByteSink) {
        self.strategy.put(sink);
        self.request_id.put(sink);
        self.written_at.put(sink);
        self.admission.put(sink);
        self.request.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            strategy: CanonicalBytes::take(source)?,
            request_id: CanonicalBytes::take(source)?,
            written_at: CanonicalBytes::take(source)?,
            admission: CanonicalBytes::take(source)?,
            request: CanonicalBytes::take(source)?,
        })
    }
}

/// Flag of a `VenueFrame` entry whose raw bytes are the [`frame_digest`] of the frame: the journal
/// was low on room. What was decoded of the frame is there as always.
pub const FLAG_RAW_IS_DIGEST: u16 = 1;

/// What stands for a frame's bytes when there is no room for them: hash and length.
pub fn frame_digest(raw: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    digest[..8].copy_from_slice(&payload_hash(raw).to_le_bytes());
    digest[8..].copy_from_slice(&length.to_le_bytes());
    digest
}

/// Writes an entry's body.
///
/// # Panics
/// If a frame or a list is longer than its bound; both are refused where they come in.
pub fn put_entry(input: &Input<'_>, decisions: &[Decision], sink: &mut impl ByteSink) {
    sink.put(&[RECORD_VERSION]);
    put_input(input, sink);
    put_list(decisions, sink);
}

fn put_input(input: &Input<'_>, sink: &mut impl ByteSink) {
    match input {
        Input::Request(request) => request.put(sink),
        Input::VenueFrame {
            venue,
            link,
            raw,
            reports,
        } => {
            venue.put(sink);
            link.put(sink);
            let length = u32::try_from(raw.len()).expect("frames are bounded by 64 KiB");
            length.put(sink);
            sink.put(raw);
            put_list(reports, sink);
        }
        Input::LinkChanged(change) => change.put(sink),
        Input::Timer => {}
        Input::Control(control) => control.put(sink),
        Input::ConfigApplied(config) => config.put(sink),
        Input::InstrumentApplied(instrument) => instrument.put(sink),
        Input::ReconFact(fact) => fact.put(sink),
        Input::StrategyAttached {
            strategy,
            generation,
        } => {
            strategy.put(sink);
            generation.put(sink);
        }
        Input::StrategyLost {
            strategy,
            generation,
            reason,
        } => {
            strategy.put(sink);
            generation.put(sink);
            reason.put(sink);
        }
        Input::UtcAnchor(anchor) => anchor.put(sink),
        Input::RoomRefused(run) => run.put(sink),
        Input::NotSent { intent_seq, reason } => {
            intent_seq.put(sink);
            reason.put(sink);
        }
        Input::RecoveryStarted(started) => started.put(sink),
    }
}

/// What an entry's body borrows from when it is read: lists need a home outside the input.
#[derive(Debug, Default)]
pub struct EntryBuffers {
    reports: Vec<VenueReport>,
    config: Option<EngineConfig>,
    /// The decisions of the entry that was read last.
    pub decisions: Vec<Decision>,
}

/// Reads an entry's body. The input borrows from `bytes` and `buffers`; decisions are in `buffers`.
///
/// # Errors
/// [`BytesError`] when the bytes are not what [`put_entry`] writes for this kind.
pub fn take_entry<'a>(
    kind: EntryKind,
    bytes: &'a [u8],
    buffers: &'a mut EntryBuffers,
) -> Result<(Input<'a>, &'a [Decision]), BytesError> {
    let mut source = ByteSource::new(bytes);
    let version = u8::take(&mut source)?;
    if version != RECORD_VERSION {
        return Err(BytesError::Invalid {
            what: "record version",
            found: u64::from(version),
        });
    }
    let EntryBuffers {
        reports,
        config,
        decisions,
    } = buffers;
    let input = take_input(kind, &mut source, reports, config)?;
    take_list(decisions, &mut source)?;
    source.finish()?;
    Ok((input, decisions))
}

fn take_input<'a>(
    kind: EntryKind,
    source: &mut ByteSource<'a>,
    reports: &'a mut Vec<VenueReport>,
    config: &'a mut Option<EngineConfig>,
) -> Result<Input<'a>, BytesError> {
    Ok(match kind {
        EntryKind::Request => Input::Request(CanonicalBytes::take(source)?),
        EntryKind::VenueFrame => {
            let venue = VenueId::take(source)?;
            let link = LinkId::take(source)?;
            let length = u32::take(source)?;
            let raw = source.take(usize::try_from(length).unwrap_or(usize::MAX))?;
            take_list(reports, source)?;
            Input::VenueFrame {
                venue,
                link,
                raw,
                reports,
            }
        }
        EntryKind::LinkChanged => Input::LinkChanged(CanonicalBytes::take(source)?),
        EntryKind::Timer => Input::Timer,
        EntryKind::Control => Input::Control(CanonicalBytes::take(source)?),
        EntryKind::ConfigApplied => {
            Input::ConfigApplied(config.insert(CanonicalBytes::take(source)?))
        }
        EntryKind::InstrumentApplied => Input::InstrumentApplied(CanonicalBytes::take(source)?),
        EntryKind::ReconFact => Input::ReconFact(CanonicalBytes::take(source)?),
        EntryKind::StrategyAttached => Input::StrategyAttached {
            strategy: CanonicalBytes::take(source)?,
            generation: CanonicalBytes::take(source)?,
        },
        EntryKind::StrategyLost => Input::StrategyLost {
            strategy: CanonicalBytes::take(source)?,
            generation: CanonicalBytes::take(source)?,
            reason: CanonicalBytes::take(source)?,
        },
        EntryKind::UtcAnchor => Input::UtcAnchor(CanonicalBytes::take(source)?),
        EntryKind::RoomRefused => Input::RoomRefused(CanonicalBytes::take(source)?),
        EntryKind::NotSent => Input::NotSent {
            intent_seq: CanonicalBytes::take(source)?,
            reason: CanonicalBytes::take(source)?,
        },
        EntryKind::RecoveryStarted => Input::RecoveryStarted(CanonicalBytes::take(source)?),
        EntryKind::LookupAnswer
        | EntryKind::SignatureDone
        | EntryKind::ReferencePrice
        | EntryKind::Sent
        | EntryKind::Checkpoint => {
            return Err(BytesError::Invalid {
                what: "input",
                found: u64::from(kind.number()),
            });
        }
    })
}

/// A 64-bit hash of an order command's payload, the same on every run and machine.
///
/// Shows that two payloads are the same bytes; it is no defence against somebody who wants two
/// payloads with one hash. Four words at a time, each in a chain of its own: a chain's next
/// multiplication waits for its last one.
pub fn payload_hash(payload: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, word: [u8; 8]| {
        let mixed = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
        mixed ^ (mixed >> 29)
    };
    let mut chains = [1, 2, 3, 4].map(|lane: u64| 0x6d69_6c6c_7275_6e00 | lane);
    let (words, rest) = payload.as_chunks::<8>();
    let (blocks, words) = words.as_chunks::<4>();
    for block in blocks {
        for (chain, word) in chains.iter_mut().zip(block) {
            *chain = step(*chain, *word);
        }
    }
    let [mut hash, second, third, fourth] = chains;
    for chain in [second, third, fourth] {
        hash = step(hash, chain.to_le_bytes());
    }
    for word in words {
        hash = step(hash, *word);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash = step(hash, last);
    let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    (hash ^ length).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests;
