//! `cargo xtask instructions`: what the hot path's stages cost in instructions, against a table.
//!
//! Runs each scene of `benches` under callgrind, which counts while the scene's measured function
//! runs. Counts depend on the compiler and on what the processor offers, not on the machine's load,
//! so they can be gated where times cannot. Invariants: a count over its row by more than the
//! table's tolerance fails; so does a count that grows with the number of open orders; a lower one
//! is a hint. Must not know what a scene does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, ArgMatches};
use serde::Deserialize;

use crate::check::cargo;
use crate::repository::Repository;
use crate::step::{Steps, Verdict};
use crate::suites::starts;
use crate::verb::{Summary, Verb};

/// The row of the table of verbs.
pub(crate) const VERB: Verb = Verb {
    name: "instructions",
    command,
    run,
};

/// The committed counts.
const TABLE: &str = "benches/instructions.toml";
/// The package that holds the scenes, and its binary.
const PACKAGE: &str = "millrun-benches";
/// What callgrind switches its counting on and off at.
const MEASURED: &str = "--toggle-collect=*::instructions::measured*";
/// What stands between a scene's name and its number of open orders.
const OPEN: &str = "_open_";

/// The committed table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// A count may be higher by so much.
    tolerance_percent: u64,
    /// Processor features without which other code runs, as in `/proc/cpuinfo`.
    needs: Vec<String>,
    /// Instructions of one operation, by scene.
    scenes: BTreeMap<String, u64>,
}

fn command(name: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about("Instructions of the hot path's stages, counted by valgrind, against a table")
        .arg(
            Arg::new("scene")
                .value_name("SCENE")
                .action(ArgAction::Append)
                .help("Only these scenes"),
        )
        .arg(
            Arg::new("update")
                .long("update")
                .action(ArgAction::SetTrue)
                .help("Write what was counted into benches/instructions.toml"),
        )
        .after_help(
            "Examples:\n  cargo xtask instructions\n  cargo xtask instructions order_turn\n  \
             cargo xtask instructions --update",
        )
}

fn run(repository: &Repository, arguments: &ArgMatches) -> Result<Summary> {
    let path = repository.root.join(TABLE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {TABLE}"))?;
    let table: Table = toml::from_str(&text).with_context(|| format!("reading {TABLE}"))?;
    let mut steps = Steps::new(VERB.name);
    if let Some(reason) = cannot_count(&table) {
        steps.run("valgrind", || Verdict::NotRun(reason));
        return Ok(steps.finish());
    }
    let mut build = cargo(repository, &["build", "--release", "--package", PACKAGE]);
    build.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
    let mut built = false;
    steps.run("build", || {
        let verdict = Verdict::of_command(&mut build);
        built = verdict == Verdict::Passed;
        verdict
    });
    if !built {
        return Ok(steps.finish());
    }
    let binary = binary(repository)?;
    let asked: Option<Vec<&String>> = arguments.get_many("scene").map(Iterator::collect);
    let updates = arguments.get_flag("update");
    let mut counts = BTreeMap::new();
    for scene in scenes(&binary)? {
        if asked.as_ref().is_some_and(|asked| !asked.contains(&&scene)) {
            continue;
        }
        let row = table.scenes.get(&scene).copied();
        let row = if updates { None } else { Some(row) };
        steps.run(&scene, || match count(&binary, &scene) {
            Ok(found) => {
                counts.insert(scene.clone(), found);
                match row {
                    Some(row) => verdict(found, row, table.tolerance_percent),
                    None => Verdict::Passed,
                }
            }
            Err(error) => Verdict::Failed(format!("{error:#}")),
        });
    }
    steps.run("flat over open orders", || {
        flat(&counts, table.tolerance_percent)
    });
    if updates {
        let mut scenes = table.scenes.clone();
        scenes.append(&mut counts);
        fs::write(&path, updated(&text, &scenes))?;
        println!("wrote {TABLE}");
    }
    Ok(steps.finish())
}

/// Why nothing can be counted here, after trying to install what is missing.
fn cannot_count(table: &Table) -> Option<String> {
    let features = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |wanted: &String| features.split_ascii_whitespace().any(|word| word == wanted);
    if let Some(missing) = table.needs.iter().find(|needed| !has(needed)) {
        return Some(format!(
            "this processor has no {missing}: other code would be counted"
        ));
    }
    if starts("valgrind", &["--version"]) {
        return None;
    }
    if rustix::process::getuid().is_root() && starts("apt-get", &["--version"]) {
        for arguments in [&["update"][..], &["install", "-y", "valgrind"]] {
            let mut apt = Command::new("apt-get");
            apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            if let Verdict::Failed(reason) = Verdict::of_command(&mut apt) {
                return Some(format!(
                    "valgrind is missing, and installing it failed: {reason}"
                ));
            }
        }
    }
    let missing = !starts("valgrind", &["--version"]);
    missing.then(|| "valgrind is missing: apt-get install valgrind".to_owned())
}

fn binary(repository: &Repository) -> Result<PathBuf> {
    let metadata = repository.metadata()?;
    Ok(metadata.target_directory.join("release").join(PACKAGE))
}

fn scenes(binary: &Path) -> Result<Vec<String>> {
    let output = Command::new(binary).args(["--scene", "list"]).output();
    let output = output.context("starting the benches")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8(output.stdout).context("names of scenes")?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Instructions of one operation of a scene.
fn count(binary: &Path, scene: &str) -> Result<u64> {
    let file = std::env::temp_dir().join(format!("millrun-callgrind-{}", std::process::id()));
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", MEASURED])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(binary)
        .args(["--scene", scene]);
    let output = valgrind.output().context("starting valgrind")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let operations = number_behind(&said, "operations=").context("the scene says how often")?;
    let counted = fs::read_to_string(&file).context("reading what callgrind wrote")?;
    fs::remove_file(&file)?;
    let total = number_behind(&counted, "totals: ").context("callgrind says a total")?;
    if total == 0 {
        bail!("nothing was counted: is the measured function still called instructions::measured?");
    }
    total
        .checked_div(operations)
        .context("the scene did nothing")
}

fn number_behind(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim()
        .parse()
        .ok()
        .filter(|number| *number > 0 || key == "totals: ")
}

fn verdict(found: u64, row: Option<u64>, tolerance_percent: u64) -> Verdict {
    let Some(row) = row else {
        return Verdict::Failed(format!(
            "{found} instructions and no row in {TABLE}: --update"
        ));
    };
    println!("   {found} instructions, {row} in the table");
    if found * 100 > row * (100 + tolerance_percent) {
        return Verdict::Failed(format!(
            "{found} instructions, {row} in the table and {tolerance_percent} % allowed; \
             if that is meant: cargo xtask instructions --update"
        ));
    }
    if found * (100 + tolerance_percent) < row * 100 {
        println!("   hint: lower than the table; keep it with --update");
    }
    Verdict::Passed
}

/// Scenes that differ in the number of open orders alone must cost the same.
fn flat(counts: &BTreeMap<String, u64>, tolerance_percent: u64) -> Verdict {
    let mut ranges: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (scene, found) in counts {
        if let Some((stem, _)) = scene.split_once(OPEN) {
            let range = ranges.entry(stem).or_insert((*found, *found));
            *range = (range.0.min(*found), range.1.max(*found));
        }
    }
    if ranges.is_empty() {
        return Verdict::NotRun("no such scenes were asked for".into());
    }
    for (stem, (least, most)) in ranges {
        println!("   {stem}: {least} to {most} instructions");
        if most * 100 > least * (100 + tolerance_percent) {
            return Verdict::Failed(format!(
                "{stem} takes {least} to {most} instructions: it grows with the open orders"
            ));
        }
    }
    Verdict::Passed
}

/// The table's text with other counts; what stands before them is kept.
fn updated(text: &str, scenes: &BTreeMap<String, u64>) -> String {
    let head = text.split("[scenes]").next().unwrap_or_default();
    let mut out = format!("{head}[scenes]\n");
    for (scene, count) in scenes {
        let _ = writeln!(out, "{scene} = {count}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_over_the_tolerance_fails_and_a_lower_one_passes() {
        assert_eq!(verdict(103, Some(100), 3), Verdict::Passed);
        assert!(matches!(verdict(104, Some(100), 3), Verdict::Failed(_)));
        assert_eq!(verdict(10, Some(100), 3), Verdict::Passed);
        assert!(matches!(verdict(10, None, 3), Verdict::Failed(_)));
    }

    #[test]
    fn a_count_that_grows_with_the_open_orders_fails() {
        let counts = |many| BTreeMap::from([("a_open_1".into(), 100), ("a_open_9".into(), many)]);
        assert_eq!(flat(&counts(103), 3), Verdict::Passed);
        assert!(matches!(flat(&counts(104), 3), Verdict::Failed(_)));
        assert!(matches!(flat(&BTreeMap::new(), 3), Verdict::NotRun(_)));
    }

    #[test]
    fn an_update_keeps_the_head_and_the_committed_table_is_one() {
        let text = "# why\ntolerance_percent = 3\nneeds = []\n\n[scenes]\nold = 1\n";
        let scenes = BTreeMap::from([("new".to_owned(), 2)]);
        let written = updated(text, &scenes);
        assert!(written.starts_with("# why\n") && written.ends_with("[scenes]\nnew = 2\n"));
        let root = Repository::find().unwrap().root;
        let table: Table = toml::from_str(&fs::read_to_string(root.join(TABLE)).unwrap()).unwrap();
        assert!(table.scenes.keys().any(|scene| scene.contains(OPEN)));
    }
}
