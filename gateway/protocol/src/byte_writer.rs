//! Bytes appended to a caller's fixed buffer: what every encoder of this crate writes with.
//!
//! Owns the running length and the one overflow flag, so that encoders are straight lines of `put`
//! and check once, at the end. Invariant: never writes beyond the buffer, never allocates. Must not
//! know: venues, JSON members. Threads: none.

/// The buffer was too short for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferTooShort {
    /// Bytes of the buffer.
    pub found_bytes: usize,
}

/// Appends to a borrowed buffer and remembers when it did not fit.
pub struct ByteWriter<'a> {
    out: &'a mut [u8],
    length_bytes: usize,
    overflowed: bool,
}

impl<'a> ByteWriter<'a> {
    /// Writes from the start of `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self {
            out,
            length_bytes: 0,
            overflowed: false,
        }
    }

    /// Appends `bytes` as they are.
    #[inline(always)]
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.length_bytes.saturating_add(bytes.len());
        match self.out.get_mut(self.length_bytes..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length_bytes = end;
            }
            None => self.overflowed = true,
        }
    }

    /// Appends decimal digits.
    #[inline]
    pub fn put_integer(&mut self, integer: u64) {
        let mut digits = [b'0'; DIGITS_MAX];
        self.put(write_digits(integer, &mut digits));
    }

    /// Appends a JSON string with its quotes; escapes what JSON must escape.
    #[inline]
    pub fn put_json_text(&mut self, text: &[u8]) {
        // No early exit: the whole text is looked at in one branch-free pass.
        let plain = text
            .iter()
            .fold(true, |plain, byte| plain & !needs_escape(*byte));
        let end = self
            .length_bytes
            .saturating_add(text.len())
            .saturating_add(2);
        match self.out.get_mut(self.length_bytes..end) {
            Some([first, inner @ .., last]) if plain => {
                *first = b'"';
                inner.copy_from_slice(text);
                *last = b'"';
                self.length_bytes = end;
            }
            _ => self.put_escaped(text),
        }
    }

    #[cold]
    fn put_escaped(&mut self, text: &[u8]) {
        self.put(b"\"");
        let mut rest = text;
        while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
            let (plain, special) = rest.split_at(at);
            self.put(plain);
            match special[0] {
                b'"' => self.put(b"\\\""),
                b'\\' => self.put(b"\\\\"),
                control => {
                    let low = b"0123456789abcdef"[usize::from(control & 0x0f)];
                    self.put(&[b'\\', b'u', b'0', b'0', b'0' + (control >> 4), low]);
                }
            }
            rest = &special[1..];
        }
        self.put(rest);
        self.put(b"\"");
    }

    /// The bytes written.
    ///
    /// # Errors
    /// [`BufferTooShort`] when anything did not fit; the buffer's content is then of no use.
    pub fn finish(self) -> Result<usize, BufferTooShort> {
        if self.overflowed {
            return Err(BufferTooShort {
                found_bytes: self.out.len(),
            });
        }
        Ok(self.length_bytes)
    }
}

/// RFC 8259, section 7.
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Digits of the largest 64-bit integer.
pub const DIGITS_MAX: usize = 20;

/// The two digits of each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Decimal digits of `integer`, right-aligned in `digits`. Two at a time: half the divisions.
#[inline]
pub fn write_digits(mut integer: u64, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut start = DIGITS_MAX;
    while integer >= 10 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[(integer % 100) as usize]);
        integer /= 100;
    }
    // What is left has one digit, or none if the number had an even count of them.
    if integer > 0 || start == DIGITS_MAX {
        start -= 1;
        digits[start] = b'0' + integer as u8;
    }
    &digits[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_does_not_fit_is_refused_and_nothing_is_written_beyond_the_buffer() {
        let mut out = [0u8; 4];
        let mut writer = ByteWriter::new(&mut out);
        writer.put(b"abc");
        writer.put(b"de");
        assert_eq!(writer.finish(), Err(BufferTooShort { found_bytes: 4 }));
    }

    #[test]
    fn json_text_escapes_quotes_backslashes_and_control_bytes() {
        let mut out = [0u8; 64];
        let mut writer = ByteWriter::new(&mut out);
        writer.put_json_text(b"a\"b\\c\n\x1f");
        let length = writer.finish().unwrap();
        assert_eq!(&out[..length], br#""a\"b\\c\u000a\u001f""#);
    }

    #[test]
    fn integers_are_written_as_their_digits() {
        for integer in [0, 9, 10, 7_000_000_000_000_000_012, u64::MAX] {
            let mut digits = [0; DIGITS_MAX];
            assert_eq!(
                write_digits(integer, &mut digits),
                integer.to_string().as_bytes()
            );
        }
    }
}
