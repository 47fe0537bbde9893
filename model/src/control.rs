//! What a person or the daemon itself orders the engine to do, and who ordered it.
//!
//! The latches are in here: kill (nothing new goes out, everything open is cancelled) and
//! reduce-only, each over all, a venue, an instrument or a strategy. A latch stays closed until an
//! order opens it; closing one never opens another.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::identifiers::{InstrumentId, StrategyId, Text, VenueId};
use crate::time::UnixNs;
use crate::{canonical_enum, canonical_struct};

/// What a latch is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlScope {
    /// Everything.
    All,
    /// One venue's instruments.
    Venue(VenueId),
    /// One instrument.
    Instrument(InstrumentId),
    /// One strategy's orders.
    Strategy(StrategyId),
}

impl ControlScope {
    /// True when an order of this strategy in this instrument of this venue is meant.
    pub fn covers(
        self,
        strategy: StrategyId,
        instrument: InstrumentId,
        venue: Option<VenueId>,
    ) -> bool {
        match self {
            Self::All => true,
            Self::Venue(scope) => venue == Some(scope),
            Self::Instrument(scope) => instrument == scope,
            Self::Strategy(scope) => strategy == scope,
        }
    }
}

impl core::fmt::Display for ControlScope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Venue(venue) => write!(f, "venue {venue}"),
            Self::Instrument(instrument) => write!(f, "instrument {instrument}"),
            Self::Strategy(strategy) => write!(f, "strategy {strategy}"),
        }
    }
}

impl CanonicalBytes for ControlScope {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::All => sink.put(&[1]),
            Self::Venue(venue) => {
                sink.put(&[2]);
                venue.put(sink);
            }
            Self::Instrument(instrument) => {
                sink.put(&[3]);
                instrument.put(sink);
            }
            Self::Strategy(strategy) => {
                sink.put(&[4]);
                strategy.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        Ok(match u8::take(source)? {
            1 => Self::All,
            2 => Self::Venue(CanonicalBytes::take(source)?),
            3 => Self::Instrument(CanonicalBytes::take(source)?),
            4 => Self::Strategy(CanonicalBytes::take(source)?),
            other => {
                return Err(BytesError::Invalid {
                    what: "ControlScope",
                    found: u64::from(other),
                });
            }
        })
    }
}

canonical_enum! {
    /// What a closed latch keeps from happening.
    pub enum Latch {
        /// No new order and no replace; every open order is cancelled.
        Kill = 1 as "kill",
        /// Only orders that make the worst-case position smaller.
        ReduceOnly = 2 as "reduce_only",
    }
}

canonical_enum! {
    /// Where an order to the engine came from.
    pub enum ControlOrigin {
        /// A latch file or a re-arm note in the data directory.
        File = 1 as "file",
        /// A signal to the process; no file said more.
        Signal = 2 as "signal",
        /// The configuration: every start begins so.
        StartPolicy = 3 as "start_policy",
        /// The engine's own watch over itself.
        Watch = 4 as "watch",
    }
}

canonical_struct! {
    /// Who ordered something, when and why. The journal's record of it is the audit.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Author {
        /// From where it came.
        pub origin: ControlOrigin,
        /// The user id of the process that ordered it; of the engine when there was none other.
        pub uid: u32,
        /// When it was ordered, by the system clock of who ordered it; zero = not known.
        pub ordered_at: UnixNs,
        /// Why, in the words of who ordered it, cut to fit; empty = not said.
        pub reason: Text<95>,
    }
}

canonical_struct! {
    /// An order to close or open a latch.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LatchOrder {
        /// Which.
        pub latch: Latch,
        /// Over what.
        pub scope: ControlScope,
        /// True to close it; false to open it again.
        pub close: bool,
        /// By whom.
        pub author: Author,
    }
}

/// What an operator or the daemon itself orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Take no more requests; cancels and fills go on.
    StopIntake,
    /// Cancel every open order of every strategy.
    CancelAll,
    /// Close or open a latch.
    SetLatch(LatchOrder),
}

impl CanonicalBytes for Control {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::StopIntake => sink.put(&[1]),
            Self::CancelAll => sink.put(&[2]),
            Self::SetLatch(order) => {
                sink.put(&[3]);
                order.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        Ok(match u8::take(source)? {
            1 => Self::StopIntake,
            2 => Self::CancelAll,
            3 => Self::SetLatch(CanonicalBytes::take(source)?),
            other => {
                return Err(BytesError::Invalid {
                    what: "Control",
                    found: u64::from(other),
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_order(scope: ControlScope) -> LatchOrder {
        LatchOrder {
            latch: Latch::Kill,
            scope,
            close: true,
            author: Author {
                origin: ControlOrigin::File,
                uid: 1_000,
                ordered_at: UnixNs(7),
                reason: Text::lossy(b"runaway"),
            },
        }
    }

    #[test]
    fn every_order_survives_its_bytes_and_no_others_are_taken() {
        let scopes = [
            ControlScope::All,
            ControlScope::Venue(VenueId(1)),
            ControlScope::Instrument(InstrumentId(2)),
            ControlScope::Strategy(StrategyId(3)),
        ];
        let latches = scopes.map(|scope| Control::SetLatch(an_order(scope)));
        for control in [Control::StopIntake, Control::CancelAll]
            .into_iter()
            .chain(latches)
        {
            let mut bytes = Vec::new();
            control.put(&mut bytes);
            let mut source = ByteSource::new(&bytes);
            assert_eq!(Control::take(&mut source), Ok(control));
            assert_eq!(source.finish(), Ok(()));
        }
        assert!(Control::take(&mut ByteSource::new(&[4])).is_err());
        assert!(ControlScope::take(&mut ByteSource::new(&[0])).is_err());
    }

    #[test]
    fn a_scope_covers_its_own_and_nothing_else() {
        let (strategy, instrument, venue) = (StrategyId(3), InstrumentId(2), Some(VenueId(1)));
        let covers = |scope: ControlScope| scope.covers(strategy, instrument, venue);
        assert!(covers(ControlScope::All));
        assert!(
            covers(ControlScope::Venue(VenueId(1))) && !covers(ControlScope::Venue(VenueId(0)))
        );
        assert!(covers(ControlScope::Instrument(instrument)));
        assert!(!covers(ControlScope::Instrument(InstrumentId(3))));
        assert!(covers(ControlScope::Strategy(strategy)));
        assert!(!covers(ControlScope::Strategy(StrategyId(2))));
    }
}
