//! The inputs and decisions that the story is made of: requests, frames, changes of its one order.

use model::execution_report::*;
use model::input::*;
use model::*;

use super::EPOCH;

pub(crate) fn order_id() -> ClientOrderId {
    let (tag, epoch) = (InstanceTag::new(7).unwrap(), BootEpoch::new(EPOCH).unwrap());
    ClientOrderId::new(tag, epoch, 1).unwrap()
}

pub(crate) fn frame<'a>(raw: &'a [u8], reports: &'a [VenueReport]) -> Input<'a> {
    Input::VenueFrame {
        venue: VenueId(0),
        link: LinkId(3),
        raw,
        reports,
    }
}

pub(crate) fn ask(strategy: u16, request_id: u64, request: Request) -> Input<'static> {
    Input::Request(RequestInput {
        strategy: StrategyId(strategy),
        request_id: RequestId(request_id),
        written_at: MonotonicNs(4_000),
        admission: Admission::Granted,
        request,
    })
}

pub(crate) fn new_order() -> NewOrder {
    NewOrder {
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: true,
        reduce_only: false,
        order_quantity: Quantity::from_units(10_000),
        limit_price: Price::from_units(6_500_010),
        valid_for_ns: 0,
    }
}

pub(super) fn started(intent_seq: u64, command: CommandKind) -> ChangeBody {
    ChangeBody::CommandStarted(OrderIntent {
        intent_seq,
        command,
        command_seq: u16::try_from(intent_seq).unwrap(),
        send_no: 1,
        client_order_id: order_id(),
        venue_order_id: Text::EMPTY,
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: true,
        reduce_only: false,
        order_quantity: Quantity::from_units(10_000),
        limit_price: Price::from_units(6_500_010),
        valid_until: UnixNs(1_767_225_601_000_000_000),
    })
}

pub(super) fn change(
    event_seq: u64,
    request_id: u64,
    status: OrderStatus,
    cum_units: i64,
    body: ChangeBody,
) -> Decision {
    Decision::Order(OrderChange {
        strategy: StrategyId(0),
        event_seq,
        client_order_id: order_id(),
        request_id: RequestId(request_id),
        instrument: InstrumentId(0),
        side: Side::Buy,
        status,
        unknown: false,
        order_quantity: Quantity::from_units(10_000),
        limit_price: Price::from_units(6_500_010),
        cum_quantity: Quantity::from_units(cum_units),
        body,
    })
}

pub(super) fn update(state: VenueOrderState, fill: Option<Fill>) -> OrderUpdate {
    OrderUpdate {
        client_order_id: Some(order_id()),
        venue_order_id: Text::new(b"2510789768709120").unwrap(),
        instrument: InstrumentId(0),
        side: Side::Buy,
        state,
        order_quantity: Quantity::from_units(10_000),
        limit_price: Price::from_units(6_500_010),
        cum_quantity: Quantity::from_units(2_500),
        fill,
        replace: None,
        end_code: 0,
        venue_time: UnixNs(1_767_225_600_010_000_000),
    }
}
