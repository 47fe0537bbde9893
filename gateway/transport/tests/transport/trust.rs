//! Who is believed and who is not.

use std::io::{Read, Write};
use std::net::TcpStream;

use millrun_transport::connector::{Endpoint, LinkUse};
use millrun_transport::error::{ConnectErrorKind, ConnectPhase, LinkEnd};
use millrun_transport::tls::TrustRoots;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion};

use crate::test_authority::{Authority, Leaf};
use crate::venue_server::{
    HotSide, VenueServer, accept_upgrade, endpoint, failed, order, ready, secure,
};

/// Connects to a server with this certificate; nothing but the handshake may reach it.
#[track_caller]
fn check_refused(server_by: &Authority, leaf: Leaf, trusted: &Authority, kind: ConnectErrorKind) {
    let config = server_by.server(leaf);
    let server = VenueServer::start(move |socket| {
        let mut received = Vec::new();
        let mut stream = secure(socket, config);
        (stream.read_to_end(&mut received).is_err(), received)
    });
    let mut hot = HotSide::new();
    let failed = failed(hot.connect(order(7, endpoint(trusted, server.port))));
    assert_eq!(failed.error.kind, kind, "{}", failed.error);
    assert_eq!((failed.link_id, failed.attempt), (7, 1));
    assert_eq!(kind.phase(), ConnectPhase::Tls);
    let text = failed.error.to_string();
    assert!(
        text.starts_with(&format!("127.0.0.1:{}", server.port)),
        "{text}"
    );
    assert!(text.contains(kind.advice()), "{text}");
    assert_eq!(server.join(), (true, Vec::new()), "no plaintext may leave");
}

// covers: V22 S16
#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let leaf = Leaf {
        last_year: 2001,
        ..Leaf::default()
    };
    check_refused(
        &authority,
        leaf,
        &authority,
        ConnectErrorKind::CertificateExpired,
    );
}

// covers: V22
#[test]
fn a_certificate_of_the_future_is_refused() {
    let authority = Authority::new();
    let leaf = Leaf {
        first_year: 3000,
        ..Leaf::default()
    };
    check_refused(
        &authority,
        leaf,
        &authority,
        ConnectErrorKind::CertificateNotYetValid,
    );
}

// covers: V22 S16
#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let leaf = Leaf {
        name: "other.test",
        ..Leaf::default()
    };
    check_refused(
        &authority,
        leaf,
        &authority,
        ConnectErrorKind::CertificateWrongName,
    );
}

// covers: V22 S16
#[test]
fn a_certificate_of_an_unknown_issuer_is_refused() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let kind = ConnectErrorKind::CertificateUnknownIssuer;
    check_refused(&unknown, Leaf::default(), &known, kind);
}

// covers: V22
#[test]
fn a_certificate_of_an_issuer_that_borrows_a_trusted_name_is_refused() {
    let (known, impostor) = (Authority::named("trusted"), Authority::named("trusted"));
    let kind = ConnectErrorKind::CertificateInvalid;
    check_refused(&impostor, Leaf::default(), &known, kind);
}

// covers: S16
#[test]
fn the_systems_roots_do_not_vouch_for_a_test_authority() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        secure(socket, config).read_to_end(&mut Vec::new()).is_err()
    });
    let target = Endpoint {
        roots: TrustRoots::System,
        ..endpoint(&authority, server.port)
    };
    let failed = failed(HotSide::new().connect(order(1, target)));
    // A machine without a root store has nobody to trust, which refuses as well.
    match failed.error.kind {
        ConnectErrorKind::CertificateUnknownIssuer => assert!(server.join()),
        other => assert_eq!(other, ConnectErrorKind::RootsUnreadable, "{}", failed.error),
    }
}

// covers: S16
#[test]
fn tls_1_3_with_aes_128_gcm_is_chosen_first_and_tls_1_2_is_enough() {
    let authority = Authority::new();
    for (versions, version, suite) in [
        (
            &[&TLS12, &TLS13][..],
            ProtocolVersion::TLSv1_3,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
        ),
        (
            &[&TLS12][..],
            ProtocolVersion::TLSv1_2,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
    ] {
        let mut config = (*authority.server_of(Leaf::default(), versions)).clone();
        // Let the client's order decide.
        config.ignore_client_order = false;
        let server = VenueServer::start(move |socket| {
            let mut stream = accept_upgrade(socket, config.into());
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
        assert_eq!(session.link.tls().protocol_version(), Some(version));
        let agreed = session
            .link
            .tls()
            .negotiated_cipher_suite()
            .map(|suite| suite.suite());
        assert_eq!(agreed, Some(suite));
        session.send(b"hello");
        assert_eq!(session.read_exact(5), b"hello");
        server.join();
    }
}

#[test]
fn no_session_is_resumed_so_the_hot_thread_never_meets_a_session_store() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let mut hot = HotSide::new();
    for link_id in 0..2 {
        let config = config.clone();
        let server = VenueServer::start(move |socket| {
            let mut stream = accept_upgrade(socket, config);
            stream.write_all(b"after the tickets").unwrap();
        });
        let mut session = hot.open(order(link_id, endpoint(&authority, server.port)));
        assert_eq!(session.read_exact(17), b"after the tickets");
        assert!(
            session.link.tls().tls13_tickets_received() > 0,
            "the server offers it"
        );
        assert_eq!(
            session.link.tls().handshake_kind(),
            Some(HandshakeKind::Full)
        );
        server.join();
        hot = session.hot;
    }
}

/// A server hello in the clear that names `version`, its random ending in `random_end`.
fn server_hello(version: [u8; 2], random_end: [u8; 8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 24]);
    body.extend(random_end);
    // No session id, ECDHE-RSA with AES-128-GCM, no compression, no extension.
    body.extend([0, 0xC0, 0x2F, 0]);
    let mut record = vec![0x16, version[0], version[1], 0, body.len() as u8 + 4];
    record.extend([0x02, 0, 0, body.len() as u8]);
    record.extend(body);
    record
}

/// Answers the client hello by these bytes and expects `kind`.
#[track_caller]
fn check_answer_to_hello(answer: Vec<u8>, kind: ConnectErrorKind) {
    let authority = Authority::new();
    let server = VenueServer::start(move |mut socket: TcpStream| {
        let mut hello = [0; 16_384];
        assert!(socket.read(&mut hello).unwrap() > 5);
        socket.write_all(&answer).unwrap();
        // Only an alert may follow.
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest[0] == 0x15, "{rest:?}");
    });
    let failed = failed(HotSide::new().connect(order(1, endpoint(&authority, server.port))));
    assert_eq!(failed.error.kind, kind, "{}", failed.error);
    server.join();
}

// covers: V22 S16
#[test]
fn a_server_that_answers_with_tls_1_1_is_refused() {
    let hello = server_hello([3, 2], [7; 8]);
    check_answer_to_hello(hello, ConnectErrorKind::TlsVersionRefused);
}

// covers: V22
#[test]
fn a_forged_downgrade_to_tls_1_2_is_refused() {
    let hello = server_hello([3, 3], *b"DOWNGRD\x01");
    check_answer_to_hello(hello, ConnectErrorKind::TlsVersionRefused);
}

// covers: V22
#[test]
fn a_plain_http_port_is_refused_without_falling_back() {
    let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
    check_answer_to_hello(answer, ConnectErrorKind::TlsNotSpoken);
}

#[test]
fn a_peer_that_hangs_up_during_the_handshake_is_told_apart_from_one_that_is_wrong() {
    let authority = Authority::new();
    let server = VenueServer::start(drop);
    let failed = failed(HotSide::new().connect(order(1, endpoint(&authority, server.port))));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::TlsClosed,
        "{}",
        failed.error
    );
    server.join();
}

#[test]
fn a_server_hello_without_content_fails_the_handshake() {
    let empty_hello = vec![0x16, 3, 3, 0, 4, 2, 0, 0, 0];
    check_answer_to_hello(empty_hello, ConnectErrorKind::TlsFailed);
}

#[test]
fn a_server_alert_is_reported_as_one() {
    // handshake_failure, fatal.
    let alert = vec![0x15, 3, 3, 0, 2, 2, 40];
    check_answer_to_hello(alert, ConnectErrorKind::TlsAlertReceived);
}

// covers: V22
#[test]
fn a_close_without_notify_is_not_a_clean_end() {
    let authority = Authority::new();
    for clean in [true, false] {
        let config = authority.server(Leaf::default());
        let server = VenueServer::start(move |socket| {
            let mut stream = accept_upgrade(socket, config);
            stream.write_all(b"last words").unwrap();
            if clean {
                stream.conn.send_close_notify();
                stream.conn.complete_io(&mut stream.sock).unwrap();
            }
        });
        let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
        let (bytes, end) = session.read_to_end();
        assert_eq!(bytes, b"last words");
        assert_eq!(end, LinkEnd::ClosedByPeer { clean });
        assert_eq!(session.link.read_end(), Some(end));
        server.join();
    }
}

#[test]
fn roots_that_cannot_be_read_fail_the_order_and_name_the_file() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let mut hot = HotSide::new();
    for path in [
        folder.path().join("missing.pem"),
        file("empty.pem", ""),
        file("no_certificate.pem", "just text\n"),
        file("damaged.pem", damaged),
    ] {
        let roots = TrustRoots::PemFile(path.clone());
        let target = Endpoint {
            roots,
            ..endpoint(&authority, 1)
        };
        let failed = failed(hot.connect(order(1, target)));
        assert_eq!(failed.error.kind, ConnectErrorKind::RootsUnreadable);
        let shown = failed.error.detail.as_str();
        assert!(
            shown.contains(path.file_name().unwrap().to_str().unwrap()),
            "{shown}"
        );
    }
}

#[test]
fn a_tls_name_that_is_no_name_is_refused_before_a_byte_is_sent() {
    let authority = Authority::new();
    let server = VenueServer::start(|mut socket| {
        let mut received = Vec::new();
        let _ = socket.read_to_end(&mut received);
        received
    });
    let target = Endpoint {
        tls_name: "not a name".to_owned(),
        ..endpoint(&authority, server.port)
    };
    let failed = failed(HotSide::new().connect(order(1, target)));
    assert_eq!(failed.error.kind, ConnectErrorKind::TlsNameInvalid);
    assert_eq!(server.join(), b"");
}

#[test]
fn an_http_link_is_ready_after_tls_and_has_sent_nothing() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = secure(socket, config);
        let mut request = [0; 4];
        stream.read_exact(&mut request).unwrap();
        request
    });
    let target = Endpoint {
        link_use: LinkUse::Http,
        ..endpoint(&authority, server.port)
    };
    let mut hot = HotSide::new();
    let mut ready = ready(hot.connect(order(1, target)));
    assert_eq!(ready.peer_address.unwrap().port(), server.port);
    assert!(ready.timings.total >= ready.timings.tcp + ready.timings.tls);
    ready.link.write_plaintext(b"GET ").unwrap();
    ready.link.flush();
    assert_eq!(&server.join(), b"GET ");
}
