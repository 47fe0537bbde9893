//! OKX API v5: commands out, messages in, sessions and queries, all without sockets or clocks.
//!
//! Facts are cited from okx.com/docs-v5 by the heading of the page. Must not know: order status,
//! risk, TLS. Threads: none; every value belongs to the thread that uses it.

pub mod instrument_table;
mod order_templates;
pub mod order_terms;
pub mod request_id;

pub mod decode;
pub mod encode;

pub mod reject_map;
pub mod status_map;

pub mod credentials;
pub mod login;
pub mod session;
mod stated_balances;

pub mod rest;

pub mod rate_rules;
