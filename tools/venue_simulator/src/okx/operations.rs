//! Order operations from either transport: witness, faults, deadline, legs, reply.
//!
//! Invariants: the witness sees every leg before the venue acts on it; a reply is queued before the
//! pushes it causes, unless a fault turns that around. Must not know: sockets, HTTP.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::faults::{Fault, FaultMoment, FaultPoint};
use crate::link::LinkControl;
use crate::okx::error_code::VenueError;
use crate::okx::operation_legs::{LegResult, LegTwist, Operation, run_leg};
use crate::okx::parameters::{InstrumentNaming, instrument, text};
use crate::okx::publish::publish_updates;
use crate::okx::request_limits::OperationKind;
use crate::okx::venue::{Shared, Venue, count};
use crate::witness::{ReceivedCommand, Transport, WitnessVerdict};

/// Most legs of a batch.
pub(crate) const BATCH_BOUND: usize = 20;

/// One received operation.
pub(crate) struct OperationRequest {
    pub(crate) account: usize,
    pub(crate) transport: Transport,
    pub(crate) operation: Operation,
    pub(crate) request_id: String,
    pub(crate) legs: Vec<Value>,
    pub(crate) raw: String,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) received_us: i64,
}

/// What the faults of this moment make of an operation.
#[derive(Debug, Default)]
pub(crate) struct OperationPlan {
    pub(crate) accept_after: Duration,
    pub(crate) ack_delay: Duration,
    pub(crate) drops_ack: bool,
    pub(crate) ack_after_fill: Option<Duration>,
    pub(crate) answer: Option<VenueError>,
    pub(crate) answers_at_top: bool,
    pub(crate) executes: bool,
    pub(crate) disconnects: bool,
    pub(crate) stalls: bool,
    pub(crate) notice: Option<Duration>,
    twist: LegTwist,
}

/// Looks for faults that strike this operation; those of the link act at once.
pub(crate) fn plan(
    shared: &Shared,
    request: &OperationRequest,
    link: &Arc<LinkControl>,
) -> OperationPlan {
    let ids: Vec<String> = request
        .legs
        .iter()
        .map(|leg| text(leg, "clOrdId").unwrap_or_default())
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let struck = shared.strike(&FaultMoment {
        point: FaultPoint::Operation,
        api_key: &shared.config.accounts[request.account].api_key,
        on: request.operation.name(),
        client_order_ids: &ids,
        state: "",
    });
    let mut plan = OperationPlan {
        executes: true,
        ack_delay: shared.config.ack_delay,
        ..OperationPlan::default()
    };
    for fault in struck {
        match fault {
            Fault::DropAck => plan.drops_ack = true,
            Fault::DelayAck { ms } => plan.ack_delay = Duration::from_millis(ms),
            Fault::AckAfterFill { ms } => plan.ack_after_fill = Some(Duration::from_millis(ms)),
            Fault::DelayAcceptance { ms } => plan.accept_after = Duration::from_millis(ms),
            Fault::Answer {
                code,
                executes,
                at_top,
            } => {
                plan.answer = Some(VenueError::known(&code));
                plan.executes &= executes;
                plan.answers_at_top = at_top;
            }
            Fault::Disconnect { executes } => {
                plan.disconnects = true;
                plan.executes &= executes;
                link.cut();
            }
            Fault::DisconnectAtByte { bytes } => link.cut_after_bytes(bytes),
            Fault::Stall { executes } => {
                plan.stalls = true;
                plan.executes &= executes;
                link.silence();
            }
            Fault::Dribble { bytes } => link.dribble(bytes as usize),
            Fault::ServiceNotice { close_after_ms } => {
                plan.notice = Some(Duration::from_millis(close_after_ms));
            }
            Fault::FillInsteadOfCancel => plan.twist.fills_instead = true,
            Fault::AmendFails => plan.twist.amend_fails = true,
            _ => {}
        }
    }
    plan
}

/// Shows every leg to the witness and counts it. Call before anything else is done with the
/// request.
pub(crate) fn witness(shared: &Shared, request: &OperationRequest) {
    let counters = &shared.counters;
    let received = request.legs.len() as u64;
    counters
        .legs_received
        .fetch_add(received, Ordering::Relaxed);
    match request.operation.kind {
        OperationKind::Place => &counters.orders_received,
        OperationKind::Cancel => &counters.cancels_received,
        OperationKind::Amend => &counters.amends_received,
    }
    .fetch_add(received, Ordering::Relaxed);
    let Some(witness) = &shared.witness else {
        return;
    };
    for (position, leg) in request.legs.iter().enumerate() {
        let field = |names: [&str; 2]| {
            text(leg, names[0])
                .or_else(|| text(leg, names[1]))
                .unwrap_or_default()
        };
        let known = &shared.config.instruments;
        let index = instrument(known, leg, InstrumentNaming::CodeOrName).ok();
        let verdict = witness.check(&ReceivedCommand {
            api_key: &shared.config.accounts[request.account].api_key,
            transport: request.transport,
            operation: request.operation.name(),
            request_id: &request.request_id,
            leg: position,
            client_order_id: &field(["clOrdId", ""]),
            venue_order_id: &field(["ordId", ""]),
            instrument: index.map_or("", |index| &known[index].symbol),
            instrument_code: leg.get("instIdCode").and_then(Value::as_i64),
            side: &field(["side", ""]),
            price: &field(["px", "newPx"]),
            quantity: &field(["sz", "newSz"]),
            amend_request_id: &field(["reqId", ""]),
            raw: &request.raw,
        });
        match verdict {
            WitnessVerdict::Witnessed => count(&counters.commands_checked),
            WitnessVerdict::Missing(detail) => {
                count(&counters.commands_checked);
                shared.note_miss(detail);
            }
            WitnessVerdict::NotJudged => {}
        }
    }
}

/// Carries out an operation. `reply` is called with the results before the pushes are queued.
pub(crate) fn execute(
    shared: &Shared,
    request: &OperationRequest,
    plan: &OperationPlan,
    reply: impl FnOnce(&mut Venue, &[LegResult]),
) {
    let mut venue = shared.venue();
    let now_ms = shared.clock.now_ms();
    let results: Vec<LegResult> = request
        .legs
        .iter()
        .map(|leg| leg_result(shared, &mut venue, request, plan, leg, now_ms))
        .collect();
    reply(&mut venue, &results);
    publish_updates(shared, &mut venue);
}

fn leg_result(
    shared: &Shared,
    venue: &mut Venue,
    request: &OperationRequest,
    plan: &OperationPlan,
    leg: &Value,
    now_ms: i64,
) -> LegResult {
    let counters = &shared.counters;
    if let Some(error) = deadline_error(request, plan, now_ms) {
        return LegResult::refused(leg, error);
    }
    if !plan.executes {
        let error = plan
            .answer
            .clone()
            .unwrap_or_else(|| VenueError::known("50026"));
        return LegResult::refused(leg, error);
    }
    let naming = match request.transport {
        Transport::WebSocket if !shared.config.allows_instrument_name => InstrumentNaming::Code,
        _ => InstrumentNaming::CodeOrName,
    };
    let operation = request.operation;
    // A batch of one counts as a single request, as the venue does.
    let is_batch = operation.is_batch && request.legs.len() > 1;
    let counted = Operation {
        is_batch,
        ..operation
    };
    let mut result = run_leg(
        venue,
        request.account,
        counted,
        leg,
        naming,
        plan.twist,
        now_ms,
    );
    if operation.kind == OperationKind::Place {
        match &result.error {
            None => count(&counters.orders_accepted),
            Some(_) => count(&counters.orders_refused),
        }
    }
    if let Some(answer) = &plan.answer {
        result = LegResult {
            order_id: None,
            error: Some(answer.clone()),
            ..result
        };
    }
    result
}

/// 50036 when the deadline had passed on arrival, 50037 when it passed before acceptance.
fn deadline_error(
    request: &OperationRequest,
    plan: &OperationPlan,
    now_ms: i64,
) -> Option<VenueError> {
    let expires_at_ms = request.expires_at_ms?;
    if request.received_us / 1_000 > expires_at_ms {
        return Some(VenueError::known("50036"));
    }
    let is_late = !plan.accept_after.is_zero() && now_ms > expires_at_ms;
    is_late.then(|| VenueError::known("50037"))
}

/// Top-level code of a reply: `0` all done, `1` none, `2` some.
pub(crate) fn top_code(results: &[LegResult]) -> &'static str {
    let failed = results
        .iter()
        .filter(|result| result.error.is_some())
        .count();
    match failed {
        0 => "0",
        _ if failed == results.len() => "1",
        _ => "2",
    }
}

/// The `data` array of a reply.
pub(crate) fn data_array(
    results: &[LegResult],
    kind: OperationKind,
    success: &str,
    now_ms: i64,
) -> String {
    let legs: Vec<String> = results
        .iter()
        .map(|result| result.to_json(kind, success, now_ms))
        .collect();
    format!("[{}]", legs.join(","))
}
