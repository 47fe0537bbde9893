//! What a person names an order by, and which order that is.
//!
//! Owns: the three forms of a reference and the search for it. Invariant: our own id wins over a
//! venue's, since both may be digits. Must not know: how a story is told. Threads: any.

use std::path::Path;
use std::str::FromStr;

use journal::Reader;
use model::journal_record::EntryBuffers;
use model::{ChangeBody, ClientOrderId, Decision, Input, RequestId, StrategyId};

use crate::failure::ReplayError;
use crate::in_force::InForce;
use crate::record::{Body, kind_of, read};

/// What a person names an order by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderName {
    /// A client order id, or a venue's id of an order.
    Id(String),
    /// A strategy's name or number, and its request id.
    Request {
        /// Whose.
        strategy: String,
        /// Which.
        request_id: RequestId,
    },
}

impl FromStr for OrderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((strategy, request)) = text.rsplit_once(':') else {
            return match text.is_empty() {
                true => Err("an order is named by an id or by STRATEGY:REQUEST".to_owned()),
                false => Ok(Self::Id(text.to_owned())),
            };
        };
        let request_id = request
            .parse()
            .map_err(|_| format!("{request:?} is no request id: STRATEGY:REQUEST, as grid:17"))?;
        Ok(Self::Request {
            strategy: strategy.to_owned(),
            request_id: RequestId(request_id),
        })
    }
}

impl std::fmt::Display for OrderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Request {
                strategy,
                request_id,
            } => write!(f, "{strategy}:{request_id}"),
        }
    }
}

/// What a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An order.
    Order(ClientOrderId),
    /// A request of which no order came.
    Request(StrategyId, RequestId),
}

/// Looks for what is named.
pub(crate) fn resolve(directory: &Path, name: &OrderName) -> Result<Subject, ReplayError> {
    let mut reader = Reader::open(directory, 1)?;
    let (mut buffers, mut names) = (EntryBuffers::default(), EntryBuffers::default());
    let mut in_force = InForce::default();
    let mut found = None;
    while let Some(entry) = reader.next_entry()? {
        let kind = kind_of(&entry)?;
        in_force.observe(kind, &entry, &mut names)?;
        let Body::Input(input, decisions) = read(kind, &entry, &mut buffers)? else {
            continue;
        };
        let here = match name {
            OrderName::Id(id) => decisions.iter().find_map(|it| named_by_id(it, id)),
            OrderName::Request {
                strategy,
                request_id,
            } => match &input {
                Input::Request(asked)
                    if asked.request_id == *request_id
                        && is_named(&in_force, asked.strategy, strategy) =>
                {
                    Some((2, subject_of(asked.strategy, *request_id, decisions)))
                }
                _ => None,
            },
        };
        // The first of the best sort: an id of ours before a venue's.
        if let Some((rank, subject)) = here
            && found.is_none_or(|(best, _)| rank > best)
        {
            found = Some((rank, subject));
        }
    }
    found
        .map(|(_, subject)| subject)
        .ok_or_else(|| ReplayError::OrderNotFound {
            name: name.to_string(),
        })
}

fn is_named(in_force: &InForce, strategy: StrategyId, name: &str) -> bool {
    in_force.strategy(strategy) == Some(name) || name.parse() == Ok(strategy.0)
}

fn subject_of(strategy: StrategyId, request_id: RequestId, decisions: &[Decision]) -> Subject {
    let order = decisions.iter().find_map(|decision| match decision {
        Decision::Order(change) => Some(change.client_order_id),
        Decision::Refused(refused) => refused.client_order_id,
        _ => None,
    });
    order.map_or(Subject::Request(strategy, request_id), Subject::Order)
}

fn named_by_id(decision: &Decision, id: &str) -> Option<(u8, Subject)> {
    let Decision::Order(change) = decision else {
        return None;
    };
    let subject = Subject::Order(change.client_order_id);
    if change.client_order_id.to_string() == id {
        return Some((2, subject));
    }
    let venue_order_id = match &change.body {
        ChangeBody::Acknowledged { venue_order_id, .. }
        | ChangeBody::Linked { venue_order_id }
        | ChangeBody::Adopted { venue_order_id, .. } => venue_order_id,
        _ => return None,
    };
    (venue_order_id.as_str() == id).then_some((1, subject))
}
