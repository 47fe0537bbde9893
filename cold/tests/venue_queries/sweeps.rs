//! All open orders and recent fills, over as many pages as there are.

use std::collections::BTreeSet;

use millrun_cold::venue_queries::{NoteKind, QueryLimits};
use model::execution_report::VenueOrderState;
use model::recon_fact::FactSource;
use model::time::NS_PER_S;
use model::{InstrumentId, ReconFact, UnixNs};

use crate::simulated_venue::{
    Answer, Queries, SPOT, SPOT_SYMBOL, SWAP, SWAP_SYMBOL, SimulatedVenue, quick, unix_now,
};

// covers: V29
#[test]
fn a_sweep_shows_each_of_250_open_orders_once() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let mut placed: BTreeSet<_> = venue.place_many(249, "0.01", "63000").into_iter().collect();
    placed.insert(venue.place(SPOT_SYMBOL, "buy", "0.5", "3100"));
    let answer = queries.sweep(UnixNs(0));
    assert!(answer.is_complete());
    let orders = answer.orders();
    assert_eq!(orders.len(), 250);
    let seen: BTreeSet<_> = orders
        .iter()
        .filter_map(|seen| seen.update.client_order_id)
        .collect();
    assert_eq!(seen, placed);
    assert!(orders.iter().all(|seen| {
        seen.source == FactSource::OpenOrders
            && seen.asked_at_seq == 42
            && seen.update.state == VenueOrderState::Live
    }));
    let read = answer.notes.iter().find_map(|note| match note {
        NoteKind::SweepRead {
            open_orders, pages, ..
        } => Some((*open_orders, *pages)),
        _ => None,
    });
    assert_eq!(
        read,
        Some((250, 4)),
        "three pages of orders and one of fills"
    );
}

// covers: V05 V06
#[test]
fn a_sweep_tells_every_fill_of_every_instrument_before_the_orders() {
    let venue = SimulatedVenue::start();
    let limits = QueryLimits {
        page_rows: 4,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    let swap = venue.place(SWAP_SYMBOL, "buy", "0.5", "63000");
    let spot = venue.place(SPOT_SYMBOL, "buy", "5", "3100");
    for _ in 0..6 {
        venue.counterparty(SWAP_SYMBOL, "sell", "0.02", "63000");
        venue.counterparty(SPOT_SYMBOL, "sell", "0.1", "3100");
    }
    let answer = queries.sweep(UnixNs(unix_now().0 - 60 * NS_PER_S));
    assert!(answer.is_complete() && answer.tells_fills_first());
    assert_eq!(answer.orders().len(), 2);
    for (id, instrument, quantity) in [(swap, SWAP, 1_200), (spot, SPOT, 6_000)] {
        let fills = answer.fills();
        let mine = fills.iter().filter(|seen| seen.client_order_id == Some(id));
        let of_instrument = mine.filter(|seen| seen.instrument == instrument);
        let sum: i64 = of_instrument
            .map(|seen| seen.fill.last_quantity.units())
            .sum();
        assert_eq!(sum, quantity);
        let orders = answer.orders();
        let order = orders
            .iter()
            .find(|seen| seen.update.client_order_id == Some(id))
            .unwrap();
        assert_eq!(order.update.cum_quantity.units(), quantity);
    }
    assert_eq!(answer.fills().len(), 12);
}

#[test]
fn fills_before_the_wanted_moment_are_not_asked_for() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    venue.place(SWAP_SYMBOL, "buy", "0.5", "63000");
    venue.counterparty(SWAP_SYMBOL, "sell", "0.02", "63000");
    let later = UnixNs(unix_now().0 + 60 * NS_PER_S);
    let answer = queries.sweep(later);
    assert!(answer.is_complete());
    assert_eq!((answer.fills().len(), answer.orders().len()), (0, 1));
}

#[test]
fn orders_of_instruments_that_are_not_ours_are_passed_over() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    venue.place("SOL-USDT-SWAP", "buy", "1", "149");
    let ours = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    venue.counterparty("SOL-USDT-SWAP", "sell", "0.5", "149");
    let answer = queries.sweep(UnixNs(0));
    assert!(answer.is_complete());
    assert_eq!(answer.orders().len(), 1);
    assert_eq!(answer.orders()[0].update.client_order_id, Some(ours));
    assert!(answer.fills().is_empty());
}

// covers: V30 BF3
#[test]
fn a_sweep_ends_with_every_position_flat_ones_included_and_every_balance() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let flat = positions(&queries.sweep(UnixNs(0)));
    assert_eq!(flat, [(SWAP, false, 0)], "a spot pair has no position");
    venue.place(SWAP_SYMBOL, "buy", "0.5", "63000");
    venue.counterparty(SWAP_SYMBOL, "sell", "0.02", "63000");
    venue.place("SOL-USDT-SWAP", "buy", "1", "149");
    venue.counterparty("SOL-USDT-SWAP", "sell", "0.5", "149");
    let answer = queries.sweep(UnixNs(0));
    assert!(answer.is_complete());
    assert_eq!(positions(&answer), [(SWAP, true, 200)]);
    let usdt = answer.facts.iter().find_map(|fact| match fact {
        ReconFact::BalanceSeen(seen) if seen.balance.currency.as_str() == "USDT" => Some(seen),
        _ => None,
    });
    let usdt = usdt.unwrap();
    assert!(usdt.balance.total.units() > 0 && usdt.balance.available.is_some());
}

fn positions(answer: &Answer) -> Vec<(InstrumentId, bool, i128)> {
    let seen = answer.facts.iter().filter_map(|fact| match fact {
        ReconFact::PositionSeen(seen) => {
            Some((seen.instrument, seen.is_listed, seen.cells.total_units()))
        }
        _ => None,
    });
    seen.collect()
}
