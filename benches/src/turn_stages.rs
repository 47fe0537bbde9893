//! What the stages of a turn are called and what they may cost.
//!
//! Must not know how a turn is made or stamped.

use crate::report::Target;

/// Where a world's frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Nowhere: they end, and begin, as plaintext.
    Plaintext,
    /// Through TLS to a socket that takes everything.
    Tls,
    /// Through TLS to a socket of this machine.
    Loopback,
}

/// A stage between two stamps of a turn.
pub(crate) struct TurnStage {
    /// Its name in the report; the count of open orders follows.
    pub(crate) name: &'static str,
    /// The budget's figures up to 10,000 open orders, and beyond, where a look-up may cost what it
    /// may cost with a million. Sums where a stage is several of the budget's.
    pub(crate) targets: Option<[Target; 2]>,
}

const fn stage(name: &'static str, targets: Option<[Target; 2]>) -> TurnStage {
    TurnStage { name, targets }
}

const fn same(p50: u64, p99: u64) -> Option<[Target; 2]> {
    Some([Target::new(p50, p99), Target::new(p50, p99)])
}

/// Stages of a turn, in the order in which [`World::round`] stamps them.
pub(crate) const STAGES: [TurnStage; 11] = [
    // Slot in, plaintext frame out: the three below and what lies between them.
    stage(
        "order_to_plaintext",
        Some([Target::new(210, 470), Target::new(320, 770)]),
    ),
    // Slot's check, quota, room, risk, decisions applied.
    stage(
        "order_decide",
        Some([Target::new(85, 250), Target::new(195, 550)]),
    ),
    // Bytes made and committed.
    stage("order_journal", same(60, 120)),
    // Events' words, command's text, its hash, WebSocket frame.
    stage("order_encode", same(65, 100)),
    // To the end of the turn, with the journal entry about the sending.
    stage("order_turn", None),
    // Frame's payload in, event's words out.
    stage("fill_to_event", same(840, 1_700)),
    // Masking, the copy for the journal, the scan or simd-json, the report.
    stage("fill_decode", same(450, 700)),
    // With TLS alone, from here on. Slot in, bytes for the socket out.
    stage(
        "order_to_wire",
        Some([Target::new(470, 870), Target::new(580, 1_170)]),
    ),
    // One record sealed and given to the socket that takes everything.
    stage("order_seal", same(260, 400)),
    // A sealed record in memory in, event in the ring out.
    stage("wire_to_event", same(1_455, 2_330)),
    // Record opened, WebSocket header read.
    stage("fill_open", same(615, 930)),
];
/// Stages of a world without TLS.
const PLAINTEXT_STAGES: usize = 7;

impl Wire {
    /// The stages that a turn of such a world has.
    pub(crate) fn stages(self) -> &'static [TurnStage] {
        match self {
            Self::Plaintext => &STAGES[..PLAINTEXT_STAGES],
            Self::Tls | Self::Loopback => &STAGES,
        }
    }
}
