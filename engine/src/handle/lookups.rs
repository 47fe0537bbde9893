//! What queries proved: orders and fills that were there, orders that were not, and what follows.

use crate::engine::Pass;
use crate::order::{Certainty, Order, PendingCommand};
use model::decision::{AlarmCode, IgnoredReason, VenueState, WideTask};
use model::identifiers::VenueMessage;
use model::input::Input;
use model::order_change::{ChangeBody, CommandOutcome};
use model::recon_fact::{FillSeen, LookupEnded, OrderAbsent, SweepEnded};
use model::{CommandKind, Decision, MonotonicNs, ReconFact, UnixNs};

impl Pass<'_> {
    pub(crate) fn recon_fact(&mut self, input: &Input<'_>, fact: &ReconFact) {
        self.state.apply_input(self.moment, input);
        match fact {
            ReconFact::OrderSeen(seen) => self.order_update(&seen.update),
            ReconFact::FillSeen(seen) => self.fill_seen(seen),
            ReconFact::OrderAbsent(absent) => self.order_absent(absent),
            ReconFact::SweepEnded(ended) => self.sweep_ended(ended),
            ReconFact::LookupEnded(ended) => self.lookup_ended(ended),
            ReconFact::PositionSeen(seen) => self.position_seen(seen),
            // Applied with the input.
            ReconFact::BalanceSeen(_) => {}
        }
    }

    fn fill_seen(&mut self, seen: &FillSeen) {
        let found = self
            .state
            .find_order(seen.client_order_id, &seen.venue_order_id);
        let order = found.and_then(|id| self.state.orders.get(id)).copied();
        if let Some(order) = order {
            return self.fill_of(&order, seen);
        }
        let tag = self.state.config.instance_tag.get();
        match seen.client_order_id.filter(|id| id.tag() == tag) {
            Some(id) => self.alarm(AlarmCode::EvictedOrder, Some(id)),
            None => self.foreign_fill_seen(seen),
        }
    }

    fn fill_of(&mut self, order: &Order, seen: &FillSeen) {
        let theirs = seen.venue_order_id;
        if !order.venue_order_id.is_empty() && !theirs.is_empty() && order.venue_order_id != theirs
        {
            return self.alarm(AlarmCode::DuplicateId, Some(order.client_order_id));
        }
        self.link(order, theirs);
        if let Some(order) = self.state.orders.get(order.client_order_id).copied() {
            self.book(&order, &seen.fill, None);
        }
    }

    /// Absence counts only after the command's own window and the settling time, and only when
    /// nothing newer was heard of the order since the question left.
    fn order_absent(&mut self, absent: &OrderAbsent) {
        let Some(order) = self.state.orders.get(absent.client_order_id).copied() else {
            return self.emit(Decision::Ignored(IgnoredReason::Foreign));
        };
        let stale = absent.asked_at_seq < order.news_sequence;
        if stale || absent.answered_at < self.proof_from(&order) {
            return self.emit(Decision::Ignored(IgnoredReason::Stale));
        }
        let change = Self::change(
            &order,
            ChangeBody::AbsenceNoted {
                source: absent.source,
            },
        );
        self.emit_change(&order, change);
    }

    /// The first moment at which a list that lacks the order proves something.
    fn proof_from(&self, order: &Order) -> UnixNs {
        let last = order
            .pending
            .iter()
            .flatten()
            .map(|command| command.valid_until)
            .max();
        last.unwrap_or_default()
            .after_ns(self.state.settle_ns(order.instrument))
    }

    fn sweep_ended(&mut self, ended: &SweepEnded) {
        let Some(status) = self.state.venues.get(usize::from(ended.venue.0)) else {
            return;
        };
        if status.sweep_no != ended.sweep_no || status.state == VenueState::Down {
            return self.emit(Decision::Ignored(IgnoredReason::Stale));
        }
        let recovering = status.state == VenueState::Recovering;
        let SweepEnded {
            venue,
            sweep_no,
            complete,
            asked_at_seq,
        } = *ended;
        self.emit(Decision::SweepEnded {
            venue,
            sweep_no,
            complete,
        });
        if !complete {
            return;
        }
        self.start_task(WideTask::AskUnseen {
            venue,
            sweep_no,
            asked_at_seq,
        });
        if recovering {
            self.emit(Decision::Venue {
                venue,
                state: VenueState::Live,
            });
        }
    }

    /// The answers to one asking are all in: settle what they settle.
    fn lookup_ended(&mut self, ended: &LookupEnded) {
        let Some(order) = self.state.orders.get(ended.client_order_id).copied() else {
            return self.emit(Decision::Ignored(IgnoredReason::Foreign));
        };
        let is_over = order.status.is_terminal() && !order.fills_missing();
        if order.asks != ended.ask_no || is_over {
            return self.emit(Decision::Ignored(IgnoredReason::Stale));
        }
        if !ended.complete {
            let change = Self::change(&order, ChangeBody::AskFailed);
            return self.emit_change(&order, change);
        }
        for command in order.pending {
            let current = self.state.orders.get(order.client_order_id).copied();
            if let (Some(command), Some(order)) = (command, current) {
                self.settle_command(&order, &command, ended.asked_at_seq);
            }
        }
        let Some(order) = self.state.orders.get(ended.client_order_id).copied() else {
            return;
        };
        if order.status.is_terminal() && !order.fills_missing() {
            return;
        }
        let is_unknown = |command: &&PendingCommand| command.certainty == Certainty::Unknown;
        let mut unknown = order.pending.iter().flatten().filter(is_unknown);
        // A question that was asked before its answer could prove anything was not asked in vain.
        if unknown
            .clone()
            .any(|command| !self.is_past(&order, command))
        {
            let change = Self::change(&order, ChangeBody::AskFailed);
            return self.emit_change(&order, change);
        }
        let unknown = unknown.next().is_some();
        // A resting order that was shown is not missing, whatever a sweep failed to list.
        let body = if unknown || order.fills_missing() || order.seen_resting.is_none() {
            ChangeBody::AskedInVain
        } else {
            ChangeBody::AskSettled
        };
        let change = Self::change(&order, body);
        self.emit_change(&order, change);
    }

    fn settle_command(&mut self, order: &Order, command: &PendingCommand, asked_at_seq: u64) {
        if command.certainty != Certainty::Unknown || order.status.is_terminal() {
            return;
        }
        let nothing = VenueMessage::EMPTY;
        match command.command {
            CommandKind::New => {
                // An order whose executions are known to exist did arrive, whatever the lists say.
                if order.is_absent_everywhere() && !order.fills_missing() {
                    let outcome = CommandOutcome::NeverArrived;
                    self.end_command(order, command, outcome, 0, nothing);
                }
            }
            CommandKind::Cancel => {
                let fresh = asked_at_seq >= order.news_sequence;
                if order.seen_resting.is_some() && fresh && self.is_past(order, command) {
                    self.end_command(order, command, CommandOutcome::NoEffect, 0, nothing);
                }
            }
            CommandKind::Replace => self.settle_replace(order, command),
        }
    }

    fn settle_replace(&mut self, order: &Order, command: &PendingCommand) {
        let Some((order_quantity, limit_price)) = order.seen_resting else {
            return;
        };
        if (order_quantity, limit_price) == (command.order_quantity, command.limit_price) {
            let command_seq = command.command_seq;
            let venue_time = order.seen_time;
            let mut change = Self::change(
                order,
                ChangeBody::Replaced {
                    command_seq,
                    venue_time,
                },
            );
            change.request_id = command.request_id;
            // A list that lags shows that it was in force; what came after it stays.
            if venue_time >= order.terms_time {
                change.order_quantity = order_quantity;
                change.limit_price = limit_price;
            }
            self.emit_change(order, change);
        } else if self.is_past(order, command) {
            let outcome = CommandOutcome::NoEffect;
            self.end_command(order, command, outcome, 0, VenueMessage::EMPTY);
        }
    }

    /// True when the venue was asked after it could act on the command, and had settled.
    fn is_past(&self, order: &Order, command: &PendingCommand) -> bool {
        order.asked_at > MonotonicNs(0)
            && self.state.unix_at(order.asked_at)
                >= command
                    .valid_until
                    .after_ns(self.state.settle_ns(order.instrument))
    }
}
