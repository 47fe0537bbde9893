//! Where dependencies come from: the lock file against the bans of `deny.toml` and one registry.
//!
//! `cargo deny` checks more (licences, advisories) where it is installed; this much holds
//! everywhere, from the same list of bans.

use toml::{Table, Value};

use super::{Finding, Sources};

const RULE: &str = "supply";
const LOCK: &str = "Cargo.lock";
const BANS: &str = "deny.toml";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks every package of the lock file that is not ours.
pub(super) fn check(sources: &Sources, findings: &mut Vec<Finding>) {
    let read = |path: &str| {
        let file = sources.texts.iter().find(|file| file.path == path)?;
        file.text.parse::<Table>().ok()
    };
    let (Some(lock), Some(bans)) = (read(LOCK), read(BANS)) else {
        let message = format!("{LOCK} and {BANS} must exist and be TOML");
        return findings.push(Finding::new(LOCK, 1, RULE, message));
    };
    let banned = bans.get("bans").and_then(|bans| bans.get("deny"));
    let banned: Vec<&str> = entries(banned)
        .filter_map(|ban| text_of(ban, "crate"))
        .collect();
    for package in entries(lock.get("package")) {
        let name = text_of(package, "name").unwrap_or("");
        if banned.contains(&name) {
            let message = format!("{name} is banned by {BANS}");
            findings.push(Finding::new(LOCK, 1, RULE, message));
        }
        // Ours have no source. All others come from the one registry, with their checksum.
        let Some(source) = text_of(package, "source") else {
            continue;
        };
        if source != REGISTRY || text_of(package, "checksum").is_none() {
            let message = format!("{name} comes from {source}, not from the registry");
            findings.push(Finding::new(LOCK, 1, RULE, message));
        }
    }
}

fn entries(array: Option<&Value>) -> impl Iterator<Item = &Table> {
    array
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_table)
}

fn text_of<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).and_then(Value::as_str)
}
