//! The simulator as clients meet it: real TLS sockets, real frames, real HTTP.
//!
//! Each test starts its own simulator on a free port. Threads: the simulator on its own runtime,
//! the blocking client on the thread of the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod client;
mod faults;
mod limits;
mod orders;
mod sessions;
mod witness;
