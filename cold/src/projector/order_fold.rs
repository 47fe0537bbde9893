//! What one change does to the rows of its order: the order, its commands, its executions.
//!
//! Invariant: everything here is a function of the order's rows and the change, so a restart at any
//! entry gives the same rows.

use model::engine_config::TradingMode;
use model::execution_report::Fill;
use model::order_change::CommandOutcome;
use model::sent_record::SentStamp;
use model::{
    ChangeBody, CommandKind, MonotonicNs, OrderChange, OrderIntent, OrderStatus, OrderType, Text,
    TimeInForce, UnixNs, UtcAnchor, VenueOrderId,
};
use serde_json::json;

use super::order_log_rows::change_log;
use super::projection::is_spent;
use crate::store::Batch;
use crate::store::exact_text::average_text;
use crate::store::rows::{FillRow, IntentRow, IntentState, Market, OrderRow};

/// When a decision was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion {
    /// The entry.
    pub(super) sequence: u64,
    /// Which decision of it.
    pub(super) ordinal: u32,
    /// The run.
    pub(super) boot_epoch: u32,
    /// The run's clock.
    pub(super) now: MonotonicNs,
    /// The same moment, UTC.
    pub(super) unix: UnixNs,
}

/// An order that is being changed, with the commands that can still change.
pub(super) struct HeldOrder {
    order: OrderRow,
    is_changed: bool,
    intents: Vec<HeldIntent>,
}

struct HeldIntent {
    row: IntentRow,
    is_changed: bool,
}

impl HeldIntent {
    fn is_new_order(&self) -> bool {
        self.row.command == CommandKind::New
    }
}

/// An order as its first change shows it.
pub(super) fn new_order(
    at: &Occasion,
    change: &OrderChange,
    (market, mode): (Market, TradingMode),
    strategy_name: Text<31>,
) -> OrderRow {
    OrderRow {
        client_order_id: change.client_order_id,
        order_id: VenueOrderId::EMPTY,
        intent_id: 0,
        request_id: change.request_id.0,
        strategy: change.strategy,
        strategy_name,
        market,
        mode,
        side: change.side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        limit_price: change.limit_price,
        order_quantity: change.order_quantity,
        cum_quantity: change.cum_quantity,
        executed_value: 0,
        fee_units: 0,
        // The status before the first one: nothing was proved.
        status: OrderStatus::Created,
        unknown: false,
        needs_operator: false,
        created_at: at.unix,
        submitted_at: None,
        acknowledged_at: None,
        filled_at: None,
        cancelled_at: None,
        ended_at: None,
        status_since: at.unix,
        latency_us: None,
        venue_code: 0,
        error_message: Text::EMPTY,
        last_sequence: at.sequence,
    }
}

impl HeldOrder {
    pub(super) fn new(order: OrderRow) -> Self {
        Self {
            order,
            is_changed: false,
            intents: Vec::new(),
        }
    }

    /// Adds a command as the database has it.
    pub(super) fn add_known(&mut self, row: IntentRow) {
        self.intents.push(HeldIntent {
            row,
            is_changed: false,
        });
    }

    /// True when the order has ended: nothing but a late fill can still come.
    pub(super) fn is_over(&self) -> bool {
        self.order.status.is_terminal()
    }

    /// Moves what changed since the last call into `batch`.
    pub(super) fn drain_changed(&mut self, batch: &mut Batch) {
        if std::mem::take(&mut self.is_changed) {
            batch.orders.push(self.order);
        }
        for held in &mut self.intents {
            if std::mem::take(&mut held.is_changed) {
                batch.intents.push(held.row.clone());
            }
        }
        self.intents
            .retain(|held| !is_spent(held.row.state, held.is_new_order()));
    }

    /// A command was written to its socket.
    pub(super) fn note_sent(&mut self, stamp: &SentStamp, anchor: UtcAnchor) {
        let is_it = |held: &&mut HeldIntent| held.row.intent_id == stamp.intent_seq;
        let Some(held) = self.intents.iter_mut().find(is_it) else {
            return;
        };
        if held.row.state.is_over() {
            return;
        }
        held.is_changed = true;
        held.row.payload_hash = Some(stamp.payload_hash);
        if stamp.written_at != MonotonicNs(0) {
            held.row.state = IntentState::Executing;
            held.row.sent_at = Some(anchor.unix_at(stamp.written_at));
        }
    }

    /// Applies a change; executions and log lines go to `batch`. The intent that it began, if it
    /// began one.
    pub(super) fn apply(
        &mut self,
        at: &Occasion,
        change: &OrderChange,
        batch: &mut Batch,
    ) -> Option<u64> {
        let before = self.order;
        self.is_changed = true;
        let order = &mut self.order;
        order.unknown = change.unknown;
        order.order_quantity = change.order_quantity;
        order.limit_price = change.limit_price;
        order.cum_quantity = change.cum_quantity;
        order.last_sequence = at.sequence;
        if change.status != order.status {
            order.status = change.status;
            order.status_since = at.unix;
        }
        let began = self.apply_body(at, change, batch);
        self.settle(at, &before);
        if let Some(log) = change_log(at, change, &before, &self.order) {
            batch.logs.push(log);
        }
        began
    }

    fn apply_body(
        &mut self,
        at: &Occasion,
        change: &OrderChange,
        batch: &mut Batch,
    ) -> Option<u64> {
        let order = &mut self.order;
        match &change.body {
            ChangeBody::Created {
                order: asked,
                created_at,
            } => {
                order.order_type = asked.order_type;
                order.time_in_force = asked.time_in_force;
                order.post_only = asked.post_only;
                order.reduce_only = asked.reduce_only;
                order.created_at = *created_at;
            }
            ChangeBody::Adopted {
                venue_order_id,
                created_at,
            } => {
                order.order_id = *venue_order_id;
                order.created_at = *created_at;
            }
            ChangeBody::CommandStarted(intent) => return Some(self.begin(at, change, intent)),
            ChangeBody::Acknowledged { venue_order_id, .. } => {
                self.name_at_venue(*venue_order_id);
                self.answered(at, CommandKind::New, None);
            }
            ChangeBody::Linked { venue_order_id } => self.name_at_venue(*venue_order_id),
            ChangeBody::CommandAccepted { command_seq } => {
                self.answered(at, CommandKind::Cancel, Some(*command_seq));
                self.answered(at, CommandKind::Replace, Some(*command_seq));
            }
            ChangeBody::CommandEnded { .. } => self.command_ended(at, change),
            ChangeBody::CommandUnknown { command_seq, .. } => self.doubt(*command_seq),
            ChangeBody::NeedsOperator { .. } => order.needs_operator = true,
            ChangeBody::Executed {
                fill,
                late,
                overfill,
            } => {
                self.answered(at, CommandKind::New, None);
                self.book(at, fill, (*late, *overfill), batch);
            }
            ChangeBody::Replaced { command_seq, .. } => {
                let applied = IntentState::Completed;
                self.end_intent(at, *command_seq, applied, "applied", true);
            }
            ChangeBody::Ended { end_code, .. } => {
                order.venue_code = *end_code;
                self.answered(at, CommandKind::New, None);
            }
            ChangeBody::AskSettled => order.needs_operator = false,
            ChangeBody::FillsMissing { .. }
            | ChangeBody::EndHeld { .. }
            | ChangeBody::Asked { .. }
            | ChangeBody::AbsenceNoted { .. }
            | ChangeBody::AskedInVain
            | ChangeBody::Unseen
            | ChangeBody::AskFailed
            | ChangeBody::Stated { .. } => {}
        }
        None
    }

    fn begin(&mut self, at: &Occasion, change: &OrderChange, intent: &OrderIntent) -> u64 {
        if intent.command == CommandKind::New {
            self.order.intent_id = intent.intent_seq;
            self.order.submitted_at = self.order.submitted_at.or(Some(at.unix));
        }
        let market = &self.order.market;
        let row = IntentRow {
            intent_id: intent.intent_seq,
            client_order_id: intent.client_order_id,
            command: intent.command,
            command_seq: intent.command_seq,
            send_no: intent.send_no,
            request_id: change.request_id.0,
            scales: (market.price_scale, market.quantity_scale),
            limit_price: intent.limit_price,
            order_quantity: intent.order_quantity,
            state: IntentState::Pending,
            unknown: false,
            outcome: String::new(),
            result: String::new(),
            created_at: at.unix,
            valid_until: intent.valid_until,
            sent_at: None,
            completed_at: None,
            latency_us: None,
            payload_hash: None,
            boot_epoch: at.boot_epoch,
            decided_at: at.now,
            sequence: at.sequence,
        };
        self.intents.push(HeldIntent {
            row,
            is_changed: true,
        });
        intent.intent_seq
    }

    fn name_at_venue(&mut self, venue_order_id: VenueOrderId) {
        if self.order.order_id.is_empty() {
            self.order.order_id = venue_order_id;
        }
    }

    /// The venue spoke about a command: the one with this number, or the new order.
    fn answered(&mut self, at: &Occasion, command: CommandKind, command_seq: Option<u16>) {
        let is_it = |held: &&mut HeldIntent| {
            held.row.command == command
                && command_seq.is_none_or(|number| held.row.command_seq == number)
                && !held.row.state.is_over()
        };
        if let Some(held) = self.intents.iter_mut().find(is_it) {
            note_answer(held, at);
            held.row.state = IntentState::Executing;
            if command == CommandKind::New {
                held.row.unknown = false;
                self.order.latency_us = held.row.latency_us;
            }
        }
        if command == CommandKind::New {
            let heard = self.order.acknowledged_at;
            self.order.acknowledged_at = heard.or(Some(at.unix));
        }
    }

    fn command_ended(&mut self, at: &Occasion, change: &OrderChange) {
        let ChangeBody::CommandEnded {
            command_seq,
            outcome,
            venue_code,
            message,
            ..
        } = &change.body
        else {
            return;
        };
        self.order.venue_code = *venue_code;
        self.order.error_message = if message.is_empty() {
            Text::lossy(outcome.name().as_bytes())
        } else {
            *message
        };
        let (state, by_venue) = match outcome {
            CommandOutcome::Refused => (IntentState::Completed, true),
            CommandOutcome::Superseded | CommandOutcome::NoEffect => {
                (IntentState::Completed, false)
            }
            CommandOutcome::NotSent | CommandOutcome::NeverArrived => (IntentState::Failed, false),
        };
        self.end_intent(at, *command_seq, state, outcome.name(), by_venue);
        let created = self.intents.iter().find(|held| held.is_new_order());
        self.order.latency_us = created.and_then(|held| held.row.latency_us);
    }

    fn end_intent(
        &mut self,
        at: &Occasion,
        command_seq: u16,
        state: IntentState,
        outcome: &str,
        by_venue: bool,
    ) {
        let (order, intents) = (&self.order, &mut self.intents);
        let is_it = |held: &&mut HeldIntent| {
            held.row.command_seq == command_seq && !held.row.state.is_over()
        };
        if let Some(held) = intents.iter_mut().find(is_it) {
            if by_venue {
                note_answer(held, at);
            }
            end(held, at, state, outcome, order);
        }
    }

    fn doubt(&mut self, command_seq: u16) {
        let is_it = |held: &&mut HeldIntent| held.row.command_seq == command_seq;
        if let Some(held) = self.intents.iter_mut().find(is_it) {
            held.row.unknown = true;
            held.is_changed = true;
        }
    }

    fn book(
        &mut self,
        at: &Occasion,
        fill: &Fill,
        (late, overfill): (bool, bool),
        batch: &mut Batch,
    ) {
        let order = &mut self.order;
        let value = i128::from(fill.last_price.units()) * i128::from(fill.last_quantity.units());
        order.executed_value = order.executed_value.saturating_add(value);
        order.fee_units = order.fee_units.saturating_add(i128::from(fill.fee_units));
        order.filled_at = Some(at.unix);
        batch.fills.push(FillRow {
            sequence: at.sequence,
            ordinal: at.ordinal,
            client_order_id: order.client_order_id,
            strategy_name: order.strategy_name,
            side: order.side,
            market: order.market,
            fill: *fill,
            late,
            overfill,
            booked_at: at.unix,
        });
    }

    /// What follows from the order's status: its moments, and the end of everything under way.
    fn settle(&mut self, at: &Occasion, before: &OrderRow) {
        let order = &mut self.order;
        if before.unknown && !order.unknown {
            order.needs_operator = false;
        }
        if !order.status.is_terminal() {
            return;
        }
        order.needs_operator &= order.unknown;
        if !before.status.is_terminal() {
            order.ended_at = Some(at.unix);
            if order.status == OrderStatus::Cancelled {
                order.cancelled_at = Some(at.unix);
            }
        }
        let order = &self.order;
        for held in &mut self.intents {
            if !held.row.state.is_over() {
                let outcome = match (held.row.command, order.status) {
                    (CommandKind::New, status) => status.name(),
                    (CommandKind::Cancel, OrderStatus::Cancelled) => "applied",
                    (CommandKind::Cancel | CommandKind::Replace, _) => {
                        CommandOutcome::Superseded.name()
                    }
                };
                if outcome == "applied" {
                    note_answer(held, at);
                }
                end(held, at, IntentState::Completed, outcome, order);
            } else if held.is_new_order() {
                // A late fill changes what the order came to.
                held.row.result = result_of(order);
                held.is_changed = true;
            }
        }
    }
}

fn note_answer(held: &mut HeldIntent, at: &Occasion) {
    held.is_changed = true;
    if held.row.latency_us.is_none() && held.row.boot_epoch == at.boot_epoch {
        held.row.latency_us = Some(at.now.since_ns(held.row.decided_at) / 1_000);
    }
}

fn end(held: &mut HeldIntent, at: &Occasion, state: IntentState, outcome: &str, order: &OrderRow) {
    held.is_changed = true;
    held.row.state = state;
    held.row.unknown = false;
    outcome.clone_into(&mut held.row.outcome);
    held.row.completed_at = Some(at.unix);
    held.row.result = result_of(order);
}

/// What an order came to, as JSON.
fn result_of(order: &OrderRow) -> String {
    let market = &order.market;
    let units = order.cum_quantity.units();
    let quantity = order.cum_quantity.text(market.quantity_scale);
    let mut result = json!({
        "status": order.status.name(),
        "filled_quantity": quantity.as_str(),
        "average_fill_price": average_text(order.executed_value, units, market.price_scale),
    });
    if order.venue_code != 0 {
        result["venue_code"] = json!(order.venue_code);
    }
    if !order.error_message.is_empty() {
        result["reason"] = json!(order.error_message.as_str());
    }
    result.to_string()
}
