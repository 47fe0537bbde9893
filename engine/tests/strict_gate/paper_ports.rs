//! The turn's ports on paper, and a hand that moves them.

use crate::rig::config;
use millrun_engine::ports::{
    Attached, CommittedEntry, Incoming, IntentJournal, JournalClosed, JournalRoom, Messages,
    Sendable, StageClock, Strategies, Venues,
};
use millrun_engine::turn::{Turn, TurnBounds};
use millrun_engine::{Decisions, Engine, Moment};
use model::control::Control;
use model::input::{
    EntryKind, Input, LinkChanged, LinkReason, LinkState, NotSentReason, RecoveryStarted,
};
use model::journal_record::{EntryBuffers, put_entry, take_entry};
use model::order_event::OrderEventKind;
use model::order_request::OrderReference;
use model::recon_fact::SweepEnded;
use model::request_slot::CheckedRequest;
use model::sent_record::{Arrival, EntryMoments, SentRecord, SentStamp};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    BootEpoch, ClientOrderId, CommandKind, Decision, InstrumentId, LinkId, MonotonicNs, NewOrder,
    OrderEvent, OrderIntent, OrderType, Price, Quantity, ReconFact, RejectReason, Request,
    RequestId, Side, StrategyId, TimeInForce, UnixNs, UtcAnchor, VenueId,
};
use std::cell::Cell;
use std::collections::VecDeque;

/// An append.
pub(crate) struct Appended(u64);

impl CommittedEntry for Appended {
    fn sequence(&self) -> u64 {
        self.0
    }
}

/// A journal whose disk is slow or broken as the test wants it.
#[derive(Default)]
pub(crate) struct PaperJournal {
    pub(crate) entries: Vec<(Moment, EntryKind, Vec<u8>)>,
    pub(crate) synced: u64,
    pub(crate) is_late: bool,
    pub(crate) has_failed: bool,
}

impl PaperJournal {
    /// Everything that was appended is on the disk.
    pub(crate) fn sync(&mut self) {
        assert!(!self.has_failed, "a failed sync is final");
        self.synced = u64::try_from(self.entries.len()).unwrap();
    }
}

impl IntentJournal for PaperJournal {
    type Committed = Appended;

    fn next_sequence(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap() + 1
    }

    fn room(&mut self, _now: MonotonicNs, _open_orders: u32) -> JournalRoom {
        match (self.has_failed, self.is_late) {
            (true, _) => JournalRoom::Failed,
            (false, true) => JournalRoom::Late,
            (false, false) => JournalRoom::Ample,
        }
    }

    fn sendable_to(&self) -> u64 {
        self.synced
    }

    fn append(
        &mut self,
        now: MonotonicNs,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<Appended, JournalClosed> {
        let sequence = self.next_sequence();
        let mut bytes = Vec::new();
        put_entry(input, decisions, &mut bytes);
        self.entries
            .push((Moment { sequence, now }, input.kind(), bytes));
        Ok(Appended(sequence))
    }

    fn append_sent(
        &mut self,
        _now: MonotonicNs,
        _record: &SentRecord,
    ) -> Result<(), JournalClosed> {
        Ok(())
    }
}

/// The wire: what was sent, in order, each with the entry that allowed it.
#[derive(Default)]
pub(crate) struct PaperVenues {
    pub(crate) waiting: VecDeque<LinkChanged>,
    pub(crate) sent: Vec<(u64, OrderIntent)>,
    /// The stamps that came with each, and the moment of its sending.
    pub(crate) stamps: Vec<(EntryMoments, MonotonicNs)>,
    pub(crate) down: [bool; 2],
    pub(crate) busy: bool,
    /// How often plaintext was to be taken back.
    pub(crate) withdrawals: u32,
}

impl Venues for PaperVenues {
    fn next_input(&mut self, _now: MonotonicNs, _clock: &impl StageClock) -> Option<Input<'_>> {
        let change = self.waiting.pop_front()?;
        self.down[usize::from(change.venue.0)] = change.state == LinkState::Down;
        Some(Input::LinkChanged(change))
    }

    fn arrival(&self) -> Arrival {
        Arrival::default()
    }

    fn can_send(&self, venue: VenueId) -> Result<(), RejectReason> {
        match (self.down[usize::from(venue.0)], self.busy) {
            (true, _) => Err(RejectReason::VenueDown),
            (false, true) => Err(RejectReason::VenueBusy),
            (false, false) => Ok(()),
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
        if self.down[usize::from(venue.0)] {
            return Err(NotSentReason::LinkGone);
        }
        self.sent.push((sendable.sequence(), *intent));
        self.stamps.push((*moments, clock.stamp()));
        Ok(())
    }

    fn withdraw(
        &mut self,
        _now: MonotonicNs,
        _is_barred: impl Fn(ClientOrderId, CommandKind) -> bool,
    ) {
        self.withdrawals += 1;
    }

    fn flush(&mut self, _clock: &impl StageClock, _stamps: &mut Vec<SentStamp>) {}
}

/// One strategy's rings.
#[derive(Default)]
pub(crate) struct PaperStrategies {
    pub(crate) requests: VecDeque<CheckedRequest>,
    pub(crate) events: Vec<OrderEvent>,
}

impl Strategies for PaperStrategies {
    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        None
    }

    fn count(&self) -> u16 {
        1
    }

    fn next_request(&mut self, _strategy: StrategyId) -> Option<Incoming> {
        self.requests.pop_front().map(Incoming::Request)
    }

    fn has_event_room(&mut self, _strategy: StrategyId) -> bool {
        true
    }

    fn publish(&mut self, _strategy: StrategyId, event: &OrderEvent) {
        self.events.push(*event);
    }

    fn attached(&mut self, _attached: Attached) {}
}

/// Orders of a person; nothing else comes in.
#[derive(Default)]
pub(crate) struct PaperMessages {
    pub(crate) controls: VecDeque<Control>,
}

impl Messages for PaperMessages {
    fn next_control(&mut self) -> Option<Control> {
        self.controls.pop_front()
    }

    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        None
    }

    fn committed(&mut self, _sequence: u64) {}
}

/// Steps at each reading, so that the order of stamps is seen.
#[derive(Default)]
pub(crate) struct PaperClock(Cell<u64>);

impl StageClock for PaperClock {
    fn stamp(&self) -> MonotonicNs {
        self.0.set(self.0.get() + 1);
        MonotonicNs(self.0.get())
    }
}

/// A live turn on paper.
pub(crate) struct Paper {
    pub(crate) turn: Turn<PaperJournal, PaperVenues, PaperStrategies, PaperMessages, PaperClock>,
    pub(crate) now: MonotonicNs,
    next_request: u64,
    next_link: u32,
}

impl Paper {
    /// Both venues live, strategy 0 attached, everything synced; so many commands may wait.
    pub(crate) fn live(parked: usize) -> Self {
        let bounds = TurnBounds {
            parked,
            ..TurnBounds::default()
        };
        let turn = Turn::new(
            Engine::new(&config::config()),
            PaperJournal::default(),
            PaperVenues::default(),
            PaperStrategies::default(),
            PaperMessages::default(),
            PaperClock::default(),
            bounds,
        );
        let mut paper = Self {
            turn,
            now: MonotonicNs(100 * NS_PER_S),
            next_request: 0,
            next_link: 1,
        };
        let anchor = UtcAnchor {
            monotonic: paper.now,
            unix: UnixNs(1_760_000_000 * NS_PER_S),
            error_ns: 0,
        };
        paper.take(&Input::RecoveryStarted(RecoveryStarted {
            epoch: BootEpoch::new(5).unwrap(),
            engine_version: millrun_engine::ENGINE_VERSION,
            anchor,
        }));
        paper.take(&Input::StrategyAttached {
            strategy: StrategyId(0),
            generation: 1,
        });
        paper.link(0, LinkState::Up);
        paper.link(1, LinkState::Up);
        paper.run();
        paper.sweep(0);
        paper.sweep(1);
        paper.turn.journal.sync();
        paper.run();
        paper
    }

    pub(crate) fn take(&mut self, input: &Input<'_>) {
        self.turn.take(self.now, input).unwrap();
    }

    pub(crate) fn run(&mut self) {
        self.turn.run(self.now).unwrap();
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.after_ns(ms * NS_PER_MS);
    }

    /// The venue's connection comes or goes; seen in the next turn.
    pub(crate) fn link(&mut self, venue: u8, state: LinkState) {
        let (link, reason) = match state {
            LinkState::Up => {
                self.next_link += 2;
                (self.next_link + u32::from(venue), LinkReason::Ready)
            }
            LinkState::Down => {
                let link = self.turn.engine().state().venues[usize::from(venue)].link;
                (link.map_or(0, |link| link.0), LinkReason::PeerClosed)
            }
        };
        self.turn.venues.waiting.push_back(LinkChanged {
            venue: VenueId(venue),
            link: LinkId(link),
            state,
            reason,
        });
    }

    /// The sweep that is under way ends well.
    pub(crate) fn sweep(&mut self, venue: u8) {
        let ended = SweepEnded {
            asked_at_seq: self.turn.journal.next_sequence() - 1,
            venue: VenueId(venue),
            sweep_no: self.turn.engine().state().venues[usize::from(venue)].sweep_no,
            complete: true,
        };
        self.take(&Input::ReconFact(ReconFact::SweepEnded(ended)));
    }

    /// Puts a request into the ring.
    pub(crate) fn ask(&mut self, request: Request) -> RequestId {
        self.next_request += 1;
        let request_id = RequestId(self.next_request);
        self.turn.strategies.requests.push_back(CheckedRequest {
            request_id,
            written_at: self.now,
            request,
        });
        request_id
    }

    /// Asks for a buy at an instrument.
    pub(crate) fn buy(&mut self, instrument: u32) -> RequestId {
        self.ask(Request::New(NewOrder {
            instrument: InstrumentId(instrument),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: false,
            reduce_only: false,
            order_quantity: Quantity::from_units(10),
            limit_price: Price::from_units(100),
            valid_for_ns: 0,
        }))
    }

    pub(crate) fn cancel(&mut self, order: RequestId) -> RequestId {
        let order = OrderReference::RequestId(order);
        self.ask(Request::Cancel { order })
    }

    pub(crate) fn replace(&mut self, order: RequestId, price: i64) -> RequestId {
        self.ask(Request::Replace {
            order: OrderReference::RequestId(order),
            order_quantity: Quantity::from_units(20),
            limit_price: Price::from_units(price),
        })
    }

    /// What was sent so far: command and order.
    pub(crate) fn sent(&self) -> Vec<(CommandKind, ClientOrderId)> {
        let sent = self.turn.venues.sent.iter();
        sent.map(|(_, intent)| (intent.command, intent.client_order_id))
            .collect()
    }

    /// The kinds of the events about a request.
    pub(crate) fn told(&self, request: RequestId) -> Vec<OrderEventKind> {
        let events = self.turn.strategies.events.iter();
        let of_it = events.filter(|event| event.request_id == request);
        of_it.map(|event| event.kind).collect()
    }

    /// Why a request was refused.
    pub(crate) fn refusal(&self, request: RequestId) -> Option<RejectReason> {
        let mut events = self.turn.strategies.events.iter();
        events
            .find(|event| {
                event.request_id == request && event.kind == OrderEventKind::RequestRefused
            })
            .and_then(|event| event.reason)
    }

    /// The order that a request made.
    pub(crate) fn order_of(&self, request: RequestId) -> ClientOrderId {
        let mut events = self.turn.strategies.events.iter();
        events
            .find(|event| event.request_id == request && event.client_order_id.is_some())
            .and_then(|event| event.client_order_id)
            .expect("the request made an order")
    }

    /// The intents that came back, with their reasons.
    pub(crate) fn given_back(&self) -> Vec<(u64, NotSentReason)> {
        let mut buffers = EntryBuffers::default();
        let mut found = Vec::new();
        for (_, kind, bytes) in &self.turn.journal.entries {
            let (input, _) = take_entry(*kind, bytes, &mut buffers).unwrap();
            if let Input::NotSent { intent_seq, reason } = input {
                found.push((intent_seq, reason));
            }
        }
        found
    }

    /// A second engine decides the same on the same inputs, and has the same state at the end.
    pub(crate) fn decides_again(&self) {
        let mut again = Engine::new(&config::config());
        let mut decisions = Decisions::with_capacity(4096);
        let mut buffers = EntryBuffers::default();
        for (moment, kind, bytes) in &self.turn.journal.entries {
            let (input, recorded) = take_entry(*kind, bytes, &mut buffers).unwrap();
            again.handle(*moment, &input, &mut decisions);
            assert_eq!(decisions.as_slice(), recorded, "entry {}", moment.sequence);
        }
        assert_eq!(again.state().digest(), self.turn.engine().state().digest());
    }
}
