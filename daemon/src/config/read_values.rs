//! From what was written to values of the right kind and range, key by key.
//!
//! Owns the checks of single values. Invariants: after a section is read every key of its table has
//! a value, is unset by right, or has an error noted; then a zero or an empty text stands in, and
//! no `Settings` comes of it. Must not know: what values mean together. Threads: none.

use super::document::{FoundSection, RawValue, Written, article};
use super::exact_decimal::ExactDecimal;
use super::keys::{KeySpec, Kind, Presence, SectionSpec};
use super::problem::{ConfigErrors, Place, Problem};
use super::{EffectiveKey, LimitText};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Integer(u64),
    Flag(bool),
    Text(String),
}

impl Value {
    /// As it would be written.
    fn shown(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// The values of one section.
#[derive(Clone, Debug)]
pub(super) struct SectionValues {
    spec: &'static SectionSpec,
    pub(super) path: String,
    pub(super) label: String,
    pub(super) place: Place,
    values: BTreeMap<&'static str, (Value, Place)>,
}

impl SectionValues {
    /// Checks every key of a section. `risk` is where limits fall back to.
    pub(super) fn read(
        found: &FoundSection,
        risk: Option<&Self>,
        effective: &mut Vec<EffectiveKey>,
        errors: &mut ConfigErrors,
    ) -> Self {
        let mut section = Self {
            spec: found.spec,
            path: found.path(),
            label: found.label.clone(),
            place: found.place.clone(),
            values: BTreeMap::new(),
        };
        for key in found.spec.keys {
            let path = found.key_path(key.name);
            let value = match found.written.get(key.name) {
                Some(written) => checked(key, written)
                    .map_err(|problem| errors.add(&written.place, path.clone(), problem))
                    .ok()
                    .map(|value| (value, written.place.clone())),
                None => section.unwritten(key, risk, &path, errors),
            };
            let (shown, place) = match &value {
                Some((value, place)) => (Some(value.shown()), place.clone()),
                None => (None, Place::Default),
            };
            effective.push(EffectiveKey {
                key: path,
                value: shown,
                place,
            });
            if let Some(value) = value {
                section.values.insert(key.name, value);
            }
        }
        section
    }

    fn unwritten(
        &self,
        key: &KeySpec,
        risk: Option<&Self>,
        path: &str,
        errors: &mut ConfigErrors,
    ) -> Option<(Value, Place)> {
        match key.presence {
            Presence::Required(example) => {
                let example = example.to_owned();
                errors.add(&self.place, path, Problem::Missing { example });
                None
            }
            Presence::Optional(_) => None,
            Presence::Default(text) => {
                let written = Written {
                    value: RawValue::Variable(text.to_owned()),
                    place: Place::Default,
                };
                let value = checked(key, &written).expect("defaults are tested to fit their kinds");
                Some((value, Place::Default))
            }
            Presence::LimitOrRisk => {
                let limit = risk.and_then(|risk| risk.values.get(key.name));
                if limit.is_none() {
                    errors.add(&self.place, path, Problem::MissingLimit);
                }
                limit.cloned()
            }
        }
    }

    fn value(&self, key: &str) -> Option<&(Value, Place)> {
        assert!(
            self.spec.key(key).is_some(),
            "{key} is in the table of keys"
        );
        self.values.get(key)
    }

    /// How messages call a key of this section.
    pub(super) fn key_path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Where a key was written; the section's place when it was not.
    pub(super) fn place_of(&self, key: &str) -> &Place {
        match self.value(key) {
            Some((_, place)) if *place != Place::Default => place,
            _ => &self.place,
        }
    }

    /// A whole number, if set.
    pub(super) fn optional_integer(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            Some((Value::Integer(integer), _)) => Some(*integer),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str) -> u64 {
        self.optional_integer(key).unwrap_or(0)
    }

    /// A whole number whose range in the table fits 32 bits.
    pub(super) fn integer_u32(&self, key: &str) -> u32 {
        u32::try_from(self.integer(key)).expect("the table's range fits 32 bits")
    }

    /// A truth value.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some((Value::Flag(true), _)))
    }

    /// A text, if set.
    pub(super) fn optional_text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some((Value::Text(text), _)) => Some(text),
            _ => None,
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> &str {
        self.optional_text(key).unwrap_or("")
    }

    /// A path, from `base` when it is relative.
    pub(super) fn optional_path(&self, key: &str, base: &Path) -> Option<PathBuf> {
        self.optional_text(key).map(|text| base.join(text))
    }

    /// A limit's text with its place.
    pub(super) fn limit(&self, key: &str) -> LimitText {
        LimitText {
            text: self.text(key).to_owned(),
            place: self.place_of(key).clone(),
        }
    }
}

/// The value, if it is what the key asks for.
fn checked(key: &KeySpec, written: &Written) -> Result<Value, Problem> {
    match key.kind {
        Kind::Integer { min, max } => integer(&written.value, min, max).map(Value::Integer),
        Kind::PowerOfTwo { min, max } => {
            let found = integer(&written.value, min, max)?;
            if found.is_power_of_two() {
                return Ok(Value::Integer(found));
            }
            let next = found.next_power_of_two();
            Err(Problem::NotPowerOfTwo { found, next })
        }
        Kind::Flag => match &written.value {
            RawValue::Flag(flag) => Ok(Value::Flag(*flag)),
            RawValue::Variable(text) if text == "true" => Ok(Value::Flag(true)),
            RawValue::Variable(text) if text == "false" => Ok(Value::Flag(false)),
            other => Err(wrong_kind(other, "true or false")),
        },
        Kind::Choice(choices) => {
            let found = text(&written.value, "one of the words in quotes")?;
            match choices.iter().any(|choice| *choice == found) {
                true => Ok(Value::Text(found)),
                false => Err(Problem::NotAChoice { found, choices }),
            }
        }
        Kind::Decimal => {
            let found = text(&written.value, "a decimal number in quotes, as \"12.5\"")?;
            let refused = match ExactDecimal::parse(found.as_bytes()) {
                Ok(decimal) if decimal.is_negative() => "is below zero",
                Ok(_) => return Ok(Value::Text(found)),
                Err(_) => "is no decimal number of at most 38 digits",
            };
            Err(Problem::NotDecimal {
                found,
                why: refused,
            })
        }
        Kind::Path => path(text(&written.value, "a path in quotes")?),
        Kind::Url(_) => text(&written.value, "a URL in quotes").map(Value::Text),
        Kind::Name { max_bytes } => {
            let found = text(&written.value, "a name in quotes")?;
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            if !found.is_empty() && found.len() <= max_bytes && found.bytes().all(allowed) {
                return Ok(Value::Text(found));
            }
            Err(Problem::BadName {
                found,
                max_bytes,
                alphabet: "letters, digits, `_`, `-` and `.`",
            })
        }
    }
}

fn integer(value: &RawValue, min: u64, max: u64) -> Result<u64, Problem> {
    let found = match value {
        RawValue::Integer(found) => *found,
        RawValue::Variable(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong_kind(value, "a whole number"));
            }
            text.parse().ok()
        }
        other => return Err(wrong_kind(other, "a whole number")),
    };
    found
        .and_then(|found| u64::try_from(found).ok())
        .filter(|found| (min..=max).contains(found))
        .ok_or_else(|| Problem::OutOfRange {
            found: found.map_or_else(|| "the number".to_owned(), |found| found.to_string()),
            min,
            max,
        })
}

fn text(value: &RawValue, expected: &str) -> Result<String, Problem> {
    match value {
        RawValue::Text(text) | RawValue::Variable(text) => Ok(text.clone()),
        other => Err(wrong_kind(other, expected)),
    }
}

fn path(text: String) -> Result<Value, Problem> {
    if text.is_empty() {
        return Err(Problem::BadPath(
            "is empty; a path has at least one byte; write the path".to_owned(),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::BadPath(
            "has a control character; paths here may have none; remove it".to_owned(),
        ));
    }
    Ok(Value::Text(text))
}

fn wrong_kind(found: &RawValue, expected: &str) -> Problem {
    let found = match found {
        RawValue::Integer(_) => "an integer".to_owned(),
        RawValue::Text(_) => "a text in quotes".to_owned(),
        RawValue::Flag(_) => "a boolean".to_owned(),
        RawValue::Other(type_name) => article(type_name),
        RawValue::Variable(_) => "another text".to_owned(),
    };
    Problem::WrongKind {
        expected: expected.to_owned(),
        found,
    }
}
