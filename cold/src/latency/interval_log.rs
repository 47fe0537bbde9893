//! The interval log: one histogram per interval, venue and stage, in the form that every
//! HdrHistogram tool reads (`.hlog`, V2 compressed). Every value is in nanoseconds. Threads: any.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};
use model::{UnixNs, VenueId};

use super::stage_histograms::StageHistograms;

/// When an interval was.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// Its beginning.
    pub from: UnixNs,
    /// Its length.
    pub length: Duration,
}

/// Writes the head of a log whose times count from 1970.
///
/// # Errors
/// What writing gives.
pub fn begin_interval_log(out: &mut impl Write, title: &str, from: UnixNs) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[{title}; values in ns]"))
        .with_start_time(SystemTime::UNIX_EPOCH + Duration::from_nanos(from.0));
    builder.begin_log_with(out, &mut serializer)?;
    let columns =
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";
    writeln!(out, "{columns}")
}

/// Appends one interval: a line per venue and stage that had a sample, tagged `venue.stage`.
///
/// # Errors
/// What writing gives.
pub fn write_interval(
    out: &mut impl Write,
    interval: Interval,
    histograms: &StageHistograms,
    venue_name: impl Fn(VenueId) -> String,
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_max_value_divisor(1.0);
    let mut lines = Vec::new();
    for (venue, stage, histogram) in histograms.iter() {
        let tag = format!("{}.{}", venue_name(venue), stage.name());
        let from = Duration::from_nanos(interval.from.0);
        let mut line = Vec::new();
        let mut writer = builder.begin_log_with(&mut line, &mut serializer)?;
        let written = writer.write_histogram(histogram, from, interval.length, Tag::new(&tag));
        written.map_err(|error| match error {
            IntervalLogWriterError::IoError(error) => error,
            IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
        })?;
        lines.append(&mut line);
    }
    out.write_all(&lines)
}
