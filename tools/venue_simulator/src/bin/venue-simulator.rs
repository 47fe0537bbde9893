//! The simulator as a program of its own: `venue-simulator --listen 127.0.0.1:0 --print-ready`.
//!
//! It owns nothing but the call of [`millrun_venue_simulator::run_cli`].
#![forbid(unsafe_code)]

fn main() -> anyhow::Result<()> {
    millrun_venue_simulator::run_cli(std::env::args_os(), None)
}
