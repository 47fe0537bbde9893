//! The grid against an engine that is played event by event.

use super::*;
use model::identifiers::{Symbol, Text};
use model::instrument::{InstrumentKind, InstrumentState};
use model::order_request::OrderStatus;
use model::{AccountId, UnixNs, VenueId};

const MS: u64 = 1_000_000;

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: Symbol::new(b"BTC-USDT-SWAP").unwrap(),
        venue_code: 1,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        price_scale: 1,
        quantity_scale: 2,
        tick: Price::from_units(1),
        lot: Quantity::from_units(1),
        quantity_min: Quantity::from_units(1),
        quantity_max: Quantity::from_units(100),
        multiplier_units: 1,
        multiplier_scale: 2,
    }
}

fn grid(levels: u8) -> Grid {
    let mut grid = Grid::new(7);
    let center = Price::from_units(640_000);
    let quantity = Quantity::from_units(5);
    grid.add(
        instrument(),
        center,
        Spacing::Ticks(10),
        levels,
        quantity,
        56,
    );
    grid
}

fn id(integer: u64) -> ClientOrderId {
    ClientOrderId::from_integer(integer).unwrap()
}

fn event(kind: OrderEventKind, request: u64, order: u64, status: OrderStatus) -> OrderEvent {
    OrderEvent {
        event_seq: 1,
        kind,
        status: Some(status),
        side: Some(Side::Buy),
        reason: None,
        unknown: false,
        client_order_id: ClientOrderId::from_integer(order),
        request_id: RequestId(request),
        instrument: InstrumentId(0),
        venue_code: 0,
        order_quantity: Quantity::from_units(5),
        limit_price: Price::ZERO,
        cum_quantity: Quantity::ZERO,
        last_quantity: Quantity::ZERO,
        last_price: Price::ZERO,
        fee_units: 0,
        venue_time: UnixNs(0),
        text: Text::EMPTY,
    }
}

fn refusal(request: u64, reason: RejectReason) -> OrderEvent {
    let mut refusal = event(
        OrderEventKind::RequestRefused,
        request,
        0,
        OrderStatus::Created,
    );
    (refusal.status, refusal.reason) = (None, Some(reason));
    refusal
}

/// Places in every slot, at the pace; gives the prices by request id.
fn fill_up(grid: &mut Grid, now_ns: &mut u64) -> Vec<(Side, i64)> {
    let mut placed = Vec::new();
    while grid.open_slots() < grid.quotes[0].slots.len() {
        *now_ns += 40 * MS;
        let (slot, action) = grid.next_action(*now_ns).unwrap();
        let Action::Place {
            side, limit_price, ..
        } = action
        else {
            panic!("{action:?}")
        };
        let request = placed.len() as u64 + 1;
        grid.written(slot, &action, RequestId(request), *now_ns);
        placed.push((side, limit_price.units()));
    }
    placed
}

fn acknowledge(grid: &mut Grid, request: u64, now_ns: u64) {
    for kind in [
        OrderEventKind::OrderCreated,
        OrderEventKind::OrderAcknowledged,
    ] {
        let status = OrderStatus::Acknowledged;
        grid.on_event(&event(kind, request, 100 + request, status), now_ns);
    }
}

// covers: OK7
#[test]
fn every_level_of_both_sides_gets_one_order_at_its_price() {
    let (mut grid, mut now_ns) = (grid(2), 0);
    let mut placed = fill_up(&mut grid, &mut now_ns);
    placed.sort();
    let expected = [
        (Side::Buy, 639_980),
        (Side::Buy, 639_990),
        (Side::Sell, 640_010),
        (Side::Sell, 640_020),
    ];
    assert_eq!(placed, expected);
    assert_eq!(
        grid.next_action(now_ns + 1_000 * MS),
        None,
        "nothing rests yet"
    );
}

#[test]
fn an_order_that_has_rested_is_renewed_and_its_slot_is_free_after_its_end_only() {
    let (mut grid, mut now_ns) = (grid(1), 0);
    fill_up(&mut grid, &mut now_ns);
    acknowledge(&mut grid, 1, now_ns);
    assert_eq!(grid.next_action(now_ns + 29 * MS), None);
    now_ns += 40 * MS;
    let (slot, action) = grid.next_action(now_ns).unwrap();
    assert_eq!(action, Action::Cancel { order: id(101) });
    grid.written(slot, &action, RequestId(3), now_ns);
    assert_eq!(grid.next_action(now_ns + 100 * MS), None);
    let ended = event(
        OrderEventKind::OrderCancelled,
        1,
        101,
        OrderStatus::Cancelled,
    );
    grid.on_event(&ended, now_ns);
    assert_eq!(grid.open_slots(), 1);
    let (_, action) = grid.next_action(now_ns + 100 * MS).unwrap();
    assert!(matches!(action, Action::Place { .. }));
    assert_eq!(grid.counts.orders, 1);
}

#[test]
fn an_order_counts_once_and_only_when_the_venue_took_it() {
    let (mut grid, mut now_ns) = (grid(3), 0);
    fill_up(&mut grid, &mut now_ns);
    let ends = [
        (1, OrderEventKind::OrderRejected, OrderStatus::Rejected, 0),
        (2, OrderEventKind::OrderFailed, OrderStatus::Failed, 0),
        (3, OrderEventKind::OrderFilled, OrderStatus::Filled, 1),
        (4, OrderEventKind::OrderCancelled, OrderStatus::Cancelled, 2),
    ];
    for (request, kind, status, counted) in ends {
        grid.on_event(&event(kind, request, 100 + request, status), now_ns);
        assert_eq!(grid.counts.orders, counted, "{kind}");
    }
    acknowledge(&mut grid, 5, now_ns);
    assert_eq!(grid.counts.orders, 3);
    let (kind, status) = (OrderEventKind::OrderCancelled, OrderStatus::Cancelled);
    grid.on_event(&event(kind, 5, 105, status), now_ns);
    assert_eq!(grid.counts.orders, 3, "it was counted when it rested");
}

#[test]
fn a_fill_moves_the_centre_and_orders_follow_by_replace_or_renewal() {
    let (mut grid, mut now_ns) = (grid(3), 0);
    fill_up(&mut grid, &mut now_ns);
    for request in 1..=6 {
        acknowledge(&mut grid, request, now_ns);
    }
    let status = OrderStatus::PartiallyFilled;
    let mut fill = event(OrderEventKind::OrderPartiallyFilled, 1, 101, status);
    fill.last_price = Price::from_units(650_000);
    grid.on_event(&fill, now_ns);
    assert_eq!(grid.counts.fills, 1);
    let (mut replaced, mut request) = (0, 7);
    for _ in 0..200 {
        now_ns += 40 * MS;
        let Some((slot, action)) = grid.next_action(now_ns) else {
            continue;
        };
        grid.written(slot, &action, RequestId(request), now_ns);
        match action {
            Action::Replace {
                order, limit_price, ..
            } => {
                assert!((limit_price.units() - 650_000).abs() <= 30);
                let kind = OrderEventKind::OrderReplaced;
                let status = OrderStatus::Acknowledged;
                grid.on_event(&event(kind, request, order.integer(), status), now_ns);
                replaced += 1;
            }
            Action::Cancel { order } => {
                let (kind, status) = (OrderEventKind::OrderCancelled, OrderStatus::Cancelled);
                grid.on_event(&event(kind, request, order.integer(), status), now_ns);
            }
            Action::Place { limit_price, .. } => {
                assert!((limit_price.units() - 650_000).abs() <= 30);
                acknowledge(&mut grid, request, now_ns);
            }
        }
        request += 1;
    }
    assert!(replaced > 0);
    assert!(grid.counts.orders > 50, "{:?}", grid.counts);
}

#[test]
fn a_refusal_for_rate_holds_the_instrument_back_and_frees_the_slot() {
    let (mut grid, mut now_ns) = (grid(1), 0);
    fill_up(&mut grid, &mut now_ns);
    grid.on_event(&refusal(1, RejectReason::RiskMessageRate), now_ns);
    assert_eq!((grid.open_slots(), grid.counts.refused), (1, 1));
    assert_eq!(grid.next_action(now_ns + 249 * MS), None);
    assert!(grid.next_action(now_ns + 250 * MS).is_some());
    // A run of refusals is every request in it.
    let (mut grid, mut now_ns) = (self::grid(2), 0);
    fill_up(&mut grid, &mut now_ns);
    let mut run = refusal(2, RejectReason::VenueDown);
    run.kind = OrderEventKind::RequestsRefused;
    run.order_quantity = Quantity::from_units(3);
    grid.on_event(&run, now_ns);
    assert_eq!((grid.open_slots(), grid.counts.refused), (1, 3));
}

#[test]
fn what_was_not_taken_is_undone_and_what_is_unknown_keeps_its_slot() {
    let (mut grid, mut now_ns) = (grid(1), 0);
    fill_up(&mut grid, &mut now_ns);
    acknowledge(&mut grid, 1, now_ns);
    now_ns += 40 * MS;
    let (slot, action) = grid.next_action(now_ns).unwrap();
    grid.written(slot, &action, RequestId(3), now_ns);
    let mut unknown = event(
        OrderEventKind::CommandUnknown,
        2,
        102,
        OrderStatus::Submitted,
    );
    unknown.unknown = true;
    grid.on_event(&unknown, now_ns);
    grid.not_taken(RequestId(3), now_ns);
    assert_eq!((grid.open_slots(), grid.counts.not_taken), (2, 1));
    // The cancel may be asked for again; the unknown order is left alone.
    now_ns += 200 * MS;
    let (_, action) = grid.next_action(now_ns).unwrap();
    assert_eq!(action, Action::Cancel { order: id(101) });
    let found = event(OrderEventKind::OrderFailed, 2, 102, OrderStatus::Failed);
    grid.on_event(&found, now_ns);
    assert_eq!(grid.open_slots(), 1);
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let run = |seed| {
        let mut grid = grid(3);
        grid.choice = Choice(seed);
        let mut now_ns = 0;
        fill_up(&mut grid, &mut now_ns)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
