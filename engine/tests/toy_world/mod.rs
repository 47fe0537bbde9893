//! A small world around the engine: venues, a bad wire, a query side, strategies, crashes.
//!
//! One seed gives one history. In the safety phase faults come at random; then they stop, and the
//! world runs on until everything must be settled. Time is virtual; nothing waits.

pub(crate) mod kills;
pub(crate) mod query;
pub(crate) mod strategies;
pub(crate) mod venue;
pub(crate) mod verdict;

use crate::reference_model::ReferenceModel;
use crate::rig::{Rig, config, started};
use model::control::ControlScope;
use model::execution_report::{VenueOrderState, VenueReport};
use model::identifiers::TradeId;
use model::input::{
    Control, Input, LinkChanged, LinkReason, LinkState, LossReason, NotSentReason, RecoveryStarted,
};
use model::order_change::ChangeBody;
use model::recon_fact::LookupEnded;
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    BootEpoch, ClientOrderId, Decision, InstanceTag, InstrumentId, LinkId, MarginMode, MonotonicNs,
    OrderIntent, PositionSide, PositionStated, Price, Quantity, ReconFact, Side, UnixNs, UtcAnchor,
    VenueId, VenueOrderId,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use strategies::ToyStrategy;
use venue::{Says, ToyVenue, Whims, chance};

/// Unix nanoseconds at which every history begins.
const EPOCH_NS: u64 = 1_760_000_000 * NS_PER_S;

/// A fault that a test plants to see that the checks are awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// None.
    Nothing,
    /// A repeated push carries its execution under another trade id.
    RenamedTrades,
    /// The query side says "absent" of orders that it never looked for, in the future's name.
    FalseAbsence,
    /// The gate gives intents back that it has sent.
    FalseNotSent,
    /// Executions of some pushes are lost, and no list shows them.
    HiddenFills,
}

/// How often things go wrong, in percent unless named otherwise. Drawn per seed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) lose: u32,
    pub(crate) repeat: u32,
    pub(crate) delay: u32,
    pub(crate) slow_command: u32,
    pub(crate) not_sent: u32,
    pub(crate) query_fails: u32,
    pub(crate) query_lags: bool,
    pub(crate) link_breaks: bool,
    pub(crate) crashes: bool,
    pub(crate) reboots: bool,
}

impl Faults {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut percent = |most: u32| {
            if rng.random_bool(0.5) {
                rng.random_range(0..=most)
            } else {
                0
            }
        };
        Self {
            lose: percent(25),
            repeat: percent(30),
            delay: percent(40),
            slow_command: percent(10),
            not_sent: percent(8),
            query_fails: percent(30),
            query_lags: percent(1) == 1 || percent(1) == 1,
            link_breaks: percent(3) > 0,
            crashes: percent(3) > 0,
            reboots: percent(1) > 0,
        }
    }
}

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A command reaches a venue.
    Command {
        venue: u8,
        link: LinkId,
        intent: OrderIntent,
    },
    /// A frame reaches the engine, if its connection still stands.
    Frame {
        venue: u8,
        link: LinkId,
        reports: Vec<VenueReport>,
    },
    /// The gate gives an intent back.
    NotSent { boot: u32, intent_seq: u64 },
    /// The query side begins to look an order up.
    Lookup {
        boot: u32,
        id: ClientOrderId,
        ask_no: u16,
    },
    /// The query side begins a sweep.
    Sweep { boot: u32, venue: u8, sweep_no: u32 },
    /// A fact reaches the engine.
    Fact { boot: u32, fact: ReconFact },
    /// A connection is ready.
    LinkUp { venue: u8 },
    /// A connection is found to be gone.
    LinkDown { venue: u8, link: LinkId },
    /// A connection breaks without anybody noticing yet.
    LinkBreaks { venue: u8 },
    /// A strategy acts.
    Act { strategy: usize },
    /// The market moves at a venue.
    Market { venue: u8 },
    /// A strategy is lost, or back.
    Presence { strategy: usize },
    /// A person closes or opens a kill latch.
    Kill { scope: ControlScope, close: bool },
    /// The engine's process dies.
    Crash,
}

/// What one history came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) trace_hash: u64,
    pub(crate) entries: u64,
    pub(crate) orders: usize,
    pub(crate) fills: usize,
    pub(crate) crashes: u32,
    pub(crate) kills: u32,
    pub(crate) needs_operator: usize,
    pub(crate) compared_steps: u64,
    pub(crate) most_decisions_per_report: usize,
    /// Breaks that stand at the end.
    pub(crate) breaks: usize,
    /// Instruments that were never compared.
    pub(crate) uncompared: usize,
}

/// The world of one seed.
pub(crate) struct World {
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: u64,
    monotonic_base: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    pub(crate) rig: Rig,
    pub(crate) model: ReferenceModel,
    pub(crate) venues: Vec<ToyVenue>,
    links: Vec<Option<LinkId>>,
    deaf: Vec<bool>,
    next_link: u32,
    pub(crate) faults: Faults,
    pub(crate) planted: Planted,
    pub(crate) boot: u32,
    pub(crate) crashes: u32,
    strategies: Vec<ToyStrategy>,
    generations: u64,
    pub(crate) ledger: BTreeMap<ClientOrderId, BTreeMap<TradeId, i64>>,
    pub(crate) most_decisions_per_report: usize,
    calm: bool,
    pub(crate) kills: kills::KillBook,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Planted) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let faults = Faults::draw(&mut rng);
        let mut config = config::config();
        config.terminal_keep_ns = rng.random_range(1..10) * NS_PER_S;
        config.order_capacity = if rng.random_bool(0.3) { 32 } else { 128 };
        config.answer_window = 32;
        let mut rig = Rig::new(&config);
        rig.compare_each = rng.random_range(20..60);
        let mut world = Self {
            now: EPOCH_NS,
            monotonic_base: EPOCH_NS - 5 * NS_PER_S,
            queue: BTreeMap::new(),
            queued: 0,
            rig,
            model: ReferenceModel::default(),
            venues: vec![ToyVenue::new(0), ToyVenue::new(1)],
            links: vec![None; 2],
            deaf: vec![false; 2],
            next_link: 1,
            faults,
            planted,
            boot: 1,
            crashes: 0,
            strategies: (0..3).map(ToyStrategy::new).collect(),
            generations: 0,
            ledger: BTreeMap::new(),
            most_decisions_per_report: 0,
            calm: false,
            kills: kills::KillBook::default(),
            rng,
        };
        for venue in 0..2 {
            world.venues[venue].whims = world.draw_whims();
            for instrument in world.instruments_of(venue) {
                let held = world.rng.random_range(-3..=3) * 10;
                world.venues[venue].held_before.insert(instrument, held);
            }
        }
        world
    }

    fn draw_whims(&mut self) -> Whims {
        let mut percent = |most: u32| {
            if self.rng.random_bool(0.6) {
                self.rng.random_range(0..=most)
            } else {
                0
            }
        };
        Whims {
            reject: percent(15),
            reject_after_ack: percent(8),
            cancel_post_only: percent(50),
            cross: percent(40),
            unsure: percent(12),
            refuse_replace: percent(25),
        }
    }

    /// The whole history of a seed.
    pub(crate) fn run(mut self) -> Summary {
        self.begin_run();
        for strategy in 0..3 {
            self.schedule(
                strategy * 7 * NS_PER_MS,
                Happening::Act {
                    strategy: usize::try_from(strategy).expect("small"),
                },
            );
        }
        for venue in 0..2 {
            self.schedule(NS_PER_MS, Happening::Market { venue });
        }
        self.schedule_faults();
        self.schedule_kills();
        self.run_until(self.now + 14 * NS_PER_S);
        self.become_calm();
        for _ in 0..4 {
            // Under a kill of everything no other order to cancel is needed.
            if !self.kills.covers_all() {
                self.feed(&Input::Control(Control::CancelAll));
            }
            self.run_until(self.now + 7 * NS_PER_S);
        }
        self.rig.compare_folded();
        self.rig.restart();
        self.verdict()
    }

    fn schedule_faults(&mut self) {
        for _ in 0..4 {
            let at = self.rng.random_range(0..14_000) * NS_PER_MS;
            if self.faults.link_breaks {
                let venue = u8::from(self.rng.random_bool(0.4));
                self.schedule(at, Happening::LinkBreaks { venue });
            }
            let at = self.rng.random_range(0..14_000) * NS_PER_MS;
            if self.faults.crashes && self.rng.random_bool(0.7) {
                self.schedule(at, Happening::Crash);
            }
            let at = self.rng.random_range(0..14_000) * NS_PER_MS;
            let strategy = self.rng.random_range(0..3);
            self.schedule(at, Happening::Presence { strategy });
        }
    }

    /// The end of all faults.
    fn become_calm(&mut self) {
        self.calm = true;
        self.faults = Faults::default();
        for venue in 0..2u8 {
            let at = usize::from(venue);
            self.venues[at].whims = Whims::default();
            if self.deaf[at]
                && let Some(link) = self.links[at]
            {
                self.schedule(NS_PER_MS, Happening::LinkDown { venue, link });
            }
        }
    }

    pub(crate) fn schedule(&mut self, after_ns: u64, happening: Happening) {
        self.queued += 1;
        self.queue
            .insert((self.now + after_ns, self.queued), happening);
    }

    pub(crate) fn monotonic(&self) -> MonotonicNs {
        MonotonicNs(self.now - self.monotonic_base)
    }

    fn run_until(&mut self, end: u64) {
        let mut timers_at_once = 0;
        loop {
            let due = self
                .rig
                .engine
                .next_deadline()
                .0
                .saturating_add(self.monotonic_base);
            let due = due.max(self.now);
            let first = self.queue.keys().next().copied();
            let next = first.map_or(u64::MAX, |(at, _)| at);
            if due.min(next) > end {
                break;
            }
            if due < next {
                timers_at_once = if due == self.now {
                    timers_at_once + 1
                } else {
                    0
                };
                assert!(
                    timers_at_once < 5_000,
                    "the engine wants timers without end"
                );
                self.now = due;
                self.feed(&Input::Timer);
                continue;
            }
            self.now = next;
            let happening = self
                .queue
                .remove(&first.expect("it is the next"))
                .expect("queued");
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Command {
                venue,
                link,
                intent,
            } => self.command_arrives(venue, link, &intent),
            Happening::Frame {
                venue,
                link,
                reports,
            } => {
                if self.links[usize::from(venue)] == Some(link) {
                    self.frame(venue, link, &reports);
                }
            }
            Happening::NotSent { boot, intent_seq } if boot == self.boot => {
                let reason = NotSentReason::LinkGone;
                self.feed(&Input::NotSent { intent_seq, reason });
            }
            Happening::Lookup { boot, id, ask_no } if boot == self.boot => self.look_up(id, ask_no),
            Happening::Sweep {
                boot,
                venue,
                sweep_no,
            } if boot == self.boot => {
                self.sweep(venue, sweep_no);
            }
            Happening::Fact { boot, fact } if boot == self.boot => {
                self.feed(&Input::ReconFact(fact));
            }
            Happening::NotSent { .. }
            | Happening::Lookup { .. }
            | Happening::Sweep { .. }
            | Happening::Fact { .. } => {}
            Happening::LinkUp { venue } => self.link_up(venue),
            Happening::LinkDown { venue, link } => self.link_down(venue, link),
            Happening::LinkBreaks { venue } => self.link_breaks(venue),
            Happening::Act { strategy } => self.act(strategy),
            Happening::Market { venue } => self.market(venue),
            Happening::Presence { strategy } => self.presence(strategy),
            Happening::Kill { scope, close } => self.set_kill(scope, close),
            Happening::Crash => self.crash(),
        }
    }

    /// Feeds an input and does what the daemon does with the decisions.
    pub(crate) fn feed(&mut self, input: &Input<'_>) {
        let now = self.monotonic();
        let decisions = self.rig.feed(now, input);
        self.model.step(input, &decisions, self.rig.engine.state());
        if let Input::VenueFrame { reports, .. } = input {
            let each = decisions.len().div_ceil(reports.len().max(1));
            self.most_decisions_per_report = self.most_decisions_per_report.max(each);
        }
        for decision in &decisions {
            self.kills.note(decision);
            if let Some(intent) = started(decision) {
                self.kills.check(intent);
                self.send(*intent);
            }
            match decision {
                Decision::Order(change) => match change.body {
                    ChangeBody::Asked { ask_no, .. } => {
                        let (boot, id) = (self.boot, change.client_order_id);
                        let after = self.rng.random_range(1..20) * NS_PER_MS;
                        self.schedule(after, Happening::Lookup { boot, id, ask_no });
                    }
                    ChangeBody::Executed { fill, .. } => {
                        let fills = self.ledger.entry(change.client_order_id).or_default();
                        let before = fills.insert(fill.trade_id, fill.last_quantity.units());
                        assert!(before.is_none(), "P4: {:?} was booked twice", fill.trade_id);
                    }
                    _ => {}
                },
                Decision::SweepStarted { venue, sweep_no } => {
                    let (boot, venue, sweep_no) = (self.boot, venue.0, *sweep_no);
                    let after = self.rng.random_range(1..30) * NS_PER_MS;
                    self.schedule(
                        after,
                        Happening::Sweep {
                            boot,
                            venue,
                            sweep_no,
                        },
                    );
                }
                _ => {}
            }
        }
        for strategy in &mut self.strategies {
            strategy.read(self.rig.events(strategy.id));
        }
        self.check_truth(&decisions);
    }

    /// What the engine counts covers what the venue can still do.
    fn check_truth(&self, decisions: &[Decision]) {
        let mut under_way: BTreeMap<(ClientOrderId, bool), i64> = BTreeMap::new();
        for happening in self.queue.values() {
            if let Happening::Command { intent, .. } = happening
                && intent.command != model::CommandKind::Cancel
                && intent.valid_until.0 > self.now
            {
                let is_new = intent.command == model::CommandKind::New;
                let most = under_way
                    .entry((intent.client_order_id, is_new))
                    .or_default();
                *most = (*most).max(intent.order_quantity.units());
            }
        }
        // Every order now and then; at each step those that something was said about.
        let touched: BTreeSet<ClientOrderId> = decisions.iter().filter_map(about).collect();
        let all = self.rig.sequence().is_multiple_of(16);
        let orders = self.rig.engine.state().orders.iter();
        for order in orders.filter(|order| all || touched.contains(&order.client_order_id)) {
            let id = order.client_order_id;
            let venue = self.venue_of(order.instrument);
            let change = under_way.get(&(id, false)).copied().unwrap_or(0);
            let can_be = match self.venues[venue].of_ours(id) {
                Some(there) if there.is_open() => there.update.order_quantity.units().max(change),
                Some(there) => there.update.cum_quantity.units(),
                // Only a new order can make it come to be.
                None => under_way.get(&(id, true)).map_or(0, |new| change.max(*new)),
            };
            let counted = order.cum_quantity.units() + order.worst_leaves_quantity().units();
            assert!(
                counted >= can_be,
                "P7: {id} can come to {can_be}, {counted} counted: {order:?}"
            );
        }
    }

    pub(crate) fn venue_of(&self, instrument: InstrumentId) -> usize {
        usize::from(instrument.0 == 2)
    }

    fn send(&mut self, intent: OrderIntent) {
        let at = self.venue_of(intent.instrument);
        let venue = u8::try_from(at).expect("two venues");
        let gives_back = self.planted == Planted::FalseNotSent && chance(&mut self.rng, 5);
        let link = self.links[at].filter(|_| !chance(&mut self.rng, self.faults.not_sent));
        if link.is_none() || gives_back {
            let (boot, intent_seq) = (self.boot, intent.intent_seq);
            let after = self.rng.random_range(0..3) * NS_PER_MS;
            self.schedule(after, Happening::NotSent { boot, intent_seq });
        }
        let Some(link) = link else { return };
        let after = if chance(&mut self.rng, self.faults.slow_command) {
            self.rng.random_range(0..3_000 * NS_PER_MS)
        } else {
            self.rng.random_range(50_000..3 * NS_PER_MS)
        };
        if !(self.deaf[at] && self.rng.random_bool(0.5)) {
            self.schedule(
                after,
                Happening::Command {
                    venue,
                    link,
                    intent,
                },
            );
        }
    }

    fn command_arrives(&mut self, venue: u8, link: LinkId, intent: &OrderIntent) {
        let at = usize::from(venue);
        let says = self.venues[at].command(self.now, intent, &mut self.rng);
        self.say(venue, Some(link), says);
    }

    /// The venue speaks: the wire delays, repeats and loses. `link`: where replies go.
    fn say(&mut self, venue: u8, link: Option<LinkId>, says: Vec<Says>) {
        let at = usize::from(venue);
        let mut together = Vec::new();
        let bundled = chance(&mut self.rng, 15);
        for one in says {
            let (to, report) = match one {
                Says::Reply(reply) => (link, VenueReport::Reply(reply)),
                Says::Push(update) => {
                    if update.fill.is_some() {
                        self.state_position(venue, update.instrument);
                    }
                    (self.links[at], VenueReport::Order(update))
                }
            };
            let lost = self.deaf[at] || chance(&mut self.rng, self.faults.lose);
            let Some(to) = to.filter(|_| !lost) else {
                continue;
            };
            if bundled && Some(to) == self.links[at] {
                together.push(report);
                continue;
            }
            self.deliver(venue, to, vec![report]);
        }
        if let Some(link) = self.links[at].filter(|_| !together.is_empty()) {
            self.deliver(venue, link, together);
        }
    }

    /// The venue pushes what the account holds, on a way of its own: it may come first, late, twice
    /// or not at all.
    fn state_position(&mut self, venue: u8, instrument: InstrumentId) {
        let at = usize::from(venue);
        let lost = self.deaf[at] || chance(&mut self.rng, self.faults.lose);
        let Some(link) = self.links[at].filter(|_| !lost) else {
            return;
        };
        let stated = PositionStated {
            instrument,
            side: PositionSide::Net,
            margin: MarginMode::Cross,
            units: self.venues[at].position_at(instrument, self.now),
            venue_time: UnixNs(self.now),
        };
        self.deliver(venue, link, vec![VenueReport::Position(stated)]);
    }

    fn deliver(&mut self, venue: u8, link: LinkId, mut reports: Vec<VenueReport>) {
        let mut copies = 1;
        while chance(&mut self.rng, self.faults.repeat) && copies < 4 {
            copies += 1;
        }
        for copy in 0..copies {
            let after = if chance(&mut self.rng, self.faults.delay) {
                self.rng.random_range(0..2_500 * NS_PER_MS)
            } else {
                self.rng.random_range(50_000..2 * NS_PER_MS)
            };
            if copy > 0 && self.planted == Planted::RenamedTrades {
                rename_trades(&mut reports);
            }
            let reports = reports.clone();
            self.schedule(
                after,
                Happening::Frame {
                    venue,
                    link,
                    reports,
                },
            );
        }
    }

    fn frame(&mut self, venue: u8, link: LinkId, reports: &[VenueReport]) {
        let venue = VenueId(venue);
        self.feed(&Input::VenueFrame {
            venue,
            link,
            raw: b"{}",
            reports,
        });
    }

    fn link_up(&mut self, venue: u8) {
        let at = usize::from(venue);
        if self.links[at].is_some() {
            return;
        }
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links[at] = Some(link);
        self.deaf[at] = false;
        self.link_changed(venue, link, LinkState::Up, LinkReason::Ready);
    }

    fn link_down(&mut self, venue: u8, link: LinkId) {
        let at = usize::from(venue);
        if self.links[at] != Some(link) {
            return;
        }
        self.links[at] = None;
        // What was under way on it arrives or does not.
        self.lose_commands(Some(link));
        self.link_changed(venue, link, LinkState::Down, LinkReason::Silent);
        let after = self.rng.random_range(10..1_500) * NS_PER_MS;
        self.schedule(after, Happening::LinkUp { venue });
    }

    fn link_changed(&mut self, venue: u8, link: LinkId, state: LinkState, reason: LinkReason) {
        let venue = VenueId(venue);
        self.feed(&Input::LinkChanged(LinkChanged {
            venue,
            link,
            state,
            reason,
        }));
    }

    fn lose_commands(&mut self, of: Option<LinkId>) {
        let rng = &mut self.rng;
        self.queue.retain(|_, happening| match happening {
            Happening::Command { link, .. } if of.is_none_or(|of| of == *link) => {
                rng.random_bool(0.5)
            }
            _ => true,
        });
    }

    fn link_breaks(&mut self, venue: u8) {
        let at = usize::from(venue);
        if self.calm {
            return;
        }
        if let Some(link) = self.links[at] {
            self.deaf[at] = self.rng.random_bool(0.7);
            let after = self.rng.random_range(0..1_200) * NS_PER_MS;
            self.schedule(after, Happening::LinkDown { venue, link });
        }
    }

    fn act(&mut self, strategy: usize) {
        if self.calm {
            return;
        }
        let now = self.monotonic();
        let input = self.strategies[strategy].act(now, &mut self.rng);
        if self.rig.engine.state().strategies[strategy].attached {
            self.feed(&Input::Request(input));
        }
        let after = self.rng.random_range(1..220) * NS_PER_MS;
        self.schedule(after, Happening::Act { strategy });
    }

    fn presence(&mut self, strategy: usize) {
        let id = self.strategies[strategy].id;
        if self.rig.engine.state().strategies[strategy].attached && !self.calm {
            let generation = self.rig.engine.state().strategies[strategy].generation;
            let reason = LossReason::HungUp;
            self.feed(&Input::StrategyLost {
                strategy: id,
                generation,
                reason,
            });
            let after = self.rng.random_range(1..2_000) * NS_PER_MS;
            self.schedule(after, Happening::Presence { strategy });
        } else {
            self.generations += 1;
            let generation = self.generations;
            self.feed(&Input::StrategyAttached {
                strategy: id,
                generation,
            });
        }
    }

    fn market(&mut self, venue: u8) {
        let at = usize::from(venue);
        let open: Vec<VenueOrderId> = self.venues[at]
            .orders
            .values()
            .filter(|order| order.is_open())
            .map(|order| order.update.venue_order_id)
            .collect();
        if !open.is_empty() {
            let theirs = open[self.rng.random_range(0..open.len())];
            let says = match self.rng.random_range(0..100) {
                0..70 => self.venues[at].fill_some(self.now, &theirs, &mut self.rng),
                70..76 => self.venues[at].end(self.now, &theirs, VenueOrderState::Cancelled, 20),
                76..80 => self.venues[at].end(self.now, &theirs, VenueOrderState::Expired, 21),
                _ => None,
            };
            self.say(venue, None, says.into_iter().collect());
            self.cross(venue, &open);
        }
        if !self.calm && chance(&mut self.rng, 2) {
            self.enter_stranger(venue);
        }
        let after = self.rng.random_range(1..200) * NS_PER_MS;
        self.schedule(after, Happening::Market { venue });
    }

    /// Two of our orders on both sides of one instrument meet.
    fn cross(&mut self, venue: u8, open: &[VenueOrderId]) {
        let at = usize::from(venue);
        if !chance(&mut self.rng, 10) {
            return;
        }
        let of = |theirs: &VenueOrderId| self.venues[at].orders[theirs].update;
        let still = |theirs: &&VenueOrderId| self.venues[at].orders[*theirs].is_open();
        let buy = open
            .iter()
            .filter(still)
            .find(|one| of(one).side == Side::Buy)
            .copied();
        let Some(buy) = buy else { return };
        let instrument = of(&buy).instrument;
        let meets =
            |one: &&VenueOrderId| of(one).side == Side::Sell && of(one).instrument == instrument;
        let sell = open.iter().filter(still).find(meets).copied();
        let Some(sell) = sell else { return };
        let says = self.venues[at].cross_two(self.now, [&buy, &sell], &mut self.rng);
        self.say(venue, None, says);
    }

    /// An order of somebody else, or one of ours that no journal knows.
    fn enter_stranger(&mut self, venue: u8) {
        let instrument = InstrumentId(if venue == 0 {
            self.rng.random_range(0..2)
        } else {
            2
        });
        let tag = InstanceTag::new(if self.rng.random_bool(0.5) {
            config::TAG
        } else {
            33
        });
        let epoch = BootEpoch::new(0).expect("small");
        let sequence = self.rng.random_range(1..1_000_000);
        let ours = tag.and_then(|tag| ClientOrderId::new(tag, epoch, sequence));
        let ours = ours.filter(|_| self.rng.random_bool(0.8));
        let quantity = Quantity::from_units(self.rng.random_range(1..9) * 10);
        let price = Price::from_units(500);
        let at = usize::from(venue);
        let theirs = self.venues[at].enter(self.now, ours, instrument, Side::Buy, quantity, price);
        let update = self.venues[at].orders[&theirs].update;
        self.say(venue, None, vec![Says::Push(update)]);
    }

    fn crash(&mut self) {
        if self.calm {
            return;
        }
        self.crashes += 1;
        self.boot += 1;
        self.lose_commands(None);
        self.rig.restart();
        self.links = vec![None; 2];
        if self.faults.reboots {
            // The machine's own clock starts again.
            self.monotonic_base = self.now - self.rng.random_range(1..3_000) * NS_PER_MS;
        }
        self.now += self.rng.random_range(0..300) * NS_PER_MS;
        let late: Vec<_> = self
            .queue
            .range(..(self.now, 0))
            .map(|(key, _)| *key)
            .collect();
        for key in late {
            let happening = self.queue.remove(&key).expect("listed above");
            self.queued += 1;
            self.queue.insert((self.now, self.queued), happening);
        }
        self.begin_run();
    }

    fn begin_run(&mut self) {
        let anchor = UtcAnchor {
            monotonic: self.monotonic(),
            unix: UnixNs(self.now),
            error_ns: 0,
        };
        let epoch = BootEpoch::new(self.boot).expect("few boots");
        let engine_version = millrun_engine::ENGINE_VERSION;
        self.feed(&Input::RecoveryStarted(RecoveryStarted {
            epoch,
            engine_version,
            anchor,
        }));
        for strategy in 0..3 {
            self.presence(strategy);
        }
        for venue in 0..2 {
            let after = self.rng.random_range(1..400) * NS_PER_MS;
            self.schedule(after, Happening::LinkUp { venue });
        }
    }
}

/// The order that a decision changed.
fn about(decision: &Decision) -> Option<ClientOrderId> {
    match decision {
        Decision::Order(change) => Some(change.client_order_id),
        _ => None,
    }
}

fn rename_trades(reports: &mut [VenueReport]) {
    for report in reports {
        if let VenueReport::Order(update) = report
            && let Some(fill) = &mut update.fill
        {
            let renamed = format!("{}x", fill.trade_id);
            fill.trade_id = TradeId::new(renamed.as_bytes()).expect("short and printable");
        }
    }
}

/// The end of a look-up, as a fact.
pub(crate) fn lookup_ended(
    asked_at_seq: u64,
    id: ClientOrderId,
    ask_no: u16,
    complete: bool,
) -> ReconFact {
    ReconFact::LookupEnded(LookupEnded {
        asked_at_seq,
        client_order_id: id,
        ask_no,
        complete,
    })
}
