//! One leg of an order operation: from JSON to the exchange, and its result back as JSON.
//!
//! Invariants: a leg with a code other than `0` changed nothing, unless a fault says otherwise or a
//! refused amendment asked for cancel-on-fail. Must not know: transports.

use serde_json::Value;

use crate::matching::{CancelSource, OrderName, Refusal};
use crate::okx::error_code::VenueError;
use crate::okx::json_object::JsonObject;
use crate::okx::parameters::{self, InstrumentNaming, OwnedName, text};
use crate::okx::request_limits::OperationKind;
use crate::okx::venue::Venue;

/// The operations of the private endpoint, batches told apart by `is_batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) kind: OperationKind,
    pub(crate) is_batch: bool,
}

impl Operation {
    /// From the WebSocket `op`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let (kind, is_batch) = match name {
            "order" => (OperationKind::Place, false),
            "batch-orders" => (OperationKind::Place, true),
            "cancel-order" => (OperationKind::Cancel, false),
            "batch-cancel-orders" => (OperationKind::Cancel, true),
            "amend-order" => (OperationKind::Amend, false),
            "batch-amend-orders" => (OperationKind::Amend, true),
            _ => return None,
        };
        Some(Self { kind, is_batch })
    }

    /// The WebSocket `op`.
    pub(crate) fn name(self) -> &'static str {
        match (self.kind, self.is_batch) {
            (OperationKind::Place, false) => "order",
            (OperationKind::Place, true) => "batch-orders",
            (OperationKind::Cancel, false) => "cancel-order",
            (OperationKind::Cancel, true) => "batch-cancel-orders",
            (OperationKind::Amend, false) => "amend-order",
            (OperationKind::Amend, true) => "batch-amend-orders",
        }
    }
}

/// What became of one leg.
#[derive(Clone, Debug)]
pub(crate) struct LegResult {
    pub(crate) client_order_id: String,
    pub(crate) order_id: Option<u64>,
    pub(crate) tag: String,
    pub(crate) amend_request_id: String,
    pub(crate) error: Option<VenueError>,
}

impl LegResult {
    pub(crate) fn of(leg: &Value) -> Self {
        let field = |name| text(leg, name).unwrap_or_default();
        Self {
            client_order_id: field("clOrdId"),
            order_id: None,
            tag: field("tag"),
            amend_request_id: field("reqId"),
            error: None,
        }
    }

    pub(crate) fn refused(leg: &Value, error: VenueError) -> Self {
        let named = text(leg, "ordId").and_then(|order_id| order_id.parse().ok());
        Self {
            error: Some(error),
            order_id: named,
            ..Self::of(leg)
        }
    }

    /// As an element of `data`.
    pub(crate) fn to_json(&self, kind: OperationKind, success: &str, now_ms: i64) -> String {
        let order_id = self
            .order_id
            .map_or(String::new(), |order_id| order_id.to_string());
        let mut json = JsonObject::new();
        json.text("clOrdId", &self.client_order_id)
            .text("ordId", &order_id);
        if kind == OperationKind::Place {
            json.text("tag", &self.tag);
        }
        json.integer("ts", now_ms);
        if kind == OperationKind::Amend {
            json.text("reqId", &self.amend_request_id);
        }
        match &self.error {
            None => {
                let message = if kind == OperationKind::Place {
                    success
                } else {
                    ""
                };
                json.text("sCode", "0").text("sMsg", message);
            }
            Some(error) => {
                json.text("sCode", &error.code).text("sMsg", &error.message);
            }
        }
        if kind != OperationKind::Cancel {
            let sub_code = self.error.as_ref().map_or("", |error| error.sub_code);
            json.text("subCode", sub_code);
        }
        json.finish()
    }
}

/// What a fault makes of a leg instead of carrying it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LegTwist {
    /// A cancel is taken, then the order fills.
    pub(crate) fills_instead: bool,
    /// An amendment is taken, then fails.
    pub(crate) amend_fails: bool,
}

/// Carries out one leg.
pub(crate) fn run_leg(
    venue: &mut Venue,
    account: usize,
    operation: Operation,
    leg: &Value,
    naming: InstrumentNaming,
    twist: LegTwist,
    now_ms: i64,
) -> LegResult {
    match carry_out(venue, account, operation, leg, naming, twist, now_ms) {
        Ok(order_id) => {
            let known = venue.exchange.order(order_id);
            let client_order_id =
                known.map_or(String::new(), |order| order.new.client_order_id.to_string());
            LegResult {
                client_order_id,
                order_id: Some(order_id),
                ..LegResult::of(leg)
            }
        }
        Err(error) => {
            let is_place = operation.kind == OperationKind::Place;
            let refused = LegResult::refused(leg, error);
            LegResult {
                order_id: refused.order_id.filter(|_| !is_place),
                ..refused
            }
        }
    }
}

fn carry_out(
    venue: &mut Venue,
    account: usize,
    operation: Operation,
    leg: &Value,
    naming: InstrumentNaming,
    twist: LegTwist,
    now_ms: i64,
) -> Result<u64, VenueError> {
    let instruments = &venue.exchange.instruments;
    let instrument = parameters::instrument(instruments, leg, naming)?;
    let is_spot = !instruments[instrument].is_derivative();
    let is_batch = operation.is_batch;
    venue.limits.take_leg(
        account,
        instrument,
        is_spot,
        operation.kind,
        is_batch,
        now_ms,
    )?;
    match operation.kind {
        OperationKind::Place => place(venue, account, instrument, leg, now_ms),
        OperationKind::Cancel => cancel(venue, account, instrument, leg, twist, now_ms),
        OperationKind::Amend => amend(venue, account, instrument, leg, twist, now_ms),
    }
}

fn place(
    venue: &mut Venue,
    account: usize,
    instrument: usize,
    leg: &Value,
    now_ms: i64,
) -> Result<u64, VenueError> {
    let exchange = &mut venue.exchange;
    let mode = exchange.holdings[account].position_mode;
    let listed = &exchange.instruments[instrument];
    let order = parameters::new_order(leg, account, instrument, listed, mode)?;
    Ok(exchange.place(now_ms, order)?)
}

fn cancel(
    venue: &mut Venue,
    account: usize,
    instrument: usize,
    leg: &Value,
    twist: LegTwist,
    now_ms: i64,
) -> Result<u64, VenueError> {
    let owned = parameters::order_name(leg)?;
    let name = borrowed(&owned);
    let exchange = &mut venue.exchange;
    check_on_instrument(
        exchange,
        account,
        name,
        instrument,
        Refusal::CancelTargetGone,
    )?;
    if twist.fills_instead
        && let Some(order) = exchange
            .find(account, name)
            .filter(|held| !held.state.is_terminal())
    {
        let order_id = order.order_id;
        exchange.force_fill(now_ms, order_id);
        return Ok(order_id);
    }
    Ok(exchange.cancel(now_ms, account, name, CancelSource::USER)?)
}

fn amend(
    venue: &mut Venue,
    account: usize,
    instrument: usize,
    leg: &Value,
    twist: LegTwist,
    now_ms: i64,
) -> Result<u64, VenueError> {
    let owned = parameters::order_name(leg)?;
    let name = borrowed(&owned);
    let amendment = parameters::amendment(leg)?;
    let exchange = &mut venue.exchange;
    check_on_instrument(
        exchange,
        account,
        name,
        instrument,
        Refusal::AmendTargetGone,
    )?;
    if twist.amend_fails
        && let Some(order) = exchange
            .find(account, name)
            .filter(|held| !held.state.is_terminal())
    {
        let order_id = order.order_id;
        exchange.fail_amendment(now_ms, order_id, &amendment);
        return Ok(order_id);
    }
    Ok(exchange.amend(now_ms, account, name, &amendment)?)
}

fn check_on_instrument(
    exchange: &crate::matching::Exchange,
    account: usize,
    name: OrderName<'_>,
    instrument: usize,
    refusal: Refusal,
) -> Result<(), VenueError> {
    match exchange.find(account, name) {
        Some(order) if order.new.instrument == instrument => Ok(()),
        _ => Err(refusal.into()),
    }
}

/// The exchange's form of an order name.
pub(crate) fn borrowed(owned: &OwnedName) -> OrderName<'_> {
    match owned {
        OwnedName::OrderId(order_id) => OrderName::OrderId(*order_id),
        OwnedName::ClientOrderId(client_order_id) => OrderName::ClientOrderId(client_order_id),
    }
}
