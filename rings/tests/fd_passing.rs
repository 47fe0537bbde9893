//! Messages with descriptors over real sockets, the unhappy ways first; and peers that hang up.
#![cfg(not(loom))]

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use millrun_rings::fd_passing::{
    FDS_MAX, FdPassingError, MESSAGE_BYTES_MAX, check_peer_uid, peer_credentials, receive_message,
    send_message,
};
use millrun_rings::shared_memory::liveness::{peer_hung_up, wait_for_hang_up};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

fn sockets() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("socket pair")
}

fn pipe() -> (File, File) {
    let (reader, writer) = io::pipe().expect("pipe");
    (
        File::from(OwnedFd::from(reader)),
        File::from(OwnedFd::from(writer)),
    )
}

/// Sends bytes with descriptors as a hostile peer would: no limit, no frame.
fn send_raw(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    let sent = sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    );
    assert_eq!(sent, Ok(bytes.len()));
}

#[test]
fn message_arrives_with_its_descriptors_in_order_and_close_on_exec() {
    let (left, right) = sockets();
    let pipes = [pipe(), pipe(), pipe()];
    let writers = [pipes[0].1.as_fd(), pipes[1].1.as_fd(), pipes[2].1.as_fd()];
    send_message(&left, b"attach", &writers).expect("sent");
    send_message(&left, b"", &[]).expect("sent");

    let mut buffer = [0; 64];
    let received = receive_message(&right, &mut buffer).expect("received");
    assert_eq!(&buffer[..received.message_bytes], b"attach");
    assert_eq!(received.fds.len(), FDS_MAX);
    for (index, fd) in received.fds.into_iter().enumerate() {
        let flags = rustix::io::fcntl_getfd(&fd).expect("flags");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        File::from(fd)
            .write_all(&[index as u8])
            .expect("pipe is open");
    }
    for (index, (mut reader, _writer)) in pipes.into_iter().enumerate() {
        let mut byte = [0xff];
        reader.read_exact(&mut byte).expect("a byte came");
        assert_eq!(byte, [index as u8]);
    }
    let empty = receive_message(&right, &mut buffer).expect("received");
    assert_eq!((empty.message_bytes, empty.fds.len()), (0, 0));
}

#[test]
fn longest_message_passes_through_small_socket_buffers() {
    let (left, right) = sockets();
    let message: Vec<u8> = (0..MESSAGE_BYTES_MAX)
        .map(|index| (index % 251) as u8)
        .collect();
    let expected = message.clone();
    let (_reader, writer) = pipe();
    let sender = thread::spawn(move || {
        for _ in 0..20 {
            send_message(&left, &message, &[writer.as_fd()]).expect("sent");
        }
    });
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    for _ in 0..20 {
        let received = receive_message(&right, &mut buffer).expect("received");
        assert_eq!(
            (received.message_bytes, received.fds.len()),
            (MESSAGE_BYTES_MAX, 1)
        );
        assert_eq!(buffer, expected);
    }
    sender.join().expect("sender ends");
}

#[test]
fn limits_hold_before_anything_is_sent() {
    let (left, right) = sockets();
    let long = vec![0; MESSAGE_BYTES_MAX + 1];
    let refused = send_message(&left, &long, &[]);
    assert!(matches!(
        refused,
        Err(FdPassingError::MessageTooLong { limit: MESSAGE_BYTES_MAX, found })
            if found == MESSAGE_BYTES_MAX + 1
    ));
    let fds = [left.as_fd(); FDS_MAX + 1];
    let refused = send_message(&left, b"x", &fds);
    assert!(matches!(
        refused,
        Err(FdPassingError::TooManyFds {
            limit: FDS_MAX,
            found: 4
        })
    ));
    drop(left);
    let nothing = receive_message(&right, &mut [0; 8]);
    assert!(matches!(nothing, Err(FdPassingError::Disconnected)));
}

#[test]
fn announced_length_over_the_buffer_or_the_limit_is_refused() {
    for (announced, limit) in [(65_u32, 64_usize), (u32::MAX, 64), (1 << 20, 1 << 18)] {
        let (mut left, right) = sockets();
        left.write_all(&announced.to_le_bytes()).expect("sent");
        let mut buffer = vec![0; limit];
        let refused = receive_message(&right, &mut buffer);
        let Err(FdPassingError::MessageTooLong {
            limit: found_limit,
            found,
        }) = refused
        else {
            panic!("length {announced} was taken");
        };
        assert_eq!(found, announced as usize);
        assert_eq!(found_limit, limit.min(MESSAGE_BYTES_MAX));
    }
}

#[test]
fn connection_that_ends_inside_a_message_says_where() {
    for (bytes, expected, found) in [(&[5_u8, 0][..], 4, 2), (&[5, 0, 0, 0, 1, 2][..], 5, 2)] {
        let (mut left, right) = sockets();
        left.write_all(bytes).expect("sent");
        drop(left);
        let Err(FdPassingError::EndedInsideMessage {
            expected: e,
            found: f,
        }) = receive_message(&right, &mut [0; 16])
        else {
            panic!("half a message was taken");
        };
        assert_eq!((e, f), (expected, found));
    }
}

#[test]
fn surplus_and_stray_descriptors_are_refused_and_closed() {
    // (frame sent without descriptors before, bytes that carry them, how many)
    let cases: [(&[u8], &[u8], usize); 4] = [
        (b"", b"\x01\0\0\0x", 4),
        (b"", b"\x01\0\0\0x", 30),
        (b"\x01\0\0\0", b"x", 1),
        (b"\x02\0\0\0", b"xy", 12),
    ];
    for (before, with_fds, count) in cases {
        let (mut left, right) = sockets();
        let (mut reader, writer) = pipe();
        left.write_all(before).expect("sent");
        send_raw(&left, with_fds, &vec![writer.as_fd(); count]);
        let refused = receive_message(&right, &mut [0; 16]);
        assert!(
            matches!(refused, Err(FdPassingError::TooManyFds { .. })),
            "{count}"
        );
        drop(writer);
        // End of file comes only when every copy of the writing end is closed.
        let mut rest = Vec::new();
        assert_eq!(reader.read_to_end(&mut rest).expect("end of file"), 0);
    }
}

#[test]
fn receive_timeout_is_a_system_error_and_not_a_wait() {
    let (_left, right) = sockets();
    right
        .set_read_timeout(Some(Duration::from_millis(10)))
        .expect("timeout");
    let outcome = receive_message(&right, &mut [0; 8]);
    let Err(FdPassingError::System {
        call: "recvmsg",
        source,
    }) = outcome
    else {
        panic!("nothing was sent");
    };
    assert_eq!(source.kind(), io::ErrorKind::WouldBlock);
}

// covers: S19
#[test]
fn only_a_peer_of_the_allowed_user_passes() {
    let (left, _right) = sockets();
    let uid = rustix::process::geteuid().as_raw();
    let peer = check_peer_uid(&left, uid).expect("it is us");
    assert_eq!(peer.uid, uid);
    assert_eq!(peer.pid, std::process::id() as i32);
    assert_eq!(peer_credentials(&left).expect("credentials"), peer);

    let refused = check_peer_uid(&left, uid + 1);
    let Err(FdPassingError::UidRefused { expected, found }) = refused else {
        panic!("another user was let in");
    };
    assert_eq!((expected, found), (uid + 1, uid));
}

#[test]
fn hang_up_is_seen_also_behind_unread_bytes() {
    let (left, mut right) = sockets();
    assert!(!peer_hung_up(&left).expect("poll"));
    right.write_all(b"unread").expect("sent");
    assert!(!peer_hung_up(&left).expect("poll"), "bytes are no hang-up");
    assert!(!wait_for_hang_up(&left, Duration::from_millis(5)).expect("poll"));
    drop(right);
    assert!(peer_hung_up(&left).expect("poll"));
}

#[test]
fn wait_for_hang_up_ends_with_the_peer_and_not_with_the_timeout() {
    let (left, right) = sockets();
    let begun = Instant::now();
    let waiter = thread::spawn(move || wait_for_hang_up(&left, Duration::from_secs(60)));
    drop(right);
    assert!(waiter.join().expect("no panic").expect("poll"));
    assert!(begun.elapsed() < Duration::from_secs(30));
}
