//! An entry's body as values, or an error that names the entry.
//!
//! Owns: which kinds have a body that this version reads. Invariant: whatever the bytes are,
//! nothing panics. Must not know: how a body is shown. Threads: any.

use journal::Entry;
use model::journal_record::{EntryBuffers, RECORD_VERSION, take_entry};
use model::sent_record::SentRecord;
use model::{Decision, Input, input::EntryKind};

use crate::failure::ReplayError;

/// What an entry holds.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(crate) enum Body<'a> {
    /// An input and what was decided on it.
    Input(Input<'a>, &'a [Decision]),
    /// When a turn's intents left and its frames came.
    Sent(SentRecord),
    /// A kind that is reserved: its bytes have no reader in this version.
    Opaque(&'a [u8]),
}

/// The kind of an entry.
pub(crate) fn kind_of(entry: &Entry<'_>) -> Result<EntryKind, ReplayError> {
    let kind = u8::try_from(entry.kind)
        .ok()
        .and_then(EntryKind::from_number);
    kind.ok_or(ReplayError::UnknownKind {
        sequence: entry.sequence,
        found: entry.kind,
    })
}

/// Reads an entry's body.
pub(crate) fn read<'a>(
    kind: EntryKind,
    entry: &Entry<'a>,
    buffers: &'a mut EntryBuffers,
) -> Result<Body<'a>, ReplayError> {
    match kind {
        EntryKind::LookupAnswer
        | EntryKind::SignatureDone
        | EntryKind::ReferencePrice
        | EntryKind::Checkpoint => return Ok(Body::Opaque(entry.body)),
        _ => {}
    }
    if let Some(&found) = entry.body.first().filter(|found| **found != RECORD_VERSION) {
        let (sequence, expected) = (entry.sequence, RECORD_VERSION);
        return Err(ReplayError::RecordVersion {
            sequence,
            found,
            expected,
        });
    }
    let body = if kind == EntryKind::Sent {
        SentRecord::take(entry.body).map(Body::Sent)
    } else {
        take_entry(kind, entry.body, buffers).map(|(input, made)| Body::Input(input, made))
    };
    body.map_err(|source| ReplayError::UnreadableRecord {
        sequence: entry.sequence,
        kind,
        segment_index: entry.place.segment_index,
        offset_bytes: entry.place.offset_bytes,
        source,
    })
}
