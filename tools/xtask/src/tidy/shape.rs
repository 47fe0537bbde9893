//! The shape of a source file: its header, its length, its functions, its lines, its name.

use super::{Finding, Sources};
use crate::rust_source::{RustSource, TokenKind, is_test_path};

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a file that is all tests.
const TEST_FILE_LINES_MAX: usize = 900;
/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Characters of a line.
const COLUMNS_MAX: usize = 100;
/// Names that say nothing about what is held.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "misc", "types", "manager", "base",
];
/// Kinds of files whose names are checked.
const SOURCE_EXTENSIONS: &[&str] = &["rs", "py", "c", "h", "js", "ts"];

/// Every Rust file opens with what it owns.
pub(super) fn check_headers(sources: &Sources, findings: &mut Vec<Finding>) {
    for source in &sources.rust {
        if !source.text.starts_with("//!") {
            let message = "the file must open with `//!`: what it owns and must not know";
            findings.push(Finding::new(&source.path, 1, "header", message));
        }
    }
}

/// Files, functions and lines are short enough to read.
pub(super) fn check_lengths(sources: &Sources, findings: &mut Vec<Finding>) {
    for source in &sources.rust {
        check_file_length(source, findings);
        for function in &source.functions {
            let lines = function.last_line - function.line + 1;
            if lines > FUNCTION_LINES_MAX {
                let message = format!(
                    "the function {} has {lines} lines, more than {FUNCTION_LINES_MAX}",
                    function.name
                );
                findings.push(Finding::new(&source.path, function.line, "length", message));
            }
        }
        for (index, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                let message = format!("the line has {columns} columns, more than {COLUMNS_MAX}");
                findings.push(Finding::new(&source.path, index + 1, "length", message));
            }
        }
    }
}

/// Files, folders and modules are named by what they hold.
pub(super) fn check_names(sources: &Sources, findings: &mut Vec<Finding>) {
    for path in &sources.paths {
        let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = match file.rsplit_once('.') {
            Some((stem, extension)) if SOURCE_EXTENSIONS.contains(&extension) => Some(stem),
            _ => None,
        };
        for name in folders.split('/').chain(stem) {
            if EMPTY_NAMES.contains(&name) {
                findings.push(Finding::new(path, 1, "names", empty_name(name)));
            }
        }
    }
    for source in &sources.rust {
        for declared in source.tokens.windows(2) {
            let [keyword, name] = declared else { continue };
            let module = keyword.kind == TokenKind::Word && keyword.text == "mod";
            if module && EMPTY_NAMES.contains(&name.text.as_str()) {
                let message = empty_name(&name.text);
                findings.push(Finding::new(&source.path, name.line, "names", message));
            }
        }
    }
}

fn check_file_length(source: &RustSource, findings: &mut Vec<Finding>) {
    let all_tests = is_test_path(&source.path) || source.is_test_file();
    let lines = source.text.lines().count();
    let (counted, max) = if all_tests {
        (lines, TEST_FILE_LINES_MAX)
    } else {
        (
            (1..=lines)
                .filter(|line| !source.is_test_line(*line))
                .count(),
            FILE_LINES_MAX,
        )
    };
    if counted > max {
        let message = format!("the file has {counted} lines, more than {max}");
        findings.push(Finding::new(&source.path, 1, "length", message));
    }
}

fn empty_name(name: &str) -> String {
    format!("`{name}` does not say what it holds")
}
