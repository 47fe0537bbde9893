//! One number for everything that the engine knows, to compare a live engine with a folded one.
//!
//! Covers every fact that can change a decision: two states with equal digests decide alike on
//! equal inputs (but for a 64-bit chance). Not for the hot path: it walks the whole store.

use super::{State, TaskProgress, VenueStatus};
use crate::order::{Certainty, Order, PendingCommand};
use model::canonical_bytes::{ByteSink, CanonicalBytes};

/// A 64-bit hash of canonical bytes, the same on every run and machine.
#[derive(Debug, Default)]
pub(super) struct CanonicalHash(pub(super) u64);

impl ByteSink for CanonicalHash {
    fn put(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = crate::order::mixed(self.0.rotate_left(5) ^ u64::from_le_bytes(word));
        }
    }
}

impl State {
    /// A hash of orders, executions, sums, numbers, rates, acts under way and the next deadline.
    pub fn digest(&self) -> u64 {
        let mut sink = CanonicalHash::default();
        self.config.put(&mut sink);
        self.epoch.put(&mut sink);
        self.anchor.put(&mut sink);
        for (epoch, highest) in &self.past_runs {
            epoch.put(&mut sink);
            highest.put(&mut sink);
        }
        self.next_order_sequence.put(&mut sink);
        self.probe_offset.put(&mut sink);
        self.next_intent_seq.put(&mut sink);
        self.intake_open.put(&mut sink);
        self.orders.open_count().put(&mut sink);
        for slot in 0..self.orders.slot_count() {
            if let Some(order) = self.orders.at(slot) {
                slot.put(&mut sink);
                put_order(order, &mut sink);
                self.executions
                    .each_of(order.first_execution, |trade_id| trade_id.put(&mut sink));
            }
        }
        self.executions.room().put(&mut sink);
        for exposure in &self.exposures {
            exposure.position_units.put(&mut sink);
            exposure.open_buy_units.put(&mut sink);
            exposure.open_sell_units.put(&mut sink);
            exposure.open_orders.put(&mut sink);
        }
        for strategy in &self.strategies {
            strategy.put(&mut sink);
        }
        for venue in &self.venues {
            put_venue(venue, &mut sink);
        }
        for rate in self.rates.iter().flat_map(|rates| &rates.by_rule).flatten() {
            rate.put(&mut sink);
        }
        for progress in &self.tasks {
            put_task(progress, &mut sink);
        }
        self.next_deadline().put(&mut sink);
        sink.0
    }
}

fn put_order(order: &Order, sink: &mut impl ByteSink) {
    order.client_order_id.put(sink);
    order.strategy.put(sink);
    order.request_id.put(sink);
    order.instrument.put(sink);
    order.side.put(sink);
    order.order_type.put(sink);
    order.time_in_force.put(sink);
    order.post_only.put(sink);
    order.reduce_only.put(sink);
    order.status.put(sink);
    order.order_quantity.put(sink);
    order.limit_price.put(sink);
    order.cum_quantity.put(sink);
    order.venue_cum_quantity.put(sink);
    order.executed_value.put(sink);
    order.fee_units.put(sink);
    order.venue_order_id.put(sink);
    for command in &order.pending {
        command.is_some().put(sink);
        if let Some(command) = command {
            put_command(command, sink);
        }
    }
    order.commands.put(sink);
    order.held_end.map(|held| held.status).put(sink);
    order.held_end.map(|held| held.end_code).put(sink);
    put_asking(order, sink);
    order.terms_time.put(sink);
    order.created_at.put(sink);
    order.ended_at.put(sink);
    order.deadline.put(sink);
}

fn put_asking(order: &Order, sink: &mut impl ByteSink) {
    order.unseen.put(sink);
    order.seen_in_sweep.put(sink);
    order.asks.put(sink);
    order.asks_in_vain.put(sink);
    order.asked_at.put(sink);
    order.ask_open.put(sink);
    order.asked_sequence.put(sink);
    order.absent_from.put(sink);
    order.seen_resting.map(|(total, _)| total).put(sink);
    order.seen_resting.map(|(_, price)| price).put(sink);
    order.seen_time.put(sink);
    order.needs_operator.put(sink);
    order.news_sequence.put(sink);
}

fn put_command(command: &PendingCommand, sink: &mut impl ByteSink) {
    command.command.put(sink);
    command.command_seq.put(sink);
    command.intent_seq.put(sink);
    command.request_id.put(sink);
    let certainty: u8 = match command.certainty {
        Certainty::InFlight => 1,
        Certainty::Unknown => 2,
        Certainty::NeedsOperator => 3,
    };
    certainty.put(sink);
    command.accepted.put(sink);
    command.order_quantity.put(sink);
    command.limit_price.put(sink);
    command.decided_at.put(sink);
    command.answer_due.put(sink);
    command.valid_until.put(sink);
}

fn put_venue(venue: &VenueStatus, sink: &mut impl ByteSink) {
    venue.state.put(sink);
    venue.link.put(sink);
    venue.sweep_no.put(sink);
    venue.sweep_due.put(sink);
}

fn put_task(progress: &TaskProgress, sink: &mut impl ByteSink) {
    progress.task.put(sink);
    progress.next_slot.put(sink);
    progress.due_at.put(sink);
    progress.passed_over.put(sink);
}
