//! One turn of the hot thread: the order of things lives here.
//!
//! Orders of people, then venue frames, then connection and strategy changes and messages, then
//! timers, then requests, then one write per connection. Each input goes handle → commit → gate →
//! publish and send. Every loop is bounded, so a flood on one side never starves the other. A
//! request is taken only when there is room for its answer, and judged for room before the engine
//! sees it.

mod closing;
mod controls;
mod parking;
mod quota;

use crate::decisions::{Decisions, FRAME_DECISIONS_MAX};
use crate::engine::{Engine, Moment};
use crate::ports::{
    Attached, CommittedEntry, Incoming, IntentJournal, JournalClosed, JournalRoom, Messages,
    SendGate, StageClock, Strategies, Venues,
};
use crate::send_gate::Passage;
use model::input::{Admission, Input, NotSentReason, RequestInput, RoomRefused};
use model::order_change::ChangeBody;
use model::request_slot::CheckedRequest;
use model::sent_record::{EntryMoments, FrameStamp, SentRecord};
use model::{Decision, MonotonicNs, OrderIntent, RejectReason, Request, RequestId, StrategyId};
use quota::RequestQuota;

/// Bounds of one turn.
#[derive(Debug, Clone, Copy)]
pub struct TurnBounds {
    /// Venue inputs per turn.
    pub venue_inputs: u32,
    /// Requests per strategy and turn; also the most that go into one write.
    pub requests: u32,
    /// Requests per strategy and second; what goes beyond is refused in runs.
    pub requests_per_s: u32,
    /// Commands that may wait for their sync together, in mode `strict`.
    pub parked: usize,
}

impl Default for TurnBounds {
    fn default() -> Self {
        Self {
            venue_inputs: 64,
            requests: 16,
            requests_per_s: 50_000,
            parked: 1024,
        }
    }
}

/// Timer inputs per turn.
const TIMERS_PER_TURN: u32 = 16;
/// Messages per turn.
const MESSAGES_PER_TURN: u32 = 64;
/// Intents that one turn may start.
const SENDS_CAPACITY: usize = 4096;

/// What a turn did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnReport {
    /// Inputs handled. Zero = the turn was idle.
    pub inputs: u32,
}

/// The hot thread's work, over its ports.
#[derive(Debug)]
pub struct Turn<J, V, S, M, C> {
    recorder: Recorder,
    /// The journal.
    pub journal: J,
    /// The venues' connections.
    pub venues: V,
    /// The strategies' rings.
    pub strategies: S,
    /// Everything else.
    pub messages: M,
    /// The clock of the stages' boundaries.
    pub clock: C,
    bounds: TurnBounds,
    gate: SendGate,
    unsent: Vec<(u64, NotSentReason)>,
    stamps: SentRecord,
    quotas: Vec<RequestQuota>,
    inputs: u32,
}

impl<J: IntentJournal, V: Venues, S: Strategies, M: Messages, C: StageClock> Turn<J, V, S, M, C> {
    /// A turn over an engine and its ports. Allocates everything that turns need.
    pub fn new(
        engine: Engine,
        journal: J,
        venues: V,
        strategies: S,
        messages: M,
        clock: C,
        bounds: TurnBounds,
    ) -> Self {
        let quotas = (0..strategies.count()).map(|_| RequestQuota::new(bounds.requests_per_s));
        let gate = SendGate::new(engine.state().venues.len(), bounds.parked);
        Self {
            quotas: quotas.collect(),
            recorder: Recorder {
                engine,
                decisions: Decisions::with_capacity(FRAME_DECISIONS_MAX),
            },
            journal,
            venues,
            strategies,
            messages,
            clock,
            bounds,
            gate,
            unsent: Vec::with_capacity(SENDS_CAPACITY),
            stamps: SentRecord::with_capacity(
                SENDS_CAPACITY,
                usize::try_from(bounds.venue_inputs).unwrap_or(SENDS_CAPACITY),
            ),
            inputs: 0,
        }
    }

    /// What the engine knows.
    pub fn engine(&self) -> &Engine {
        &self.recorder.engine
    }

    /// When the next turn must come, if nothing happens before: the engine's next deadline, or the
    /// end of a run of refusals.
    pub fn next_deadline(&self) -> MonotonicNs {
        let runs = self.quotas.iter().map(RequestQuota::run_due).min();
        self.recorder
            .engine
            .next_deadline()
            .min(runs.unwrap_or(MonotonicNs::NEVER))
    }

    /// One turn at `now`, the only moment that decisions are taken on.
    ///
    /// # Errors
    /// [`JournalClosed`]: the last input was not taken; nothing of it was sent or published.
    pub fn run(&mut self, now: MonotonicNs) -> Result<TurnReport, JournalClosed> {
        self.inputs = 0;
        self.stamps.clear();
        self.take_controls(now)?;
        self.take_venue_inputs(now)?;
        self.take_changes(now)?;
        for _ in 0..TIMERS_PER_TURN {
            if self.recorder.engine.next_deadline() > now {
                break;
            }
            self.take(now, &Input::Timer)?;
        }
        self.release_parked(now)?;
        for strategy in 0..self.strategies.count() {
            self.take_requests(now, StrategyId(strategy))?;
        }
        self.venues.flush(&self.clock, &mut self.stamps.intents);
        self.append_stamps(now)?;
        Ok(TurnReport {
            inputs: self.inputs,
        })
    }

    /// Handles one input that borrows from no port.
    ///
    /// # Errors
    /// [`JournalClosed`] as [`Self::run`].
    pub fn take(&mut self, now: MonotonicNs, input: &Input<'_>) -> Result<(), JournalClosed> {
        let (journal, clock) = (&mut self.journal, &self.clock);
        let (committed, moments) = self.recorder.commit(journal, clock, now, input)?;
        self.dispatch(&committed, &moments, now);
        self.give_back(now)
    }

    fn take_venue_inputs(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        for _ in 0..self.bounds.venue_inputs {
            let Some(input) = self.venues.next_input(now, &self.clock) else {
                break;
            };
            let went_down = parking::venue_that_went_down(&input);
            let is_frame = matches!(input, Input::VenueFrame { .. });
            let decoded_at = is_frame.then(|| self.clock.stamp());
            let (journal, clock) = (&mut self.journal, &self.clock);
            let (committed, moments) = self.recorder.commit(journal, clock, now, &input)?;
            let published = self.dispatch(&committed, &moments, now);
            if let Some(decoded_at) = decoded_at {
                self.stamp_frame(committed.sequence(), decoded_at, &moments, published);
            }
            self.give_back(now)?;
            self.link_gone(now, went_down)?;
        }
        Ok(())
    }

    fn stamp_frame(
        &mut self,
        entry_sequence: u64,
        decoded_at: MonotonicNs,
        moments: &EntryMoments,
        published: bool,
    ) {
        let published_at = if published {
            self.clock.stamp()
        } else {
            MonotonicNs(0)
        };
        let arrival = self.venues.arrival();
        self.stamps.frames.push(FrameStamp {
            entry_sequence,
            received_at: arrival.received_at,
            opened_at: arrival.opened_at,
            begun_at: arrival.begun_at,
            decoded_at,
            decided_at: moments.decided_at,
            committed_at: moments.committed_at,
            published_at,
        });
    }

    /// Journals the turn's stamps. Those of frames are left out when the journal is low: room that
    /// open orders may still need is worth more.
    fn append_stamps(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        let open_orders = self.recorder.engine.state().orders.open_count();
        if !self.stamps.frames.is_empty() && self.journal.room(now, open_orders) == JournalRoom::Low
        {
            self.stamps.frames.clear();
        }
        if self.stamps.is_empty() {
            return Ok(());
        }
        self.journal.append_sent(now, &self.stamps)
    }

    fn take_changes(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        while let Some(input) = self.strategies.next_input(now) {
            let (journal, clock) = (&mut self.journal, &self.clock);
            let (committed, moments) = self.recorder.commit(journal, clock, now, &input)?;
            self.dispatch(&committed, &moments, now);
            self.give_back(now)?;
        }
        for _ in 0..MESSAGES_PER_TURN {
            let Some(input) = self.messages.next_input(now) else {
                break;
            };
            let (journal, clock) = (&mut self.journal, &self.clock);
            let (committed, moments) = self.recorder.commit(journal, clock, now, &input)?;
            self.dispatch(&committed, &moments, now);
            self.give_back(now)?;
        }
        Ok(())
    }

    fn take_requests(
        &mut self,
        now: MonotonicNs,
        strategy: StrategyId,
    ) -> Result<(), JournalClosed> {
        let at = usize::from(strategy.0);
        for _ in 0..self.bounds.requests {
            let Some(incoming) = self.strategies.next_request(strategy) else {
                break;
            };
            let taken_at = self.clock.stamp();
            let over = !self.quotas[at].take(now);
            let journal = self.journal_refusal(now, &incoming);
            let refusal = match incoming {
                Incoming::Bad(bad) => Some((bad.request_id, RejectReason::BadRequest)),
                Incoming::Request(checked) if over => {
                    Some((checked.request_id, RejectReason::RateLimit))
                }
                // An answer of its own for each would eat the room that is kept.
                Incoming::Request(checked) => journal
                    .filter(|reason| *reason == RejectReason::JournalLow)
                    .map(|reason| (checked.request_id, reason)),
            };
            match (refusal, incoming) {
                (Some((request_id, reason)), _) => {
                    self.refuse_in_run(now, strategy, request_id, reason)?;
                }
                (None, Incoming::Request(checked)) => {
                    self.close_run(now, strategy, true)?;
                    let input = self.admitted(strategy, &checked, journal);
                    let request = Input::Request(input);
                    let (journal, clock) = (&mut self.journal, &self.clock);
                    let (committed, mut moments) =
                        self.recorder.commit(journal, clock, now, &request)?;
                    moments.taken_at = taken_at;
                    self.dispatch(&committed, &moments, input.written_at.min(now));
                    self.give_back(now)?;
                }
                (None, Incoming::Bad(_)) => {}
            }
        }
        self.close_run(now, strategy, false)
    }

    /// Adds a request to the strategy's run of refusals; another reason begins another run.
    fn refuse_in_run(
        &mut self,
        now: MonotonicNs,
        strategy: StrategyId,
        request_id: RequestId,
        reason: RejectReason,
    ) -> Result<(), JournalClosed> {
        if !self.quotas[usize::from(strategy.0)].joins_run(reason) {
            self.close_run(now, strategy, true)?;
        }
        self.quotas[usize::from(strategy.0)].refuse(now, strategy, request_id, reason);
        Ok(())
    }

    /// Journals the strategy's run of refusals when it is over or old.
    fn close_run(
        &mut self,
        now: MonotonicNs,
        strategy: StrategyId,
        over: bool,
    ) -> Result<(), JournalClosed> {
        let run: Option<RoomRefused> = self.quotas[usize::from(strategy.0)].close(now, over);
        match run {
            Some(run) => self.take(now, &Input::RoomRefused(run)),
            None => Ok(()),
        }
    }

    /// The verdict on a request's room, which enters the engine as part of the input.
    fn admitted(
        &mut self,
        strategy: StrategyId,
        checked: &CheckedRequest,
        journal: Option<RejectReason>,
    ) -> RequestInput {
        let admission = match self.refusal(strategy, &checked.request, journal) {
            None => Admission::Granted,
            Some(reason) => Admission::Refused(reason),
        };
        RequestInput {
            strategy,
            request_id: checked.request_id,
            written_at: checked.written_at,
            admission,
            request: checked.request,
        }
    }

    fn refusal(
        &mut self,
        strategy: StrategyId,
        request: &Request,
        journal: Option<RejectReason>,
    ) -> Option<RejectReason> {
        let instrument = match request {
            Request::New(order) => order.instrument,
            // What an order of ours needs on its way out is never refused for want of room.
            Request::Cancel { .. } | Request::CancelAll { .. } | Request::Query { .. } => {
                return None;
            }
            Request::Replace { .. } => return journal,
        };
        if !self.strategies.has_event_room(strategy) {
            return Some(RejectReason::EventBacklog);
        }
        if journal.is_some() {
            return journal;
        }
        let venue = self.recorder.engine.state().venue_of(instrument)?;
        self.venues.can_send(venue).err()
    }

    /// After the commit: tell the cold side, publish events, send intents, or park them.
    /// `written_at`: when the request behind the entry was written. True when an event was
    /// published.
    fn dispatch(
        &mut self,
        committed: &J::Committed,
        moments: &EntryMoments,
        written_at: MonotonicNs,
    ) -> bool {
        self.inputs = self.inputs.saturating_add(1);
        let mut published = false;
        let entry = self.gate.enter(committed, self.journal.sendable_to());
        self.messages.committed(committed.sequence());
        for decision in self.recorder.decisions.as_slice() {
            if let Some(intent) = intent_of(decision) {
                let venue = self.recorder.engine.state().venue_of(intent.instrument);
                let (gate, unsent) = (&mut self.gate, &mut self.unsent);
                let passage = venue.map(|venue| {
                    let passage = gate.pass(&entry, venue, intent, (written_at, moments), unsent);
                    (venue, passage)
                });
                let sent = match passage {
                    Some((venue, Passage::Open(sendable))) => {
                        let clock = &self.clock;
                        self.venues.send(&sendable, venue, intent, moments, clock)
                    }
                    Some((_, Passage::Parked | Passage::Pointless)) => Ok(()),
                    None => Err(NotSentReason::LinkGone),
                };
                if let Err(reason) = sent {
                    self.unsent.push((intent.intent_seq, reason));
                }
            }
            if let Some((strategy, event)) = decision.event() {
                self.strategies.publish(strategy, &event);
                published = true;
            }
            if let Decision::Strategy {
                strategy,
                generation,
                attached: true,
                next_event_seq,
            } = decision
            {
                let state = self
                    .recorder
                    .engine
                    .state()
                    .strategies
                    .get(usize::from(strategy.0));
                self.strategies.attached(Attached {
                    strategy: *strategy,
                    generation: *generation,
                    sequence: committed.sequence(),
                    next_event_seq: *next_event_seq,
                    last_request_id: state.map_or(RequestId(0), |state| state.last_request_id),
                });
            }
        }
        published
    }

    /// Intents of which no byte can leave go back to the engine, which does not know what waits.
    fn give_back(&mut self, now: MonotonicNs) -> Result<(), JournalClosed> {
        while let Some((intent_seq, reason)) = self.unsent.pop() {
            let input = Input::NotSent { intent_seq, reason };
            let (journal, clock) = (&mut self.journal, &self.clock);
            let (committed, moments) = self.recorder.commit(journal, clock, now, &input)?;
            self.dispatch(&committed, &moments, now);
        }
        Ok(())
    }
}

/// The engine with the list of what it decided last.
#[derive(Debug)]
struct Recorder {
    engine: Engine,
    decisions: Decisions,
}

impl Recorder {
    /// Decides on an input and appends both as one entry. Nothing is sent or published here.
    fn commit<J: IntentJournal>(
        &mut self,
        journal: &mut J,
        clock: &impl StageClock,
        now: MonotonicNs,
        input: &Input<'_>,
    ) -> Result<(J::Committed, EntryMoments), JournalClosed> {
        let moment = Moment {
            sequence: journal.next_sequence(),
            now,
        };
        self.engine.handle(moment, input, &mut self.decisions);
        let decided_at = clock.stamp();
        let committed = journal.append(now, input, self.decisions.as_slice())?;
        let moments = EntryMoments {
            decided_at,
            committed_at: clock.stamp(),
            ..EntryMoments::default()
        };
        Ok((committed, moments))
    }
}

fn intent_of(decision: &Decision) -> Option<&OrderIntent> {
    match decision {
        Decision::Order(change) => match &change.body {
            ChangeBody::CommandStarted(intent) => Some(intent),
            _ => None,
        },
        _ => None,
    }
}
