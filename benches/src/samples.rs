//! Samples of one stage: every one is kept, so percentiles are exact.
//!
//! Owns the counter that stamps them. Invariants: recording allocates nothing and touches only
//! pages that were written before; raw stamps become nanoseconds after the measurement. Reading the
//! counter is part of each sample (10 ns steps on the reference machine). Must not know stages.

use quanta::Clock;

/// The counter of the measuring thread.
#[derive(Debug)]
pub(crate) struct Counter(Clock);

impl Counter {
    /// Calibrates; takes up to 200 ms the first time.
    pub(crate) fn new() -> Self {
        Self(Clock::new())
    }

    /// The time stamp counter.
    #[inline]
    pub(crate) fn raw(&self) -> u64 {
        self.0.raw()
    }

    /// Nanoseconds between two stamps.
    pub(crate) fn ns(&self, begun: u64, ended: u64) -> u64 {
        self.0.delta_as_nanos(begun, ended)
    }
}

/// Raw durations of one stage in one round.
#[derive(Debug)]
pub(crate) struct Samples {
    raw: Vec<u64>,
    count: usize,
}

impl Samples {
    /// Room for `capacity` samples, every page of it touched.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // Not zero: zeroed pages would come untouched from the system.
        Self {
            raw: vec![u64::MAX; capacity],
            count: 0,
        }
    }

    /// Forgets what was recorded.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Keeps one duration, in counts of the counter.
    ///
    /// # Panics
    /// When there are more than were made room for.
    #[inline]
    pub(crate) fn record(&mut self, begun: u64, ended: u64) {
        self.raw[self.count] = ended.saturating_sub(begun);
        self.count += 1;
    }

    /// The round's figures. `None` when nothing was recorded.
    pub(crate) fn figures(&self, counter: &Counter) -> Option<Figures> {
        let mut ns: Vec<u64> = self.raw[..self.count]
            .iter()
            .map(|raw| counter.ns(0, *raw))
            .collect();
        Figures::of(&mut ns)
    }
}

/// One stage's figures in nanoseconds, of one round or, as medians of rounds, of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
    pub(crate) mean: f64,
    pub(crate) count: usize,
}

impl Figures {
    /// Figures of samples in nanoseconds; sorts them.
    pub(crate) fn of(ns: &mut [u64]) -> Option<Self> {
        ns.sort_unstable();
        let max = *ns.last()?;
        let total: u128 = ns.iter().map(|one| u128::from(*one)).sum();
        Some(Self {
            p50: at_permille(ns, 500),
            p99: at_permille(ns, 990),
            p999: at_permille(ns, 999),
            max,
            mean: total as f64 / ns.len() as f64,
            count: ns.len(),
        })
    }

    /// The run's figures: medians of the rounds' percentiles and means, the largest maximum.
    pub(crate) fn median_of(rounds: &[Self]) -> Option<Self> {
        let median_u64 = |of: fn(&Self) -> u64| {
            let mut all: Vec<u64> = rounds.iter().map(of).collect();
            all.sort_unstable();
            all.get((all.len().checked_sub(1)?) / 2).copied()
        };
        let means: Vec<f64> = rounds.iter().map(|round| round.mean).collect();
        Some(Self {
            p50: median_u64(|round| round.p50)?,
            p99: median_u64(|round| round.p99)?,
            p999: median_u64(|round| round.p999)?,
            max: rounds.iter().map(|round| round.max).max()?,
            mean: median(means)?,
            count: rounds.iter().map(|round| round.count).sum(),
        })
    }
}

/// The lower median. `None` for no values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// Nearest rank, from sorted samples: the smallest one that so many in a thousand do not exceed.
fn at_permille(sorted: &[u64], permille: usize) -> u64 {
    let rank = (sorted.len() * permille).div_ceil(1000);
    sorted[rank.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_were_taken_and_not_between_them() {
        let mut ns: Vec<u64> = (1..=1000).rev().collect();
        let figures = Figures::of(&mut ns).unwrap();
        assert_eq!(
            (figures.p50, figures.p99, figures.p999, figures.max),
            (500, 990, 999, 1000)
        );
        assert_eq!((figures.mean, figures.count), (500.5, 1000));
        assert_eq!(Figures::of(&mut []), None);
        assert_eq!(Figures::of(&mut [7]).unwrap().p999, 7);
    }

    #[test]
    fn a_run_is_the_median_of_its_rounds_and_hides_no_maximum() {
        let round = |ns: u64| Figures::of(&mut [ns]).unwrap();
        let run = Figures::median_of(&[round(9), round(1), round(5)]).unwrap();
        assert_eq!((run.p50, run.p99, run.max, run.count), (5, 5, 9, 3));
        assert_eq!(Figures::median_of(&[]), None);
    }
}
