//! The form of a vectors file (format 2), read strictly: what is not known is named, not passed
//! over.

use serde_json::{Map, Value};

/// Something in the file that this command does not know, by name: exit 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown(pub(crate) String);

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The only format that is read.
const FORMAT: u64 = 2;
const FILE_MEMBERS: &[&str] = &["format", "venue", "notes", "vectors"];
const VECTOR_MEMBERS: &[&str] = &[
    "name",
    "producer",
    "operation",
    "args",
    "expected",
    "checks",
    "library_added",
    "note",
];

/// A file's head.
pub(crate) struct VectorFile {
    /// Whose messages they are.
    pub(crate) venue: String,
    /// Each as it stands; read by [`Vector::read`], so that one bad vector hides no other.
    pub(crate) vectors: Vec<Value>,
}

/// One message and how it came about.
pub(crate) struct Vector {
    /// What it does.
    pub(crate) operation: String,
    /// All that is needed to build it.
    pub(crate) args: Object,
    /// What it looks like.
    pub(crate) expected: Object,
    /// Which checks to run.
    pub(crate) checks: Vec<String>,
    /// Members and headers that a lean client need not send.
    pub(crate) library_added: Vec<String>,
}

impl VectorFile {
    /// Reads the head.
    pub(crate) fn read(text: &str) -> Result<Self, Unknown> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| Unknown(format!("file: {error}")))?;
        let file = object(&json, "file")?;
        known_members(file, FILE_MEMBERS, "file")?;
        if file.get("format").and_then(Value::as_u64) != Some(FORMAT) {
            let found = file.get("format").unwrap_or(&Value::Null);
            return Err(Unknown(format!("format {found}")));
        }
        Ok(Self {
            venue: text_member(file, "venue")?,
            vectors: list(file, "vectors")?.clone(),
        })
    }
}

impl Vector {
    /// Reads one vector.
    pub(crate) fn read(json: &Value) -> Result<Self, Unknown> {
        let vector = object(json, "vector")?;
        known_members(vector, VECTOR_MEMBERS, "vector")?;
        text_member(vector, "name")?;
        text_member(vector, "producer")?;
        Ok(Self {
            operation: text_member(vector, "operation")?,
            args: object_member(vector, "args")?,
            expected: object_member(vector, "expected")?,
            checks: texts(vector, "checks")?,
            library_added: texts(vector, "library_added")?,
        })
    }
}

/// Every member of `found` is one of `known`.
pub(crate) fn known_members(found: &Object, known: &[&str], what: &str) -> Result<(), Unknown> {
    match found.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Unknown(format!("member {name} of {what}"))),
    }
}

/// A member that must be text.
pub(crate) fn text_member(of: &Object, name: &str) -> Result<String, Unknown> {
    let text = of.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| Unknown(format!("{name} is not text")))
}

fn object<'j>(json: &'j Value, what: &str) -> Result<&'j Object, Unknown> {
    json.as_object()
        .ok_or_else(|| Unknown(format!("{what} is not an object")))
}

fn object_member(of: &Object, name: &str) -> Result<Object, Unknown> {
    object(of.get(name).unwrap_or(&Value::Null), name).cloned()
}

fn list<'j>(of: &'j Object, name: &str) -> Result<&'j Vec<Value>, Unknown> {
    let list = of.get(name).and_then(Value::as_array);
    list.ok_or_else(|| Unknown(format!("{name} is not a list")))
}

fn texts(of: &Object, name: &str) -> Result<Vec<String>, Unknown> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = list(of, name)?.iter().map(text).collect();
    texts.ok_or_else(|| Unknown(format!("{name} is not a list of texts")))
}
