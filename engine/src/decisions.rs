//! The decisions of one input, in a list that is allocated once.

use model::Decision;

/// Most decisions that one report of a frame can cause: an adoption with all that the report says.
pub const DECISIONS_PER_REPORT_MAX: usize = 12;

/// Reports that one frame may hold; every decoder keeps this bound.
const REPORTS_PER_FRAME_MAX: usize = 512;
/// Decisions that one frame may cause.
pub(crate) const FRAME_DECISIONS_MAX: usize = REPORTS_PER_FRAME_MAX * DECISIONS_PER_REPORT_MAX;

/// Decisions of one input. Cleared, never freed.
#[derive(Debug)]
pub struct Decisions {
    list: Vec<Decision>,
}

impl Decisions {
    /// A list with room for `capacity` decisions; an input that makes more is a bug of the bounds.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The decisions, in the order in which they were taken.
    pub fn as_slice(&self) -> &[Decision] {
        &self.list
    }

    /// How many more fit.
    pub fn room(&self) -> usize {
        self.list.capacity().saturating_sub(self.list.len())
    }

    pub(crate) fn push(&mut self, decision: Decision) {
        assert!(
            self.room() > 0,
            "an input made more decisions than its bound"
        );
        self.list.push(decision);
    }
}
