//! What queries have to say to a person, for the log.
//!
//! Invariant: no text holds a key, a signature or a header's value. Threads: none.

use std::fmt;
use std::time::Duration;

use model::{ClientOrderId, VenueId};

use super::query_error::QueryError;
use super::time_offset::TimeOffset;

/// A note about one venue's queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryNote {
    /// The venue.
    pub venue: VenueId,
    /// Its name.
    pub name: String,
    /// What is noted.
    pub kind: NoteKind,
}

/// What is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteKind {
    /// The venue's clock was measured for the first time, or moved against ours.
    ClockOffset(TimeOffset),
    /// The venue's clock could not be measured.
    ClockUnknown(QueryError),
    /// The venue counted more requests than it allows.
    RateLimited {
        /// Path of the request.
        path: &'static str,
        /// It is asked again after so long.
        wait: Duration,
    },
    /// No answer; the request is sent again.
    Retrying {
        /// Why.
        error: QueryError,
        /// It is sent again after so long.
        wait: Duration,
    },
    /// The venue refused the key. Nothing signed is sent for a while.
    AuthFailed {
        /// In the venue's words.
        error: QueryError,
        /// For how long.
        cool_down: Duration,
    },
    /// A look-up could not be finished, so it proves no absence.
    LookupIncomplete {
        /// The order.
        client_order_id: ClientOrderId,
        /// Why.
        error: QueryError,
    },
    /// A look-up was not taken: too many wait. The engine asks again.
    LookupRefused {
        /// The order.
        client_order_id: ClientOrderId,
        /// So many wait.
        waiting: usize,
    },
    /// A sweep could not be finished, so it proves no absence.
    SweepIncomplete {
        /// Which.
        sweep_no: u32,
        /// Why.
        error: QueryError,
    },
    /// Positions or balances could not be read; the sweep is whole without them.
    StatementsUnread {
        /// Which sweep.
        sweep_no: u32,
        /// Why.
        error: QueryError,
    },
    /// A sweep read everything.
    SweepRead {
        /// Which.
        sweep_no: u32,
        /// Open orders in configured instruments.
        open_orders: usize,
        /// Fills in configured instruments.
        fills: usize,
        /// Pages of both.
        pages: u32,
        /// How long it took.
        elapsed: Duration,
    },
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteSeverity {
    /// Everything is well.
    Info,
    /// Something failed and is tried again.
    Warning,
    /// A person must act.
    Error,
}

impl NoteKind {
    /// How much it matters.
    pub fn severity(&self) -> NoteSeverity {
        match self {
            Self::ClockOffset(_) | Self::SweepRead { .. } => NoteSeverity::Info,
            Self::AuthFailed { .. } => NoteSeverity::Error,
            Self::ClockUnknown(_)
            | Self::RateLimited { .. }
            | Self::Retrying { .. }
            | Self::LookupIncomplete { .. }
            | Self::LookupRefused { .. }
            | Self::StatementsUnread { .. }
            | Self::SweepIncomplete { .. } => NoteSeverity::Warning,
        }
    }
}

impl fmt::Display for QueryNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "venue {}: {}", self.name, self.kind)
    }
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockOffset(TimeOffset {
                offset_ns,
                error_ns,
            }) => write!(
                f,
                "its clock is {} us from ours, within {} us",
                offset_ns / 1_000,
                error_ns / 1_000
            ),
            Self::ClockUnknown(error) => write!(f, "its clock cannot be measured: {error}"),
            Self::RateLimited { path, wait } => {
                write!(
                    f,
                    "RATE_LIMITED on {path}, asking again in {} ms",
                    wait.as_millis()
                )
            }
            Self::Retrying { error, wait } => {
                write!(f, "{error}; asking again in {} ms", wait.as_millis())
            }
            Self::AuthFailed { error, cool_down } => write!(
                f,
                "AUTH_FAILED: {error}: check the key, its passphrase, its permissions, its \
                 environment and its allowed addresses; nothing is asked for {} s",
                cool_down.as_secs()
            ),
            Self::LookupIncomplete {
                client_order_id,
                error,
            } => {
                write!(
                    f,
                    "look-up of order {client_order_id} is incomplete: {error}"
                )
            }
            Self::LookupRefused {
                client_order_id,
                waiting,
            } => write!(
                f,
                "look-up of order {client_order_id} is put off: {waiting} others wait"
            ),
            Self::SweepIncomplete { sweep_no, error } => {
                write!(f, "sweep {sweep_no} is incomplete: {error}")
            }
            Self::StatementsUnread { sweep_no, error } => write!(
                f,
                "sweep {sweep_no} could not read what the account holds: {error}"
            ),
            Self::SweepRead {
                sweep_no,
                open_orders,
                fills,
                pages,
                elapsed,
            } => write!(
                f,
                "sweep {sweep_no}: {open_orders} open orders and {fills} fills on {pages} pages \
                 in {} ms",
                elapsed.as_millis()
            ),
        }
    }
}
