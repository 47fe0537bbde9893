//! The typed arguments of an operation. Each is taken once; what is left over is not known.

use crate::decimal;
use crate::schema::{Object, Unknown};
use serde_json::Value;

/// Arguments that are not yet taken.
pub(crate) struct Args {
    left: Object,
    /// Where they stand, for messages.
    what: String,
}

impl Args {
    /// The arguments of one object.
    pub(crate) fn new(members: Object, what: &str) -> Self {
        Self {
            left: members,
            what: what.to_owned(),
        }
    }

    /// Asserts that every argument was known.
    pub(crate) fn finish(self) -> Result<(), Unknown> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(Unknown(format!("arg {name} of {}", self.what))),
        }
    }

    /// `text`.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Unknown> {
        self.optional_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// `text?`.
    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Unknown> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "text")),
        }
    }

    /// `id`: opaque, but not empty and printable.
    pub(crate) fn id(&mut self, name: &str) -> Result<String, Unknown> {
        self.optional_id(name)?.ok_or_else(|| self.missing(name))
    }

    /// `id?`.
    pub(crate) fn optional_id(&mut self, name: &str) -> Result<Option<String>, Unknown> {
        let id = self.optional_text(name)?;
        let valid = |id: &String| !id.is_empty() && id.bytes().all(|it| it.is_ascii_graphic());
        match id {
            Some(id) if !valid(&id) => Err(self.wrong(name, "id")),
            id => Ok(id),
        }
    }

    /// `dec`: a decimal in a string.
    pub(crate) fn decimal(&mut self, name: &str) -> Result<String, Unknown> {
        self.optional_decimal(name)?
            .ok_or_else(|| self.missing(name))
    }

    /// `dec?`.
    pub(crate) fn optional_decimal(&mut self, name: &str) -> Result<Option<String>, Unknown> {
        match self.optional_text(name)? {
            Some(text) if decimal::canonical(&text).is_none() => Err(self.wrong(name, "dec")),
            text => Ok(text),
        }
    }

    /// `int`, `ms` or `s`.
    pub(crate) fn integer(&mut self, name: &str) -> Result<u64, Unknown> {
        self.optional_integer(name)?
            .ok_or_else(|| self.missing(name))
    }

    /// `int?` or `ms?`.
    pub(crate) fn optional_integer(&mut self, name: &str) -> Result<Option<u64>, Unknown> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(integer) => Ok(Some(integer)),
                None => Err(self.wrong(name, "int")),
            },
        }
    }

    /// `int?` of at most 16 bits.
    pub(crate) fn optional_small(&mut self, name: &str) -> Result<Option<u16>, Unknown> {
        let integer = self.optional_integer(name)?;
        let small = integer.map(u16::try_from).transpose();
        small.map_err(|_| self.wrong(name, "int of 16 bits"))
    }

    /// `bool`.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Unknown> {
        self.optional_flag(name)?.ok_or_else(|| self.missing(name))
    }

    /// `bool?`.
    pub(crate) fn optional_flag(&mut self, name: &str) -> Result<Option<bool>, Unknown> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(name, "bool")),
        }
    }

    /// An object with arguments of its own.
    pub(crate) fn object(&mut self, name: &str) -> Result<Args, Unknown> {
        match self.left.remove(name) {
            Some(Value::Object(members)) => Ok(Args::new(members, name)),
            Some(_) => Err(self.wrong(name, "object")),
            None => Err(self.missing(name)),
        }
    }

    /// A list of objects with arguments of their own; empty when it is absent and may be.
    pub(crate) fn objects(&mut self, name: &str, required: bool) -> Result<Vec<Args>, Unknown> {
        let list = match self.left.remove(name) {
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.wrong(name, "list")),
            None if required => return Err(self.missing(name)),
            None => Vec::new(),
        };
        let one = |value| match value {
            Value::Object(members) => Ok(Args::new(members, name)),
            _ => Err(self.wrong(name, "list of objects")),
        };
        list.into_iter().map(one).collect()
    }

    /// Complains about an argument that is not there.
    pub(crate) fn missing(&self, name: &str) -> Unknown {
        Unknown(format!("arg {name} of {} is missing", self.what))
    }

    fn wrong(&self, name: &str, expected: &str) -> Unknown {
        Unknown(format!(
            "type of arg {name} of {}: not {expected}",
            self.what
        ))
    }
}
