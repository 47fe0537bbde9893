//! The stages of a turn: an order from its slot to its plaintext frame, and a fill from its frame
//! to its event, through the engine's real turn and the real journal, with a number of open orders.
//!
//! Each step places an order, lets the venue show it, ends the oldest one and fills another: the
//! count of open orders stays. Only the placing and the filling are timed. Invariant: every timed
//! turn did what it is timed for, or the run ends with an error.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use engine::turn::{Turn, TurnBounds};
use engine::{Decisions, Engine, Moment};
use model::execution_report::VenueOrderState;
use model::input::{Admission, Input, RequestInput};
use model::{
    ClientOrderId, Decision, LinkId, MonotonicNs, OrderStatus, Request, RequestId, StrategyId,
    VenueId, VenueReport,
};
#[cfg(test)]
use model::{
    input::{LinkChanged, LinkReason, LinkState},
    recon_fact::{FactSource, OrderSeen, ReconFact, SweepEnded},
};
use protocol::venue::okx::instrument_table::{InstrumentTable, OkxSettings};

use crate::journal_port::JournalPort;
use crate::samples::{Counter, Samples};
use crate::scene;
use crate::stage_ports::{Silence, StrategyStub, VenueStub};
use crate::tls_end::{TlsEnd, swallowing_socket};
use crate::turn_stages::{STAGES, TurnStage, Wire};

/// A push of a whole fill in the venue's own form, 60 members.
pub(crate) const FILL: &str =
    include_str!("../../gateway/protocol/src/venue/okx/fixtures/orders_filled_taker.json");
/// The texts in it that differ from order to order.
const FILL_ORDER: &str = "7000000000000000012";
const FILL_VENUE_ORDER: &str = "2510789768709120";
const FILL_TRADE: &str = "1518905530";
/// Timers after which an engine with an empty store has no act over all orders left.
const OPENING_TIMERS: u32 = 4_096;
/// For more open orders than this no segment can hold what each may still need.
const RESERVED_ORDERS_MAX: u32 = 100_000;

/// Orders of one turn when they come in batches: what a turn takes at most.
const BATCH_ORDERS: usize = 16;

/// What a round of turns leaves.
pub(crate) struct TurnSamples {
    /// One for each of [`STAGES`].
    pub(crate) stages: [Samples; STAGES.len()],
}

impl TurnSamples {
    pub(crate) fn with_capacity(orders: usize) -> Self {
        Self {
            stages: std::array::from_fn(|_| Samples::with_capacity(orders)),
        }
    }
}

/// An engine with so many open orders.
pub(crate) struct World {
    turn: Turn<JournalPort, VenueStub, StrategyStub, Silence, Counter>,
    wire: Wire,
    now: MonotonicNs,
    requests: u64,
    trades: u64,
    open: VecDeque<ClientOrderId>,
    reserve_orders: u32,
}

impl World {
    /// Opens a journal below `directory`, with `open_orders` orders placed before it began.
    ///
    /// # Errors
    /// What the journal refuses; an order that was refused.
    pub(crate) fn open(
        directory: &Path,
        open_orders: u32,
        order_capacity: u32,
        wire: Wire,
    ) -> Result<Self> {
        // A segment must hold what all open orders may still need, or new ones are refused.
        let segment_bytes = if open_orders > 5_000 { 512 } else { 64 } << 20;
        let directory = directory.join(format!("turn_{wire:?}_{open_orders}_{order_capacity}"));
        let mut port = JournalPort::open(&directory, segment_bytes)?;
        port.reserves_for_orders = open_orders <= RESERVED_ORDERS_MAX;
        let mut engine = Engine::new(&scene::config(order_capacity)?);
        let (now, open) = prefill(&mut engine, port.boot_epoch, open_orders)?;
        let mut world = Self::over(engine, port)?;
        world.wire = wire;
        world.turn.venues.tls = match wire {
            Wire::Plaintext => None,
            Wire::Tls => Some(TlsEnd::connect(&directory, None)?),
            Wire::Loopback => Some(TlsEnd::connect(&directory, Some(swallowing_socket()?))?),
        };
        world.requests = u64::from(open_orders);
        world.reserve_orders = open_orders + 16;
        (world.now, world.open) = (now, open);
        Ok(world)
    }

    fn over(engine: Engine, port: JournalPort) -> Result<Self> {
        let table =
            InstrumentTable::new(VenueId(0), [&scene::instrument()?], &OkxSettings::default())
                .map_err(|error| anyhow!("{error}"))?;
        let bounds = TurnBounds::default();
        let venue = VenueStub::new(table)?;
        let strategy = StrategyStub::new()?;
        Ok(Self {
            turn: Turn::new(
                engine,
                port,
                venue,
                strategy,
                Silence,
                Counter::new(),
                bounds,
            ),
            now: scene::BEGIN,
            requests: 0,
            wire: Wire::Plaintext,
            trades: 0,
            open: VecDeque::new(),
            reserve_orders: 16,
        })
    }

    /// As [`Self::open`], with everything in the journal from its configuration on, so that it can
    /// be folded: `open_orders` are placed through it.
    ///
    /// # Errors
    /// What the journal refuses; an order that was refused.
    pub(crate) fn open_journaled(
        directory: &Path,
        open_orders: u32,
        order_capacity: u32,
    ) -> Result<Self> {
        let port = JournalPort::open(directory, 64 << 20)?;
        let config = scene::config(order_capacity)?;
        let mut world = Self::over(Engine::new(&config), port)?;
        world.take(&Input::ConfigApplied(&config))?;
        for input in scene::opening(world.turn.journal.boot_epoch)? {
            world.take(&scene::asked_one_later(input))?;
        }
        for _ in 0..OPENING_TIMERS {
            world.take(&Input::Timer)?;
        }
        world.reserve_orders = open_orders + 16;
        for _ in 0..open_orders {
            world.turn.journal.wait_for_room(world.reserve_orders)?;
            world.ask()?;
            world.run()?;
            world.show_placed()?;
        }
        Ok(world)
    }

    /// The last sequence in the journal.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.turn.journal.writer.next_sequence() - 1
    }

    /// The digest of the engine's state.
    pub(crate) fn digest(&self) -> u64 {
        self.turn.engine().state().digest()
    }

    /// Bytes of an order's frame, with its WebSocket header.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.turn.venues.plaintext_bytes
    }

    /// Bytes of the fill's message.
    pub(crate) fn message_bytes(&self) -> usize {
        self.turn.venues.payload.len()
    }

    /// The stages that [`Self::round`] stamps.
    pub(crate) fn stages(&self) -> &'static [TurnStage] {
        self.wire.stages()
    }

    /// Orders a second, of turns that find `batch` requests in the ring each: from the first look
    /// into the ring to the end of the turn, its write and its entry about the sending included.
    ///
    /// # Errors
    /// A turn that did not send all of them; the journal.
    pub(crate) fn rate(&mut self, counter: &Counter, orders: usize, batch: usize) -> Result<f64> {
        let batch = batch.clamp(1, BATCH_ORDERS);
        let mut taken_ns = 0;
        let turns = orders / batch;
        for _ in 0..turns {
            self.turn.journal.wait_for_room(self.reserve_orders)?;
            for _ in 0..batch {
                self.ask()?;
            }
            let begun = counter.raw();
            self.run()?;
            taken_ns += counter.ns(begun, counter.raw());
            for _ in 0..batch {
                self.show_placed()?;
                self.end_oldest()?;
            }
        }
        Ok((turns * batch) as f64 * 1e9 / taken_ns.max(1) as f64)
    }

    /// One order out and one fill in, unmeasured but for what `measured_order` and `measured_fill`
    /// do around the two turns; two orders go and two come, so the count of open ones stays.
    ///
    /// # Errors
    /// A turn that did not do its work; the journal.
    pub(crate) fn step(
        &mut self,
        measured_order: impl FnOnce(&mut Self) -> Result<()>,
        measured_fill: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.turn.journal.wait_for_room(self.reserve_orders)?;
        self.ask()?;
        self.run()?;
        self.show_placed()?;
        self.ask()?;
        measured_order(self)?;
        self.show_placed()?;
        self.end_oldest()?;
        let filled = self.lay_fill()?;
        measured_fill(self)?;
        self.check_status(filled, OrderStatus::Filled)
    }

    /// One round: so many orders out and fills in, after a tenth of that for warming up.
    ///
    /// # Errors
    /// A turn that did not do what it is timed for; the journal.
    pub(crate) fn round(
        &mut self,
        counter: &Counter,
        orders: usize,
        samples: &mut TurnSamples,
    ) -> Result<()> {
        samples.stages.iter_mut().for_each(Samples::clear);
        let warm = (orders / 10).max(1);
        for step in 0..warm + orders {
            self.turn.journal.wait_for_room(self.reserve_orders)?;
            // Two orders, of which one is timed: one is filled and one cancelled below.
            self.ask()?;
            self.run()?;
            self.show_placed()?;
            self.ask()?;
            let begun = counter.raw();
            self.run()?;
            let ended = counter.raw();
            let plaintext_at = self.turn.venues.plaintext_at;
            let decided_at = self.turn.journal.begun_at;
            let committed_at = self.turn.journal.committed_at;
            let sealed_at = self.turn.venues.sealed_at;
            self.show_placed()?;
            self.end_oldest()?;
            let filled = self.lay_fill()?;
            let fill_begun = counter.raw();
            self.run()?;
            let published_at = self.turn.strategies.published_at;
            self.check_filled(filled, fill_begun, published_at)?;
            if step >= warm {
                let venues = &self.turn.venues;
                let opened_at = venues.opened_at;
                let stamps = [
                    (begun, plaintext_at),
                    (begun, decided_at),
                    (decided_at, committed_at),
                    (committed_at, plaintext_at),
                    (begun, ended),
                    (opened_at, published_at),
                    (opened_at, venues.decoded_at),
                    (begun, sealed_at),
                    (plaintext_at, sealed_at),
                    (fill_begun, published_at),
                    (fill_begun, opened_at),
                ];
                let known = samples
                    .stages
                    .iter_mut()
                    .zip(stamps)
                    .take(self.stages().len());
                for (stage, (from, to)) in known {
                    stage.record(from, to);
                }
            }
        }
        Ok(())
    }

    /// Asks for an order that no limit lets pass, and lets `measured` do the turn.
    ///
    /// # Errors
    /// When it was not refused; the journal.
    #[cfg(test)]
    pub(crate) fn refused_order(
        &mut self,
        measured: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.now = self.now.after_ns(scene::STEP_NS);
        self.requests += 1;
        self.turn.strategies.refused = None;
        let words = scene::too_large_words(self.requests, self.now);
        self.turn.strategies.ask(&words)?;
        measured(self)?;
        self.turn
            .strategies
            .refused
            .context("an order over its limit passed")?;
        Ok(())
    }

    /// The link goes down and comes up; a sweep shows all open orders. `measured` does each input.
    ///
    /// # Errors
    /// The journal; a venue that does not take orders again.
    #[cfg(test)]
    pub(crate) fn reconnect(
        &mut self,
        mut measured: impl FnMut(&mut dyn FnMut() -> Result<()>),
    ) -> Result<()> {
        let changed = |link, state, reason| {
            Input::LinkChanged(LinkChanged {
                venue: VenueId(0),
                link: LinkId(link),
                state,
                reason,
            })
        };
        let down = changed(1, LinkState::Down, LinkReason::PeerClosed);
        let up = changed(2, LinkState::Up, LinkReason::Ready);
        for input in [down, up] {
            let mut result = Ok(());
            measured(&mut || {
                result = self.take(&input);
                Ok(())
            });
            result?;
        }
        use engine::ports::IntentJournal;
        let asked_at_seq = self.turn.journal.next_sequence() - 1;
        let sweep_no = self.turn.engine().state().venues[0].sweep_no;
        let seen: Vec<_> = self.open.iter().copied().collect();
        let facts = seen.into_iter().map(|id| {
            ReconFact::OrderSeen(OrderSeen {
                asked_at_seq,
                source: FactSource::OpenOrders,
                update: scene::shown(id, VenueOrderState::Live),
            })
        });
        let ended = ReconFact::SweepEnded(SweepEnded {
            asked_at_seq,
            venue: VenueId(0),
            sweep_no,
            complete: true,
        });
        for fact in facts.chain([ended]) {
            let mut result = Ok(());
            measured(&mut || {
                result = self.take(&Input::ReconFact(fact));
                Ok(())
            });
            result?;
        }
        Ok(())
    }

    /// Lays the next request ready; the engine's clock steps.
    fn ask(&mut self) -> Result<()> {
        self.now = self.now.after_ns(scene::STEP_NS);
        self.requests += 1;
        let words = scene::order_words(self.requests, self.now);
        self.turn.strategies.ask(&words)
    }

    /// One turn.
    ///
    /// # Errors
    /// When the journal takes no more.
    #[inline]
    pub(crate) fn run(&mut self) -> Result<()> {
        let report = self.turn.run(self.now);
        report.map_err(|_| anyhow!("the journal closed"))?;
        Ok(())
    }

    fn take(&mut self, input: &Input<'_>) -> Result<()> {
        let taken = self.turn.take(self.now, input);
        taken.map_err(|_| anyhow!("the journal closed"))
    }

    /// The order that was just sent is live at the venue.
    fn show_placed(&mut self) -> Result<()> {
        let sent = self.turn.venues.sent.pop_front();
        let Some(id) = sent else {
            bail!("an order was refused: {:?}", self.turn.strategies.refused);
        };
        self.show(id, VenueOrderState::Live, OrderStatus::Acknowledged)?;
        self.open.push_back(id);
        Ok(())
    }

    fn end_oldest(&mut self) -> Result<()> {
        let id = self.open.pop_front().context("orders are open")?;
        self.show(id, VenueOrderState::Cancelled, OrderStatus::Cancelled)
    }

    fn show(&mut self, id: ClientOrderId, state: VenueOrderState, then: OrderStatus) -> Result<()> {
        self.take(&seen(&[VenueReport::Order(scene::shown(id, state))]))?;
        self.check_status(id, then)
    }

    /// Lays the message ready that fills the oldest order.
    fn lay_fill(&mut self) -> Result<ClientOrderId> {
        let id = self.open.pop_front().context("orders are open")?;
        self.trades += 1;
        let text = FILL
            .trim_end()
            .replace(FILL_ORDER, &id.integer().to_string())
            .replace(FILL_VENUE_ORDER, scene::venue_order_id(id).as_str())
            .replace(FILL_TRADE, &format!("{:010}", self.trades));
        self.turn.venues.lay(&text)?;
        Ok(id)
    }

    fn check_filled(&self, id: ClientOrderId, begun: u64, published_at: u64) -> Result<()> {
        self.check_status(id, OrderStatus::Filled)?;
        if published_at <= begun {
            bail!("the fill of {id} made no event");
        }
        Ok(())
    }

    fn check_status(&self, id: ClientOrderId, expected: OrderStatus) -> Result<()> {
        let found = self.turn.engine().state().orders.get(id);
        let found = found.map(|order| order.status);
        if found != Some(expected) {
            bail!("order {id}: expected {expected:?}, found {found:?}");
        }
        Ok(())
    }
}

fn seen(reports: &[VenueReport]) -> Input<'_> {
    Input::VenueFrame {
        venue: VenueId(0),
        link: LinkId(1),
        raw: b"{}",
        reports,
    }
}

/// Opens the venue and places `open_orders` orders, each shown by the venue: by the engine alone,
/// without journal and wire, so that a million take seconds. Gives the clock and the orders.
fn prefill(
    engine: &mut Engine,
    boot_epoch: u32,
    open_orders: u32,
) -> Result<(MonotonicNs, VecDeque<ClientOrderId>)> {
    let mut open = VecDeque::with_capacity(open_orders as usize + 2);
    let mut decisions = Decisions::with_capacity(64);
    let (mut sequence, mut now) = (0, scene::BEGIN);
    let mut take = |now, input: &Input<'_>, decisions: &mut Decisions| {
        sequence += 1;
        engine.handle(Moment { sequence, now }, input, decisions);
    };
    for input in scene::opening(boot_epoch)? {
        take(now, &input, &mut decisions);
    }
    // What the sweep's end asks for is done before there are orders to do it to.
    for _ in 0..OPENING_TIMERS {
        take(now, &Input::Timer, &mut decisions);
    }
    for request in 1..=u64::from(open_orders) {
        now = now.after_ns(scene::STEP_NS);
        let input = Input::Request(RequestInput {
            strategy: StrategyId(0),
            request_id: RequestId(request),
            written_at: now,
            admission: Admission::Granted,
            request: Request::New(scene::order()),
        });
        take(now, &input, &mut decisions);
        let created = decisions.as_slice().iter().find_map(|one| match one {
            Decision::Order(change) => Some(change.client_order_id),
            _ => None,
        });
        let id = created.with_context(|| format!("refused: {:?}", decisions.as_slice()))?;
        let shown = VenueReport::Order(scene::shown(id, VenueOrderState::Live));
        take(now, &seen(&[shown]), &mut decisions);
        open.push_back(id);
    }
    Ok((now, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_times_as_many_orders_and_fills_as_asked_and_keeps_the_open_ones() {
        let directory = tempfile::tempdir().unwrap();
        let counter = Counter::new();
        let mut world = World::open(directory.path(), 20, 1 << 10, Wire::Tls).unwrap();
        let mut samples = TurnSamples::with_capacity(30);
        world.round(&counter, 30, &mut samples).unwrap();
        assert_eq!(world.open.len(), 20);
        assert_eq!(world.turn.engine().state().orders.open_count(), 20);
        let figures = samples.stages.map(|stage| stage.figures(&counter).unwrap());
        assert!(figures.iter().all(|stage| stage.count == 30));
        let [plaintext, decide, journal, encode, whole, fill, decode, ..] = figures;
        let [.., to_wire, seal, from_wire, open] = figures;
        assert!(seal.mean < to_wire.mean && open.mean < from_wire.mean);
        assert!(plaintext.p50 < to_wire.p50 && fill.p50 < from_wire.p50);
        for part in [decide, journal, encode] {
            assert!(part.mean < plaintext.mean);
        }
        assert!(plaintext.p50 <= whole.p50 && decode.p50 < fill.p50);
        assert!(world.frame_bytes() > 100 && world.message_bytes() > 1_000);
    }

    #[test]
    fn a_rate_is_of_orders_that_all_left_and_batches_share_a_write() {
        let directory = tempfile::tempdir().unwrap();
        let counter = Counter::new();
        for wire in [Wire::Tls, Wire::Loopback] {
            let mut world = World::open(directory.path(), 20, 1 << 10, wire).unwrap();
            let sent = |world: &World| world.turn.venues.tls.as_ref().unwrap().sent();
            let (bytes_before, writes_before) = sent(&world);
            assert!(world.rate(&counter, 64, 16).unwrap() > 0.0);
            let (bytes, writes) = sent(&world);
            assert!(bytes - bytes_before > 64 * 100);
            assert!((4..64).contains(&(writes - writes_before)), "{writes}");
        }
    }
}
