//! What follows a journal with an engine: folds from snapshots, and the shadow. Real journals, the
//! real engine.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod journal_with_engine;
mod shadow;
mod snapshots;
