//! Sans-IO venue protocols of millrun: bytes to reports, commands to bytes, sessions as state.
//!
//! Owns everything that is said to a venue and heard from one, and nothing that carries it: there
//! is no socket, clock, thread or order status here, and `now` is always an argument.

#![forbid(unsafe_code)]

pub mod byte_writer;
pub mod json_tape;
pub mod secret_mask;
pub mod template_writer;

pub mod frame;

pub mod session;
pub mod venue;
