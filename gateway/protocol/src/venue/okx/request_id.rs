//! The text that ties an OKX reply to one command of one order, and back.
//!
//! `{client_order_id}{n|c|r}{command_seq}`, and `x{send_no}` behind it from the second sending on.
//! At most 29 of the 32 letters and digits that OKX echoes (okx.com/docs-v5, "WS / Place order",
//! parameter `id`; "Amend order", parameter `reqId`). Reading it back is a pure function, so a
//! reply needs no table of requests under way. Must not know: frames, JSON. Threads: none.

use model::ClientOrderId;
use model::order_request::{CommandKind, OrderIntent};

use crate::byte_writer::{DIGITS_MAX, write_digits};

/// Longest text of ours: 19 digits, a letter, 5 digits, `x`, 3 digits.
pub const REQUEST_ID_BYTES_MAX: usize = 29;
/// What OKX takes.
const VENUE_BYTES_MAX: usize = 32;
const _: () = assert!(REQUEST_ID_BYTES_MAX <= VENUE_BYTES_MAX);

/// One command of one order, as its request id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandKey {
    /// The order.
    pub client_order_id: ClientOrderId,
    /// What was asked.
    pub command: CommandKind,
    /// Which command of the order, from 1.
    pub command_seq: u16,
    /// Which sending of the command, from 1.
    pub send_no: u8,
}

impl CommandKey {
    /// The key of a command that is about to be sent.
    pub fn of(intent: &OrderIntent) -> Self {
        Self {
            client_order_id: intent.client_order_id,
            command: intent.command,
            command_seq: intent.command_seq,
            send_no: intent.send_no,
        }
    }

    /// Reads a request id back; `None` for every text that [`RequestIdText::new`] does not write.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > REQUEST_ID_BYTES_MAX {
            return None;
        }
        let letter_at = text.iter().position(|byte| !byte.is_ascii_digit())?;
        let (order, rest) = text.split_at(letter_at);
        let (letter, rest) = rest.split_first()?;
        let command = match letter {
            b'n' => CommandKind::New,
            b'c' => CommandKind::Cancel,
            b'r' => CommandKind::Replace,
            _ => return None,
        };
        let (seq, send_no) = match rest.iter().position(|byte| *byte == b'x') {
            None => (rest, 1),
            Some(at) => {
                let send_no = small_integer(&rest[at + 1..])?;
                let repeated = u8::try_from(send_no).ok().filter(|send_no| *send_no > 1)?;
                (&rest[..at], repeated)
            }
        };
        Some(Self {
            client_order_id: ClientOrderId::from_text(order)?,
            command,
            command_seq: small_integer(seq)?,
            send_no,
        })
    }
}

/// Canonical decimal digits of a positive 16-bit integer.
fn small_integer(text: &[u8]) -> Option<u16> {
    if text.len() > 5 || matches!(text, [] | [b'0', ..]) {
        return None;
    }
    let mut integer: u32 = 0;
    for byte in text {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        integer = integer * 10 + u32::from(digit);
    }
    u16::try_from(integer).ok()
}

/// The text of a request id, on the stack.
#[derive(Clone, Copy)]
pub struct RequestIdText {
    bytes: [u8; REQUEST_ID_BYTES_MAX],
    length_bytes: usize,
    order_bytes: usize,
}

impl RequestIdText {
    /// Writes the text of `key`.
    pub fn new(key: &CommandKey) -> Self {
        let mut text = Self {
            bytes: [0; REQUEST_ID_BYTES_MAX],
            length_bytes: 0,
            order_bytes: 0,
        };
        text.put_integer(key.client_order_id.integer());
        text.order_bytes = text.length_bytes;
        text.put(match key.command {
            CommandKind::New => b"n",
            CommandKind::Cancel => b"c",
            CommandKind::Replace => b"r",
        });
        text.put_integer(u64::from(key.command_seq));
        if key.send_no > 1 {
            text.put(b"x");
            text.put_integer(u64::from(key.send_no));
        }
        text
    }

    /// The bytes: letters and digits only.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length_bytes]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        ascii(self.as_bytes())
    }

    /// The client order id's digits, with which the text begins.
    pub fn client_order_id(&self) -> &str {
        ascii(&self.bytes[..self.order_bytes])
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length_bytes + bytes.len();
        self.bytes[self.length_bytes..end].copy_from_slice(bytes);
        self.length_bytes = end;
    }

    fn put_integer(&mut self, integer: u64) {
        let mut digits = [b'0'; DIGITS_MAX];
        self.put(write_digits(integer, &mut digits));
    }
}

fn ascii(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).expect("only ASCII letters and digits are written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(integer: u64, command: CommandKind, command_seq: u16, send_no: u8) -> CommandKey {
        CommandKey {
            client_order_id: ClientOrderId::from_integer(integer).unwrap(),
            command,
            command_seq,
            send_no,
        }
    }

    #[test]
    fn the_longest_id_fits_what_the_venue_echoes() {
        let text = RequestIdText::new(&key(u64::MAX >> 1, CommandKind::Replace, u16::MAX, u8::MAX));
        assert_eq!(text.as_bytes(), b"9223372036854775807r65535x255");
        assert_eq!(text.as_bytes().len(), REQUEST_ID_BYTES_MAX);
    }

    // covers: V26
    #[test]
    fn only_texts_that_we_write_are_ids_of_ours() {
        for text in [
            "",
            "1512",
            "12n",
            "n1",
            "12n0",
            "12n01",
            "12n1x1",
            "12n1x0",
            "12n1x",
            "12n1x256",
            "12n65536",
            "012n1",
            "12q1",
            "12N1",
            "12n1 ",
            " 12n1",
            "12n1x2x3",
            "12n-1",
            "9223372036854775808n1",
            "99999999999999999999999999999n1",
            "rq7",
        ] {
            assert_eq!(CommandKey::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            CommandKey::parse(b"12c3"),
            Some(key(12, CommandKind::Cancel, 3, 1))
        );
    }

    proptest! {
        #[test]
        fn every_key_survives_its_text(
            integer in 1..=u64::MAX >> 1, kind in 1u8..=3, seq in 1..=u16::MAX, send in 1..=u8::MAX,
        ) {
            let key = key(integer, CommandKind::from_number(kind).unwrap(), seq, send);
            let text = RequestIdText::new(&key);
            prop_assert!(text.as_bytes().iter().all(u8::is_ascii_alphanumeric));
            prop_assert_eq!(CommandKey::parse(text.as_bytes()), Some(key));
        }

        #[test]
        fn whatever_parses_is_written_back_as_the_same_text(
            text in "[0-9]{0,20}[a-z]?[0-9x]{0,8}",
        ) {
            if let Some(key) = CommandKey::parse(text.as_bytes()) {
                let again = RequestIdText::new(&key);
                prop_assert_eq!(again.as_bytes(), text.as_bytes());
            }
        }
    }
}
