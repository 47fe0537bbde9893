//! A JSON object written member by member, in the venue's order, without an intermediate tree.
//!
//! Invariants: the text is always one valid object. Must not know: what members mean.

use std::fmt::Write;

use rust_decimal::Decimal;

/// Writes one object.
pub(crate) struct JsonObject {
    text: String,
}

impl JsonObject {
    pub(crate) fn new() -> Self {
        Self {
            text: String::from("{"),
        }
    }

    /// A string member.
    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.text.push_str(&quoted(value));
        self
    }

    /// Several members that are empty strings.
    pub(crate) fn blanks(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            self.text(key, "");
        }
        self
    }

    /// Several members that are the string `0`.
    pub(crate) fn zeros(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            self.text(key, "0");
        }
        self
    }

    /// A decimal as a string without trailing zeros.
    pub(crate) fn decimal(&mut self, key: &str, value: Decimal) -> &mut Self {
        self.key(key);
        let _ = write!(self.text, "\"{}\"", value.normalize());
        self
    }

    /// An integer as a string.
    pub(crate) fn integer(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        self.key(key);
        let _ = write!(self.text, "\"{value}\"");
        self
    }

    /// A member whose value is JSON already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key);
        self.text.push_str(json);
        self
    }

    pub(crate) fn finish(&mut self) -> String {
        self.text.push('}');
        std::mem::take(&mut self.text)
    }

    fn key(&mut self, key: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
    }
}

/// Text as a JSON string.
pub(crate) fn quoted(value: &str) -> String {
    let is_plain = value
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if is_plain {
        return format!("\"{value}\"");
    }
    serde_json::Value::from(value).to_string()
}

/// Decimal text without trailing zeros.
pub(crate) fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::{JsonObject, quoted};
    use rust_decimal::Decimal;

    #[test]
    fn members_come_in_the_order_written_and_decimals_lose_trailing_zeros() {
        let mut object = JsonObject::new();
        object
            .text("a", "x")
            .decimal("b", Decimal::new(1200, 3))
            .integer("c", 7)
            .raw("d", "[]");
        assert_eq!(object.finish(), r#"{"a":"x","b":"1.2","c":"7","d":[]}"#);
    }

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        assert_eq!(quoted("a\"b\n"), "\"a\\\"b\\n\"");
    }
}
