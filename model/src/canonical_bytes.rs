//! Values <-> canonical bytes: little-endian, no padding, one form per value.
//!
//! Owns the two traits and the two macros by which every journaled type gets its bytes. Invariant:
//! `take(put(v)) == v`, and bytes that no `put` could have made are refused, so a damaged or
//! foreign record never becomes a value. Nothing here allocates but the `Vec` implementations.

/// Where canonical bytes go: a `Vec` in tests and on the cold side, the mapped journal when live.
pub trait ByteSink {
    /// Appends `bytes`.
    ///
    /// # Panics
    /// A bounded sink panics when it is full: its room was reserved beforehand, so this is a bug.
    fn put(&mut self, bytes: &[u8]);
}

impl ByteSink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A sink that only counts, to size a record before it is written.
#[derive(Debug, Default, Clone, Copy)]
pub struct CountingSink {
    /// Bytes put so far.
    pub bytes: usize,
}

impl ByteSink for CountingSink {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
    }
}

/// A cursor over bytes that are not trusted.
#[derive(Debug, Clone, Copy)]
pub struct ByteSource<'a> {
    bytes: &'a [u8],
}

impl<'a> ByteSource<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Takes exactly `count` bytes.
    ///
    /// # Errors
    /// [`BytesError::TooShort`] with nothing taken.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], BytesError> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(head)
            }
            None => Err(BytesError::TooShort {
                wanted: count,
                found: self.bytes.len(),
            }),
        }
    }

    /// Asserts that nothing is left.
    ///
    /// # Errors
    /// [`BytesError::Trailing`] with the count of bytes that nobody asked for.
    pub fn finish(self) -> Result<(), BytesError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(BytesError::Trailing {
                found: self.bytes.len(),
            })
        }
    }
}

/// Why bytes are not the value that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BytesError {
    /// The bytes end inside the value.
    TooShort {
        /// Bytes that the value needs next.
        wanted: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// Bytes are left behind the value.
    Trailing {
        /// How many.
        found: usize,
    },
    /// A tag, flag or length that the type does not have.
    Invalid {
        /// The type that refused.
        what: &'static str,
        /// The value found.
        found: u64,
    },
}

impl core::fmt::Display for BytesError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooShort { wanted, found } => {
                write!(f, "record ends early: {wanted} bytes wanted, {found} there")
            }
            Self::Trailing { found } => write!(f, "{found} bytes too many behind the record"),
            Self::Invalid { what, found } => write!(f, "{found} is not a {what}"),
        }
    }
}

impl std::error::Error for BytesError {}

/// A value with exactly one byte form.
pub trait CanonicalBytes: Sized {
    /// Appends the value's bytes.
    fn put(&self, sink: &mut impl ByteSink);

    /// Reads the value back.
    ///
    /// # Errors
    /// [`BytesError`] when the bytes are short or hold a value that `put` never writes.
    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError>;
}

macro_rules! integer_bytes {
    ($($int:ty),*) => {$(
        impl CanonicalBytes for $int {
            #[inline]
            fn put(&self, sink: &mut impl ByteSink) {
                sink.put(&self.to_le_bytes());
            }
            fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
                let mut bytes = [0; size_of::<$int>()];
                bytes.copy_from_slice(source.take(size_of::<$int>())?);
                Ok(<$int>::from_le_bytes(bytes))
            }
        }
    )*};
}
integer_bytes!(u8, u16, u32, u64, u128, i64, i128);

impl CanonicalBytes for bool {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        sink.put(&[u8::from(*self)]);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        match u8::take(source)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(BytesError::Invalid {
                what: "bool",
                found: u64::from(other),
            }),
        }
    }
}

impl<T: CanonicalBytes> CanonicalBytes for Option<T> {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            None => sink.put(&[0]),
            Some(value) => {
                sink.put(&[1]);
                value.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        if bool::take(source)? {
            T::take(source).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<T: CanonicalBytes, U: CanonicalBytes> CanonicalBytes for (T, U) {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.0.put(sink);
        self.1.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        Ok((T::take(source)?, U::take(source)?))
    }
}

/// A fixed number of places, each taken or not.
impl<T: CanonicalBytes + Copy, const N: usize> CanonicalBytes for [Option<T>; N] {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        for place in self {
            place.put(sink);
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let mut places = [None; N];
        for place in &mut places {
            *place = CanonicalBytes::take(source)?;
        }
        Ok(places)
    }
}

/// A list with a 16-bit count before it.
impl<T: CanonicalBytes> CanonicalBytes for Vec<T> {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        put_list(self, sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let mut list = Self::new();
        take_list(&mut list, source)?;
        Ok(list)
    }
}

/// Takes a list as [`Vec`] does into one that is there, which keeps its room.
///
/// # Errors
/// As of its elements, and a count that the bytes left cannot hold.
pub fn take_list<T: CanonicalBytes>(
    into: &mut Vec<T>,
    source: &mut ByteSource<'_>,
) -> Result<(), BytesError> {
    into.clear();
    let count = u16::take(source)?;
    // Every element takes a byte or more: a count beyond the bytes left is refused before
    // anything is reserved for it.
    if usize::from(count) > source.remaining() {
        return Err(BytesError::TooShort {
            wanted: count.into(),
            found: source.remaining(),
        });
    }
    into.reserve(count.into());
    for _ in 0..count {
        into.push(T::take(source)?);
    }
    Ok(())
}

/// Puts a slice as [`Vec`] does.
///
/// # Panics
/// If the slice has more than 65,535 elements: every list that is journaled is bounded below that.
pub fn put_list<T: CanonicalBytes>(list: &[T], sink: &mut impl ByteSink) {
    let count = u16::try_from(list.len()).expect("journaled lists are bounded by 65,535");
    count.put(sink);
    for element in list {
        element.put(sink);
    }
}

/// Puts the count of a list that may be longer than a journaled one: 32 bits.
///
/// # Panics
/// If the list has more than 2^32 - 1 elements.
pub fn put_count(count: usize, sink: &mut impl ByteSink) {
    let count = u32::try_from(count).expect("lists of a state are counted in 32 bits");
    count.put(sink);
}

/// Takes a 32-bit count, refused when fewer bytes are left than there are elements.
///
/// # Errors
/// [`BytesError::TooShort`].
pub fn take_count(source: &mut ByteSource<'_>) -> Result<usize, BytesError> {
    let wanted = usize::try_from(u32::take(source)?).unwrap_or(usize::MAX);
    if wanted > source.remaining() {
        return Err(BytesError::TooShort {
            wanted,
            found: source.remaining(),
        });
    }
    Ok(wanted)
}

/// Declares a struct whose bytes are its fields' bytes in order.
#[macro_export]
macro_rules! canonical_struct {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty,)*
    }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $ty,)* }
        impl $crate::canonical_bytes::CanonicalBytes for $name {
            #[inline]
            fn put(&self, sink: &mut impl $crate::canonical_bytes::ByteSink) {
                $($crate::canonical_bytes::CanonicalBytes::put(&self.$field, sink);)*
            }
            fn take(
                source: &mut $crate::canonical_bytes::ByteSource<'_>,
            ) -> Result<Self, $crate::canonical_bytes::BytesError> {
                Ok(Self { $($field: $crate::canonical_bytes::CanonicalBytes::take(source)?,)* })
            }
        }
    };
}

/// Declares a field-less enum with fixed `u8` numbers, its checked reading, and its stable names.
#[macro_export]
macro_rules! canonical_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $number:literal as $text:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        $vis enum $name { $($(#[$variant_meta])* $variant = $number,)* }
        impl $name {
            /// Every variant, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The number that stands for the variant in bytes.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }
            /// The variant of a number, if there is one.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
            /// The stable name that people and other programs see.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
        impl $crate::canonical_bytes::CanonicalBytes for $name {
            #[inline]
            fn put(&self, sink: &mut impl $crate::canonical_bytes::ByteSink) {
                sink.put(&[self.number()]);
            }
            fn take(
                source: &mut $crate::canonical_bytes::ByteSource<'_>,
            ) -> Result<Self, $crate::canonical_bytes::BytesError> {
                let number = <u8 as $crate::canonical_bytes::CanonicalBytes>::take(source)?;
                Self::from_number(number).ok_or($crate::canonical_bytes::BytesError::Invalid {
                    what: stringify!($name),
                    found: u64::from(number),
                })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_longer_than_its_bytes_is_refused_before_anything_is_reserved() {
        let bytes = [0xff, 0xff, 1, 2];
        let error = Vec::<u8>::take(&mut ByteSource::new(&bytes)).unwrap_err();
        assert_eq!(
            error,
            BytesError::TooShort {
                wanted: 65_535,
                found: 2
            }
        );
    }

    #[test]
    fn a_flag_that_is_neither_zero_nor_one_is_refused() {
        let error = bool::take(&mut ByteSource::new(&[2])).unwrap_err();
        assert_eq!(
            error,
            BytesError::Invalid {
                what: "bool",
                found: 2
            }
        );
    }
}
