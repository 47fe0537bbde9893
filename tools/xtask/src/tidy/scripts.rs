//! No shell scripts: what a developer runs is a verb, which builds, tests and explains itself.

use super::{Finding, Sources};

/// Calls the one entry point and nothing else.
const ALLOWED: &[&str] = &[".ci/run"];
const EXTENSIONS: &[&str] = &["sh", "bash", "zsh", "fish", "ksh", "bat", "cmd", "ps1"];
const SHELLS: &[&str] = &["sh", "bash", "zsh", "fish", "ksh", "dash"];

/// Finds scripts by extension and by first line.
pub(super) fn check(sources: &Sources, findings: &mut Vec<Finding>) {
    for file in sources
        .texts
        .iter()
        .filter(|file| !ALLOWED.contains(&file.path.as_str()))
    {
        let by_name = file
            .path
            .rsplit_once('.')
            .is_some_and(|(_, ext)| EXTENSIONS.contains(&ext));
        let first_line = file.text.lines().next().unwrap_or("");
        let by_first_line = first_line.strip_prefix("#!").is_some_and(|interpreter| {
            interpreter
                .split(['/', ' '])
                .any(|word| SHELLS.contains(&word))
        });
        if by_name || by_first_line {
            let message = "a shell script: make it a verb of `cargo xtask`";
            findings.push(Finding::new(&file.path, 1, "scripts", message));
        }
    }
}
