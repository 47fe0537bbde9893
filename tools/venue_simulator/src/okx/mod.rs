//! OKX API v5 over the matching engine: what its documentation says, byte for byte where it says
//! it.
//!
//! Invariants: the whole documented field set in every message; one mutex around the venue, never
//! held across an await. Must not know: our engine.

mod account_json;
mod cancel_all_after;
mod channels;
mod error_code;
mod hub;
mod instrument_json;
mod json_object;
mod operation_legs;
mod operations;
mod order_json;
mod parameters;
mod publish;
mod request_limits;
mod rest_account;
mod rest_answer;
mod rest_market;
mod rest_orders;
mod rest_trade;
mod signature;
mod socket_login;
mod socket_operation;
mod socket_session;
mod socket_subscription;
mod venue;

pub(crate) mod admin;
pub(crate) mod rest_router;

pub(crate) use cancel_all_after::run_timers;
pub(crate) use publish::publish_updates;
pub(crate) use venue::{Shared, Venue};
