//! Words that must not be in a commit: marks of unfinished work without a link, and the places
//! where the project was written.

use super::{Finding, Sources};
use crate::rust_source::RustSource;

/// Marks of unfinished work, compared without case in Rust comments.
const UNFINISHED: &[&str] = &["todo", "fixme", "xxx"];

/// What concerns nobody who reads the project. Split, or this file would hold them.
const PRIVATE: &[&str] = &[
    concat!("../", "shared"),
    concat!("/wo", "rk/"),
    concat!("this ", "session"),
    concat!("ai ", "agent"),
];

/// Text that others wrote and that we keep as it is.
const AS_PUBLISHED: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT", "Cargo.lock"];

/// Unfinished work is a link to where it is described, or it is not left behind.
pub(super) fn check_unfinished_work(sources: &Sources, findings: &mut Vec<Finding>) {
    for source in &sources.rust {
        check_comments(source, findings);
    }
    for file in sources
        .texts
        .iter()
        .filter(|file| is_other_source(&file.path))
    {
        for (index, line) in file.text.lines().enumerate() {
            let marked = words_of(line).any(|word| {
                word.chars().all(char::is_uppercase)
                    && UNFINISHED.contains(&word.to_lowercase().as_str())
            });
            if marked && !has_link(line) {
                findings.push(unlinked(&file.path, index + 1));
            }
        }
    }
}

/// The project's text speaks about the project only.
pub(super) fn check_private_words(sources: &Sources, findings: &mut Vec<Finding>) {
    for file in sources
        .texts
        .iter()
        .filter(|file| !AS_PUBLISHED.contains(&file.path.as_str()))
    {
        for (index, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            for word in PRIVATE.iter().filter(|word| line.contains(**word)) {
                let message = format!("`{word}` means nothing to a reader of the project");
                findings.push(Finding::new(&file.path, index + 1, "words", message));
            }
        }
    }
}

fn check_comments(source: &RustSource, findings: &mut Vec<Finding>) {
    for comment in &source.comments {
        let marked =
            words_of(&comment.text).any(|w| UNFINISHED.contains(&w.to_lowercase().as_str()));
        if marked && !has_link(&comment.text) {
            findings.push(unlinked(&source.path, comment.line));
        }
    }
}

fn is_other_source(path: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(
        extension,
        "md" | "toml" | "py" | "c" | "h" | "js" | "html" | "css" | "sql" | "yml"
    )
}

fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn has_link(line: &str) -> bool {
    line.contains("https://") || line.contains("http://")
}

fn unlinked(path: &str, line: usize) -> Finding {
    Finding::new(
        path,
        line,
        "unfinished",
        "unfinished work needs a link to its description",
    )
}
