//! The fixed parts of an instrument's place and cancel messages, made when the table changes.
//!
//! A message of ours is these parts with ids, quantity, price and deadline between them. Invariant:
//! the bytes are those that the general writer (`order_terms.rs`) makes; a test compares them.
//! Must not know: intents, whether an order is allowed. Threads: none.

use model::order_request::{OrderType, Side, TimeInForce};

use crate::byte_writer::{DIGITS_MAX, write_digits};
use crate::template_writer::Template;
use crate::venue::okx::instrument_table::{OkxInstrument, SelfTradePrevention};

/// Before the request id.
pub(super) const HEAD: Template<8> = Template::new(&[b"{\"id\":\""]);
/// Between quantity and price.
pub(super) const PRICE: Template<16> = Template::new(&[b"\",\"px\":\""]);
/// Between price and order id.
pub(super) const ORDER_ID: Template<16> = Template::new(&[b"\",\"clOrdId\":\""]);
/// Behind the deadline.
pub(super) const END: Template<2> = Template::new(&[b"\"}"]);
/// Behind a cancel's order id.
pub(super) const CANCEL_END: Template<8> = Template::new(&[b"\"}]}"]);
/// The letter of a new order's request id, and of a cancel's.
pub(super) const NEW_LETTER: Template<1> = Template::new(&[b"n"]);
pub(super) const CANCEL_LETTER: Template<1> = Template::new(&[b"c"]);
/// Before the number of a repeated sending.
pub(super) const REPEATED: Template<1> = Template::new(&[b"x"]);

/// One instrument's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrderTemplates {
    /// From the request id to the side.
    pub(super) place: Template<96>,
    /// From the request id to the order id.
    pub(super) cancel: Template<96>,
    /// From a new order's id to its deadline; the second one for `reduceOnly`.
    pub(super) place_end: [Template<64>; 2],
}

impl OrderTemplates {
    /// The parts of an instrument as the table has it.
    pub(super) fn new(known: &OkxInstrument, stp: Option<SelfTradePrevention>) -> Self {
        let mut digits = [b'0'; DIGITS_MAX];
        let code = write_digits(known.instrument.venue_code, &mut digits);
        let trade_mode = known.trade_mode.text().as_bytes();
        let (stp_name, stp_word, stp_end): (&[u8], &[u8], &[u8]) = match stp {
            Some(mode) => (b",\"stpMode\":\"", mode.text().as_bytes(), b"\""),
            None => (b"", b"", b""),
        };
        let end = |reduce_only: &[u8]| {
            let parts = [
                b"\"",
                stp_name,
                stp_word,
                stp_end,
                reduce_only,
                b"}],\"expTime\":\"",
            ];
            Template::new(&parts)
        };
        Self {
            place: Template::new(&[
                b"\",\"op\":\"order\",\"args\":[{\"instIdCode\":",
                code,
                b",\"tdMode\":\"",
                trade_mode,
                b"\",\"side\":\"",
            ]),
            cancel: Template::new(&[
                b"\",\"op\":\"cancel-order\",\"args\":[{\"instIdCode\":",
                code,
                b",\"clOrdId\":\"",
            ]),
            place_end: [end(b""), end(b",\"reduceOnly\":true")],
        }
    }
}

const fn terms(side: &[u8], order_type: &[u8]) -> Template<48> {
    Template::new(&[side, b"\",\"ordType\":\"", order_type, b"\",\"sz\":\""])
}

const fn of_side(side: &[u8]) -> [Template<48>; 4] {
    [
        terms(side, b"limit"),
        terms(side, b"post_only"),
        terms(side, b"ioc"),
        terms(side, b"fok"),
    ]
}

/// From the side to the quantity of a limit order; `None` for what is written member by member.
#[inline]
pub(super) fn limit_terms(
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    post_only: bool,
) -> Option<&'static Template<48>> {
    static BUY: [Template<48>; 4] = of_side(b"buy");
    static SELL: [Template<48>; 4] = of_side(b"sell");
    let word = match (order_type, time_in_force, post_only) {
        (OrderType::Limit, TimeInForce::GoodTillCancel, false) => 0,
        (OrderType::Limit, TimeInForce::GoodTillCancel, true) => 1,
        (OrderType::Limit, TimeInForce::ImmediateOrCancel, false) => 2,
        (OrderType::Limit, TimeInForce::FillOrKill, false) => 3,
        (OrderType::Limit, _, true) | (OrderType::Market, _, _) => return None,
    };
    match side {
        Side::Buy => BUY.get(word),
        Side::Sell => SELL.get(word),
    }
}
