//! A push of orders in the form that the venue always writes, read without a JSON parser.
//!
//! One pass over the text finds all quotes, 16 bytes a comparison; the members are then what lies
//! between them. Only a strict subset of JSON is taken: `{"arg":{…},"data":[{…},…]}`
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

/// Places that are written together.
const PLACES_A_RUN: usize = 16;
/// Room for the places of all quotes, and for the last run.
const PLACES: usize = TEXT_BYTES_MAX + PLACES_A_RUN;
/// Behind the last quote of a text: no place of it.
const NO_QUOTES: [u16; 4] = [u16::MAX; 4];

/// The places of a text's quotes.
pub(super) struct QuotePlaces {
    places: Box<[u16; PLACES]>,
}

impl QuotePlaces {
    /// Memory for any text that is tried.
    pub(super) fn new() -> Self {
        Self {
            places: Box::new([0; PLACES]),
        }
    }

    /// Finds the quotes of a text; [`NO_QUOTES`] follow the last one. `None` when it is too long,
    /// or has an escape or a control character.
    fn find(&mut self, text: &[u8]) -> Option<&[u16]> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (blocks, rest) = text.as_chunks::<BLOCK_BYTES>();
        let mut last = [b' '; BLOCK_BYTES];
        last[..rest.len()].copy_from_slice(rest);
        let (mut count, mut unusual) = (0, 0);
        for (block, base) in blocks.iter().chain([&last]).zip((0..).step_by(BLOCK_BYTES)) {
            let seen = Seen::of(block);
            unusual |= seen.unusual;
            let mut quotes = seen.quotes;
            let mut at = count;
            count += quotes.count_ones() as usize;
            // A run of places whatever their number: a branch for each would be guessed wrong once
            // a block. What is too many is overwritten by the next block's.
            while quotes != 0 {
                let places = self.places.get_mut(at..)?;
                for place in places.first_chunk_mut::<PLACES_A_RUN>()? {
                    *place = base + quotes.trailing_zeros() as u16;
                    quotes &= quotes.wrapping_sub(1);
                }
                at += PLACES_A_RUN;
            }
        }
        let end = self.places.get_mut(count..count + NO_QUOTES.len())?;
        end.copy_from_slice(&NO_QUOTES);
        (unusual == 0).then_some(&self.places[..count + NO_QUOTES.len()])
    }
}

/// Reads a push of orders into `sink`. `None` = nothing was read, the parser must.
pub(super) fn read_orders(
    payload: &[u8],
    quotes: &mut QuotePlaces,
    table: &InstrumentTable,
    sink: &mut ReportSink<'_>,
) -> Option<()> {
    const HEAD: &[u8] = b"{\"arg\":{";
    const DATA: &[u8] = b",\"data\":[{";
    if !payload.starts_with(HEAD) {
        return None;
    }
    let mut scan = Scan {
        text: core::str::from_utf8(payload).ok()?,
        at: HEAD.len(),
        quotes: quotes.find(payload)?.get(2..)?,
    };
    scan.arg_of_orders()?;
    scan.literal(DATA)?;
    scan.quotes = scan.quotes.get(2..)?;
    if scan.orders(table, sink).is_none() {
        sink.reports.clear();
        return None;
    }
    Some(())
}

/// A place in the text. Every quote before it was come to.
struct Scan<'m, 'i> {
    text: &'i str,
    at: usize,
    quotes: &'m [u16],
}

/// What follows a member.
#[derive(PartialEq, Eq)]
enum Next {
    Member,
    End,
}

impl<'i> Scan<'_, 'i> {
    /// The text that begins here.
    fn string(&mut self) -> Option<&'i str> {
        let place = self.pass_string()?;
        self.text.get(place)
    }

    /// Passes over the text that begins here; gives its place.
    fn pass_string(&mut self) -> Option<core::ops::Range<usize>> {
        let (two, behind) = self.quotes.split_first_chunk::<2>()?;
        let [opens, closes] = two.map(usize::from);
        if opens != self.at {
            return None;
        }
        self.at = closes + 1;
        self.quotes = behind;
        Some(opens + 1..closes)
    }

    fn key(&mut self) -> Option<&'i [u8]> {
        let place = self.pass_string()?;
        let key = self.text.as_bytes().get(place)?;
        (self.byte()? == b':').then_some(key)
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// A text without quotes, or whose quotes the caller passes over.
    fn literal(&mut self, wanted: &[u8]) -> Option<()> {
        let end = self.at + wanted.len();
        if self.text.as_bytes().get(self.at..end)? != wanted {
            return None;
        }
        self.at = end;
        Some(())
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
                b',' => self.literal(b"{")?,
                b']' => break,
                _ => return None,
            }
        }
        self.literal(b"}")?;
        (self.at == self.text.len()).then_some(())
    }

    /// The rest of an order. Four quotes a member, as long as its value is a text.
    fn order(&mut self) -> Option<OrderMembers<&'i str>> {
        let bytes = self.text.as_bytes();
        let mut members = OrderMembers::none();
        loop {
            let (four, behind) = self.quotes.split_first_chunk::<4>()?;
            let [key_opens, key_closes, opens, closes] = four.map(usize::from);
            if key_opens != self.at {
                return None;
            }
            let place = members.place(bytes.get(key_opens + 1..key_closes)?);
            if *bytes.get(key_closes + 1)? != b':' {
                return None;
            }
            if opens == key_closes + 2 {
                if let Some(place) = place
                    && place.replace(self.text.get(opens + 1..closes)?).is_some()
                {
                    return None;
                }
                self.quotes = behind;
                self.at = closes + 1;
            } else if place.is_none() {
                self.quotes = self.quotes.get(2..)?;
                self.at = key_closes + 2;
                self.pass_nested()?;
            } else {
                return None;
            }
            if self.after_member()? == Next::End {
                return Some(members);
            }
        }
    }

    /// `[]`, or an object of texts.
    #[cold]
    fn pass_nested(&mut self) -> Option<()> {
        if self.text.as_bytes().get(self.at)? == &b'[' {
            self.literal(b"[]")
        } else {
            self.pass_object()
        }
    }

    /// An object of texts.
    fn pass_object(&mut self) -> Option<()> {
        self.literal(b"{")?;
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
