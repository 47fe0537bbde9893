//! Measurements of millrun.

#![forbid(unsafe_code)]

fn main() {}
