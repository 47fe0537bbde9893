//! Order entry over REST, the twins of the WebSocket operations, and close-position.
//!
//! Docs: "POST / Place order" and its siblings. A batch is a bare array; `expTime` is a header.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::link::LinkControl;
use crate::matching::{CancelSource, OrderName, PositionSide};
use crate::okx::error_code::VenueError;
use crate::okx::json_object::{JsonObject, plain};
use crate::okx::operation_legs::{LegTwist, Operation, run_leg};
use crate::okx::operations::{
    BATCH_BOUND, OperationPlan, OperationRequest, data_array, execute, plan, top_code, witness,
};
use crate::okx::parameters::{InstrumentNaming, flag, text};
use crate::okx::publish::publish_updates;
use crate::okx::request_limits::OperationKind;
use crate::okx::rest_answer::RestAnswer;
use crate::okx::rest_router::RestRequest;
use crate::okx::socket_operation::mass_cancel_error;
use crate::okx::venue::Shared;
use crate::witness::Transport;

/// How long a request whose reply is dropped stays open before the connection breaks.
const DROPPED_REPLY: Duration = Duration::from_secs(30);

/// One of the six order entry paths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestOrderEntry {
    operation: Operation,
    success: &'static str,
}

impl RestOrderEntry {
    pub(crate) fn of(method: &str, path: &str) -> Option<Self> {
        if method != "POST" {
            return None;
        }
        let name = match path.strip_prefix("/api/v5/trade/")? {
            "order" => "order",
            "batch-orders" => "batch-orders",
            "cancel-order" => "cancel-order",
            "cancel-batch-orders" => "batch-cancel-orders",
            "amend-order" => "amend-order",
            "amend-batch-orders" => "batch-amend-orders",
            _ => return None,
        };
        let operation = Operation::from_name(name)?;
        Some(Self {
            operation,
            success: "Order placed",
        })
    }
}

/// Carries out one order entry request.
pub(crate) async fn enter(
    shared: &Arc<Shared>,
    link: &Arc<LinkControl>,
    entry: RestOrderEntry,
    request: &RestRequest,
) -> RestAnswer {
    let legs = match legs_of(request, entry.operation.is_batch) {
        Ok(legs) => legs,
        Err(error) => return RestAnswer::error(&error),
    };
    let operation = OperationRequest {
        account: request.account,
        transport: Transport::Rest,
        operation: entry.operation,
        request_id: String::new(),
        legs,
        raw: String::from_utf8_lossy(&request.body).into_owned(),
        expires_at_ms: request.expires_at_ms,
        received_us: request.received_us,
    };
    witness(shared, &operation);
    if operation
        .expires_at_ms
        .is_some_and(|at_ms| request.received_us / 1_000 > at_ms)
    {
        return RestAnswer::error(&VenueError::known("50036"));
    }
    let plan = plan(shared, &operation, link);
    if !plan.accept_after.is_zero() {
        // The venue acts even if the client hangs up meanwhile.
        let shared = Arc::clone(shared);
        let acting = tokio::spawn(async move {
            tokio::time::sleep(plan.accept_after).await;
            let answer = act(&shared, &operation, &plan, entry);
            (answer, plan)
        });
        return match acting.await {
            Ok((answer, plan)) => deliver(answer, &plan, link).await,
            Err(_) => RestAnswer::error(&VenueError::known("50026")),
        };
    }
    let answer = act(shared, &operation, &plan, entry);
    deliver(answer, &plan, link).await
}

fn legs_of(request: &RestRequest, is_batch: bool) -> Result<Vec<Value>, VenueError> {
    let parsed: Value = serde_json::from_slice(&request.body)
        .map_err(|_| VenueError::new("50002", "JSON syntax error"))?;
    match parsed {
        Value::Array(legs) if is_batch => {
            let is_valid =
                (1..=BATCH_BOUND).contains(&legs.len()) && legs.iter().all(Value::is_object);
            if is_valid {
                Ok(legs)
            } else {
                Err(VenueError::parameter("orders"))
            }
        }
        Value::Object(_) if !is_batch => Ok(vec![parsed]),
        _ => Err(VenueError::new("50002", "JSON syntax error")),
    }
}

fn act(
    shared: &Shared,
    operation: &OperationRequest,
    plan: &OperationPlan,
    entry: RestOrderEntry,
) -> RestAnswer {
    let mut answer = RestAnswer::data(&[]);
    execute(shared, operation, plan, |_, results| {
        let now_us = shared.clock.now_us();
        let code = top_code(results);
        let message = match code {
            "1" => "All operations failed",
            "2" => "Bulk operation partially succeeded",
            _ => "",
        };
        let data = data_array(
            results,
            operation.operation.kind,
            entry.success,
            now_us / 1_000,
        );
        answer = match &plan.answer {
            Some(error) if plan.answers_at_top => RestAnswer::error(error),
            _ => RestAnswer::timed(code, message, &data, operation.received_us, now_us),
        };
    });
    answer
}

async fn deliver(answer: RestAnswer, plan: &OperationPlan, link: &LinkControl) -> RestAnswer {
    if plan.drops_ack {
        tokio::time::sleep(DROPPED_REPLY).await;
        link.cut();
    }
    tokio::time::sleep(plan.ack_delay.max(plan.ack_after_fill.unwrap_or_default())).await;
    answer
}

/// `mass-cancel`: option orders only, of which there are none.
pub(crate) fn mass_cancel(request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let body = body_object(request)?;
    match mass_cancel_error(&body) {
        Some(error) => Err(error),
        None => Ok(vec![r#"{"result":true}"#.to_owned()]),
    }
}

/// `close-position`: a market order against the whole position.
pub(crate) fn close_position(
    shared: &Shared,
    request: &RestRequest,
) -> Result<Vec<String>, VenueError> {
    let body = body_object(request)?;
    let account = request.account;
    let mut venue = shared.venue();
    let now_ms = shared.clock.now_ms();
    let instruments = &venue.exchange.instruments;
    let naming = InstrumentNaming::CodeOrName;
    let instrument = super::parameters::instrument(instruments, &body, naming)?;
    let symbol = instruments[instrument].symbol.clone();
    let side = match text(&body, "posSide").as_deref() {
        None | Some("net") => PositionSide::Net,
        Some("long") => PositionSide::Long,
        Some("short") => PositionSide::Short,
        Some(_) => return Err(VenueError::parameter("posSide")),
    };
    let held = venue.exchange.holdings[account].position(instrument, side);
    if held.is_zero() {
        return Err(VenueError::new("51023", "Position doesn't exist."));
    }
    if flag(&body, "autoCxl")? {
        let open: Vec<u64> = venue
            .exchange
            .open_orders_of(account)
            .filter(|order| order.new.instrument == instrument)
            .map(|order| order.order_id)
            .collect();
        for order_id in open {
            let name = OrderName::OrderId(order_id);
            let source = CancelSource(17);
            let _ = venue.exchange.cancel(now_ms, account, name, source);
        }
    }
    let client_order_id = text(&body, "clOrdId").unwrap_or_default();
    let tag = text(&body, "tag").unwrap_or_default();
    let leg = json!({
        "instId": symbol, "tdMode": "cross", "ordType": "market", "posSide": side.name(),
        "side": if held > Decimal::ZERO { "sell" } else { "buy" },
        "sz": plain(held.abs()), "clOrdId": client_order_id, "tag": tag,
        "reduceOnly": side == PositionSide::Net,
    });
    let operation = Operation {
        kind: OperationKind::Place,
        is_batch: false,
    };
    let twist = LegTwist::default();
    let result = run_leg(&mut venue, account, operation, &leg, naming, twist, now_ms);
    publish_updates(shared, &mut venue);
    if let Some(error) = result.error {
        return Err(error);
    }
    let mut json = JsonObject::new();
    json.text("instId", &symbol).text("posSide", side.name());
    json.text("clOrdId", &client_order_id).text("tag", &tag);
    Ok(vec![json.finish()])
}

/// The body as one JSON object.
pub(crate) fn body_object(request: &RestRequest) -> Result<Value, VenueError> {
    match serde_json::from_slice(&request.body) {
        Ok(body @ Value::Object(_)) => Ok(body),
        _ => Err(VenueError::new("50002", "JSON syntax error")),
    }
}
