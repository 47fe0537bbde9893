//! OKX order states and cancel sources as our words.
//!
//! okx.com/docs-v5, "WS / Order channel", `state` and `cancelSource`. A crossing post-only order,
//! an unfilled FOK or an IOC rest is accepted first and then `canceled` (31, 13, 14): Cancelled,
//! not Rejected. Must not know: frames, our own order status. Threads: none.

use model::execution_report::VenueOrderState;

/// `cancelSource` of a delivered contract.
const DELIVERY: u32 = 7;
/// `cancelSource` of an expired option.
const OPTION_EXPIRY: u32 = 10;

/// The state, and the code to keep with an end; `None` for a state that this version does not know.
///
/// `cancel_source` counts only where the state is an end without all filled.
pub fn order_state(state: &str, cancel_source: u32) -> Option<(VenueOrderState, u32)> {
    match state {
        "live" => Some((VenueOrderState::Live, 0)),
        "partially_filled" => Some((VenueOrderState::PartiallyFilled, 0)),
        "filled" => Some((VenueOrderState::Filled, 0)),
        "canceled" if matches!(cancel_source, DELIVERY | OPTION_EXPIRY) => {
            Some((VenueOrderState::Expired, cancel_source))
        }
        "canceled" | "mmp_canceled" => Some((VenueOrderState::Cancelled, cancel_source)),
        _ => None,
    }
}
