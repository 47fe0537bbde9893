//! Queries of a venue as it really answers: TLS, HTTP and the venue's own numbers, or a server that
//! misbehaves on purpose.
//!
//! Each test starts its own venue on a free port. Threads: the venue on its own runtime, the worker
//! under test, and the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod canned_venue;
mod failures;
mod hostile_answers;
mod lookups;
mod simulated_venue;
mod start_up;
mod sweeps;
