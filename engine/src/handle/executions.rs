//! Executions: booked once, whenever they come. Position is truth.

use crate::engine::Pass;
use crate::order::Order;
use crate::order::transition::{Step, Stimulus, transition};
use model::decision::{AlarmCode, IgnoredReason};
use model::execution_report::Fill;
use model::order_change::ChangeBody;
use model::{CommandKind, Decision, Quantity, UnixNs};

impl Pass<'_> {
    /// Books an execution unless it is booked already. `total` is the order's quantity as the venue
    /// holds it, when the report says so. True when it was booked.
    pub(super) fn book(&mut self, order: &Order, fill: &Fill, total: Option<Quantity>) -> bool {
        let id = order.client_order_id;
        if self
            .state
            .executions
            .contains(id, order.instrument, &fill.trade_id)
        {
            self.emit(Decision::Ignored(IgnoredReason::Duplicate));
            return false;
        }
        if !fill.last_quantity.is_positive() {
            self.contradiction(id);
            return false;
        }
        let Some(cum_quantity) = order.cum_quantity.checked_add(fill.last_quantity) else {
            self.alarm(AlarmCode::Overfill, Some(id));
            return false;
        };
        if self.state.executions.room() == 0 {
            self.alarm(AlarmCode::ExecutionsFull, Some(id));
            // It cannot be remembered, so the venue's count must show that it is not booked yet.
            if cum_quantity > order.venue_cum_quantity {
                return false;
            }
        }
        // A late report shows an older total: only the largest of all leaves nothing open for sure.
        // An order that shrank ends by the venue's own word.
        let total = total.unwrap_or_default().max(largest_total(order));
        let stimulus = if cum_quantity >= total {
            Stimulus::FillAll
        } else {
            Stimulus::FillSome
        };
        let overfill = cum_quantity > total;
        let (status, late) = match transition(order.status, stimulus) {
            Step::To(status) => (status, false),
            Step::LateFill => (order.status, true),
            Step::Stale | Step::Violation => {
                self.contradiction(id);
                (order.status, true)
            }
        };
        let body = ChangeBody::Executed {
            fill: *fill,
            late,
            overfill,
        };
        let mut change = Self::change(order, body);
        change.status = status;
        change.cum_quantity = cum_quantity;
        self.emit_change(order, change);
        if late {
            self.alarm(AlarmCode::LateFill, Some(id));
        }
        if overfill {
            self.alarm(AlarmCode::Overfill, Some(id));
        }
        self.end_if_held(id);
        true
    }

    /// The end that waited for executions comes when none is missing any more.
    fn end_if_held(&mut self, id: model::ClientOrderId) {
        let Some(order) = self.state.orders.get(id).copied() else {
            return;
        };
        let Some(held) = order.held_end else { return };
        if order.fills_missing() || order.status.is_terminal() {
            return;
        }
        let body = ChangeBody::Ended {
            end_code: held.end_code,
            venue_time: UnixNs(0),
        };
        let mut change = Self::change(&order, body);
        change.status = held.status;
        self.emit_change(&order, change);
    }

    /// The venue counts more filled than is booked: remember it, and ask for the executions.
    pub(super) fn note_missing(&mut self, order: &Order, venue_cum_quantity: Quantity) {
        if venue_cum_quantity <= order.cum_quantity.max(order.venue_cum_quantity) {
            return;
        }
        let change = Self::change(order, ChangeBody::FillsMissing { venue_cum_quantity });
        self.emit_change(order, change);
    }
}

/// The largest total that the order may have: a replace under way may be in force already.
fn largest_total(order: &Order) -> Quantity {
    let replaces = order
        .pending
        .iter()
        .flatten()
        .filter(|c| c.command == CommandKind::Replace);
    replaces
        .map(|command| command.order_quantity)
        .fold(order.order_quantity, Quantity::max)
}
