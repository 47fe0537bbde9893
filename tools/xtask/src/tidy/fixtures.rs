//! Recorded payloads say where they come from: each folder `fixtures` has a `SOURCES.toml` that
//! names every file in it and says whether it was captured, documented or made up.

use toml::{Table, Value};

use super::{Finding, Sources};

const RULE: &str = "fixtures";
const LIST: &str = "SOURCES.toml";
/// A payload is seen on the wire, copied from the venue's documents, or written by us.
const ORIGINS: &[&str] = &["captured", "documented", "synthetic"];

/// Checks every file that lies somewhere below a folder `fixtures`.
pub(super) fn check(sources: &Sources, findings: &mut Vec<Finding>) {
    for path in &sources.paths {
        let Some((folder, name)) = split_at_fixtures(path) else {
            continue;
        };
        if name == LIST {
            continue;
        }
        let list_path = format!("{folder}/{LIST}");
        let Some(list) = sources.texts.iter().find(|file| file.path == list_path) else {
            let message = format!("{list_path} does not exist, and so does not name this file");
            findings.push(Finding::new(path, 1, RULE, message));
            continue;
        };
        let message = match list.text.parse::<Table>() {
            Err(error) => format!("{list_path}: {error}"),
            Ok(table) => match find_entry(&table, name) {
                None => format!("{list_path} does not name this file"),
                Some(entry) if !says_origin(entry) => {
                    format!(
                        "{list_path} does not say that it is {}",
                        ORIGINS.join(" or ")
                    )
                }
                Some(_) => continue,
            },
        };
        findings.push(Finding::new(path, 1, RULE, message));
    }
}

/// `a/fixtures/b/c.json` is `a/fixtures` and `b/c.json`.
fn split_at_fixtures(path: &str) -> Option<(&str, &str)> {
    let marker = "/fixtures/";
    let at = path.find(marker)?;
    Some((&path[..at + marker.len() - 1], &path[at + marker.len()..]))
}

/// The table that describes a file: under the file's name, or with the name among its values.
fn find_entry<'a>(table: &'a Table, file: &str) -> Option<&'a Table> {
    let names = |value: &Value| match value {
        Value::String(text) => text == file,
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(file)),
        _ => false,
    };
    if let Some(entry) = table.get(file).and_then(Value::as_table) {
        return Some(entry);
    }
    if table.values().any(names) {
        return Some(table);
    }
    table.values().find_map(|value| match value {
        Value::Table(inner) => find_entry(inner, file),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_table)
            .find_map(|inner| find_entry(inner, file)),
        _ => None,
    })
}

fn says_origin(entry: &Table) -> bool {
    entry
        .values()
        .filter_map(Value::as_str)
        .any(|text| ORIGINS.contains(&text))
}
