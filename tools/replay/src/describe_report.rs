//! What a venue said, as fields: replies, order updates, executions, facts from queries.
//!
//! Invariant: every member of the model's type is told; a new one does not compile until it is.
//! Threads: any.

use model::execution_report::{CommandReply, Fill, OrderUpdate, ReplaceResult};
use model::recon_fact::{
    BalanceSeen, FillSeen, LookupEnded, OrderAbsent, OrderSeen, PositionSeen, SweepEnded,
};
use model::{
    BalanceStated, InstrumentId, PositionCells, PositionStated, Quantity, ReconFact, VenueReport,
};

use crate::fields::Fields;
use crate::in_force::InForce;

pub(crate) fn report<'k>(known: &'k InForce, report: &VenueReport) -> Fields<'k> {
    match report {
        VenueReport::Reply(reply) => reply_fields(known, reply),
        VenueReport::Order(update) => update_fields(Fields::of_type(known, "order_update"), update),
        VenueReport::Quarantined(reason) => {
            Fields::of_type(known, "quarantined").text("reason", reason)
        }
        VenueReport::Position(stated) => position_fields(known, stated),
        VenueReport::Balance(stated) => balance_fields(Fields::of_type(known, "balance"), stated),
        VenueReport::PositionsElsewhere { rows } => {
            Fields::of_type(known, "positions_elsewhere").put("rows", *rows)
        }
    }
}

pub(crate) fn fill<'k>(known: &'k InForce, instrument: InstrumentId, fill: &Fill) -> Fields<'k> {
    let Fill {
        trade_id,
        last_quantity,
        last_price,
        fee_units,
        liquidity,
        venue_time,
    } = fill;
    Fields::new(known)
        .text("trade_id", trade_id)
        .quantity("last_quantity", instrument, *last_quantity)
        .price("last_price", instrument, *last_price)
        .fee(*fee_units)
        .text("liquidity", liquidity)
        .moment("venue_time", *venue_time)
}

pub(crate) fn fact<'k>(known: &'k InForce, fact: &ReconFact) -> Fields<'k> {
    let typed =
        |name, asked_at_seq: u64| Fields::of_type(known, name).put("asked_at_seq", asked_at_seq);
    match fact {
        ReconFact::OrderSeen(OrderSeen {
            asked_at_seq,
            source,
            update,
        }) => update_fields(
            typed("order_seen", *asked_at_seq).text("source", source),
            update,
        ),
        ReconFact::FillSeen(seen) => {
            let FillSeen {
                asked_at_seq,
                client_order_id,
                is_foreign,
                venue_order_id,
                ..
            } = seen;
            typed("fill_seen", *asked_at_seq)
                .order(*client_order_id)
                .put("is_foreign", *is_foreign)
                .text("venue_order_id", venue_order_id)
                .instrument(seen.instrument)
                .text("side", seen.side)
                .nested("fill", fill(known, seen.instrument, &seen.fill))
        }
        ReconFact::OrderAbsent(OrderAbsent {
            asked_at_seq,
            answered_at,
            client_order_id,
            source,
        }) => typed("order_absent", *asked_at_seq)
            .order(Some(*client_order_id))
            .text("source", source)
            .moment("answered_at", *answered_at),
        ReconFact::SweepEnded(SweepEnded {
            asked_at_seq,
            venue,
            sweep_no,
            complete,
        }) => typed("sweep_ended", *asked_at_seq)
            .venue(*venue)
            .put("sweep_no", *sweep_no)
            .put("complete", *complete),
        ReconFact::LookupEnded(LookupEnded {
            asked_at_seq,
            client_order_id,
            ask_no,
            complete,
        }) => typed("lookup_ended", *asked_at_seq)
            .order(Some(*client_order_id))
            .put("ask_no", *ask_no)
            .put("complete", *complete),
        ReconFact::PositionSeen(seen) => position_seen(known, seen),
        ReconFact::BalanceSeen(BalanceSeen {
            asked_at_seq,
            venue,
            balance,
        }) => balance_fields(typed("balance_seen", *asked_at_seq).venue(*venue), balance),
    }
}

fn position_seen<'k>(known: &'k InForce, seen: &PositionSeen) -> Fields<'k> {
    let PositionSeen {
        asked_at_seq,
        instrument,
        is_listed,
        cells,
        as_of,
    } = seen;
    let fields = Fields::of_type(known, "position_seen").put("asked_at_seq", *asked_at_seq);
    cells_fields(fields.instrument(*instrument), *instrument, cells)
        .put("is_listed", *is_listed)
        .moment("as_of", *as_of)
}

fn position_fields<'k>(known: &'k InForce, stated: &PositionStated) -> Fields<'k> {
    let PositionStated {
        instrument,
        side,
        margin,
        units,
        venue_time,
    } = stated;
    Fields::of_type(known, "position")
        .instrument(*instrument)
        .text("side", side)
        .text("margin", margin)
        .quantity("position", *instrument, Quantity::from_units(*units))
        .moment("venue_time", *venue_time)
}

fn balance_fields<'k>(fields: Fields<'k>, stated: &BalanceStated) -> Fields<'k> {
    let BalanceStated {
        currency,
        total,
        available,
        venue_time,
    } = stated;
    fields
        .text("currency", currency)
        .text("total", total)
        .put("available", available.map(|amount| amount.to_string()))
        .moment("venue_time", *venue_time)
}

fn cells_fields<'k>(
    fields: Fields<'k>,
    instrument: InstrumentId,
    cells: &PositionCells,
) -> Fields<'k> {
    let PositionCells {
        net_cross,
        net_isolated,
        long_cross,
        long_isolated,
        short_cross,
        short_isolated,
    } = *cells;
    [
        ("net_cross", net_cross),
        ("net_isolated", net_isolated),
        ("long_cross", long_cross),
        ("long_isolated", long_isolated),
        ("short_cross", short_cross),
        ("short_isolated", short_isolated),
    ]
    .into_iter()
    .fold(fields, |fields, (name, units)| {
        fields.quantity(name, instrument, Quantity::from_units(units))
    })
}

fn reply_fields<'k>(known: &'k InForce, reply: &CommandReply) -> Fields<'k> {
    let CommandReply {
        client_order_id,
        command,
        command_seq,
        outcome,
        venue_order_id,
        venue_code,
        message,
        venue_time,
    } = reply;
    Fields::of_type(known, "reply")
        .order(Some(*client_order_id))
        .text("command", command)
        .put("command_seq", *command_seq)
        .text("outcome", outcome)
        .text("venue_order_id", venue_order_id)
        .put("venue_code", *venue_code)
        .text("message", message)
        .moment("venue_time", *venue_time)
}

fn update_fields<'k>(fields: Fields<'k>, update: &OrderUpdate) -> Fields<'k> {
    let known = fields.known();
    let OrderUpdate {
        client_order_id,
        venue_order_id,
        instrument,
        side,
        state,
        order_quantity,
        limit_price,
        cum_quantity,
        fill: execution,
        replace,
        end_code,
        venue_time,
    } = update;
    let fields = fields
        .order(*client_order_id)
        .text("venue_order_id", venue_order_id)
        .instrument(*instrument)
        .text("side", side)
        .text("state", state)
        .quantity("order_quantity", *instrument, *order_quantity)
        .price("limit_price", *instrument, *limit_price)
        .quantity("cum_quantity", *instrument, *cum_quantity);
    let fields = match execution {
        Some(execution) => fields.nested("fill", fill(known, *instrument, execution)),
        None => fields.put("fill", ()),
    };
    let fields = match replace {
        Some(ReplaceResult {
            command_seq,
            applied,
        }) => {
            let result = Fields::new(known).put("command_seq", *command_seq);
            fields.nested("replace", result.put("applied", *applied))
        }
        None => fields.put("replace", ()),
    };
    fields
        .put("end_code", *end_code)
        .moment("venue_time", *venue_time)
}
