//! What was decided, as fields: order changes with what is special to each, and everything else.
//!
//! Invariant: every member of the model's type is told; a new one does not compile until it is.
//! Threads: any.

use model::decision::{ForeignFill, RequestRefused, WideTask};
use model::{ChangeBody, ClientOrderId, Decision, OrderChange, OrderIntent};

use crate::describe_control;
use crate::describe_input::new_order;
use crate::describe_report::fill;
use crate::fields::Fields;
use crate::in_force::InForce;

pub(crate) fn decision<'k>(known: &'k InForce, decision: &Decision) -> Fields<'k> {
    let typed = |name| Fields::of_type(known, name);
    match decision {
        Decision::Order(change) => order_change(known, change),
        Decision::Refused(refused) => refusal(known, refused),
        Decision::CancelAllAccepted {
            strategy,
            event_seq,
            request_id,
        } => typed("CancelAllAccepted")
            .strategy(*strategy)
            .put("event_seq", *event_seq)
            .put("request_id", request_id.0),
        Decision::TaskStarted { task } => wide_task(known, task),
        Decision::TaskMoved {
            next_slot,
            due_at,
            passed_over,
        } => typed("TaskMoved")
            .put("next_slot", *next_slot)
            .put("due_at_ns", due_at.0)
            .put("passed_over", *passed_over),
        Decision::TaskDone => typed("TaskDone"),
        Decision::Venue { venue, state } => typed("Venue").venue(*venue).text("state", state),
        Decision::SweepStarted { venue, sweep_no } => typed("SweepStarted")
            .venue(*venue)
            .put("sweep_no", *sweep_no),
        Decision::SweepEnded {
            venue,
            sweep_no,
            complete,
        } => typed("SweepEnded")
            .venue(*venue)
            .put("sweep_no", *sweep_no)
            .put("complete", *complete),
        Decision::Strategy {
            strategy,
            generation,
            attached,
            next_event_seq,
        } => typed("Strategy")
            .strategy(*strategy)
            .put("generation", *generation)
            .put("attached", *attached)
            .put("next_event_seq", *next_event_seq),
        Decision::Alarm {
            code,
            client_order_id,
        } => typed("Alarm")
            .text("code", code)
            .order(ClientOrderId::from_integer(*client_order_id)),
        Decision::Ignored(reason) => typed("Ignored").text("reason", reason),
        Decision::Evicted { client_order_id } => typed("Evicted").order(Some(*client_order_id)),
        Decision::Intake { open } => typed("Intake").put("open", *open),
        Decision::LatchSet { .. } => describe_control::latch_set(typed("LatchSet"), decision),
        Decision::Position { .. } | Decision::Foreign(_) => position(known, decision),
        Decision::RunRefused {
            strategy,
            event_seq,
            first,
            count,
            reason,
        } => typed("RunRefused")
            .strategy(*strategy)
            .put("event_seq", *event_seq)
            .put("first_request_id", first.0)
            .put("count", *count)
            .text("reason", reason),
    }
}

fn position<'k>(known: &'k InForce, decision: &Decision) -> Fields<'k> {
    match decision {
        Decision::Position {
            instrument,
            step,
            stated_units,
            expected_units,
            as_of,
        } => Fields::of_type(known, "Position")
            .instrument(*instrument)
            .text("step", step)
            .position("stated", *instrument, *stated_units)
            .position("expected", *instrument, *expected_units)
            .moment("as_of", *as_of),
        Decision::Foreign(ForeignFill {
            instrument,
            venue_order_id,
            side,
            fill: execution,
        }) => Fields::of_type(known, "Foreign")
            .instrument(*instrument)
            .text("venue_order_id", venue_order_id)
            .text("side", side)
            .nested("fill", fill(known, *instrument, execution)),
        _ => Fields::new(known),
    }
}

fn refusal<'k>(known: &'k InForce, refused: &RequestRefused) -> Fields<'k> {
    let RequestRefused {
        strategy,
        event_seq,
        request_id,
        client_order_id,
        reason,
        limit,
        actual,
    } = refused;
    Fields::of_type(known, "Refused")
        .strategy(*strategy)
        .put("event_seq", *event_seq)
        .put("request_id", request_id.0)
        .order(*client_order_id)
        .text("reason", reason)
        .text("limit_units", limit)
        .text("actual_units", actual)
}

fn wide_task<'k>(known: &'k InForce, task: &WideTask) -> Fields<'k> {
    let fields = Fields::of_type(known, "TaskStarted");
    match task {
        WideTask::MarkUnknown { venue, cause } => fields
            .text("task", "mark_unknown")
            .venue(*venue)
            .text("cause", cause),
        WideTask::AskUnseen {
            venue,
            sweep_no,
            asked_at_seq,
        } => fields
            .text("task", "ask_unseen")
            .venue(*venue)
            .put("sweep_no", *sweep_no)
            .put("asked_at_seq", *asked_at_seq),
        WideTask::KillCancel {
            scope,
            round,
            since,
            due_at,
        } => describe_control::scope(fields.text("task", "kill_cancel"), *scope)
            .put("round", *round)
            .put("since", *since)
            .put("due_at_ns", due_at.0),
        WideTask::CancelAll {
            strategy,
            instrument,
        } => {
            let fields = fields.text("task", "cancel_all");
            let fields = match strategy {
                Some(strategy) => fields.strategy(*strategy),
                None => fields.put("strategy", ()).put("strategy_id", ()),
            };
            match instrument {
                Some(instrument) => fields.instrument(*instrument),
                None => fields.put("instrument", ()).put("instrument_id", ()),
            }
        }
    }
}

fn order_change<'k>(known: &'k InForce, change: &OrderChange) -> Fields<'k> {
    let OrderChange {
        strategy,
        event_seq,
        client_order_id,
        request_id,
        instrument,
        side,
        status,
        unknown,
        order_quantity,
        limit_price,
        cum_quantity,
        body,
    } = change;
    let (name, detail) = change_detail(known, change, body);
    let event = change.event_kind().filter(|_| *event_seq != 0);
    Fields::of_type(known, "Order")
        .text("change", name)
        .put("event", event.map(|kind| kind.name()))
        .put("event_seq", *event_seq)
        .order(Some(*client_order_id))
        .strategy(*strategy)
        .put("request_id", request_id.0)
        .instrument(*instrument)
        .text("side", side)
        .text("status", status)
        .put("unknown", *unknown)
        .quantity("order_quantity", *instrument, *order_quantity)
        .price("limit_price", *instrument, *limit_price)
        .quantity("cum_quantity", *instrument, *cum_quantity)
        .nested("detail", detail)
}

/// The change's name, and what is special to it.
fn change_detail<'k>(
    known: &'k InForce,
    change: &OrderChange,
    body: &ChangeBody,
) -> (&'static str, Fields<'k>) {
    let none = Fields::new(known);
    match body {
        ChangeBody::Created { order, created_at } => (
            "Created",
            new_order(none, order).moment("created_at", *created_at),
        ),
        ChangeBody::Adopted {
            venue_order_id,
            created_at,
        } => (
            "Adopted",
            none.text("venue_order_id", venue_order_id)
                .moment("created_at", *created_at),
        ),
        ChangeBody::CommandStarted(intent) => ("CommandStarted", intent_fields(none, intent)),
        ChangeBody::Acknowledged {
            venue_order_id,
            venue_time,
        } => (
            "Acknowledged",
            none.text("venue_order_id", venue_order_id)
                .moment("venue_time", *venue_time),
        ),
        ChangeBody::Linked { venue_order_id } => {
            ("Linked", none.text("venue_order_id", venue_order_id))
        }
        ChangeBody::CommandAccepted { command_seq } => {
            ("CommandAccepted", none.put("command_seq", *command_seq))
        }
        ChangeBody::CommandEnded {
            command,
            command_seq,
            outcome,
            venue_code,
            message,
        } => (
            "CommandEnded",
            none.text("command", command)
                .put("command_seq", *command_seq)
                .text("outcome", outcome)
                .put("venue_code", *venue_code)
                .text("message", message),
        ),
        ChangeBody::CommandUnknown { command_seq, cause } => (
            "CommandUnknown",
            none.put("command_seq", *command_seq).text("cause", cause),
        ),
        ChangeBody::NeedsOperator { command_seq } => {
            ("NeedsOperator", none.put("command_seq", *command_seq))
        }
        ChangeBody::Executed {
            fill: execution,
            late,
            overfill,
        } => (
            "Executed",
            fill(known, change.instrument, execution)
                .put("late", *late)
                .put("overfill", *overfill),
        ),
        _ => later_detail(none, change, body),
    }
}

/// The rest of the list: how an order ends, and what asking about it gives.
fn later_detail<'k>(
    none: Fields<'k>,
    change: &OrderChange,
    body: &ChangeBody,
) -> (&'static str, Fields<'k>) {
    match body {
        ChangeBody::FillsMissing { venue_cum_quantity } => (
            "FillsMissing",
            none.quantity("venue_cum_quantity", change.instrument, *venue_cum_quantity),
        ),
        ChangeBody::Replaced {
            command_seq,
            venue_time,
        } => (
            "Replaced",
            none.put("command_seq", *command_seq)
                .moment("venue_time", *venue_time),
        ),
        ChangeBody::EndHeld { status, end_code } => (
            "EndHeld",
            none.text("end_status", status).put("end_code", *end_code),
        ),
        ChangeBody::Ended {
            end_code,
            venue_time,
        } => (
            "Ended",
            none.put("end_code", *end_code)
                .moment("venue_time", *venue_time),
        ),
        ChangeBody::Asked {
            ask_no,
            venue_order_id,
        } => (
            "Asked",
            none.put("ask_no", *ask_no)
                .text("venue_order_id", venue_order_id),
        ),
        ChangeBody::AbsenceNoted { source } => ("AbsenceNoted", none.text("source", source)),
        ChangeBody::AskSettled => ("AskSettled", none),
        ChangeBody::AskedInVain => ("AskedInVain", none),
        ChangeBody::AskFailed => ("AskFailed", none),
        ChangeBody::Unseen => ("Unseen", none),
        ChangeBody::Stated { request_id } => ("Stated", none.put("query_request_id", request_id.0)),
        // Told by `change_detail`.
        ChangeBody::Created { .. }
        | ChangeBody::Adopted { .. }
        | ChangeBody::CommandStarted(_)
        | ChangeBody::Acknowledged { .. }
        | ChangeBody::Linked { .. }
        | ChangeBody::CommandAccepted { .. }
        | ChangeBody::CommandEnded { .. }
        | ChangeBody::CommandUnknown { .. }
        | ChangeBody::NeedsOperator { .. }
        | ChangeBody::Executed { .. } => ("", none),
    }
}

pub(crate) fn intent_fields<'k>(fields: Fields<'k>, intent: &OrderIntent) -> Fields<'k> {
    let OrderIntent {
        intent_seq,
        command,
        command_seq,
        send_no,
        client_order_id,
        venue_order_id,
        instrument,
        side,
        order_type,
        time_in_force,
        post_only,
        reduce_only,
        order_quantity,
        limit_price,
        valid_until,
    } = intent;
    fields
        .put("intent_seq", *intent_seq)
        .text("command", command)
        .put("command_seq", *command_seq)
        .put("send_no", *send_no)
        .order(Some(*client_order_id))
        .text("venue_order_id", venue_order_id)
        .instrument(*instrument)
        .text("side", side)
        .text("order_type", order_type)
        .text("time_in_force", time_in_force)
        .put("post_only", *post_only)
        .put("reduce_only", *reduce_only)
        .quantity("order_quantity", *instrument, *order_quantity)
        .price("limit_price", *instrument, *limit_price)
        .moment("valid_until", *valid_until)
}
