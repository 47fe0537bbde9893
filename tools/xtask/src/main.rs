//! The project's one entry point for checks, tests and measurements.

fn main() {}
