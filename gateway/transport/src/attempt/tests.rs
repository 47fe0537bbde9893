//! Attempts without a connector: deadlines that have passed, and what the system's errors mean.

use std::io;
use std::time::{Duration, Instant};

use mio::{Poll, Token};
use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::connector::{ConnectDeadlines, Endpoint};
use crate::tls::TrustRoots;

/// An attempt for a name, whose look-up may take no time at all.
fn attempt(deadlines: ConnectDeadlines) -> Attempt {
    let endpoint = Endpoint {
        host: "venue.test".to_owned(),
        port: 8443,
        link_use: LinkUse::Http,
        tls_name: "venue.test".to_owned(),
        roots: TrustRoots::System,
    };
    let order = ConnectOrder {
        link_id: 4,
        attempt: 2,
        endpoint: Arc::new(endpoint),
        deadlines,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Attempt::begin(order, Token(0), Arc::new(config), Instant::now())
}

#[track_caller]
fn failure(outcome: Option<ConnectOutcome>) -> ConnectFailed {
    match outcome {
        Some(ConnectOutcome::Failed(failed)) => failed,
        Some(ConnectOutcome::Ready(_)) => panic!("connected to nothing"),
        None => panic!("still under way"),
    }
}

#[test]
fn an_unanswered_look_up_fails_at_its_deadline_and_a_late_answer_changes_nothing() {
    let poll = Poll::new().unwrap();
    let deadlines = ConnectDeadlines {
        dns: Duration::ZERO,
        ..ConnectDeadlines::default()
    };
    let mut attempt = attempt(deadlines);
    let failed = failure(attempt.advance(poll.registry()));
    assert_eq!(failed.error.kind, ConnectErrorKind::NameLookupTimedOut);
    assert_eq!((failed.link_id, failed.attempt), (4, 2));
    assert_eq!(failed.error.address.as_str(), "venue.test:8443");
    let late = Ok(vec![([127, 0, 0, 1], 1).into()]);
    assert!(
        attempt
            .resolved(late, poll.registry(), Instant::now())
            .is_none()
    );
    assert!(
        attempt.advance(poll.registry()).is_none(),
        "an attempt ends once"
    );
}

#[test]
fn an_answer_without_addresses_fails_the_attempt() {
    let poll = Poll::new().unwrap();
    let mut attempt = attempt(ConnectDeadlines::default());
    assert!(
        attempt.advance(poll.registry()).is_none(),
        "the answer is awaited"
    );
    let failed = failure(attempt.resolved(Ok(Vec::new()), poll.registry(), Instant::now()));
    assert_eq!(failed.error.kind, ConnectErrorKind::TcpFailed);
}

#[test]
fn each_failure_of_a_socket_has_its_name() {
    for (found, expected) in [
        (
            io::ErrorKind::ConnectionRefused,
            ConnectErrorKind::TcpRefused,
        ),
        (
            io::ErrorKind::NetworkUnreachable,
            ConnectErrorKind::TcpUnreachable,
        ),
        (
            io::ErrorKind::HostUnreachable,
            ConnectErrorKind::TcpUnreachable,
        ),
        (io::ErrorKind::TimedOut, ConnectErrorKind::TcpTimedOut),
        (io::ErrorKind::PermissionDenied, ConnectErrorKind::TcpFailed),
    ] {
        assert_eq!(tcp_failure(&found.into()).kind, expected);
    }
}

#[test]
fn a_refusal_of_the_handshake_that_arrives_late_is_not_taken_for_a_refused_upgrade() {
    for (end, expected) in [
        (
            LinkEnd::Tls(TlsFault::AlertReceived),
            ConnectErrorKind::TlsAlertReceived,
        ),
        (
            LinkEnd::Tls(TlsFault::SealBroken),
            ConnectErrorKind::TlsFailed,
        ),
        (
            LinkEnd::ClosedByPeer { clean: true },
            ConnectErrorKind::UpgradeClosed,
        ),
        (
            LinkEnd::Socket(io::ErrorKind::ConnectionReset),
            ConnectErrorKind::UpgradeClosed,
        ),
    ] {
        assert_eq!(upgrade_end(end).kind, expected);
    }
}

#[test]
fn long_text_is_cut_at_the_end_of_a_character() {
    let text = ErrorText::new("é".repeat(200));
    assert_eq!(text.as_str(), "é".repeat(80));
    let odd = ErrorText::new(format_args!("x{}", "é".repeat(200)));
    assert_eq!(odd.as_str().len(), 159);
}
