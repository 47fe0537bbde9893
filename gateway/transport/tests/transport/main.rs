//! Links against real sockets and real TLS peers, and against streams that cut anywhere.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod test_authority;
mod venue_server;

mod backoff;
mod choppy_stream;
mod connector;
mod delivery;
mod poll_loop;
mod trust;
mod upgrade;
