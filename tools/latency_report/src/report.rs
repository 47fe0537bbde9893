//! A report's figures: rows per venue and stage, and where and when they come from. Threads: any.

use cold::latency::StageHistograms;
use hdrhistogram::Histogram;
use model::UnixNs;
use model::stage::Stage;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::collect::Collected;

/// The figures of one stage at one venue, nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The venue's name.
    pub venue: String,
    /// The stage.
    pub stage: Stage,
    /// How often.
    pub count: u64,
    /// p50, p90, p99, p99.9.
    pub percentiles_ns: [u64; 4],
    /// The longest, of the histogram's resolution.
    pub max_ns: u64,
    /// The mean.
    pub mean_ns: f64,
}

/// The percentiles of a row, by their names.
pub(crate) const PERCENTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Figures with their origin.
#[derive(Debug)]
pub struct Report {
    /// By venue, then in the order of the way.
    pub rows: Vec<Row>,
    /// What was collected.
    pub collected: Collected,
    /// The machine that made the report.
    pub host: String,
}

impl Report {
    /// Sums what was collected.
    pub fn new(collected: Collected) -> Self {
        let rows = rows(&collected.histograms, &collected.venues);
        Self {
            rows,
            collected,
            host: host(),
        }
    }

    /// When the first and the last sample were, as text; empty when the journal has no clock.
    pub fn period(&self) -> String {
        let (from, to) = self.collected.moments;
        match (utc_text(from), utc_text(to)) {
            (Some(from), Some(to)) => format!("{from} to {to} UTC"),
            _ => String::new(),
        }
    }

    /// The report as one document.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        let (first, last) = self.collected.sequences;
        json!({
            "unit": "ns",
            "host": self.host,
            "from_utc": utc_text(self.collected.moments.0),
            "to_utc": utc_text(self.collected.moments.1),
            "entries_read": self.collected.entries,
            "first_sequence": first,
            "last_sequence": last,
            "stages": rows,
        })
    }
}

fn rows(histograms: &StageHistograms, venues: &[(model::VenueId, String)]) -> Vec<Row> {
    let rows = histograms.iter().map(|(venue, stage, histogram)| {
        let named = venues.iter().find(|(id, _)| *id == venue);
        let name = named.map_or_else(String::new, |(_, name)| name.clone());
        row(name, stage, histogram)
    });
    rows.collect()
}

fn row(venue: String, stage: Stage, histogram: &Histogram<u64>) -> Row {
    Row {
        venue,
        stage,
        count: histogram.len(),
        percentiles_ns: PERCENTILES.map(|(_, quantile)| histogram.value_at_quantile(quantile)),
        max_ns: histogram.max(),
        mean_ns: histogram.mean(),
    }
}

fn row_json(row: &Row) -> Value {
    let [p50, p90, p99, p99_9] = row.percentiles_ns;
    json!({
        "venue": row.venue,
        "stage": row.stage.name(),
        "count": row.count,
        "p50_ns": p50,
        "p90_ns": p90,
        "p99_ns": p99,
        "p99_9_ns": p99_9,
        "max_ns": row.max_ns,
        "mean_ns": (row.mean_ns * 10.0).round() / 10.0,
    })
}

fn utc_text(at: UnixNs) -> Option<String> {
    let seconds = i64::try_from(at.0 / 1_000_000_000)
        .ok()
        .filter(|at| *at > 0)?;
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    Some(format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    ))
}

/// The machine's name and processor; what cannot be read is left out.
fn host() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let name = read("/proc/sys/kernel/hostname");
    let processors = read("/proc/cpuinfo");
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    let count = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let mut text = name.trim().to_owned();
    if let Some(model) = model {
        text = format!("{text}, {count} × {}", model.trim());
    }
    text
}
