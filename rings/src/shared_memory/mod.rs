//! Rings between the engine and a strategy's process, over sealed shared memory.
//!
//! Owns: the layout, both ends, the two files of an attachment and the check whether the peer is
//! alive. Invariants: the peer is hostile: it may write any word of its own file at any moment,
//! and nothing else; what it writes ends in a valid copy or in [`RingCorrupt`], never in a panic,
//! a wait or an access outside the ring. Layout and orderings: `docs/RING_LAYOUT.md`.
//! Must not know: what a payload means. Threads: each end has one owner and is `Send`.

pub mod layout;
#[cfg(not(loom))]
pub mod pair;

pub mod producer;

pub mod consumer;

pub mod words;

pub mod heap_pair;

#[cfg(not(loom))]
#[expect(
    unsafe_code,
    reason = "the one place that turns mapped pages into atomic words"
)]
pub mod mapping;
#[cfg(not(loom))]
mod sealed_file;

pub mod liveness;

/// A shared ring held what no honest peer writes. The ring is dead from here on; both ends keep
/// answering with the first finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingCorrupt {
    /// The reader's published index moved back, or beyond what was written.
    #[error("read index {found} is outside {oldest}..={newest}")]
    HeadOutOfRange {
        /// The index in the peer's file.
        found: u64,
        /// The last good index.
        oldest: u64,
        /// Our own position.
        newest: u64,
    },
    /// A slot's stamp is neither ready nor empty for this lap.
    #[error(
        "slot of item {position} has stamp {found}, neither {expected_ready} nor {expected_empty}"
    )]
    StampOutOfRange {
        /// The item that was due.
        position: u64,
        /// The stamp in the slot.
        found: u64,
        /// The stamp of a readable slot.
        expected_ready: u64,
        /// The stamp of a slot still to be written.
        expected_empty: u64,
    },
    /// A slot's stamp changed while the slot was being copied.
    #[error("slot of item {position} changed while read: stamp {found}, expected {expected}")]
    SlotChanged {
        /// The item that was being read.
        position: u64,
        /// The stamp after the copy.
        found: u64,
        /// The stamp before the copy.
        expected: u64,
    },
}

/// Both ends that one side of an attachment holds.
#[derive(Debug)]
pub struct Ends<O, P> {
    /// Takes what the peer sends.
    pub incoming: consumer::Consumer<O, P>,
    /// Sends to the peer.
    pub outgoing: producer::Producer<O, P>,
}

impl<O: words::OwnWords + Clone, P: words::PeerWords + Clone> Ends<O, P> {
    /// `own` is this side's file with the outgoing slots, `peer` the other's with the incoming.
    fn new(own: O, peer: P, incoming_capacity: u64, outgoing_capacity: u64, start: u64) -> Self {
        Self {
            incoming: consumer::Consumer::over(own.clone(), peer.clone(), incoming_capacity, start),
            outgoing: producer::Producer::over(own, peer, outgoing_capacity, start),
        }
    }
}
