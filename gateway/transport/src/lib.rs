//! Sockets, TLS and connection set-up of millrun: bytes in, bytes out.
//!
//! A [`connector::Connector`] makes ready links on a thread of its own; the hot thread owns each
//! [`link::Link`] from then on and waits for it in a [`poll_loop::PollLoop`].
//! Must not know: JSON, orders, what a venue means by its bytes.
#![forbid(unsafe_code)]

pub mod connector;
pub mod link;
pub mod poll_loop;

pub mod backoff;
pub mod tls;
pub mod websocket_upgrade;

pub mod error;

mod attempt;
mod tcp;
