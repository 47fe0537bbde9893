//! What can go wrong for a strategy, and what it should do then.
//!
//! Must not know: how calls work. Threads: plain values.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use model::DecimalError;
use model::attach_message::RefusalCode;
use rings::fd_passing::FdPassingError;
use rings::shared_memory::RingCorrupt;
use rings::shared_memory::pair::SetupError;

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The engine is starting, stopping or gone: try again after a while.
    TryAgain,
    /// Attach again with [`crate::Client::reattach`]; nothing is lost.
    Reattach,
    /// Configuration, rights or the strategy's own values must change first.
    Fix,
    /// The strategy's memory does not fit this journal: attach with
    /// [`crate::Resume::FROM_NOW`] and query.
    StartOver,
}

/// Why an attach failed. Nothing was sent; events that had come by then are kept and not asked for
/// again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// A strategy's name has 1 to 31 printable ASCII characters.
    #[error("{found:?} is no strategy's name")]
    StrategyName {
        /// The name that was given.
        found: String,
    },
    /// Nobody listens, or it is not allowed.
    #[error("connecting to {}: {source}", path.display())]
    Connect {
        /// The attach socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The engine said no.
    #[error("refused with {code}: {text}")]
    Refused {
        /// Why.
        code: RefusalCode,
        /// Why, for people.
        text: String,
    },
    /// The engine did not answer.
    #[error("no answer within {}", humantime(*waited))]
    TimedOut {
        /// How long was waited for one message.
        waited: Duration,
    },
    /// The engine went away, or broke off, in the middle.
    #[error("the connection ended: {0}")]
    Broken(FdPassingError),
    /// The engine said what this version does not understand.
    #[error("{what}: {detail}")]
    Protocol {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The rings are not what was announced, or could not be mapped.
    #[error(transparent)]
    Rings(#[from] SetupError),
    /// The resume file could not be read or written.
    #[error("resume file: {0}")]
    ResumeFile(io::Error),
}

impl AttachError {
    /// What helps.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Refused { code, .. } => match code {
                RefusalCode::RingBusy
                | RefusalCode::Recovering
                | RefusalCode::Stopping
                | RefusalCode::NoResources => Remedy::TryAgain,
                RefusalCode::EventsAhead => Remedy::StartOver,
                RefusalCode::NotAuthorised
                | RefusalCode::UnknownStrategy
                | RefusalCode::BadMessage
                | RefusalCode::UnsupportedVersion => Remedy::Fix,
            },
            Self::Connect { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => Remedy::Fix,
                _ => Remedy::TryAgain,
            },
            Self::TimedOut { .. } | Self::Broken(_) => Remedy::TryAgain,
            Self::StrategyName { .. }
            | Self::Protocol { .. }
            | Self::Rings(_)
            | Self::ResumeFile(_) => Remedy::Fix,
        }
    }
}

/// Why a request was not written. Its id is not used up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The engine is gone or has let go of this attachment.
    #[error("the engine is gone")]
    Disconnected,
    /// The engine has not taken what was written before; no room.
    #[error("the request ring is full")]
    Full,
    /// The ring holds what no engine writes.
    #[error(transparent)]
    Corrupt(RingCorrupt),
    /// The engine did not name this instrument.
    #[error("no instrument {name}")]
    UnknownInstrument {
        /// As it was asked for.
        name: String,
    },
    /// The quantity is no number that the instrument's quantity scale holds exactly.
    #[error("quantity {text:?}: {source}")]
    Quantity {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        source: DecimalError,
    },
    /// The price is no number that the instrument's price scale holds exactly.
    #[error("price {text:?}: {source}")]
    Price {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        source: DecimalError,
    },
    /// The resume file could not be written, so the request was held back.
    #[error("resume file: {0}")]
    ResumeFile(io::Error),
}

impl RequestError {
    /// What helps.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Full => Remedy::TryAgain,
            Self::Disconnected | Self::Corrupt(_) => Remedy::Reattach,
            Self::UnknownInstrument { .. }
            | Self::Quantity { .. }
            | Self::Price { .. }
            | Self::ResumeFile(_) => Remedy::Fix,
        }
    }
}

/// Why no event can come any more until [`crate::Client::reattach`]. All events before it were
/// given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The engine is gone or has let go of this attachment.
    #[error("the engine is gone")]
    Disconnected,
    /// This strategy read too slowly and the engine ended the ring rather than wait.
    #[error("events came faster than they were read; the ring was closed with mark {mark}")]
    Overrun {
        /// The engine's number for the place.
        mark: u64,
    },
    /// The ring holds what no engine writes.
    #[error(transparent)]
    Corrupt(RingCorrupt),
    /// An event is missing.
    #[error("event {found} came, expected {expected}")]
    Missing {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// An event that this version cannot read.
    #[error("event {event_seq} cannot be read")]
    Unreadable {
        /// The number that it claims.
        event_seq: u64,
    },
    /// The resume file could not be written.
    #[error("resume file: {0}")]
    ResumeFile(io::Error),
}

impl EventError {
    /// What helps.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Disconnected | Self::Overrun { .. } | Self::Corrupt(_) | Self::Missing { .. } => {
                Remedy::Reattach
            }
            Self::Unreadable { .. } | Self::ResumeFile(_) => Remedy::Fix,
        }
    }
}

fn humantime(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_helps() {
        let remedy = |code| {
            let text = String::new();
            AttachError::Refused { code, text }.remedy()
        };
        let again = RefusalCode::ALL
            .iter()
            .filter(|code| remedy(**code) == Remedy::TryAgain);
        let names: Vec<&str> = again.map(|code| code.name()).collect();
        assert_eq!(
            names,
            ["RING_BUSY", "RECOVERING", "STOPPING", "NO_RESOURCES"]
        );
        assert_eq!(remedy(RefusalCode::EventsAhead), Remedy::StartOver);
        assert_eq!(remedy(RefusalCode::NotAuthorised), Remedy::Fix);
    }
}
