//! What a start reads before anything runs.

use millrun_cold::venue_queries::{
    HttpFailure, QueryError, fetch_account, fetch_instruments, fetch_time_offset,
};
use model::identifiers::Symbol;
use model::instrument::{InstrumentKind, InstrumentState};

use crate::simulated_venue::SimulatedVenue;

fn symbol(text: &str) -> Symbol {
    Symbol::new(text.as_bytes()).unwrap()
}

#[test]
fn rules_come_as_exact_decimal_text_in_the_order_asked_for() {
    let venue = SimulatedVenue::start();
    let wanted = [
        "ETH-USDT",
        "BTC-USDT-SWAP",
        "ETH-USDT-270326",
        "DOGE-USDT-SWAP",
    ]
    .map(symbol);
    let fetched = fetch_instruments(&venue.settings(), &wanted).unwrap();
    let symbols: Vec<Symbol> = fetched.iter().map(|it| it.symbol).collect();
    assert_eq!(symbols, wanted);
    let [spot, swap, future, doge] = &fetched[..] else {
        panic!("{fetched:?}");
    };
    assert_eq!(
        (spot.kind, spot.multiplier.as_str()),
        (InstrumentKind::Spot, "1")
    );
    assert_eq!(
        (spot.tick.as_str(), spot.lot.as_str()),
        ("0.01", "0.000001")
    );
    assert_eq!(spot.quantity_min, "0.0001");
    assert_eq!(
        (swap.kind, swap.multiplier.as_str()),
        (InstrumentKind::Linear, "0.01")
    );
    assert_eq!(
        (swap.venue_code, swap.state),
        (10_459, InstrumentState::Live)
    );
    assert_eq!(
        (future.multiplier.as_str(), doge.multiplier.as_str()),
        ("0.1", "1000")
    );
    assert!(
        fetched
            .iter()
            .all(|it| it.quantity_max.parse::<f64>().unwrap() > 0.0)
    );
}

#[test]
fn an_instrument_that_the_venue_does_not_list_is_named() {
    let venue = SimulatedVenue::start();
    let wanted = [symbol("BTC-USDT-SWAP"), symbol("NOPE-USDT-SWAP")];
    let error = fetch_instruments(&venue.settings(), &wanted).unwrap_err();
    let expected = QueryError::NotListed {
        symbol: wanted[1],
        inst_type: "SWAP",
    };
    assert_eq!(error, expected);
    assert!(error.to_string().contains("NOPE-USDT-SWAP"));
}

// covers: V24
#[test]
fn the_venues_clock_is_measured_within_the_stated_error() {
    for skew_ms in [-45_000, 0, 7_250] {
        let venue = SimulatedVenue::start_with(|config| config.clock_skew_ms = skew_ms);
        let offset = fetch_time_offset(&venue.settings()).unwrap();
        assert!(
            offset.offset_ns.abs_diff(skew_ms * 1_000_000) <= offset.error_ns,
            "{offset:?}"
        );
        assert!(offset.error_ns < 5_000_000_000, "{offset:?}");
    }
}

#[test]
fn account_and_key_are_told_as_they_are_set() {
    let venue = SimulatedVenue::start_with(|config| {
        config.clock_skew_ms = 60_000;
        config.accounts[0].is_long_short = true;
        config.accounts[0].account_level = 3;
    });
    let mut settings = venue.settings();
    let facts = fetch_account(&settings).unwrap();
    assert_eq!((facts.account_level, facts.net_positions), (3, false));
    assert_eq!((facts.may_trade, facts.may_withdraw), (true, false));
    settings.credentials = crate::simulated_venue::credentials(2);
    let other = fetch_account(&settings).unwrap();
    assert!(other.net_positions && other.uid != facts.uid);
}

#[test]
fn a_venue_that_is_not_there_is_said_so() {
    let venue = SimulatedVenue::start();
    let mut settings = venue.settings();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    settings.rest_url = format!("https://127.0.0.1:{port}");
    let error = fetch_account(&settings).unwrap_err();
    let QueryError::Http { failure, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(failure, HttpFailure::Disconnected);
}
