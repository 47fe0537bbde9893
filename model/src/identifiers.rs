//! Fixed-size identifiers: ours are integers, the venues' are short inline texts. No `String`.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};

macro_rules! integer_id {
    ($($(#[$meta:meta])* $name:ident($int:ty);)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
        pub struct $name(pub $int);
        impl CanonicalBytes for $name {
            #[inline]
            fn put(&self, sink: &mut impl ByteSink) {
                self.0.put(sink);
            }
            fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
                <$int>::take(source).map(Self)
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

integer_id! {
    /// One key at one venue.
    AccountId(u16);
    /// A venue of the configuration, by its place there.
    VenueId(u8);
    /// One connection to a venue; a new connection gets a new id, so late bytes find no owner.
    LinkId(u32);
    /// An instrument of the configuration, by its place there.
    InstrumentId(u32);
    /// A strategy of the configuration, by its place there.
    StrategyId(u16);
    /// A strategy's number for a request; strictly increasing for the strategy's life.
    RequestId(u64);
}

/// Bits of the instance tag in a client order id.
pub const INSTANCE_TAG_BITS: u32 = 8;
/// Bits of the boot epoch: minutes since 2025 fit until 2088.
pub const BOOT_EPOCH_BITS: u32 = 25;
/// Bits of the sequence: a thousand million orders in one run.
pub const SEQUENCE_BITS: u32 = 30;
const _: () = assert!(INSTANCE_TAG_BITS + BOOT_EPOCH_BITS + SEQUENCE_BITS == 63);

/// Tells this engine's orders from every other's at the same venue account: 1..=255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstanceTag(u8);

impl InstanceTag {
    /// A tag; zero is none.
    pub const fn new(tag: u8) -> Option<Self> {
        if tag == 0 { None } else { Some(Self(tag)) }
    }

    /// The tag's number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl CanonicalBytes for InstanceTag {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.0.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let tag = u8::take(source)?;
        Self::new(tag).ok_or(BytesError::Invalid {
            what: "InstanceTag",
            found: u64::from(tag),
        })
    }
}

/// One run of the engine; larger than every earlier run's, made durable before the first order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct BootEpoch(u32);

impl BootEpoch {
    /// The largest epoch.
    pub const MAX: u32 = (1 << BOOT_EPOCH_BITS) - 1;

    /// An epoch, if it fits its bits.
    pub const fn new(epoch: u32) -> Option<Self> {
        if epoch <= Self::MAX {
            Some(Self(epoch))
        } else {
            None
        }
    }

    /// The epoch's number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl CanonicalBytes for BootEpoch {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.0.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let epoch = u32::take(source)?;
        Self::new(epoch).ok_or(BytesError::Invalid {
            what: "BootEpoch",
            found: u64::from(epoch),
        })
    }
}

/// Our id of an order: a positive 63-bit integer, instance tag | boot epoch | sequence.
///
/// Sent as decimal digits, it fits every venue's alphabet and length; OKX's `fills` channel echoes
/// only ids of this form (okx.com/docs-v5, "WS / Fills channel"). Zero stands for "none" in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientOrderId(core::num::NonZeroU64);

impl ClientOrderId {
    /// Sequences per run.
    pub const SEQUENCE_MAX: u32 = (1 << SEQUENCE_BITS) - 1;

    /// The id of the `sequence`-th order of a run. `None` when the run's sequences are used up.
    pub fn new(tag: InstanceTag, epoch: BootEpoch, sequence: u32) -> Option<Self> {
        if sequence > Self::SEQUENCE_MAX {
            return None;
        }
        let tag = u64::from(tag.get()) << (BOOT_EPOCH_BITS + SEQUENCE_BITS);
        let epoch = u64::from(epoch.get()) << SEQUENCE_BITS;
        core::num::NonZeroU64::new(tag | epoch | u64::from(sequence)).map(Self)
    }

    /// An id from its integer; `None` for zero and for integers of more than 63 bits.
    pub const fn from_integer(integer: u64) -> Option<Self> {
        if integer >> 63 != 0 {
            return None;
        }
        match core::num::NonZeroU64::new(integer) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// Reads canonical decimal digits (no sign, no leading zero), as venues echo them.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 19 || text[0] == b'0' {
            return None;
        }
        let mut integer: u64 = 0;
        for byte in text {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            integer = integer.checked_mul(10)?.checked_add(u64::from(digit))?;
        }
        Self::from_integer(integer)
    }

    /// The integer.
    pub const fn integer(self) -> u64 {
        self.0.get()
    }

    /// The instance tag's number; zero in ids that no engine of ours made.
    pub fn tag(self) -> u8 {
        u8::try_from(self.integer() >> (BOOT_EPOCH_BITS + SEQUENCE_BITS)).unwrap_or(0)
    }

    /// The run that made the id.
    pub fn epoch(self) -> u32 {
        u32::try_from((self.integer() >> SEQUENCE_BITS) & u64::from(BootEpoch::MAX)).unwrap_or(0)
    }

    /// The order's number within its run.
    pub fn sequence(self) -> u32 {
        u32::try_from(self.integer() & u64::from(Self::SEQUENCE_MAX)).unwrap_or(0)
    }
}

impl core::fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.integer().fmt(f)
    }
}

impl CanonicalBytes for ClientOrderId {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        self.integer().put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let integer = u64::take(source)?;
        Self::from_integer(integer).ok_or(BytesError::Invalid {
            what: "ClientOrderId",
            found: integer,
        })
    }
}

/// Up to `N` (at most 255) bytes of printable ASCII, inline. What venues use for ids, codes and
/// words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The empty text: "none".
    pub const EMPTY: Self = Self {
        length: 0,
        bytes: [0; N],
    };

    /// The text, if it fits and every byte is printable ASCII.
    pub fn new(text: &[u8]) -> Option<Self> {
        let length = u8::try_from(text.len()).ok()?;
        if text.len() > N || !text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self { length, bytes })
    }

    /// As much of a message for people as fits; bytes that are not printable ASCII become `?`.
    pub fn lossy(text: &[u8]) -> Self {
        let mut kept = Self::EMPTY;
        for (place, byte) in kept.bytes.iter_mut().zip(text) {
            *place = if (0x20..0x7f).contains(byte) {
                *byte
            } else {
                b'?'
            };
            kept.length = kept.length.saturating_add(1);
        }
        kept
    }

    /// True for "none".
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).expect("only printable ASCII is let in")
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> core::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> CanonicalBytes for Text<N> {
    #[inline]
    fn put(&self, sink: &mut impl ByteSink) {
        sink.put(&[self.length]);
        sink.put(self.as_bytes());
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let length = u8::take(source)?;
        let bytes = source.take(usize::from(length))?;
        Self::new(bytes).ok_or(BytesError::Invalid {
            what: "Text",
            found: u64::from(length),
        })
    }
}

/// The venue's id of an order: 19 digits at OKX, a UUID at Bybit and Robinhood, a 66-character hash
/// at Polymarket. Empty = not known.
pub type VenueOrderId = Text<71>;
/// The venue's id of one match. Empty = the venue gave none.
pub type TradeId = Text<47>;
/// An instrument's name at its venue.
pub type Symbol = Text<31>;
/// What a venue said in words, cut to fit.
pub type VenueMessage = Text<63>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_order_id_carries_its_tag_epoch_and_sequence() {
        let tag = InstanceTag::new(7).unwrap();
        let epoch = BootEpoch::new(994_321).unwrap();
        let id = ClientOrderId::new(tag, epoch, 42).unwrap();
        assert_eq!((id.tag(), id.epoch(), id.sequence()), (7, 994_321, 42));
        assert_eq!(
            ClientOrderId::from_text(id.to_string().as_bytes()),
            Some(id)
        );
    }

    // covers: G08
    #[test]
    fn no_id_is_made_beyond_the_last_sequence_epoch_or_tag() {
        let tag = InstanceTag::new(255).unwrap();
        let epoch = BootEpoch::new(BootEpoch::MAX).unwrap();
        let last = ClientOrderId::new(tag, epoch, ClientOrderId::SEQUENCE_MAX).unwrap();
        assert_eq!(last.integer(), u64::MAX >> 1);
        assert_eq!(last.to_string().len(), 19);
        assert_eq!(
            ClientOrderId::new(tag, epoch, ClientOrderId::SEQUENCE_MAX + 1),
            None
        );
        assert_eq!(BootEpoch::new(BootEpoch::MAX + 1), None);
        assert_eq!(InstanceTag::new(0), None);
    }

    #[test]
    fn only_canonical_digits_are_an_id_of_ours() {
        for text in [
            "",
            "0",
            "01",
            "+1",
            "1a",
            "-1",
            "9223372036854775808",
            "18446744073709551617",
        ] {
            assert_eq!(ClientOrderId::from_text(text.as_bytes()), None, "{text}");
        }
        assert!(ClientOrderId::from_text(b"9223372036854775807").is_some());
    }

    #[test]
    fn a_text_that_is_too_long_or_not_printable_is_refused_and_never_cut_silently() {
        assert!(Text::<3>::new(b"abcd").is_none());
        assert!(Text::<3>::new(b"a\n").is_none());
        assert!(Text::<3>::new("é".as_bytes()).is_none());
        assert_eq!(Text::<3>::lossy(b"a\nbcd").as_str(), "a?b");
    }
}
