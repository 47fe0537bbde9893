//! Another configuration for a state with orders: tables grow, limits change, nothing is lost.
//!
//! Ids are places in the configuration's lists, so a list may grow at its end and change in its
//! values, but what is in it keeps its place. The configuration's builder sees to that.

use super::{AccountPosition, State, StrategyState, VenueRates, VenueStatus};
use crate::order::{ExecutionTable, OrderStore};
use crate::risk::exposure::Exposure;
use model::decision::VenueState;
use model::{EngineConfig, MonotonicNs};

impl State {
    /// Takes a configuration into force.
    pub(super) fn reconfigure(&mut self, config: &EngineConfig) {
        if self.config == *config {
            return;
        }
        assert!(
            config.instruments.len() >= self.exposures.len(),
            "instruments keep their places"
        );
        assert!(
            config.strategies.len() >= self.strategies.len(),
            "strategies keep their places"
        );
        assert!(
            config.venues.len() >= self.venues.len(),
            "venues keep their places"
        );
        self.exposures
            .resize(config.instruments.len(), Exposure::default());
        self.positions
            .resize(config.instruments.len(), AccountPosition::default());
        for policy in config.strategies.iter().skip(self.strategies.len()) {
            let fresh = StrategyState::new(config.answer_window, policy.orders_per_s_max);
            self.strategies.push(fresh);
        }
        for (strategy, policy) in self.strategies.iter_mut().zip(&config.strategies) {
            strategy.set_order_rate(policy.orders_per_s_max);
        }
        self.venues
            .resize_with(config.venues.len(), || VenueStatus {
                state: VenueState::Down,
                link: None,
                sweep_no: 0,
                sweep_due: MonotonicNs::NEVER,
                positions_elsewhere: 0,
            });
        let instruments = config.instruments.len();
        let rates = config.venues.iter().enumerate().map(|(at, policy)| {
            match (self.rates.get(at), self.config.venues.get(at)) {
                (Some(past), Some(old)) => past.changed(old, policy, instruments),
                _ => VenueRates::new(policy, instruments),
            }
        });
        self.rates = rates.collect();
        self.latches.reserve(config);
        if config.order_capacity != self.config.order_capacity
            || config.execution_capacity != self.config.execution_capacity
        {
            self.move_orders(config);
        }
        self.config = config.clone();
    }

    /// Orders and executions into tables of another size. A table that is too small for what is
    /// open is refused by the configuration's builder before it gets here.
    fn move_orders(&mut self, config: &EngineConfig) {
        let mut orders = OrderStore::with_capacity(config.order_capacity);
        let mut executions = ExecutionTable::with_capacity(config.execution_capacity);
        for order in self.orders.iter() {
            let mut moved = *order;
            moved.first_execution = self
                .executions
                .copy_list(order.first_execution, &mut executions);
            orders.insert(moved);
        }
        orders.set_open_count(self.orders.open_count());
        self.orders = orders;
        self.executions = executions;
    }
}
