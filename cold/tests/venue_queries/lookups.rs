//! One order, in every state that it can have at the venue.

use millrun_cold::venue_queries::{NoteKind, QueryError, QueryLimits};
use model::execution_report::VenueOrderState;
use model::identifiers::InstanceTag;
use model::recon_fact::FactSource;
use model::{BootEpoch, ClientOrderId, Quantity, VenueOrderId};
use venue_simulator::Fault;

use crate::simulated_venue::{
    Queries, SPOT, SPOT_SYMBOL, SWAP, SWAP_SYMBOL, SimulatedVenue, quick, unix_now,
};

/// "Order does not exist", whatever the truth is.
fn not_found() -> Fault {
    Fault::RestStatus {
        status: 200,
        code: "51603".to_owned(),
        executes: false,
    }
}

// covers: V02
#[test]
fn a_resting_order_is_found_by_our_id_with_its_terms() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SWAP_SYMBOL, "buy", "0.25", "63000.5");
    let answer = queries.look_up(id);
    assert!(answer.is_complete());
    let [seen] = answer.orders()[..] else {
        panic!("{:?}", answer.facts);
    };
    assert_eq!(seen.source, FactSource::OrderById);
    assert_eq!(seen.asked_at_seq, 41);
    assert_eq!(seen.update.client_order_id, Some(id));
    assert_eq!(seen.update.state, VenueOrderState::Live);
    assert_eq!(seen.update.order_quantity.units(), 2_500);
    assert_eq!(seen.update.limit_price.units(), 63_000_500);
    assert_eq!(seen.update.fill, None);
    assert!(answer.fills().is_empty() && answer.absences().is_empty());
    // By the venue's own id it is the same order.
    let again = queries.look_up_at(id, seen.update.venue_order_id, SWAP);
    assert_eq!(again.orders()[0].update, seen.update);
}

// covers: V02 V06
#[test]
fn every_fill_of_an_order_comes_before_the_order_that_counts_it_over_all_pages() {
    let venue = SimulatedVenue::start();
    let limits = QueryLimits {
        page_rows: 3,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    let other = venue.place(SWAP_SYMBOL, "buy", "0.02", "63001");
    let id = venue.place(SWAP_SYMBOL, "buy", "0.5", "63000");
    venue.counterparty(SWAP_SYMBOL, "sell", "0.02", "63001");
    for _ in 0..7 {
        venue.counterparty(SWAP_SYMBOL, "sell", "0.03", "63000");
    }
    let answer = queries.look_up(id);
    assert!(answer.is_complete() && answer.tells_fills_first());
    let fills = answer.fills();
    assert_eq!(fills.len(), 7);
    assert!(
        fills
            .iter()
            .all(|seen| seen.client_order_id == Some(id) && seen.instrument == SWAP)
    );
    let sum: i64 = fills
        .iter()
        .map(|seen| seen.fill.last_quantity.units())
        .sum();
    let update = answer.orders()[0].update;
    assert_eq!(update.state, VenueOrderState::PartiallyFilled);
    assert_eq!(update.cum_quantity, Quantity::from_units(sum));
    assert_eq!(sum, 2_100);
    let mut trades: Vec<_> = fills.iter().map(|seen| seen.fill.trade_id).collect();
    trades.sort();
    trades.dedup();
    assert_eq!(trades.len(), 7);
    let filled = queries.look_up(other);
    assert_eq!(filled.orders()[0].update.state, VenueOrderState::Filled);
    assert_eq!(filled.fills().len(), 1);
}

#[test]
fn a_cancelled_order_is_seen_cancelled_with_the_fills_it_had() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SPOT_SYMBOL, "buy", "1", "3100");
    venue.counterparty(SPOT_SYMBOL, "sell", "0.4", "3100");
    venue.cancel(SPOT_SYMBOL, id);
    let answer = queries.look_up_at(id, VenueOrderId::EMPTY, SPOT);
    assert!(answer.is_complete() && answer.tells_fills_first());
    let update = answer.orders()[0].update;
    assert_eq!(update.state, VenueOrderState::Cancelled);
    assert_eq!(update.cum_quantity.units(), 4_000);
    assert_eq!(answer.fills()[0].fill.last_quantity.units(), 4_000);
    assert!(answer.fills()[0].fill.fee_units != 0);
}

// covers: P6 V29
#[test]
fn an_order_that_never_arrived_is_absent_from_every_list_at_a_moment_of_the_venues() {
    let venue = SimulatedVenue::start_with(|config| config.clock_skew_ms = -3_000);
    let limits = QueryLimits {
        page_rows: 2,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    for _ in 0..5 {
        venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    }
    venue.counterparty(SWAP_SYMBOL, "sell", "0.03", "63000");
    let asked = unix_now();
    let id = venue.new_id();
    let answer = queries.look_up(id);
    let answered = unix_now();
    assert!(answer.is_complete());
    assert!(answer.orders().is_empty() && answer.fills().is_empty());
    let absences = answer.absences();
    let sources: Vec<FactSource> = absences.iter().map(|absent| absent.source).collect();
    let expected = [
        FactSource::OrderById,
        FactSource::OpenOrders,
        FactSource::History,
    ];
    assert_eq!(sources, expected);
    let offset = queries.queries.time_offset().unwrap();
    assert!(offset.offset_ns.abs_diff(-3_000_000_000) <= offset.error_ns);
    for absent in absences {
        assert_eq!((absent.client_order_id, absent.asked_at_seq), (id, 41));
        assert!(absent.answered_at <= offset.venue_time(answered));
        let at = absent.answered_at.after_ns(2 * offset.error_ns);
        assert!(at >= offset.venue_time(asked), "{absent:?}");
    }
}

// covers: V29
#[test]
fn an_order_that_one_list_lacks_is_found_in_the_next_and_no_absence_is_claimed() {
    let venue = SimulatedVenue::start();
    let limits = QueryLimits {
        page_rows: 2,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    let wanted = venue.place(SWAP_SYMBOL, "buy", "0.01", "63003");
    for _ in 0..6 {
        venue.place(SWAP_SYMBOL, "buy", "0.01", "63002");
    }
    venue.arm(not_found(), "trade/order", 0);
    let open = queries.look_up(wanted);
    assert!(open.is_complete() && open.absences().is_empty());
    assert_eq!(open.orders()[0].source, FactSource::OpenOrders);
    assert_eq!(open.orders()[0].update.client_order_id, Some(wanted));
    // It is filled, and six others after it: it is on the last page of the history.
    venue.counterparty(SWAP_SYMBOL, "sell", "0.07", "63002");
    let ended = queries.look_up(wanted);
    assert!(ended.is_complete() && ended.absences().is_empty());
    assert_eq!(ended.orders()[0].source, FactSource::History);
    assert_eq!(ended.orders()[0].update.state, VenueOrderState::Filled);
    assert_eq!(ended.fills().len(), 1);
    assert!(ended.tells_fills_first());
}

// covers: P6 V29
#[test]
fn a_fill_of_an_order_that_no_list_shows_forbids_every_claim_of_absence() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SWAP_SYMBOL, "buy", "0.05", "63000");
    venue.counterparty(SWAP_SYMBOL, "sell", "0.05", "63000");
    venue.arm(not_found(), "trade/order", 1);
    // The history is a minute behind, the fills are not.
    venue.arm(
        Fault::RestStale { lag_ms: 60_000 },
        "trade/orders-history",
        1,
    );
    let answer = queries.look_up(id);
    assert!(answer.is_complete());
    assert_eq!(answer.fills().len(), 1);
    assert!(answer.absences().is_empty() && answer.orders().is_empty());
}

// covers: V29
#[test]
fn an_order_that_may_be_older_than_the_history_is_not_called_absent() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let tag = InstanceTag::new(1).unwrap();
    let old = ClientOrderId::new(tag, BootEpoch::new(5_000).unwrap(), 77).unwrap();
    let answer = queries.look_up(old);
    assert!(!answer.is_complete() && answer.absences().is_empty());
    let too_old = QueryError::TooOld {
        client_order_id: old,
    };
    let noted = answer
        .notes
        .iter()
        .any(|note| matches!(note, NoteKind::LookupIncomplete { error, .. } if *error == too_old));
    assert!(noted, "{:?}", answer.notes);
    // Once it is known when it was placed, its absence can be proved.
    queries.queries.note_placed(old, unix_now());
    let answer = queries.look_up(old);
    assert!(answer.is_complete());
    assert_eq!(answer.absences().len(), 3);
}

#[test]
fn an_instrument_of_another_venue_is_not_asked_about() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    assert!(queries.queries.trades(SWAP) && queries.queries.trades(SPOT));
    let foreign = model::InstrumentId(8);
    assert!(!queries.queries.trades(foreign));
    let answer = queries.look_up_at(venue.new_id(), VenueOrderId::EMPTY, foreign);
    assert!(!answer.is_complete());
    assert_eq!(answer.facts.len(), 1);
}
