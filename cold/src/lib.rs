//! Everything slow: projections, attach service, venue queries.

#![forbid(unsafe_code)]

pub mod attach;

mod journal_context;
pub mod latency;
pub mod order_log;
pub mod projector;
mod retrying;
pub mod shadow;
pub mod snapshots;
pub mod state_fold;
pub mod store;
pub mod venue_queries;
