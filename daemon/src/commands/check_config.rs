//! `millrun check-config`: every error of a configuration at once, and what would be in force.

use crate::cli::{ConfigFile, Exit};
use crate::config::{self, Settings};
use crate::venue_rules::venue_credentials;
use anyhow::Result;
use clap::Args;

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  millrun check-config --config millrun.toml --json")]
pub struct CheckConfigArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Do not look at the key files.
    #[arg(long)]
    without_keys: bool,
}

/// Runs the command.
///
/// # Errors
/// Everything that is wrong with the file, at once; or the first key file that is refused.
pub fn run(arguments: &CheckConfigArgs) -> Result<Exit> {
    let settings = Settings::load(&arguments.file.config, &config::environment())?;
    if !arguments.without_keys {
        for venue in &settings.venues {
            venue_credentials(venue)?;
        }
    }
    if arguments.json {
        println!("{:#}", config::describe_json(&settings));
    } else {
        print!("{}", config::describe(&settings));
        println!("configuration ok: {}", arguments.file.config.display());
    }
    Ok(Exit::Ok)
}
