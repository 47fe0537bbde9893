//! The one form in which measurements are printed: the machine, a table, and a last line of
//! `key=value`.
//!
//! Invariants: every row has its percentiles, its maximum and its count; what is over its target
//! says so; the jitter and the faults of the same run stand beside the figures. Unit: nanoseconds.
//! Must not know how a figure came about.

use std::fmt;

use serde_json::{Value, json};

use crate::host::Host;
use crate::jitter::{CLASSES_NS, Gaps};
use crate::samples::{Figures, median};

/// The ring's median may be so many times the probe's of the same round.
const RING_RATIO_MAX: f64 = 2.0;

/// What a stage should hold on the reference machine, nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    p50: u64,
    p99: u64,
}

impl Target {
    pub(crate) const fn new(p50: u64, p99: u64) -> Self {
        Self { p50, p99 }
    }
}

/// One stage of a run.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) target: Option<Target>,
    /// Medians of the rounds; the maximum of all.
    pub(crate) figures: Figures,
    /// The median of each round: what drifts within a run shows here.
    pub(crate) p50_rounds: Vec<u64>,
}

impl Row {
    /// The smallest median of a round.
    fn best_p50(&self) -> u64 {
        self.p50_rounds.iter().min().copied().unwrap_or(0)
    }

    /// Which figures are over their target.
    fn verdict(&self) -> &'static str {
        let Some(target) = self.target else {
            return "-";
        };
        match (self.figures.p50 > target.p50, self.figures.p99 > target.p99) {
            (false, false) => "held",
            (true, false) => "over:p50",
            (false, true) => "over:p99",
            (true, true) => "over:p50,p99",
        }
    }

    fn is_over(&self) -> bool {
        self.verdict().starts_with("over")
    }
}

/// Orders a second, of one way to let them come.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) name: &'static str,
    /// What the reference machine should reach.
    pub(crate) target_per_s: f64,
    /// One of each round.
    pub(crate) per_s: Vec<f64>,
}

impl Rate {
    fn median(&self) -> f64 {
        median(self.per_s.clone()).unwrap_or(0.0)
    }

    fn is_short(&self) -> bool {
        self.median() < self.target_per_s
    }
}

/// What else is known about a run.
#[derive(Debug, Default)]
pub(crate) struct RunNotes {
    pub(crate) is_pinned: bool,
    pub(crate) hot_cpu: Option<usize>,
    pub(crate) peer_cpu: Option<usize>,
    pub(crate) journal_directory: String,
    pub(crate) gaps: Gaps,
    /// Minor faults of the measuring thread while it appended; `None` = not known.
    pub(crate) append_faults: Option<u64>,
    /// Minor faults of the measuring thread during turns and what lies between them.
    pub(crate) turn_faults: Option<u64>,
    /// Nanoseconds per append in batches, one of each round.
    pub(crate) append_mean_ns: Vec<f64>,
    /// Ring over probe, one of each steady round.
    pub(crate) ring_ratios: Vec<f64>,
    pub(crate) unsteady_rounds: u32,
    /// Orders a second to TLS bytes.
    pub(crate) rates: Vec<Rate>,
    pub(crate) entry_body_bytes: usize,
    pub(crate) frame_bytes: usize,
    pub(crate) message_bytes: usize,
    pub(crate) load_after: String,
}

impl RunNotes {
    /// No fault may hit the measuring thread; one that is not known is not held against it.
    fn has_faults(&self) -> bool {
        self.append_faults.unwrap_or(0) + self.turn_faults.unwrap_or(0) > 0
    }
}

/// A run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) host: Host,
    pub(crate) notes: RunNotes,
    pub(crate) rounds: u32,
    pub(crate) rows: Vec<Row>,
    /// The median of the steady rounds; `None` when no round was steady.
    pub(crate) ring_ratio: Option<f64>,
}

impl Report {
    /// The figures as last line, without the name of who prints it.
    fn last_line(&self) -> String {
        let notes = &self.notes;
        let mut over = self.rows.iter().filter(|row| row.is_over()).count();
        if self.ring_ratio.is_some_and(|ratio| ratio > RING_RATIO_MAX) {
            over += 1;
        }
        over += usize::from(notes.has_faults());
        over += notes.rates.iter().filter(|rate| rate.is_short()).count();
        let mut line = format!(
            "rounds={} rows={} over={over} unsteady_rounds={} minor_faults_append={} \
             minor_faults_turn={} stolen_percent={:.2} ring_ratio={} append_batch_ns={}",
            self.rounds,
            self.rows.len(),
            notes.unsteady_rounds,
            known(notes.append_faults),
            known(notes.turn_faults),
            notes.gaps.stolen_percent(),
            self.ring_ratio_text(),
            self.append_mean_text(),
        );
        for row in self
            .rows
            .iter()
            .filter(|row| row.name.starts_with("order_to_plaintext"))
        {
            let per_s = 1e9 / row.figures.mean;
            let median_per_s = 1e9 / row.figures.p50 as f64;
            let open = row.name.trim_start_matches("order_to_plaintext_");
            line.push_str(&format!(
                " orders_per_s_{open}={per_s:.0} median_orders_per_s_{open}={median_per_s:.0}"
            ));
        }
        for rate in &notes.rates {
            line.push_str(&format!(" {}_per_s={:.0}", rate.name, rate.median()));
        }
        line
    }

    fn ring_ratio_text(&self) -> String {
        let text = self.ring_ratio.map(|ratio| format!("{ratio:.2}"));
        text.unwrap_or_else(|| "not_comparable".to_owned())
    }

    fn append_mean_text(&self) -> String {
        let mean = median(self.notes.append_mean_ns.clone());
        mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.1}"))
    }

    /// The whole report as one document.
    pub(crate) fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        let (host, notes) = (&self.host, &self.notes);
        json!({
            "unit": "ns",
            "host": {
                "cpu": host.cpu, "cpus": host.cpus, "kernel": host.kernel,
                "commit": host.commit, "command": host.command,
                "load_before": host.load_before, "load_after": notes.load_after,
            },
            "pinned": notes.is_pinned,
            "rounds": self.rounds,
            "rows": rows,
            "ring_ratio": self.ring_ratio,
            "unsteady_rounds": notes.unsteady_rounds,
            "append_batch_ns": median(notes.append_mean_ns.clone()),
            "orders_per_s": notes.rates.iter().map(|rate| json!({
                "name": rate.name, "median": rate.median(), "rounds": rate.per_s,
                "target": rate.target_per_s,
            })).collect::<Vec<_>>(),
            "minor_faults": { "append": notes.append_faults, "turn": notes.turn_faults },
            "jitter": {
                "class_from_ns": CLASSES_NS, "counts": notes.gaps.counts,
                "stolen_percent": notes.gaps.stolen_percent(),
                "longest_ns": notes.gaps.longest_ns, "watched_ns": notes.gaps.watched_ns,
            },
            "summary": self.last_line(),
        })
    }

    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, notes) = (&self.host, &self.notes);
        writeln!(
            f,
            "host     {} ({} cpus), kernel {}",
            host.cpu, host.cpus, host.kernel
        )?;
        writeln!(f, "commit   {}", host.commit)?;
        writeln!(f, "command  {}", host.command)?;
        let pinned = if notes.is_pinned {
            "pinned"
        } else {
            "NOT pinned"
        };
        writeln!(
            f,
            "threads  {pinned}: measuring cpu {}, everything else cpu {}",
            known(notes.hot_cpu),
            known(notes.peer_cpu)
        )?;
        writeln!(
            f,
            "load     {} before, {} after",
            host.load_before, notes.load_after
        )?;
        writeln!(f, "journal  {}, mode process", notes.journal_directory)?;
        writeln!(
            f,
            "sizes    entry body {} B, order frame {} B, fill message {} B",
            notes.entry_body_bytes, notes.frame_bytes, notes.message_bytes
        )
    }

    fn write_jitter(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gaps = &self.notes.gaps;
        let watched_s = gaps.watched_ns as f64 / 1e9;
        write!(
            f,
            "jitter   {watched_s:.2} s watched, gaps a second from ns:"
        )?;
        for (from_ns, count) in CLASSES_NS.iter().zip(gaps.counts) {
            write!(
                f,
                " {from_ns}:{:.1}",
                count as f64 / watched_s.max(f64::EPSILON)
            )?;
        }
        writeln!(
            f,
            "; taken {:.2} %, longest {} ns",
            gaps.stolen_percent(),
            gaps.longest_ns
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_jitter(f)?;
        writeln!(
            f,
            "\n{:<28}{:>8}{:>8}{:>8}{:>10}{:>9}{:>9}{:>9}  {:>11}  verdict",
            "stage (ns)", "p50", "p99", "p99.9", "max", "mean", "best p50", "count", "target"
        )?;
        for row in &self.rows {
            let Figures {
                p50,
                p99,
                p999,
                max,
                mean,
                count,
            } = row.figures;
            let target = row
                .target
                .map(|target| format!("{}/{}", target.p50, target.p99));
            writeln!(
                f,
                "{:<28}{p50:>8}{p99:>8}{p999:>8}{max:>10}{mean:>9.1}{:>9}{count:>9}  {:>11}  {}",
                row.name,
                row.best_p50(),
                target.unwrap_or_else(|| "-".to_owned()),
                row.verdict()
            )?;
        }
        let ring = match self.ring_ratio {
            Some(ratio) if ratio > RING_RATIO_MAX => "over",
            Some(_) => "held",
            None => "not comparable: the probe moved within every round, or one cpu",
        };
        writeln!(
            f,
            "ring over probe, same round: {} (target {RING_RATIO_MAX:.1}) {ring}",
            self.ring_ratio_text()
        )?;
        writeln!(
            f,
            "minor faults of the measuring thread: {} in appends, {} in turns (target 0) {}",
            known(self.notes.append_faults),
            known(self.notes.turn_faults),
            if self.notes.has_faults() {
                "over"
            } else {
                "held"
            }
        )?;
        for rate in &self.notes.rates {
            let verdict = if rate.is_short() { "short" } else { "held" };
            let (name, per_s, target) = (rate.name, rate.median(), rate.target_per_s);
            writeln!(
                f,
                "{name}: {per_s:.0} orders a second (target {target:.0}) {verdict}"
            )?;
        }
        writeln!(f, "append in batches: {} ns each", self.append_mean_text())?;
        writeln!(f, "benches {}", self.last_line())
    }
}

fn row_json(row: &Row) -> Value {
    let Figures {
        p50,
        p99,
        p999,
        max,
        mean,
        count,
    } = row.figures;
    json!({
        "stage": row.name, "p50": p50, "p99": p99, "p99_9": p999, "max": max, "mean": mean,
        "best_p50": row.best_p50(), "p50_rounds": row.p50_rounds, "count": count,
        "target_p50": row.target.map(|target| target.p50),
        "target_p99": row.target.map(|target| target.p99),
        "verdict": row.verdict(),
    })
}

fn known(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "not_known".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_target_is_named_and_one_without_a_target_is_not_judged() {
        let row = |p50, p99, target| Row {
            name: "stage".to_owned(),
            target,
            figures: Figures {
                p50,
                p99,
                p999: p99,
                max: p99,
                mean: 1.0,
                count: 1,
            },
            p50_rounds: vec![p50],
        };
        let target = Some(Target::new(60, 120));
        assert_eq!(row(60, 120, target).verdict(), "held");
        assert_eq!(row(61, 120, target).verdict(), "over:p50");
        assert_eq!(row(60, 121, target).verdict(), "over:p99");
        assert_eq!(row(61, 121, target).verdict(), "over:p50,p99");
        assert_eq!(row(61, 121, None).verdict(), "-");
    }
}
