//! `cargo xtask kill-loop`: the engine is killed again and again while a strategy trades.
//!
//! Real processes throughout: the simulator over TLS, the engine, the strategy. It is the demo with
//! many kills, at order counts that the seed moves; the demo's own verdict decides. After each
//! kill the engine is run over its journal again: `reexecution=identical` covers every round.

use std::process::Stdio;

use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, value_parser};

use crate::check::cargo;
use crate::repository::Repository;
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "kill-loop",
    command,
    run,
};

/// Orders between two kills, on average.
const ORDERS_PER_ROUND: u64 = 100;
/// Figures of the demo's last line that are ours too.
const FIGURES: [&str; 7] = [
    "kills",
    "orders",
    "fills",
    "dup_orders",
    "lost_fills",
    "reexecution",
    "recover_p99_ms",
];

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("SIGKILL at random moments, then ledgers compared")
        .arg(
            Arg::new("rounds")
                .long("rounds")
                .default_value("20")
                .value_parser(value_parser!(u64).range(1..=100_000))
                .help("How often the engine is killed"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .default_value("1")
                .value_parser(value_parser!(u64))
                .help("Seed of the market and of the moments of the kills"),
        )
        .arg(
            Arg::new("release")
                .long("release")
                .action(clap::ArgAction::SetTrue)
                .help("Build for speed"),
        )
        .after_help("Example:\n  cargo xtask kill-loop --rounds 200 --seed 7 --release")
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    let rounds = *arguments
        .get_one::<u64>("rounds")
        .context("rounds has a default")?;
    let seed = *arguments
        .get_one::<u64>("seed")
        .context("seed has a default")?;
    println!("seed={seed}");
    let mut demo = cargo(repository, &["run", "--quiet"]);
    if arguments.get_flag("release") {
        demo.arg("--release");
    }
    demo.args(["--package", "millrun", "--", "demo"]);
    demo.args(["--kills", &rounds.to_string(), "--seed", &seed.to_string()]);
    demo.args(["--orders", &(rounds * ORDERS_PER_ROUND).to_string()]);
    demo.args(["--give-up-s", &(60 + rounds * 10).to_string()]);
    let output = demo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let last = text.lines().last().unwrap_or_default();
    let mut summary = Summary::new(VERB.name, output.status.success());
    for key in FIGURES {
        summary = summary.figure(key, figure_of(last, key).unwrap_or("missing"));
    }
    Ok(summary)
}

/// The value of `key=value` in a line.
fn figure_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let with_key = |word: &'a str| word.strip_prefix(key)?.strip_prefix('=');
    line.split_whitespace().find_map(with_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_its_whole_key() {
        let line = "demo verdict=ok orders=12 dup_orders=3";
        assert_eq!(figure_of(line, "orders"), Some("12"));
        assert_eq!(figure_of(line, "dup_orders"), Some("3"));
        assert_eq!(figure_of(line, "kills"), None);
    }
}
