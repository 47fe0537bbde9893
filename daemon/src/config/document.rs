//! The written configuration: which key was written where, from the file and the environment.
//!
//! Owns reading TOML with places, and the overrides. Invariants: only known keys come out, each
//! once; everything else is an error with its line. Must not know: what values mean. Threads: none.

use super::keys::{KeySpec, SECTIONS, SectionSpec, Shape, section};
use super::problem::{ConfigErrors, Place, Problem};
use super::{ENVIRONMENT_PREFIX, FILE_BYTES_MAX};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RawValue {
    /// A whole number of the file, if 128 bits hold it.
    Integer(Option<i128>),
    /// A text of the file.
    Text(String),
    /// A truth value of the file.
    Flag(bool),
    /// Anything else of the file, by the name of its type.
    Other(&'static str),
    /// A variable's text, to be read as the key's kind asks.
    Variable(String),
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) value: RawValue,
    pub(super) place: Place,
}

/// A section that was written.
#[derive(Clone, Debug)]
pub(super) struct FoundSection {
    pub(super) spec: &'static SectionSpec,
    /// Of a named section, its name; of a list's entry, what tells it from the others; else empty.
    pub(super) label: String,
    pub(super) place: Place,
    pub(super) written: BTreeMap<&'static str, Written>,
}

impl FoundSection {
    /// How messages call a key of this section.
    pub(super) fn key_path(&self, key: &str) -> String {
        format!("{}.{key}", self.path())
    }

    /// How messages call this section.
    pub(super) fn path(&self) -> String {
        if self.label.is_empty() {
            self.spec.name.to_owned()
        } else {
            format!("{}.{}", self.spec.name, self.label)
        }
    }
}

/// All that was written.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) path: PathBuf,
    pub(super) sections: Vec<FoundSection>,
}

/// Reads a configuration file whole.
pub(super) fn read_file(path: &Path) -> Result<String, ConfigErrors> {
    let place = Place::File {
        path: path.to_owned(),
        line: 1,
    };
    let failed = |problem| {
        let mut errors = ConfigErrors::default();
        errors.add(&place, "file", problem);
        errors
    };
    let unreadable = |error: std::io::Error| failed(Problem::Unreadable(error.to_string()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(failed(Problem::FileTooLong {
            max_bytes: FILE_BYTES_MAX,
        }));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let mut errors = ConfigErrors::default();
        let place = Place::File {
            path: path.to_owned(),
            line,
        };
        errors.add(&place, "file", Problem::Syntax("not UTF-8".to_owned()));
        errors
    })
}

impl Document {
    /// Reads as much as can be read and notes everything that cannot.
    pub(super) fn parse(text: &str, path: &Path, errors: &mut ConfigErrors) -> Self {
        let (table, syntax_errors) = DeTable::parse_recoverable(text);
        let source = Source { text, path };
        for error in &syntax_errors {
            source.note_syntax_error(error, errors);
        }
        let mut document = Self {
            path: path.to_owned(),
            sections: Vec::new(),
        };
        for (name, value) in in_order(table.get_ref()) {
            let place = source.place(name.span().start);
            match section(name.get_ref()) {
                Some(spec) => document.take_section(&source, spec, &place, value, errors),
                None => errors.add(&place, printable_key(name.get_ref()), unknown_section()),
            }
        }
        document
    }

    fn take_section(
        &mut self,
        source: &Source<'_>,
        spec: &'static SectionSpec,
        place: &Place,
        value: &Spanned<DeValue<'_>>,
        errors: &mut ConfigErrors,
    ) {
        match (spec.shape, value.get_ref()) {
            (Shape::Single, DeValue::Table(table)) => {
                self.take_keys(source, (spec, String::new()), place, table, errors);
            }
            (Shape::Named, DeValue::Table(tables)) => {
                for (label, value) in in_order(tables) {
                    let place = source.place(label.span().start);
                    let label = printable_key(label.get_ref());
                    match value.get_ref() {
                        DeValue::Table(table) => {
                            self.take_keys(source, (spec, label), &place, table, errors);
                        }
                        other => {
                            let key = format!("{}.{label}", spec.name);
                            errors.add(&place, key, wrong_shape(spec, other));
                        }
                    }
                }
            }
            (Shape::List, DeValue::Array(entries)) => {
                for (at, entry) in entries.iter().enumerate() {
                    let place = source.place(entry.span().start);
                    let label = list_label(at, entry.get_ref());
                    match entry.get_ref() {
                        DeValue::Table(table) => {
                            self.take_keys(source, (spec, label), &place, table, errors);
                        }
                        other => errors.add(&place, spec.name, wrong_shape(spec, other)),
                    }
                }
            }
            (_, other) => errors.add(place, spec.name, wrong_shape(spec, other)),
        }
    }

    fn take_keys(
        &mut self,
        source: &Source<'_>,
        (spec, label): (&'static SectionSpec, String),
        place: &Place,
        table: &DeTable<'_>,
        errors: &mut ConfigErrors,
    ) {
        let mut found = FoundSection {
            spec,
            label,
            place: place.clone(),
            written: BTreeMap::new(),
        };
        for (name, value) in in_order(table) {
            let place = source.place(name.span().start);
            match spec.key(name.get_ref()) {
                Some(key) => {
                    let value = raw_value(value.get_ref());
                    found.written.insert(key.name, Written { value, place });
                }
                None => {
                    let path = found.key_path(&printable_key(name.get_ref()));
                    errors.add(&place, path, unknown_key(spec, name.get_ref()));
                }
            }
        }
        self.sections.push(found);
    }

    /// Puts the variables of the environment over what the file says.
    pub(super) fn override_from(
        &mut self,
        environment: &[(String, String)],
        errors: &mut ConfigErrors,
    ) {
        let mut environment: Vec<_> = environment.iter().collect();
        environment.sort();
        for (variable, text) in environment {
            let place = Place::Environment {
                variable: printable_key(variable),
            };
            let Some(rest) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let rest = rest.to_ascii_lowercase();
            match self.overridden(&rest, &place) {
                Override::Key(at, key) => {
                    let written = Written {
                        value: RawValue::Variable(text.clone()),
                        place,
                    };
                    self.sections[at].written.insert(key.name, written);
                }
                Override::Refused(problem) => errors.add(&place, rest.replace("__", "."), problem),
                Override::NotOurs => {}
            }
        }
    }

    /// Which key the lower-cased name of a variable means.
    fn overridden(&mut self, name: &str, place: &Place) -> Override {
        let parts: Vec<&str> = name.split("__").collect();
        let (section_name, label, key_name) = match parts[..] {
            [section, key] => (section, "", key),
            [section, label, key] => (section, label, key),
            [whole] => {
                let begins = |spec: &SectionSpec| whole.starts_with(&format!("{}_", spec.name));
                return if SECTIONS.iter().any(begins) {
                    Override::Refused(Problem::NoOverride)
                } else {
                    Override::NotOurs
                };
            }
            _ => return Override::Refused(Problem::NoOverride),
        };
        let Some(spec) = section(section_name) else {
            return Override::Refused(Problem::NoOverride);
        };
        let Some(key) = spec.key(key_name) else {
            return Override::Refused(unknown_key(spec, key_name));
        };
        let fits = match spec.shape {
            Shape::Single => label.is_empty(),
            Shape::Named => !label.is_empty(),
            Shape::List => false,
        };
        let is_it = |found: &FoundSection| found.spec.name == spec.name && found.label == label;
        match self.sections.iter().position(is_it) {
            Some(at) if fits => Override::Key(at, key),
            None if fits && spec.shape == Shape::Single => {
                self.sections.push(FoundSection {
                    spec,
                    label: String::new(),
                    place: place.clone(),
                    written: BTreeMap::new(),
                });
                Override::Key(self.sections.len() - 1, key)
            }
            _ => Override::Refused(Problem::NoOverride),
        }
    }
}

/// What a variable means.
enum Override {
    /// It sets this key of this section.
    Key(usize, &'static KeySpec),
    /// It looks like an override and is none.
    Refused(Problem),
    /// It belongs to something else.
    NotOurs,
}

/// The text with the means to name a place in it.
struct Source<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Source<'_> {
    fn place(&self, at_byte: usize) -> Place {
        let before = &self.text.as_bytes()[..at_byte.min(self.text.len())];
        Place::File {
            path: self.path.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        }
    }

    fn note_syntax_error(&self, error: &toml::de::Error, errors: &mut ConfigErrors) {
        let span = error.span().unwrap_or(0..0);
        let place = self.place(span.start);
        if error.message().starts_with("duplicate key") {
            let written = self.text.get(span.clone()).unwrap_or("");
            let header = self.header_before(span.end);
            let in_header = self.line_of(span.start).trim_start().starts_with('[');
            let key = match (header, written) {
                (header, _) if in_header => printable_key(header),
                ("", key) => printable_key(key),
                (header, key) => format!("{}.{}", printable_key(header), printable_key(key)),
            };
            errors.add(&place, key, Problem::Duplicate);
        } else {
            errors.add(&place, "file", Problem::Syntax(error.message().to_owned()));
        }
    }

    /// The line that this byte is in.
    fn line_of(&self, at_byte: usize) -> &str {
        let begin = self.text.get(..at_byte).map_or(0, |before| {
            before.rfind('\n').map_or(0, |line_end| line_end + 1)
        });
        self.text[begin..].lines().next().unwrap_or("")
    }

    /// The last section whose header begins before this byte, by its text.
    fn header_before(&self, at_byte: usize) -> &str {
        let before = self.text.get(..at_byte).unwrap_or("");
        before
            .lines()
            .rev()
            .filter_map(|line| line.trim_start().strip_prefix('['))
            .map(|header| header.trim_start_matches('['))
            .map(|header| header.split(']').next().unwrap_or(header).trim())
            .next()
            .unwrap_or("")
    }
}

/// Entries in the order of the text.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(
    &'t Spanned<toml::de::DeString<'i>>,
    &'t Spanned<DeValue<'i>>,
)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn raw_value(value: &DeValue<'_>) -> RawValue {
    match value {
        DeValue::Integer(integer) => {
            RawValue::Integer(i128::from_str_radix(integer.as_str(), integer.radix()).ok())
        }
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Boolean(flag) => RawValue::Flag(*flag),
        other => RawValue::Other(other.type_str()),
    }
}

/// What tells a list's entry from the others: its symbol or name, else its number.
fn list_label(at: usize, entry: &DeValue<'_>) -> String {
    let named = |key: &str| {
        let text = entry.as_table()?.get(key)?.get_ref().as_str()?;
        Some(printable_key(text)).filter(|text| !text.is_empty())
    };
    named("symbol")
        .or_else(|| named("name"))
        .unwrap_or_else(|| (at + 1).to_string())
}

fn wrong_shape(spec: &SectionSpec, found: &DeValue<'_>) -> Problem {
    let expected = match spec.shape {
        Shape::Single => format!("a section [{}]", spec.name),
        Shape::Named => format!("sections [{}.<name>]", spec.name),
        Shape::List => format!("entries [[{}]]", spec.name),
    };
    Problem::WrongKind {
        expected,
        found: article(found.type_str()),
    }
}

/// A type's name with its article.
pub(super) fn article(type_name: &str) -> String {
    let begins_with_vowel = type_name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {type_name}", if begins_with_vowel { "an" } else { "a" })
}

fn unknown_section() -> Problem {
    let known: Vec<String> = SECTIONS
        .iter()
        .map(|spec| match spec.shape {
            Shape::Single => format!("[{}]", spec.name),
            Shape::Named => format!("[{}.<name>]", spec.name),
            Shape::List => format!("[[{}]]", spec.name),
        })
        .collect();
    Problem::UnknownSection {
        known: known.join(" "),
    }
}

/// Words in the name of a key that holds a secret.
const SECRET_WORDS: &[&str] = &[
    "secret",
    "passphrase",
    "password",
    "api_key",
    "apikey",
    "token",
];

fn unknown_key(spec: &SectionSpec, name: &str) -> Problem {
    let lower = name.to_ascii_lowercase();
    if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
        return Problem::SecretKey;
    }
    let same_stem = |key: &&KeySpec| super::nearest::stem(key.name) == super::nearest::stem(&lower);
    if let Some(key) = spec.keys.iter().find(same_stem) {
        return Problem::WrongUnit { expected: key.name };
    }
    Problem::Unknown {
        nearest: super::nearest::nearest(&lower, spec.keys.iter().map(|key| key.name)),
    }
}

/// A key as messages may show it: one line, at most 64 characters.
fn printable_key(key: &str) -> String {
    key.chars()
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .take(64)
        .collect()
}
