//! Where a strategy stands, and what an attach found out about it.
//!
//! Must not know: sockets, rings. Threads: plain values.

use model::RequestId;

/// Where the strategy stood when it last ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The last event that it has dealt with, 0 = none yet: all later ones are delivered again.
    /// `None` = only events from now on are wanted.
    pub last_event_seq: Option<u64>,
    /// The highest request id that it has ever used; 0 = none, or not known.
    pub last_request_id: RequestId,
}

impl Resume {
    /// Nothing is known: no old events; request ids go on behind the engine's highest.
    pub const FROM_NOW: Self = Self {
        last_event_seq: None,
        last_request_id: RequestId(0),
    };
    /// Everything from the strategy's first event on.
    pub const FROM_START: Self = Self {
        last_event_seq: Some(0),
        last_request_id: RequestId(0),
    };
}

/// Events that the journal no longer holds. Orders they were about must be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventGap {
    /// The first one.
    pub from: u64,
    /// The last one.
    pub to: u64,
}

/// Requests by their ids, without holes; may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRange {
    /// One below the first.
    after: u64,
    /// The last one.
    last: u64,
}

impl RequestRange {
    pub(crate) fn between(after: RequestId, last: RequestId) -> Self {
        Self {
            after: after.0.min(last.0),
            last: last.0,
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.last - self.after
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether `id` is among them.
    pub fn contains(&self, id: RequestId) -> bool {
        id.0 > self.after && id.0 <= self.last
    }

    /// The ids, rising.
    pub fn ids(&self) -> impl Iterator<Item = RequestId> + use<> {
        (self.after..self.last).map(|id| RequestId(id + 1))
    }
}

/// What an attach found out. The missed events themselves come from
/// [`crate::Client::next_event`], before all newer ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// Number of the attachment.
    pub generation: u64,
    /// Journal sequence of the attachment.
    pub sequence: u64,
    /// Events that were missed and wait for [`crate::Client::next_event`].
    pub backlog_events: u64,
    /// Events that are lost to this strategy.
    pub gaps: Vec<EventGap>,
    /// Requests that were written but never taken: nothing of them happened or will happen. Every
    /// request below has its answer among the events.
    pub not_taken: RequestRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_requests_holds_what_is_above_the_engines_last_and_nothing_else() {
        let range = RequestRange::between(RequestId(4), RequestId(6));
        assert_eq!(
            range.ids().collect::<Vec<_>>(),
            [RequestId(5), RequestId(6)]
        );
        assert!(!range.contains(RequestId(4)) && range.contains(RequestId(6)));
        // The engine knows more than the client: nothing is missing.
        let range = RequestRange::between(RequestId(9), RequestId(6));
        assert!(range.is_empty() && range.ids().next().is_none());
    }
}
