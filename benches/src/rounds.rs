//! A run: everything set up, then rounds in which every stage is measured between two probes.
//!
//! Owns the order, the sizes and what becomes of the rounds' figures. Invariants: setting up and
//! waiting for the journal's keeper is never inside a sample; the keepers and every other thread
//! run on the peer processor, the measuring thread on its own; a round whose probes differ by more
//! than a quarter is counted as unsteady and its ring is compared with nothing.

use anyhow::{Context, Result};
use journal::Mode;

use crate::host::{Host, Pinning, load_average, minor_faults, pin};
use crate::journal_append::{AppendSamples, AppendStage};
use crate::report::{Rate, Report, Row, RunNotes, Target};
use crate::ring;
use crate::samples::{Counter, Figures, median};
use crate::scene;
use crate::turn::{TurnSamples, World};
use crate::turn_stages::Wire;

/// The probe may move by so much within a round.
const STEADY_SHARE: f64 = 0.25;
const NS_PER_MS: u64 = 1_000_000;

/// How much a round measures.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Appends of each form.
    pub(crate) appends: usize,
    /// Orders out and fills in, with few and with many open orders.
    pub(crate) orders: usize,
    /// Open orders of each world.
    pub(crate) open_orders: Vec<u32>,
    /// Orders of each rate.
    pub(crate) rate_orders: usize,
    /// Samples of the ring; each is twenty round trips.
    pub(crate) ring_samples: usize,
    /// Samples of the probe.
    pub(crate) probe_samples: usize,
    /// How long the sentinel watches, milliseconds.
    pub(crate) watch_ms: u64,
}

impl Sizes {
    /// What a run means without `--quick`.
    pub(crate) fn full() -> Self {
        Self {
            appends: 200_000,
            orders: 20_000,
            open_orders: vec![100, 50_000, 1_000_000],
            rate_orders: 32_000,
            ring_samples: 5_000,
            probe_samples: 1_000,
            watch_ms: 1_000,
        }
    }

    /// A tenth of it.
    pub(crate) fn quick() -> Self {
        Self {
            appends: 20_000,
            orders: 2_000,
            rate_orders: 3_200,
            ring_samples: 500,
            watch_ms: 200,
            ..Self::full()
        }
    }
}

/// How orders come when their rate is measured: name, socket, orders a turn, and what they reach on
/// the reference machine.
const RATES: [(&str, Wire, usize, f64); 4] = [
    ("null_socket_16_a_write", Wire::Tls, 16, 1_000_000.0),
    ("null_socket_1_a_write", Wire::Tls, 1, 1_000_000.0),
    ("loopback_16_a_write", Wire::Loopback, 16, 500_000.0),
    ("loopback_1_a_write", Wire::Loopback, 1, 150_000.0),
];
/// Open orders while rates are measured.
const RATE_OPEN_ORDERS: u32 = 100;

/// The figures of each round of one stage.
#[derive(Debug)]
struct Stage {
    name: String,
    target: Option<Target>,
    rounds: Vec<Figures>,
}

/// What is measured, and where its figures gather.
struct Run {
    counter: Counter,
    pinning: Pinning,
    append: AppendStage,
    group: AppendStage,
    worlds: Vec<(u32, World)>,
    rate_worlds: Vec<(Wire, World)>,
    append_samples: AppendSamples,
    turn_samples: TurnSamples,
    stages: Vec<Stage>,
    notes: RunNotes,
}

/// Sets up, warms up and measures `rounds` rounds.
///
/// # Errors
/// What the journal, the engine or the system refuses, and a turn that did not do its work.
pub(crate) fn run(rounds: u32, sizes: &Sizes) -> Result<Report> {
    let host = Host::read();
    let pinning = Pinning::choose();
    let directory = tempfile::Builder::new()
        .prefix("millrun-bench-")
        .tempdir()?;
    // Keepers inherit where their journals were opened.
    let others_pinned = pin(pinning.peer);
    let append = AppendStage::open(directory.path(), Mode::Process)?;
    let group = AppendStage::open(directory.path(), Mode::Group)?;
    let mut worlds = Vec::new();
    for open_orders in &sizes.open_orders {
        let capacity = (open_orders + 1)
            .next_power_of_two()
            .max(scene::ORDER_CAPACITY);
        let world = World::open(directory.path(), *open_orders, capacity, Wire::Tls)?;
        worlds.push((*open_orders, world));
    }
    let mut rate_worlds = Vec::new();
    for wire in [Wire::Tls, Wire::Loopback] {
        let folder = directory.path().join("rates");
        std::fs::create_dir_all(&folder)?;
        let capacity = scene::ORDER_CAPACITY;
        rate_worlds.push((
            wire,
            World::open(&folder, RATE_OPEN_ORDERS, capacity, wire)?,
        ));
    }
    let is_pinned = pin(pinning.hot) && others_pinned;
    let mut run = Run {
        counter: Counter::new(),
        pinning,
        append,
        group,
        worlds,
        rate_worlds,
        append_samples: AppendSamples::with_capacity(sizes.appends),
        turn_samples: TurnSamples::with_capacity(sizes.orders),
        stages: Vec::new(),
        notes: RunNotes {
            is_pinned,
            journal_directory: directory.path().display().to_string(),
            ..RunNotes::default()
        },
    };
    for _ in 0..rounds {
        run.round(sizes)?;
    }
    run.finish(host, rounds)
}

impl Run {
    fn round(&mut self, sizes: &Sizes) -> Result<()> {
        let before = ring::probe(&self.counter, &self.pinning, sizes.probe_samples)?;
        self.notes
            .gaps
            .watch(&self.counter, sizes.watch_ms * NS_PER_MS);
        let faults = minor_faults();
        self.append
            .round(&self.counter, sizes.appends, &mut self.append_samples)?;
        self.note_faults("append", faults);
        self.keep_append("");
        self.group
            .round(&self.counter, sizes.appends, &mut self.append_samples)?;
        self.keep_append("_group");
        for at in 0..self.worlds.len() {
            let (open_orders, world) = &mut self.worlds[at];
            let open_orders = *open_orders;
            let faults = minor_faults();
            world.round(&self.counter, sizes.orders, &mut self.turn_samples)?;
            self.note_faults("turn", faults);
            self.keep_turn(open_orders);
        }
        self.rates(sizes.rate_orders)?;
        let ring = ring::message(&self.counter, &self.pinning, sizes.ring_samples)?;
        let after = ring::probe(&self.counter, &self.pinning, sizes.probe_samples)?;
        if let (Some(before), Some(ring), Some(after)) = (before, ring, after) {
            self.keep_ring(before, ring, after);
        }
        Ok(())
    }

    fn note_faults(&mut self, of: &str, before: Option<u64>) {
        let grown = before.and_then(|before| Some(minor_faults()?.saturating_sub(before)));
        let sum = match of {
            "append" => &mut self.notes.append_faults,
            _ => &mut self.notes.turn_faults,
        };
        *sum = grown.map(|grown| sum.unwrap_or(0) + grown);
    }

    /// Orders a second, each way once.
    fn rates(&mut self, orders: usize) -> Result<()> {
        for (at, (name, wire, batch, target_per_s)) in RATES.into_iter().enumerate() {
            if self.notes.rates.len() == at {
                self.notes.rates.push(Rate {
                    name,
                    target_per_s,
                    per_s: Vec::new(),
                });
            }
            for (of, world) in &mut self.rate_worlds {
                if *of == wire {
                    let per_s = world.rate(&self.counter, orders, batch)?;
                    self.notes.rates[at].per_s.push(per_s);
                }
            }
        }
        Ok(())
    }

    fn keep_append(&mut self, mode: &str) {
        if mode.is_empty() {
            self.notes
                .append_mean_ns
                .push(self.append_samples.batch_mean_ns);
        }
        let append = self.append_samples.append.figures(&self.counter);
        let entry = self.append_samples.entry.figures(&self.counter);
        self.keep(
            format!("journal_append{mode}"),
            Some(Target::new(60, 120)),
            append,
        );
        self.keep(format!("journal_entry{mode}"), None, entry);
    }

    fn keep_turn(&mut self, open_orders: u32) {
        let stages = self
            .worlds
            .first()
            .map_or(&[][..], |(_, world)| world.stages());
        for (at, stage) in stages.iter().enumerate() {
            let figures = self.turn_samples.stages[at].figures(&self.counter);
            let targets = stage.targets.map(|targets| {
                let [few, many] = targets;
                if open_orders <= 10_000 { few } else { many }
            });
            self.keep(format!("{}_{open_orders}", stage.name), targets, figures);
        }
    }

    fn keep_ring(&mut self, before: Figures, ring: Figures, after: Figures) {
        self.keep("probe_one_way".to_owned(), None, Some(before));
        self.keep("probe_one_way".to_owned(), None, Some(after));
        let (low, high) = (before.p50.min(after.p50), before.p50.max(after.p50));
        let probe_ns = (low + high) as f64 / 2.0;
        if (high - low) as f64 > STEADY_SHARE * low as f64 {
            self.notes.unsteady_rounds += 1;
        } else {
            self.notes.ring_ratios.push(ring.p50 as f64 / probe_ns);
        }
        self.keep("ring_one_way".to_owned(), None, Some(ring));
    }

    fn keep(&mut self, name: String, target: Option<Target>, figures: Option<Figures>) {
        let Some(figures) = figures else { return };
        match self.stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.rounds.push(figures),
            None => self.stages.push(Stage {
                name,
                target,
                rounds: vec![figures],
            }),
        }
    }

    fn finish(mut self, host: Host, rounds: u32) -> Result<Report> {
        self.notes.load_after = load_average();
        self.notes.entry_body_bytes = self.append.body_bytes();
        if let Some((_, world)) = self.worlds.first() {
            self.notes.frame_bytes = world.frame_bytes();
            self.notes.message_bytes = world.message_bytes();
        }
        self.notes.hot_cpu = self.pinning.hot.map(|core| core.id);
        self.notes.peer_cpu = self.pinning.peer.map(|core| core.id);
        let ratio = median(self.notes.ring_ratios.clone());
        let mut rows = Vec::with_capacity(self.stages.len());
        for stage in self.stages {
            rows.push(Row {
                figures: Figures::median_of(&stage.rounds).context("a stage has rounds")?,
                p50_rounds: stage.rounds.iter().map(|round| round.p50).collect(),
                name: stage.name,
                target: stage.target,
            });
        }
        Ok(Report {
            host,
            notes: self.notes,
            rounds,
            rows,
            ring_ratio: ratio,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_measures_every_stage_in_every_round() {
        let sizes = Sizes {
            appends: 300,
            orders: 20,
            open_orders: vec![5, 40],
            rate_orders: 32,
            ring_samples: 10,
            probe_samples: 10,
            watch_ms: 1,
        };
        let report = run(2, &sizes).unwrap();
        let count = |name: &str| {
            let row = report.rows.iter().find(|row| row.name == name);
            row.map(|row| row.figures.count)
        };
        assert_eq!(count("journal_append"), Some(600));
        assert_eq!(count("journal_entry"), Some(600));
        assert_eq!(count("journal_append_group"), Some(600));
        assert!(report.notes.rates.iter().all(|rate| rate.per_s.len() == 2));
        for open_orders in [5, 40] {
            for stage in &crate::turn_stages::STAGES {
                let name = format!("{}_{open_orders}", stage.name);
                assert_eq!(count(&name), Some(40));
            }
        }
        if Pinning::choose().peer.is_some() {
            assert_eq!(count("ring_one_way"), Some(18));
            assert_eq!(count("probe_one_way"), Some(36));
        }
        let text = report.to_string();
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("benches rounds=2 rows="), "{last}");
        assert_eq!(
            report.to_json()["rows"].as_array().unwrap().len(),
            report.rows.len()
        );
    }
}
