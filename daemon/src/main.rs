//! The binary `millrun`: hands its arguments to the command line and ends with its exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    millrun::cli::run(std::env::args_os())
}
