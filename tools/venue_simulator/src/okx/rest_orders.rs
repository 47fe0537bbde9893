//! Queries of orders and fills (docs: "GET / Order details", "Order List", "Order history",
//! "Transaction details").
//!
//! Invariants: newest first; `after` is older, `before` newer than an id (orders by `ordId`, fills
//! by `billId`); cancelled orders without fills vanish after their retention.

use rust_decimal::Decimal;

use crate::matching::{Exchange, Execution, Order, OrderState};
use crate::okx::error_code::VenueError;
use crate::okx::operation_legs::borrowed;
use crate::okx::order_json::{fill_record, order_object};
use crate::okx::parameters::OwnedName;
use crate::okx::rest_router::RestRequest;
use crate::okx::venue::Shared;

const PAGE_BOUND: usize = 100;

/// Ids and number of records that a page may hold.
struct Page {
    older_than: u64,
    newer_than: u64,
    limit: usize,
    begin_ms: i64,
    end_ms: i64,
}

impl Page {
    fn of(request: &RestRequest) -> Result<Self, VenueError> {
        let number = |name: &'static str, default: u64| match request.parameter(name) {
            None => Ok(default),
            Some(written) => written.parse().map_err(|_| VenueError::parameter(name)),
        };
        let limit = usize::try_from(number("limit", PAGE_BOUND as u64)?).unwrap_or(PAGE_BOUND);
        let time = |name, default| {
            number(name, default).map(|at_ms| i64::try_from(at_ms).unwrap_or(i64::MAX))
        };
        Ok(Self {
            older_than: number("after", u64::MAX)?,
            newer_than: number("before", 0)?,
            limit: limit.clamp(1, PAGE_BOUND),
            begin_ms: time("begin", 0)?,
            end_ms: time("end", u64::MAX)?,
        })
    }

    fn holds(&self, id: u64, at_ms: i64) -> bool {
        id < self.older_than
            && id > self.newer_than
            && at_ms >= self.begin_ms
            && at_ms <= self.end_ms
    }
}

pub(crate) fn order(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let symbol = request
        .parameter("instId")
        .ok_or_else(|| VenueError::parameter("instId"))?;
    if !exchange
        .instruments
        .iter()
        .any(|listed| listed.symbol == symbol)
    {
        return Err(VenueError::known("51001"));
    }
    let name = match (request.parameter("ordId"), request.parameter("clOrdId")) {
        (Some(order_id), _) => OwnedName::OrderId(
            order_id
                .parse()
                .map_err(|_| VenueError::parameter("ordId"))?,
        ),
        (None, Some(client_order_id)) => OwnedName::ClientOrderId(client_order_id.to_owned()),
        (None, None) => return Err(VenueError::parameter("ordId or clOrdId")),
    };
    let found = exchange
        .find(request.account, borrowed(&name))
        .and_then(|order| as_of(shared, exchange, order, request.lag_ms))
        .filter(|order| exchange.instruments[order.new.instrument].symbol == symbol);
    match found {
        Some(order) => Ok(vec![order_object(exchange, &order)]),
        None => Err(VenueError::known("51603")),
    }
}

pub(crate) fn pending(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    let page = Page::of(request)?;
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let mut elements = Vec::new();
    let mut add = |order: &Order| {
        if elements.len() < page.limit && is_wanted(exchange, request, &page, order) {
            elements.push(order_object(exchange, order));
        }
    };
    if request.lag_ms == 0 {
        exchange
            .open_orders_of(request.account)
            .rev()
            .for_each(&mut add);
    } else {
        exchange
            .orders_of(request.account)
            .rev()
            .filter_map(|order| as_of(shared, exchange, order, request.lag_ms))
            .filter(|order| !order.state.is_terminal())
            .for_each(|order| add(&order));
    }
    Ok(elements)
}

pub(crate) fn history(shared: &Shared, request: &RestRequest) -> Result<Vec<String>, VenueError> {
    if request.parameter("instType").is_none() {
        return Err(VenueError::new(
            "50014",
            "Parameter instType can not be empty.",
        ));
    }
    let page = Page::of(request)?;
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let elements = exchange
        .orders_of(request.account)
        .rev()
        .skip_while(|order| order.order_id >= page.older_than)
        .take_while(|order| order.order_id > page.newer_than)
        .filter_map(|order| as_of(shared, exchange, order, request.lag_ms))
        .filter(|order| order.state.is_terminal() && is_wanted(exchange, request, &page, order))
        .take(page.limit)
        .map(|order| order_object(exchange, &order))
        .collect();
    Ok(elements)
}

fn is_wanted(exchange: &Exchange, request: &RestRequest, page: &Page, order: &Order) -> bool {
    let listed = &exchange.instruments[order.new.instrument];
    let same = |name: &str, value: &str| {
        request
            .parameter(name)
            .is_none_or(|wanted| wanted.split(',').any(|one| one == value))
    };
    page.holds(order.order_id, order.created_ms)
        && same("instType", listed.kind.name())
        && same("instId", &listed.symbol)
        && same("instFamily", &listed.family())
        && same("uly", &listed.family())
        && same("ordType", order.new.order_type.name())
        && same("state", order.state.name())
}

/// An order as it was `lag_ms` ago; none when it was not known then, or is no longer kept.
fn as_of(shared: &Shared, exchange: &Exchange, order: &Order, lag_ms: i64) -> Option<Order> {
    let now_ms = shared.clock.now_ms();
    let is_unfilled_cancel = order.state == OrderState::Canceled && order.filled.is_zero();
    if is_unfilled_cancel && now_ms - order.updated_ms > shared.config.canceled_retention_ms {
        return None;
    }
    let seen_at_ms = now_ms - lag_ms;
    if lag_ms == 0 || order.updated_ms <= seen_at_ms {
        return Some(order.clone());
    }
    if order.created_ms > seen_at_ms {
        return None;
    }
    let mut earlier = order.clone();
    earlier.filled = Decimal::ZERO;
    earlier.filled_price_sum = Decimal::ZERO;
    earlier.fee = Decimal::ZERO;
    earlier.rebate = Decimal::ZERO;
    earlier.last_execution = None;
    earlier.cancel_source = None;
    earlier.updated_ms = order.created_ms;
    let seen = exchange
        .executions_of(order.new.account)
        .iter()
        .filter(|fill| fill.order_id == order.order_id && fill.at_ms <= seen_at_ms);
    for fill in seen {
        earlier.filled += fill.quantity;
        earlier.filled_price_sum += fill.quantity * fill.price;
        earlier.fee += fill.fee.min(Decimal::ZERO);
        earlier.rebate += fill.fee.max(Decimal::ZERO);
        earlier.last_execution = Some(std::sync::Arc::clone(fill));
        earlier.updated_ms = fill.at_ms;
    }
    earlier.state = if earlier.filled.is_zero() {
        OrderState::Live
    } else {
        OrderState::PartiallyFilled
    };
    Some(earlier)
}

pub(crate) fn fills(
    shared: &Shared,
    request: &RestRequest,
    needs_kind: bool,
) -> Result<Vec<String>, VenueError> {
    if needs_kind && request.parameter("instType").is_none() {
        return Err(VenueError::new(
            "50014",
            "Parameter instType can not be empty.",
        ));
    }
    let page = Page::of(request)?;
    let venue = shared.venue();
    let exchange = &venue.exchange;
    let seen_at_ms = shared.clock.now_ms() - request.lag_ms;
    let is_wanted = |fill: &Execution| {
        let listed = &exchange.instruments[fill.instrument];
        let same =
            |name: &str, value: &str| request.parameter(name).is_none_or(|wanted| wanted == value);
        page.holds(fill.bill_id, fill.at_ms)
            && (request.lag_ms == 0 || fill.at_ms <= seen_at_ms)
            && same("instType", listed.kind.name())
            && same("instId", &listed.symbol)
            && same("instFamily", &listed.family())
            && same("ordId", &fill.order_id.to_string())
    };
    let elements = exchange
        .executions_of(request.account)
        .iter()
        .rev()
        .filter(|fill| is_wanted(fill))
        .take(page.limit)
        .map(|fill| fill_record(exchange, fill))
        .collect();
    Ok(elements)
}
