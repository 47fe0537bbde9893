//! What changes about an order: each change carries the order's numbers *after* it.
//!
//! A reader of the journal needs no state to show a change, folding one is an assignment, and the
//! event for the strategy is a function of it.

use crate::canonical_enum;
use crate::execution_report::Fill;
use crate::identifiers::{
    ClientOrderId, InstrumentId, RequestId, StrategyId, Text, VenueMessage, VenueOrderId,
};
use crate::order_event::{OrderEvent, OrderEventKind};
use crate::order_request::{CommandKind, NewOrder, OrderIntent, OrderStatus, Side};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::recon_fact::FactSource;
use crate::time::UnixNs;

canonical_enum! {
    /// How a command ended without effect.
    pub enum CommandOutcome {
        /// The venue refused it.
        Refused = 1 as "refused",
        /// No byte of it left.
        NotSent = 2 as "NEVER_SENT",
        /// It left or may have left, and is proved absent.
        NeverArrived = 3 as "NEVER_ARRIVED",
        /// The order ended first.
        Superseded = 4 as "superseded",
        /// It is proved that the order stands as before.
        NoEffect = 5 as "no_effect",
    }
}

canonical_enum! {
    /// Why a command's effect is not known.
    pub enum UnknownCause {
        /// No answer in time.
        Timeout = 1 as "timeout",
        /// Its connection went down.
        LinkLost = 2 as "link_lost",
        /// The venue said that it does not know.
        VenueUnsure = 3 as "venue_unsure",
        /// The engine died.
        Restart = 4 as "restart",
        /// The venue says that the order is gone.
        AlreadyGone = 5 as "already_gone",
    }
}

/// What changed about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeBody {
    /// It exists and passed every check.
    Created {
        /// As it was asked for.
        order: NewOrder,
        /// When.
        created_at: UnixNs,
    },
    /// An order of ours that this journal does not know: the venue showed it (a lost tail).
    Adopted {
        /// The venue's id.
        venue_order_id: VenueOrderId,
        /// When.
        created_at: UnixNs,
    },
    /// A command is journaled and goes to the venue.
    CommandStarted(OrderIntent),
    /// The venue has the order.
    Acknowledged {
        /// The venue's id.
        venue_order_id: VenueOrderId,
        /// The venue's clock.
        venue_time: UnixNs,
    },
    /// The venue's id became known on the way.
    Linked {
        /// The venue's id.
        venue_order_id: VenueOrderId,
    },
    /// A cancel or replace was taken for processing.
    CommandAccepted {
        /// Which.
        command_seq: u16,
    },
    /// A command ended without effect. A new order that ended so is ended itself.
    CommandEnded {
        /// Which kind.
        command: CommandKind,
        /// Which.
        command_seq: u16,
        /// How.
        outcome: CommandOutcome,
        /// The venue's code; 0 = none.
        venue_code: u32,
        /// The venue's words.
        message: VenueMessage,
    },
    /// Whether a command took effect is not known.
    CommandUnknown {
        /// Which.
        command_seq: u16,
        /// Why.
        cause: UnknownCause,
    },
    /// Asking did not help; a person must look.
    NeedsOperator {
        /// Which command; 0 = the order's fills.
        command_seq: u16,
    },
    /// An execution was booked.
    Executed {
        /// It.
        fill: Fill,
        /// After the order's end.
        late: bool,
        /// Beyond the order's quantity.
        overfill: bool,
    },
    /// The venue counts more filled than we have booked: an execution is missing.
    FillsMissing {
        /// What the venue counts.
        venue_cum_quantity: Quantity,
    },
    /// New terms are in force, by our replace or by the venue's own act.
    Replaced {
        /// Our command; 0 = the venue's own act.
        command_seq: u16,
        /// The venue's clock.
        venue_time: UnixNs,
    },
    /// The venue ended it, but executions are missing: it stays open until they are booked.
    EndHeld {
        /// How it ended.
        status: OrderStatus,
        /// The venue's code.
        end_code: u32,
    },
    /// It ended. Commands that were under way ended with it.
    Ended {
        /// The venue's code.
        end_code: u32,
        /// The venue's clock.
        venue_time: UnixNs,
    },
    /// The venue is asked about it.
    Asked {
        /// Which asking.
        ask_no: u16,
        /// The venue's id, when known.
        venue_order_id: VenueOrderId,
    },
    /// A list does not have it.
    AbsenceNoted {
        /// Which list.
        source: FactSource,
    },
    /// The last asking answered everything that was open about it.
    AskSettled,
    /// The last asking was answered whole, and something is still open.
    AskedInVain,
    /// A complete sweep over the venue's open orders did not show it.
    Unseen,
    /// The last asking could not be answered whole: it proved nothing and is made again.
    AskFailed,
    /// It was shown to its strategy again.
    Stated {
        /// The query.
        request_id: RequestId,
    },
}

/// A change of one order, with the order's numbers after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderChange {
    /// Whose order.
    pub strategy: StrategyId,
    /// Number of the event for the strategy; 0 = the change is not published.
    pub event_seq: u64,
    /// The order.
    pub client_order_id: ClientOrderId,
    /// The request that the change is about: the order's own, or the cancel's or replace's. 0 = the
    /// engine's own act.
    pub request_id: RequestId,
    /// What is traded.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// What is proved now.
    pub status: OrderStatus,
    /// True while a command's effect is not known.
    pub unknown: bool,
    /// FIX 38 now.
    pub order_quantity: Quantity,
    /// FIX 44 now.
    pub limit_price: Price,
    /// FIX 14 now.
    pub cum_quantity: Quantity,
    /// What changed.
    pub body: ChangeBody,
}

impl OrderChange {
    /// The kind of event that the change is published as; `None` = not at all.
    pub const fn event_kind(&self) -> Option<OrderEventKind> {
        use OrderEventKind as Kind;
        match self.body {
            ChangeBody::Created { .. } => Some(Kind::OrderCreated),
            ChangeBody::CommandStarted(intent) => Some(match intent.command {
                CommandKind::New => Kind::OrderSubmitted,
                CommandKind::Cancel => Kind::CancelSubmitted,
                CommandKind::Replace => Kind::ReplaceSubmitted,
            }),
            ChangeBody::Acknowledged { .. } => Some(Kind::OrderAcknowledged),
            ChangeBody::CommandEnded {
                command, outcome, ..
            } => Some(match command {
                CommandKind::New => match outcome {
                    CommandOutcome::Refused => Kind::OrderRejected,
                    CommandOutcome::NotSent
                    | CommandOutcome::NeverArrived
                    | CommandOutcome::Superseded
                    | CommandOutcome::NoEffect => Kind::OrderFailed,
                },
                CommandKind::Cancel => Kind::CancelRejected,
                CommandKind::Replace => Kind::ReplaceRejected,
            }),
            ChangeBody::CommandUnknown { .. } => Some(Kind::CommandUnknown),
            ChangeBody::NeedsOperator { .. } => Some(Kind::NeedsOperator),
            ChangeBody::Executed { late, .. } => Some(match self.status {
                _ if late => Kind::LateFill,
                OrderStatus::Filled => Kind::OrderFilled,
                _ => Kind::OrderPartiallyFilled,
            }),
            ChangeBody::Replaced { .. } => Some(Kind::OrderReplaced),
            ChangeBody::Ended { .. } => Some(match self.status {
                OrderStatus::Filled => Kind::OrderFilled,
                OrderStatus::Rejected => Kind::OrderRejected,
                OrderStatus::Expired => Kind::OrderExpired,
                OrderStatus::Failed => Kind::OrderFailed,
                _ => Kind::OrderCancelled,
            }),
            ChangeBody::Stated { .. } => Some(Kind::OrderState),
            ChangeBody::Adopted { .. }
            | ChangeBody::Linked { .. }
            | ChangeBody::CommandAccepted { .. }
            | ChangeBody::FillsMissing { .. }
            | ChangeBody::EndHeld { .. }
            | ChangeBody::Asked { .. }
            | ChangeBody::AbsenceNoted { .. }
            | ChangeBody::AskSettled
            | ChangeBody::AskedInVain
            | ChangeBody::Unseen
            | ChangeBody::AskFailed => None,
        }
    }

    /// The event for the strategy; `None` when the change is not published.
    pub fn event(&self) -> Option<OrderEvent> {
        let kind = self.event_kind().filter(|_| self.event_seq != 0)?;
        let mut event = OrderEvent {
            event_seq: self.event_seq,
            kind,
            status: Some(self.status),
            side: Some(self.side),
            reason: None,
            unknown: self.unknown,
            client_order_id: Some(self.client_order_id),
            request_id: self.request_id,
            instrument: self.instrument,
            venue_code: 0,
            order_quantity: self.order_quantity,
            limit_price: self.limit_price,
            cum_quantity: self.cum_quantity,
            last_quantity: Quantity::ZERO,
            last_price: Price::ZERO,
            fee_units: 0,
            venue_time: UnixNs(0),
            text: Text::EMPTY,
        };
        match &self.body {
            ChangeBody::Acknowledged {
                venue_order_id,
                venue_time,
            } => {
                event.text = Text::lossy(venue_order_id.as_bytes());
                event.venue_time = *venue_time;
            }
            ChangeBody::CommandEnded {
                venue_code,
                message,
                ..
            } => {
                event.venue_code = *venue_code;
                event.text = Text::lossy(message.as_bytes());
            }
            ChangeBody::Executed { fill, .. } => {
                event.last_quantity = fill.last_quantity;
                event.last_price = fill.last_price;
                event.fee_units = fill.fee_units;
                event.venue_time = fill.venue_time;
                event.text = Text::lossy(fill.trade_id.as_bytes());
            }
            ChangeBody::Ended {
                end_code,
                venue_time,
            } => {
                event.venue_code = *end_code;
                event.venue_time = *venue_time;
            }
            ChangeBody::Stated { request_id } => event.request_id = *request_id,
            _ => {}
        }
        Some(event)
    }
}
