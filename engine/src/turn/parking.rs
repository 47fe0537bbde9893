//! What waits at the gate: released when its entry is on the disk, or given back.
//!
//! Each release asks again what may have changed while it waited: the order, its age, its
//! connection, the journal. What may not go comes back to the engine as `NotSent`.

use super::Turn;
use crate::ports::{
    Incoming, IntentJournal, JournalClosed, JournalRoom, Messages, StageClock, Strategies, Venues,
};
use model::input::{Input, LinkChanged, LinkState, NotSentReason};
use model::{MonotonicNs, RejectReason, Request, VenueId};

impl<J: IntentJournal, V: Venues, S: Strategies, M: Messages, C: StageClock> Turn<J, V, S, M, C> {
    /// The newest entry that a command waits for; 0 when none waits. The journal should sync it.
    pub fn newest_parked(&self) -> u64 {
        self.gate.newest_parked()
    }

    /// Why the journal takes no new order or replace now.
    pub(super) fn journal_refusal(
        &mut self,
        now: MonotonicNs,
        incoming: &Incoming,
    ) -> Option<RejectReason> {
        match incoming {
            Incoming::Request(checked) => match checked.request {
                Request::New(_) | Request::Replace { .. } => {}
                Request::Cancel { .. } | Request::CancelAll { .. } | Request::Query { .. } => {
                    return None;
                }
            },
            Incoming::Bad(_) => return None,
        }
        let open_orders = self.recorder.engine.state().orders.open_count();
        match self.journal.room(now, open_orders) {
            JournalRoom::Ample if self.gate.has_room() => None,
            JournalRoom::Ample => Some(RejectReason::SyncBacklog),
            JournalRoom::Low => Some(RejectReason::JournalLow),
            JournalRoom::Late => Some(RejectReason::LossWindow),
            JournalRoom::Failed => Some(RejectReason::JournalFailed),
        }
    }

    /// Gives everything back that waits: it will not be sent.
    ///
    /// # Errors
    /// [`JournalClosed`] as [`Turn::run`].
    pub fn give_parked_back(
        &mut self,
        now: MonotonicNs,
        reason: NotSentReason,
    ) -> Result<(), JournalClosed> {
        for venue in 0..self.gate.venues() {
            self.take_back(VenueId(venue), reason);
        }
        self.give_back(now)
    }

    /// Sends what may go by now, and gives back what may not go any more.
    pub(super) fn release_parked(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        if self.gate.is_empty() {
            return Ok(());
        }
        let open_orders = self.recorder.engine.state().orders.open_count();
        if self.journal.room(now, open_orders) == JournalRoom::Failed {
            return self.give_parked_back(now, NotSentReason::JournalFailed);
        }
        let sendable_to = self.journal.sendable_to();
        for venue in 0..self.gate.venues() {
            self.release_venue(now, VenueId(venue), sendable_to);
        }
        self.give_back(now)
    }

    fn release_venue(&mut self, now: MonotonicNs, venue: VenueId, sendable_to: u64) {
        while let Some(first) = self.gate.first(venue) {
            let state = self.recorder.engine.state();
            let may_go = state.may_send(now, &first.intent, first.written_at);
            let may_go = may_go.and_then(|()| match self.venues.can_send(venue) {
                Err(RejectReason::VenueDown) => Err(NotSentReason::LinkGone),
                Ok(()) | Err(_) => Ok(()),
            });
            let is_sendable = first.entry_sequence <= sendable_to;
            let waits = !is_sendable || self.venues.can_send(venue).is_err();
            if may_go.is_ok() && waits {
                return;
            }
            let Some((mut parked, sendable)) = self.gate.take_first(venue, sendable_to) else {
                return;
            };
            let sent = match (may_go, sendable) {
                (Ok(()), Some(sendable)) => {
                    let clock = &self.clock;
                    parked.moments.released_at = clock.stamp();
                    let (intent, moments) = (&parked.intent, &parked.moments);
                    self.venues.send(&sendable, venue, intent, moments, clock)
                }
                (Ok(()), None) => Err(NotSentReason::JournalFailed),
                (Err(reason), _) => Err(reason),
            };
            if let Err(reason) = sent {
                self.unsent.push((parked.intent.intent_seq, reason));
            }
        }
    }

    /// A connection is gone: what waits for it never was on it.
    pub(super) fn link_gone(
        &mut self,
        now: MonotonicNs,
        venue: Option<VenueId>,
    ) -> Result<(), JournalClosed> {
        if let Some(venue) = venue {
            self.take_back(venue, NotSentReason::LinkGone);
            self.give_back(now)?;
        }
        Ok(())
    }

    fn take_back(&mut self, venue: VenueId, reason: NotSentReason) {
        while let Some((parked, _)) = self.gate.take_first(venue, 0) {
            self.unsent.push((parked.intent.intent_seq, reason));
        }
    }
}

/// The venue whose connection an input says is gone.
pub(super) fn venue_that_went_down(input: &Input<'_>) -> Option<VenueId> {
    match input {
        Input::LinkChanged(LinkChanged {
            venue,
            state: LinkState::Down,
            ..
        }) => Some(*venue),
        _ => None,
    }
}
