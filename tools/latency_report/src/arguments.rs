//! The options of `millrun latency`, for the binary that embeds them.
//!
//! Owns: names, defaults, and texts as values. Invariant: no option is accepted that has no effect.
//! Threads: any.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use model::stage::Stage;

use crate::collect::Selection;
use crate::failure::LatencyError;

/// Percentiles of every stage, made of the stamps in the journal. The engine may run or not.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  millrun latency --config millrun.toml --last-run
  millrun latency --dir ./data/journal --since 15m --png latency.png
  millrun latency --stage ring_to_wire,wire_to_ring --json
  millrun latency --hlog latency.hlog --hgrm ./percentiles

Every figure is in nanoseconds in JSON, .hgrm and .hlog. What each stage is: docs/LATENCY.md.

Exit codes:
  0  done
  1  nothing to report in what was selected, or the output not be written
  2  an option is wrong
  5  the journal is damaged, or holds an entry that this version cannot read")]
pub struct LatencyArgs {
    /// Directory of the journal.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// First entry that counts.
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// Last entry that counts.
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
    /// Only the last so many seconds, minutes, hours or days, as `90s`, `15m`, `2h`, `1d`.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Duration>,
    /// Only what the last run of the engine did.
    #[arg(long)]
    pub last_run: bool,
    /// Only this venue, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    pub venue: Option<String>,
    /// Only these stages, as `ring_to_wire,venue_ack`.
    #[arg(long, value_name = "STAGE,…", value_delimiter = ',', value_parser = parse_stage)]
    pub stage: Vec<Stage>,
    /// One JSON document instead of the table.
    #[arg(long)]
    pub json: bool,
    /// Write `VENUE.STAGE.hgrm` for each stage into this directory: percentile distributions, for
    /// HdrHistogram's plotter.
    #[arg(long, value_name = "DIR")]
    pub hgrm: Option<PathBuf>,
    /// Write an interval log (V2 compressed, a tag per venue and stage) into this file.
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Seconds of one interval of the log.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "hlog",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub interval: u64,
    /// Write a plot of the percentiles into this SVG file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write the same plot into this PNG file.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// The plot's first line; without it, `Latency by stage`.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
}

impl LatencyArgs {
    /// What of the journal counts.
    ///
    /// # Errors
    /// [`LatencyError::EmptyRange`].
    pub(crate) fn selection(&self) -> Result<Selection, LatencyError> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(LatencyError::EmptyRange { from, to });
        }
        Ok(Selection {
            from: self.from,
            to: self.to,
            since: self.since,
            last_run: self.last_run,
            venue: self.venue.clone(),
            stages: self.stage.clone(),
            interval: self
                .hlog
                .is_some()
                .then(|| Duration::from_secs(self.interval)),
        })
    }
}

fn parse_stage(text: &str) -> Result<Stage, String> {
    let named = |stage: &&Stage| stage.name() == text;
    Stage::ALL.iter().find(named).copied().ok_or_else(|| {
        let names: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        format!("no such stage; valid are {}", names.join(", "))
    })
}

fn parse_since(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number with s, m, h or d, as 15m".to_owned();
    let at = text.len().checked_sub(1).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(at).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(unit_s)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_back_are_read_with_their_unit_and_anything_else_is_refused() {
        assert_eq!(parse_since("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_since("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in [
            "",
            "s",
            "15",
            "0m",
            "-1s",
            "1.5h",
            "15µ",
            "99999999999999999999d",
        ] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stage_is_named_as_in_the_report_and_a_wrong_name_lists_them() {
        assert_eq!(parse_stage("ring_to_wire"), Ok(Stage::RingToWire));
        assert!(parse_stage("ring").unwrap_err().contains("venue_ack"));
    }
}
