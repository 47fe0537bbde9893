//! The engine's state as fields: orders with what is under way, positions, strategies, venues.
//!
//! Invariant: what is not known is told as such, and an order whose effect is in doubt is told as
//! unknown beside what is proved. Threads: any.

use engine::order::{Certainty, Order, PendingCommand};
use engine::state::State;
use model::execution_report::FEE_SCALE;
use model::{InstrumentId, StrategyId};
use serde_json::{Map, Value, json};

use crate::describe_control::scope;
use crate::fields::{Fields, decimal_text, utc_text};
use crate::in_force::InForce;

/// What is known of one order.
pub(crate) fn order<'k>(known: &'k InForce, order: &Order) -> Fields<'k> {
    let pending: Vec<Value> = order
        .pending
        .iter()
        .flatten()
        .map(|it| pending_command(known, order.instrument, it))
        .collect();
    let held_end = order.held_end.map(|held| held.status.name());
    Fields::new(known)
        .order(Some(order.client_order_id))
        .text("venue_order_id", order.venue_order_id)
        .strategy(order.strategy)
        .put("request_id", order.request_id.0)
        .instrument(order.instrument)
        .text("side", order.side)
        .text("order_type", order.order_type)
        .text("time_in_force", order.time_in_force)
        .put("post_only", order.post_only)
        .put("reduce_only", order.reduce_only)
        .text("status", order.status)
        .put("unknown", order.is_unknown())
        .put("needs_operator", order.needs_operator)
        .quantity("order_quantity", order.instrument, order.order_quantity)
        .price("limit_price", order.instrument, order.limit_price)
        .quantity("cum_quantity", order.instrument, order.cum_quantity)
        .quantity("leaves_quantity", order.instrument, order.leaves_quantity())
        .quantity(
            "venue_cum_quantity",
            order.instrument,
            order.venue_cum_quantity,
        )
        .put("fills_missing", order.fills_missing())
        .put("fee", decimal_text(order.fee_units, FEE_SCALE))
        .put("held_end", held_end)
        .put("unseen", order.unseen)
        .put("asks", order.asks)
        .put("asks_in_vain", order.asks_in_vain)
        .moment("created_at", order.created_at)
        .put("pending", pending)
}

fn pending_command(known: &InForce, instrument: InstrumentId, pending: &PendingCommand) -> Value {
    let certainty = match pending.certainty {
        Certainty::InFlight => "in_flight",
        Certainty::Unknown => "unknown",
        Certainty::NeedsOperator => "needs_operator",
    };
    let fields = Fields::new(known)
        .text("command", pending.command)
        .put("command_seq", pending.command_seq)
        .put("intent_seq", pending.intent_seq)
        .put("request_id", pending.request_id.0)
        .put("certainty", certainty)
        .put("accepted", pending.accepted)
        .quantity("order_quantity", instrument, pending.order_quantity)
        .price("limit_price", instrument, pending.limit_price)
        .moment("valid_until", pending.valid_until);
    Value::Object(fields.into_map())
}

/// The whole state, as one object.
pub(crate) fn state(known: &InForce, state: &State) -> Map<String, Value> {
    let orders: Vec<Value> = state
        .orders
        .iter()
        .map(|it| Value::Object(order(known, it).into_map()))
        .collect();
    let tasks: Vec<String> = state
        .tasks
        .iter()
        .map(|progress| format!("{:?}", progress.task))
        .collect();
    let anchor = state.anchor;
    let told = json!({
        "state_digest": format!("{:016x}", state.digest()),
        "config_version": state.config.version,
        "epoch": state.epoch.map(|epoch| epoch.get()),
        "anchor_utc": (anchor.unix.0 != 0).then(|| utc_text(anchor.unix)),
        "intake_open": state.intake_open,
        "next_order_sequence": state.next_order_sequence,
        "next_intent_seq": state.next_intent_seq,
        "open_orders": state.orders.open_count(),
        "executions_room": state.executions.room(),
        "tasks": tasks,
        "latches": latches(known, state),
        "venues": venues(known, state),
        "strategies": strategies(known, state),
        "positions": positions(known, state),
        "orders": orders,
    });
    match told {
        Value::Object(told) => told,
        _ => Map::new(),
    }
}

fn latches(known: &InForce, state: &State) -> Vec<Value> {
    let closed = state.latches.closed().iter();
    let told = closed.map(|(latch, over)| {
        let fields = Fields::new(known).text("latch", latch);
        Value::Object(scope(fields, *over).into_map())
    });
    told.collect()
}

fn venues(known: &InForce, state: &State) -> Vec<Value> {
    let policies = state.config.venues.iter().zip(&state.venues);
    let told = policies.map(|(policy, status)| {
        let fields = Fields::new(known)
            .venue(policy.id)
            .text("state", status.state)
            .put("link", status.link.map(|link| link.0))
            .put("sweep_no", status.sweep_no);
        Value::Object(fields.into_map())
    });
    told.collect()
}

fn strategies(known: &InForce, state: &State) -> Vec<Value> {
    let numbered = (0..).zip(&state.strategies);
    let told = numbered.map(|(id, strategy)| {
        let fields = Fields::new(known)
            .strategy(StrategyId(id))
            .put("attached", strategy.attached)
            .put("generation", strategy.generation)
            .put("open_orders", strategy.open_orders)
            .put("next_event_seq", strategy.next_event_seq)
            .put("last_request_id", strategy.last_request_id.0);
        Value::Object(fields.into_map())
    });
    told.collect()
}

fn positions(known: &InForce, state: &State) -> Vec<Value> {
    let policies = state.config.instruments.iter().zip(&state.exposures);
    let told = policies.map(|(policy, exposure)| {
        let scale = policy.instrument.quantity_scale;
        let fields = Fields::new(known)
            .instrument(policy.instrument.id)
            .put("position", decimal_text(exposure.position_units, scale))
            .put("open_buy", decimal_text(exposure.open_buy_units, scale))
            .put("open_sell", decimal_text(exposure.open_sell_units, scale))
            .put("open_orders", exposure.open_orders);
        Value::Object(fields.into_map())
    });
    told.collect()
}
