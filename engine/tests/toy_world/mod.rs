//! A small world around the engine: venues, a bad wire, a query side, strategies, crashes.
//!
//! One seed gives one history. In the safety phase faults come at random; then they stop, and the
//! world runs on until everything must be settled. Time is virtual; nothing waits.
//!
//! Here: the whole picture and the loop. What goes wrong is in `faults` and `kills`, the gate and
//! the connections in `wire`, the venues in `venue`, `market` and `query`, those who trade in
//! `strategies`; what must be true at every step is in `truth`, and at the end in `verdict`.

mod faults;
pub(crate) mod kills;
mod market;
pub(crate) mod query;
pub(crate) mod strategies;
mod truth;
pub(crate) mod venue;
pub(crate) mod verdict;
mod wire;

pub(crate) use faults::Planted;

use crate::reference_model::ReferenceModel;
use crate::rig::{Rig, config, started};
use faults::Faults;
use model::control::ControlScope;
use model::execution_report::VenueReport;
use model::identifiers::TradeId;
use model::input::{Control, Input, NotSentReason, RecoveryStarted};
use model::order_change::ChangeBody;
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    BootEpoch, ClientOrderId, Decision, InstrumentId, LinkId, MonotonicNs, OrderIntent, ReconFact,
    UnixNs, UtcAnchor,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use strategies::ToyStrategy;
use venue::ToyVenue;

/// Unix nanoseconds at which every history begins.
const EPOCH_NS: u64 = 1_760_000_000 * NS_PER_S;

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

    pub(crate) fn venue_of(&self, instrument: InstrumentId) -> usize {
        usize::from(instrument.0 == 2)
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
