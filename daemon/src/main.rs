//! Journaled, low-latency order management engine.

fn main() {}
