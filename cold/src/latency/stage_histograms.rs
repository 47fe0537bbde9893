//! One histogram per venue and stage, of fixed bounds.
//!
//! Invariant: recording never fails and never grows a histogram: what is longer than the bound is
//! counted at the bound. Threads: any; one owner.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use model::VenueId;
use model::stage::Stage;

use super::stage_timer::StageSample;

/// The longest time that a histogram tells apart: one minute.
pub const VALUE_NS_MAX: u64 = 60_000_000_000;

/// The histograms of all stages that had a sample.
#[derive(Debug, Clone)]
pub struct StageHistograms {
    digits: u8,
    stages: BTreeMap<(VenueId, Stage), Histogram<u64>>,
}

impl StageHistograms {
    /// No sample yet; values keep `digits` significant decimal digits (2: 30 KB each, 3: 221 KB).
    ///
    /// # Panics
    /// If `digits` is above 5.
    pub fn new(digits: u8) -> Self {
        assert!(digits <= 5, "a histogram keeps at most five digits");
        Self {
            digits,
            stages: BTreeMap::new(),
        }
    }

    /// Counts one sample.
    pub fn record(&mut self, sample: StageSample) {
        let place = (sample.venue, sample.stage);
        let digits = self.digits;
        let histogram = self.stages.entry(place).or_insert_with(|| {
            Histogram::new_with_bounds(1, VALUE_NS_MAX, digits)
                .expect("the bounds are constants and the digits were checked")
        });
        histogram.saturating_record(sample.ns);
    }

    /// Every histogram with a sample, by venue, then in the order of the way.
    pub fn iter(&self) -> impl Iterator<Item = (VenueId, Stage, &Histogram<u64>)> {
        let stages = self.stages.iter();
        let counted = stages.filter(|(_, histogram)| !histogram.is_empty());
        counted.map(|((venue, stage), histogram)| (*venue, *stage, histogram))
    }

    /// The histogram of a stage at a venue.
    pub fn get(&self, venue: VenueId, stage: Stage) -> Option<&Histogram<u64>> {
        self.stages.get(&(venue, stage))
    }

    /// True when nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Forgets the samples and keeps the room.
    pub fn reset(&mut self) {
        self.stages.values_mut().for_each(Histogram::reset);
    }
}
