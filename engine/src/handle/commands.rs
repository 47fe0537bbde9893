//! Commands: started, refused, given back by the gate, or no longer known.

use crate::engine::Pass;
use crate::order::transition::{Step, Stimulus, transition};
use crate::order::{Certainty, Order, PendingCommand};
use model::decision::IgnoredReason;
use model::identifiers::VenueMessage;
use model::input::NotSentReason;
use model::order_change::{ChangeBody, CommandOutcome, UnknownCause};
use model::{CommandKind, Decision, OrderIntent, OrderStatus, Price, Quantity, RequestId};

impl Pass<'_> {
    /// Journals the intent of a command. Every check has passed and there is room.
    ///
    /// `worth_ns`: for how long the command is worth anything, if less than the venue's window.
    pub(super) fn start_command(
        &mut self,
        order: &Order,
        command: CommandKind,
        request_id: RequestId,
        order_quantity: Quantity,
        limit_price: Price,
        worth_ns: u64,
    ) {
        assert!(
            command == CommandKind::Cancel
                || !self.state.is_killed(order.strategy, order.instrument),
            "under a closed kill latch nothing but cancels is started"
        );
        let window_ns = self
            .state
            .venue_of(order.instrument)
            .and_then(|venue| self.state.venue_policy(venue))
            .map_or(0, |policy| policy.command_window_ns)
            .min(worth_ns);
        let intent = OrderIntent {
            intent_seq: self.state.next_intent_seq,
            command,
            command_seq: order
                .commands
                .checked_add(1)
                .expect("65,535 commands per order"),
            send_no: 1,
            client_order_id: order.client_order_id,
            venue_order_id: order.venue_order_id,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            post_only: order.post_only,
            reduce_only: order.reduce_only,
            order_quantity,
            limit_price,
            valid_until: self.state.unix_at(self.moment.now).after_ns(window_ns),
        };
        let mut change = Self::change(order, ChangeBody::CommandStarted(intent));
        change.request_id = request_id;
        if command == CommandKind::New {
            let Step::To(status) = transition(order.status, Stimulus::Submit) else {
                unreachable!("a new order is submitted once, right after it is validated");
            };
            change.status = status;
        }
        self.emit_change(order, change);
    }

    /// Whether the command took effect is not known from here on.
    pub(super) fn mark_unknown(&mut self, order: &Order, command_seq: u16, cause: UnknownCause) {
        let mut change = Self::change(order, ChangeBody::CommandUnknown { command_seq, cause });
        change.request_id = Self::request_of(order, command_seq);
        self.emit_change(order, change);
    }

    /// A command ended without effect. A new order ends with its command.
    pub(super) fn end_command(
        &mut self,
        order: &Order,
        command: &PendingCommand,
        outcome: CommandOutcome,
        venue_code: u32,
        message: VenueMessage,
    ) {
        let body = ChangeBody::CommandEnded {
            command: command.command,
            command_seq: command.command_seq,
            outcome,
            venue_code,
            message,
        };
        let mut change = Self::change(order, body);
        change.request_id = command.request_id;
        if command.command == CommandKind::New {
            let stimulus = match outcome {
                CommandOutcome::Refused => Stimulus::Refuse,
                CommandOutcome::NotSent
                | CommandOutcome::NeverArrived
                | CommandOutcome::Superseded
                | CommandOutcome::NoEffect => Stimulus::Fail,
            };
            match transition(order.status, stimulus) {
                Step::To(status) => change.status = status,
                Step::Stale | Step::LateFill => return,
                Step::Violation => return self.contradiction(order.client_order_id),
            }
        }
        self.emit_change(order, change);
    }

    /// The gate gives an intent back: no byte of it left.
    pub(crate) fn not_sent(&mut self, intent_seq: u64, reason: NotSentReason) {
        let with_intent = |order: &&Order| {
            order
                .pending
                .iter()
                .flatten()
                .any(|command| command.intent_seq == intent_seq)
        };
        // Rare, and at most a backlog's worth at once: a walk is enough.
        let Some(order) = self.state.orders.iter().find(with_intent).copied() else {
            return self.emit(Decision::Ignored(IgnoredReason::NoSuchCommand));
        };
        let command = order
            .pending
            .iter()
            .flatten()
            .find(|command| command.intent_seq == intent_seq);
        let Some(command) = command.copied() else {
            return;
        };
        let message = VenueMessage::lossy(reason.name().as_bytes());
        self.end_command(&order, &command, CommandOutcome::NotSent, 0, message);
    }

    /// What is due for one order: answers that did not come, questions that must be asked.
    pub(super) fn order_due(&mut self, order: &Order) {
        let now = self.moment.now;
        let overdue = |command: &&PendingCommand| {
            command.certainty == Certainty::InFlight && command.answer_due <= now
        };
        for command in order.pending.iter().flatten().filter(overdue) {
            let current = self.state.orders.get(order.client_order_id).copied();
            if let Some(current) = current {
                self.mark_unknown(&current, command.command_seq, UnknownCause::Timeout);
            }
        }
        let Some(order) = self.state.orders.get(order.client_order_id).copied() else {
            return;
        };
        if order.needs_asking() && order.deadline <= now {
            self.ask(&order);
        }
    }

    /// Asks the venue about an order, or gives it to a person after too many vain askings.
    fn ask(&mut self, order: &Order) {
        let attempts = self
            .state
            .venue_of(order.instrument)
            .and_then(|venue| self.state.venue_policy(venue))
            .map_or(0, |policy| policy.ask_attempts);
        if order.asks_in_vain >= attempts {
            return self.give_to_operator(order);
        }
        let body = ChangeBody::Asked {
            ask_no: order.asks.wrapping_add(1),
            venue_order_id: order.venue_order_id,
        };
        let change = Self::change(order, body);
        self.emit_change(order, change);
    }

    fn give_to_operator(&mut self, order: &Order) {
        let unknown = |command: &&PendingCommand| command.certainty == Certainty::Unknown;
        let command_seq = order
            .pending
            .iter()
            .flatten()
            .find(unknown)
            .map_or(0, |c| c.command_seq);
        let change = Self::change(order, ChangeBody::NeedsOperator { command_seq });
        self.emit_change(order, change);
        self.alarm(
            model::decision::AlarmCode::NeedsOperator,
            Some(order.client_order_id),
        );
    }

    /// True when the order is one that the venue may still act on.
    pub(super) fn is_at_venue(status: OrderStatus) -> bool {
        match status {
            OrderStatus::Submitted | OrderStatus::Acknowledged | OrderStatus::PartiallyFilled => {
                true
            }
            OrderStatus::Created
            | OrderStatus::Validated
            | OrderStatus::Filled
            | OrderStatus::Cancelled
            | OrderStatus::Rejected
            | OrderStatus::Denied
            | OrderStatus::Failed
            | OrderStatus::Expired => false,
        }
    }
}
