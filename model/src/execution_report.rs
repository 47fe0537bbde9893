//! What a venue said, in our words. Made by the venue decoders, read by the engine.
//!
//! A report says what the message says and nothing more: a decoder keeps no state and draws no
//! conclusion. The same frame and instrument table always give the same reports.

use crate::account_statement::{BalanceStated, PositionStated};
use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::identifiers::{ClientOrderId, InstrumentId, TradeId, VenueMessage, VenueOrderId};
use crate::order_request::{CommandKind, Side};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::UnixNs;
use crate::{canonical_enum, canonical_struct};

canonical_enum! {
    /// What a reply to a command proves.
    pub enum ReplyOutcome {
        /// Taken for processing; the result follows on the order stream.
        Accepted = 1 as "accepted",
        /// Refused; nothing happened at the venue.
        Refused = 2 as "refused",
        /// The venue does not know itself: ask.
        Unknown = 3 as "unknown",
        /// A cancel or replace of an order that is ended or not known there: ask.
        AlreadyGone = 4 as "already_gone",
    }
}

canonical_struct! {
    /// The venue's answer to one command.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct CommandReply {
        /// The order that the command was about.
        pub client_order_id: ClientOrderId,
        /// What was asked.
        pub command: CommandKind,
        /// Which command of the order.
        pub command_seq: u16,
        /// What is proved.
        pub outcome: ReplyOutcome,
        /// The venue's id, when the reply has it.
        pub venue_order_id: VenueOrderId,
        /// The venue's code; 0 = none.
        pub venue_code: u32,
        /// The venue's words, cut to fit.
        pub message: VenueMessage,
        /// The venue's clock.
        pub venue_time: UnixNs,
    }
}

canonical_enum! {
    /// An order's state as its venue names it.
    pub enum VenueOrderState {
        /// Resting, nothing filled yet.
        Live = 1 as "live",
        /// Resting, some filled.
        PartiallyFilled = 2 as "partially_filled",
        /// Ended, all filled (or closed out by the venue).
        Filled = 3 as "filled",
        /// Ended before it was filled.
        Cancelled = 4 as "cancelled",
        /// Its time ended.
        Expired = 5 as "expired",
        /// Refused after all.
        Rejected = 6 as "rejected",
    }
}

canonical_enum! {
    /// Who made the market in a match.
    pub enum LiquiditySide {
        /// Not said.
        Unknown = 0 as "unknown",
        /// Rested in the book.
        Maker = 1 as "maker",
        /// Took from the book.
        Taker = 2 as "taker",
    }
}

canonical_struct! {
    /// One execution.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fill {
        /// The venue's id of the match; empty when it gives none.
        pub trade_id: TradeId,
        /// FIX 32.
        pub last_quantity: Quantity,
        /// FIX 31.
        pub last_price: Price,
        /// What the venue charged, in 10^-12 units of the fee currency; negative = paid to us.
        pub fee_units: i64,
        /// Maker or taker.
        pub liquidity: LiquiditySide,
        /// When the venue matched it.
        pub venue_time: UnixNs,
    }
}

/// Decimal places of [`Fill::fee_units`].
pub const FEE_SCALE: u8 = 12;

canonical_struct! {
    /// What became of a replace.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ReplaceResult {
        /// Which command of the order.
        pub command_seq: u16,
        /// True when the new terms are in force.
        pub applied: bool,
    }
}

canonical_struct! {
    /// An order as its venue shows it at one moment.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct OrderUpdate {
        /// Our id; `None` when the venue shows none or one that is not of our form.
        pub client_order_id: Option<ClientOrderId>,
        /// The venue's id.
        pub venue_order_id: VenueOrderId,
        /// What is traded.
        pub instrument: InstrumentId,
        /// Which way.
        pub side: Side,
        /// Where it stands.
        pub state: VenueOrderState,
        /// FIX 38, as the venue holds it now.
        pub order_quantity: Quantity,
        /// FIX 44, as the venue holds it now; zero when it shows none.
        pub limit_price: Price,
        /// FIX 14, as the venue counts it.
        pub cum_quantity: Quantity,
        /// The execution that this message reports, if it reports one.
        pub fill: Option<Fill>,
        /// The replace that this message answers, if it answers one.
        pub replace: Option<ReplaceResult>,
        /// Why it ended, by the venue's code; 0 = not said.
        pub end_code: u32,
        /// The venue's clock.
        pub venue_time: UnixNs,
    }
}

canonical_enum! {
    /// Why a message, or a part of one, was set aside.
    pub enum QuarantineReason {
        /// Not JSON, or not the shape that the channel has.
        Malformed = 1 as "malformed",
        /// A member is missing.
        MissingMember = 2 as "missing_member",
        /// A number that is not one, or does not fit the instrument's scale.
        BadNumber = 3 as "bad_number",
        /// An instrument that is not configured.
        UnknownInstrument = 4 as "unknown_instrument",
        /// A reply to a request that was not ours.
        UnknownRequest = 5 as "unknown_request",
        /// A state or channel that this version does not know.
        UnknownKind = 6 as "unknown_kind",
        /// More reports in one frame than fit.
        TooMany = 7 as "too_many",
    }
}

/// One thing that a venue said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VenueReport {
    /// An answer to a command of ours.
    Reply(CommandReply),
    /// An order's new state.
    Order(OrderUpdate),
    /// Something that could not be read; the frame's bytes are in the same entry.
    Quarantined(QuarantineReason),
    /// One cell of a position of the account.
    Position(PositionStated),
    /// The account's balance in one currency.
    Balance(BalanceStated),
    /// So many rows of the frame state positions that are not in our instruments.
    PositionsElsewhere {
        /// How many.
        rows: u16,
    },
}

impl CanonicalBytes for VenueReport {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::Reply(reply) => {
                sink.put(&[1]);
                reply.put(sink);
            }
            Self::Order(update) => {
                sink.put(&[2]);
                update.put(sink);
            }
            Self::Quarantined(reason) => {
                sink.put(&[3]);
                reason.put(sink);
            }
            Self::Position(stated) => {
                sink.put(&[4]);
                stated.put(sink);
            }
            Self::Balance(stated) => {
                sink.put(&[5]);
                stated.put(sink);
            }
            Self::PositionsElsewhere { rows } => {
                sink.put(&[6]);
                rows.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            1 => CommandReply::take(source).map(Self::Reply),
            2 => OrderUpdate::take(source).map(Self::Order),
            3 => QuarantineReason::take(source).map(Self::Quarantined),
            4 => PositionStated::take(source).map(Self::Position),
            5 => BalanceStated::take(source).map(Self::Balance),
            6 => u16::take(source).map(|rows| Self::PositionsElsewhere { rows }),
            other => Err(BytesError::Invalid {
                what: "VenueReport",
                found: u64::from(other),
            }),
        }
    }
}
