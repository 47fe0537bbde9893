//! Latency histograms of every stage, made of the stamps in the journal.
//!
//! Owns: which entries give which time ([`StageTimer`]), what answers a command ([`AnswerTimes`]),
//! the histograms ([`StageHistograms`]) and their interval log. Invariant: everything comes from
//! the journal, so a report of the past and the running engine's own figures are the same sums.
//! It costs the hot thread its stamps and nothing more.
//! Must not know: the live engine. Threads: [`LatencyRecorder`] has one.

mod answer_times;
mod interval_log;
mod stage_histograms;
mod stage_timer;

mod recorder;

pub use answer_times::{Answer, AnswerTimes};
pub use interval_log::{Interval, begin_interval_log, write_interval};
pub use recorder::{IntervalNotice, LatencyNotice, LatencyRecorder, LatencySettings};
pub use stage_histograms::{StageHistograms, VALUE_NS_MAX};
pub use stage_timer::{StageSample, StageTimer};
