//! A venue that is down, slow, strict, or not the venue: nothing is claimed that was not proved.

use std::time::{Duration, Instant};

use millrun_cold::venue_queries::{
    HttpFailure, NoteKind, NoteSeverity, QueryError, QueryJob, QueryLimits, QueryNote, Roots,
};
use model::{UnixNs, VenueOrderId};
use protocol::venue::okx::credentials::Credentials;
use venue_simulator::{AccountConfig, Fault};

use crate::simulated_venue::{Answer, Queries, SWAP, SWAP_SYMBOL, SimulatedVenue, VENUE, quick};

fn status(status: u16, code: &str) -> Fault {
    Fault::RestStatus {
        status,
        code: code.to_owned(),
        executes: false,
    }
}

fn proves_nothing(answer: &Answer) -> bool {
    !answer.is_complete() && answer.facts.len() == 1
}

/// Paths of the notes that a request is sent again.
fn retried(answer: &Answer) -> usize {
    let is_retry = |note: &&NoteKind| matches!(note, NoteKind::Retrying { .. });
    answer.notes.iter().filter(is_retry).count()
}

// covers: P6 V29
#[test]
fn a_venue_that_answers_500_proves_nothing_after_three_tries() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let absent = venue.new_id();
    for path in [
        "trade/order",
        "trade/orders-pending",
        "trade/orders-history",
        "trade/fills",
    ] {
        venue.arm(status(500, "50026"), path, 0);
        let answer = queries.look_up(absent);
        assert!(proves_nothing(&answer), "{path}: {:?}", answer.facts);
        assert_eq!(retried(&answer), 2, "{path}");
        let incomplete = |note: &NoteKind| matches!(note, NoteKind::LookupIncomplete { .. });
        assert!(answer.notes.iter().any(incomplete), "{path}");
        venue.running.disarm_all();
    }
    assert!(queries.look_up(absent).is_complete());
}

#[test]
fn a_venue_that_fails_twice_is_asked_a_third_time() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    venue.arm(status(503, "50001"), "trade/order", 2);
    let answer = queries.look_up(id);
    assert!(answer.is_complete());
    assert_eq!((answer.orders().len(), retried(&answer)), (1, 2));
}

// covers: P6 V29
#[test]
fn a_sweep_without_its_last_page_is_incomplete_and_shows_no_order() {
    let venue = SimulatedVenue::start();
    let limits = QueryLimits {
        page_rows: 2,
        ..quick()
    };
    let queries = Queries::start(venue.settings(), limits);
    for _ in 0..5 {
        venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    }
    assert!(queries.sweep(UnixNs(0)).is_complete());
    for path in ["trade/orders-pending", "trade/fills"] {
        let when = venue_simulator::FaultTrigger {
            on: Some(path.to_owned()),
            nth: (path == "trade/orders-pending").then_some(3),
            times: Some(1),
            ..Default::default()
        };
        let fault = status(400, "50014");
        venue
            .running
            .arm(venue_simulator::FaultRule { fault, when });
        let answer = queries.sweep(UnixNs(0));
        assert!(proves_nothing(&answer), "{path}: {:?}", answer.facts);
        venue.running.disarm_all();
    }
}

// covers: P6
#[test]
fn a_venue_that_does_not_answer_in_time_proves_nothing() {
    let venue = SimulatedVenue::start();
    let mut settings = venue.settings();
    settings.timeout = Duration::from_millis(300);
    let limits = QueryLimits {
        attempts: 2,
        ..quick()
    };
    let queries = Queries::start(settings, limits);
    let id = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    assert!(queries.look_up(id).is_complete());
    let silence = Fault::RestTimeout {
        ms: 60_000,
        executes: true,
    };
    venue.arm(silence, "trade/order", 0);
    let answer = queries.look_up(id);
    assert!(proves_nothing(&answer));
    let timed_out = answer.notes.iter().any(|note| {
        let NoteKind::LookupIncomplete { error, .. } = note else {
            return false;
        };
        matches!(
            error,
            QueryError::Http {
                failure: HttpFailure::TimedOut,
                ..
            }
        )
    });
    assert!(timed_out, "{:?}", answer.notes);
    venue.running.disarm_all();
    assert!(queries.look_up(id).is_complete());
}

// covers: S16
#[test]
fn a_venue_that_another_authority_vouches_for_gets_no_request() {
    let venue = SimulatedVenue::start();
    let impostor = SimulatedVenue::start();
    let mut settings = venue.settings();
    settings.roots = Roots::PemFile(impostor.running.ca_pem_path().to_owned());
    let queries = Queries::start(settings, quick());
    let answer = queries.sweep(UnixNs(0));
    assert!(proves_nothing(&answer));
    let refused = answer.notes.iter().any(|note| {
        let NoteKind::SweepIncomplete { error, .. } = note else {
            return false;
        };
        matches!(
            error,
            QueryError::Http {
                failure: HttpFailure::TlsFailed,
                ..
            }
        )
    });
    assert!(refused, "{:?}", answer.notes);
    assert_eq!(retried(&answer), 0, "a certificate does not get better");
    assert_eq!(venue.running.stats().rest_requests, 0);
}

// covers: S16
#[test]
fn a_certificate_for_another_name_is_refused() {
    let venue = SimulatedVenue::start_with(|config| {
        config.certificate_names = vec!["ws.okx.com".to_owned()];
    });
    let queries = Queries::start(venue.settings(), quick());
    assert!(proves_nothing(&queries.sweep(UnixNs(0))));
    assert_eq!(venue.running.stats().rest_requests, 0);
}

#[test]
fn a_file_without_a_certificate_is_refused_at_start() {
    let venue = SimulatedVenue::start();
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for path in [empty, folder.path().join("missing.pem")] {
        let mut settings = venue.settings();
        settings.roots = Roots::PemFile(path.clone());
        let (sender, _outcomes) = std::sync::mpsc::channel();
        let started = millrun_cold::venue_queries::VenueQueries::start(settings, sender, || {});
        let error = started.err().unwrap().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_refused_key_is_an_auth_failure_and_is_not_tried_again_at_once() {
    let venue = SimulatedVenue::start();
    let mut settings = venue.settings();
    let account = AccountConfig::numbered(1);
    settings.credentials =
        Credentials::new(&account.api_key, "not-the-secret", &account.passphrase).unwrap();
    let queries = Queries::start(settings, quick());
    let id = venue.new_id();
    let answer = queries.look_up(id);
    assert!(proves_nothing(&answer));
    let failed: Vec<&NoteKind> = answer
        .notes
        .iter()
        .filter(|note| matches!(note, NoteKind::AuthFailed { .. }))
        .collect();
    let [failed] = failed[..] else {
        panic!("{:?}", answer.notes);
    };
    assert_eq!(failed.severity(), NoteSeverity::Error);
    let note = QueryNote {
        venue: VENUE,
        name: "sim".to_owned(),
        kind: failed.clone(),
    };
    let text = note.to_string();
    assert!(
        text.starts_with("venue sim: AUTH_FAILED") && text.contains("50113"),
        "{text}"
    );
    for secret in [&account.api_key, "not-the-secret", &account.passphrase] {
        assert!(!text.contains(secret), "{text}");
    }
    let asked = venue.running.stats().rest_requests;
    for _ in 0..20 {
        let answer = queries.look_up(id);
        assert!(proves_nothing(&answer) && answer.notes.is_empty());
    }
    assert_eq!(venue.running.stats().rest_requests, asked);
}

// covers: V16
#[test]
fn a_rate_limit_is_waited_out_and_the_answer_is_whole() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    // More often than a venue that is down would be asked.
    venue.arm(status(429, "50011"), "trade/order", 6);
    let answer = queries.look_up(id);
    assert!(answer.is_complete());
    let limited = |note: &&NoteKind| matches!(note, NoteKind::RateLimited { .. });
    assert_eq!(answer.notes.iter().filter(limited).count(), 6);
    assert_eq!((answer.orders().len(), retried(&answer)), (1, 0));
}

// covers: V16
#[test]
fn the_venues_own_limit_is_never_reached() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    let began = Instant::now();
    for _ in 0..70 {
        assert!(queries.look_up(id).is_complete());
    }
    assert!(
        began.elapsed() >= Duration::from_millis(2_000),
        "54 in any 2.1 s"
    );
    assert_eq!(venue.running.stats().rate_limited, 0);
}

// covers: V24
#[test]
fn a_clock_far_beyond_the_venues_window_is_measured_and_signed_with() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let id = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    assert!(queries.look_up(id).is_complete());
    // 50102 is answered now, until the offset is measured anew.
    venue.running.set_clock_skew_ms(90_000);
    let answer = queries.look_up(id);
    assert!(answer.is_complete());
    let [NoteKind::ClockOffset(offset)] = answer.notes[..] else {
        panic!("{:?}", answer.notes);
    };
    assert!(
        offset.offset_ns.abs_diff(90_000_000_000) <= offset.error_ns,
        "{offset:?}"
    );
    assert_eq!(queries.queries.time_offset(), Some(offset));
}

// covers: V24
#[test]
fn without_the_venues_clock_no_absence_is_dated() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    venue.arm(status(500, "50026"), "public/time", 0);
    let seen = venue.place(SWAP_SYMBOL, "buy", "0.01", "63000");
    assert!(
        queries.look_up(seen).is_complete(),
        "what is seen needs no date"
    );
    let answer = queries.look_up(venue.new_id());
    assert!(proves_nothing(&answer));
    let undated = answer.notes.iter().any(|note| {
        let NoteKind::LookupIncomplete { error, .. } = note else {
            return false;
        };
        *error == QueryError::NoVenueTime
    });
    assert!(undated, "{:?}", answer.notes);
}

#[test]
fn a_stop_breaks_off_the_request_under_way() {
    let venue = SimulatedVenue::start();
    let queries = Queries::start(venue.settings(), quick());
    let silence = Fault::RestTimeout {
        ms: 600_000,
        executes: false,
    };
    venue.arm(silence, "trade/order", 0);
    let struck = venue.running.stats().faults_struck;
    queries.queries.submit(QueryJob::Lookup {
        client_order_id: venue.new_id(),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: SWAP,
        ask_no: 1,
        asked_at_seq: 1,
    });
    let began = Instant::now();
    while venue.running.stats().faults_struck == struck {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the request never arrived"
        );
        std::thread::yield_now();
    }
    let stopped = Instant::now();
    queries.queries.stop();
    assert!(
        stopped.elapsed() < Duration::from_secs(5),
        "{:?}",
        stopped.elapsed()
    );
}
