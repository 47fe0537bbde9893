//! `millrun replay` as a program of its own: options in, exit code out, nothing else.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use millrun_replay::{ReplayArgs, run_cli};

#[derive(Parser)]
#[command(name = "millrun-replay", version)]
struct CommandLine {
    #[command(flatten)]
    replay: ReplayArgs,
}

fn main() -> ExitCode {
    run_cli(&CommandLine::parse().replay)
}
