//! Everything slow: projections, attach service, venue queries.
