//! Where unsafe code may stand: three places, each in one crate, all others forbid it.

use super::{Finding, Sources};

const RULE: &str = "unsafe";

/// The three places.
const ALLOWED: &[&str] = &[
    "rings/src/shared_memory",
    "journal/src/mapping",
    "daemon/src/memory_lock",
];

/// Checks every file for the keyword, and every crate root for the lint that forbids it.
pub(super) fn check(sources: &Sources, findings: &mut Vec<Finding>) {
    for source in &sources.rust {
        for token in source.tokens.iter().filter(|token| token.text == "unsafe") {
            if !is_allowed(&source.path) {
                let message = format!("unsafe code is allowed only in {}", ALLOWED.join(", "));
                findings.push(Finding::new(&source.path, token.line, RULE, message));
            }
        }
    }
    let targets = sources.packages.iter().flat_map(|package| &package.targets);
    let shipped = targets.filter(|target| target.is_shipped());
    for root in shipped.map(|target| target.src_path.to_string_lossy()) {
        let Some(source) = sources.rust.iter().find(|source| source.path == root) else {
            continue;
        };
        let forbids = |level| {
            let attribute = ["#", "!", "[", level, "(", "unsafe_code", ")", "]"];
            source.has(&attribute)
        };
        // Only a crate with one of the three places may merely deny, so that the place can allow.
        let crate_folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let holds_a_place = ALLOWED.iter().any(|place| place.starts_with(crate_folder));
        if !(forbids("forbid") || holds_a_place && forbids("deny")) {
            let message = if holds_a_place {
                "the crate must say `#![deny(unsafe_code)]` or forbid it"
            } else {
                "the crate must say `#![forbid(unsafe_code)]`"
            };
            findings.push(Finding::new(&root, 1, RULE, message));
        }
    }
}

fn is_allowed(path: &str) -> bool {
    ALLOWED.iter().any(|place| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}
