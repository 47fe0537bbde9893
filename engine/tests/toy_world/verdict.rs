//! What must be true when the faults have stopped and time has run.

use crate::toy_world::{Summary, World};
use model::InstrumentId;
use std::collections::BTreeMap;

impl World {
    /// Compares the engine's books with the venues', order by order and position by position.
    pub(crate) fn verdict(&self) -> Summary {
        let state = self.rig.engine.state();
        let mut needs_operator = 0;
        for order in state.orders.iter() {
            needs_operator += usize::from(order.needs_operator);
            assert!(
                order.status.is_terminal() || order.needs_operator,
                "P16: an order is stuck: {order:?}"
            );
        }
        let mut positions: BTreeMap<InstrumentId, i128> = BTreeMap::new();
        let mut fills = 0;
        for venue in &self.venues {
            for (id, count) in &venue.accepted {
                assert!(*count <= 1, "P3: {id} was accepted {count} times");
            }
            for order in venue.orders.values() {
                let Some(id) = order.update.client_order_id else {
                    continue;
                };
                if !self.model.orders.contains_key(&id) {
                    // Nobody's, or ours from a lost tail and over before anybody saw it.
                    continue;
                }
                let theirs: BTreeMap<_, _> = order
                    .fills
                    .iter()
                    .map(|one| (one.fill.trade_id, one.fill.last_quantity.units()))
                    .collect();
                let ours = self.ledger.get(&id).cloned().unwrap_or_default();
                assert_eq!(
                    ours,
                    theirs,
                    "P4: executions of {id}: {:?}",
                    state.orders.get(id)
                );
                fills += theirs.len();
                let quantity: i64 = theirs.values().sum();
                let signed = match order.update.side {
                    model::Side::Buy => i128::from(quantity),
                    model::Side::Sell => -i128::from(quantity),
                };
                *positions.entry(order.update.instrument).or_default() += signed;
            }
        }
        for (number, exposure) in state.exposures.iter().enumerate() {
            let id = InstrumentId(u32::try_from(number).expect("small in tests"));
            let truth = positions.get(&id).copied().unwrap_or(0);
            assert_eq!(exposure.position_units, truth, "P4: position of {id}");
        }
        let (breaks, uncompared) = self.check_breaks();
        Summary {
            breaks,
            uncompared,
            trace_hash: self.rig.trace_hash(),
            entries: self.rig.sequence(),
            orders: self.model.orders.len(),
            fills,
            crashes: self.crashes,
            kills: self.kills.kills,
            needs_operator,
            compared_steps: self.model.steps,
            most_decisions_per_report: self.most_decisions_per_report,
        }
    }

    /// A break stands where the venue's position really is not ours, with the true number, and
    /// nowhere else.
    fn check_breaks(&self) -> (usize, usize) {
        let state = self.rig.engine.state();
        let (mut breaks, mut uncompared) = (0, 0);
        for (number, position) in state.positions.iter().enumerate() {
            let id = InstrumentId(u32::try_from(number).expect("small in tests"));
            let venue = &self.venues[self.venue_of(id)];
            let truth = i128::from(venue.position_at(id, self.now));
            if position.baseline_units.is_none() {
                uncompared += 1;
                continue;
            }
            let difference = truth - state.expected_units(id);
            assert_eq!(position.stated_units(), truth, "V30: statement of {id}");
            assert_eq!(
                position.break_units,
                (difference != 0).then_some(difference),
                "V30: break of {id}: {position:?}"
            );
            breaks += usize::from(difference != 0);
        }
        (breaks, uncompared)
    }
}
