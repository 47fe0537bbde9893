//! Bytes over real sockets: exact, bounded, cut when told.

use std::io::{Read, Write};
use std::sync::mpsc::channel;

use millrun_transport::error::{LinkEnd, WriteRefused};
use millrun_transport::link::{CIPHERTEXT_BACKLOG_BYTES, FlushState, ReadOutcome};

use crate::test_authority::{Authority, Leaf};
use crate::venue_server::{HotSide, Session, VenueServer, accept_upgrade, endpoint, order};

/// Bytes that tell their place.
fn numbered(from: usize, count: usize) -> Vec<u8> {
    (from..from + count)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// Writes numbered frames until the link takes no more; gives how many bytes it took.
fn fill(session: &mut Session) -> usize {
    let mut taken = 0;
    loop {
        let frame = numbered(taken, 3_000);
        match session.link.write_plaintext(&frame) {
            Ok(()) => taken += frame.len(),
            Err(WriteRefused::BacklogFull {
                needed_bytes,
                free_bytes,
            }) => {
                assert!(needed_bytes > free_bytes);
                if let FlushState::Pending(bytes) = session.link.flush()
                    && session.link.plaintext_room_bytes() < frame.len()
                {
                    assert!(bytes <= CIPHERTEXT_BACKLOG_BYTES);
                    return taken;
                }
            }
            Err(ended) => panic!("{ended}"),
        }
        assert!(session.link.backlog_bytes() <= CIPHERTEXT_BACKLOG_BYTES);
    }
}

// covers: V20
#[test]
fn a_peer_that_stops_reading_meets_the_bound_and_later_gets_every_byte() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let (start_reading, may_read) = channel::<usize>();
    let server = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        let mut bytes = vec![0; may_read.recv().unwrap()];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    });
    let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
    let taken = fill(&mut session);
    assert!(session.link.backlog_bytes() > 0);
    let sealed_bytes = session.link.sealed_bytes();
    assert!(!session.link.has_sent(sealed_bytes));
    // A refused frame left no trace: what follows it is the next byte.
    start_reading.send(taken + 3_000).unwrap();
    session.drain();
    assert_eq!(session.link.backlog_bytes(), 0);
    assert!(session.link.has_sent(sealed_bytes));
    session.send(&numbered(taken, 3_000));
    assert!(session.link.sealed_bytes() > sealed_bytes + 3_000);
    let received = server.join();
    assert!(received == numbered(0, taken + 3_000), "content differs");
}

#[test]
fn a_killed_link_sends_nothing_more_and_resets_the_peer() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let (start_reading, may_read) = channel::<()>();
    let server = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        may_read.recv().unwrap();
        let mut bytes = Vec::new();
        let error = stream.read_to_end(&mut bytes).unwrap_err();
        (bytes, error.kind())
    });
    let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
    let taken = fill(&mut session);
    session.link.kill();
    assert_eq!(session.link.backlog_bytes(), 0);
    let ended = WriteRefused::Ended(LinkEnd::Killed);
    assert_eq!(session.link.write_plaintext(b"late order"), Err(ended));
    assert_eq!(session.link.flush(), FlushState::Ended(LinkEnd::Killed));
    assert_eq!(
        session.link.read_plaintext(&mut [0; 8]),
        ReadOutcome::Ended(LinkEnd::Killed)
    );
    start_reading.send(()).unwrap();
    let (received, error) = server.join();
    assert_eq!(error, std::io::ErrorKind::ConnectionReset);
    assert!(received.len() < taken, "the backlog is not delivered");
    assert!(
        received == numbered(0, received.len()),
        "what arrived is a prefix"
    );
}

#[test]
fn unsent_bytes_die_with_their_link_and_never_appear_on_the_next() {
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let first_config = config.clone();
    let (hang_up, may_hang_up) = channel::<()>();
    let first = VenueServer::start(move |socket| {
        let _stream = accept_upgrade(socket, first_config);
        may_hang_up.recv().unwrap();
    });
    let mut session = HotSide::new().open(order(1, endpoint(&authority, first.port)));
    fill(&mut session);
    hang_up.send(()).unwrap();
    first.join();
    let end = loop {
        match session.link.flush() {
            FlushState::Ended(end) => break end,
            FlushState::Pending(_) => session.hot.wait(),
            FlushState::Drained => panic!("nobody read it"),
        }
    };
    assert!(matches!(end, LinkEnd::Socket(_)), "{end}");
    assert_eq!(session.link.backlog_bytes(), 0);

    let second = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut hot = session.hot;
    hot.poll.remove_link(&mut session.link).unwrap();
    assert!(hot.connector.retire(session.link));
    let mut session = hot.open(order(1, endpoint(&authority, second.port)));
    session.send(b"new link");
    session.link.close_sending();
    assert_eq!(session.link.flush(), FlushState::Ended(LinkEnd::ClosedByUs));
    drop(session);
    assert_eq!(second.join(), b"new link");
}

// covers: V20
#[test]
fn both_directions_carry_megabytes_at_once_without_loss() {
    const TOTAL: usize = 2 << 20;
    let authority = Authority::new();
    let config = authority.server(Leaf::default());
    let server = VenueServer::start(move |socket| {
        let mut stream = accept_upgrade(socket, config);
        let (mut space, mut echoed) = (vec![0; 50_000], 0);
        while echoed < TOTAL {
            let bytes = stream.read(&mut space).unwrap();
            stream.write_all(&space[..bytes]).unwrap();
            echoed += bytes;
        }
    });
    let mut session = HotSide::new().open(order(1, endpoint(&authority, server.port)));
    let (mut written, mut received, mut space) = (0, Vec::<u8>::new(), vec![0; 30_000]);
    while received.len() < TOTAL {
        let mut is_idle = true;
        let wanted = session
            .link
            .plaintext_room_bytes()
            .min(TOTAL - written)
            .min(20_000);
        if wanted > 0 {
            session
                .link
                .write_plaintext(&numbered(written, wanted))
                .unwrap();
            written += wanted;
            is_idle = false;
        }
        session.link.flush();
        match session.link.read_plaintext(&mut space) {
            ReadOutcome::Bytes(bytes) => received.extend(&space[..bytes]),
            ReadOutcome::WouldBlock if is_idle => session.hot.wait(),
            ReadOutcome::WouldBlock => {}
            ReadOutcome::Ended(end) => panic!("{end}"),
        }
    }
    assert!(received == numbered(0, TOTAL), "content differs");
    server.join();
}
