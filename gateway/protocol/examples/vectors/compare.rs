//! The check `encode`: our message against the expected one, by the rules that both sides agreed.
//!
//! JSON as values, members in any order, arrays in order; `""` and null count as absent; what the
//! library added may be missing from ours; prices and sizes by value; of the signature header only
//! presence. Every difference is a reason, in words.

use millrun_protocol::venue::okx::rest::RestRequest;
use serde_json::Value;

use crate::decimal;
use crate::okx::{Message, SIGNATURE_HEADER};
use crate::schema::{Object, Vector};

/// Members whose texts are equal by value.
const BY_VALUE: &[&str] = &[
    "px",
    "sz",
    "newPx",
    "newSz",
    "tpTriggerPx",
    "tpOrdPx",
    "slTriggerPx",
    "slOrdPx",
    "timeOut",
];
/// Members that the venue takes as number or as numeric text.
const NUMBER_OR_TEXT: &[&str] = &["timestamp"];
/// Names a header in `library_added`.
const HEADER_PREFIX: &str = "header:";

/// The first difference, or nothing.
pub(crate) fn check(ours: &Message, vector: &Vector) -> Result<(), String> {
    match ours {
        Message::Http(request) => check_http(request, vector),
        Message::Frame(frame) => {
            if let Some(member) = [
                "method",
                "path",
                "query_pairs",
                "headers",
                "body",
                "body_json",
            ]
            .into_iter()
            .find(|member| vector.expected.contains_key(*member))
            {
                return Err(format!("ours is a WebSocket frame, {member} is expected"));
            }
            let expected = parsed(&vector.expected, "frame", "frame_json")?;
            let expected = expected.ok_or("no frame is expected, ours is one")?;
            compare_text(frame, &expected, vector)
        }
    }
}

fn check_http(request: &RestRequest, vector: &Vector) -> Result<(), String> {
    let expected = &vector.expected;
    if expected.contains_key("frame") || expected.contains_key("frame_json") {
        return Err("ours is an HTTP request, a frame is expected".to_owned());
    }
    equal_text(expected, "method", request.method)?;
    equal_text(expected, "path", request.path)?;
    check_query(request, vector)?;
    check_headers(request, vector)?;
    match parsed(expected, "body", "body_json")? {
        Some(body) if request.body.is_empty() => Err(format!("ours has no body, expected {body}")),
        Some(body) => compare_text(&request.body, &body, vector),
        None if request.body.is_empty() => Ok(()),
        None => Err(format!("no body is expected, ours has {}", request.body)),
    }
}

fn equal_text(expected: &Object, member: &str, ours: &str) -> Result<(), String> {
    match expected.get(member).and_then(Value::as_str) {
        Some(text) if text == ours => Ok(()),
        Some(text) => Err(format!("{member} is {ours}, expected {text}")),
        None => Err(format!("no {member} is expected, ours has {ours}")),
    }
}

/// The parsed form of a message; exact text and parsed form must say the same where both are given.
fn parsed(expected: &Object, text: &str, json: &str) -> Result<Option<Value>, String> {
    let from_text = match expected.get(text) {
        None => None,
        Some(Value::String(exact)) => {
            Some(serde_json::from_str::<Value>(exact).map_err(|error| format!("{text}: {error}"))?)
        }
        Some(_) => return Err(format!("{text} is not text")),
    };
    match (from_text, expected.get(json)) {
        (Some(from_text), Some(given)) if from_text != *given => {
            Err(format!("{text} and {json} of the vector differ"))
        }
        (from_text, given) => Ok(given.cloned().or(from_text)),
    }
}

fn check_headers(request: &RestRequest, vector: &Vector) -> Result<(), String> {
    let empty = Object::new();
    let expected = match vector.expected.get("headers") {
        None => &empty,
        Some(headers) => headers.as_object().ok_or("headers is not an object")?,
    };
    for (name, value) in expected {
        let value = value.as_str().ok_or(format!("header {name} is not text"))?;
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        let ours = request.headers.iter().find(|(known, _)| same(known));
        let optional = vector.library_added.iter().any(|added| {
            let header = added.strip_prefix(HEADER_PREFIX);
            header.is_some_and(same)
        });
        match ours {
            None if optional => {}
            None => return Err(format!("header {name} is missing")),
            Some(_) if same(SIGNATURE_HEADER) => {}
            Some((_, found)) if header_value(name, found) == header_value(name, value) => {}
            Some((_, found)) => {
                return Err(format!(
                    "header {name} is {}, expected {value}",
                    found.as_str()
                ));
            }
        }
    }
    Ok(())
}

/// A header's value; of `Content-Type` without parameters.
fn header_value<'v>(name: &str, value: &'v str) -> &'v str {
    if name.eq_ignore_ascii_case("content-type") {
        value.split(';').next().unwrap_or(value).trim()
    } else {
        value
    }
}

/// Query pairs sorted by name; values of a repeated name keep their order.
type Pairs = Vec<(String, String)>;

fn check_query(request: &RestRequest, vector: &Vector) -> Result<(), String> {
    let ours = sorted(decode_query(&request.query)?);
    let pairs = vector
        .expected
        .get("query_pairs")
        .map(read_pairs)
        .transpose()?;
    let raw = match vector.expected.get("query") {
        None => None,
        Some(Value::String(raw)) => Some(decode_query(raw)?),
        Some(_) => return Err("query is not text".to_owned()),
    };
    if let (Some(pairs), Some(raw)) = (&pairs, &raw)
        && pairs != raw
    {
        return Err("query and query_pairs of the vector differ".to_owned());
    }
    let expected = sorted(pairs.or(raw).unwrap_or_default());
    let may_miss = |(name, _): &&(String, String)| {
        vector.library_added.contains(name) && !ours.iter().any(|(known, _)| known == name)
    };
    let wanted: Pairs = expected
        .iter()
        .filter(|pair| !may_miss(pair))
        .cloned()
        .collect();
    if ours == wanted {
        return Ok(());
    }
    Err(format!("query is {ours:?}, expected {wanted:?}"))
}

fn read_pairs(value: &Value) -> Result<Pairs, String> {
    let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([Value::String(name), Value::String(text)]) => Some((name.clone(), text.clone())),
        _ => None,
    };
    let pairs = value.as_array().map(|list| list.iter().map(pair).collect());
    pairs
        .flatten()
        .ok_or_else(|| "query_pairs is not a list of pairs of texts".to_owned())
}

/// Empty values count as absent.
fn sorted(mut pairs: Pairs) -> Pairs {
    pairs.retain(|(_, value)| !value.is_empty());
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    pairs
}

fn decode_query(query: &str) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((percent_decoded(name)?, percent_decoded(value)?));
    }
    Ok(pairs)
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, behind @ ..]) => {
                let hex = [*high, *low];
                let code = std::str::from_utf8(&hex).ok();
                let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
                bytes.push(byte.ok_or(format!("{text} is not percent-encoded"))?);
                rest = behind;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn compare_text(ours: &str, expected: &Value, vector: &Vector) -> Result<(), String> {
    let ours: Value = serde_json::from_str(ours).map_err(|error| format!("ours: {error}"))?;
    compare(&ours, expected, "", &vector.library_added, "message")
}

/// Compares two values of the member `name` at `path`.
fn compare(
    ours: &Value,
    expected: &Value,
    name: &str,
    library_added: &[String],
    path: &str,
) -> Result<(), String> {
    match (ours, expected) {
        (Value::Object(ours), Value::Object(expected)) => {
            compare_objects(ours, expected, library_added, path)
        }
        (Value::Array(ours), Value::Array(expected)) => {
            if ours.len() != expected.len() {
                let (found, wanted) = (ours.len(), expected.len());
                return Err(format!("{path} has {found} elements, expected {wanted}"));
            }
            for (place, (ours, expected)) in ours.iter().zip(expected).enumerate() {
                compare(
                    ours,
                    expected,
                    name,
                    library_added,
                    &format!("{path}[{place}]"),
                )?;
            }
            Ok(())
        }
        _ if equal_scalars(ours, expected, name) => Ok(()),
        _ => Err(format!("{path} is {ours}, expected {expected}")),
    }
}

fn compare_objects(
    ours: &Object,
    expected: &Object,
    library_added: &[String],
    path: &str,
) -> Result<(), String> {
    let added = |name: &String| library_added.contains(name);
    for (name, wanted) in expected.iter().filter(|(_, value)| !is_absent(value)) {
        let inner = format!("{path}.{name}");
        match ours.get(name).filter(|value| !is_absent(value)) {
            Some(found) => compare(found, wanted, name, library_added, &inner)?,
            None if added(name) => {}
            None => return Err(format!("{inner} is missing, expected {wanted}")),
        }
    }
    for (name, found) in ours.iter().filter(|(_, value)| !is_absent(value)) {
        if expected.get(name).is_some_and(|value| !is_absent(value)) {
            continue;
        }
        if !(added(name) && as_flag(found) == Some(false)) {
            return Err(format!("{path}.{name} is {found}, expected nothing"));
        }
    }
    Ok(())
}

fn is_absent(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_str() == Some("")
}

fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn equal_scalars(ours: &Value, expected: &Value, name: &str) -> bool {
    if ours == expected {
        return true;
    }
    if let (Some(ours), Some(expected)) = (as_flag(ours), as_flag(expected)) {
        return ours == expected;
    }
    let same_kind = ours.is_string() == expected.is_string();
    let by_value = NUMBER_OR_TEXT.contains(&name) || (BY_VALUE.contains(&name) && same_kind);
    let value = |of: &Value| match of {
        Value::String(text) => decimal::canonical(text),
        Value::Number(number) => decimal::canonical(&number.to_string()),
        _ => None,
    };
    by_value && value(ours).is_some() && value(ours) == value(expected)
}
