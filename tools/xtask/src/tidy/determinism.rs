//! What the pure crates must not reach for: floats, clocks, threads, files, sockets, maps whose
//! order is random. Same input, same bytes: otherwise a replay proves nothing.

use super::{Finding, Sources};
use crate::rust_source::{RustSource, TokenKind};

/// Money and the journal are integers.
const WITHOUT_FLOATS: &[&str] = &["model/src/", "engine/src/", "journal/src/"];

/// `now` is an argument here, and nothing is read or written but what is passed in.
const WITHOUT_IO: &[&str] = &["model/src/", "engine/src/", "gateway/protocol/src/"];

/// Modules of `std` that do what a pure crate must not.
const IO_MODULES: &[&str] = &["thread", "net", "fs", "process", "env"];

/// Checks the pure crates, their tests apart.
pub(super) fn check(sources: &Sources, findings: &mut Vec<Finding>) {
    for source in &sources.rust {
        let is_in = |folders: &[&str]| folders.iter().any(|folder| source.path.starts_with(folder));
        if is_in(WITHOUT_FLOATS) {
            check_floats(source, findings);
        }
        if is_in(WITHOUT_IO) {
            check_io(source, findings);
        }
    }
}

fn check_floats(source: &RustSource, findings: &mut Vec<Finding>) {
    for token in source
        .tokens
        .iter()
        .filter(|token| !source.is_test_line(token.line))
    {
        let float_type = token.kind == TokenKind::Word && matches!(&*token.text, "f32" | "f64");
        // `0x1f32` is an integer.
        let float_literal = token.kind == TokenKind::Literal
            && token.text.starts_with(|c: char| c.is_ascii_digit())
            && !token.text.starts_with("0x")
            && (token.text.ends_with("f32") || token.text.ends_with("f64"));
        if float_type || float_literal {
            let message = format!("`{}`: numbers here are exact integers", token.text);
            findings.push(Finding::new(&source.path, token.line, "floats", message));
        }
    }
}

fn check_io(source: &RustSource, findings: &mut Vec<Finding>) {
    let mut found = |line, what: &str| {
        let message = format!("`{what}`: this crate is a pure function of its input");
        findings.push(Finding::new(&source.path, line, "pure", message));
    };
    for clock in ["Instant", "SystemTime"] {
        for line in source.lines_with(&[clock, ":", ":", "now"]) {
            found(line, &format!("{clock}::now"));
        }
    }
    for map in ["HashMap", "HashSet"] {
        for line in source.lines_with(&[map]) {
            found(line, map);
        }
    }
    for module in IO_MODULES {
        for line in source.lines_with(&["std", ":", ":", module]) {
            found(line, &format!("std::{module}"));
        }
    }
    for (line, name) in source.names_in_braces_after(&["std", ":", ":"]) {
        if IO_MODULES.contains(&name) {
            found(line, &format!("std::{name}"));
        }
    }
}
