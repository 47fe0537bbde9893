//! The engine's venues port: every venue's connection, served in turn.

use crate::venue_connection::{Happened, VenueConnection};
use engine::ports::{Sendable, StageClock, Venues};
use model::input::{Input, NotSentReason};
use model::sent_record::{Arrival, EntryMoments, SentStamp};
use model::{
    ClientOrderId, CommandKind, MonotonicNs, OrderIntent, RejectReason, UtcAnchor, VenueId,
};
use transport::connector::{ConnectOutcome, Connector};
use transport::poll_loop::{PollLoop, Readiness, SourceId};

/// All connections, on the hot thread.
pub struct VenuePort {
    connections: Vec<VenueConnection>,
    connector: Connector,
    next: usize,
    anchor: UtcAnchor,
    /// Whose frame was given last.
    framed: usize,
}

impl VenuePort {
    /// Takes the connections over, each at the place of its venue's id.
    pub fn new(connections: Vec<VenueConnection>, connector: Connector, anchor: UtcAnchor) -> Self {
        Self {
            connections,
            connector,
            next: 0,
            anchor,
            framed: 0,
        }
    }

    /// Work that is no input of the engine: connecting, logging in, heartbeats, putting away.
    pub fn service(&mut self, now: MonotonicNs, poll: &PollLoop) {
        while let Some(outcome) = self.connector.poll_outcome() {
            match outcome {
                ConnectOutcome::Ready(ready) => self.ready(ready, now, poll),
                ConnectOutcome::Failed(failed) => {
                    if let Some(connection) = self.connection_of(failed.link_id) {
                        connection.failed(failed, now);
                    }
                }
            }
        }
        for connection in &mut self.connections {
            connection.put_away(now, poll, &mut self.connector);
            connection.service(now, &self.anchor, &mut self.connector);
        }
    }

    fn ready(&mut self, ready: transport::connector::ReadyLink, now: MonotonicNs, poll: &PollLoop) {
        let returned = match self.connection_of(ready.link_id) {
            Some(connection) => connection.opened(ready.attempt, ready.link, now, poll),
            None => Some(ready.link),
        };
        if let Some(link) = returned {
            self.connector.retire(link);
        }
    }

    fn connection_of(&mut self, link_id: u32) -> Option<&mut VenueConnection> {
        self.connections.get_mut(usize::try_from(link_id).ok()?)
    }

    /// A new pair of clocks, for logins.
    pub fn set_anchor(&mut self, anchor: UtcAnchor) {
        self.anchor = anchor;
    }

    /// What a wait told about a connection.
    pub fn note_readiness(&mut self, readiness: Readiness) {
        if let Readiness::Source {
            id: SourceId(id), ..
        } = readiness
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.note_readiness(readiness);
        }
    }

    /// True when some connection is worth reading without asking the poll.
    pub fn wants_reading(&self) -> bool {
        self.connections.iter().any(VenueConnection::wants_reading)
    }

    /// When a connection must be served, if nothing happens before.
    pub fn next_timeout(&self) -> MonotonicNs {
        let timeouts = self.connections.iter().map(VenueConnection::next_timeout);
        timeouts.min().unwrap_or(MonotonicNs::NEVER)
    }

    /// Says goodbye everywhere.
    pub fn stop(&mut self) {
        self.connections.iter_mut().for_each(VenueConnection::stop);
    }

    /// True when nothing is open any more.
    pub fn is_closed(&self) -> bool {
        self.connections.iter().all(VenueConnection::is_closed)
    }
}

impl Venues for VenuePort {
    fn next_input(&mut self, now: MonotonicNs, clock: &impl StageClock) -> Option<Input<'_>> {
        let count = self.connections.len();
        for _ in 0..count {
            let at = self.next % count;
            let Some(happened) = self.connections[at].happened(now, clock) else {
                self.next = self.next.wrapping_add(1);
                continue;
            };
            return Some(match happened {
                Happened::Changed(change) => Input::LinkChanged(change),
                Happened::NotSent(intent_seq, reason) => Input::NotSent { intent_seq, reason },
                Happened::Frame => {
                    self.framed = at;
                    let connection = &self.connections[at];
                    let (link, raw, reports) = connection.frame();
                    Input::VenueFrame {
                        venue: connection.venue(),
                        link,
                        raw,
                        reports,
                    }
                }
            });
        }
        None
    }

    fn arrival(&self) -> Arrival {
        let connection = self.connections.get(self.framed);
        connection.map_or(Arrival::default(), VenueConnection::arrival)
    }

    fn can_send(&self, venue: VenueId) -> Result<(), RejectReason> {
        match self.connections.get(usize::from(venue.0)) {
            Some(connection) => connection.can_send(),
            None => Err(RejectReason::VenueDown),
        }
    }

    fn send(
        &mut self,
        sendable: &Sendable,
        venue: VenueId,
        intent: &OrderIntent,
        moments: &EntryMoments,
        clock: &impl StageClock,
    ) -> Result<(), NotSentReason> {
        match self.connections.get_mut(usize::from(venue.0)) {
            Some(connection) => connection.send(sendable.sequence(), intent, moments, clock),
            None => Err(NotSentReason::LinkGone),
        }
    }

    fn withdraw(
        &mut self,
        now: MonotonicNs,
        is_barred: impl Fn(ClientOrderId, CommandKind) -> bool,
    ) {
        for connection in &mut self.connections {
            connection.withdraw(now, &is_barred);
        }
    }

    fn flush(&mut self, clock: &impl StageClock, stamps: &mut Vec<SentStamp>) {
        for connection in &mut self.connections {
            connection.flush(clock, stamps);
        }
    }
}
