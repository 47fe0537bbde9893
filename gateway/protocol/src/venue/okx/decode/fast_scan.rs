//! A push of orders in the form that the venue always writes, read without a JSON parser.
//!
//! One pass over the text finds all quotes (16 bytes a comparison, one bit a byte); the members are
//! then what lies between them. Only a strict subset of JSON is taken: `{"arg":{…},"data":[{…},…]}`
//! without white space, escapes or control characters, members that are texts (a member nobody
//! reads may also be `[]`, or an object of texts), none of those that are read twice. For anything
//! else the answer is `None` and the parser decides: so everything taken here is JSON, and read by
//! the same code (`order_object.rs`). A property test compares both. Must not know:
//! what an order's members mean. Threads: none.

use wide::u8x16;

use super::ReportSink;
use super::order_object::{OrderMembers, report_push};
use crate::venue::okx::instrument_table::InstrumentTable;

/// Longest text that is tried: a dozen orders.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one word of the map.
const BLOCK_BYTES: usize = 64;

/// Where the quotes of a text are, one bit a byte.
pub(super) struct QuoteMap {
    words: Box<[u64; TEXT_BYTES_MAX / BLOCK_BYTES]>,
}

impl QuoteMap {
    /// Memory for any text that is tried.
    pub(super) fn new() -> Self {
        Self {
            words: Box::new([0; TEXT_BYTES_MAX / BLOCK_BYTES]),
        }
    }

    /// Finds the quotes of a text. `None` when it is too long, or has an escape or a control
    /// character.
    fn fill(&mut self, text: &[u8]) -> Option<&[u64]> {
        let count = text.len().div_ceil(BLOCK_BYTES);
        let words = self.words.get_mut(..count)?;
        let (blocks, rest) = text.as_chunks::<BLOCK_BYTES>();
        let mut unusual = 0;
        for (word, block) in words.iter_mut().zip(blocks) {
            let seen = Seen::of(block);
            *word = seen.quotes;
            unusual |= seen.unusual;
        }
        if let (Some(word), false) = (words.last_mut(), rest.is_empty()) {
            let mut block = [b' '; BLOCK_BYTES];
            block[..rest.len()].copy_from_slice(rest);
            let seen = Seen::of(&block);
            *word = seen.quotes;
            unusual |= seen.unusual;
        }
        (unusual == 0).then_some(words)
    }
}

/// Reads a push of orders into `sink`. `None` = nothing was read, the parser must.
pub(super) fn read_orders(
    payload: &[u8],
    quotes: &mut QuoteMap,
    table: &InstrumentTable,
    sink: &mut ReportSink<'_>,
) -> Option<()> {
    const HEAD: &[u8] = b"{\"arg\":{";
    const DATA: &[u8] = b",\"data\":[{";
    if !payload.starts_with(HEAD) {
        return None;
    }
    let words = quotes.fill(payload)?;
    let mut scan = Scan {
        text: core::str::from_utf8(payload).ok()?,
        at: HEAD.len(),
        quotes: Quotes::new(words, 2),
    };
    scan.arg_of_orders()?;
    scan.literal(DATA, 2)?;
    if scan.orders(table, sink).is_none() {
        sink.reports.clear();
        return None;
    }
    Some(())
}

/// The quotes of a text that have not been come to.
struct Quotes<'m> {
    words: &'m [u64],
    word: u64,
    base: usize,
}

impl<'m> Quotes<'m> {
    /// All but the first `skipped`.
    fn new(words: &'m [u64], skipped: usize) -> Self {
        let (first, words) = words.split_first().unwrap_or((&0, &[]));
        let mut this = Self {
            words,
            word: *first,
            base: 0,
        };
        for _ in 0..skipped {
            this.next();
        }
        this
    }

    /// The place of the next one.
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.word == 0 {
            let (first, rest) = self.words.split_first()?;
            self.word = *first;
            self.words = rest;
            self.base += BLOCK_BYTES;
        }
        let at = self.base + self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(at)
    }
}

/// A place in the text. Every quote before it was come to.
struct Scan<'m, 'i> {
    text: &'i str,
    at: usize,
    quotes: Quotes<'m>,
}

/// What follows a member.
#[derive(PartialEq, Eq)]
enum Next {
    Member,
    End,
}

impl<'i> Scan<'_, 'i> {
    /// The text that begins here.
    #[inline(always)]
    fn string(&mut self) -> Option<&'i str> {
        let place = self.pass_string()?;
        self.text.get(place)
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// A text that holds so many quotes.
    fn literal(&mut self, wanted: &[u8], quotes: u32) -> Option<()> {
        let end = self.at + wanted.len();
        if self.text.as_bytes().get(self.at..end)? != wanted {
            return None;
        }
        for _ in 0..quotes {
            self.quotes.next()?;
        }
        self.at = end;
        Some(())
    }

    /// Passes over the text that begins here; gives its place.
    #[inline(always)]
    fn pass_string(&mut self) -> Option<core::ops::Range<usize>> {
        let opens = self.quotes.next()?;
        let closes = self.quotes.next()?;
        if opens != self.at {
            return None;
        }
        self.at = closes + 1;
        Some(opens + 1..closes)
    }

    #[inline(always)]
    fn key(&mut self) -> Option<&'i [u8]> {
        let place = self.pass_string()?;
        let key = self.text.as_bytes().get(place)?;
        (self.byte()? == b':').then_some(key)
    }

    #[inline(always)]
    fn after_member(&mut self) -> Option<Next> {
        match self.byte()? {
            b',' => Some(Next::Member),
            b'}' => Some(Next::End),
            _ => None,
        }
    }

    /// The rest of `arg`, which must say that orders follow.
    fn arg_of_orders(&mut self) -> Option<()> {
        let mut channel = None;
        loop {
            let (key, value) = (self.key()?, self.string()?);
            if key == b"channel" && channel.replace(value).is_some() {
                return None;
            }
            if self.after_member()? == Next::End {
                return (channel == Some("orders")).then_some(());
            }
        }
    }

    /// The orders and the end of the text.
    fn orders(&mut self, table: &InstrumentTable, sink: &mut ReportSink<'_>) -> Option<()> {
        loop {
            let members = self.order()?;
            report_push(&members, table, sink);
            match self.byte()? {
                b',' => self.literal(b"{", 0)?,
                b']' => break,
                _ => return None,
            }
        }
        self.literal(b"}", 0)?;
        (self.at == self.text.len()).then_some(())
    }

    /// The rest of an order.
    fn order(&mut self) -> Option<OrderMembers<&'i str>> {
        let mut members = OrderMembers::none();
        loop {
            let key = self.key()?;
            let place = members.place(key);
            match self.text.as_bytes().get(self.at)? {
                b'"' => {
                    let value = self.pass_string()?;
                    if let Some(place) = place
                        && place.replace(self.text.get(value)?).is_some()
                    {
                        return None;
                    }
                }
                _ if place.is_some() => return None,
                b'[' => self.literal(b"[]", 0)?,
                _ => self.pass_object()?,
            }
            if self.after_member()? == Next::End {
                return Some(members);
            }
        }
    }

    /// An object of texts.
    fn pass_object(&mut self) -> Option<()> {
        self.literal(b"{", 0)?;
        loop {
            self.key()?;
            self.pass_string()?;
            if self.after_member()? == Next::End {
                return Some(());
            }
        }
    }
}

/// What 64 bytes of text hold, one bit a byte.
struct Seen {
    quotes: u64,
    /// Not zero when there is an escape or a control character.
    unusual: u32,
}

impl Seen {
    #[inline(always)]
    fn of(block: &[u8; BLOCK_BYTES]) -> Self {
        let (lanes, _) = block.as_chunks::<16>();
        let (mut quotes, mut unusual) = (0, u8x16::ZERO);
        for (place, lane) in lanes.iter().enumerate() {
            let bytes = u8x16::new(*lane);
            let in_lane = bytes.simd_eq(u8x16::splat(b'"')).to_bitmask();
            quotes |= u64::from(in_lane) << (16 * place);
            let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
            unusual = unusual | control | bytes.simd_eq(u8x16::splat(b'\\'));
        }
        Self {
            quotes,
            unusual: unusual.to_bitmask(),
        }
    }
}
