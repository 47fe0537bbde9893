//! The example file is the reference of all keys: it loads, and it has every key and no other.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use millrun::config::{self, Kind, Presence, SECTIONS, Settings, Shape};
use std::collections::BTreeSet;
use std::path::Path;

const EXAMPLE: &str = include_str!("../../millrun.example.toml");

fn example() -> Settings {
    Settings::parse(EXAMPLE, Path::new("millrun.example.toml"), &[])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// `section.key` of every line of the example that sets a key.
fn written_keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in EXAMPLE.lines() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_start_matches('[').split(']').next().unwrap();
            section = header.split('.').next().unwrap().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            assert!(keys.insert(format!("{section}.{key}")), "{key} twice");
        }
    }
    keys
}

// covers: G01
#[test]
fn the_example_loads_and_has_every_key_and_no_other() {
    let known: BTreeSet<String> = SECTIONS
        .iter()
        .flat_map(|section| {
            let name = section.name;
            section
                .keys
                .iter()
                .map(move |key| format!("{name}.{}", key.name))
        })
        .collect();
    assert_eq!(written_keys(), known);
    assert_eq!(example().effective.len(), known.len());
}

#[test]
fn every_key_of_the_example_has_a_comment_above_it() {
    let mut above = "";
    for line in EXAMPLE.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            let limit_follows = above.contains(" = \"") || above.starts_with("max_");
            let is_override = line.starts_with("max_") && limit_follows;
            assert!(above.starts_with('#') || is_override, "{line}");
        }
        above = line;
    }
}

#[test]
fn the_example_shows_every_default_as_it_is() {
    let example = example();
    let mut seen = 0;
    for section in SECTIONS {
        for key in section.keys {
            let Presence::Default(default) = key.presence else {
                continue;
            };
            let label = match section.shape {
                Shape::Single => "",
                Shape::Named => ".okx",
                Shape::List if section.name == "instrument" => ".BTC-USDT-SWAP",
                Shape::List => ".grid",
            };
            let path = format!("{}{label}.{}", section.name, key.name);
            let found = example.effective.iter().find(|found| found.key == path);
            let shown = match key.kind {
                Kind::Integer { .. } | Kind::PowerOfTwo { .. } | Kind::Flag => default.to_owned(),
                _ => format!("{default:?}"),
            };
            assert_eq!(found.unwrap().value, Some(shown), "{path}");
            seen += 1;
        }
    }
    assert_eq!(seen, 43, "a new default is shown in the example too");
}

#[test]
fn every_range_of_the_table_is_in_the_example_or_needs_none() {
    for section in SECTIONS {
        for key in section.keys {
            let (Kind::Integer { min, max } | Kind::PowerOfTwo { min, max }) = key.kind else {
                continue;
            };
            if section.name != "risk" && matches!(key.presence, Presence::LimitOrRisk) {
                continue;
            }
            let range = format!("{min} to {max}");
            let name = key.name;
            let at = EXAMPLE.find(&format!("\n{name} = ")).unwrap();
            let comment: Vec<&str> = EXAMPLE[..at]
                .lines()
                .rev()
                .take_while(|line| line.starts_with('#'))
                .collect();
            let comment: Vec<&str> = comment.into_iter().rev().collect();
            let comment = comment.join(" ").replace("# ", "");
            assert!(
                comment.contains(&range),
                "{}.{name}: {range}: {comment}",
                section.name
            );
        }
    }
}

#[test]
fn the_description_names_every_key_its_source_and_the_memory() {
    let settings = example();
    let text = config::describe(&settings);
    assert!(text.contains("venue.okx.settle_ms"), "{text}");
    assert!(text.contains("= 5000  # line "), "{text}");
    let json = config::describe_json(&settings);
    assert_eq!(
        json["settings"].as_array().unwrap().len(),
        settings.effective.len()
    );
    let memory = config::memory_estimate(&settings);
    assert_eq!(json["memory"]["total_bytes"], memory.total_bytes());
    assert!(memory.orders_bytes >= 65_536 * 200, "{memory:?}");
    assert_eq!(memory.journal_bytes, 3 * 64 * 1024 * 1024);
    assert!(text.contains("total"), "{text}");
}

#[test]
fn the_words_of_the_journal_are_the_words_of_the_configuration() {
    for mode in ["process", "group", "strict"] {
        let text = EXAMPLE.replace("mode = \"group\"", &format!("mode = \"{mode}\""));
        let settings = Settings::parse(&text, Path::new("m.toml"), &[]).unwrap();
        assert_eq!(settings.journal.mode.name(), mode);
    }
}
