//! Clients that lie, dawdle or send rubbish: each is sent away alone, and the service goes on.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use cold::attach::AttachNotice;
use millrun_client::{Client, RefusalCode, Remedy, Resume};
use model::attach_message::{
    ATTACH_PROTOCOL_VERSION, AttachReply, AttachRequest, MESSAGE_BYTES_MAX,
};
use model::{CanonicalBytes, RequestId, Text};
use rings::fd_passing::{Received, receive_message, send_message};

use crate::engine_stand_in::{EngineStandIn, PATIENCE};
use crate::{data, refusal};

fn request() -> AttachRequest {
    AttachRequest {
        protocol_version: ATTACH_PROTOCOL_VERSION,
        strategy: Text::new(b"grid").unwrap(),
        last_event_seq: Some(0),
        last_request_id: RequestId(0),
    }
}

fn bytes_of(request: &AttachRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.put(&mut bytes);
    bytes
}

fn connect(engine: &EngineStandIn) -> UnixStream {
    let socket = UnixStream::connect(&engine.socket_path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn reply(socket: &UnixStream) -> (AttachReply, Received) {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let received = receive_message(socket, &mut buffer).unwrap();
    let reply = AttachReply::from_message(&buffer[..received.message_bytes]).unwrap();
    (reply, received)
}

/// Says `bytes` in one message and gives the code of the refusal that must follow.
fn refused(engine: &EngineStandIn, bytes: &[u8]) -> RefusalCode {
    let mut socket = connect(engine);
    send_message(&socket, bytes, &[]).unwrap();
    let (AttachReply::Refused { code, .. }, _) = reply(&socket) else {
        panic!("not refused")
    };
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "and hung up on");
    code
}

fn works(engine: &EngineStandIn) {
    let attached = Client::attach(&engine.socket_path, "grid", Resume::FROM_NOW);
    assert!(attached.unwrap().resync.gaps.is_empty());
}

// covers: S19
#[test]
fn process_of_another_user_and_unknown_strategy_are_refused() {
    let data = data();
    let engine = EngineStandIn::start_with(data.path(), |settings| {
        settings.strategies[1].allowed_uid += 1;
    });
    let not_authorised = (RefusalCode::NotAuthorised, Remedy::Fix);
    assert_eq!(refusal(&engine, "second"), not_authorised);
    let unknown = (RefusalCode::UnknownStrategy, Remedy::Fix);
    assert_eq!(refusal(&engine, "third"), unknown);
    assert_eq!(engine.attached(), 0);
    works(&engine);
}

// covers: R04
#[test]
fn bytes_that_are_no_request_are_refused_and_every_cut_or_flip_is_survived() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let good = bytes_of(&request());
    assert_eq!(refused(&engine, b""), RefusalCode::BadMessage);
    for cut in 2..good.len() {
        assert_eq!(refused(&engine, &good[..cut]), RefusalCode::BadMessage);
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(refused(&engine, &long), RefusalCode::BadMessage);
    let mut newer = request();
    newer.protocol_version += 1;
    let code = refused(&engine, &bytes_of(&newer));
    assert_eq!(code, RefusalCode::UnsupportedVersion);
    // Flips in version, name and the flag of the option; those in numbers may be valid requests.
    for byte in 0..=7 {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[byte] ^= 1 << bit;
            let code = refused(&engine, &flipped);
            let expected = [
                RefusalCode::BadMessage,
                RefusalCode::UnknownStrategy,
                RefusalCode::UnsupportedVersion,
            ];
            assert!(expected.contains(&code), "byte {byte} bit {bit}: {code}");
        }
    }
    assert_eq!(engine.attached(), 0);
    works(&engine);
}

#[test]
fn a_length_beyond_the_bound_and_descriptors_in_a_request_are_refused() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    for length in [65_u32, 65_537, u32::MAX] {
        let mut socket = connect(&engine);
        socket.write_all(&length.to_le_bytes()).unwrap();
        let (reply, _) = reply(&socket);
        let AttachReply::Refused { code, .. } = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(code, RefusalCode::BadMessage, "length {length}");
    }
    let socket = connect(&engine);
    send_message(&socket, &bytes_of(&request()), &[socket.as_fd()]).unwrap();
    let (reply, _) = reply(&socket);
    assert!(matches!(
        reply,
        AttachReply::Refused {
            code: RefusalCode::BadMessage,
            ..
        }
    ));
    works(&engine);
}

#[test]
fn silent_and_dripping_clients_are_hung_up_on_and_hold_up_nobody() {
    let data = data();
    let timeout = Duration::from_millis(300);
    let engine = EngineStandIn::start_with(data.path(), |settings| {
        settings.request_timeout = timeout;
    });
    let began = Instant::now();
    let mut silent: Vec<UnixStream> = (0..3).map(|_| connect(&engine)).collect();
    let mut dripping = connect(&engine);
    works(&engine);
    assert!(began.elapsed() < timeout, "a silent client held another up");
    let length = (bytes_of(&request()).len() as u32).to_le_bytes();
    dripping.write_all(&length).unwrap();
    // One byte each time that the service may have waited; the whole is what is timed.
    let dripped = bytes_of(&request()).into_iter().take_while(|byte| {
        let ended =
            rings::shared_memory::liveness::wait_for_hang_up(&dripping, Duration::from_millis(40));
        !ended.unwrap() && (&dripping).write_all(&[*byte]).is_ok()
    });
    assert!(dripped.count() < bytes_of(&request()).len());
    for socket in &mut silent {
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(engine.attached(), 1);
    works(&engine);
}

#[test]
fn more_clients_than_the_bound_are_hung_up_on_at_once() {
    let data = data();
    let engine = EngineStandIn::start_with(data.path(), |settings| {
        settings.request_timeout = PATIENCE;
    });
    let waiting: Vec<UnixStream> = (0..16).map(|_| connect(&engine)).collect();
    let mut one_too_many = connect(&engine);
    assert_eq!(one_too_many.read(&mut [0]).unwrap(), 0);
    drop(waiting);
    for _ in 0..16 {
        engine.wait_for_notice(|notice| matches!(notice, AttachNotice::Abandoned { .. }));
    }
}

#[test]
fn client_that_dies_in_the_middle_leaves_its_place_to_the_next() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    for round in 0..20 {
        let socket = connect(&engine);
        send_message(&socket, &bytes_of(&request()), &[]).unwrap();
        if round % 2 == 0 {
            let (reply, _) = reply(&socket);
            assert!(matches!(reply, AttachReply::Accepted(_)));
        }
        // As a death does it: a child that another test is starting may hold a copy of the socket.
        socket.shutdown(std::net::Shutdown::Both).unwrap();
        // A predecessor that is dead is waited for, whatever it was doing.
        works(&engine);
    }
}

// covers: R05
#[test]
fn files_of_an_attachment_can_be_neither_shrunk_nor_grown_by_the_client() {
    let data = data();
    let engine = EngineStandIn::start(data.path());
    let socket = connect(&engine);
    send_message(&socket, &bytes_of(&request()), &[]).unwrap();
    let (accepted, received) = reply(&socket);
    assert!(matches!(accepted, AttachReply::Accepted(_)));
    assert_eq!(received.fds.len(), 3);
    for file in &received.fds[..2] {
        for bytes in [0, 4_096, 1 << 30] {
            let outcome = rustix::fs::ftruncate(file, bytes);
            assert_eq!(outcome, Err(rustix::io::Errno::PERM));
        }
    }
}
