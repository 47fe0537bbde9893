//! What a strategy asks for, and the intent that follows when it passes every check.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::identifiers::{ClientOrderId, InstrumentId, RequestId, VenueOrderId};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::UnixNs;
use crate::{canonical_enum, canonical_struct};

canonical_enum! {
    /// FIX 54.
    pub enum Side {
        /// Buys.
        Buy = 1 as "buy",
        /// Sells.
        Sell = 2 as "sell",
    }
}

canonical_enum! {
    /// FIX 40.
    pub enum OrderType {
        /// At the limit price or better.
        Limit = 1 as "limit",
        /// At any price. Needs a reference price for its worst-case value.
        Market = 2 as "market",
    }
}

canonical_enum! {
    /// FIX 59.
    pub enum TimeInForce {
        /// Rests until filled or cancelled.
        GoodTillCancel = 1 as "gtc",
        /// Takes what it can at once; the rest is cancelled.
        ImmediateOrCancel = 2 as "ioc",
        /// All at once or nothing.
        FillOrKill = 3 as "fok",
    }
}

canonical_enum! {
    /// FIX 39, split: what is *proved* about an order. What is under way is a pending command.
    pub enum OrderStatus {
        /// Exists; no check has run.
        Created = 1 as "created",
        /// Passed every check.
        Validated = 2 as "validated",
        /// Its intent is journaled; the venue has not been heard.
        Submitted = 3 as "submitted",
        /// The venue has it, unfilled.
        Acknowledged = 4 as "acknowledged",
        /// Some of it is filled.
        PartiallyFilled = 5 as "partially_filled",
        /// All of it is filled. Terminal.
        Filled = 6 as "filled",
        /// Cancelled by us or by the venue; fills are kept. Terminal.
        Cancelled = 7 as "cancelled",
        /// The venue refused it. Terminal.
        Rejected = 8 as "rejected",
        /// We refused it. Terminal.
        Denied = 9 as "denied",
        /// It never reached the venue, proved. Terminal.
        Failed = 10 as "failed",
        /// Its time at the venue ended. Terminal.
        Expired = 11 as "expired",
    }
}

impl OrderStatus {
    /// True when nothing but a late fill can still happen.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Filled
            | Self::Cancelled
            | Self::Rejected
            | Self::Denied
            | Self::Failed
            | Self::Expired => true,
            Self::Created
            | Self::Validated
            | Self::Submitted
            | Self::Acknowledged
            | Self::PartiallyFilled => false,
        }
    }
}

canonical_enum! {
    /// What a command asks of the venue.
    pub enum CommandKind {
        /// A new order.
        New = 1 as "new",
        /// The end of an order.
        Cancel = 2 as "cancel",
        /// Other terms for an order.
        Replace = 3 as "replace",
    }
}

canonical_struct! {
    /// A new order as a strategy asks for it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct NewOrder {
        /// What to trade.
        pub instrument: InstrumentId,
        /// Which way.
        pub side: Side,
        /// Limit or market.
        pub order_type: OrderType,
        /// How long.
        pub time_in_force: TimeInForce,
        /// Refused rather than taking.
        pub post_only: bool,
        /// Only ever makes the position smaller.
        pub reduce_only: bool,
        /// How much.
        pub order_quantity: Quantity,
        /// At which price; zero for a market order.
        pub limit_price: Price,
        /// The order is worthless this long after the request was written, nanoseconds; 0 = no
        /// limit.
        pub valid_for_ns: u64,
    }
}

/// Which order a cancel or replace means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderReference {
    /// By the engine's id.
    ClientOrderId(ClientOrderId),
    /// By the strategy's own request id of the new order: usable before any event came back.
    RequestId(RequestId),
}

impl CanonicalBytes for OrderReference {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::ClientOrderId(id) => {
                sink.put(&[1]);
                id.put(sink);
            }
            Self::RequestId(id) => {
                sink.put(&[2]);
                id.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            1 => ClientOrderId::take(source).map(Self::ClientOrderId),
            2 => RequestId::take(source).map(Self::RequestId),
            other => Err(BytesError::Invalid {
                what: "OrderReference",
                found: u64::from(other),
            }),
        }
    }
}

/// Everything that a strategy can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Place an order.
    New(NewOrder),
    /// End an order.
    Cancel {
        /// Which.
        order: OrderReference,
    },
    /// Change an order's total quantity and price. The total includes what is already filled.
    Replace {
        /// Which.
        order: OrderReference,
        /// The new total.
        order_quantity: Quantity,
        /// The new price.
        limit_price: Price,
    },
    /// End every open order of the strategy, at one instrument or at all.
    CancelAll {
        /// `None` = all.
        instrument: Option<InstrumentId>,
    },
    /// Say an order's state again.
    Query {
        /// Which.
        order: OrderReference,
    },
}

impl CanonicalBytes for Request {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::New(order) => {
                sink.put(&[1]);
                order.put(sink);
            }
            Self::Cancel { order } => {
                sink.put(&[2]);
                order.put(sink);
            }
            Self::Replace {
                order,
                order_quantity,
                limit_price,
            } => {
                sink.put(&[3]);
                order.put(sink);
                order_quantity.put(sink);
                limit_price.put(sink);
            }
            Self::CancelAll { instrument } => {
                sink.put(&[4]);
                instrument.put(sink);
            }
            Self::Query { order } => {
                sink.put(&[5]);
                order.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            1 => NewOrder::take(source).map(Self::New),
            2 => Ok(Self::Cancel {
                order: CanonicalBytes::take(source)?,
            }),
            3 => Ok(Self::Replace {
                order: CanonicalBytes::take(source)?,
                order_quantity: CanonicalBytes::take(source)?,
                limit_price: CanonicalBytes::take(source)?,
            }),
            4 => Ok(Self::CancelAll {
                instrument: CanonicalBytes::take(source)?,
            }),
            5 => Ok(Self::Query {
                order: CanonicalBytes::take(source)?,
            }),
            other => Err(BytesError::Invalid {
                what: "Request",
                found: u64::from(other),
            }),
        }
    }
}

canonical_struct! {
    /// A command that is about to be sent: all that the venue's encoder needs, nothing else.
    ///
    /// Encoding is a pure function of this and the instrument table, so a reader of the journal can
    /// print the very bytes that were sent.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct OrderIntent {
        /// The engine's running number of commands; never repeats in a journal.
        pub intent_seq: u64,
        /// New, cancel or replace.
        pub command: CommandKind,
        /// Running number of the command within its order, from 1.
        pub command_seq: u16,
        /// Which sending of the command this is, from 1.
        pub send_no: u8,
        /// The order. Always one of ours, or an adopted one.
        pub client_order_id: ClientOrderId,
        /// The venue's id, when it is known; else empty.
        pub venue_order_id: VenueOrderId,
        /// What is traded.
        pub instrument: InstrumentId,
        /// Which way.
        pub side: Side,
        /// Limit or market.
        pub order_type: OrderType,
        /// How long.
        pub time_in_force: TimeInForce,
        /// Refused rather than taking.
        pub post_only: bool,
        /// Only ever makes the position smaller.
        pub reduce_only: bool,
        /// The order's total quantity (a replace: the new total).
        pub order_quantity: Quantity,
        /// The limit price (a replace: the new price).
        pub limit_price: Price,
        /// The venue must not act on the command after this moment of its own clock.
        pub valid_until: UnixNs,
    }
}
