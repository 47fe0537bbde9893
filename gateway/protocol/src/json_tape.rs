//! JSON read once, front to back, from a simd-json tape whose memory is kept.
//!
//! Owns the parser's buffers and a read-only view of one parsed value. Invariants: after
//! [`TapeBuffers::new`] parsing a text within the limit allocates nothing; no input panics; members
//! come in the order they were written. The parser rewrites its input (it unescapes in place).
//! Must not know: venues. Threads: none.

use model::decimal_text::{DecimalAmount, DecimalError, parse_units};
use simd_json::{Buffers, Node, StaticNode, Tape};

use crate::byte_writer::{DIGITS_MAX, write_digits};

/// Deepest nesting that is read; venues' messages have six levels at most.
const DEPTH_MAX: usize = 32;

/// The text is not JSON, or nests too deeply, or has an integer beyond 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson;

/// The parser's memory.
pub struct TapeBuffers {
    buffers: Buffers,
    tape: Tape<'static>,
}

impl TapeBuffers {
    /// Memory for texts of up to `limit_bytes`; longer ones are read too, and allocate.
    pub fn new(limit_bytes: usize) -> Self {
        let mut this = Self {
            buffers: Buffers::with_max_depth(limit_bytes, DEPTH_MAX),
            tape: Tape(Vec::new()),
        };
        // The worst texts fill every inner buffer once: one value per two bytes, then the deepest
        // nesting. An unfinished list of openings makes one structural index per byte.
        let mut values = vec![b'0'; limit_bytes.max(2)];
        for (place, byte) in values.iter_mut().enumerate() {
            if place % 2 == 1 {
                *byte = b',';
            }
        }
        values[0] = b'[';
        let _ = this.parse(&mut values, |_| ());
        let mut openings = vec![b'['; limit_bytes.max(2)];
        let _ = this.parse(&mut openings, |_| ());
        this
    }

    /// Parses `text` and hands the value to `read`. `text` is spoilt afterwards.
    ///
    /// # Errors
    /// [`NotJson`].
    pub fn parse<'i, R>(
        &mut self,
        text: &'i mut [u8],
        read: impl FnOnce(Json<'_, 'i>) -> R,
    ) -> Result<R, NotJson> {
        let mut tape: Tape<'i> = core::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let filled = simd_json::fill_tape(text, &mut self.buffers, &mut tape);
        let result = match filled {
            Ok(()) => Ok(read(Json { nodes: &tape.0 })),
            Err(_) => Err(NotJson),
        };
        self.tape = tape.reset();
        result
    }
}

/// One value of the tape.
#[derive(Debug, Clone, Copy)]
pub struct Json<'t, 'i> {
    /// The value's own node first, then all that is inside it, then what follows it.
    nodes: &'t [Node<'i>],
}

/// A value that is neither object nor array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'i> {
    /// `null`.
    Null,
    /// A string, unescaped.
    Text(&'i str),
    /// A number without point or exponent that is not negative.
    Unsigned(u64),
    /// A negative number without point or exponent.
    Negative(i64),
    /// A number with a point or an exponent, as the parser rounds it.
    Rounded(f64),
    /// `true` or `false`.
    Flag(bool),
    /// An object or array, where none is expected.
    Nested,
}

/// Why a scalar is not what the member should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarError {
    /// A value of another kind.
    WrongKind,
    /// Not a number, or not one that the scale holds exactly.
    BadNumber,
}

impl<'t, 'i> Json<'t, 'i> {
    /// The members of an object in the order they were written; `None` for other values.
    pub fn members(self) -> Option<Members<'t, 'i>> {
        match self.nodes.split_first()? {
            (Node::Object { len, .. }, rest) => Some(Members {
                left: *len,
                nodes: rest,
            }),
            _ => None,
        }
    }

    /// The elements of an array; `None` for other values.
    pub fn elements(self) -> Option<Elements<'t, 'i>> {
        match self.nodes.split_first()? {
            (Node::Array { len, .. }, rest) => Some(Elements {
                left: *len,
                nodes: rest,
            }),
            _ => None,
        }
    }

    /// The value itself.
    pub fn scalar(self) -> Scalar<'i> {
        match self.nodes.first() {
            Some(Node::String(text)) => Scalar::Text(text),
            Some(Node::Static(StaticNode::U64(integer))) => Scalar::Unsigned(*integer),
            Some(Node::Static(StaticNode::I64(integer))) => match u64::try_from(*integer) {
                Ok(unsigned) => Scalar::Unsigned(unsigned),
                Err(_) => Scalar::Negative(*integer),
            },
            Some(Node::Static(StaticNode::F64(number))) => Scalar::Rounded(*number),
            Some(Node::Static(StaticNode::Bool(flag))) => Scalar::Flag(*flag),
            Some(Node::Static(StaticNode::Null)) => Scalar::Null,
            Some(Node::Object { .. } | Node::Array { .. }) | None => Scalar::Nested,
        }
    }

    /// Nodes that the value takes.
    fn span(self) -> usize {
        match self.nodes.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => count + 1,
            _ => 1,
        }
    }
}

/// Iterates over the members of an object.
pub struct Members<'t, 'i> {
    left: usize,
    nodes: &'t [Node<'i>],
}

impl<'t, 'i> Iterator for Members<'t, 'i> {
    type Item = (&'i str, Json<'t, 'i>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (Node::String(key), rest) = self.nodes.split_first()? else {
            return None;
        };
        let value = Json { nodes: rest };
        self.nodes = rest.get(value.span()..)?;
        Some((key, value))
    }
}

/// Iterates over the elements of an array.
pub struct Elements<'t, 'i> {
    left: usize,
    nodes: &'t [Node<'i>],
}

impl<'t, 'i> Iterator for Elements<'t, 'i> {
    type Item = Json<'t, 'i>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let value = Json { nodes: self.nodes };
        self.nodes = self.nodes.get(value.span()..)?;
        Some(value)
    }
}

impl<'i> Scalar<'i> {
    /// A text; `None` for `""` and `null`, which venues write for "no value".
    ///
    /// # Errors
    /// [`ScalarError::WrongKind`].
    pub fn text(self) -> Result<Option<&'i str>, ScalarError> {
        match self {
            Self::Null | Self::Text("") => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(ScalarError::WrongKind),
        }
    }

    /// A count of 10^-`scale` units, from text or number; `None` for `""` and `null`.
    ///
    /// A number with a point or exponent is taken as the shortest decimal of its binary value: the
    /// text itself is gone, and up to 15 digits this is what was written. Longer ones are refused.
    ///
    /// # Errors
    /// [`ScalarError`]: nothing is rounded to the scale.
    pub fn units(self, scale: u8) -> Result<Option<i64>, ScalarError> {
        self.decimal(|text| parse_units(text, scale))
    }

    /// An amount at its own scale, else as [`Self::units`].
    ///
    /// # Errors
    /// [`ScalarError`]: nothing is rounded.
    pub fn amount(self) -> Result<Option<DecimalAmount>, ScalarError> {
        self.decimal(DecimalAmount::parse)
    }

    fn decimal<T>(
        self,
        read: impl FnOnce(&[u8]) -> Result<T, DecimalError>,
    ) -> Result<Option<T>, ScalarError> {
        let mut shortest = ShortText::default();
        let mut digits = [b'0'; DIGITS_MAX];
        let parsed = match self {
            Self::Null | Self::Text("") => return Ok(None),
            Self::Text(text) => read(text.as_bytes()),
            Self::Unsigned(integer) => read(write_digits(integer, &mut digits)),
            Self::Negative(integer) => {
                shortest.put(b"-");
                shortest.put(write_digits(integer.unsigned_abs(), &mut digits));
                read(shortest.as_bytes())
            }
            Self::Rounded(number) => {
                let fits = core::fmt::write(&mut shortest, format_args!("{number}")).is_ok();
                if !fits || shortest.significant_digits() > ROUNDED_DIGITS_MAX {
                    return Err(ScalarError::BadNumber);
                }
                read(shortest.as_bytes())
            }
            Self::Flag(_) | Self::Nested => return Err(ScalarError::WrongKind),
        };
        match parsed {
            Ok(value) => Ok(Some(value)),
            Err(DecimalError::BadScale { .. } | DecimalError::Empty) => Err(ScalarError::WrongKind),
            Err(_) => Err(ScalarError::BadNumber),
        }
    }

    /// An integer that is not negative, from text or number; `None` for `""` and `null`.
    ///
    /// # Errors
    /// [`ScalarError`].
    pub fn unsigned(self) -> Result<Option<u64>, ScalarError> {
        match self.units(0)? {
            None => Ok(None),
            Some(units) => u64::try_from(units)
                .map(Some)
                .map_err(|_| ScalarError::BadNumber),
        }
    }
}

/// Decimal digits that a 64-bit float always keeps.
const ROUNDED_DIGITS_MAX: usize = 15;

/// A short text on the stack; writing more than fits is an error.
#[derive(Default)]
struct ShortText {
    bytes: [u8; 32],
    length_bytes: usize,
}

impl ShortText {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length_bytes]
    }

    fn put(&mut self, bytes: &[u8]) -> bool {
        let end = self.length_bytes + bytes.len();
        match self.bytes.get_mut(self.length_bytes..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length_bytes = end;
                true
            }
            None => false,
        }
    }

    fn significant_digits(&self) -> usize {
        let digits = || self.as_bytes().iter().filter(|byte| byte.is_ascii_digit());
        let leading = digits().take_while(|byte| **byte == b'0').count();
        digits().count() - leading
    }
}

impl core::fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        if self.put(text.as_bytes()) {
            Ok(())
        } else {
            Err(core::fmt::Error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_scalar(text: &str, check: impl FnOnce(Scalar<'_>)) {
        let mut bytes = text.as_bytes().to_vec();
        let mut buffers = TapeBuffers::new(64);
        buffers
            .parse(&mut bytes, |json| {
                check(json.elements().unwrap().next().unwrap().scalar());
            })
            .unwrap();
    }

    // covers: V18
    #[test]
    fn a_number_is_the_same_as_text_and_as_json_number() {
        type Row = (&'static str, u8, Result<Option<i64>, ScalarError>);
        let table: &[Row] = &[
            (r#"["0.25"]"#, 2, Ok(Some(25))),
            ("[0.25]", 2, Ok(Some(25))),
            ("[2.5e-1]", 2, Ok(Some(25))),
            (r#"["2.5e-1"]"#, 2, Ok(Some(25))),
            ("[64123.5]", 3, Ok(Some(64_123_500))),
            ("[0.001]", 2, Err(ScalarError::BadNumber)),
            ("[7]", 2, Ok(Some(700))),
            ("[-7]", 0, Ok(Some(-7))),
            ("[-9223372036854775808]", 0, Ok(Some(i64::MIN))),
            ("[18446744073709551615]", 0, Err(ScalarError::BadNumber)),
            ("[1e300]", 0, Err(ScalarError::BadNumber)),
            ("[0.12345678901234567]", 18, Err(ScalarError::BadNumber)),
            (r#"[""]"#, 2, Ok(None)),
            ("[null]", 2, Ok(None)),
            ("[true]", 2, Err(ScalarError::WrongKind)),
            ("[[]]", 2, Err(ScalarError::WrongKind)),
            (r#"["x"]"#, 2, Err(ScalarError::BadNumber)),
        ];
        for (text, scale, expected) in table {
            first_scalar(text, |scalar| {
                assert_eq!(scalar.units(*scale), *expected, "{text}");
            });
        }
    }

    #[test]
    fn members_behind_nested_values_are_found() {
        let mut text = br#"{"a":{"x":[1,{"y":2}],"z":3},"b":[[],{}],"c":"d"}"#.to_vec();
        let mut buffers = TapeBuffers::new(64);
        let keys = buffers
            .parse(&mut text, |json| {
                let members = json.members().unwrap();
                members.map(|(key, _)| key.to_owned()).collect::<Vec<_>>()
            })
            .unwrap();
        assert_eq!(keys, ["a", "b", "c"]);
    }

    #[test]
    fn too_deep_or_too_large_an_integer_is_not_json() {
        let mut buffers = TapeBuffers::new(256);
        let mut deep = [vec![b'['; 40], vec![b']'; 40]].concat();
        assert_eq!(buffers.parse(&mut deep, |_| ()), Err(NotJson));
        let mut huge = b"[123456789012345678901234567890]".to_vec();
        assert_eq!(buffers.parse(&mut huge, |_| ()), Err(NotJson));
        let mut good = b"[1]".to_vec();
        assert_eq!(buffers.parse(&mut good, |_| ()), Ok(()));
    }
}
