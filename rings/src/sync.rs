//! The atomics of this crate: the processor's, or loom's when built with `--cfg loom`.
//!
//! Invariant: no other file names `std::sync::atomic` or `loom::sync::atomic` for a word that a
//! ring is made of, so a loom model runs the very code that ships.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, fence};

pub(crate) use std::sync::atomic::Ordering;
