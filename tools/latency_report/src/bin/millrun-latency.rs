//! `millrun latency` as a program of its own: options in, exit code out, nothing else.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use millrun_latency_report::{LatencyArgs, run_cli};

#[derive(Parser)]
#[command(name = "millrun-latency", version)]
struct CommandLine {
    #[command(flatten)]
    latency: LatencyArgs,
}

fn main() -> ExitCode {
    let arguments = CommandLine::parse().latency;
    let default = PathBuf::from("./data/journal");
    run_cli(&arguments, &arguments.dir.clone().unwrap_or(default))
}
