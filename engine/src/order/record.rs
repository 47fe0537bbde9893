//! The record of one order. Changed only by applying an [`model::OrderChange`].

use model::recon_fact::FactSource;
use model::{
    ClientOrderId, CommandKind, InstrumentId, MonotonicNs, OrderStatus, OrderType, Price, Quantity,
    RequestId, Side, StrategyId, TimeInForce, UnixNs, VenueOrderId, canonical_enum,
    canonical_struct,
};

/// Most commands under way at once for one order.
pub const PENDING_MAX: usize = 4;

/// A question to a venue without any answer for this long is lost and asked again. An answer takes
/// as long as the venue's pages and rates make it take: asking again sooner would only make the
/// answer that is under way worthless.
pub const ASK_LOST_NS: u64 = 30 * model::time::NS_PER_S;

canonical_enum! {
    /// What is known of a command's effect.
    pub enum Certainty {
        /// Sent; the answer is due.
        InFlight = 1 as "in_flight",
        /// No answer can be expected any more; the venue is being asked.
        Unknown = 2 as "UNKNOWN",
        /// Asking did not help.
        NeedsOperator = 3 as "NEEDS_OPERATOR",
    }
}

canonical_struct! {
    /// A command that has not ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct PendingCommand {
        /// New, cancel or replace.
        pub command: CommandKind,
        /// Running number within the order.
        pub command_seq: u16,
        /// The intent, to match what the gate gives back.
        pub intent_seq: u64,
        /// The request that asked for it.
        pub request_id: RequestId,
        /// What is known.
        pub certainty: Certainty,
        /// True when the venue took it for processing.
        pub accepted: bool,
        /// A replace's new total; the order's own otherwise.
        pub order_quantity: Quantity,
        /// A replace's new price; the order's own otherwise.
        pub limit_price: Price,
        /// When it was decided.
        pub decided_at: MonotonicNs,
        /// Without an answer it is Unknown from here.
        pub answer_due: MonotonicNs,
        /// The venue does not act on it after this moment.
        pub valid_until: UnixNs,
    }
}

canonical_struct! {
    /// How the venue ended an order whose executions are not all booked yet.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct HeldEnd {
        /// The end.
        pub status: OrderStatus,
        /// The venue's code for it.
        pub end_code: u32,
    }
}

canonical_struct! {
    /// One order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Order {
        /// Our id.
        pub client_order_id: ClientOrderId,
        /// Whose.
        pub strategy: StrategyId,
        /// The request that it came from.
        pub request_id: RequestId,
        /// What is traded.
        pub instrument: InstrumentId,
        /// Which way.
        pub side: Side,
        /// Limit or market.
        pub order_type: OrderType,
        /// How long.
        pub time_in_force: TimeInForce,
        /// Refused rather than taking.
        pub post_only: bool,
        /// Only ever makes the position smaller.
        pub reduce_only: bool,
        /// What is proved.
        pub status: OrderStatus,
        /// FIX 38.
        pub order_quantity: Quantity,
        /// FIX 44.
        pub limit_price: Price,
        /// FIX 14: the sum of the booked executions.
        pub cum_quantity: Quantity,
        /// The most that the venue ever counted as filled.
        pub venue_cum_quantity: Quantity,
        /// Sum of price units x quantity units of the executions: the average's numerator.
        pub executed_value: i128,
        /// Sum of the executions' fees, 10^-12 units.
        pub fee_units: i128,
        /// The venue's id; empty until known.
        pub venue_order_id: VenueOrderId,
        /// What is under way, oldest first.
        pub pending: [Option<PendingCommand>; PENDING_MAX],
        /// Commands so far.
        pub commands: u16,
        /// Journal sequence of the entry that started its last cancel; zero = none yet.
        pub cancel_sequence: u64,
        /// The venue's end, while executions are missing.
        pub held_end: Option<HeldEnd>,
        /// A complete sweep did not show it.
        pub unseen: bool,
        /// The last sweep that showed it.
        pub seen_in_sweep: u32,
        /// Askings so far.
        pub asks: u16,
        /// Askings that were answered whole without settling everything.
        pub asks_in_vain: u16,
        /// When the last asking left; zero = none since something was open.
        pub asked_at: MonotonicNs,
        /// The last asking has no answer yet.
        pub ask_open: bool,
        /// Journal sequence of the last asking: what was read before it is no answer to it.
        pub asked_sequence: u64,
        /// Lists that the current asking found it absent from.
        pub absent_from: u8,
        /// The current asking showed it resting, with these terms.
        pub seen_resting: Option<(Quantity, Price)>,
        /// The venue's clock in those terms.
        pub seen_time: UnixNs,
        /// A person must look: no more asking.
        pub needs_operator: bool,
        /// Journal sequence of the last news of it from the venue.
        pub news_sequence: u64,
        /// The venue's clock in the last update of its terms.
        pub terms_time: UnixNs,
        /// When it was created.
        pub created_at: UnixNs,
        /// When it ended, by the monotonic clock of this run.
        pub ended_at: MonotonicNs,
        /// Head of its list in the execution table.
        pub first_execution: u32,
        /// When the engine must look at it next.
        pub deadline: MonotonicNs,
    }
}

impl Order {
    /// FIX 151: nothing when terminal.
    pub fn leaves_quantity(&self) -> Quantity {
        if self.status.is_terminal() {
            Quantity::ZERO
        } else {
            self.order_quantity.minus_or_zero(self.cum_quantity)
        }
    }

    /// The most that can still be executed, whatever became of the commands under way.
    pub fn worst_leaves_quantity(&self) -> Quantity {
        if self.status.is_terminal() {
            return self.venue_cum_quantity.minus_or_zero(self.cum_quantity);
        }
        let mut total = self.order_quantity;
        for command in self.pending.iter().flatten() {
            if command.command == CommandKind::Replace {
                total = total.max(command.order_quantity);
            }
        }
        total
            .max(self.venue_cum_quantity)
            .minus_or_zero(self.cum_quantity)
    }

    /// True while it can still be executed or a command's effect is open.
    pub fn is_open(&self) -> bool {
        !self.status.is_terminal()
    }

    /// True while the effect of a command is not known.
    pub fn is_unknown(&self) -> bool {
        self.pending
            .iter()
            .flatten()
            .any(|command| command.certainty != Certainty::InFlight)
    }

    /// True while the venue must be asked about it.
    pub fn needs_asking(&self) -> bool {
        let unknown = self
            .pending
            .iter()
            .flatten()
            .any(|command| command.certainty == Certainty::Unknown);
        let open = unknown || self.fills_missing() || self.unseen;
        open && !self.needs_operator
    }

    /// True while the venue counts more filled than is booked.
    pub fn fills_missing(&self) -> bool {
        self.venue_cum_quantity > self.cum_quantity
    }

    /// The command of this kind and number, if it has not ended.
    pub fn pending_command(
        &self,
        command: CommandKind,
        command_seq: u16,
    ) -> Option<&PendingCommand> {
        self.pending
            .iter()
            .flatten()
            .find(|pending| pending.command == command && pending.command_seq == command_seq)
    }

    /// The oldest command of this kind, if one has not ended.
    pub fn pending_of(&self, command: CommandKind) -> Option<&PendingCommand> {
        self.pending
            .iter()
            .flatten()
            .find(|pending| pending.command == command)
    }

    /// True when a fifth command would have no place.
    pub fn pending_is_full(&self) -> bool {
        self.pending.iter().all(Option::is_some)
    }

    /// Takes it from the operator's list, and forgets vain askings, once nothing is open about it.
    pub(crate) fn forget_settled_doubts(&mut self) {
        if !self.is_unknown() && !self.fills_missing() && !self.unseen {
            self.needs_operator = false;
            self.asks_in_vain = 0;
        }
    }

    /// Adds a command.
    ///
    /// # Panics
    /// When four are under way: the check is made before anything is decided.
    pub(crate) fn add_pending(&mut self, command: PendingCommand) {
        let free = self.pending.iter_mut().find(|place| place.is_none());
        *free.expect("room for a command is checked before it is decided") = Some(command);
    }

    /// Removes a command, keeping the others' order.
    pub(crate) fn remove_pending(&mut self, command_seq: u16) {
        for place in &mut self.pending {
            if place.is_some_and(|pending| pending.command_seq == command_seq) {
                *place = None;
            }
        }
        self.pending
            .sort_by_key(|place| place.map_or(u16::MAX, |pending| pending.command_seq));
    }

    /// Notes that a list does not have it.
    pub(crate) fn note_absent(&mut self, source: FactSource) {
        self.absent_from |= source_bit(source);
    }

    /// True when two independent lists lack it: the open orders, and the history by our id.
    pub fn is_absent_everywhere(&self) -> bool {
        let both = source_bit(FactSource::OpenOrders) | source_bit(FactSource::History);
        self.absent_from & both == both
    }

    /// When the engine must look at it next: the first answer that is due, or the next asking.
    pub(crate) fn next_deadline(&self, ask_interval_ns: u64) -> MonotonicNs {
        let mut next = MonotonicNs::NEVER;
        for command in self.pending.iter().flatten() {
            if command.certainty == Certainty::InFlight {
                next = next.min(command.answer_due);
            }
        }
        if self.needs_asking() {
            let pause_ns = if self.ask_open {
                ASK_LOST_NS
            } else {
                ask_interval_ns
            };
            let ask_at = match self.asked_at {
                MonotonicNs(0) => MonotonicNs(0),
                asked_at => asked_at.after_ns(pause_ns),
            };
            next = next.min(ask_at);
        }
        next
    }
}

const fn source_bit(source: FactSource) -> u8 {
    match source {
        FactSource::OpenOrders => 1,
        FactSource::OrderById => 2,
        FactSource::History => 4,
    }
}
