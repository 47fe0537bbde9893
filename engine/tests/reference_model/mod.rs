//! A slow and simple account of what the venue said: which executions, positions and ends follow.
//!
//! Written from the promises, not from the engine: maps and sums, no engine code. It sees what the
//! engine sees (inputs) and what it said (decisions), and after each step says what must hold.

use model::execution_report::{Fill, OrderUpdate, ReplyOutcome, VenueOrderState, VenueReport};
use model::input::Input;
use model::order_change::{ChangeBody, CommandOutcome};
use model::recon_fact::FactSource;
use model::{
    ClientOrderId, CommandKind, Decision, InstrumentId, OrderChange, OrderStatus, ReconFact, Side,
    TradeId, VenueOrderId,
};
use std::collections::{BTreeMap, BTreeSet};

/// What was proved of one order, by the venue's words alone.
#[derive(Debug, Clone)]
pub(crate) struct ModelOrder {
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    /// Executions by trade id: quantity, price, fee.
    pub(crate) fills: BTreeMap<TradeId, (i64, i64, i64)>,
    /// Ends that the venue stated, each with what it counted as filled then.
    ends: Vec<(VenueOrderState, i64)>,
    new_refused: bool,
    not_sent: bool,
    absent: BTreeSet<u8>,
    totals: BTreeSet<i64>,
    new_intent: u64,
    status: Option<OrderStatus>,
}

impl ModelOrder {
    pub(crate) fn cum(&self) -> i64 {
        self.fills.values().map(|fill| fill.0).sum()
    }
}

/// All orders, and who they are at the venue.
#[derive(Debug, Default)]
pub(crate) struct ReferenceModel {
    pub(crate) orders: BTreeMap<ClientOrderId, ModelOrder>,
    by_venue_id: BTreeMap<VenueOrderId, ClientOrderId>,
    /// Orders that left the engine's store.
    gone: BTreeSet<ClientOrderId>,
    touched: BTreeSet<ClientOrderId>,
    pub(crate) steps: u64,
}

impl ReferenceModel {
    /// Takes in one input with what the engine said to it, then compares.
    pub(crate) fn step(
        &mut self,
        input: &Input<'_>,
        decisions: &[Decision],
        state: &millrun_engine::state::State,
    ) {
        self.steps += 1;
        self.touched.clear();
        // Orders come to be by decisions; everything else about them by inputs.
        for decision in decisions {
            self.note_decision(decision);
        }
        match input {
            Input::VenueFrame { reports, .. } => {
                for report in *reports {
                    self.note_report(report);
                }
            }
            Input::ReconFact(fact) => self.note_fact(fact),
            Input::NotSent { intent_seq, .. } => {
                for order in self.orders.values_mut() {
                    order.not_sent |= order.new_intent == *intent_seq;
                }
            }
            _ => {}
        }
        for decision in decisions {
            if let Decision::Order(change) = decision {
                self.check_step(change);
            }
        }
        let touched: Vec<_> = self.touched.iter().copied().collect();
        for id in touched {
            self.check_order(id, state);
        }
        let booked = |one: &Decision| match one {
            Decision::Order(change) => matches!(change.body, ChangeBody::Executed { .. }),
            _ => false,
        };
        if decisions.iter().any(booked) || self.steps.is_multiple_of(64) {
            self.check_positions(state);
        }
    }

    fn note_decision(&mut self, decision: &Decision) {
        match decision {
            Decision::Order(change) => {
                let id = change.client_order_id;
                self.touched.insert(id);
                match &change.body {
                    ChangeBody::Created { .. } => self.begin(change),
                    ChangeBody::Adopted { venue_order_id, .. } => {
                        self.begin(change);
                        self.by_venue_id.insert(*venue_order_id, id);
                    }
                    ChangeBody::CommandStarted(intent) => {
                        let order = self.orders.get_mut(&id).expect("commands follow creation");
                        order.totals.insert(intent.order_quantity.units());
                        if intent.command == CommandKind::New {
                            assert_eq!(order.new_intent, 0, "P3: {id} was sent twice");
                            order.new_intent = intent.intent_seq;
                        }
                    }
                    _ => {}
                }
            }
            Decision::Evicted { client_order_id } => {
                self.gone.insert(*client_order_id);
            }
            _ => {}
        }
    }

    fn begin(&mut self, change: &OrderChange) {
        let order = ModelOrder {
            instrument: change.instrument,
            side: change.side,
            fills: BTreeMap::new(),
            ends: Vec::new(),
            new_refused: false,
            not_sent: false,
            absent: BTreeSet::new(),
            totals: BTreeSet::from([change.order_quantity.units()]),
            new_intent: 0,
            status: None,
        };
        let before = self.orders.insert(change.client_order_id, order);
        assert!(
            before.is_none(),
            "P3: id {} was used twice",
            change.client_order_id
        );
    }

    fn note_report(&mut self, report: &VenueReport) {
        match report {
            VenueReport::Reply(reply) => {
                let Some(order) = self.orders.get_mut(&reply.client_order_id) else {
                    return;
                };
                match (reply.command, reply.outcome) {
                    (CommandKind::New, ReplyOutcome::Refused) => order.new_refused = true,
                    (CommandKind::New, ReplyOutcome::Accepted)
                        if !reply.venue_order_id.is_empty() =>
                    {
                        self.by_venue_id
                            .insert(reply.venue_order_id, reply.client_order_id);
                    }
                    _ => {}
                }
            }
            VenueReport::Order(update) => self.note_update(update),
            VenueReport::Quarantined(_)
            | VenueReport::Position(_)
            | VenueReport::Balance(_)
            | VenueReport::PositionsElsewhere { .. } => {}
        }
    }

    fn find(&self, ours: Option<ClientOrderId>, theirs: &VenueOrderId) -> Option<ClientOrderId> {
        let id = ours.or_else(|| self.by_venue_id.get(theirs).copied())?;
        (self.orders.contains_key(&id) && !self.gone.contains(&id)).then_some(id)
    }

    fn note_update(&mut self, update: &OrderUpdate) {
        let Some(id) = self.find(update.client_order_id, &update.venue_order_id) else {
            return;
        };
        self.by_venue_id.insert(update.venue_order_id, id);
        self.touched.insert(id);
        let order = self.orders.get_mut(&id).expect("found in the line above");
        order.totals.insert(update.order_quantity.units());
        if let Some(fill) = &update.fill {
            book(order, fill);
        }
        match update.state {
            VenueOrderState::Live | VenueOrderState::PartiallyFilled => {}
            end => order.ends.push((end, update.cum_quantity.units())),
        }
    }

    fn note_fact(&mut self, fact: &ReconFact) {
        match fact {
            ReconFact::OrderSeen(seen) => self.note_update(&seen.update),
            ReconFact::FillSeen(seen) => {
                if let Some(id) = self.find(seen.client_order_id, &seen.venue_order_id) {
                    self.touched.insert(id);
                    self.by_venue_id.insert(seen.venue_order_id, id);
                    book(self.orders.get_mut(&id).expect("found above"), &seen.fill);
                }
            }
            ReconFact::OrderAbsent(absent) => {
                if let Some(order) = self.orders.get_mut(&absent.client_order_id) {
                    order.absent.insert(absent.source.number());
                }
            }
            ReconFact::SweepEnded(_)
            | ReconFact::LookupEnded(_)
            | ReconFact::PositionSeen(_)
            | ReconFact::BalanceSeen(_) => {}
        }
    }

    /// A status never leaves an end, and every end has its evidence.
    fn check_step(&mut self, change: &OrderChange) {
        let id = change.client_order_id;
        let order = self.orders.get_mut(&id).expect("changes follow creation");
        let before = order.status.replace(change.status);
        let Some(before) = before.filter(|before| *before != change.status) else {
            return;
        };
        assert!(
            !before.is_terminal(),
            "{id} left {before} for {}",
            change.status
        );
        let said = |end: VenueOrderState| order.ends.iter().any(|(state, _)| *state == end);
        let proved = match change.status {
            OrderStatus::Created | OrderStatus::Validated | OrderStatus::Denied => false,
            OrderStatus::Submitted => before == OrderStatus::Validated,
            OrderStatus::Acknowledged => before == OrderStatus::Submitted,
            OrderStatus::PartiallyFilled => !order.fills.is_empty(),
            OrderStatus::Filled => {
                said(VenueOrderState::Filled)
                    || order.totals.iter().any(|total| *total <= order.cum())
            }
            OrderStatus::Cancelled => {
                said(VenueOrderState::Cancelled) || said(VenueOrderState::Rejected)
            }
            OrderStatus::Expired => said(VenueOrderState::Expired),
            OrderStatus::Rejected => order.new_refused || said(VenueOrderState::Rejected),
            OrderStatus::Failed => match change.body {
                ChangeBody::CommandEnded {
                    outcome: CommandOutcome::NotSent,
                    ..
                } => order.not_sent,
                _ => [FactSource::OpenOrders, FactSource::History]
                    .iter()
                    .all(|source| order.absent.contains(&source.number())),
            },
        };
        assert!(
            proved,
            "{id} became {} without evidence: {change:?}",
            change.status
        );
    }

    /// Executions are booked once each, and an end whose executions are all booked is an end.
    fn check_order(&self, id: ClientOrderId, state: &millrun_engine::state::State) {
        let (Some(model), Some(order)) = (self.orders.get(&id), state.orders.get(id)) else {
            return;
        };
        assert_eq!(
            order.cum_quantity.units(),
            model.cum(),
            "P4: executions of {id}"
        );
        let fee: i64 = model.fills.values().map(|fill| fill.2).sum();
        assert_eq!(order.fee_units, i128::from(fee), "fees of {id}");
        let value: i128 = model
            .fills
            .values()
            .map(|fill| i128::from(fill.0) * i128::from(fill.1))
            .sum();
        assert_eq!(order.executed_value, value, "value of {id}");
        let ended = model.ends.iter().any(|(_, cum)| *cum <= model.cum());
        assert!(
            !ended || order.status.is_terminal(),
            "{id} is ended at the venue: {order:?}"
        );
        if model.new_refused && model.fills.is_empty() && model.ends.is_empty() {
            assert!(order.status != OrderStatus::Submitted, "{id} was refused");
        }
    }

    fn check_positions(&self, state: &millrun_engine::state::State) {
        for (number, exposure) in state.exposures.iter().enumerate() {
            let position =
                self.position(InstrumentId(u32::try_from(number).expect("small in tests")));
            assert_eq!(
                exposure.position_units, position,
                "P4: position of instrument {number}"
            );
        }
    }

    /// The signed sum of the executions at an instrument.
    pub(crate) fn position(&self, instrument: InstrumentId) -> i128 {
        let signed = |order: &ModelOrder| match order.side {
            Side::Buy => i128::from(order.cum()),
            Side::Sell => -i128::from(order.cum()),
        };
        self.orders
            .values()
            .filter(|order| order.instrument == instrument)
            .map(signed)
            .sum()
    }
}

fn book(order: &mut ModelOrder, fill: &Fill) {
    let numbers = (
        fill.last_quantity.units(),
        fill.last_price.units(),
        fill.fee_units,
    );
    order.fills.entry(fill.trade_id).or_insert(numbers);
}
