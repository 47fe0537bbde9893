//! The resolver's bounds.

use mio::{Poll, Token};

use super::*;

#[test]
fn a_resolver_that_is_behind_refuses_instead_of_queueing_without_end() {
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
    let resolver = Resolver::start(waker, 1).unwrap();
    // Nobody takes the answers: one waits, one is being handed over, one question is queued.
    let refused_at = (0..10).find_map(|ticket| {
        let answer = resolver.ask(ticket, "localhost", 443)?;
        Some((ticket, answer.result.unwrap_err().kind))
    });
    let (accepted, kind) = refused_at.unwrap();
    assert!((1..=3).contains(&accepted), "{accepted}");
    assert_eq!(kind, ConnectErrorKind::NameNotResolved);
    for ticket in 0..accepted {
        let answer = resolver.answers.recv().unwrap();
        assert_eq!(answer.ticket, ticket);
        assert!(
            answer
                .result
                .unwrap()
                .iter()
                .all(|address| address.ip().is_loopback())
        );
    }
}

#[test]
fn an_address_asks_nobody() {
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
    let resolver = Resolver::start(waker, 1).unwrap();
    for host in ["127.0.0.1", "::1"] {
        let answer = resolver.ask(7, host, 8443).unwrap();
        assert_eq!(answer.ticket, 7);
        assert_eq!(
            answer.result.unwrap(),
            [SocketAddr::new(host.parse().unwrap(), 8443)]
        );
    }
    assert!(resolver.poll().is_none());
}
