//! Text put together from templates of fixed width: what an order's message is written with.
//!
//! A template is padded to a width that the compiler knows, so writing one is a few wide stores
//! and no call; what lies beyond its length is overwritten by what comes next. Integers become
//! digits eight at a time, without a division per digit. Invariants: never writes outside of the
//! buffer, never allocates; a buffer that is too short is remembered and told at the end. Must not
//! know: venues, JSON members. Threads: none.

use model::DecimalText;

use crate::byte_writer::BufferTooShort;

/// A text in the first bytes of `N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template<const N: usize> {
    bytes: [u8; N],
    length_bytes: usize,
}

impl<const N: usize> Template<N> {
    /// The parts behind each other.
    ///
    /// # Panics
    /// When they are longer than `N`: widths are constants that a test fills.
    pub const fn new(parts: &[&[u8]]) -> Self {
        let mut this = Self {
            bytes: [b' '; N],
            length_bytes: 0,
        };
        let mut part = 0;
        while part < parts.len() {
            let mut at = 0;
            while at < parts[part].len() {
                this.bytes[this.length_bytes] = parts[part][at];
                this.length_bytes += 1;
                at += 1;
            }
            part += 1;
        }
        this
    }
}

/// Writes templates, digits and decimals behind each other into a borrowed buffer.
pub struct TemplateWriter<'a> {
    out: &'a mut [u8],
    length_bytes: usize,
    overflowed: bool,
}

impl<'a> TemplateWriter<'a> {
    /// Writes from the start of `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self {
            out,
            length_bytes: 0,
            overflowed: false,
        }
    }

    /// Bytes written so far.
    #[inline(always)]
    pub fn position(&self) -> usize {
        self.length_bytes
    }

    /// Appends a template's text. Needs room for its whole width.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, template: &Template<N>) {
        self.put_wide(&template.bytes, template.length_bytes);
    }

    /// Appends what was written from `begin` on, `length_bytes` of at most `N`, once more.
    #[inline(always)]
    pub fn repeat<const N: usize>(&mut self, begin: usize, length_bytes: usize) {
        let mut copy = [0; N];
        match self.out.get(begin..begin.saturating_add(N)) {
            Some(written) => copy.copy_from_slice(written),
            None => self.overflowed = true,
        }
        self.put_wide(&copy, length_bytes.min(N));
    }

    /// Appends decimal digits.
    #[inline(always)]
    pub fn put_integer(&mut self, integer: u64) {
        const CHUNK: u64 = 100_000_000;
        if integer < CHUNK {
            return self.put_first_digits(integer as u32);
        }
        let (high, low) = (integer / CHUNK, (integer % CHUNK) as u32);
        if high < CHUNK {
            self.put_first_digits(high as u32);
        } else {
            self.put_first_digits((high / CHUNK) as u32);
            self.put_wide(&text_of(eight_digits((high % CHUNK) as u32)), 8);
        }
        self.put_wide(&text_of(eight_digits(low)), 8);
    }

    /// Appends `units` x 10^-`scale` as [`DecimalText`] writes it.
    #[inline(always)]
    pub fn put_decimal(&mut self, units: i64, scale: u8) {
        const FRACTION_DIGITS: usize = 8;
        let Ok(magnitude) = u64::try_from(units) else {
            return self.put_slowly(units, scale);
        };
        let scale_at = usize::from(scale);
        if scale_at > FRACTION_DIGITS {
            return self.put_slowly(units, scale);
        }
        let (whole, fraction) = (magnitude / TENS[scale_at], magnitude % TENS[scale_at]);
        self.put_integer(whole);
        if fraction != 0 {
            let digits = eight_digits((fraction * TENS[FRACTION_DIGITS - scale_at]) as u32);
            // Bytes that are zero at the high end are the text's needless zeros.
            let kept = FRACTION_DIGITS - (digits.leading_zeros() / 8) as usize;
            self.put_wide(b".", 1);
            self.put_wide(&text_of(digits), kept);
        }
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

    #[cold]
    #[inline(never)]
    fn put_slowly(&mut self, units: i64, scale: u8) {
        let text = DecimalText::new(units, scale);
        for byte in text.as_bytes() {
            self.put_wide(&[*byte], 1);
        }
    }

    /// Digits of a number below 10^8, without zeros before them.
    #[inline(always)]
    fn put_first_digits(&mut self, integer: u32) {
        let digits = eight_digits(integer);
        // Bytes that are zero at the low end are zeros before the number; one digit always stays.
        let skipped = (digits.trailing_zeros() / 8).min(7);
        self.put_wide(&text_of(digits >> (8 * skipped)), 8 - skipped as usize);
    }

    #[inline(always)]
    fn put_wide<const N: usize>(&mut self, bytes: &[u8; N], length_bytes: usize) {
        let at = self.length_bytes;
        match self.out.get_mut(at..at + N) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length_bytes = at + length_bytes;
            }
            None => self.overflowed = true,
        }
    }
}

/// 10^0 to 10^8.
const TENS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// The eight decimal digits of a number below 10^8, one a byte, the first one lowest: three rounds
/// of splitting all lanes in halves by multiplication.
#[inline(always)]
const fn eight_digits(integer: u32) -> u64 {
    let integer = integer as u64;
    // Two lanes of 32 bits with four digits each.
    let fours = (integer / 10_000) | ((integer % 10_000) << 32);
    // Four lanes of 16 bits: x * 10486 >> 20 is x / 100 below 10,000.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    // Eight lanes of 8 bits: x * 103 >> 10 is x / 10 below 100.
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

#[inline(always)]
const fn text_of(digits: u64) -> [u8; 8] {
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut TemplateWriter<'_>)) -> String {
        let mut out = [0xff; 96];
        let mut writer = TemplateWriter::new(&mut out);
        write(&mut writer);
        let length = writer.finish().unwrap();
        String::from_utf8(out[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_two_multiplications_split_every_pair_and_every_four_digits_as_division_does() {
        for number in 0..10_000_u64 {
            assert_eq!((number * 10_486) >> 20, number / 100);
        }
        for number in 0..100_u64 {
            assert_eq!((number * 103) >> 10, number / 10);
        }
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused_and_nothing_is_written_beyond_the_buffer() {
        let mut out = [0; 12];
        let mut writer = TemplateWriter::new(&mut out);
        writer.put(&Template::<8>::new(&[b"abc"]));
        writer.put(&Template::<16>::new(&[b"d"]));
        assert_eq!(writer.finish(), Err(BufferTooShort { found_bytes: 12 }));
        assert!(out.starts_with(b"abc"));
    }

    #[test]
    fn what_was_written_is_repeated_as_it_stands() {
        let text = written(|writer| {
            writer.put(&Template::<8>::new(&[b"ab", b"c"]));
            writer.repeat::<16>(1, 2);
        });
        assert_eq!(text, "abcbc");
    }

    proptest! {
        #[test]
        fn integers_are_their_digits(integer: u64, shift in 0u32..64) {
            let integer = integer >> shift;
            let text = written(|writer| writer.put_integer(integer));
            prop_assert_eq!(text, integer.to_string());
        }

        #[test]
        fn decimals_are_the_canonical_text(units: i64, shift in 0u32..64, scale in 0u8..=18) {
            let units = units >> shift;
            let text = written(|writer| writer.put_decimal(units, scale));
            let expected = DecimalText::new(units, scale);
            prop_assert_eq!(text, expected.as_str());
        }
    }
}
