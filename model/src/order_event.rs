//! What the engine tells a strategy: one numbered event per slot of the event ring.
//!
//! An event is a function of one journaled decision, so the same journal always gives the same
//! events. Event numbers are per strategy, start at 1 and have no gaps.

use crate::canonical_enum;
use crate::identifiers::{ClientOrderId, InstrumentId, RequestId, Text};
use crate::order_request::{OrderStatus, Side};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::reject_reason::RejectReason;
use crate::time::UnixNs;

/// Words of a slot's payload.
pub const EVENT_WORDS: usize = 15;

canonical_enum! {
    /// What happened.
    pub enum OrderEventKind {
        /// The order passed every check and has its id.
        OrderCreated = 1 as "OrderCreated",
        /// Its intent is journaled; it goes to the venue.
        OrderSubmitted = 2 as "OrderSubmitted",
        /// The venue has it. Text: the venue's id.
        OrderAcknowledged = 3 as "OrderAcknowledged",
        /// An execution; more is open. Text: the trade id.
        OrderPartiallyFilled = 4 as "OrderPartiallyFilled",
        /// The last execution. Text: the trade id.
        OrderFilled = 5 as "OrderFilled",
        /// Ended before it was filled. `venue_code`: the venue's reason.
        OrderCancelled = 6 as "OrderCancelled",
        /// The venue refused it. Text: its words.
        OrderRejected = 7 as "OrderRejected",
        /// Never reached the venue, proved.
        OrderFailed = 8 as "OrderFailed",
        /// Its time ended.
        OrderExpired = 9 as "OrderExpired",
        /// New terms are in force.
        OrderReplaced = 10 as "OrderReplaced",
        /// An execution after the end of the order. Text: the trade id.
        LateFill = 11 as "LateFill",
        /// A request was refused by us. `reason` says why.
        RequestRefused = 12 as "RequestRefused",
        /// A cancel's intent is journaled.
        CancelSubmitted = 13 as "CancelSubmitted",
        /// A cancel came to nothing; the order stands. Text: the venue's words.
        CancelRejected = 14 as "CancelRejected",
        /// A replace's intent is journaled.
        ReplaceSubmitted = 15 as "ReplaceSubmitted",
        /// A replace came to nothing; the old terms stand. Text: the venue's words.
        ReplaceRejected = 16 as "ReplaceRejected",
        /// Whether a command took effect is not known; the venue is being asked.
        CommandUnknown = 17 as "CommandUnknown",
        /// The venue could not be made to say; a person must look.
        NeedsOperator = 18 as "NeedsOperator",
        /// An answer to a query: the order as it stands.
        OrderState = 19 as "OrderState",
        /// A cancel-all was taken; the cancels follow.
        CancelAllAccepted = 20 as "CancelAllAccepted",
        /// A run of requests was refused for one reason: from `request_id`, `order_quantity` of
        /// them.
        RequestsRefused = 21 as "RequestsRefused",
    }
}

/// One event, as a strategy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderEvent {
    /// Number of the event within its strategy, from 1.
    pub event_seq: u64,
    /// What happened.
    pub kind: OrderEventKind,
    /// The order's status after it; `None` when the event is about no order.
    pub status: Option<OrderStatus>,
    /// Which way the order goes; `None` when the event is about no order.
    pub side: Option<Side>,
    /// Why a request was refused; `None` when it was not.
    pub reason: Option<RejectReason>,
    /// True while the effect of one of the order's commands is not known.
    pub unknown: bool,
    /// The order; `None` when there is none.
    pub client_order_id: Option<ClientOrderId>,
    /// The request that the event answers or the order came from.
    pub request_id: RequestId,
    /// What is traded.
    pub instrument: InstrumentId,
    /// The venue's code; 0 = none.
    pub venue_code: u32,
    /// FIX 38.
    pub order_quantity: Quantity,
    /// FIX 44.
    pub limit_price: Price,
    /// FIX 14.
    pub cum_quantity: Quantity,
    /// FIX 32; zero when the event is no execution.
    pub last_quantity: Quantity,
    /// FIX 31; zero when the event is no execution.
    pub last_price: Price,
    /// What the execution cost, in 10^-12 units of the fee currency; negative = paid to us.
    pub fee_units: i64,
    /// The venue's clock; zero when the venue said nothing.
    pub venue_time: UnixNs,
    /// The venue's id, trade id or words, as the kind says; cut after 23 bytes.
    pub text: Text<23>,
}

const FLAG_UNKNOWN: u64 = 1;

impl OrderEvent {
    /// The event's slot payload.
    pub fn to_words(&self) -> [u64; EVENT_WORDS] {
        let status = self.status.map_or(0, OrderStatus::number);
        let side = self.side.map_or(0, Side::number);
        let reason = self.reason.map_or(0, RejectReason::number);
        let flags = if self.unknown { FLAG_UNKNOWN } else { 0 };
        let head = u64::from(self.kind.number())
            | (u64::from(status) << 8)
            | (u64::from(side) << 16)
            | (flags << 24)
            | (u64::from(reason) << 32);
        let mut text = [0u8; 24];
        let bytes = self.text.as_bytes();
        text[0] = u8::try_from(bytes.len()).unwrap_or(0);
        text[1..=bytes.len()].copy_from_slice(bytes);
        [
            self.event_seq,
            head,
            self.client_order_id.map_or(0, ClientOrderId::integer),
            self.request_id.0,
            u64::from(self.instrument.0) | (u64::from(self.venue_code) << 32),
            self.order_quantity.units().cast_unsigned(),
            self.limit_price.units().cast_unsigned(),
            self.cum_quantity.units().cast_unsigned(),
            self.last_quantity.units().cast_unsigned(),
            self.last_price.units().cast_unsigned(),
            self.fee_units.cast_unsigned(),
            self.venue_time.0,
            word_of(&text, 0),
            word_of(&text, 8),
            word_of(&text, 16),
        ]
    }

    /// Reads a slot payload; `None` when it is not one that [`Self::to_words`] writes.
    pub fn from_words(words: &[u64; EVENT_WORDS]) -> Option<Self> {
        let head = words[1].to_le_bytes();
        let mut text = [0u8; 24];
        for (chunk, word) in text.chunks_exact_mut(8).zip(&words[12..]) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let text = Text::new(text.get(1..)?.get(..usize::from(text[0]))?)?;
        Some(Self {
            event_seq: words[0],
            kind: OrderEventKind::from_number(head[0])?,
            status: optional(head[1], OrderStatus::from_number)?,
            side: optional(head[2], Side::from_number)?,
            reason: optional(head[4], RejectReason::from_number)?,
            unknown: u64::from(head[3]) & FLAG_UNKNOWN != 0,
            client_order_id: match words[2] {
                0 => None,
                integer => Some(ClientOrderId::from_integer(integer)?),
            },
            request_id: RequestId(words[3]),
            instrument: InstrumentId(low_half(words[4])),
            venue_code: low_half(words[4] >> 32),
            order_quantity: Quantity::from_units(words[5].cast_signed()),
            limit_price: Price::from_units(words[6].cast_signed()),
            cum_quantity: Quantity::from_units(words[7].cast_signed()),
            last_quantity: Quantity::from_units(words[8].cast_signed()),
            last_price: Price::from_units(words[9].cast_signed()),
            fee_units: words[10].cast_signed(),
            venue_time: UnixNs(words[11]),
            text,
        })
    }
}

/// Zero is "none"; every other number must be a variant.
fn optional<T>(number: u8, variant: fn(u8) -> Option<T>) -> Option<Option<T>> {
    if number == 0 {
        Some(None)
    } else {
        variant(number).map(Some)
    }
}

/// Eight bytes of `text` from `at` as one little-endian word.
fn word_of(text: &[u8; 24], at: usize) -> u64 {
    let mut word = [0u8; 8];
    for (to, from) in word.iter_mut().zip(text.iter().skip(at)) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// The low 32 bits of a word.
pub(crate) fn low_half(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0)
}
