//! Foreign executions that count already, so that each counts once however often it is told.
//!
//! Bounded: the oldest is forgotten first, and then nothing as old as it counts any more. That can
//! miss one, which shows as a difference to the venue; it can never count one twice. An execution
//! that turns out to be ours is taken back. Deterministic: no seeded hash.

use super::check_count;
use crate::state::digest::CanonicalHash;
use model::canonical_bytes::{put_count, take_count};
use model::{
    ByteSink, ByteSource, BytesError, CanonicalBytes, InstrumentId, TradeId, UnixNs, VenueOrderId,
    canonical_struct,
};
use std::collections::VecDeque;

/// Executions that are remembered. A sweep tells those of its overlap again, a minute's.
const REMEMBERED_MAX: usize = 4_096;

/// An execution by venue order, instrument and trade; two different ones may share a key by a
/// 64-bit chance.
pub(crate) fn fill_key(instrument: InstrumentId, order: &VenueOrderId, trade: &TradeId) -> u64 {
    let mut hash = CanonicalHash::default();
    instrument.put(&mut hash);
    order.put(&mut hash);
    trade.put(&mut hash);
    hash.0
}

canonical_struct! {
    #[derive(Debug, Clone, Copy)]
    struct Remembered {
        key: u64,
        units: i128,
        venue_time: UnixNs,
    }
}

/// The foreign executions that are remembered, oldest first.
#[derive(Debug)]
pub(crate) struct ForeignFills {
    list: VecDeque<Remembered>,
    /// Nothing up to this moment of the venue's clock is news.
    forgotten_until: UnixNs,
}

impl Default for ForeignFills {
    fn default() -> Self {
        Self {
            list: VecDeque::with_capacity(REMEMBERED_MAX),
            forgotten_until: UnixNs(0),
        }
    }
}

impl ForeignFills {
    pub(crate) fn is_known(&self, key: u64, venue_time: UnixNs) -> bool {
        venue_time <= self.forgotten_until || self.list.iter().any(|it| it.key == key)
    }

    pub(super) fn note(&mut self, key: u64, units: i128, venue_time: UnixNs) {
        if self.list.len() == REMEMBERED_MAX
            && let Some(oldest) = self.list.pop_front()
        {
            self.forgotten_until = self.forgotten_until.max(oldest.venue_time);
        }
        self.list.push_back(Remembered {
            key,
            units,
            venue_time,
        });
    }

    /// The units that the execution counted for; it counts no more.
    pub(super) fn take_back(&mut self, key: u64) -> Option<i128> {
        let at = self.list.iter().position(|it| it.key == key)?;
        self.list.remove(at).map(|it| it.units)
    }
}

impl CanonicalBytes for ForeignFills {
    fn put(&self, sink: &mut impl ByteSink) {
        self.forgotten_until.put(sink);
        put_count(self.list.len(), sink);
        self.list.iter().for_each(|it| it.put(sink));
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let mut fills = Self {
            forgotten_until: CanonicalBytes::take(source)?,
            ..Self::default()
        };
        let count = take_count(source)?;
        check_count("foreign fills", count, REMEMBERED_MAX)?;
        for _ in 0..count {
            fills.list.push_back(CanonicalBytes::take(source)?);
        }
        Ok(fills)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_is_never_counted_again() {
        let mut fills = ForeignFills::default();
        let most = u64::try_from(REMEMBERED_MAX).unwrap();
        for number in 1..=most + 2 {
            assert!(!fills.is_known(number, UnixNs(number)));
            fills.note(number, 5, UnixNs(number));
        }
        assert_eq!(fills.list.len(), REMEMBERED_MAX);
        assert!(fills.is_known(1, UnixNs(1)) && fills.is_known(2, UnixNs(2)));
        assert!(fills.is_known(3, UnixNs(3)));
        assert_eq!(fills.take_back(3), Some(5));
        assert_eq!(fills.take_back(1), None);
    }
}
