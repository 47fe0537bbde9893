//! `millrun latency`: the report of [`latency_report`], on the journal that a configuration names.

use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::start::journal_directory;
use clap::Args;
use latency_report::LatencyArgs;
use std::process::ExitCode;

/// Arguments.
#[derive(Debug, Args)]
pub struct LatencyCommand {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    report: LatencyArgs,
}

/// Runs the command. `--dir` needs no configuration file.
pub fn run(arguments: &LatencyCommand) -> ExitCode {
    let directory = match &arguments.report.dir {
        Some(directory) => directory.clone(),
        None => match Settings::load(&arguments.file.config, &config::environment()) {
            Ok(settings) => journal_directory(&settings),
            Err(errors) => {
                eprintln!("millrun: {errors}");
                return Exit::Config.into();
            }
        },
    };
    latency_report::run_cli(&arguments.report, &directory)
}
