//! When orders were placed, remembered sparsely: a bound on how far back a history must be read.
//!
//! Invariant: the bound is never later than the true moment, because the ids of one run grow with
//! time. Must not know: what the bound is used for. Threads: none.

use std::collections::BTreeMap;

use model::identifiers::SEQUENCE_BITS;
use model::time::NS_PER_S;
use model::{ClientOrderId, UnixNs};

/// Unix seconds of 2025-01-01 UTC, from which boot epochs count minutes.
const EPOCH_BEGAN_S: u64 = 1_735_689_600;
/// Epochs may run ahead of the clock after quick restarts, one minute each; so many are allowed
/// for.
const EPOCHS_AHEAD: u64 = 1_440;
/// Marks of one run closer than this are not kept.
const MARK_SPACING_NS: u64 = 5 * NS_PER_S;
/// Marks kept: nearly four days of orders at every moment.
const MARKS_MAX: usize = 65_536;

/// The marks of all runs.
#[derive(Debug, Default)]
pub(super) struct PlacedMarks {
    by_id: BTreeMap<u64, UnixNs>,
}

impl PlacedMarks {
    /// Remembers, roughly, when an order was placed.
    pub(super) fn note(&mut self, order: ClientOrderId, placed_at: UnixNs) {
        if let Some(mark) = self.floor(order)
            && placed_at.since_ns(mark) < MARK_SPACING_NS
        {
            return;
        }
        if self.by_id.len() >= MARKS_MAX {
            self.by_id.pop_first();
        }
        self.by_id.insert(order.integer(), placed_at);
    }

    /// The order was not placed before this moment: by the marks, or else by its run.
    pub(super) fn placed_after(&self, order: ClientOrderId) -> UnixNs {
        self.floor(order).unwrap_or_else(|| {
            let minutes = u64::from(order.epoch()).saturating_sub(EPOCHS_AHEAD);
            UnixNs(minutes.saturating_mul(60).saturating_add(EPOCH_BEGAN_S) * NS_PER_S)
        })
    }

    /// The mark of the last known order of the same run that is not younger.
    fn floor(&self, order: ClientOrderId) -> Option<UnixNs> {
        let run = |integer: u64| integer >> SEQUENCE_BITS;
        let (id, at) = self.by_id.range(..=order.integer()).next_back()?;
        (run(*id) == run(order.integer())).then_some(*at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::BootEpoch;
    use model::identifiers::InstanceTag;

    fn id(epoch: u32, sequence: u32) -> ClientOrderId {
        let tag = InstanceTag::new(7).unwrap();
        ClientOrderId::new(tag, BootEpoch::new(epoch).unwrap(), sequence).unwrap()
    }

    #[test]
    fn an_order_is_bounded_by_the_last_mark_before_it_in_its_own_run() {
        let mut marks = PlacedMarks::default();
        let at = |second: u64| UnixNs((EPOCH_BEGAN_S + 900_000_000 + second) * NS_PER_S);
        marks.note(id(1_000_000, 10), at(0));
        marks.note(id(1_000_000, 11), at(1));
        marks.note(id(1_000_000, 500), at(6));
        assert_eq!(marks.placed_after(id(1_000_000, 10)), at(0));
        assert_eq!(marks.placed_after(id(1_000_000, 499)), at(0));
        assert_eq!(marks.placed_after(id(1_000_000, 501)), at(6));
        assert_eq!(
            marks.by_id.len(),
            2,
            "a mark a second later says nothing new"
        );
    }

    #[test]
    fn an_order_without_a_mark_is_bounded_by_its_run() {
        let mut marks = PlacedMarks::default();
        marks.note(id(1_000_000, 10), UnixNs::NEVER);
        let run_began = UnixNs((EPOCH_BEGAN_S + (1_000_001 - EPOCHS_AHEAD) * 60) * NS_PER_S);
        assert_eq!(marks.placed_after(id(1_000_001, 3)), run_began);
        let first = UnixNs((EPOCH_BEGAN_S + (1_000_000 - EPOCHS_AHEAD) * 60) * NS_PER_S);
        assert_eq!(marks.placed_after(id(1_000_000, 9)), first);
    }

    #[test]
    fn marks_are_bounded_and_the_oldest_go_first() {
        let mut marks = PlacedMarks::default();
        for place in 0..=u32::try_from(MARKS_MAX).unwrap() {
            marks.note(id(9, place), UnixNs(u64::from(place) * MARK_SPACING_NS));
        }
        assert_eq!(marks.by_id.len(), MARKS_MAX);
        assert!(!marks.by_id.contains_key(&id(9, 0).integer()));
    }
}
