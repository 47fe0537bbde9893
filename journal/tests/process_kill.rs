//! Real processes, killed for real.

fn main() {}
