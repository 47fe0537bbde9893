//! Each rule seen failing on a few lines of text, and passing on the lines beside them.

use super::*;
use crate::repository::{Package, Target};

/// What one rule finds in files given as path and text: `path:line` and message.
fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut sources = Sources::default();
    for (path, text) in files {
        sources.paths.push((*path).to_owned());
        assert_eq!(sources.add(path, (*text).to_owned()), None);
    }
    sources.mark_test_modules();
    found_in(rule, &sources)
}

fn found_in(rule: Rule, sources: &Sources) -> Vec<(String, String)> {
    let mut findings = Vec::new();
    rule(sources, &mut findings);
    findings
        .into_iter()
        .map(|f| (format!("{}:{}", f.path, f.line), f.message))
        .collect()
}

fn places(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    found(rule, files)
        .into_iter()
        .map(|(place, _)| place)
        .collect()
}

fn lines_of_code(lines: usize) -> String {
    format!("//! H.\n{}", "const A: u8 = 0;\n".repeat(lines - 1))
}

#[test]
fn a_file_that_is_not_rust_is_a_finding_and_not_passed_over() {
    let finding = Sources::default()
        .add("a.rs", "//! H.\nfn (".to_owned())
        .unwrap();
    assert_eq!(finding.rule, "rust");
}

#[test]
fn a_file_without_a_header_is_found() {
    let files = [
        ("a.rs", "//! Owns a.\n"),
        ("b.rs", "// Owns b.\n"),
        ("c.rs", ""),
    ];
    assert_eq!(places(shape::check_headers, &files), ["b.rs:1", "c.rs:1"]);
}

#[test]
fn a_file_over_its_length_is_found_and_its_tests_are_not_counted() {
    let with_tests = format!(
        "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
        lines_of_code(500),
        "const B: u8 = 0;\n".repeat(300)
    );
    let files = [
        ("at_limit.rs", lines_of_code(500)),
        ("over.rs", lines_of_code(501)),
        ("with_tests.rs", with_tests),
        ("a/tests.rs", lines_of_code(900)),
        ("tests/over.rs", lines_of_code(901)),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    assert_eq!(
        places(shape::check_lengths, &files),
        ["over.rs:1", "tests/over.rs:1"]
    );
}

#[test]
fn a_function_over_its_length_is_found_also_inside_a_macro() {
    let function = |name: &str, lines: usize| {
        format!("fn {name}() {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    };
    let text = format!(
        "//! H.\n{}{}m! {{\n{}}}\n",
        function("at_limit", 70),
        function("over", 71),
        function("in_macro", 71)
    );
    let found = found(shape::check_lengths, &[("a.rs", &text)]);
    assert_eq!(found[0].1, "the function over has 71 lines, more than 70");
    assert_eq!(
        found[1].1,
        "the function in_macro has 71 lines, more than 70"
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn a_line_over_its_columns_is_found_and_columns_are_characters() {
    let text = format!("//! {}\n//! {}\n", "é".repeat(96), "e".repeat(97));
    assert_eq!(places(shape::check_lengths, &[("a.rs", &text)]), ["a.rs:2"]);
}

#[test]
fn a_name_that_says_nothing_is_found_as_file_folder_and_module() {
    let files = [
        ("model/src/utils.rs", "//! H.\n"),
        ("tests/common/mod.rs", "//! H.\n"),
        ("clients/python/helpers.py", ""),
        ("a.rs", "//! H.\nmod price;\nmod types { }\n"),
        ("docs/types.md", ""),
        ("model/src/base64_text.rs", "//! H.\n"),
    ];
    assert_eq!(
        places(shape::check_names, &files),
        [
            "model/src/utils.rs:1",
            "tests/common/mod.rs:1",
            "clients/python/helpers.py:1",
            "a.rs:3"
        ]
    );
}

#[test]
fn unfinished_work_without_a_link_is_found_in_comments_and_not_in_texts() {
    // The marks are put together here, so that this file itself holds none.
    let (todo, fixme) = (concat!("TO", "DO"), concat!("FIX", "ME"));
    let small = todo.to_lowercase();
    let rust = format!(
        "//! H.\n// {small}: more\n// {todo} https://example.org/7\n/* {fixme} */\nconst A: &str = \
         \"{todo}\"; // {} later\n/// A mas{small}n.\nconst B: u8 = 0;\n",
        fixme.to_lowercase()
    );
    let (python, config, json) = (
        format!("x = 1  # {todo} more\n"),
        format!("{small} = \"deny\"\n"),
        format!("\"{todo}\""),
    );
    let files = [
        ("a.rs", rust.as_str()),
        ("b.py", &python),
        ("c.toml", &config),
        ("d.json", &json),
    ];
    assert_eq!(
        places(words::check_unfinished_work, &files),
        ["a.rs:2", "a.rs:4", "a.rs:5", "b.py:1"]
    );
}

#[test]
fn words_about_the_workplace_are_found_in_every_text_but_a_licence() {
    let folder = concat!("see ../sha", "red/A.md\n");
    let place = concat!("\n/WO", "RK/main\n");
    let session = concat!("This Ses", "sion\n");
    let writer = concat!("an AI ag", "ent\n");
    let files = [
        ("a.md", folder),
        ("b.json", place),
        ("c.rs", &format!("//! {session}")),
        ("d.txt", writer),
        ("LICENSE-MIT", writer),
        ("e.md", "the session's work, shared/agents\n"),
    ];
    assert_eq!(
        places(words::check_private_words, &files),
        ["a.md:1", "b.json:2", "c.rs:1", "d.txt:1"]
    );
}

#[test]
fn unsafe_code_outside_its_three_places_is_found() {
    let text = "//! H.\n// unsafe in a comment\nfn f() { unsafe { g() } }\n";
    let files = [
        ("rings/src/shared_memory/mapping.rs", text),
        ("journal/src/mapping.rs", text),
        ("daemon/src/memory_lock.rs", text),
        ("journal/src/mapping_extra.rs", text),
        ("engine/src/turn.rs", text),
        ("rings/tests/stress.rs", text),
    ];
    assert_eq!(
        places(unsafe_code::check, &files),
        [
            "journal/src/mapping_extra.rs:3",
            "engine/src/turn.rs:3",
            "rings/tests/stress.rs:3"
        ]
    );
}

#[test]
fn a_crate_that_does_not_forbid_unsafe_code_is_found() {
    let root = |name: &str, path: &str, text: &str, sources: &mut Sources| {
        let kind = vec!["lib".to_owned()];
        let target = Target {
            name: name.into(),
            kind,
            src_path: path.into(),
        };
        sources.packages.push(Package {
            name: name.into(),
            manifest_path: "Cargo.toml".into(),
            dependencies: Vec::new(),
            targets: vec![target],
        });
        assert_eq!(sources.add(path, text.to_owned()), None);
    };
    let mut sources = Sources::default();
    root(
        "a",
        "model/src/lib.rs",
        "//! H.\n#![forbid(unsafe_code)]\n",
        &mut sources,
    );
    root(
        "b",
        "engine/src/lib.rs",
        "//! H.\n#![deny(unsafe_code)]\n",
        &mut sources,
    );
    root(
        "c",
        "rings/src/lib.rs",
        "//! H.\n#![deny(unsafe_code)]\n",
        &mut sources,
    );
    root(
        "d",
        "journal/src/lib.rs",
        "//! H.\n// #![forbid(unsafe_code)]\n",
        &mut sources,
    );
    let places: Vec<String> = found_in(unsafe_code::check, &sources)
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(places, ["engine/src/lib.rs:1", "journal/src/lib.rs:1"]);
}

#[test]
fn floats_are_found_where_money_is_and_nowhere_else() {
    let text = "//! f64 in words\nfn f(a: u8) { let b = 1f32; let c: f64 = x.0; 0x1f32; }\n\
                #[cfg(test)]\nmod tests {\n    fn g(a: f64) {}\n}\n";
    let files = [
        ("journal/src/layout.rs", text),
        ("cold/src/latency.rs", text),
        ("model/tests/properties.rs", text),
    ];
    assert_eq!(
        found(determinism::check, &files)
            .into_iter()
            .map(|(place, message)| format!("{place} {}", &message[..6]))
            .collect::<Vec<_>>(),
        [
            "journal/src/layout.rs:2 `1f32`",
            "journal/src/layout.rs:2 `f64`:"
        ]
    );
}

#[test]
fn clocks_threads_files_sockets_and_random_maps_are_found_in_the_pure_crates() {
    let lines = [
        "//! H.",
        "use std::time::Instant;",
        "fn a() { Instant::now(); }",
        "fn b() { std::time::SystemTime::now(); }",
        "use std::collections::{BTreeMap, HashMap};",
        "fn c(s: HashSet<u8>) {}",
        "use std::thread;",
        "use std::{fmt, net::TcpStream};",
        "fn d() { std::fs::read(p); }",
        "use mio::net::TcpStream;",
        "#[cfg(test)] mod oracle;",
    ];
    let text = lines.join("\n");
    let test_module = "//! H.\nuse std::collections::HashMap;\n";
    let files = [
        ("engine/src/turn.rs", text.as_str()),
        ("engine/src/turn/oracle.rs", test_module),
        ("daemon/src/main.rs", text.as_str()),
    ];
    let mut places = places(determinism::check, &files);
    places.sort();
    let expected: Vec<String> = (3..=9)
        .map(|line| format!("engine/src/turn.rs:{line}"))
        .collect();
    assert_eq!(places, expected);
}

#[test]
fn a_fixture_that_no_list_names_or_whose_origin_is_not_said_is_found() {
    let list = "[\"named.json\"]\norigin = \"captured\"\n[\"no_origin.json\"]\nurl = \"x\"\n\
                [[file]]\nfile = \"sub/deep.json\"\nkind = \"synthetic\"\n\
                [[group]]\nfiles = [\"one.json\", \"two.json\"]\norigin = \"documented\"\n";
    let files = [
        ("v/fixtures/SOURCES.toml", list),
        ("v/fixtures/named.json", ""),
        ("v/fixtures/sub/deep.json", ""),
        ("v/fixtures/two.json", ""),
        ("v/fixtures/no_origin.json", ""),
        ("v/fixtures/unnamed.json", ""),
        ("w/fixtures/a.json", ""),
    ];
    let found = found(fixtures::check, &files);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "v/fixtures/no_origin.json:1",
            "v/fixtures/unnamed.json:1",
            "w/fixtures/a.json:1"
        ]
    );
    assert!(found[0].1.contains("captured or documented or synthetic"));
    assert!(found[2].1.contains("does not exist"));
}

#[test]
fn a_shell_script_is_found_by_name_and_by_first_line() {
    let files = [
        (".ci/run", "#!/usr/bin/env bash\n"),
        ("a.sh", ""),
        ("tools/go", "#!/usr/bin/env -S bash -e\n"),
        ("tools/old", "#!/bin/sh\n"),
        ("tests/run.py", "#!/usr/bin/env python3\n"),
        ("justfile", "test:\n    cargo xtask test\n"),
    ];
    assert_eq!(
        places(scripts::check, &files),
        ["a.sh:1", "tools/go:1", "tools/old:1"]
    );
}

// covers: S26
#[test]
fn a_banned_crate_and_a_crate_from_elsewhere_are_found_in_the_lock_file() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let lock = format!(
        "[[package]]\nname = \"ours\"\n[[package]]\nname = \"good\"\nsource = \"{registry}\"\n\
         checksum = \"1\"\n[[package]]\nname = \"openssl\"\nsource = \"{registry}\"\n\
         checksum = \"2\"\n[[package]]\nname = \"forked\"\nsource = \"git+https://example.org/x\"\n\
         [[package]]\nname = \"unchecked\"\nsource = \"{registry}\"\n"
    );
    let bans = "[bans]\ndeny = [{ crate = \"openssl\", reason = \"x\" }]\n";
    let found = found(supply::check, &[("Cargo.lock", &lock), ("deny.toml", bans)]);
    let names: Vec<&str> = found
        .iter()
        .map(|(_, message)| message.split_once(' ').unwrap().0)
        .collect();
    assert_eq!(names, ["openssl", "forked", "unchecked"]);
}

#[test]
fn a_tree_without_lock_file_or_bans_is_found() {
    assert_eq!(
        places(supply::check, &[("deny.toml", "")]),
        ["Cargo.lock:1"]
    );
}
