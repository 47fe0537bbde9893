//! The members of an object that a decoder reads, each at most once.
//!
//! A member that stands twice makes the object malformed: which of the two the venue meant cannot
//! be known, and the two may differ. Members that are not named are passed over. Threads: none.

use model::execution_report::QuarantineReason;
use model::identifiers::Text;
use model::time::NS_PER_MS;
use model::{DecimalAmount, UnixNs};

use crate::byte_writer::{DIGITS_MAX, write_digits};
use crate::json_tape::{Json, Scalar, ScalarError};

impl From<ScalarError> for QuarantineReason {
    fn from(error: ScalarError) -> Self {
        match error {
            ScalarError::WrongKind => Self::Malformed,
            ScalarError::BadNumber => Self::BadNumber,
        }
    }
}

/// Declares the members that are read of one kind of object, and reads them in one walk.
macro_rules! json_members {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($field:ident = $key:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        $vis struct $name<V> {
            $(pub(crate) $field: Option<V>,)*
        }

        impl<V> $name<V> {
            /// No member yet.
            $vis fn none() -> Self {
                Self { $($field: None,)* }
            }

            /// The place of a member's value; `None` for members that are not read.
            #[inline]
            $vis fn place(&mut self, key: &[u8]) -> Option<&mut Option<V>> {
                /// One integer to switch on instead of a run of text comparisons.
                #[allow(non_upper_case_globals)]
                mod digest {
                    $(pub(super) const $field: u32 =
                        $crate::venue::okx::decode::key_digest($key.as_bytes());)*
                }
                match $crate::venue::okx::decode::key_digest(key) {
                    $(digest::$field if key == $key.as_bytes() => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }

        impl<'t, 'i> $name<$crate::json_tape::Json<'t, 'i>> {
            /// Reads the object's members.
            ///
            /// # Errors
            /// `Malformed` for another kind of value, and when a member stands twice.
            $vis fn read(
                object: $crate::json_tape::Json<'t, 'i>,
            ) -> Result<Self, model::execution_report::QuarantineReason> {
                let malformed = model::execution_report::QuarantineReason::Malformed;
                let mut read = Self::none();
                for (key, value) in object.members().ok_or(malformed)? {
                    let Some(place) = read.place(key.as_bytes()) else {
                        continue;
                    };
                    if place.replace(value).is_some() {
                        return Err(malformed);
                    }
                }
                Ok(read)
            }
        }
    };
}
pub(crate) use json_members;

/// Length, first, middle and last byte of a name: tells the names of one object apart, nearly
/// always.
#[inline]
pub(crate) const fn key_digest(key: &[u8]) -> u32 {
    match key {
        [] => 0,
        [first, ..] => {
            let (middle, last) = (key[key.len() / 2], key[key.len() - 1]);
            u32::from_le_bytes([key.len() as u8, *first, middle, last])
        }
    }
}

/// Reads a member that may be absent. `""` and `null` count as absent.
pub(crate) trait Member<'i> {
    /// Text, if there is any.
    fn text(&self) -> Result<Option<&'i str>, QuarantineReason>;

    /// Text that must be there.
    fn required_text(&self) -> Result<&'i str, QuarantineReason> {
        self.text()?.ok_or(QuarantineReason::MissingMember)
    }

    /// A count of 10^-`scale` units.
    fn units(&self, scale: u8) -> Result<Option<i64>, QuarantineReason>;

    /// A count of units that must be there.
    fn required_units(&self, scale: u8) -> Result<i64, QuarantineReason> {
        self.units(scale)?.ok_or(QuarantineReason::MissingMember)
    }

    /// An amount at its own scale.
    fn amount(&self) -> Result<Option<DecimalAmount>, QuarantineReason>;

    /// An id: text, or an integer that stands for its digits. Absent = empty.
    fn id<const N: usize>(&self) -> Result<Text<N>, QuarantineReason>;

    /// A code that is not negative and fits 32 bits.
    fn code(&self) -> Result<Option<u32>, QuarantineReason>;

    /// A time in milliseconds.
    fn time_ms(&self) -> Result<Option<UnixNs>, QuarantineReason>;
}

/// A value that was read of a text, by whatever means.
pub(crate) trait Value<'i>: Copy {
    /// It, if it is neither object nor array.
    fn scalar(self) -> Scalar<'i>;
}

impl<'i> Value<'i> for Json<'_, 'i> {
    fn scalar(self) -> Scalar<'i> {
        Json::scalar(self)
    }
}

/// What stands between two quotes that need no unescaping.
impl<'i> Value<'i> for &'i str {
    fn scalar(self) -> Scalar<'i> {
        Scalar::Text(self)
    }
}

impl<'i, V: Value<'i>> Member<'i> for Option<V> {
    fn text(&self) -> Result<Option<&'i str>, QuarantineReason> {
        match self {
            None => Ok(None),
            Some(value) => Ok(value.scalar().text()?),
        }
    }

    fn units(&self, scale: u8) -> Result<Option<i64>, QuarantineReason> {
        match self {
            None => Ok(None),
            Some(value) => Ok(value.scalar().units(scale)?),
        }
    }

    fn amount(&self) -> Result<Option<DecimalAmount>, QuarantineReason> {
        match self {
            None => Ok(None),
            Some(value) => Ok(value.scalar().amount()?),
        }
    }

    fn id<const N: usize>(&self) -> Result<Text<N>, QuarantineReason> {
        let mut digits = [b'0'; DIGITS_MAX];
        let text = match self.map(V::scalar) {
            Some(Scalar::Unsigned(integer)) => write_digits(integer, &mut digits),
            Some(scalar) => scalar.text()?.unwrap_or_default().as_bytes(),
            None => b"",
        };
        Text::new(text).ok_or(QuarantineReason::Malformed)
    }

    fn code(&self) -> Result<Option<u32>, QuarantineReason> {
        match self {
            None => Ok(None),
            Some(value) => match value.scalar().unsigned()? {
                None => Ok(None),
                Some(code) => u32::try_from(code)
                    .map(Some)
                    .map_err(|_| QuarantineReason::BadNumber),
            },
        }
    }

    fn time_ms(&self) -> Result<Option<UnixNs>, QuarantineReason> {
        match self {
            None => Ok(None),
            Some(value) => match value.scalar().unsigned()? {
                None => Ok(None),
                Some(ms) => ms
                    .checked_mul(NS_PER_MS)
                    .map(|ns| Some(UnixNs(ns)))
                    .ok_or(QuarantineReason::BadNumber),
            },
        }
    }
}
