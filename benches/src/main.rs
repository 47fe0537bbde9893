//! Measurements of millrun.

fn main() {}
