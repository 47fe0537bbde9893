//! Everything slow: projections, attach service, venue queries.

#![forbid(unsafe_code)]

pub mod attach;

pub mod projector;
pub mod snapshots;
pub mod state_fold;
pub mod store;
pub mod venue_queries;
