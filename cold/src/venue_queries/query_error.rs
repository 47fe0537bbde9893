//! Why a query of a venue has no usable answer.
//!
//! Invariant: no text holds a key, a signature or a header's value. Threads: none.

use std::path::PathBuf;

use model::execution_report::QuarantineReason;
use model::identifiers::Symbol;
use protocol::venue::okx::encode::EncodeError;
use protocol::venue::okx::rest::answer::RestError;
use protocol::venue::okx::rest::instrument_rules::RulesError;

use super::https_client::HttpFailure;

/// Why there is no answer, or none that proves anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The address is not `https://host[:port]`.
    #[error("rest_url {found}: {why}; expected https://host or https://host:port")]
    BadUrl {
        /// As configured.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No certificate authority can be read, so nobody can be trusted.
    #[error("certificate authorities of {from}: {why}")]
    Roots {
        /// The file, or the system's store.
        from: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The exchange itself failed.
    #[error("{path}: {failure}: {detail}")]
    Http {
        /// Path of the request.
        path: &'static str,
        /// What kind of failure.
        failure: HttpFailure,
        /// In the library's words.
        detail: String,
    },
    /// The venue answered with a refusal, or with something that is no answer.
    #[error("{path}: {error}")]
    Venue {
        /// Path of the request.
        path: &'static str,
        /// The refusal.
        error: RestError,
    },
    /// A row that may be ours cannot be read, so the list has a hole.
    #[error("{path}: row {row} of a page is {reason}")]
    UnreadableRow {
        /// Path of the request.
        path: &'static str,
        /// Which row of its page, from 0.
        row: usize,
        /// Why.
        reason: QuarantineReason,
    },
    /// The next page would begin where this one did.
    #[error("{path}: paging does not move past {after}")]
    PagingStuck {
        /// Path of the request.
        path: &'static str,
        /// The id behind which the page began.
        after: String,
    },
    /// A list longer than we read.
    #[error("{path}: more than {pages_max} pages")]
    TooManyPages {
        /// Path of the request.
        path: &'static str,
        /// The most that is read.
        pages_max: u32,
    },
    /// The answer is about another order than the one asked for.
    #[error("{path}: asked for order {expected}, answered with {found}")]
    OtherOrder {
        /// Path of the request.
        path: &'static str,
        /// Our id that was asked for.
        expected: String,
        /// What the answer has.
        found: String,
    },
    /// The order's instrument is not one of this venue's.
    #[error("instrument {found} is not one of this venue's")]
    UnknownInstrument {
        /// Its number.
        found: model::InstrumentId,
    },
    /// The order may have been placed before what the venue's history still has.
    #[error("order {client_order_id} may be older than the venue's history")]
    TooOld {
        /// It.
        client_order_id: model::ClientOrderId,
    },
    /// The venue's clock could not be measured, so no absence can be dated.
    #[error("the venue's clock could not be measured")]
    NoVenueTime,
    /// The key was refused a moment ago; nothing signed is sent for a while.
    #[error("{path}: not asked, because the venue refused the key a moment ago")]
    CoolingDown {
        /// Path of the request.
        path: &'static str,
    },
    /// The job's time ran out.
    #[error("{path}: not asked, because the time for this question ran out")]
    OutOfTime {
        /// Path of the request.
        path: &'static str,
    },
    /// The queries are being stopped.
    #[error("stopping")]
    Stopping,
    /// The request could not be built.
    #[error("{path}: {error}")]
    BadRequest {
        /// Path of the request.
        path: &'static str,
        /// Why.
        error: EncodeError,
    },
    /// The venue does not list an instrument that is configured.
    #[error("the venue does not list {symbol} among its {inst_type} instruments")]
    NotListed {
        /// It.
        symbol: Symbol,
        /// `instType` that was asked for.
        inst_type: &'static str,
    },
    /// The rules of a configured instrument cannot be used.
    #[error("{symbol}: {error}")]
    Rules {
        /// The instrument.
        symbol: Symbol,
        /// Why.
        error: RulesError,
    },
}
