//! What a strategy's process and the attach service say to each other over the attach socket.
//!
//! Each message is one frame of the socket (a 4-byte little-endian length of at most
//! [`MESSAGE_BYTES_MAX`], then the message's canonical bytes). Order: the client sends one
//! [`AttachRequest`]; the service sends `Refused` and closes, or `Accepted` (with the
//! descriptors), `Instruments`, any number of `Gap` and `Backlog`, then `Live`. After `Live` the
//! socket carries no more messages: its hang-up is the sign of death for both sides, and single
//! bytes from the engine wake a client that sleeps. Neither side trusts the other: bytes that no
//! `put` writes are refused.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::identifiers::{RequestId, StrategyId, Text};
use crate::instrument::Instrument;
use crate::order_event::EVENT_WORDS;
use crate::{canonical_enum, canonical_struct};

/// Version of everything in this module; a service refuses every version but its own, by name.
pub const ATTACH_PROTOCOL_VERSION: u16 = 1;
/// Largest message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Largest [`AttachRequest`].
pub const REQUEST_BYTES_MAX: usize = 64;
/// Most events of one `Backlog`, and most instruments of one `Instruments`.
pub const LIST_MAX: usize = 512;
const _: () = assert!(LIST_MAX * EVENT_WORDS * size_of::<u64>() + 16 <= MESSAGE_BYTES_MAX);

canonical_struct! {
    /// The client's one message: who it is and how far it has come.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AttachRequest {
        /// [`ATTACH_PROTOCOL_VERSION`] of the client.
        pub protocol_version: u16,
        /// The strategy's name in the configuration.
        pub strategy: Text<31>,
        /// The last event that the client has dealt with, 0 = none yet; `None` = only events from
        /// now on are wanted.
        pub last_event_seq: Option<u64>,
        /// The highest request id that the client has ever used; 0 = none.
        pub last_request_id: RequestId,
    }
}

canonical_enum! {
    /// How the engine waits when it has nothing to do.
    pub enum IdleMode {
        /// Sleeps until something happens: clients must look at its parked flag and wake it.
        Park = 1 as "park",
        /// Gives up its time slice and looks again.
        Yield = 2 as "yield",
        /// Looks again at once.
        Spin = 3 as "spin",
    }
}

canonical_enum! {
    /// Why an attach was refused. The names are part of the interface.
    pub enum RefusalCode {
        /// The process runs as a user that may not be this strategy.
        NotAuthorised = 1 as "NOT_AUTHORISED",
        /// No strategy of this name is configured.
        UnknownStrategy = 2 as "UNKNOWN_STRATEGY",
        /// Another process is attached as this strategy.
        RingBusy = 3 as "RING_BUSY",
        /// The engine does not take strategies yet; try again.
        Recovering = 4 as "RECOVERING",
        /// The engine is stopping.
        Stopping = 5 as "STOPPING",
        /// The bytes are no attach request.
        BadMessage = 6 as "BAD_MESSAGE",
        /// The client speaks another version of this protocol.
        UnsupportedVersion = 7 as "UNSUPPORTED_VERSION",
        /// The client claims an event that the journal does not hold: another journal, or one that
        /// lost its end with the machine's power. The client must start over with `None`.
        EventsAhead = 8 as "EVENTS_AHEAD",
        /// The service could not make or map the rings.
        NoResources = 9 as "NO_RESOURCES",
    }
}

canonical_struct! {
    /// The attachment was made. Carries three descriptors: request file, event file, and the
    /// eventfd by which the client wakes a parked engine.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Accepted {
        /// The engine's number of the strategy.
        pub strategy: StrategyId,
        /// The attachment's number; equal in both files.
        pub generation: u64,
        /// Slots from client to engine.
        pub request_capacity: u64,
        /// Slots from engine to client.
        pub event_capacity: u64,
        /// How the engine waits.
        pub idle_mode: IdleMode,
        /// True when the engine sends a byte over the attach socket after publishing an event to a
        /// client whose parked flag is set; otherwise a client that waits must look now and then.
        pub wakes_clients: bool,
    }
}

canonical_struct! {
    /// The attachment is complete.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Live {
        /// Journal sequence of the attachment's entry.
        pub sequence: u64,
        /// Number of the first event that comes over the ring.
        pub next_event_seq: u64,
        /// The highest request id that the journal holds: it and all below have their answers among
        /// the events; none above it was taken.
        pub last_request_id: RequestId,
    }
}

/// The words of one event slot; see [`crate::order_event::OrderEvent::from_words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventWords(pub [u64; EVENT_WORDS]);

/// The service's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachReply {
    /// The attachment was made; descriptors ride on this message.
    Accepted(Accepted),
    /// It was not; the service closes the socket.
    Refused {
        /// Why.
        code: RefusalCode,
        /// Why, for people.
        text: Text<127>,
    },
    /// Instruments that exist, at most [`LIST_MAX`] a message.
    Instruments(Vec<Instrument>),
    /// Events that the client has missed, in order, at most [`LIST_MAX`] a message.
    Backlog(Vec<EventWords>),
    /// Events that the journal no longer holds.
    Gap {
        /// The first one.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// The client is up to date; what follows comes over the ring.
    Live(Live),
}

impl AttachRequest {
    /// Reads a whole message.
    ///
    /// # Errors
    /// [`BytesError`] when the bytes are not exactly what `put` writes.
    pub fn from_message(message: &[u8]) -> Result<Self, BytesError> {
        whole(message)
    }
}

impl AttachReply {
    /// Reads a whole message.
    ///
    /// # Errors
    /// [`BytesError`] when the bytes are not exactly what `put` writes.
    pub fn from_message(message: &[u8]) -> Result<Self, BytesError> {
        whole(message)
    }
}

/// Takes a value that fills the message.
fn whole<T: CanonicalBytes>(message: &[u8]) -> Result<T, BytesError> {
    let mut source = ByteSource::new(message);
    let value = T::take(&mut source)?;
    source.finish()?;
    Ok(value)
}

impl CanonicalBytes for EventWords {
    fn put(&self, sink: &mut impl ByteSink) {
        for word in self.0 {
            word.put(sink);
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        let mut words = [0; EVENT_WORDS];
        for word in &mut words {
            *word = u64::take(source)?;
        }
        Ok(Self(words))
    }
}

impl CanonicalBytes for AttachReply {
    fn put(&self, sink: &mut impl ByteSink) {
        match self {
            Self::Accepted(accepted) => {
                sink.put(&[1]);
                accepted.put(sink);
            }
            Self::Refused { code, text } => {
                sink.put(&[2]);
                code.put(sink);
                text.put(sink);
            }
            Self::Instruments(list) => {
                sink.put(&[3]);
                list.put(sink);
            }
            Self::Backlog(events) => {
                sink.put(&[4]);
                events.put(sink);
            }
            Self::Gap { from, to } => {
                sink.put(&[5]);
                from.put(sink);
                to.put(sink);
            }
            Self::Live(live) => {
                sink.put(&[6]);
                live.put(sink);
            }
        }
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        Ok(match u8::take(source)? {
            1 => Self::Accepted(CanonicalBytes::take(source)?),
            2 => Self::Refused {
                code: CanonicalBytes::take(source)?,
                text: CanonicalBytes::take(source)?,
            },
            3 => Self::Instruments(bounded(CanonicalBytes::take(source)?)?),
            4 => Self::Backlog(bounded(CanonicalBytes::take(source)?)?),
            5 => Self::Gap {
                from: CanonicalBytes::take(source)?,
                to: CanonicalBytes::take(source)?,
            },
            6 => Self::Live(CanonicalBytes::take(source)?),
            other => {
                return Err(BytesError::Invalid {
                    what: "AttachReply",
                    found: u64::from(other),
                });
            }
        })
    }
}

/// Refuses a list of more than [`LIST_MAX`].
fn bounded<T>(list: Vec<T>) -> Result<Vec<T>, BytesError> {
    if list.len() <= LIST_MAX {
        return Ok(list);
    }
    Err(BytesError::Invalid {
        what: "length of a list in an attach message",
        found: u64::try_from(list.len()).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests;
