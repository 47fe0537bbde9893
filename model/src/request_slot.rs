//! The shared-memory form of a request, and its checked entry. The writer is not trusted.
//!
//! Fifteen 64-bit words; everything that a check reads lies in the first seven, which share a cache
//! line with the slot's flag. A slot with any bit that this version does not know is refused whole:
//! what we would ignore today could mean something tomorrow.

use crate::identifiers::{ClientOrderId, InstrumentId, RequestId};
use crate::order_event::low_half;
use crate::order_request::{NewOrder, OrderReference, OrderType, Request, Side, TimeInForce};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::MonotonicNs;

/// Words of a slot's payload.
pub const REQUEST_WORDS: usize = 15;
/// Version of the layout, in every slot.
pub const REQUEST_VERSION: u8 = 1;

const KIND_NEW: u8 = 1;
const KIND_CANCEL: u8 = 2;
const KIND_REPLACE: u8 = 3;
const KIND_CANCEL_ALL: u8 = 4;
const KIND_QUERY: u8 = 5;
const FLAG_POST_ONLY: u8 = 1;
const FLAG_REDUCE_ONLY: u8 = 2;
const REFERENCE_CLIENT_ORDER_ID: u8 = 1;
const REFERENCE_REQUEST_ID: u8 = 2;
const NO_INSTRUMENT: u32 = u32::MAX;

/// A request that passed the check of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedRequest {
    /// The strategy's number for it.
    pub request_id: RequestId,
    /// When the strategy says that it wrote it (`CLOCK_MONOTONIC`). A claim, used only to refuse.
    pub written_at: MonotonicNs,
    /// What is asked.
    pub request: Request,
}

/// Which part of a slot is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSlot {
    /// The strategy's number for the request, to answer it; zero if even that is none.
    pub request_id: RequestId,
    /// The part.
    pub part: &'static str,
}

/// Writes a request as a slot payload.
pub fn to_words(
    request_id: RequestId,
    written_at: MonotonicNs,
    request: &Request,
) -> [u64; REQUEST_WORDS] {
    let mut head = [0u8; 8];
    head[1] = REQUEST_VERSION;
    let mut words = [0u64; REQUEST_WORDS];
    words[0] = request_id.0;
    words[6] = written_at.0;
    match request {
        Request::New(order) => {
            head[0] = KIND_NEW;
            head[2] = order.side.number();
            head[3] = order.order_type.number();
            head[4] = order.time_in_force.number();
            head[5] = (if order.post_only { FLAG_POST_ONLY } else { 0 })
                | (if order.reduce_only {
                    FLAG_REDUCE_ONLY
                } else {
                    0
                });
            words[2] = u64::from(order.instrument.0);
            words[3] = order.order_quantity.units().cast_unsigned();
            words[4] = order.limit_price.units().cast_unsigned();
            words[7] = order.valid_for_ns;
        }
        Request::Cancel { order } => {
            head[0] = KIND_CANCEL;
            (head[6], words[5]) = reference_words(order);
        }
        Request::Replace {
            order,
            order_quantity,
            limit_price,
        } => {
            head[0] = KIND_REPLACE;
            (head[6], words[5]) = reference_words(order);
            words[3] = order_quantity.units().cast_unsigned();
            words[4] = limit_price.units().cast_unsigned();
        }
        Request::CancelAll { instrument } => {
            head[0] = KIND_CANCEL_ALL;
            words[2] = u64::from(instrument.map_or(NO_INSTRUMENT, |id| id.0));
        }
        Request::Query { order } => {
            head[0] = KIND_QUERY;
            (head[6], words[5]) = reference_words(order);
        }
    }
    words[1] = u64::from_le_bytes(head);
    words
}

/// Checks the form of a private copy of a slot.
///
/// # Errors
/// [`BadSlot`] naming the first part that is not one that [`to_words`] writes.
pub fn check(words: &[u64; REQUEST_WORDS]) -> Result<CheckedRequest, BadSlot> {
    let request_id = RequestId(words[0]);
    let bad = |part| BadSlot { request_id, part };
    if request_id.0 == 0 {
        return Err(bad("request id"));
    }
    let head = words[1].to_le_bytes();
    if head[1] != REQUEST_VERSION {
        return Err(bad("version"));
    }
    if head[7] != 0 || words[8..].iter().any(|word| *word != 0) {
        return Err(bad("padding"));
    }
    let request = match head[0] {
        KIND_NEW => Request::New(new_order(&head, words).map_err(bad)?),
        KIND_CANCEL => Request::Cancel {
            order: reference(head[6], words[5]).map_err(bad)?,
        },
        KIND_REPLACE => Request::Replace {
            order: reference(head[6], words[5]).map_err(bad)?,
            order_quantity: Quantity::from_units(words[3].cast_signed()),
            limit_price: Price::from_units(words[4].cast_signed()),
        },
        KIND_CANCEL_ALL => Request::CancelAll {
            instrument: match half_word(words[2]).map_err(bad)? {
                NO_INSTRUMENT => None,
                id => Some(InstrumentId(id)),
            },
        },
        KIND_QUERY => Request::Query {
            order: reference(head[6], words[5]).map_err(bad)?,
        },
        _ => return Err(bad("kind")),
    };
    let checked = CheckedRequest {
        request_id,
        written_at: MonotonicNs(words[6]),
        request,
    };
    // One form per request: whatever a kind does not use must be zero.
    if to_words(request_id, checked.written_at, &checked.request) != *words {
        return Err(bad("unused part"));
    }
    Ok(checked)
}

fn new_order(head: &[u8; 8], words: &[u64; REQUEST_WORDS]) -> Result<NewOrder, &'static str> {
    if head[5] & !(FLAG_POST_ONLY | FLAG_REDUCE_ONLY) != 0 {
        return Err("flags");
    }
    Ok(NewOrder {
        instrument: InstrumentId(half_word(words[2])?),
        side: Side::from_number(head[2]).ok_or("side")?,
        order_type: OrderType::from_number(head[3]).ok_or("order type")?,
        time_in_force: TimeInForce::from_number(head[4]).ok_or("time in force")?,
        post_only: head[5] & FLAG_POST_ONLY != 0,
        reduce_only: head[5] & FLAG_REDUCE_ONLY != 0,
        order_quantity: Quantity::from_units(words[3].cast_signed()),
        limit_price: Price::from_units(words[4].cast_signed()),
        valid_for_ns: words[7],
    })
}

fn half_word(word: u64) -> Result<u32, &'static str> {
    if word >> 32 == 0 {
        Ok(low_half(word))
    } else {
        Err("instrument")
    }
}

fn reference_words(order: &OrderReference) -> (u8, u64) {
    match order {
        OrderReference::ClientOrderId(id) => (REFERENCE_CLIENT_ORDER_ID, id.integer()),
        OrderReference::RequestId(id) => (REFERENCE_REQUEST_ID, id.0),
    }
}

fn reference(kind: u8, word: u64) -> Result<OrderReference, &'static str> {
    match kind {
        REFERENCE_CLIENT_ORDER_ID => ClientOrderId::from_integer(word)
            .map(OrderReference::ClientOrderId)
            .ok_or("client order id"),
        REFERENCE_REQUEST_ID if word != 0 => Ok(OrderReference::RequestId(RequestId(word))),
        _ => Err("order reference"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn a_new_order() -> Request {
        Request::New(NewOrder {
            instrument: InstrumentId(3),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: true,
            reduce_only: false,
            order_quantity: Quantity::from_units(25),
            limit_price: Price::from_units(-1),
            valid_for_ns: 3_000_000,
        })
    }

    fn requests() -> Vec<Request> {
        let order = OrderReference::RequestId(RequestId(9));
        let by_id = OrderReference::ClientOrderId(ClientOrderId::from_integer(77).unwrap());
        vec![
            a_new_order(),
            Request::Cancel { order },
            Request::Cancel { order: by_id },
            Request::Replace {
                order,
                order_quantity: Quantity::from_units(5),
                limit_price: Price::from_units(6),
            },
            Request::CancelAll { instrument: None },
            Request::CancelAll {
                instrument: Some(InstrumentId(0)),
            },
            Request::Query { order: by_id },
        ]
    }

    #[test]
    fn every_kind_of_request_survives_its_slot() {
        for request in requests() {
            let words = to_words(RequestId(5), MonotonicNs(6), &request);
            let checked = check(&words).unwrap();
            assert_eq!(checked.request, request);
            assert_eq!(
                (checked.request_id, checked.written_at),
                (RequestId(5), MonotonicNs(6))
            );
        }
    }

    // covers: R04
    #[test]
    fn a_slot_with_any_single_bit_changed_is_another_valid_request_or_refused_by_part() {
        for request in requests() {
            let words = to_words(RequestId(5), MonotonicNs(6), &request);
            for word in 0..REQUEST_WORDS {
                for bit in 0..64 {
                    let mut flipped = words;
                    flipped[word] ^= 1 << bit;
                    if let Ok(checked) = check(&flipped) {
                        let again =
                            to_words(checked.request_id, checked.written_at, &checked.request);
                        assert_eq!(again, flipped, "word {word} bit {bit} was ignored");
                    }
                }
            }
        }
    }

    #[test]
    fn each_bad_part_is_named() {
        let good = to_words(RequestId(5), MonotonicNs(6), &a_new_order());
        let cases: &[(usize, u64, &str)] = &[
            (0, 0, "request id"),
            (1, good[1] & !0xff | 9, "kind"),
            (1, good[1] & !0xff00, "version"),
            (1, good[1] | 3 << 16, "side"),
            (1, good[1] | 7 << 24, "order type"),
            (1, good[1] | 0xf0 << 32, "time in force"),
            (1, good[1] | 0x80 << 40, "flags"),
            (1, good[1] | 1 << 56, "padding"),
            (1, good[1] | 1 << 48, "unused part"),
            (2, 1 << 32, "instrument"),
            (14, 1, "padding"),
        ];
        for (word, value, part) in cases {
            let mut words = good;
            words[*word] = *value;
            assert_eq!(check(&words).unwrap_err().part, *part);
        }
    }

    proptest! {
        #[test]
        fn no_slot_panics(words: [u64; REQUEST_WORDS]) {
            let _ = check(&words);
        }
    }
}
