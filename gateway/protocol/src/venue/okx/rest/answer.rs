//! Answers of OKX REST about orders and fills, as records for reconciliation.
//!
//! okx.com/docs-v5, "Get order List", "Get order details", "Get transaction details". HTTP 200
//! carries most errors; the `code` in the body decides. Invariant: a list that could not be read
//! whole says so, because a list with a hole proves no absence. Must not know: when to ask, what is
//! done with a record. Threads: none; a cold path, it allocates.

use model::UnixNs;
use model::execution_report::{CommandReply, OrderUpdate, QuarantineReason, ReplyOutcome};
use model::identifiers::{Text, VenueMessage, VenueOrderId};
use model::recon_fact::FillSeen;

use crate::json_tape::{Json, TapeBuffers};
use crate::venue::okx::decode::{
    FillMembers, Member, client_order_id, fill_of_query, json_members, order_of_query, rest_reply,
    whole_reply,
};
use crate::venue::okx::instrument_table::InstrumentTable;
use crate::venue::okx::reject_map::{FailureClass, failure_class};
use crate::venue::okx::request_id::CommandKey;

/// Bytes of an answer for which memory is kept; larger ones are read too.
const ANSWER_BYTES: usize = 4_096;
/// "Order does not exist".
const ORDER_NOT_FOUND: u32 = 51_603;

/// The venue's id of a booking, by which fills are paged.
pub type BillId = Text<31>;

/// Why an answer is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestError {
    /// The body is not JSON, or not the shape that every answer has.
    NotAnAnswer {
        /// HTTP status.
        status: u16,
        /// What the status alone says.
        class: FailureClass,
    },
    /// The venue said no.
    Venue {
        /// Its code.
        code: u32,
        /// What to do about it.
        class: FailureClass,
        /// Its words, cut to fit.
        message: VenueMessage,
    },
    /// A success without the rows that it must have, or with a member that cannot be read.
    BadRow {
        /// Which row, from 0.
        row: usize,
        /// Why.
        reason: QuarantineReason,
    },
}

impl RestError {
    /// What to do about it.
    pub const fn class(&self) -> FailureClass {
        match self {
            Self::NotAnAnswer { class, .. } | Self::Venue { class, .. } => *class,
            Self::BadRow { .. } => FailureClass::BadRequest,
        }
    }
}

impl core::fmt::Display for RestError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAnAnswer { status, class } => {
                write!(f, "HTTP {status} without a readable answer: {class:?}")
            }
            Self::Venue {
                code,
                class,
                message,
            } => write!(f, "the venue says {code} {message}: {class:?}"),
            Self::BadRow { row, reason } => write!(f, "row {row} of the answer is {reason}"),
        }
    }
}

impl std::error::Error for RestError {}

/// A row that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedRow {
    /// Which, from 0.
    pub row: usize,
    /// Why.
    pub reason: QuarantineReason,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Cursor> {
    /// What could be read.
    pub rows: Vec<T>,
    /// What could not.
    pub skipped: Vec<SkippedRow>,
    /// The last row's id, for `after`; `None` for an empty page.
    pub last_id: Option<Cursor>,
}

impl<T, Cursor> Page<T, Cursor> {
    /// The id behind which the next page begins; `None` when this page was not full.
    pub fn next_after(&self, limit: u16) -> Option<&Cursor> {
        let found = self.rows.len().saturating_add(self.skipped.len());
        self.last_id
            .as_ref()
            .filter(|_| found >= usize::from(limit))
    }

    /// True when nothing of ours can be missing: only rows of instruments that are not configured
    /// were passed over.
    pub fn is_complete(&self) -> bool {
        let foreign = |it: &SkippedRow| it.reason == QuarantineReason::UnknownInstrument;
        self.skipped.iter().all(foreign)
    }
}

json_members! {
    /// What every answer has.
    struct Envelope {
        code = "code",
        msg = "msg",
        data = "data",
    }
}

json_members! {
    /// By what rows are paged.
    pub(crate) struct Cursors {
        ord_id = "ordId",
        bill_id = "billId",
    }
}

/// Reads answers; keeps the parser's memory.
pub struct RestAnswers {
    tape: TapeBuffers,
}

impl Default for RestAnswers {
    fn default() -> Self {
        Self::new()
    }
}

impl RestAnswers {
    /// A reader.
    pub fn new() -> Self {
        Self {
            tape: TapeBuffers::new(ANSWER_BYTES),
        }
    }

    /// A page of `orders-pending` or `orders-history`. No row carries a fill: see [`Self::fills`].
    ///
    /// # Errors
    /// [`RestError`] when the venue gave no list.
    pub fn orders(
        &mut self,
        status: u16,
        body: &mut [u8],
        table: &InstrumentTable,
    ) -> Result<Page<OrderUpdate, VenueOrderId>, RestError> {
        self.page(
            status,
            body,
            |row| order_of_query(row, table),
            |cursors| required_id(&cursors.ord_id),
        )
    }

    /// The answer about one order; `None` when the venue says that it does not exist.
    ///
    /// # Errors
    /// [`RestError`] for any other refusal, and for an answer that cannot be read.
    pub fn order(
        &mut self,
        status: u16,
        body: &mut [u8],
        table: &InstrumentTable,
    ) -> Result<Option<OrderUpdate>, RestError> {
        let read = self.first_row(status, body, |row| order_of_query(row, table));
        match read {
            Ok(update) => Ok(Some(update)),
            Err(RestError::Venue {
                code: ORDER_NOT_FOUND,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of `fills`. `asked_at_seq` is the journal's sequence when the query left.
    ///
    /// # Errors
    /// [`RestError`] when the venue gave no list.
    pub fn fills(
        &mut self,
        status: u16,
        body: &mut [u8],
        table: &InstrumentTable,
        asked_at_seq: u64,
    ) -> Result<Page<FillSeen, BillId>, RestError> {
        let read = |row: Json<'_, '_>| {
            let members = FillMembers::read(row)?;
            let (instrument, side, fill) = fill_of_query(&members, table)?;
            let ours = client_order_id(&members.client_order_id)?;
            Ok(FillSeen {
                asked_at_seq,
                client_order_id: ours,
                // The venue shows the id that an order has, or that it has none.
                is_foreign: ours.is_none(),
                venue_order_id: members.venue_order_id.id()?,
                instrument: instrument.id,
                side,
                fill,
            })
        };
        self.page(status, body, read, |cursors| required_id(&cursors.bill_id))
    }

    /// The answer to an order call, one reply for each of `keys` in their order.
    ///
    /// Whatever the venue does not say about an order is `Unknown`: a lost row, an unreadable body,
    /// HTTP 5xx.
    pub fn replies(
        &mut self,
        status: u16,
        body: &mut [u8],
        keys: &[CommandKey],
    ) -> Vec<CommandReply> {
        let mut replies: Vec<CommandReply> = keys.iter().map(unanswered).collect();
        let alone = keys.len() == 1;
        // A body that is not JSON leaves every reply Unknown.
        let _ = self.tape.parse(body, |json| {
            let Ok(envelope) = Envelope::read(json) else {
                return;
            };
            let rows = envelope.data.and_then(Json::elements).into_iter().flatten();
            let mut silent = true;
            for row in rows {
                silent = false;
                for (key, reply) in keys.iter().zip(&mut replies) {
                    if let Ok(found) = rest_reply(row, key, alone) {
                        *reply = found;
                    }
                }
            }
            let code = envelope.code.code().ok().flatten().unwrap_or(0);
            if silent && code != 0 && status < 500 {
                let message = envelope.msg.text().ok().flatten().unwrap_or_default();
                for (key, reply) in keys.iter().zip(&mut replies) {
                    *reply = whole_reply(key, code, message, UnixNs(0));
                }
            }
        });
        replies
    }

    /// Reads the first row of an answer that must have one.
    pub(crate) fn first_row<R>(
        &mut self,
        status: u16,
        body: &mut [u8],
        read: impl FnOnce(Json<'_, '_>) -> Result<R, QuarantineReason>,
    ) -> Result<R, RestError> {
        self.data(status, body, |data| {
            let bad_row = |reason| RestError::BadRow { row: 0, reason };
            let first = data.elements().and_then(|mut rows| rows.next());
            let row = first.ok_or(bad_row(QuarantineReason::MissingMember))?;
            read(row).map_err(bad_row)
        })
    }

    /// Reads every row of a list; a row that cannot be read is passed over and counted.
    pub(crate) fn page<T, Cursor>(
        &mut self,
        status: u16,
        body: &mut [u8],
        read: impl Fn(Json<'_, '_>) -> Result<T, QuarantineReason>,
        cursor: impl Fn(&Cursors<Json<'_, '_>>) -> Result<Cursor, QuarantineReason>,
    ) -> Result<Page<T, Cursor>, RestError> {
        self.data(status, body, |data| {
            let mut page = Page {
                rows: Vec::new(),
                skipped: Vec::new(),
                last_id: None,
            };
            let no_list = RestError::BadRow {
                row: 0,
                reason: QuarantineReason::Malformed,
            };
            for (row, object) in data.elements().ok_or(no_list)?.enumerate() {
                // Without its id the page could not be left behind: no list rather than half of
                // one.
                let cursors = Cursors::read(object).and_then(|cursors| cursor(&cursors));
                page.last_id = Some(cursors.map_err(|reason| RestError::BadRow { row, reason })?);
                match read(object) {
                    Ok(value) => page.rows.push(value),
                    Err(reason) => page.skipped.push(SkippedRow { row, reason }),
                }
            }
            Ok(page)
        })
    }

    /// Checks the envelope and hands its `data` on.
    fn data<R>(
        &mut self,
        status: u16,
        body: &mut [u8],
        read: impl FnOnce(Json<'_, '_>) -> Result<R, RestError>,
    ) -> Result<R, RestError> {
        let no_answer = RestError::NotAnAnswer {
            status,
            class: class_of_status(status),
        };
        let outcome = self.tape.parse(body, |json| {
            let envelope = Envelope::read(json).map_err(|_| no_answer)?;
            let code = match envelope.code.code() {
                Ok(Some(code)) => code,
                Ok(None) | Err(_) => return Err(no_answer),
            };
            if code != 0 {
                let message = envelope.msg.text().ok().flatten().unwrap_or_default();
                return Err(RestError::Venue {
                    code,
                    class: failure_class(code),
                    message: VenueMessage::lossy(message.as_bytes()),
                });
            }
            match envelope.data {
                Some(data) if (200..300).contains(&status) => read(data),
                _ => Err(no_answer),
            }
        });
        outcome.unwrap_or(Err(no_answer))
    }
}

fn required_id<'i, const N: usize>(member: &impl Member<'i>) -> Result<Text<N>, QuarantineReason> {
    let id = member.id()?;
    if id == Text::EMPTY {
        return Err(QuarantineReason::MissingMember);
    }
    Ok(id)
}

/// What a status says when the body says nothing.
fn class_of_status(status: u16) -> FailureClass {
    match status {
        401 | 403 => FailureClass::Credentials,
        404 => FailureClass::NotFound,
        429 => FailureClass::RateLimited,
        200..=299 | 500..=599 => FailureClass::Unavailable,
        _ => FailureClass::BadRequest,
    }
}

fn unanswered(key: &CommandKey) -> CommandReply {
    CommandReply {
        client_order_id: key.client_order_id,
        command: key.command,
        command_seq: key.command_seq,
        outcome: ReplyOutcome::Unknown,
        venue_order_id: VenueOrderId::EMPTY,
        venue_code: 0,
        message: VenueMessage::EMPTY,
        venue_time: UnixNs(0),
    }
}
