//! Mode `strict` at the turn: nothing but a cancel is sent before its entry is on the disk.
//!
//! The real turn over ports of paper: a journal whose disk the test commands, a wire that checks
//! each command against what the disk has, a ring of requests. Every history is decided again by a
//! second engine, so that what waits at the gate is shown to be no part of the engine's state.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

#[path = "../rig/mod.rs"]
mod rig;

mod kill;
mod paper_ports;
mod simulation;
mod stories;
