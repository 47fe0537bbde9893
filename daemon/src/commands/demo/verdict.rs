//! What a demo comes to: numbers, ledgers, and one line that says all of it.

use super::reexecution::Reexecuted;
use crate::ledger::Differences;
use latency_report::{Report, table};
use model::stage::Stage;
use venue_simulator::SimulatorStats;

/// The outcome of a demo.
pub(super) struct Verdict {
    pub(super) orders: u64,
    pub(super) fills: u64,
    pub(super) wanted_orders: u64,
    pub(super) kills: u32,
    pub(super) wanted_kills: u32,
    pub(super) recover_ms: Vec<u128>,
    pub(super) journal_differences: Differences,
    pub(super) strategy_differences: Vec<String>,
    pub(super) stats: SimulatorStats,
    pub(super) left_open: u64,
    pub(super) reexecuted: Reexecuted,
    pub(super) latency: Option<Report>,
    pub(super) problems: Vec<String>,
}

impl Verdict {
    /// True when everything agrees and everything that was asked for happened.
    pub(super) fn is_ok(&self) -> bool {
        self.journal_differences.is_equal()
            && self.strategy_differences.is_empty()
            && self.stats.witness_misses == 0
            && self.stats.commands_checked > 0
            && self.stats.client_order_ids_accepted_twice == 0
            && self.orders >= self.wanted_orders
            && self.kills == self.wanted_kills
            && self.left_open == 0
            && self.reexecuted.is_identical()
            && self.problems.is_empty()
    }

    /// Prints what was compared, every difference, and the last line.
    pub(super) fn print(&self) {
        println!(
            "write-ahead: commands_checked={} misses={} (checked before the venue acted)",
            self.stats.commands_checked, self.stats.witness_misses
        );
        let totals = &self.reexecuted.totals;
        println!(
            "re-execution: entries={} inputs={} decisions={} payloads={} rounds={}",
            totals.entries,
            totals.inputs,
            totals.decisions,
            totals.payloads,
            self.reexecuted.rounds
        );
        if let Some(difference) = &self.reexecuted.difference {
            println!("difference: {difference}");
        }
        let details = self
            .journal_differences
            .details
            .iter()
            .chain(&self.strategy_differences)
            .chain(&self.stats.witness_miss_details)
            .chain(&self.problems);
        for detail in details {
            println!("difference: {detail}");
        }
        if self.orders < self.wanted_orders || self.kills != self.wanted_kills {
            println!(
                "difference: {} orders reached the venue and {} were wanted, {} kills and {}",
                self.orders, self.wanted_orders, self.kills, self.wanted_kills
            );
        }
        if self.left_open > 0 {
            println!(
                "difference: {} orders are still open or unknown",
                self.left_open
            );
        }
        if let Some(report) = &self.latency {
            println!("{}", table(report));
        }
        println!("web page: not_built");
        println!(
            "demo verdict={} orders={} fills={} dup_orders={} lost_fills={} ledger={} \
             reexecution={} recover_ms={} kills={} recover_p99_ms={} \
             ring_to_wire_p50_ns={} ring_to_wire_p99_ns={} wire_to_ring_p50_ns={}",
            if self.is_ok() { "ok" } else { "failed" },
            self.orders,
            self.fills,
            self.journal_differences.duplicate_orders,
            self.journal_differences.lost_fills,
            if self.ledgers_agree() {
                "equal"
            } else {
                "different"
            },
            self.reexecuted.word,
            self.recover_ms.last().copied().unwrap_or(0),
            self.kills,
            self.recover_p99_ms(),
            self.percentile(Stage::RingToWire, 0),
            self.percentile(Stage::RingToWire, 2),
            self.percentile(Stage::WireToRing, 0),
        );
    }

    /// The percentile at this place of a row; `missing` when the stage has no sample.
    fn percentile(&self, stage: Stage, place: usize) -> String {
        let rows = self.latency.iter().flat_map(|report| &report.rows);
        let mut rows = rows.filter(|row| row.stage == stage);
        let found = rows.next().and_then(|row| row.percentiles_ns.get(place));
        found.map_or_else(|| "missing".to_owned(), u64::to_string)
    }

    fn ledgers_agree(&self) -> bool {
        self.journal_differences.is_equal() && self.strategy_differences.is_empty()
    }

    fn recover_p99_ms(&self) -> u128 {
        let mut sorted = self.recover_ms.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or(0)
    }
}
