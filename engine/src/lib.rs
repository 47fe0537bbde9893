//! The order engine: a pure function from inputs to decisions.
//!
//! It holds the orders, the limits and what is proved about both. It owns no clock, socket, file,
//! thread or random number, and it does not know a venue by name or a byte by its place: the same
//! code runs live, in simulation and over a journal. [`turn`] lies above it and drives one turn of
//! the hot thread over the [`ports`].

#![forbid(unsafe_code)]
#![deny(
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

pub mod ports;
pub mod replay;
pub mod turn;

mod decisions;
mod engine;
mod handle;
pub mod order;
pub mod risk;
mod send_gate;
pub mod state;

pub use decisions::{DECISIONS_PER_REPORT_MAX, Decisions};
pub use engine::{ENGINE_VERSION, Engine, Moment};
