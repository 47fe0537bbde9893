//! Applying a change to its order, and keeping every sum over orders true while doing so.

use super::{Answer, DeadlineKey, State, place};
use crate::engine::Moment;
use crate::order::{Certainty, HeldEnd, Order, PENDING_MAX, PendingCommand};
use crate::risk::exposure::Contribution;
use model::execution_report::Fill;
use model::order_change::ChangeBody;
use model::{
    ClientOrderId, CommandKind, MonotonicNs, NewOrder, OrderChange, OrderIntent, OrderType,
    Quantity, TimeInForce, UnixNs, VenueOrderId,
};

impl State {
    pub(super) fn apply_change(&mut self, moment: Moment, change: &OrderChange) {
        self.note_event(change.strategy, change.event_seq);
        let id = change.client_order_id;
        match &change.body {
            ChangeBody::Created { order, created_at } => self.create(change, order, *created_at),
            ChangeBody::Adopted {
                venue_order_id,
                created_at,
            } => {
                self.adopt(moment, change, *venue_order_id, *created_at);
            }
            ChangeBody::CommandStarted(intent) => self.start_command(moment, change, intent),
            ChangeBody::Executed { fill, .. } => self.book(moment, change, fill),
            ChangeBody::Stated { request_id } => {
                self.note_answer(change.strategy, *request_id, Answer::Taken(Some(id)));
            }
            ChangeBody::Acknowledged { venue_order_id, .. }
            | ChangeBody::Linked { venue_order_id }
                if self
                    .orders
                    .get(id)
                    .is_some_and(|order| order.venue_order_id.is_empty())
                    && !venue_order_id.is_empty() =>
            {
                self.orders.link(id, *venue_order_id);
            }
            _ => {}
        }
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let before = Contribution::of(order);
        let strategy = order.strategy;
        let instrument = order.instrument;
        let answer_due = moment.now.after_ns(self.command_timeout_ns(instrument));
        if let Some(order) = self.orders.get_mut(id) {
            apply_body(order, moment, answer_due, change);
            if order.status.is_terminal() && order.ended_at == MonotonicNs(0) {
                order.ended_at = moment.now.max(MonotonicNs(1));
            }
        }
        let after = self
            .orders
            .get(id)
            .map(Contribution::of)
            .unwrap_or_default();
        self.exchange(strategy, instrument, before, after);
        self.renew_deadline(id);
    }

    fn exchange(
        &mut self,
        strategy: model::StrategyId,
        instrument: model::InstrumentId,
        before: Contribution,
        after: Contribution,
    ) {
        if let Some(exposure) = self.exposures.get_mut(place(instrument.0)) {
            exposure.exchange(before, after);
        }
        let change = |count: u32| match (before.is_open(), after.is_open()) {
            (false, true) => count.saturating_add(1),
            (true, false) => count.checked_sub(1).expect("an open order was counted"),
            (true, true) | (false, false) => count,
        };
        self.orders.set_open_count(change(self.orders.open_count()));
        if let Some(state) = self.strategies.get_mut(usize::from(strategy.0)) {
            state.open_orders = change(state.open_orders);
        }
    }

    fn create(&mut self, change: &OrderChange, order: &NewOrder, created_at: UnixNs) {
        self.next_order_sequence = change.client_order_id.sequence().saturating_add(1);
        self.probe_offset = 0;
        let mut record = blank_order(change, created_at);
        record.order_type = order.order_type;
        record.time_in_force = order.time_in_force;
        record.post_only = order.post_only;
        record.reduce_only = order.reduce_only;
        self.place_order(record);
        self.note_answer(
            change.strategy,
            change.request_id,
            Answer::Taken(Some(change.client_order_id)),
        );
    }

    fn adopt(
        &mut self,
        moment: Moment,
        change: &OrderChange,
        venue_order_id: VenueOrderId,
        created_at: UnixNs,
    ) {
        let mut record = blank_order(change, created_at);
        record.venue_order_id = venue_order_id;
        record.news_sequence = moment.sequence;
        self.place_order(record);
    }

    fn place_order(&mut self, record: Order) {
        self.orders.insert(record);
        self.count_in(&record);
    }

    /// Counts an order in every sum over orders.
    pub(super) fn count_in(&mut self, order: &Order) {
        let after = Contribution::of(order);
        let before = Contribution::default();
        self.exchange(order.strategy, order.instrument, before, after);
    }

    fn start_command(&mut self, moment: Moment, change: &OrderChange, intent: &OrderIntent) {
        self.next_intent_seq = intent.intent_seq.saturating_add(1);
        self.count_command(intent.instrument, intent.command, moment.now);
        if intent.command == CommandKind::New {
            if let Some(strategy) = self.strategies.get_mut(usize::from(change.strategy.0)) {
                strategy.order_rate.count(moment.now);
            }
        } else {
            let answer = Answer::Taken(Some(change.client_order_id));
            self.note_answer(change.strategy, change.request_id, answer);
        }
    }

    fn book(&mut self, moment: Moment, change: &OrderChange, fill: &Fill) {
        let id = change.client_order_id;
        if let Some(exposure) = self.exposures.get_mut(place(change.instrument.0)) {
            exposure.book(change.side, fill.last_quantity);
        }
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let (first, venue_order_id) = (order.first_execution, order.venue_order_id);
        let head = self
            .executions
            .insert(id, change.instrument, fill.trade_id, first);
        if let (Some(head), Some(order)) = (head, self.orders.get_mut(id)) {
            order.first_execution = head;
        }
        self.note_own_fill(moment, change, fill, &venue_order_id);
    }

    fn command_timeout_ns(&self, instrument: model::InstrumentId) -> u64 {
        self.venue_of(instrument)
            .and_then(|venue| self.venue_policy(venue))
            .map_or(0, |policy| policy.command_timeout_ns)
    }

    /// Computes anew when the order must be looked at, and enters it when that is sooner.
    pub(super) fn renew_deadline(&mut self, id: ClientOrderId) {
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let ask_interval_ns = self
            .venue_of(order.instrument)
            .and_then(|venue| self.venue_policy(venue))
            .map_or(0, |policy| policy.ask_interval_ns);
        let next = order.next_deadline(ask_interval_ns);
        if next == order.deadline {
            return;
        }
        if let Some(order) = self.orders.get_mut(id) {
            order.deadline = next;
        }
        self.enter_deadline(next, DeadlineKey::Order(id));
    }
}

/// An order as its first change shows it.
fn blank_order(change: &OrderChange, created_at: UnixNs) -> Order {
    Order {
        client_order_id: change.client_order_id,
        strategy: change.strategy,
        request_id: change.request_id,
        instrument: change.instrument,
        side: change.side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        status: change.status,
        order_quantity: change.order_quantity,
        limit_price: change.limit_price,
        cum_quantity: change.cum_quantity,
        venue_cum_quantity: Quantity::ZERO,
        executed_value: 0,
        fee_units: 0,
        venue_order_id: VenueOrderId::EMPTY,
        pending: [None; PENDING_MAX],
        commands: 0,
        cancel_sequence: 0,
        held_end: None,
        unseen: false,
        seen_in_sweep: 0,
        asks: 0,
        asks_in_vain: 0,
        asked_at: MonotonicNs(0),
        ask_open: false,
        asked_sequence: 0,
        absent_from: 0,
        seen_resting: None,
        seen_time: UnixNs(0),
        needs_operator: false,
        news_sequence: 0,
        terms_time: UnixNs(0),
        created_at,
        ended_at: MonotonicNs(0),
        first_execution: u32::MAX,
        deadline: MonotonicNs::NEVER,
    }
}

/// What a change does to the order itself. The header's numbers are the order's numbers after it.
fn apply_body(order: &mut Order, moment: Moment, answer_due: MonotonicNs, change: &OrderChange) {
    order.status = change.status;
    order.order_quantity = change.order_quantity;
    order.limit_price = change.limit_price;
    order.cum_quantity = change.cum_quantity;
    order.venue_cum_quantity = order.venue_cum_quantity.max(change.cum_quantity);
    match &change.body {
        ChangeBody::CommandStarted(intent) => {
            order.commands = intent.command_seq;
            if intent.command == CommandKind::Cancel {
                order.cancel_sequence = moment.sequence;
            }
            order.add_pending(pending_of(moment, answer_due, change, intent));
        }
        ChangeBody::Acknowledged { .. } => {
            end_new_command(order);
            note_news(order, moment);
        }
        ChangeBody::Linked { .. } | ChangeBody::Ended { .. } => note_news(order, moment),
        ChangeBody::CommandAccepted { command_seq } => {
            if let Some(command) = command_mut(order, *command_seq) {
                command.accepted = true;
            }
            note_news(order, moment);
        }
        ChangeBody::CommandEnded { command_seq, .. } => order.remove_pending(*command_seq),
        ChangeBody::CommandUnknown { command_seq, .. } => {
            if let Some(command) = command_mut(order, *command_seq) {
                command.certainty = Certainty::Unknown;
            }
            order.asked_at = MonotonicNs(0);
        }
        ChangeBody::NeedsOperator { command_seq } => {
            if let Some(command) = command_mut(order, *command_seq) {
                command.certainty = Certainty::NeedsOperator;
            }
            order.needs_operator = true;
        }
        ChangeBody::Executed { fill, .. } => {
            apply_fill(order, fill);
            note_news(order, moment);
        }
        ChangeBody::FillsMissing { venue_cum_quantity } => {
            order.venue_cum_quantity = order.venue_cum_quantity.max(*venue_cum_quantity);
            note_news(order, moment);
        }
        ChangeBody::Replaced {
            command_seq,
            venue_time,
        } => {
            order.remove_pending(*command_seq);
            order.terms_time = order.terms_time.max(*venue_time);
            note_news(order, moment);
        }
        ChangeBody::EndHeld { status, end_code } => {
            order.held_end = Some(HeldEnd {
                status: *status,
                end_code: *end_code,
            });
            note_news(order, moment);
        }
        asking => apply_asking(order, moment, asking),
    }
    if order.status.is_terminal() {
        end_all(order);
    }
    order.forget_settled_doubts();
}

/// What was under way or open about an order ends with it.
fn end_all(order: &mut Order) {
    order.pending = [None; PENDING_MAX];
    order.held_end = None;
    order.unseen = false;
}

/// What asking the venue, and not asking it any more, does to the order.
fn apply_asking(order: &mut Order, moment: Moment, body: &ChangeBody) {
    match body {
        ChangeBody::Asked { ask_no, .. } => {
            order.asks = *ask_no;
            order.asked_at = moment.now.max(MonotonicNs(1));
            order.ask_open = true;
            order.asked_sequence = moment.sequence;
            order.absent_from = 0;
            order.seen_resting = None;
        }
        ChangeBody::AbsenceNoted { source } => order.note_absent(*source),
        ChangeBody::AskSettled => {
            order.ask_open = false;
            order.unseen = false;
            order.asks_in_vain = 0;
        }
        ChangeBody::AskedInVain => {
            order.ask_open = false;
            order.asks_in_vain = order.asks_in_vain.saturating_add(1);
        }
        ChangeBody::AskFailed => order.ask_open = false,
        ChangeBody::Unseen => order.unseen = true,
        // The order was made of its first change before; a statement changes nothing. Everything
        // else is applied by the caller.
        _ => {}
    }
}

fn pending_of(
    moment: Moment,
    answer_due: MonotonicNs,
    change: &OrderChange,
    intent: &OrderIntent,
) -> PendingCommand {
    PendingCommand {
        command: intent.command,
        command_seq: intent.command_seq,
        intent_seq: intent.intent_seq,
        request_id: change.request_id,
        certainty: Certainty::InFlight,
        accepted: false,
        order_quantity: intent.order_quantity,
        limit_price: intent.limit_price,
        decided_at: moment.now,
        answer_due,
        valid_until: intent.valid_until,
    }
}

fn note_news(order: &mut Order, moment: Moment) {
    order.news_sequence = moment.sequence;
    if order.status != model::OrderStatus::Submitted {
        end_new_command(order);
    }
}

/// Once the venue was heard, the new order is no longer a question.
fn end_new_command(order: &mut Order) {
    if let Some(command) = order.pending_of(CommandKind::New) {
        let command_seq = command.command_seq;
        order.remove_pending(command_seq);
    }
}

fn command_mut(order: &mut Order, command_seq: u16) -> Option<&mut PendingCommand> {
    order
        .pending
        .iter_mut()
        .flatten()
        .find(|command| command.command_seq == command_seq)
}

fn apply_fill(order: &mut Order, fill: &Fill) {
    let value = i128::from(fill.last_price.units()).checked_mul(fill.last_quantity.units().into());
    order.executed_value = value
        .and_then(|value| order.executed_value.checked_add(value))
        .expect("64-bit prices and quantities cannot exhaust 128 bits");
    order.fee_units = order.fee_units.saturating_add(i128::from(fill.fee_units));
}
