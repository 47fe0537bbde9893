//! The matching engine's behaviour, order by order, and its conservation laws under random flow.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::instruments::default_instruments;

const SWAP: usize = 0;
const SPOT: usize = 10;

fn d(text: &str) -> Decimal {
    Decimal::from_str_exact(text).expect("decimal text")
}

fn holdings(group: u64, usdt: &str) -> Holdings {
    let mut held = Holdings {
        cash: BTreeMap::new(),
        positions: BTreeMap::new(),
        position_mode: PositionMode::Net,
        leverage: BTreeMap::new(),
        self_trade_group: group,
        is_house: false,
    };
    held.cash_mut(&Arc::from("USDT")).total = d(usdt);
    held.cash_mut(&Arc::from("BTC")).total = d("10");
    held
}

fn exchange() -> Exchange {
    let fees = FeeRates {
        spot_maker: d("-0.0008"),
        spot_taker: d("-0.001"),
        derivative_maker: d("-0.0002"),
        derivative_taker: d("-0.0005"),
    };
    let rules = ExchangeRules {
        fees,
        price_band_bps: 500,
    };
    let mut accounts: Vec<Holdings> = [1, 2, 1]
        .into_iter()
        .map(|group| holdings(group, "1000000"))
        .collect();
    let mut house = holdings(0, "0");
    house.cash.clear();
    house.is_house = true;
    accounts.push(house);
    Exchange::new(default_instruments(), accounts, rules)
}

fn order(account: usize, side: Side, price: &str, quantity: &str) -> NewOrder {
    NewOrder {
        account,
        instrument: SWAP,
        client_order_id: Arc::from(""),
        tag: Arc::from(""),
        side,
        position_side: PositionSide::Net,
        order_type: OrderType::Limit,
        trade_mode: TradeMode::Cross,
        price: Some(d(price)),
        quantity: d(quantity),
        size_unit: SizeUnit::Base,
        size_unit_text: "",
        reduce_only: false,
        self_trade_rule: SelfTradeRule::Maker,
        clamp_price: false,
        is_amend_banned: false,
        attached: Arc::from(""),
    }
}

fn state(exchange: &Exchange, order_id: u64) -> (OrderState, Option<u8>, String) {
    let order = exchange.order(order_id).expect("the order is kept");
    let source = order.cancel_source.map(|source| source.0);
    (order.state, source, order.filled.normalize().to_string())
}

fn amendment(price: Option<&str>, quantity: Option<&str>) -> Amendment {
    Amendment {
        new_price: price.map(d),
        new_quantity: quantity.map(d),
        request_id: Arc::from("r1"),
        cancel_on_fail: false,
        clamp_price: false,
    }
}

#[test]
fn the_better_price_trades_first_and_within_a_price_the_older_order() {
    let mut venue = exchange();
    let late_better = {
        let old = venue.place(1, order(0, Side::Sell, "64000", "1")).unwrap();
        let young = venue.place(2, order(0, Side::Sell, "64000", "1")).unwrap();
        let better = venue.place(3, order(0, Side::Sell, "63990", "1")).unwrap();
        let taker = venue.place(4, order(1, Side::Buy, "64000", "1.5")).unwrap();
        assert_eq!(
            state(&venue, taker),
            (OrderState::Filled, None, "1.5".into())
        );
        assert_eq!(
            state(&venue, old),
            (OrderState::PartiallyFilled, None, "0.5".into())
        );
        assert_eq!(state(&venue, young), (OrderState::Live, None, "0".into()));
        better
    };
    assert_eq!(
        state(&venue, late_better),
        (OrderState::Filled, None, "1".into())
    );
    let prices: Vec<_> = venue
        .executions_of(1)
        .iter()
        .map(|fill| fill.price)
        .collect();
    assert_eq!(
        prices,
        vec![d("63990"), d("64000")],
        "a taker pays the maker's price"
    );
}

#[test]
fn a_crossing_post_only_order_is_cancelled_with_31_and_never_announced_live() {
    let mut venue = exchange();
    venue.place(1, order(0, Side::Sell, "64000", "1")).unwrap();
    venue.take_updates();
    let new = NewOrder {
        order_type: OrderType::PostOnly,
        ..order(1, Side::Buy, "64000", "1")
    };
    let refused = venue.place(2, new).unwrap();
    assert_eq!(
        state(&venue, refused),
        (OrderState::Canceled, Some(31), "0".into())
    );
    let told: Vec<_> = venue
        .take_updates()
        .into_iter()
        .filter_map(|update| match update {
            Update::Order { order, .. } => Some(order.state),
            _ => None,
        })
        .collect();
    assert_eq!(told, vec![OrderState::Canceled]);
}

#[test]
fn fill_or_kill_fills_whole_or_is_cancelled_with_13() {
    let mut venue = exchange();
    venue.place(1, order(0, Side::Sell, "64000", "1")).unwrap();
    let kill = |quantity| NewOrder {
        order_type: OrderType::FillOrKill,
        ..order(1, Side::Buy, "64000", quantity)
    };
    let killed = venue.place(2, kill("1.01")).unwrap();
    assert_eq!(
        state(&venue, killed),
        (OrderState::Canceled, Some(13), "0".into())
    );
    let filled = venue.place(3, kill("1")).unwrap();
    assert_eq!(
        state(&venue, filled),
        (OrderState::Filled, None, "1".into())
    );
}

#[test]
fn the_rest_of_an_immediate_order_is_cancelled_with_14() {
    let mut venue = exchange();
    venue.place(1, order(0, Side::Sell, "64000", "1")).unwrap();
    let new = NewOrder {
        order_type: OrderType::ImmediateOrCancel,
        ..order(1, Side::Buy, "64000", "3")
    };
    let rest = venue.place(2, new).unwrap();
    assert_eq!(
        state(&venue, rest),
        (OrderState::Canceled, Some(14), "1".into())
    );
}

#[test]
fn self_trades_are_prevented_as_the_taker_asks() {
    for (rule, maker_end, taker_end) in [
        (SelfTradeRule::Maker, OrderState::Canceled, OrderState::Live),
        (SelfTradeRule::Taker, OrderState::Live, OrderState::Canceled),
        (
            SelfTradeRule::Both,
            OrderState::Canceled,
            OrderState::Canceled,
        ),
    ] {
        let mut venue = exchange();
        let maker = venue.place(1, order(0, Side::Sell, "64000", "1")).unwrap();
        let new = NewOrder {
            self_trade_rule: rule,
            ..order(2, Side::Buy, "64000", "1")
        };
        let taker = venue.place(2, new).unwrap();
        for (order_id, expected) in [(maker, maker_end), (taker, taker_end)] {
            let (found, source, filled) = state(&venue, order_id);
            assert_eq!((found, filled.as_str()), (expected, "0"), "{rule:?}");
            assert_eq!(
                source,
                (expected == OrderState::Canceled).then_some(32),
                "{rule:?}"
            );
        }
    }
}

#[test]
fn a_client_order_id_is_refused_while_pending_and_taken_again_when_ended() {
    let mut venue = exchange();
    let new = || NewOrder {
        client_order_id: Arc::from("7"),
        ..order(0, Side::Buy, "63000", "1")
    };
    let first = venue.place(1, new()).unwrap();
    assert_eq!(venue.place(2, new()), Err(Refusal::ClientOrderIdPending));
    venue
        .cancel(3, 0, OrderName::ClientOrderId("7"), CancelSource::USER)
        .unwrap();
    let second = venue.place(4, new()).unwrap();
    assert_ne!(first, second);
    assert_eq!(venue.repeated_accepts, 1);
    let latest = venue
        .find(0, OrderName::ClientOrderId("7"))
        .map(|found| found.order_id);
    assert_eq!(
        latest,
        Some(second),
        "queries find the latest order of an id"
    );
}

#[test]
fn an_amendment_sets_the_total_and_below_the_filled_part_ends_the_order() {
    let mut venue = exchange();
    let maker = venue.place(1, order(0, Side::Sell, "64000", "2")).unwrap();
    venue.place(2, order(1, Side::Buy, "64000", "0.5")).unwrap();
    let name = OrderName::OrderId(maker);
    venue
        .amend(3, 0, name, &amendment(None, Some("1")))
        .unwrap();
    assert_eq!(venue.order(maker).unwrap().leaves(), d("0.5"));
    venue
        .amend(4, 0, name, &amendment(None, Some("0.4")))
        .unwrap();
    assert_eq!(
        state(&venue, maker),
        (OrderState::Filled, None, "0.5".into())
    );
    let gone = venue.amend(5, 0, name, &amendment(None, Some("3")));
    assert_eq!(gone, Err(Refusal::AmendTargetGone));
}

#[test]
fn an_amended_price_that_crosses_trades_and_a_larger_size_loses_its_place() {
    let mut venue = exchange();
    let first = venue.place(1, order(0, Side::Sell, "64000", "1")).unwrap();
    let second = venue.place(2, order(0, Side::Sell, "64000", "1")).unwrap();
    venue
        .amend(3, 0, OrderName::OrderId(first), &amendment(None, Some("2")))
        .unwrap();
    let buyer = venue.place(4, order(1, Side::Buy, "63000", "1")).unwrap();
    venue
        .amend(
            5,
            1,
            OrderName::OrderId(buyer),
            &amendment(Some("64000"), None),
        )
        .unwrap();
    assert_eq!(
        state(&venue, second),
        (OrderState::Filled, None, "1".into())
    );
    assert_eq!(state(&venue, first), (OrderState::Live, None, "0".into()));
}

#[test]
fn a_refused_amendment_with_cancel_on_fail_cancels_the_order() {
    let mut venue = exchange();
    let resting = venue.place(1, order(0, Side::Buy, "63000", "1")).unwrap();
    let wrong = Amendment {
        cancel_on_fail: true,
        ..amendment(Some("63000.05"), None)
    };
    let refused = venue.amend(2, 0, OrderName::OrderId(resting), &wrong);
    assert_eq!(refused, Err(Refusal::NotTickMultiple { tick: d("0.1") }));
    assert_eq!(state(&venue, resting).0, OrderState::Canceled);
}

#[test]
fn reduce_only_orders_shrink_with_the_position_and_die_with_it() {
    let mut venue = exchange();
    venue.place(1, order(1, Side::Sell, "64000", "2")).unwrap();
    venue.place(2, order(0, Side::Buy, "64000", "2")).unwrap();
    let reduce = |price| NewOrder {
        reduce_only: true,
        ..order(0, Side::Sell, price, "3")
    };
    let closing = venue.place(3, reduce("65000")).unwrap();
    assert_eq!(
        venue.order(closing).unwrap().quantity,
        d("2"),
        "cut on arrival"
    );
    assert_eq!(venue.order(closing).unwrap().amend_source, "3");
    venue.place(4, order(1, Side::Buy, "63900", "1.5")).unwrap();
    venue
        .place(5, order(0, Side::Sell, "63900", "1.5"))
        .unwrap();
    assert_eq!(
        venue.order(closing).unwrap().quantity,
        d("0.5"),
        "cut with the position"
    );
    assert_eq!(venue.order(closing).unwrap().amend_source, "4");
    venue.place(6, order(1, Side::Buy, "63900", "0.5")).unwrap();
    venue
        .place(7, order(0, Side::Sell, "63900", "0.5"))
        .unwrap();
    assert_eq!(
        state(&venue, closing),
        (OrderState::Canceled, Some(23), "0".into())
    );
    assert_eq!(
        venue.place(8, reduce("65000")),
        Err(Refusal::NoPositionToReduce)
    );
}

#[test]
fn checks_refuse_wrong_steps_prices_and_missing_money() {
    let mut venue = exchange();
    let mut place = |new: NewOrder| venue.place(1, new).unwrap_err();
    assert_eq!(
        place(order(0, Side::Buy, "64000.05", "1")),
        Refusal::NotTickMultiple { tick: d("0.1") }
    );
    assert_eq!(
        place(order(0, Side::Buy, "64000", "0.015")),
        Refusal::NotLotMultiple { lot: d("0.01") }
    );
    assert_eq!(
        place(order(0, Side::Buy, "64000", "0.001")),
        Refusal::BelowMinimum { minimum: d("0.01") }
    );
    assert!(matches!(
        place(order(0, Side::Buy, "80000", "1")),
        Refusal::PriceOutsideBand { .. }
    ));
    let currency = Arc::from("USDT");
    let rich = NewOrder {
        instrument: SPOT,
        ..order(0, Side::Buy, "64000", "100")
    };
    assert_eq!(place(rich), Refusal::InsufficientBalance { currency });
}

#[test]
fn money_is_frozen_by_open_orders_and_released_at_their_end() {
    let mut venue = exchange();
    let new = NewOrder {
        instrument: SPOT,
        ..order(0, Side::Buy, "60000", "2")
    };
    let resting = venue.place(
        1,
        NewOrder {
            clamp_price: false,
            price: Some(d("63000")),
            ..new
        },
    );
    assert_eq!(venue.holdings[0].cash_of("USDT").frozen, d("126000"));
    let name = OrderName::OrderId(resting.unwrap());
    venue.cancel(2, 0, name, CancelSource::USER).unwrap();
    assert_eq!(venue.holdings[0].cash_of("USDT").frozen, Decimal::ZERO);
}

#[test]
fn a_spot_market_buy_sized_in_quote_spends_no_more_than_asked() {
    let mut venue = exchange();
    let sell = NewOrder {
        instrument: SPOT,
        ..order(1, Side::Sell, "64000", "1")
    };
    venue.place(1, sell).unwrap();
    let buy = NewOrder {
        order_type: OrderType::Market,
        price: None,
        size_unit: SizeUnit::Quote,
        instrument: SPOT,
        ..order(0, Side::Buy, "64000", "150")
    };
    let bought = venue.place(2, buy).unwrap();
    let filled = venue.order(bought).unwrap();
    assert_eq!(filled.state, OrderState::Filled);
    assert_eq!(filled.filled, d("0.00234375"));
    assert_eq!(venue.holdings[0].cash_of("USDT").total, d("999850"));
    assert_eq!(venue.holdings[0].cash_of("USDT").frozen, Decimal::ZERO);
    let received = d("0.00234375") * d("0.999");
    assert_eq!(venue.holdings[0].cash_of("BTC").total, d("10") + received);
}

#[test]
fn fees_are_negative_when_charged_and_profit_is_realised_on_closing() {
    let mut venue = exchange();
    venue.place(1, order(1, Side::Sell, "64000", "1")).unwrap();
    let open = venue.place(2, order(0, Side::Buy, "64000", "1")).unwrap();
    assert_eq!(
        venue.order(open).unwrap().fee,
        d("-0.32"),
        "1 x 0.01 x 64000 x 0.0005"
    );
    venue.place(3, order(1, Side::Buy, "64500", "1")).unwrap();
    let close = venue.place(4, order(0, Side::Sell, "64500", "1")).unwrap();
    assert_eq!(venue.order(close).unwrap().profit, d("5"));
    assert_eq!(
        venue.holdings[0].position(SWAP, PositionSide::Net),
        Decimal::ZERO
    );
}

#[derive(Clone, Debug)]
enum Act {
    Place {
        account: usize,
        spot: bool,
        buy: bool,
        tick: i64,
        lots: i64,
        kind: u8,
        rule: u8,
    },
    Cancel {
        account: usize,
        nth: usize,
    },
    Amend {
        account: usize,
        nth: usize,
        tick: i64,
        lots: i64,
    },
    Force {
        account: usize,
        nth: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let place = (
        0..3_usize,
        any::<bool>(),
        any::<bool>(),
        -40..40_i64,
        1..300_i64,
        0..5_u8,
        0..3_u8,
    )
        .prop_map(|(account, spot, buy, tick, lots, kind, rule)| Act::Place {
            account,
            spot,
            buy,
            tick,
            lots,
            kind,
            rule,
        });
    let amend = (0..3_usize, 0..50_usize, -40..40_i64, 1..300_i64).prop_map(
        |(account, nth, tick, lots)| Act::Amend {
            account,
            nth,
            tick,
            lots,
        },
    );
    let cancel = (0..3_usize, 0..50_usize).prop_map(|(account, nth)| Act::Cancel { account, nth });
    let force = (0..3_usize, 0..50_usize).prop_map(|(account, nth)| Act::Force { account, nth });
    let act = prop_oneof![8 => place, 2 => cancel, 3 => amend, 1 => force];
    proptest::collection::vec(act, 1..120)
}

fn nth_open(venue: &Exchange, account: usize, nth: usize) -> Option<u64> {
    let open: Vec<u64> = venue
        .open_orders_of(account)
        .map(|order| order.order_id)
        .collect();
    (!open.is_empty()).then(|| open[nth % open.len()])
}

fn perform(venue: &mut Exchange, now_ms: i64, act: &Act) {
    match *act {
        Act::Place {
            account,
            spot,
            buy,
            tick,
            lots,
            kind,
            rule,
        } => {
            let side = if buy { Side::Buy } else { Side::Sell };
            let mut new = order(account, side, "64000", "1");
            new.price = Some(d("64000") + Decimal::from(tick) * d("0.1"));
            new.quantity = Decimal::from(lots) * d("0.01");
            new.instrument = if spot { SPOT } else { SWAP };
            new.order_type = [
                OrderType::Limit,
                OrderType::PostOnly,
                OrderType::FillOrKill,
                OrderType::ImmediateOrCancel,
                OrderType::Limit,
            ][usize::from(kind)];
            new.reduce_only = kind == 4 && !spot;
            new.self_trade_rule = [
                SelfTradeRule::Maker,
                SelfTradeRule::Taker,
                SelfTradeRule::Both,
            ][usize::from(rule)];
            let _ = venue.place(now_ms, new);
        }
        Act::Cancel { account, nth } => {
            if let Some(order_id) = nth_open(venue, account, nth) {
                let name = OrderName::OrderId(order_id);
                venue
                    .cancel(now_ms, account, name, CancelSource::USER)
                    .unwrap();
            }
        }
        Act::Amend {
            account,
            nth,
            tick,
            lots,
        } => {
            if let Some(order_id) = nth_open(venue, account, nth) {
                let terms = Amendment {
                    new_price: Some(d("64000") + Decimal::from(tick) * d("0.1")),
                    new_quantity: Some(Decimal::from(lots) * d("0.01")),
                    ..amendment(None, None)
                };
                let _ = venue.amend(now_ms, account, OrderName::OrderId(order_id), &terms);
            }
        }
        Act::Force { account, nth } => {
            if let Some(order_id) = nth_open(venue, account, nth) {
                venue.force_fill(now_ms, order_id);
            }
        }
    }
}

fn check_laws(venue: &Exchange) {
    for instrument in [SWAP, SPOT] {
        let bid = venue.best_price(instrument, Side::Buy);
        let ask = venue.best_price(instrument, Side::Sell);
        if let (Some(bid), Some(ask)) = (bid, ask) {
            assert!(bid < ask, "a book is never crossed: {bid} {ask}");
        }
    }
    let net: Decimal = venue
        .holdings
        .iter()
        .map(|held| held.position(SWAP, PositionSide::Net))
        .sum();
    assert_eq!(net, Decimal::ZERO, "contracts are conserved");
    let fee = |currency: &str| {
        venue
            .fees_collected
            .get(currency)
            .copied()
            .unwrap_or_default()
    };
    let cash = |currency: &str| -> Decimal {
        venue
            .holdings
            .iter()
            .map(|held| held.cash_of(currency).total)
            .sum()
    };
    assert_eq!(cash("BTC") + fee("BTC"), d("30"), "base is conserved");
    // Each position's open value at any mark; the mark cancels out because contracts sum to zero.
    let cost: Decimal = venue
        .holdings
        .iter()
        .flat_map(|held| held.positions.values())
        .map(|held| held.cost)
        .sum();
    assert_eq!(
        cash("USDT") + fee("USDT") - cost,
        d("3000000"),
        "quote is conserved"
    );
    for account in 0..venue.holdings.len() {
        let frozen: Decimal = venue
            .open_orders_of(account)
            .map(|order| order.frozen)
            .sum();
        let held: Decimal = venue.holdings[account]
            .cash
            .values()
            .map(|cash| cash.frozen)
            .sum();
        assert_eq!(frozen, held, "frozen cash is what open orders hold back");
        for order in venue.orders_of(account) {
            let own = venue.executions_of(account).iter();
            let fills: Decimal = own
                .filter(|fill| fill.order_id == order.order_id)
                .map(|fill| fill.quantity)
                .sum();
            assert_eq!(fills, order.filled, "an order is filled by its executions");
            assert!(order.filled <= order.quantity);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn quantity_and_money_are_conserved_and_no_book_is_ever_crossed(acts in acts()) {
        let mut venue = exchange();
        for (step, act) in acts.iter().enumerate() {
            perform(&mut venue, step as i64, act);
            check_laws(&venue);
        }
    }

    #[test]
    fn the_same_requests_give_the_same_updates(acts in acts()) {
        let run = || {
            let mut venue = exchange();
            for (step, act) in acts.iter().enumerate() {
                perform(&mut venue, step as i64, act);
            }
            format!("{:?}", venue.take_updates())
        };
        prop_assert_eq!(run(), run());
    }
}
