//! The connector thread: one outcome an order, deadlines, nobody held up by another.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use millrun_transport::connector::{
    ConnectDeadlines, ConnectOrder, Connector, Endpoint, MAX_ATTEMPTS,
};
use millrun_transport::error::{ConnectErrorKind, ConnectPhase};
use rustix::net::{AddressFamily, SocketType, ipproto};

use crate::test_authority::{Authority, Leaf};
use crate::venue_server::{
    HotSide, VenueServer, accept_upgrade, endpoint, failed, order, read_head, ready, secure,
};

const SHORT: Duration = Duration::from_millis(60);

/// An order whose every step must be done in 60 ms.
fn hurried(link_id: u32, endpoint: Endpoint) -> ConnectOrder {
    let deadlines = ConnectDeadlines {
        dns: SHORT,
        tcp: SHORT,
        tls: SHORT,
        upgrade: SHORT,
        total: SHORT * 9,
    };
    ConnectOrder {
        deadlines,
        ..order(link_id, endpoint)
    }
}

#[test]
fn a_peer_that_accepts_and_stays_silent_fails_at_the_tls_deadline() {
    let authority = Authority::new();
    let (end, ended) = channel::<()>();
    let server = VenueServer::start(move |_socket| ended.recv().unwrap());
    let begun_at = Instant::now();
    let failed = failed(HotSide::new().connect(hurried(1, endpoint(&authority, server.port))));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::TlsTimedOut,
        "{}",
        failed.error
    );
    assert!(begun_at.elapsed() >= SHORT);
    end.send(()).unwrap();
    server.join();
}

#[test]
fn a_peer_that_is_silent_after_tls_fails_at_the_upgrade_deadline() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let (end, ended) = channel::<()>();
    let server = VenueServer::start(move |socket| {
        let mut stream = secure(socket, config);
        read_head(&mut stream).unwrap();
        ended.recv().unwrap();
    });
    // Only the upgrade is hurried, so that a busy machine cannot fail the steps before.
    let mut order = order(1, endpoint(&authority, server.port));
    order.deadlines.upgrade = SHORT;
    let failed = failed(HotSide::new().connect(order));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::UpgradeTimedOut,
        "{}",
        failed.error
    );
    end.send(()).unwrap();
    server.join();
}

#[test]
fn the_total_deadline_ends_an_attempt_whose_steps_have_time_left() {
    let authority = Authority::new();
    let (end, ended) = channel::<()>();
    let server = VenueServer::start(move |_socket| ended.recv().unwrap());
    let mut order = order(1, endpoint(&authority, server.port));
    order.deadlines.total = SHORT;
    let failed = failed(HotSide::new().connect(order));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::TlsTimedOut,
        "{}",
        failed.error
    );
    end.send(()).unwrap();
    server.join();
}

#[test]
fn an_address_that_swallows_connections_fails_at_the_tcp_deadline() {
    let authority = Authority::new();
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP));
    let socket = socket.unwrap();
    rustix::net::bind(
        &socket,
        &std::net::SocketAddrV4::new([127, 0, 0, 1].into(), 0),
    )
    .unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    // Nobody accepts: the queue takes one connection, then the system drops what knocks.
    let queued = mio::net::TcpStream::connect(address).unwrap();
    let second = mio::net::TcpStream::connect(address).unwrap();
    let failed = failed(HotSide::new().connect(hurried(1, endpoint(&authority, address.port()))));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::TcpTimedOut,
        "{}",
        failed.error
    );
    drop((queued, second));
}

#[test]
fn a_closed_port_is_refused_at_once_and_the_address_is_named() {
    let authority = Authority::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let failed = failed(HotSide::new().connect(order(3, endpoint(&authority, port))));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::TcpRefused,
        "{}",
        failed.error
    );
    assert_eq!(
        failed.error.address.as_str(),
        format!("127.0.0.1:{port} (127.0.0.1:{port})")
    );
}

#[test]
fn a_name_without_an_address_fails_in_the_name_look_up() {
    let authority = Authority::new();
    let target = Endpoint {
        host: "no-such-venue.invalid".to_owned(),
        ..endpoint(&authority, 443)
    };
    let mut order = order(1, target);
    order.deadlines.dns = SHORT;
    let failed = failed(HotSide::new().connect(order));
    // A machine without a name service may answer late or not at all.
    assert_eq!(
        failed.error.kind.phase(),
        ConnectPhase::Dns,
        "{}",
        failed.error
    );
}

#[test]
fn a_name_is_looked_up_and_its_addresses_are_tried_in_turn() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        let _ = stream.read(&mut [0]);
    });
    // The server listens on 127.0.0.1 alone; where the name also means ::1, that is refused first.
    let target = Endpoint {
        host: "localhost".to_owned(),
        ..endpoint(&authority, server.port)
    };
    let mut hot = HotSide::new();
    let ready = ready(hot.connect(order(1, target)));
    assert_eq!(
        ready.peer_address.unwrap().to_string(),
        format!("127.0.0.1:{}", server.port)
    );
    assert!(ready.timings.dns > Duration::ZERO);
    assert!(hot.connector.retire(ready.link));
    server.join();
}

#[test]
fn a_silent_peer_does_not_hold_up_another() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let (end, ended) = channel::<()>();
    let silent = VenueServer::start(move |_socket| ended.recv().unwrap());
    let good = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        let _ = stream.read(&mut [0]);
    });
    let mut hot = HotSide::new();
    assert!(
        hot.connector
            .order(order(1, endpoint(&authority, silent.port)))
            .is_ok()
    );
    let ready = ready(hot.connect(order(2, endpoint(&authority, good.port))));
    assert_eq!(ready.link_id, 2);
    end.send(()).unwrap();
    silent.join();
    let failed = failed(hot.outcome());
    assert_eq!(
        (failed.link_id, failed.error.kind),
        (1, ConnectErrorKind::TlsClosed)
    );
    assert!(hot.connector.retire(ready.link));
    good.join();
}

#[test]
fn every_order_gets_exactly_one_outcome_however_late_it_is_taken() {
    let authority = Authority::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let target = Arc::new(endpoint(&authority, port));
    let mut hot = HotSide::new();
    let total = 5 * MAX_ATTEMPTS as u32;
    let (mut ordered, mut seen) = (0, vec![0; total as usize]);
    // Nothing is collected until the connector takes no more: outcomes then wait for room.
    while ordered < total {
        let order = ConnectOrder {
            link_id: ordered,
            attempt: 1,
            endpoint: Arc::clone(&target),
            deadlines: ConnectDeadlines::default(),
        };
        match hot.connector.order(order) {
            Ok(()) => ordered += 1,
            Err(back) => {
                assert_eq!(back.link_id, ordered);
                seen[failed(hot.outcome()).link_id as usize] += 1;
            }
        }
    }
    while seen.iter().sum::<u32>() < total {
        seen[failed(hot.outcome()).link_id as usize] += 1;
    }
    assert!(seen.iter().all(|outcomes| *outcomes == 1));
    assert!(hot.connector.poll_outcome().is_none());
    assert!(hot.connector.is_alive());
}

#[test]
fn a_retired_link_is_closed_by_the_connector() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        stream.read(&mut [0]).map_err(|error| error.kind())
    });
    let mut hot = HotSide::new();
    let ready = ready(hot.connect(order(1, endpoint(&authority, server.port))));
    assert!(hot.connector.retire(ready.link));
    assert_eq!(server.join(), Err(std::io::ErrorKind::UnexpectedEof));
}

#[test]
fn dropping_the_connector_ends_its_thread_with_attempts_under_way() {
    let authority = Authority::new();
    let (reach, reached) = channel::<()>();
    let server = VenueServer::start(move |mut socket| {
        reach.send(()).unwrap();
        // Ends when the connector lets go of the socket.
        socket
            .read_to_end(&mut Vec::new())
            .map_err(|error| error.kind())
    });
    let mut connector = Connector::start(None).unwrap();
    assert!(
        connector
            .order(order(1, endpoint(&authority, server.port)))
            .is_ok()
    );
    assert!(connector.is_alive());
    reached.recv().unwrap();
    drop(connector);
    assert!(server.join().is_ok());
}
