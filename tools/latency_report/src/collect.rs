//! The walk over a journal: which samples count, and when they were.
//!
//! Invariants: every entry from the oldest on is read, since an early one may say what a later one
//! means; only those that are selected are counted. Threads: one.

use std::path::Path;
use std::time::{Duration, SystemTime};

use cold::latency::{Interval, StageHistograms, StageTimer, begin_interval_log, write_interval};
use journal::{Entry, JournalErrorKind, Reader};
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::stage::Stage;
use model::{Input, MonotonicNs, UnixNs, UtcAnchor, VenueId};

use crate::failure::LatencyError;

/// Digits that a report's histograms keep.
const DIGITS: u8 = 3;

/// What of a journal counts.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// First entry.
    pub from: Option<u64>,
    /// Last entry.
    pub to: Option<u64>,
    /// Only so long before now.
    pub since: Option<Duration>,
    /// Only the last run.
    pub last_run: bool,
    /// Only this venue.
    pub venue: Option<String>,
    /// Only these stages; empty = all.
    pub stages: Vec<Stage>,
    /// Make an interval log of intervals this long.
    pub interval: Option<Duration>,
}

/// What a walk gave.
#[derive(Debug)]
pub struct Collected {
    /// The samples.
    pub histograms: StageHistograms,
    /// Names of the venues in it.
    pub venues: Vec<(VenueId, String)>,
    /// Entries read.
    pub entries: u64,
    /// First and last entry with a sample; 0 for none.
    pub sequences: (u64, u64),
    /// When they were; 0 when the journal has no clock for them.
    pub moments: (UnixNs, UnixNs),
    /// The interval log, when one was asked for.
    pub interval_log: Vec<u8>,
}

/// Walks over the journal. `progress` is told the segment of each entry and the entries so far.
///
/// # Errors
/// [`LatencyError`]: the journal, an entry, a venue that does not exist, or nothing that counts.
pub fn collect(
    directory: &Path,
    selection: &Selection,
    mut progress: impl FnMut(u32, u64),
) -> Result<Collected, LatencyError> {
    let mut walk = Walk::new(selection);
    let mut reader = Reader::open(directory, oldest(directory)?)?;
    while let Some(entry) = reader.next_entry()? {
        if selection.to.is_some_and(|to| entry.sequence > to) {
            break;
        }
        progress(entry.place.segment_index, walk.entries);
        walk.take(&entry)?;
    }
    walk.finish()
}

/// The oldest entry that is held; 1 unless older ones were pruned.
fn oldest(directory: &Path) -> Result<u64, LatencyError> {
    match Reader::open(directory, 1) {
        Ok(_) => Ok(1),
        Err(error) => match error.kind() {
            JournalErrorKind::SequenceNotHeld { oldest, .. } => Ok(*oldest),
            _ => Err(error.into()),
        },
    }
}

struct Walk<'s> {
    selection: &'s Selection,
    not_before: UnixNs,
    timer: StageTimer,
    buffers: EntryBuffers,
    anchor: Option<UtcAnchor>,
    entries: u64,
    histograms: StageHistograms,
    sequences: (u64, u64),
    moments: (UnixNs, UnixNs),
    intervals: Intervals,
}

impl<'s> Walk<'s> {
    fn new(selection: &'s Selection) -> Self {
        let back = selection.since.map(|since| {
            let since_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
            UnixNs(unix_now().0.saturating_sub(since_ns))
        });
        Self {
            selection,
            not_before: back.unwrap_or(UnixNs(0)),
            timer: StageTimer::new(),
            buffers: EntryBuffers::default(),
            anchor: None,
            entries: 0,
            histograms: StageHistograms::new(DIGITS),
            sequences: (0, 0),
            moments: (UnixNs(0), UnixNs(0)),
            intervals: Intervals::new(selection.interval),
        }
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<(), LatencyError> {
        self.entries += 1;
        let unreadable = |source| LatencyError::Unreadable {
            sequence: entry.sequence,
            source,
        };
        self.take_clock(entry).map_err(unreadable)?;
        let anchor = self.anchor.unwrap_or_default();
        let at = anchor.unix_at(MonotonicNs(entry.now_ns));
        let counts = self
            .selection
            .from
            .is_none_or(|from| entry.sequence >= from)
            && at >= self.not_before;
        let mut counted = false;
        let Self {
            timer,
            buffers,
            histograms,
            intervals,
            selection,
            ..
        } = self;
        let mut samples = Vec::new();
        timer
            .see(entry, buffers, |sample| samples.push(sample))
            .map_err(unreadable)?;
        for sample in samples {
            let is_wanted = selection.stages.is_empty() || selection.stages.contains(&sample.stage);
            let venue = selection.venue.as_ref();
            let is_there = venue.is_none_or(|name| timer.venue_name(sample.venue) == *name);
            if counts && is_wanted && is_there {
                intervals.begin(at, timer)?;
                intervals.histograms.record(sample);
                histograms.record(sample);
                counted = true;
            }
        }
        if counted {
            if self.sequences.0 == 0 {
                self.sequences.0 = entry.sequence;
                self.moments.0 = at;
            }
            (self.sequences.1, self.moments.1) = (entry.sequence, at);
        }
        Ok(())
    }

    /// A new run or a new pair of clocks; with `--last-run`, a new run begins the report anew.
    fn take_clock(&mut self, entry: &Entry<'_>) -> Result<(), model::BytesError> {
        let kind = u8::try_from(entry.kind).ok();
        let kind = kind.and_then(EntryKind::from_number);
        let Some(kind @ (EntryKind::RecoveryStarted | EntryKind::UtcAnchor)) = kind else {
            return Ok(());
        };
        match take_entry(kind, entry.body, &mut self.buffers)?.0 {
            Input::RecoveryStarted(started) => {
                self.anchor = Some(started.anchor);
                if self.selection.last_run {
                    self.histograms.reset();
                    self.intervals = Intervals::new(self.selection.interval);
                    self.sequences = (0, 0);
                }
            }
            Input::UtcAnchor(anchor) => self.anchor = Some(anchor),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Collected, LatencyError> {
        self.intervals.end(&self.timer)?;
        let mut venues: Vec<(VenueId, String)> = Vec::new();
        for (venue, _, _) in self.histograms.iter() {
            if venues.last().is_none_or(|(known, _)| *known != venue) {
                venues.push((venue, self.timer.venue_name(venue)));
            }
        }
        if let Some(found) = &self.selection.venue {
            let known = self.timer.venue_names();
            if !known.contains(found) && !known.is_empty() {
                return Err(LatencyError::UnknownVenue {
                    found: found.clone(),
                    known: known.join(", "),
                });
            }
        }
        if self.histograms.is_empty() {
            let entries = self.entries;
            return Err(LatencyError::NoSamples { entries });
        }
        Ok(Collected {
            histograms: self.histograms,
            venues,
            entries: self.entries,
            sequences: self.sequences,
            moments: self.moments,
            interval_log: self.intervals.log,
        })
    }
}

/// The interval log in the making.
struct Intervals {
    length_ns: Option<u64>,
    from: Option<UnixNs>,
    histograms: StageHistograms,
    log: Vec<u8>,
}

impl Intervals {
    fn new(length: Option<Duration>) -> Self {
        Self {
            length_ns: length.map(|it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)),
            from: None,
            histograms: StageHistograms::new(DIGITS),
            log: Vec::new(),
        }
    }

    /// A sample at this moment comes next: ends the interval that it is not in.
    fn begin(&mut self, at: UnixNs, timer: &StageTimer) -> Result<(), LatencyError> {
        let Some(length_ns) = self.length_ns else {
            return Ok(());
        };
        match self.from {
            None => {
                begin_interval_log(&mut self.log, "millrun stages", at).map_err(output)?;
                self.from = Some(at);
            }
            Some(from) if at.since_ns(from) >= length_ns => {
                self.end(timer)?;
                let whole = at.since_ns(from) / length_ns * length_ns;
                self.from = Some(from.after_ns(whole));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, timer: &StageTimer) -> Result<(), LatencyError> {
        let (Some(from), Some(length_ns)) = (self.from, self.length_ns) else {
            return Ok(());
        };
        let length = Duration::from_nanos(length_ns);
        let interval = Interval { from, length };
        let name = |venue| timer.venue_name(venue);
        write_interval(&mut self.log, interval, &self.histograms, name).map_err(output)?;
        self.histograms.reset();
        Ok(())
    }
}

fn output(source: std::io::Error) -> LatencyError {
    LatencyError::Output {
        path: "the interval log".into(),
        source,
    }
}

fn unix_now() -> UnixNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixNs(u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX))
}
