//! What the engine decided: everything that changes its state, and nothing that does not.
//!
//! State is the fold of decisions: the live engine changes its own state only by applying the
//! decisions that it records, and recovery applies the same ones again.

use crate::canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
use crate::control::{ControlScope, Latch};
use crate::execution_report::Fill;
use crate::identifiers::{
    ClientOrderId, InstrumentId, RequestId, StrategyId, Text, VenueId, VenueOrderId,
};
use crate::order_change::{OrderChange, UnknownCause};
use crate::order_event::{OrderEvent, OrderEventKind};
use crate::order_request::Side;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::reject_reason::RejectReason;
use crate::time::{MonotonicNs, UnixNs};
use crate::{canonical_enum, canonical_struct};

canonical_struct! {
    /// A request that we refused. It never touched an order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RequestRefused {
        /// Who asked.
        pub strategy: StrategyId,
        /// Number of the event; 0 = not published.
        pub event_seq: u64,
        /// The request.
        pub request_id: RequestId,
        /// The order that it meant, when there is one.
        pub client_order_id: Option<ClientOrderId>,
        /// Why.
        pub reason: RejectReason,
        /// The limit that it broke, in the units of that limit; 0 when it broke none.
        pub limit: i128,
        /// The value that broke it.
        pub actual: i128,
    }
}

/// An act over more orders than one entry may hold; it goes on by timers due at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WideTask {
    /// Every command in flight at a venue becomes Unknown.
    MarkUnknown {
        /// Where.
        venue: VenueId,
        /// Why.
        cause: UnknownCause,
    },
    /// Every open order that a complete sweep did not show is asked about.
    AskUnseen {
        /// Where.
        venue: VenueId,
        /// Which sweep.
        sweep_no: u32,
        /// Journal sequence when the sweep left; younger news of an order beats it.
        asked_at_seq: u64,
    },
    /// Every open order in the scope is cancelled.
    CancelAll {
        /// Whose orders; `None` = everybody's.
        strategy: Option<StrategyId>,
        /// At which instrument; `None` = all.
        instrument: Option<InstrumentId>,
    },
    /// Every open order under a kill latch is cancelled, in rounds, while the latch is closed.
    KillCancel {
        /// What the latch is over.
        scope: ControlScope,
        /// Rounds before this one.
        round: u16,
        /// Journal sequence from which on a cancel belongs to this round.
        since: u64,
        /// Not before this moment.
        due_at: MonotonicNs,
    },
}

canonical_enum! {
    /// Whether a venue takes new orders.
    pub enum VenueState {
        /// Its connection is down.
        Down = 1 as "DOWN",
        /// Connected; the engine is comparing its orders with the venue's.
        Recovering = 2 as "RECOVERING",
        /// Open.
        Live = 3 as "LIVE",
        /// No new orders until a person says so.
        Halted = 4 as "HALTED",
    }
}

canonical_enum! {
    /// What nobody should have to find out by accident.
    pub enum AlarmCode {
        /// A fill after the order's end.
        LateFill = 1 as "LATE_FILL",
        /// More filled than ordered.
        Overfill = 2 as "OVERFILL",
        /// An order of ours that the journal does not know.
        AdoptedOrder = 3 as "ADOPTED_ORDER",
        /// An order that is not ours.
        ForeignOrder = 4 as "FOREIGN_ORDER",
        /// A report that contradicts what is proved.
        Contradiction = 5 as "CONTRADICTION",
        /// A message that could not be read.
        Quarantined = 6 as "QUARANTINED",
        /// A report for an order that left the store.
        EvictedOrder = 7 as "EVICTED_ORDER",
        /// A command or fill that asking did not settle.
        NeedsOperator = 8 as "NEEDS_OPERATOR",
        /// An order at the venue that one of ours was not expected to have.
        DuplicateId = 9 as "DUPLICATE_ID",
        /// The table of executions is full.
        ExecutionsFull = 10 as "EXECUTIONS_FULL",
        /// The venue's position is not ours, and it lasts.
        ReconBreak = 11 as "RECON_BREAK",
    }
}

canonical_enum! {
    /// Why a report changed nothing.
    pub enum IgnoredReason {
        /// Known already.
        Duplicate = 1 as "duplicate",
        /// Older than what is known.
        Stale = 2 as "stale",
        /// About a command that is over.
        NoSuchCommand = 3 as "no_such_command",
        /// About an order that is not ours.
        Foreign = 4 as "foreign",
    }
}

canonical_enum! {
    /// What the comparison of an instrument's position with the venue's came to.
    pub enum PositionStep {
        /// First sight: what the venue states is where we start from.
        Baseline = 1 as "baseline",
        /// The numbers differ since a settling time: the venue is asked.
        Asked = 2 as "asked",
        /// They differ still, by a list that was asked for afterwards.
        Broke = 3 as "broke",
        /// They agree again.
        Agrees = 4 as "agrees",
        /// An operator took the venue's number for right.
        Accepted = 5 as "accepted",
    }
}

canonical_struct! {
    /// An execution of an order at our account that is not ours.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ForeignFill {
        /// What was traded.
        pub instrument: InstrumentId,
        /// The venue's id of the order.
        pub venue_order_id: VenueOrderId,
        /// Which way.
        pub side: Side,
        /// The execution.
        pub fill: Fill,
    }
}

/// One thing that the engine decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// An order changed.
    Order(OrderChange),
    /// A request was refused.
    Refused(RequestRefused),
    /// A strategy's cancel-all was taken.
    CancelAllAccepted {
        /// Whose.
        strategy: StrategyId,
        /// Number of the event.
        event_seq: u64,
        /// The request.
        request_id: RequestId,
    },
    /// An act over many orders begins, at slot zero and at once.
    TaskStarted {
        /// Which act.
        task: WideTask,
    },
    /// The oldest act that was due has moved on.
    TaskMoved {
        /// The store slot to go on with.
        next_slot: u32,
        /// Not before this moment (the venue's cancel budget).
        due_at: MonotonicNs,
        /// An order had to be passed over: another pass must follow.
        passed_over: bool,
    },
    /// The oldest act that was due is over.
    TaskDone,
    /// A venue changed.
    Venue {
        /// Which.
        venue: VenueId,
        /// What it is now.
        state: VenueState,
    },
    /// A sweep over a venue's open orders begins.
    SweepStarted {
        /// Which venue.
        venue: VenueId,
        /// Which sweep.
        sweep_no: u32,
    },
    /// A sweep ended; orders that it lacked are asked about one by one.
    SweepEnded {
        /// Which venue.
        venue: VenueId,
        /// Which sweep.
        sweep_no: u32,
        /// Whether it proved anything.
        complete: bool,
    },
    /// A strategy may or may not send requests.
    Strategy {
        /// Which.
        strategy: StrategyId,
        /// The attachment's number.
        generation: u64,
        /// True when attached.
        attached: bool,
        /// Number of the next event.
        next_event_seq: u64,
    },
    /// A person should know.
    Alarm {
        /// What.
        code: AlarmCode,
        /// About which order; 0 = none.
        client_order_id: u64,
    },
    /// A report changed nothing.
    Ignored(IgnoredReason),
    /// An ended order left the store.
    Evicted {
        /// Which.
        client_order_id: ClientOrderId,
    },
    /// The operator's switch for new requests.
    Intake {
        /// True while requests are taken.
        open: bool,
    },
    /// A latch was closed or opened.
    LatchSet {
        /// Which.
        latch: Latch,
        /// Over what.
        scope: ControlScope,
        /// True when it is closed from here on.
        closed: bool,
    },
    /// Our position in an instrument was compared with the venue's.
    Position {
        /// Which instrument.
        instrument: InstrumentId,
        /// What it came to.
        step: PositionStep,
        /// What the venue states, quantity units.
        stated_units: i128,
        /// What we expect: the baseline, our executions and the foreign ones that we know.
        expected_units: i128,
        /// When the venue stated it, by its clock; 0 where no list was read for it.
        as_of: UnixNs,
    },
    /// An execution of somebody else's order counts in the account's position.
    Foreign(ForeignFill),
    /// A run of requests was refused for lack of room.
    RunRefused {
        /// Who asked.
        strategy: StrategyId,
        /// Number of the event.
        event_seq: u64,
        /// First request of the run.
        first: RequestId,
        /// How many.
        count: u64,
        /// Why.
        reason: RejectReason,
    },
}

impl Decision {
    /// The event for a strategy that the decision is published as, with the strategy.
    pub fn event(&self) -> Option<(StrategyId, OrderEvent)> {
        match self {
            Self::Order(change) => change.event().map(|event| (change.strategy, event)),
            Self::Refused(refused) if refused.event_seq != 0 => {
                let mut event = bare_event(OrderEventKind::RequestRefused, refused.event_seq);
                event.client_order_id = refused.client_order_id;
                event.request_id = refused.request_id;
                event.reason = Some(refused.reason);
                Some((refused.strategy, event))
            }
            Self::CancelAllAccepted {
                strategy,
                event_seq,
                request_id,
            } => {
                let mut event = bare_event(OrderEventKind::CancelAllAccepted, *event_seq);
                event.request_id = *request_id;
                Some((*strategy, event))
            }
            Self::RunRefused {
                strategy,
                event_seq,
                first,
                count,
                reason,
            } => {
                let mut event = bare_event(OrderEventKind::RequestsRefused, *event_seq);
                event.request_id = *first;
                event.reason = Some(*reason);
                event.order_quantity =
                    Quantity::from_units(i64::try_from(*count).unwrap_or(i64::MAX));
                Some((*strategy, event))
            }
            _ => None,
        }
    }
}

/// An event about no order.
fn bare_event(kind: OrderEventKind, event_seq: u64) -> OrderEvent {
    OrderEvent {
        event_seq,
        kind,
        status: None,
        side: None,
        reason: None,
        unknown: false,
        client_order_id: None,
        request_id: RequestId(0),
        instrument: InstrumentId(0),
        venue_code: 0,
        order_quantity: Quantity::ZERO,
        limit_price: Price::ZERO,
        cum_quantity: Quantity::ZERO,
        last_quantity: Quantity::ZERO,
        last_price: Price::ZERO,
        fee_units: 0,
        venue_time: UnixNs(0),
        text: Text::EMPTY,
    }
}

mod bytes;
