//! What a query's fact says by itself, before anything is decided on it.

use super::{State, ends};
use crate::engine::Moment;
use model::ReconFact;
use model::recon_fact::OrderSeen;

impl State {
    /// Applies what a fact says by itself.
    pub(super) fn apply_fact(&mut self, moment: Moment, fact: &ReconFact) {
        match fact {
            ReconFact::OrderSeen(seen) => self.apply_order_seen(seen),
            ReconFact::PositionSeen(seen) => self.apply_position_seen(moment, seen),
            ReconFact::BalanceSeen(seen) => self.balances.note(seen.venue, &seen.balance),
            ReconFact::FillSeen(_)
            | ReconFact::OrderAbsent(_)
            | ReconFact::SweepEnded(_)
            | ReconFact::LookupEnded(_) => {}
        }
    }

    /// A query showed an order: remember by which sweep and in which terms.
    fn apply_order_seen(&mut self, seen: &OrderSeen) {
        let update = &seen.update;
        let Some(id) = self.find_order(update.client_order_id, &update.venue_order_id) else {
            return;
        };
        let venue = self.venue_of(update.instrument);
        let sweep_no = venue
            .and_then(|venue| self.venues.get(usize::from(venue.0)))
            .map_or(0, |venue| venue.sweep_no);
        if let Some(order) = self.orders.get_mut(id) {
            order.seen_in_sweep = sweep_no;
            if !ends(update.state) && seen.asked_at_seq >= order.asked_sequence {
                order.seen_resting = Some((update.order_quantity, update.limit_price));
                order.seen_time = update.venue_time;
                if order.needs_operator {
                    order.unseen = false;
                    order.forget_settled_doubts();
                }
            }
        }
    }
}
