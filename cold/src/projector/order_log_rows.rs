//! The lines of `execution_logs`: one per status move, command, execution, refusal and alarm.

use model::decision::{AlarmCode, RequestRefused};
use model::order_change::CommandOutcome;
use model::{
    ChangeBody, ClientOrderId, CommandKind, OrderChange, OrderStatus, RejectReason, RequestId, Text,
};
use serde_json::{Value, json};

use super::order_fold::Occasion;
use crate::store::rows::{LogRow, OrderRow};

/// The line for a change; `None` for what neither moves the order nor concerns anybody.
pub(super) fn change_log(
    at: &Occasion,
    change: &OrderChange,
    before: &OrderRow,
    after: &OrderRow,
) -> Option<LogRow> {
    let is_first = matches!(
        change.body,
        ChangeBody::Created { .. } | ChangeBody::Adopted { .. }
    );
    let moved = is_first || before.status != after.status || before.unknown != after.unknown;
    let kind = kind_of(change).or_else(|| moved.then_some("moved"))?;
    Some(LogRow {
        sequence: at.sequence,
        ordinal: at.ordinal,
        client_order_id: Some(change.client_order_id),
        request_id: change.request_id.0,
        strategy_name: after.strategy_name,
        kind,
        from: Some(before.status).filter(|_| !is_first),
        to: Some(after.status),
        unknown: after.unknown,
        at: at.unix,
        attempt: attempt_of(&change.body),
        reason: reason_of(change),
        metadata: metadata_of(change, after),
    })
}

fn kind_of(change: &OrderChange) -> Option<&'static str> {
    Some(match &change.body {
        ChangeBody::Created { .. } => "approved",
        ChangeBody::Adopted { .. } => "recovered",
        ChangeBody::CommandStarted(intent) => match intent.command {
            CommandKind::New => "submitted",
            CommandKind::Cancel => "cancel_submitted",
            CommandKind::Replace => "replace_submitted",
        },
        ChangeBody::Acknowledged { .. } => "acknowledged",
        ChangeBody::CommandAccepted { .. } => "command_accepted",
        ChangeBody::CommandEnded {
            command, outcome, ..
        } => match (command, outcome) {
            (CommandKind::New, CommandOutcome::Refused) => "rejected",
            (CommandKind::New, _) => "failed",
            (CommandKind::Cancel, _) => "cancel_ended",
            (CommandKind::Replace, _) => "replace_ended",
        },
        ChangeBody::CommandUnknown { .. } => "unknown",
        ChangeBody::NeedsOperator { .. } => "needs_operator",
        ChangeBody::Executed { late: true, .. } => "late_fill",
        ChangeBody::Executed { .. } if change.status == OrderStatus::Filled => "filled",
        ChangeBody::Executed { .. } => "executed",
        ChangeBody::FillsMissing { .. } => "fills_missing",
        ChangeBody::Replaced { .. } => "replaced",
        ChangeBody::EndHeld { .. } => "end_held",
        ChangeBody::Ended { .. } => change.status.name(),
        ChangeBody::Asked { .. } => "asked",
        ChangeBody::Unseen => "unseen",
        ChangeBody::Linked { .. }
        | ChangeBody::AbsenceNoted { .. }
        | ChangeBody::AskSettled
        | ChangeBody::AskedInVain
        | ChangeBody::AskFailed
        | ChangeBody::Stated { .. } => return None,
    })
}

fn attempt_of(body: &ChangeBody) -> Option<u32> {
    match body {
        ChangeBody::CommandStarted(intent) => Some(u32::from(intent.send_no)),
        ChangeBody::Asked { ask_no, .. } => Some(u32::from(*ask_no)),
        _ => None,
    }
}

fn reason_of(change: &OrderChange) -> String {
    match &change.body {
        ChangeBody::CommandEnded {
            outcome, message, ..
        } => {
            if message.is_empty() {
                outcome.name().to_owned()
            } else {
                message.as_str().to_owned()
            }
        }
        ChangeBody::CommandUnknown { cause, .. } => cause.name().to_owned(),
        ChangeBody::Ended { end_code, .. } | ChangeBody::EndHeld { end_code, .. }
            if *end_code != 0 =>
        {
            format!("venue code {end_code}")
        }
        _ => String::new(),
    }
}

fn metadata_of(change: &OrderChange, order: &OrderRow) -> String {
    let market = &order.market;
    let price = |price: model::Price| price.text(market.price_scale).to_string();
    let quantity = |quantity: model::Quantity| quantity.text(market.quantity_scale).to_string();
    let value: Value = match &change.body {
        ChangeBody::CommandStarted(intent) => json!({
            "intent_id": intent.intent_seq,
            "command_seq": intent.command_seq,
            "price": price(intent.limit_price),
            "quantity": quantity(intent.order_quantity),
        }),
        ChangeBody::Executed { fill, .. } => json!({
            "execution_id": fill.trade_id.as_str(),
            "price": price(fill.last_price),
            "quantity": quantity(fill.last_quantity),
            "filled_quantity": quantity(change.cum_quantity),
        }),
        ChangeBody::CommandEnded {
            command_seq,
            outcome,
            venue_code,
            ..
        } => json!({
            "command_seq": command_seq,
            "outcome": outcome.name(),
            "venue_code": venue_code,
        }),
        ChangeBody::Acknowledged { venue_order_id, .. }
        | ChangeBody::Adopted { venue_order_id, .. } => {
            json!({ "order_id": venue_order_id.as_str() })
        }
        ChangeBody::CommandAccepted { command_seq }
        | ChangeBody::CommandUnknown { command_seq, .. }
        | ChangeBody::NeedsOperator { command_seq } => json!({ "command_seq": command_seq }),
        ChangeBody::Replaced { command_seq, .. } => json!({
            "command_seq": command_seq,
            "price": price(change.limit_price),
            "quantity": quantity(change.order_quantity),
        }),
        ChangeBody::FillsMissing { venue_cum_quantity } => {
            json!({ "venue_filled_quantity": quantity(*venue_cum_quantity) })
        }
        _ => return String::new(),
    };
    value.to_string()
}

/// The line for a request that was refused before it became an order, or a command of one.
pub(super) fn denied_log(
    at: &Occasion,
    refused: &RequestRefused,
    strategy_name: Text<31>,
) -> LogRow {
    let metadata = if refused.limit == 0 && refused.actual == 0 {
        String::new()
    } else {
        // 128 bits: as text, so that no reader of JSON rounds them.
        let (limit, actual) = (refused.limit.to_string(), refused.actual.to_string());
        json!({ "limit": limit, "actual": actual }).to_string()
    };
    LogRow {
        client_order_id: refused.client_order_id,
        request_id: refused.request_id.0,
        reason: refused.reason.name().to_owned(),
        metadata,
        ..orderless(at, "denied", strategy_name)
    }
}

/// The line for a run of requests that found no room.
pub(super) fn run_denied_log(
    at: &Occasion,
    strategy_name: Text<31>,
    first: RequestId,
    count: u64,
    reason: RejectReason,
) -> LogRow {
    LogRow {
        request_id: first.0,
        reason: reason.name().to_owned(),
        metadata: json!({ "count": count }).to_string(),
        ..orderless(at, "denied", strategy_name)
    }
}

/// The line for what a person should know.
pub(super) fn alarm_log(at: &Occasion, code: AlarmCode, client_order_id: u64) -> LogRow {
    LogRow {
        client_order_id: ClientOrderId::from_integer(client_order_id),
        reason: code.name().to_owned(),
        ..orderless(at, "alarm", Text::EMPTY)
    }
}

fn orderless(at: &Occasion, kind: &'static str, strategy_name: Text<31>) -> LogRow {
    LogRow {
        sequence: at.sequence,
        ordinal: at.ordinal,
        client_order_id: None,
        request_id: 0,
        strategy_name,
        kind,
        from: None,
        to: None,
        unknown: false,
        at: at.unix,
        attempt: None,
        reason: String::new(),
        metadata: String::new(),
    }
}
