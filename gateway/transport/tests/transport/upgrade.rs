//! The WebSocket upgrade: what comes behind the answer, and every way to be refused.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use millrun_transport::error::ConnectErrorKind;
use millrun_transport::websocket_upgrade::{MAX_HEAD_BYTES, Upgrade, UpgradeProgress};

use crate::test_authority::{Authority, Leaf};
use crate::venue_server::{
    HotSide, VenueServer, endpoint, failed, header, order, read_head, secure, switching_protocols,
};

/// A socket that writes one byte at a time.
struct Trickle(TcpStream);

impl Read for Trickle {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.read(space)
    }
}

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

// covers: V20
#[test]
fn frames_glued_behind_the_answer_are_read_before_all_that_follows() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = secure(socket, config);
        let head = read_head(&mut stream).unwrap();
        let mut answer = switching_protocols(&head).into_bytes();
        answer.extend(b"glued behind the head, ");
        stream.write_all(&answer).unwrap();
        stream.write_all(b"then sent on its own").unwrap();
        head
    });
    let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
    assert_eq!(
        session.read_exact(43),
        b"glued behind the head, then sent on its own"
    );
    let port = server.port;
    let head = server.join();
    assert!(
        head.starts_with("GET /ws/v5/private?brokerId=9999 HTTP/1.1\r\n"),
        "{head}"
    );
    assert_eq!(
        header(&head, "Host"),
        Some(format!("127.0.0.1:{port}").as_str())
    );
    assert_eq!(header(&head, "Sec-WebSocket-Version"), Some("13"));
    assert_eq!(
        header(&head, "Sec-WebSocket-Extensions"),
        None,
        "compression is never offered"
    );
}

// covers: V20
#[test]
fn a_server_that_trickles_byte_by_byte_is_understood() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = secure(Trickle(socket), config);
        let head = read_head(&mut stream).unwrap();
        // Each byte a record of its own, each record sent byte by byte.
        for byte in switching_protocols(&head).bytes().chain(*b"and a frame") {
            stream.write_all(&[byte]).unwrap();
        }
    });
    let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
    assert_eq!(session.read_exact(11), b"and a frame");
    server.join();
}

/// Answers the upgrade by what `answer` makes of the request and expects `kind`.
#[track_caller]
fn check_refused(answer: impl FnOnce(&str) -> String + Send + 'static, kind: ConnectErrorKind) {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = secure(socket, config);
        let head = read_head(&mut stream).unwrap();
        // The client may hang up in the middle.
        let _ = stream.write_all(answer(&head).as_bytes());
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let failed = failed(HotSide::new().connect(order(1, endpoint(&authority, server.port))));
    assert_eq!(failed.error.kind, kind, "{}", failed.error);
    assert_eq!(server.join(), b"", "nothing may follow the request");
}

#[test]
fn a_refusal_keeps_its_status_and_when_to_come_back() {
    let forbidden = ConnectErrorKind::UpgradeRefused { status: 403 };
    check_refused(|_| "HTTP/1.1 403 Forbidden\r\n\r\n".to_owned(), forbidden);
    let (mut upgrade, _) = Upgrade::begin("venue.test", 8443, "/ws").unwrap();
    let answer = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\n\r\n";
    let error = upgrade.receive(answer).unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::UpgradeRefused { status: 429 });
    assert!(error.detail.contains("17"), "{error}");
}

// covers: S16
#[test]
fn a_redirect_is_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/\r\n\r\n";
    check_refused(
        |_| answer.to_owned(),
        ConnectErrorKind::UpgradeRedirected { status: 302 },
    );
}

#[test]
fn an_accept_key_that_is_not_ours_is_refused() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                  Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    check_refused(
        |_| answer.to_owned(),
        ConnectErrorKind::UpgradeAcceptKeyWrong,
    );
}

// covers: V19
#[test]
fn compression_that_was_never_offered_is_refused() {
    check_refused(
        |head| {
            let extension = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
            switching_protocols(head).replace("\r\n\r\n", extension)
        },
        ConnectErrorKind::UpgradeExtensionUnasked,
    );
}

// covers: S28
#[test]
fn a_head_over_the_limit_is_refused_whatever_it_ends_in() {
    check_refused(
        |head| {
            let long = format!("\r\nX-Long: {}\r\n\r\n", "x".repeat(MAX_HEAD_BYTES));
            switching_protocols(head).replace("\r\n\r\n", &long)
        },
        ConnectErrorKind::UpgradeHeadTooLong,
    );
    // A server that never ends its head sends as long as it is read.
    check_refused(
        |_| "x".repeat(1 << 20),
        ConnectErrorKind::UpgradeHeadTooLong,
    );
}

#[test]
fn an_answer_that_is_no_upgrade_is_refused() {
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\n\nframes\r\n\r\n",
    ] {
        check_refused(
            |_| answer.to_owned(),
            ConnectErrorKind::UpgradeHeadMalformed,
        );
    }
}

#[test]
fn a_server_that_hangs_up_instead_of_answering_is_reported() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = secure(socket, config);
        read_head(&mut stream).unwrap();
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).unwrap();
    });
    let failed = failed(HotSide::new().connect(order(1, endpoint(&authority, server.port))));
    assert_eq!(
        failed.error.kind,
        ConnectErrorKind::UpgradeClosed,
        "{}",
        failed.error
    );
    server.join();
}

// covers: V20
#[test]
fn the_answer_may_be_cut_at_any_two_places() {
    let answer_for = |request: &[u8]| {
        let mut answer = switching_protocols(std::str::from_utf8(request).unwrap()).into_bytes();
        answer.extend(b"\x81\x02hi");
        answer
    };
    let length = answer_for(&Upgrade::begin("venue.test", 443, "/").unwrap().1).len();
    for cut in 0..=length {
        let (mut upgrade, request) = Upgrade::begin("venue.test", 443, "/").unwrap();
        let answer = answer_for(&request);
        let mut early: Option<Vec<u8>> = None;
        for piece in [&answer[..cut], &answer[cut..]] {
            match &mut early {
                Some(early) => early.extend_from_slice(piece),
                None => match upgrade.receive(piece).unwrap() {
                    UpgradeProgress::NeedMore => {}
                    UpgradeProgress::Done { early: bytes } => early = Some(bytes),
                },
            }
        }
        assert_eq!(early.unwrap(), b"\x81\x02hi", "cut at {cut}");
    }
}

#[test]
fn host_and_path_that_make_no_request_are_refused_and_addresses_are_bracketed() {
    for (host, path) in [
        ("venue.test", "no_slash"),
        ("venue.test", "/with space"),
        ("venue.test", "/line\r\nInjected: yes"),
        ("", "/"),
        ("venue.test/evil", "/"),
        ("user@venue.test", "/"),
        ("venue test", "/"),
    ] {
        let error = Upgrade::begin(host, 443, path).unwrap_err();
        assert_eq!(
            error.kind,
            ConnectErrorKind::UpgradeRequestInvalid,
            "{host} {path}"
        );
    }
    let (_, request) = Upgrade::begin("::1", 8443, "/").unwrap();
    assert_eq!(
        header(std::str::from_utf8(&request).unwrap(), "Host"),
        Some("[::1]:8443")
    );
}
