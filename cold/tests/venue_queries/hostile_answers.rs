//! Answers that no honest venue gives: redirects, endless pages, floods, and rows with holes.

use std::io::Write;

use millrun_cold::venue_queries::{HttpFailure, NoteKind, QueryError, QueryLimits};
use model::UnixNs;
use model::execution_report::VenueOrderState;
use protocol::venue::okx::rest::answer::RestError;

use crate::canned_venue::{CannedVenue, answer, answer_rows};
use crate::simulated_venue::{Answer, Queries, SWAP_SYMBOL, quick};

/// An open order with this id.
fn row(ord_id: u64, state: &str) -> String {
    format!(
        "{{\"instType\":\"SWAP\",\"instId\":\"{SWAP_SYMBOL}\",\"ordId\":\"{ord_id}\",\
         \"clOrdId\":\"\",\"side\":\"buy\",\"state\":\"{state}\",\"sz\":\"1\",\"px\":\"63000\",\
         \"accFillSz\":\"0\",\"avgPx\":\"\",\"uTime\":\"1760000000000\",\"tgtCcy\":\"\"}}"
    )
}

fn error_of(answer: &Answer) -> QueryError {
    assert!(!answer.is_complete());
    assert_eq!(answer.facts.len(), 1, "{:?}", answer.facts);
    let mut errors = answer.notes.iter().filter_map(|note| match note {
        NoteKind::SweepIncomplete { error, .. } => Some(error.clone()),
        _ => None,
    });
    errors.next_back().unwrap()
}

// covers: S16 S18
#[test]
fn a_redirect_is_not_followed() {
    let trap = CannedVenue::start(|target, out| answer_rows(target, out, ""));
    let there = trap.settings().rest_url;
    let venue = CannedVenue::start(move |target, out| {
        if target.contains("public/time") {
            return answer_rows(target, out, "");
        }
        let location = format!("Location: {there}{target}\r\n");
        answer(out, "307 Temporary Redirect", &location, "");
    });
    let queries = Queries::start(venue.settings(), quick());
    let error = error_of(&queries.sweep(UnixNs(0)));
    let QueryError::Venue { error, .. } = error else {
        panic!("{error}");
    };
    assert!(
        matches!(error, RestError::NotAnAnswer { status: 307, .. }),
        "{error}"
    );
    assert_eq!(trap.connections(), 0);
    assert_eq!(
        venue.requests().last().unwrap(),
        "/api/v5/trade/orders-pending?limit=100"
    );
}

// covers: V29
#[test]
fn a_list_that_begins_anew_on_every_page_is_not_a_list() {
    let page = format!("{},{}", row(11, "live"), row(10, "live"));
    let venue = CannedVenue::start(move |target, out| answer_rows(target, out, &page));
    let limits = QueryLimits {
        page_rows: 2,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    let error = error_of(&queries.sweep(UnixNs(0)));
    assert!(matches!(error, QueryError::PagingStuck { .. }), "{error}");
}

// covers: V29
#[test]
fn a_list_without_end_is_given_up() {
    let venue = CannedVenue::start(|target, out| {
        let after = target
            .split("after=")
            .nth(1)
            .and_then(|rest| rest.split('&').next());
        let after: u64 = after.map_or(1_000_000, |text| text.parse().unwrap());
        let page = format!("{},{}", row(after - 1, "live"), row(after - 2, "live"));
        answer_rows(target, out, &page);
    });
    let limits = QueryLimits {
        page_rows: 2,
        pages_max: 9,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    let error = error_of(&queries.sweep(UnixNs(0)));
    assert!(
        matches!(error, QueryError::TooManyPages { pages_max: 9, .. }),
        "{error}"
    );
    let pages = venue
        .requests()
        .into_iter()
        .filter(|it| it.contains("orders-pending"));
    assert_eq!(pages.count(), 9);
}

// covers: V29
#[test]
fn a_row_that_cannot_be_read_makes_the_list_incomplete() {
    let page = format!("{},{}", row(11, "live"), row(10, "dancing"));
    let venue = CannedVenue::start(move |target, out| answer_rows(target, out, &page));
    let queries = Queries::start(venue.settings(), quick());
    let error = error_of(&queries.sweep(UnixNs(0)));
    assert!(
        matches!(error, QueryError::UnreadableRow { row: 1, .. }),
        "{error}"
    );
}

// covers: S28
#[test]
fn heads_and_bodies_beyond_their_limits_are_cut_off() {
    let flood = |body: bool| {
        move |target: &str, out: &mut dyn Write| {
            if target.contains("public/time") {
                return answer_rows(target, out, "");
            }
            let piece = [b'a'; 65_536];
            let head: &[u8] = match body {
                true => b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n",
                false => b"HTTP/1.1 200 OK\r\nX-Long: ",
            };
            let _ = out.write_all(head);
            // Ends when the client hangs up.
            while out.write_all(&piece).is_ok() {}
        }
    };
    for body in [true, false] {
        let venue = CannedVenue::start(flood(body));
        let queries = Queries::start(venue.settings(), quick());
        let error = error_of(&queries.sweep(UnixNs(0)));
        let QueryError::Http { failure, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(failure, HttpFailure::TooLarge, "body: {body}");
    }
}

#[test]
fn an_answer_that_is_cut_off_is_asked_for_again_and_then_proves_nothing() {
    let venue = CannedVenue::start(|target, out| {
        if target.contains("public/time") {
            return answer_rows(target, out, "");
        }
        answer(
            out,
            "200 OK",
            "",
            "{\"code\":\"0\",\"msg\":\"\",\"data\":[{\"instId",
        );
    });
    let queries = Queries::start(venue.settings(), quick());
    let error = error_of(&queries.sweep(UnixNs(0)));
    assert!(matches!(error, QueryError::Venue { .. }), "{error}");
    let tries = venue
        .requests()
        .into_iter()
        .filter(|it| it.contains("orders-pending"));
    assert_eq!(tries.count(), 3);
}

#[test]
fn one_connection_serves_many_questions() {
    let page = row(11, "live");
    let venue = CannedVenue::start(move |target, out| {
        let rows = if target.contains("orders-pending") {
            page.as_str()
        } else {
            ""
        };
        answer_rows(target, out, rows);
    });
    let queries = Queries::start(venue.settings(), quick());
    for _ in 0..5 {
        let answer = queries.sweep(UnixNs(0));
        assert!(answer.is_complete());
        assert_eq!(answer.orders()[0].update.state, VenueOrderState::Live);
    }
    assert_eq!(venue.requests().len(), 3 + 5 * 4);
    assert_eq!(venue.connections(), 1);
}
