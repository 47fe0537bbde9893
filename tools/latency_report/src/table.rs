//! The report as a table for a terminal. Threads: any.

use std::fmt::Write as _;

use model::stage::Stage;

use crate::report::{PERCENTILES, Report, Row};

/// The table, with a line on what it is about.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let (first, last) = report.collected.sequences;
    let period = report.period();
    // Writing into a text does not fail.
    let _ = writeln!(
        text,
        "latency by stage, entries {first} to {last}  {period}"
    );
    let _ = writeln!(text, "{}", report.host);
    let mut venue = "";
    for row in &report.rows {
        if row.venue != venue {
            venue = &row.venue;
            let _ = write!(text, "\n{:<15}{:>9}", format!("[{venue}]"), "count");
            for (name, _) in PERCENTILES {
                let _ = write!(text, "{name:>11}");
            }
            let _ = writeln!(text, "{:>11}{:>11}  what", "max", "mean");
        }
        push_row(&mut text, row);
    }
    text
}

fn push_row(text: &mut String, row: &Row) {
    let _ = write!(text, "{:<15}{:>9}", row.stage.name(), row.count);
    for ns in row.percentiles_ns {
        let _ = write!(text, "{:>11}", time_text(ns));
    }
    let mean = row.mean_ns.round();
    let _ = writeln!(
        text,
        "{:>11}{:>11}  {}",
        time_text(row.max_ns),
        // A mean lies between 0 and the bound of one minute.
        time_text(mean as u64),
        meaning(row.stage)
    );
}

/// A time of three digits with its unit.
pub(crate) fn time_text(ns: u64) -> String {
    let (unit, unit_ns) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    let (whole, rest) = (ns / unit_ns, ns % unit_ns);
    let thousandths = rest * 1_000 / unit_ns;
    match whole {
        0..10 => format!("{whole}.{:02} {unit}", thousandths / 10),
        10..100 => format!("{whole}.{} {unit}", thousandths / 100),
        _ => format!("{whole} {unit}"),
    }
}

/// From which boundary to which, in a few words.
pub(crate) fn meaning(stage: Stage) -> &'static str {
    match stage {
        Stage::RingWait => "request written → taken from the ring",
        Stage::Decide => "→ decided: quota, room, risk, transition",
        Stage::Journal => "→ entry committed",
        Stage::SyncWait => "→ entry on the disk (mode strict)",
        Stage::Encode => "→ encoded and framed",
        Stage::Batch => "→ the turn flushes",
        Stage::Seal => "→ sealed by TLS",
        Stage::Write => "→ taken by the socket",
        Stage::TakeToWire => "taken from the ring → sealed",
        Stage::RingToWire => "request written → sealed",
        Stage::RingToKernel => "request written → taken by the socket",
        Stage::Open => "bytes read → decrypted",
        Stage::FrameWait => "→ this frame's turn",
        Stage::Decode => "→ decoded",
        Stage::Apply => "→ decided: look-up, transition",
        Stage::JournalIn => "→ entry committed",
        Stage::Publish => "→ event visible in the ring",
        Stage::WireToRing => "bytes read → event visible in the ring",
        Stage::VenueAck => "command written → answer's bytes read",
        Stage::IntentToAck => "intent journaled → answer journaled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits_and_their_unit() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_234, "1.23 µs"),
            (12_345, "12.3 µs"),
            (123_456, "123 µs"),
            (9_999_999, "9.99 ms"),
            (60_000_000_000, "60.0 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(time_text(ns), text);
        }
    }
}
