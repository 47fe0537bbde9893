//! One venue's connection, as the hot thread drives it: wait, connect, log in, carry, end, again.
//!
//! Bytes that were not sent when a connection ends are discarded, never replayed on the next one:
//! intents of which no byte entered TLS go back to the engine as `NotSent`, the others are unknown
//! and the venue is asked. Frames are masked before anything reads them, and journaled as masked.

use crate::open_link::{Inbox, KillCut, Next, OpenLink, next_frame, transmit};
use crate::venue_outbox::Outbox;
use engine::ports::StageClock;
use model::input::{LinkChanged, LinkReason, LinkState, NotSentReason};
use model::sent_record::{Arrival, EntryMoments, SentStamp};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    ClientOrderId, CommandKind, LinkId, MonotonicNs, OrderIntent, RejectReason, UtcAnchor, VenueId,
    VenueReport,
};
use protocol::session::{CloseReason, SessionState};
use protocol::venue::okx::credentials::Credentials;
use protocol::venue::okx::instrument_table::InstrumentTable;
use protocol::venue::okx::session::{OkxSession, SessionTimes};
use std::sync::Arc;
use std::time::Duration;
use transport::backoff::{Backoff, BackoffRules};
use transport::connector::{ConnectDeadlines, ConnectFailed, ConnectOrder, Connector, Endpoint};
use transport::link::{FlushState, Link};
use transport::poll_loop::{PollLoop, ReadGate, Readiness, SourceId};

/// A venue that refused the login is not tried again sooner: no retry storm on a bad key.
const REFUSED_LOGIN_PAUSE_NS: u64 = 30 * NS_PER_S;
/// What was sealed before a kill has so long to leave; then it is cut with its connection.
const KILL_DRAIN_NS: u64 = 50 * NS_PER_MS;
/// Reads of one connection per service before the other connections have their turn.
const READS_PER_INPUT: u32 = 64;

/// What a connection needs to be made.
pub struct VenueEndpoint {
    /// The venue.
    pub venue: VenueId,
    /// Its name in the configuration, for log lines.
    pub name: String,
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// The key.
    pub credentials: Credentials,
    /// What trades there.
    pub table: InstrumentTable,
    /// Whether no order command may leave.
    pub is_dry_run: bool,
    /// How long to wait between attempts.
    pub backoff: BackoffRules,
    /// Without a message for this long the link is probed.
    pub heartbeat_ns: u64,
    /// A link that is not ready after this long is given up.
    pub connect_within: Duration,
}

/// Something for the log, told by the hot thread without making text.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be made and freed on the hot thread"
)]
pub enum ConnectionNote {
    /// An attempt failed.
    ConnectFailed(ConnectFailed),
    /// The link is up.
    Up,
    /// The link ended.
    Down {
        /// The session's reason, when it had one.
        reason: Option<CloseReason>,
        /// The journal's word for it.
        link_reason: LinkReason,
    },
}

enum Phase {
    /// Not before this moment.
    Waiting(MonotonicNs),
    /// An order is with the connector.
    Connecting { attempt: u32 },
    /// Bytes flow.
    Open(Box<OpenLink>),
}

/// What the connection has for the engine; the frame's bytes and reports stay in the connection.
pub(crate) enum Happened {
    Frame,
    Changed(LinkChanged),
    NotSent(u64, NotSentReason),
}

/// One venue's connection.
pub struct VenueConnection {
    venue: VenueId,
    name: String,
    endpoint: Arc<Endpoint>,
    table: InstrumentTable,
    credentials: Credentials,
    is_dry_run: bool,
    backoff: Backoff,
    attempt: u32,
    link_id: LinkId,
    phase: Phase,
    inbox: Inbox,
    outbox: Outbox,
    notes: rings::in_process::Producer<(VenueId, ConnectionNote)>,
    times: SessionTimes,
    deadlines: ConnectDeadlines,
    refused_login: bool,
    stopping: bool,
}

impl VenueConnection {
    /// A connection that begins at once. `seed` sets jitter and mask keys.
    pub fn new(
        endpoint: VenueEndpoint,
        seed: u64,
        notes: rings::in_process::Producer<(VenueId, ConnectionNote)>,
    ) -> Self {
        Self {
            venue: endpoint.venue,
            name: endpoint.name,
            endpoint: endpoint.endpoint,
            table: endpoint.table,
            credentials: endpoint.credentials,
            is_dry_run: endpoint.is_dry_run,
            backoff: Backoff::new(endpoint.backoff, seed),
            attempt: 0,
            link_id: LinkId(0),
            phase: Phase::Waiting(MonotonicNs(0)),
            inbox: Inbox::new(),
            outbox: Outbox::new(seed),
            notes,
            deadlines: ConnectDeadlines {
                total: endpoint.connect_within,
                ..ConnectDeadlines::default()
            },
            times: SessionTimes {
                quiet_ns: endpoint.heartbeat_ns,
                answer_ns: endpoint.heartbeat_ns,
                ..SessionTimes::default()
            },
            refused_login: false,
            stopping: false,
        }
    }

    /// The venue.
    pub fn venue(&self) -> VenueId {
        self.venue
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The masked bytes and the reports of the frame that happened last.
    pub(crate) fn frame(&self) -> (LinkId, &[u8], &[VenueReport]) {
        (self.link_id, &self.inbox.raw, &self.inbox.reports)
    }

    /// When the frame that happened last came in.
    pub(crate) fn arrival(&self) -> Arrival {
        self.inbox.arrival
    }

    fn source(&self) -> SourceId {
        SourceId(usize::from(self.venue.0))
    }

    /// Whether a command can go now.
    pub fn can_send(&self) -> Result<(), RejectReason> {
        match &self.phase {
            Phase::Open(open) if open.is_up && open.ended.is_none() => {
                if open.upgrade_at.is_some() {
                    return Err(RejectReason::VenueDown);
                }
                if self.outbox.has_room(open.link.backlog_bytes()) {
                    Ok(())
                } else {
                    Err(RejectReason::VenueBusy)
                }
            }
            Phase::Open(_) | Phase::Waiting(_) | Phase::Connecting { .. } => {
                Err(RejectReason::VenueDown)
            }
        }
    }

    /// Encodes a command behind what waits.
    pub fn send(
        &mut self,
        entry_sequence: u64,
        intent: &OrderIntent,
        moments: &EntryMoments,
        clock: &impl StageClock,
    ) -> Result<(), NotSentReason> {
        if self.is_dry_run {
            return Err(NotSentReason::DryRun);
        }
        match &self.phase {
            Phase::Open(open) if open.is_up && open.ended.is_none() => {
                let table = &self.table;
                self.outbox
                    .push(entry_sequence, intent, table, moments, clock)
            }
            Phase::Open(_) | Phase::Waiting(_) | Phase::Connecting { .. } => {
                Err(NotSentReason::LinkGone)
            }
        }
    }

    /// Hands what waits to TLS as one record, and to the socket by one write.
    pub fn flush(&mut self, clock: &impl StageClock, stamps: &mut Vec<SentStamp>) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        if open.ended.is_some() {
            return;
        }
        let mut sealed = 0;
        // Behind a backlog that may be cut nothing more is sealed.
        if !self.outbox.is_empty() && open.cut.is_none() {
            let flushed_at = clock.stamp();
            if open.link.write_plaintext(self.outbox.bytes()).is_ok() {
                sealed = self.outbox.waiting();
                self.outbox.note_sealed(flushed_at, clock.stamp());
            }
        }
        // What the session's own flush wrote in between leaves sealed stamps without a backlog.
        if open.link.backlog_bytes() == 0 && !self.outbox.has_sealed() {
            return;
        }
        match open.link.flush() {
            FlushState::Drained => {
                open.cut = None;
                self.outbox.take_written(clock.stamp(), stamps);
            }
            FlushState::Pending(_) => self.outbox.tell_sealed(sealed, stamps),
            FlushState::Ended(_) => {
                self.outbox.tell_sealed(sealed, stamps);
                open.ended = open.ended.or(Some(LinkReason::IoError));
            }
        }
    }

    /// Takes back what may not go any more after a kill, and lets what is sealed already leave for
    /// [`KILL_DRAIN_NS`] only.
    pub fn withdraw(
        &mut self,
        now: MonotonicNs,
        is_barred: impl Fn(ClientOrderId, CommandKind) -> bool,
    ) {
        self.outbox.withdraw(is_barred);
        if let Phase::Open(open) = &mut self.phase
            && open.cut.is_none()
            && open.link.backlog_bytes() > 0
        {
            open.cut = Some(KillCut {
                sealed_bytes: open.link.sealed_bytes(),
                at: now.after_ns(KILL_DRAIN_NS),
            });
        }
    }

    /// What a wait told about the connection.
    pub fn note_readiness(&mut self, readiness: Readiness) {
        if let Phase::Open(open) = &mut self.phase {
            open.gate.note_readiness(readiness);
        }
    }

    /// True when the connection is worth reading without asking the poll.
    pub fn wants_reading(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => open.gate.is_open() || open.ended.is_some(),
            Phase::Waiting(_) | Phase::Connecting { .. } => false,
        }
    }

    /// When the connection must be served, if nothing happens before.
    pub fn next_timeout(&self) -> MonotonicNs {
        match &self.phase {
            Phase::Waiting(until) => *until,
            Phase::Connecting { .. } => MonotonicNs::NEVER,
            Phase::Open(open) => {
                let upgrade = open.upgrade_at.unwrap_or(MonotonicNs::NEVER);
                let cut = open.cut.map_or(MonotonicNs::NEVER, |cut| cut.at);
                open.session.poll_timeout().min(upgrade).min(cut)
            }
        }
    }

    /// The session's own work: deadlines, login, heartbeats, and the next attempt to connect.
    pub fn service(&mut self, now: MonotonicNs, anchor: &UtcAnchor, connector: &mut Connector) {
        match &mut self.phase {
            Phase::Waiting(until) if *until <= now && !self.stopping => {
                self.attempt = self.attempt.wrapping_add(1);
                let order = ConnectOrder {
                    link_id: u32::from(self.venue.0),
                    attempt: self.attempt,
                    endpoint: Arc::clone(&self.endpoint),
                    deadlines: self.deadlines,
                };
                self.phase = match connector.order(order) {
                    Ok(()) => Phase::Connecting {
                        attempt: self.attempt,
                    },
                    Err(_) => Phase::Waiting(now.after_ns(100 * NS_PER_MS)),
                };
            }
            Phase::Waiting(_) | Phase::Connecting { .. } => {}
            Phase::Open(open) => {
                if let Some(reason) = open.session.handle_timeout(now) {
                    open.ended = open.ended.or(Some(reason.link_reason()));
                }
                if open.upgrade_at.is_some_and(|at| at <= now) {
                    open.ended = open.ended.or(Some(LinkReason::ServiceUpgrade));
                }
                if let Some(cut) = open.cut {
                    if open.link.has_sent(cut.sealed_bytes) {
                        open.cut = None;
                    } else if cut.at <= now {
                        open.link.kill();
                        open.ended = open.ended.or(Some(LinkReason::Killed));
                    }
                }
                let utc = anchor.unix_at(now);
                transmit(open, &mut self.outbox, now, utc);
            }
        }
    }

    /// Takes over a connection that the connector made.
    pub fn opened(
        &mut self,
        attempt: u32,
        mut link: Link,
        now: MonotonicNs,
        poll: &PollLoop,
    ) -> Option<Link> {
        let awaited =
            matches!(self.phase, Phase::Connecting { attempt: wanted } if wanted == attempt);
        if !awaited || self.stopping || poll.add_link(self.source(), &mut link).is_err() {
            return Some(link);
        }
        self.link_id = LinkId(self.link_id.0.wrapping_add(1));
        self.inbox.reset();
        self.outbox.clear();
        self.phase = Phase::Open(Box::new(OpenLink {
            link,
            session: OkxSession::new(self.credentials.clone(), self.times, now),
            gate: ReadGate::default(),
            is_up: false,
            upgrade_at: None,
            ended: None,
            cut: None,
        }));
        None
    }

    /// An attempt failed: the next one after the back-off.
    pub fn failed(&mut self, failed: ConnectFailed, now: MonotonicNs) {
        let awaited =
            matches!(self.phase, Phase::Connecting { attempt } if attempt == failed.attempt);
        if awaited {
            self.notes
                .push_or_drop((self.venue, ConnectionNote::ConnectFailed(failed)));
            self.wait_for_next(now);
        }
    }

    fn wait_for_next(&mut self, now: MonotonicNs) {
        let mut at = MonotonicNs(self.backoff.next_attempt_at_ns(now.0));
        if self.refused_login {
            at = at.max(now.after_ns(REFUSED_LOGIN_PAUSE_NS));
        }
        self.phase = Phase::Waiting(at);
    }

    /// Says goodbye and does not come back.
    pub fn stop(&mut self) {
        self.stopping = true;
        if let Phase::Open(open) = &mut self.phase {
            open.session.close(CloseReason::Stopping);
        }
    }

    /// True when nothing is open any more.
    pub fn is_closed(&self) -> bool {
        !matches!(self.phase, Phase::Open(_))
    }

    /// The next thing for the engine. A connection that ended gives back its unsent intents first.
    pub(crate) fn happened(
        &mut self,
        now: MonotonicNs,
        clock: &impl StageClock,
    ) -> Option<Happened> {
        if let Some(intent_seq) = self.outbox.take_withdrawn() {
            return Some(Happened::NotSent(intent_seq, NotSentReason::Killed));
        }
        for _ in 0..READS_PER_INPUT {
            let Phase::Open(open) = &mut self.phase else {
                return None;
            };
            if let Some(reason) = open.ended {
                if let Some(intent_seq) = self.outbox.take_unsent() {
                    return Some(Happened::NotSent(intent_seq, NotSentReason::LinkGone));
                }
                if core::mem::take(&mut open.is_up) {
                    return Some(Happened::Changed(self.changed(LinkState::Down, reason)));
                }
                return None;
            }
            match next_frame(open, &mut self.inbox, &self.table, now, clock) {
                Next::Frame => return Some(Happened::Frame),
                Next::Up => {
                    self.backoff.succeeded();
                    self.refused_login = false;
                    self.notes.push_or_drop((self.venue, ConnectionNote::Up));
                    return Some(Happened::Changed(
                        self.changed(LinkState::Up, LinkReason::Ready),
                    ));
                }
                Next::More => {}
                Next::Nothing => return None,
            }
        }
        None
    }

    fn changed(&self, state: LinkState, reason: LinkReason) -> LinkChanged {
        LinkChanged {
            venue: self.venue,
            link: self.link_id,
            state,
            reason,
        }
    }

    /// Puts an ended connection away, once the engine has heard of everything that it had.
    pub fn put_away(&mut self, now: MonotonicNs, poll: &PollLoop, connector: &mut Connector) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        let Some(link_reason) = open.ended else {
            return;
        };
        if open.is_up || self.outbox.has_unsent() {
            return;
        }
        let reason = match open.session.state() {
            SessionState::Closing { reason } => Some(reason),
            SessionState::LoggingIn | SessionState::Subscribing | SessionState::Ready => None,
        };
        self.refused_login = matches!(reason, Some(CloseReason::LoginRefused { .. }));
        self.notes.push_or_drop((
            self.venue,
            ConnectionNote::Down {
                reason,
                link_reason,
            },
        ));
        let phase = core::mem::replace(&mut self.phase, Phase::Waiting(MonotonicNs::NEVER));
        if let Phase::Open(mut open) = phase {
            // Not in the loop means that it is gone from it already, which is what is wanted.
            let _ = poll.remove_link(&mut open.link);
            open.link.kill();
            connector.retire(open.link);
        }
        self.wait_for_next(now);
    }
}
