//! The OKX codec and session, from outside: fixtures to reports, intents to bytes, frames to
//! states.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod decode_fixtures;
mod decode_properties;
mod encode;
mod fast_scan;
mod instruments;
mod rest;
mod session;
