//! What must be true at every step: the engine counts at least what the venues can still do.

use crate::toy_world::{Happening, World};
use model::{ClientOrderId, Decision};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// What the engine counts covers what the venue can still do.
    pub(super) fn check_truth(&self, decisions: &[Decision]) {
        let mut under_way: BTreeMap<(ClientOrderId, bool), i64> = BTreeMap::new();
        for happening in self.queue.values() {
            if let Happening::Command { intent, .. } = happening
                && intent.command != model::CommandKind::Cancel
                && intent.valid_until.0 > self.now
            {
                let is_new = intent.command == model::CommandKind::New;
                let most = under_way
                    .entry((intent.client_order_id, is_new))
                    .or_default();
                *most = (*most).max(intent.order_quantity.units());
            }
        }
        // Every order now and then; at each step those that something was said about.
        let touched: BTreeSet<ClientOrderId> = decisions.iter().filter_map(about).collect();
        let all = self.rig.sequence().is_multiple_of(16);
        let orders = self.rig.engine.state().orders.iter();
        for order in orders.filter(|order| all || touched.contains(&order.client_order_id)) {
            let id = order.client_order_id;
            let venue = self.venue_of(order.instrument);
            let change = under_way.get(&(id, false)).copied().unwrap_or(0);
            let can_be = match self.venues[venue].of_ours(id) {
                Some(there) if there.is_open() => there.update.order_quantity.units().max(change),
                Some(there) => there.update.cum_quantity.units(),
                // Only a new order can make it come to be.
                None => under_way.get(&(id, true)).map_or(0, |new| change.max(*new)),
            };
            let counted = order.cum_quantity.units() + order.worst_leaves_quantity().units();
            assert!(
                counted >= can_be,
                "P7: {id} can come to {can_be}, {counted} counted: {order:?}"
            );
        }
    }
}

/// The order that a decision changed.
fn about(decision: &Decision) -> Option<ClientOrderId> {
    match decision {
        Decision::Order(change) => Some(change.client_order_id),
        _ => None,
    }
}
