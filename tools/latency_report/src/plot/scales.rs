//! Where a time and a percentile are in a panel. Both axes are logarithmic. Threads: any.

use hdrhistogram::Histogram;

/// Names of the percentiles, by how many nines they have.
const NINES: [(f64, &str); 8] = [
    (0.0, "0 %"),
    (std::f64::consts::LOG10_2, "50 %"),
    (1.0, "90 %"),
    (2.0, "99 %"),
    (3.0, "99.9 %"),
    (4.0, "99.99 %"),
    (5.0, "99.999 %"),
    (6.0, "99.9999 %"),
];
/// The fewest nines that an axis shows.
const NINES_MIN: f64 = 2.0;

/// Times from bottom to top, in whole decades.
pub(super) struct TimeAxis {
    low: i32,
    high: i32,
    top: f64,
    height: f64,
}

impl TimeAxis {
    /// An axis on which the middle and the tail of every histogram lies.
    pub(super) fn over<'h>(
        histograms: impl Iterator<Item = &'h Histogram<u64>>,
        top: f64,
        height: f64,
    ) -> Self {
        let (mut least, mut most) = (u64::MAX, 1);
        for histogram in histograms {
            least = least.min(histogram.value_at_quantile(0.02).max(10));
            most = most.max(histogram.max());
        }
        let low = decade(least.min(most));
        let high = decade(most.saturating_sub(1)) + 1;
        Self {
            low,
            high: high.max(low + 1),
            top,
            height,
        }
    }

    /// The height of a time; what is shorter than the axis lies on its bottom.
    pub(super) fn y(&self, ns: u64) -> f64 {
        // Below 2^53: a histogram ends at one minute.
        let decades = (ns.max(1) as f64).log10() - f64::from(self.low);
        let share = decades / f64::from(self.high - self.low);
        self.top + self.height * (1.0 - share.clamp(0.0, 1.0))
    }

    /// The lines of the grid; true for a power of ten.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (u64, bool)> {
        let decades = self.low..=self.high;
        let last = self.high;
        decades.flat_map(move |decade| {
            let one = 10u64.pow(u32::try_from(decade).unwrap_or(0));
            let steps = if decade == last { 1 } else { 9 };
            (1..=steps).map(move |step| (one * step, step == 1))
        })
    }
}

/// Percentiles from left to right, by the logarithm of what is left to 100 %.
pub(super) struct PercentileAxis {
    nines_max: f64,
    left: f64,
    width: f64,
}

impl PercentileAxis {
    /// An axis that reaches the last of so many samples.
    pub(super) fn over(count: u64, left: f64, width: f64) -> Self {
        Self {
            nines_max: Self::nines_of(count).max(NINES_MIN),
            left,
            width,
        }
    }

    /// How many nines the last of so many samples has.
    pub(super) fn nines_of(count: u64) -> f64 {
        (count.max(1) as f64).log10()
    }

    pub(super) fn x(&self, nines: f64) -> f64 {
        self.left + self.width * (nines / self.nines_max)
    }

    /// The lines of the grid with their names.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, &'static str)> {
        let most = self.nines_max + 1e-6;
        NINES.into_iter().filter(move |(nines, _)| *nines <= most)
    }
}

/// The power of ten at or below a time.
fn decade(ns: u64) -> i32 {
    i32::try_from(ns.max(1).ilog10()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_axes_reach_from_edge_to_edge() {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for ns in [150, 300, 8_000] {
            histogram.record_n(ns, 100).unwrap();
        }
        let times = TimeAxis::over([&histogram].into_iter(), 10.0, 200.0);
        assert_eq!(times.y(100), 210.0);
        assert_eq!(times.y(10_000), 10.0);
        assert_eq!(times.y(1), 210.0, "what is shorter lies on the bottom");
        let decades = times.ticks().filter(|(_, is_decade)| *is_decade);
        assert_eq!(decades.count(), 3);
        let percentiles = PercentileAxis::over(1_000, 5.0, 90.0);
        assert_eq!(percentiles.x(0.0), 5.0);
        assert_eq!(percentiles.x(3.0), 95.0);
        assert_eq!(percentiles.ticks().last(), Some((3.0, "99.9 %")));
    }
}
