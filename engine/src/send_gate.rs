//! The gate between the journal and the wire: when a committed entry's intents may be sent.
//!
//! [`Sendable`] is made here only, and only of an entry that was committed; where the journal asks
//! for it (mode `strict`), only once the entry is on the disk. Until then a new order or a replace
//! is parked. Invariants: the intents of one venue leave in the order of their entries, but for
//! cancels, which never wait; what is parked is bounded; an intent that a cancel made pointless is
//! never sent. What is parked is not the engine's state: a process that dies has not sent it.

use crate::ports::CommittedEntry;
use model::input::NotSentReason;
use model::sent_record::EntryMoments;
use model::{CommandKind, MonotonicNs, OrderIntent, VenueId};
use std::collections::VecDeque;

/// Proof that an entry's intents may go to the wire.
#[derive(Debug)]
pub struct Sendable {
    sequence: u64,
}

impl Sendable {
    /// The entry that holds the intents.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// An entry on its way through the gate.
#[derive(Debug)]
pub struct EntryPass {
    sequence: u64,
    is_open: bool,
}

/// What the gate says to one intent.
#[derive(Debug)]
pub enum Passage {
    /// It goes now.
    Open(Sendable),
    /// It waits for its entry's sync.
    Parked,
    /// It has nothing left to do: it cancels an order of which nothing was sent.
    Pointless,
}

/// A command that waits for its entry to be on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParkedIntent {
    /// The entry that holds it.
    pub entry_sequence: u64,
    /// The command.
    pub intent: OrderIntent,
    /// When the request behind it was written.
    pub written_at: MonotonicNs,
    /// Its entry's stamps.
    pub moments: EntryMoments,
}

/// When a committed entry's intents may be sent.
#[derive(Debug)]
pub struct SendGate {
    passed: u64,
    parked: usize,
    parked_max: usize,
    /// At the place of the venue's id.
    queues: Vec<VecDeque<ParkedIntent>>,
}

impl SendGate {
    /// A gate for so many venues, at which at most `parked_max` commands wait together.
    pub fn new(venues: usize, parked_max: usize) -> Self {
        let queue = || VecDeque::with_capacity(parked_max);
        Self {
            passed: 0,
            parked: 0,
            parked_max,
            queues: (0..venues).map(|_| queue()).collect(),
        }
    }

    /// Brings an entry to the gate; `sendable_to` is the last entry whose intents may be sent.
    ///
    /// # Panics
    /// When an entry comes twice or too late.
    pub fn enter(&mut self, committed: &impl CommittedEntry, sendable_to: u64) -> EntryPass {
        let sequence = committed.sequence();
        assert!(
            sequence > self.passed,
            "entries pass the gate once, in their order"
        );
        self.passed = sequence;
        let is_open = sequence <= sendable_to;
        EntryPass { sequence, is_open }
    }

    /// Lets an intent of the entry go, or parks it. Cancels go at once, and take what is parked of
    /// their order out: its intents come to `withdrawn`, with their reason.
    ///
    /// # Panics
    /// When too much is parked: the caller asks [`Self::has_room`] before it takes a request.
    pub fn pass(
        &mut self,
        entry: &EntryPass,
        venue: VenueId,
        intent: &OrderIntent,
        (written_at, moments): (MonotonicNs, &EntryMoments),
        withdrawn: &mut Vec<(u64, NotSentReason)>,
    ) -> Passage {
        let open = Passage::Open(Sendable {
            sequence: entry.sequence,
        });
        if intent.command == CommandKind::Cancel {
            let never_sent = self.withdraw_order(venue, intent, withdrawn);
            return if never_sent { Passage::Pointless } else { open };
        }
        let waits = self.queues.get(usize::from(venue.0)).is_some_and(|queue| {
            // What is behind a command that waits, waits too: their order is kept.
            !entry.is_open || !queue.is_empty()
        });
        if !waits {
            return open;
        }
        assert!(self.has_room(), "a request was taken without room to wait");
        self.parked = self.parked.saturating_add(1);
        self.queues[usize::from(venue.0)].push_back(ParkedIntent {
            entry_sequence: entry.sequence,
            intent: *intent,
            written_at,
            moments: *moments,
        });
        Passage::Parked
    }

    /// Whether one more command can wait.
    pub fn has_room(&self) -> bool {
        self.parked < self.parked_max
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.parked == 0
    }

    /// The newest entry that a command waits for; 0 when nothing waits.
    pub fn newest_parked(&self) -> u64 {
        let newest = self.queues.iter().filter_map(VecDeque::back);
        newest
            .map(|parked| parked.entry_sequence)
            .max()
            .unwrap_or(0)
    }

    /// The venues' count.
    pub(crate) fn venues(&self) -> u8 {
        u8::try_from(self.queues.len()).unwrap_or(u8::MAX)
    }

    /// The command that goes first to the venue.
    pub(crate) fn first(&self, venue: VenueId) -> Option<&ParkedIntent> {
        self.queues.get(usize::from(venue.0))?.front()
    }

    /// Takes the venue's first command out; with the right to send it if its entry is sendable.
    pub(crate) fn take_first(
        &mut self,
        venue: VenueId,
        sendable_to: u64,
    ) -> Option<(ParkedIntent, Option<Sendable>)> {
        let parked = self.queues.get_mut(usize::from(venue.0))?.pop_front()?;
        self.parked = self.parked.saturating_sub(1);
        let sequence = parked.entry_sequence;
        let sendable = (sequence <= sendable_to).then_some(Sendable { sequence });
        Some((parked, sendable))
    }

    /// Takes everything out that waits for the cancel's order. True when its new order was there.
    fn withdraw_order(
        &mut self,
        venue: VenueId,
        cancel: &OrderIntent,
        withdrawn: &mut Vec<(u64, NotSentReason)>,
    ) -> bool {
        if self.is_empty() {
            return false;
        }
        let Some(queue) = self.queues.get_mut(usize::from(venue.0)) else {
            return false;
        };
        let before = queue.len();
        let mut never_sent = false;
        queue.retain(|parked| {
            let is_its = parked.intent.client_order_id == cancel.client_order_id;
            if is_its {
                never_sent |= parked.intent.command == CommandKind::New;
                withdrawn.push((parked.intent.intent_seq, NotSentReason::Withdrawn));
            }
            !is_its
        });
        let taken = before.saturating_sub(queue.len());
        self.parked = self.parked.saturating_sub(taken);
        never_sent
    }
}
