//! What a venue said: applied, recognised as known, or set aside with an alarm. Never dropped.

use crate::engine::Pass;
use crate::order::Order;
use crate::order::transition::{Step, Stimulus, transition};
use crate::state::ends;
use model::decision::{AlarmCode, IgnoredReason};
use model::execution_report::{
    CommandReply, OrderUpdate, ReplyOutcome, VenueOrderState, VenueReport,
};
use model::input::Input;
use model::order_change::{ChangeBody, CommandOutcome, UnknownCause};
use model::{
    ClientOrderId, CommandKind, Decision, OrderChange, OrderStatus, Quantity, RequestId,
    StrategyId, VenueOrderId,
};

/// Orders that no strategy of the configuration owns.
pub(crate) const NOBODY: StrategyId = StrategyId(u16::MAX);

impl Pass<'_> {
    pub(crate) fn venue_frame(&mut self, input: &Input<'_>, reports: &[VenueReport]) {
        self.state.apply_input(self.moment, input);
        for report in reports {
            match report {
                VenueReport::Reply(reply) => self.reply(reply),
                VenueReport::Order(update) => self.order_update(update),
                VenueReport::Quarantined(_) => self.alarm(AlarmCode::Quarantined, None),
                // Applied with the input; what follows from them waits for its time.
                VenueReport::Position(_)
                | VenueReport::Balance(_)
                | VenueReport::PositionsElsewhere { .. } => {}
            }
        }
    }

    fn reply(&mut self, reply: &CommandReply) {
        let id = reply.client_order_id;
        let Some(order) = self.state.orders.get(id).copied() else {
            return self.emit(Decision::Ignored(IgnoredReason::Foreign));
        };
        let Some(command) = order
            .pending_command(reply.command, reply.command_seq)
            .copied()
        else {
            if reply.command == CommandKind::New && reply.outcome == ReplyOutcome::Accepted {
                self.link(&order, reply.venue_order_id);
            }
            return self.emit(Decision::Ignored(IgnoredReason::NoSuchCommand));
        };
        match (reply.command, reply.outcome) {
            (CommandKind::New, ReplyOutcome::Accepted) => self.acknowledge(&order, reply),
            (CommandKind::Cancel | CommandKind::Replace, ReplyOutcome::Accepted) => {
                let body = ChangeBody::CommandAccepted {
                    command_seq: reply.command_seq,
                };
                let change = Self::change(&order, body);
                self.emit_change(&order, change);
            }
            (_, ReplyOutcome::Refused) => {
                let (code, message) = (reply.venue_code, reply.message);
                self.end_command(&order, &command, CommandOutcome::Refused, code, message);
            }
            (_, ReplyOutcome::Unknown) => {
                self.mark_unknown(&order, reply.command_seq, UnknownCause::VenueUnsure);
            }
            (_, ReplyOutcome::AlreadyGone) => {
                self.mark_unknown(&order, reply.command_seq, UnknownCause::AlreadyGone);
            }
        }
    }

    fn acknowledge(&mut self, order: &Order, reply: &CommandReply) {
        match transition(order.status, Stimulus::Accept) {
            Step::To(status) => {
                let body = ChangeBody::Acknowledged {
                    venue_order_id: reply.venue_order_id,
                    venue_time: reply.venue_time,
                };
                let mut change = Self::change(order, body);
                change.status = status;
                self.emit_change(order, change);
            }
            Step::Stale => self.emit(Decision::Ignored(IgnoredReason::Stale)),
            Step::LateFill | Step::Violation => self.contradiction(order.client_order_id),
        }
    }

    /// An order as its venue shows it, pushed or asked for. Applying one twice changes nothing.
    pub(super) fn order_update(&mut self, update: &OrderUpdate) {
        let found = self
            .state
            .find_order(update.client_order_id, &update.venue_order_id);
        let Some(id) = found else {
            return self.unknown_order(update);
        };
        let before = self.out.as_slice().len();
        let Some(order) = self.state.orders.get(id).copied() else {
            return;
        };
        if !order.venue_order_id.is_empty() && order.venue_order_id != update.venue_order_id {
            return self.alarm(AlarmCode::DuplicateId, Some(id));
        }
        self.update_existence(&order, update);
        if self.state.executions.room() == 0
            && let Some(order) = self.state.orders.get(id).copied()
        {
            self.note_missing(&order, update.cum_quantity);
        }
        if let Some(fill) = &update.fill
            && let Some(order) = self.state.orders.get(id).copied()
        {
            self.book(&order, fill, Some(update.order_quantity));
        }
        if let Some(order) = self.state.orders.get(id).copied() {
            self.note_missing(&order, update.cum_quantity);
        }
        if let Some(order) = self.state.orders.get(id).copied() {
            self.update_terms(&order, update);
        }
        if let Some(order) = self.state.orders.get(id).copied() {
            self.update_end(&order, update);
        }
        if self.out.as_slice().len() == before {
            self.emit(Decision::Ignored(IgnoredReason::Duplicate));
        }
    }

    /// The venue has it: that alone answers a new order.
    fn update_existence(&mut self, order: &Order, update: &OrderUpdate) {
        let refused = update.state == VenueOrderState::Rejected && update.cum_quantity.is_zero();
        let accepts = update.fill.is_none() && !refused;
        if order.status == OrderStatus::Submitted && accepts {
            let body = ChangeBody::Acknowledged {
                venue_order_id: update.venue_order_id,
                venue_time: update.venue_time,
            };
            let mut change = Self::change(order, body);
            change.status = OrderStatus::Acknowledged;
            return self.emit_change(order, change);
        }
        if matches!(transition(order.status, Stimulus::Accept), Step::Violation)
            && Self::was_sent(order.status)
        {
            // The venue has what it refused, or what was proved never to have arrived.
            self.contradiction(order.client_order_id);
        }
        self.link(order, update.venue_order_id);
    }

    /// The venue's id of an order is known from now on, if it was not.
    pub(super) fn link(&mut self, order: &Order, venue_order_id: VenueOrderId) {
        if order.venue_order_id.is_empty() && !venue_order_id.is_empty() {
            let change = Self::change(order, ChangeBody::Linked { venue_order_id });
            self.emit_change(order, change);
        }
    }

    fn was_sent(status: OrderStatus) -> bool {
        matches!(status, OrderStatus::Rejected | OrderStatus::Failed)
    }

    /// New terms: our replace took effect or did not, or the venue changed the order by itself.
    fn update_terms(&mut self, order: &Order, update: &OrderUpdate) {
        if order.status.is_terminal() {
            return;
        }
        if let Some(result) = update.replace {
            let command = order
                .pending_command(CommandKind::Replace, result.command_seq)
                .copied();
            let Some(command) = command else { return };
            if result.applied {
                self.replaced(order, result.command_seq, update);
            } else {
                let message = model::identifiers::VenueMessage::EMPTY;
                self.end_command(order, &command, CommandOutcome::Refused, 0, message);
            }
            return;
        }
        let differs = update.order_quantity != order.order_quantity
            || (update.limit_price.is_positive() && update.limit_price != order.limit_price);
        // An older message shows older terms; while a replace is under way its own answer counts.
        let newer = update.venue_time > order.terms_time;
        if differs && newer && order.pending_of(CommandKind::Replace).is_none() {
            self.replaced(order, 0, update);
        }
    }

    pub(super) fn replaced(&mut self, order: &Order, command_seq: u16, update: &OrderUpdate) {
        let body = ChangeBody::Replaced {
            command_seq,
            venue_time: update.venue_time,
        };
        let mut change = Self::change(order, body);
        change.request_id = Self::request_of(order, command_seq);
        // An answer that comes late ends its command; the terms that came after it stay.
        if update.venue_time >= order.terms_time {
            change.order_quantity = update.order_quantity;
            if update.limit_price.is_positive() {
                change.limit_price = update.limit_price;
            }
        }
        self.emit_change(order, change);
    }

    /// The venue says that it ended.
    fn update_end(&mut self, order: &Order, update: &OrderUpdate) {
        if !ends(update.state) {
            return;
        }
        let stimulus = match update.state {
            VenueOrderState::Filled => Stimulus::FinishFilled,
            VenueOrderState::Cancelled => Stimulus::Cancel,
            VenueOrderState::Expired => Stimulus::Expire,
            VenueOrderState::Rejected if order.cum_quantity.is_zero() => Stimulus::Refuse,
            VenueOrderState::Rejected => Stimulus::Cancel,
            VenueOrderState::Live | VenueOrderState::PartiallyFilled => return,
        };
        let status = match transition(order.status, stimulus) {
            Step::To(status) => status,
            Step::Stale | Step::LateFill => return,
            Step::Violation => return self.contradiction(order.client_order_id),
        };
        if order.fills_missing() {
            if order.held_end.is_none() {
                let body = ChangeBody::EndHeld {
                    status,
                    end_code: update.end_code,
                };
                let change = Self::change(order, body);
                self.emit_change(order, change);
            }
            return;
        }
        let body = ChangeBody::Ended {
            end_code: update.end_code,
            venue_time: update.venue_time,
        };
        let mut change = Self::change(order, body);
        change.status = status;
        self.emit_change(order, change);
    }

    /// An order that the store does not have: ours from a lost tail, ours that left, or another's.
    fn unknown_order(&mut self, update: &OrderUpdate) {
        let tag = self.state.config.instance_tag.get();
        let ours = update.client_order_id.filter(|id| id.tag() == tag);
        let Some(id) = ours else {
            return self.foreign_update(update);
        };
        // It left the store long ago, or may have: booking its executions could count them twice.
        let may_have_left = self.state.is_journaled(id) || ends(update.state);
        if may_have_left || !self.state.orders.has_place_for(id) {
            return self.alarm(AlarmCode::EvictedOrder, Some(id));
        }
        self.adopt(id, update);
    }

    fn adopt(&mut self, id: ClientOrderId, update: &OrderUpdate) {
        let created_at = self.state.unix_at(self.moment.now);
        let change = OrderChange {
            strategy: NOBODY,
            event_seq: 0,
            client_order_id: id,
            request_id: RequestId(0),
            instrument: update.instrument,
            side: update.side,
            status: OrderStatus::Acknowledged,
            unknown: false,
            order_quantity: update.order_quantity,
            limit_price: update.limit_price,
            cum_quantity: Quantity::ZERO,
            body: ChangeBody::Adopted {
                venue_order_id: update.venue_order_id,
                created_at,
            },
        };
        self.emit(Decision::Order(change));
        self.alarm(AlarmCode::AdoptedOrder, Some(id));
        self.cancel_if_killed(NOBODY, update.instrument);
        self.order_update(update);
    }

    pub(super) fn alarm(&mut self, code: AlarmCode, order: Option<ClientOrderId>) {
        let client_order_id = order.map_or(0, ClientOrderId::integer);
        self.emit(Decision::Alarm {
            code,
            client_order_id,
        });
    }

    pub(super) fn contradiction(&mut self, id: ClientOrderId) {
        self.alarm(AlarmCode::Contradiction, Some(id));
    }
}
