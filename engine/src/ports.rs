//! What a turn needs from the world, as traits. The daemon implements them over real things, the
//! simulation over virtual ones; a turn is compiled for each, without a virtual call.
//!
//! The write-ahead rule is a type: [`Venues::send`] takes a [`Sendable`], only the gate makes one
//! ([`SendGate`]), and it takes the [`CommittedEntry`] that only an append to the journal gives.

pub use crate::send_gate::{SendGate, Sendable};

use model::control::Control;
use model::input::{Input, NotSentReason};
use model::request_slot::{BadSlot, CheckedRequest};
use model::sent_record::{Arrival, EntryMoments, SentRecord, SentStamp};
use model::{
    ClientOrderId, CommandKind, Decision, MonotonicNs, OrderEvent, OrderIntent, RejectReason,
    RequestId, StrategyId, VenueId,
};

/// Proof that an entry is in the journal.
pub trait CommittedEntry {
    /// The entry's sequence.
    fn sequence(&self) -> u64;
}

/// The journal takes no more entries: full without a spare segment, or failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalClosed;

/// How much the journal can still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalRoom {
    /// Enough for everything.
    Ample,
    /// Only what open orders still need: no new orders.
    Low,
    /// There is room, but what was written waits too long for the disk: no new orders until the
    /// sync catches up.
    Late,
    /// A sync failed, which is final: no new orders in this run.
    Failed,
}

/// Reads the moment at a boundary between two stages: for stamps only, never for a decision.
///
/// Cheap enough to be read some ten times an order, never before the turn's own `now`, and without
/// a jump within a turn, so that differences of stamps mean something.
pub trait StageClock {
    /// This moment.
    fn stamp(&self) -> MonotonicNs;
}

/// The write-ahead log, as a turn sees it.
pub trait IntentJournal {
    /// Proof of an append.
    type Committed: CommittedEntry;

    /// The sequence of the next entry.
    fn next_sequence(&self) -> u64;

    /// Whether new orders can be journaled: room beyond what `open_orders` open orders may still
    /// need, and a disk that keeps up.
    fn room(&mut self, now: MonotonicNs, open_orders: u32) -> JournalRoom;

    /// The last entry whose intents may be sent: all that are committed, or only what is synced.
    fn sendable_to(&self) -> u64;

    /// Appends an input with its decisions as one entry.
    ///
    /// # Errors
    /// [`JournalClosed`]: nothing was written, nothing may be sent, the engine must stop.
    fn append(
        &mut self,
        now: MonotonicNs,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<Self::Committed, JournalClosed>;

    /// Appends the stamps of what was sent and published in a turn.
    ///
    /// # Errors
    /// [`JournalClosed`] as above.
    fn append_sent(&mut self, now: MonotonicNs, record: &SentRecord) -> Result<(), JournalClosed>;
}

/// The venues' connections.
pub trait Venues {
    /// The next frame or connection change; `None` when nothing is waiting.
    fn next_input(&mut self, now: MonotonicNs, clock: &impl StageClock) -> Option<Input<'_>>;

    /// When the frame that [`Self::next_input`] gave last came in.
    fn arrival(&self) -> Arrival;

    /// Whether a command can go to the venue now.
    ///
    /// # Errors
    /// `VENUE_DOWN` or `VENUE_BUSY`.
    fn can_send(&self, venue: VenueId) -> Result<(), RejectReason>;

    /// Encodes a command and puts it behind what waits for its connection.
    ///
    /// # Errors
    /// Why no byte of it can leave.
    fn send(
        &mut self,
        sendable: &Sendable,
        venue: VenueId,
        intent: &OrderIntent,
        moments: &EntryMoments,
        clock: &impl StageClock,
    ) -> Result<(), NotSentReason>;

    /// Takes back what still waits in plaintext and is barred now, and limits how long what is
    /// sealed already may take to leave: a kill latch was closed. What was taken back comes as
    /// [`Input::NotSent`] inputs.
    fn withdraw(
        &mut self,
        now: MonotonicNs,
        is_barred: impl Fn(ClientOrderId, CommandKind) -> bool,
    );

    /// Writes what waits, one write per connection; adds a stamp for each intent that was handed to
    /// TLS, and for each earlier one that only now has left.
    fn flush(&mut self, clock: &impl StageClock, stamps: &mut Vec<SentStamp>);
}

/// What a strategy's ring held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// A request of good form.
    Request(CheckedRequest),
    /// A slot that is none.
    Bad(BadSlot),
}

/// The strategies' rings.
pub trait Strategies {
    /// The next attachment or loss; `None` when nothing is waiting.
    fn next_input(&mut self, now: MonotonicNs) -> Option<Input<'_>>;

    /// How many strategies there are; their ids are `0..count`.
    fn count(&self) -> u16;

    /// Takes the strategy's next request, if it has one and there is room for its answer.
    fn next_request(&mut self, strategy: StrategyId) -> Option<Incoming>;

    /// True when there is room for the events of one more order.
    fn has_event_room(&mut self, strategy: StrategyId) -> bool;

    /// Publishes an event. A full ring is closed at this event: the strategy attaches anew.
    fn publish(&mut self, strategy: StrategyId, event: &OrderEvent);

    /// The attachment is journaled: events from `next_event_seq` on go to its ring.
    fn attached(&mut self, attached: Attached);
}

/// An attachment that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Who.
    pub strategy: StrategyId,
    /// The attachment's number.
    pub generation: u64,
    /// The entry that holds it.
    pub sequence: u64,
    /// Number of the first event that goes to the new ring.
    pub next_event_seq: u64,
    /// The highest request id that the journal holds.
    pub last_request_id: RequestId,
}

/// Everything else that comes in: facts, clocks, operators; and the way out to the cold side.
pub trait Messages {
    /// The next order of a person or of the daemon. Asked before anything else of a turn: this read
    /// is the moment from which a kill holds.
    fn next_control(&mut self) -> Option<Control>;

    /// The next input; `None` when nothing is waiting.
    fn next_input(&mut self, now: MonotonicNs) -> Option<Input<'_>>;

    /// An entry was committed: the cold side may read it. Never waits.
    fn committed(&mut self, sequence: u64);
}
