//! A link over a stream that cuts, blocks and breaks wherever it likes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use millrun_transport::error::{LinkEnd, TlsFault, WriteRefused};
use millrun_transport::link::{
    ByteStream, CIPHERTEXT_BACKLOG_BYTES, FlushState, Link, ReadOutcome,
};
use millrun_transport::tls::{HandshakeProgress, TrustRoots, client_config, drive_handshake};
use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion,
};

use crate::test_authority::{Authority, Leaf, VENUE_NAME};

/// A call to the stream with this cut fails by `Interrupted`; zero means `WouldBlock`.
const INTERRUPT: usize = usize::MAX;

/// What both ends of the stream see.
struct Wire {
    to_client: VecDeque<u8>,
    to_server: VecDeque<u8>,
    read_cuts: Vec<usize>,
    write_cuts: Vec<usize>,
    reads: usize,
    writes: usize,
    write_error: Option<io::ErrorKind>,
    is_cut: bool,
}

#[derive(Clone)]
struct ChoppyStream(Rc<RefCell<Wire>>);

impl ChoppyStream {
    fn new(read_cuts: Vec<usize>, write_cuts: Vec<usize>) -> Self {
        Self(Rc::new(RefCell::new(Wire {
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            read_cuts,
            write_cuts,
            reads: 0,
            writes: 0,
            write_error: None,
            is_cut: false,
        })))
    }
}

/// How many bytes the call may move now.
fn allowed(cuts: &[usize], call: &mut usize, wanted: usize) -> io::Result<usize> {
    let cut = cuts[*call % cuts.len()];
    *call += 1;
    match cut {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        INTERRUPT => Err(io::ErrorKind::Interrupted.into()),
        cut => Ok(cut.min(wanted)),
    }
}

impl Read for ChoppyStream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        let count = allowed(&wire.read_cuts, &mut wire.reads, space.len())?;
        if wire.to_client.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.to_client.read(&mut space[..count])
    }
}

impl Write for ChoppyStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        if let Some(kind) = wire.write_error {
            return Err(kind.into());
        }
        let count = allowed(&wire.write_cuts, &mut wire.writes, bytes.len())?;
        wire.to_server.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ByteStream for ChoppyStream {
    fn cut(&mut self) {
        self.0.borrow_mut().is_cut = true;
    }
}

static CONFIGS: LazyLock<(Arc<ClientConfig>, [Arc<ServerConfig>; 2])> = LazyLock::new(|| {
    let authority = Authority::new();
    let server = |version: &'static SupportedProtocolVersion| {
        authority.server_of(Leaf::default(), &[version])
    };
    let client = client_config(&TrustRoots::PemFile(authority.root_file())).unwrap();
    (client, [server(&TLS13), server(&TLS12)])
});

/// A link and the server at its other end, in one thread.
struct Pair {
    stream: ChoppyStream,
    server: ServerConnection,
    /// What the server has received and not given out.
    at_server: Vec<u8>,
    link: Link<ChoppyStream>,
}

impl Pair {
    /// Handshakes over a stream with these cuts.
    fn new(is_tls_1_2: bool, read_cuts: Vec<usize>, write_cuts: Vec<usize>) -> Self {
        let mut stream = ChoppyStream::new(read_cuts, write_cuts);
        let (client_config, server_configs) = &*CONFIGS;
        let server_config = Arc::clone(&server_configs[usize::from(is_tls_1_2)]);
        let mut server = ServerConnection::new(server_config).unwrap();
        let name = VENUE_NAME.try_into().unwrap();
        let mut client = ClientConnection::new(Arc::clone(client_config), name).unwrap();
        for _ in 0..1_000_000 {
            let progress = drive_handshake(&mut client, &mut stream).unwrap();
            exchange(&stream, &mut server, &mut Vec::new());
            if progress == HandshakeProgress::Done && !server.is_handshaking() {
                let link = Link::new(stream.clone(), client);
                return Self {
                    at_server: Vec::new(),
                    stream,
                    server,
                    link,
                };
            }
        }
        panic!("the handshake makes no progress");
    }

    /// A pair over a stream that never blocks.
    fn smooth() -> Self {
        Self::new(false, vec![INTERRUPT - 1], vec![INTERRUPT - 1])
    }

    fn exchange(&mut self) {
        exchange(&self.stream, &mut self.server, &mut self.at_server);
    }

    /// What the server has received and not given out before.
    fn received(&mut self) -> Vec<u8> {
        self.exchange();
        std::mem::take(&mut self.at_server)
    }

    fn wire(&self) -> std::cell::RefMut<'_, Wire> {
        self.stream.0.borrow_mut()
    }
}

/// Moves what is on the wire into the server and what it says onto the wire.
fn exchange(stream: &ChoppyStream, server: &mut ServerConnection, received: &mut Vec<u8>) {
    let wire = &mut *stream.0.borrow_mut();
    while !wire.to_server.is_empty() {
        server.read_tls(&mut wire.to_server).unwrap();
        server.process_new_packets().unwrap();
        // Ends by `WouldBlock`, or by the end of the session.
        let _ = server.reader().read_to_end(received);
    }
    while server.wants_write() {
        server.write_tls(&mut wire.to_client).unwrap();
    }
}

/// Cuts of which one at least lets bytes pass.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    let cut = prop_oneof![
        2 => Just(0),
        1 => Just(INTERRUPT),
        3 => 1..8usize,
        1 => 1..5_000usize,
    ];
    (prop::collection::vec(cut, 0..9), 1..900usize).prop_map(|(mut cuts, last)| {
        cuts.push(last);
        cuts
    })
}

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let bytes = prop_oneof![6 => 0..600usize, 1 => 16_380..16_390usize, 1 => 0..40_000usize];
    prop::collection::vec((bytes, any::<u8>()), 1..7).prop_map(|messages| {
        let fill = |(bytes, first): (usize, u8)| {
            (0..bytes)
                .map(|at| first.wrapping_add((at / 3) as u8))
                .collect()
        };
        messages.into_iter().map(fill).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    // covers: V20
    #[test]
    fn bytes_arrive_exactly_and_in_order_wherever_the_stream_cuts_or_blocks(
        is_tls_1_2 in any::<bool>(),
        read_cuts in cuts(),
        write_cuts in cuts(),
        to_server in messages(),
        to_client in messages(),
    ) {
        let mut pair = Pair::new(is_tls_1_2, read_cuts, write_cuts);
        let (sent, answered) = (to_server.concat(), to_client.concat());
        let (mut to_server, mut to_client) = (to_server.iter(), to_client.iter());
        let (mut waiting, mut at_server, mut at_client) = (None, Vec::new(), Vec::<u8>::new());
        let mut space = [0; 700];
        for _ in 0..1_000_000 {
            waiting = waiting.or_else(|| to_server.next());
            if let Some(message) = waiting {
                match pair.link.write_plaintext(message) {
                    Ok(()) => waiting = None,
                    Err(WriteRefused::BacklogFull { .. }) => {}
                    Err(WriteRefused::Ended(end)) => prop_assert!(false, "{}", end),
                }
            }
            if let FlushState::Pending(bytes) = pair.link.flush() {
                prop_assert_eq!(bytes, pair.link.backlog_bytes());
                prop_assert!(bytes <= CIPHERTEXT_BACKLOG_BYTES);
            }
            if let Some(message) = to_client.next() {
                pair.server.writer().write_all(message).unwrap();
            }
            at_server.extend(pair.received());
            match pair.link.read_plaintext(&mut space) {
                ReadOutcome::Bytes(bytes) => at_client.extend(&space[..bytes]),
                ReadOutcome::WouldBlock => {}
                ReadOutcome::Ended(end) => prop_assert!(false, "{}", end),
            }
            if at_server.len() == sent.len() && at_client.len() == answered.len() {
                break;
            }
        }
        prop_assert!(at_server == sent, "{} of {} bytes", at_server.len(), sent.len());
        prop_assert!(at_client == answered, "{} of {}", at_client.len(), answered.len());
        prop_assert_eq!(pair.link.flush(), FlushState::Drained);
    }
}

#[test]
fn a_turn_of_up_to_16_kib_is_one_record_and_one_write() {
    let mut pair = Pair::smooth();
    let writes_before = pair.wire().writes;
    pair.link.write_plaintext(&[b'o'; 16_384]).unwrap();
    assert_eq!(
        pair.wire().writes,
        writes_before,
        "nothing leaves before the flush"
    );
    assert_eq!(pair.link.flush(), FlushState::Drained);
    assert_eq!(pair.wire().writes, writes_before + 1);
    let sealed_bytes = pair.wire().to_server.len();
    // Header 5, content type 1, tag 16.
    assert_eq!(sealed_bytes, 16_384 + 22);

    // Several writes are several records, but still leave by one write.
    for _ in 0..4 {
        pair.link.write_plaintext(b"order").unwrap();
    }
    assert_eq!(pair.link.backlog_bytes(), 4 * (5 + 22));
    assert_eq!(pair.link.flush(), FlushState::Drained);
    assert_eq!(pair.wire().writes, writes_before + 2);
    let expected = [&[b'o'; 16_384][..], b"orderorderorderorder"].concat();
    assert_eq!(pair.received(), expected);
    assert_eq!(pair.link.flush(), FlushState::Drained);
    assert_eq!(
        pair.wire().writes,
        writes_before + 2,
        "nothing to send, no system call"
    );
}

#[test]
fn a_refused_write_leaves_the_backlog_as_it_was() {
    let mut pair = Pair::smooth();
    pair.wire().write_cuts = vec![0];
    let room = pair.link.plaintext_room_bytes();
    assert!(room > 60_000);
    let too_much = vec![1; CIPHERTEXT_BACKLOG_BYTES];
    assert!(matches!(
        pair.link.write_plaintext(&too_much),
        Err(WriteRefused::BacklogFull {
            free_bytes: CIPHERTEXT_BACKLOG_BYTES,
            ..
        })
    ));
    assert_eq!(pair.link.backlog_bytes(), 0);
    // What is said to fit, fits.
    let most = vec![2; room];
    pair.link.write_plaintext(&most).unwrap();
    let full = pair.link.backlog_bytes();
    assert_eq!(pair.link.flush(), FlushState::Pending(full));
    assert!(pair.link.write_plaintext(&[3; 200]).is_err());
    assert_eq!(pair.link.backlog_bytes(), full);
    pair.wire().write_cuts = vec![1_000];
    assert_eq!(pair.link.flush(), FlushState::Drained);
    assert_eq!(pair.received(), most);
}

// covers: V20
#[test]
fn what_the_peer_said_before_our_write_failed_is_still_read() {
    let mut pair = Pair::smooth();
    pair.server.writer().write_all(b"the last fill").unwrap();
    pair.exchange();
    pair.wire().write_error = Some(io::ErrorKind::BrokenPipe);
    pair.link.write_plaintext(b"order").unwrap();
    let end = LinkEnd::Socket(io::ErrorKind::BrokenPipe);
    assert_eq!(pair.link.flush(), FlushState::Ended(end));
    assert_eq!(
        pair.link.write_plaintext(b"next"),
        Err(WriteRefused::Ended(end))
    );
    assert_eq!(
        (pair.link.write_end(), pair.link.read_end()),
        (Some(end), None)
    );
    assert_eq!(pair.link.backlog_bytes(), 0);
    let mut space = [0; 64];
    assert_eq!(pair.link.read_plaintext(&mut space), ReadOutcome::Bytes(13));
    assert_eq!(&space[..13], b"the last fill");
}

#[test]
fn a_changed_byte_ends_the_link_after_what_was_sealed_before_it() {
    let mut pair = Pair::smooth();
    pair.server.writer().write_all(b"whole").unwrap();
    pair.exchange();
    let whole_bytes = pair.wire().to_client.len();
    pair.server.writer().write_all(b"changed").unwrap();
    pair.exchange();
    pair.wire().to_client[whole_bytes + 9] ^= 0x40;
    let mut space = [0; 64];
    assert_eq!(pair.link.read_plaintext(&mut space), ReadOutcome::Bytes(5));
    assert_eq!(&space[..5], b"whole");
    let end = LinkEnd::Tls(TlsFault::SealBroken);
    assert_eq!(
        pair.link.read_plaintext(&mut space),
        ReadOutcome::Ended(end)
    );
    assert_eq!(
        pair.link.read_plaintext(&mut space),
        ReadOutcome::Ended(end)
    );
    assert_eq!(
        pair.link.write_plaintext(b"order"),
        Err(WriteRefused::Ended(end))
    );
    assert!(
        !pair.wire().to_server.is_empty(),
        "the peer is told by an alert"
    );
}

#[test]
fn what_is_no_sealed_record_on_an_established_link_ends_it() {
    for (bytes, fault) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], TlsFault::NotTls),
        (&[0x17, 3, 3, 0, 4, 1, 2, 3, 4], TlsFault::SealBroken),
        // A change of ciphers has no place after the handshake.
        (&[0x14, 3, 3, 0, 1, 1], TlsFault::ProtocolBroken),
    ] {
        let mut pair = Pair::smooth();
        pair.wire().to_client.extend(bytes);
        let end = LinkEnd::Tls(fault);
        assert_eq!(
            pair.link.read_plaintext(&mut [0; 64]),
            ReadOutcome::Ended(end)
        );
    }
}

#[test]
fn a_fatal_alert_of_the_peer_ends_the_link() {
    let mut pair = Pair::smooth();
    pair.link.write_plaintext(b"order").unwrap();
    pair.link.flush();
    pair.wire().to_server[8] ^= 1;
    // The server finds the seal broken and says so.
    let stream = pair.stream.clone();
    let mut wire = stream.0.borrow_mut();
    pair.server.read_tls(&mut wire.to_server).unwrap();
    pair.server.process_new_packets().unwrap_err();
    pair.server.write_tls(&mut wire.to_client).unwrap();
    drop(wire);
    let end = LinkEnd::Tls(TlsFault::AlertReceived);
    assert_eq!(
        pair.link.read_plaintext(&mut [0; 64]),
        ReadOutcome::Ended(end)
    );
}

#[test]
fn key_updates_pass_unseen_and_a_flood_of_them_yields() {
    let mut pair = Pair::smooth();
    let mut space = [0; 64];
    pair.server.refresh_traffic_keys().unwrap();
    pair.server.writer().write_all(b"new key").unwrap();
    pair.exchange();
    // One read for each call, so that the flood is not swallowed at once.
    pair.wire().read_cuts = vec![1];
    let mut turns = 0;
    let bytes = loop {
        match pair.link.read_plaintext(&mut space) {
            ReadOutcome::Bytes(0) => turns += 1,
            ReadOutcome::Bytes(bytes) => break bytes,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(&space[..bytes], b"new key");
    assert!(turns > 1, "a call ends although more is there");
    pair.link.write_plaintext(b"answer").unwrap();
    assert_eq!(pair.link.flush(), FlushState::Drained);
    assert_eq!(pair.received(), b"answer");
}

#[test]
fn killing_discards_the_backlog_and_unread_plaintext() {
    let mut pair = Pair::smooth();
    pair.wire().write_cuts = vec![0];
    pair.link.write_plaintext(b"order").unwrap();
    pair.link.flush();
    pair.server.writer().write_all(b"late").unwrap();
    pair.exchange();
    pair.link.kill();
    assert!(pair.wire().is_cut);
    assert_eq!(pair.link.backlog_bytes(), 0);
    pair.wire().write_cuts = vec![100];
    assert_eq!(pair.link.flush(), FlushState::Ended(LinkEnd::Killed));
    assert_eq!(
        pair.link.read_plaintext(&mut [0; 9]),
        ReadOutcome::Ended(LinkEnd::Killed)
    );
    assert!(pair.wire().to_server.is_empty());
}

#[test]
fn closing_sends_what_is_left_then_the_notice_and_goes_on_reading() {
    let mut pair = Pair::smooth();
    pair.wire().write_cuts = vec![0, 7];
    pair.link.write_plaintext(b"last frame").unwrap();
    pair.link.close_sending();
    let closed = WriteRefused::Ended(LinkEnd::ClosedByUs);
    assert_eq!(pair.link.write_plaintext(b"more"), Err(closed));
    while let FlushState::Pending(_) = pair.link.flush() {}
    assert_eq!(pair.link.flush(), FlushState::Ended(LinkEnd::ClosedByUs));
    assert_eq!(pair.received(), b"last frame");
    assert_eq!(
        pair.server.reader().read(&mut [0]).unwrap(),
        0,
        "a clean end"
    );
    pair.server.writer().write_all(b"farewell").unwrap();
    pair.exchange();
    let mut space = [0; 64];
    assert_eq!(pair.link.read_plaintext(&mut space), ReadOutcome::Bytes(8));
    assert_eq!(pair.link.read_plaintext(&mut []), ReadOutcome::Bytes(0));
}
