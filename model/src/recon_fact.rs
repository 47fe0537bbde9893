//! What a query of the venue proved, one bounded fact each. Made on the cold side from answers.
//!
//! Every fact carries `asked_at_seq`, the journal sequence when the query left: what the venue said
//! about an order before our own last news of it proves nothing against the order.

use crate::account_statement::{BalanceStated, PositionCells};
use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::execution_report::{Fill, OrderUpdate};
use crate::identifiers::{ClientOrderId, InstrumentId, VenueId, VenueOrderId};
use crate::order_request::Side;
use crate::time::UnixNs;
use crate::{canonical_enum, canonical_struct};

canonical_enum! {
    /// Which list of the venue an order was looked for in.
    pub enum FactSource {
        /// The list of open orders, all pages.
        OpenOrders = 1 as "open_orders",
        /// The look-up of one order by id.
        OrderById = 2 as "order_by_id",
        /// The history of ended orders and the fills, by our id.
        History = 3 as "history",
    }
}

canonical_struct! {
    /// An order, as a query showed it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct OrderSeen {
        /// Journal sequence when the query left.
        pub asked_at_seq: u64,
        /// Which list.
        pub source: FactSource,
        /// What it showed. Its `fill` is always `None`: fills come as [`FillSeen`].
        pub update: OrderUpdate,
    }
}

canonical_struct! {
    /// An execution, as a query showed it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FillSeen {
        /// Journal sequence when the query left.
        pub asked_at_seq: u64,
        /// Our id, when the venue shows it.
        pub client_order_id: Option<ClientOrderId>,
        /// True when the venue shows that the order has no id, or one that is not of our form;
        /// false when it shows an id, or hides it.
        pub is_foreign: bool,
        /// The venue's id of the order.
        pub venue_order_id: VenueOrderId,
        /// What was traded.
        pub instrument: InstrumentId,
        /// Which way.
        pub side: Side,
        /// The execution.
        pub fill: Fill,
    }
}

canonical_struct! {
    /// An order that a complete list does not have.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct OrderAbsent {
        /// Journal sequence when the query left.
        pub asked_at_seq: u64,
        /// The venue's time when the query was answered, by our measured offset.
        pub answered_at: UnixNs,
        /// The order.
        pub client_order_id: ClientOrderId,
        /// Which list.
        pub source: FactSource,
    }
}

canonical_struct! {
    /// The end of a sweep over all open orders and recent fills of a venue.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SweepEnded {
        /// Journal sequence when the sweep left.
        pub asked_at_seq: u64,
        /// The venue.
        pub venue: VenueId,
        /// Which sweep.
        pub sweep_no: u32,
        /// True when every page of every list was read. A sweep that failed proves nothing.
        pub complete: bool,
    }
}

canonical_struct! {
    /// The end of the look-up of one order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LookupEnded {
        /// Journal sequence when the look-up left.
        pub asked_at_seq: u64,
        /// The order.
        pub client_order_id: ClientOrderId,
        /// Which look-up of the order.
        pub ask_no: u16,
        /// True when all its queries were answered.
        pub complete: bool,
    }
}

canonical_struct! {
    /// Everything that the account holds of one instrument, out of a list that was read whole.
    ///
    /// An instrument that such a list does not have is flat; a single push that lacks it says
    /// nothing.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct PositionSeen {
        /// Journal sequence when the query left.
        pub asked_at_seq: u64,
        /// What is held.
        pub instrument: InstrumentId,
        /// The list has rows of it. When false every cell is zero.
        pub is_listed: bool,
        /// How much.
        pub cells: PositionCells,
        /// The venue's time when the query left, by our measured offset.
        pub as_of: UnixNs,
    }
}

canonical_struct! {
    /// A balance, as a query showed it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BalanceSeen {
        /// Journal sequence when the query left.
        pub asked_at_seq: u64,
        /// Where. A venue has one account in this version.
        pub venue: VenueId,
        /// What the account has.
        pub balance: BalanceStated,
    }
}

/// One fact that a query proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconFact {
    /// An order was there.
    OrderSeen(OrderSeen),
    /// A fill was there.
    FillSeen(FillSeen),
    /// An order was not there.
    OrderAbsent(OrderAbsent),
    /// A sweep is over.
    SweepEnded(SweepEnded),
    /// A look-up is over.
    LookupEnded(LookupEnded),
    /// What the account holds of an instrument.
    PositionSeen(PositionSeen),
    /// What the account has of a currency.
    BalanceSeen(BalanceSeen),
}

impl CanonicalBytes for ReconFact {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::OrderSeen(fact) => {
                sink.put(&[1]);
                fact.put(sink);
            }
            Self::FillSeen(fact) => {
                sink.put(&[2]);
                fact.put(sink);
            }
            Self::OrderAbsent(fact) => {
                sink.put(&[3]);
                fact.put(sink);
            }
            Self::SweepEnded(fact) => {
                sink.put(&[4]);
                fact.put(sink);
            }
            Self::LookupEnded(fact) => {
                sink.put(&[5]);
                fact.put(sink);
            }
            Self::PositionSeen(fact) => {
                sink.put(&[6]);
                fact.put(sink);
            }
            Self::BalanceSeen(fact) => {
                sink.put(&[7]);
                fact.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            1 => OrderSeen::take(source).map(Self::OrderSeen),
            2 => FillSeen::take(source).map(Self::FillSeen),
            3 => OrderAbsent::take(source).map(Self::OrderAbsent),
            4 => SweepEnded::take(source).map(Self::SweepEnded),
            5 => LookupEnded::take(source).map(Self::LookupEnded),
            6 => PositionSeen::take(source).map(Self::PositionSeen),
            7 => BalanceSeen::take(source).map(Self::BalanceSeen),
            other => Err(BytesError::Invalid {
                what: "ReconFact",
                found: u64::from(other),
            }),
        }
    }
}
