//! Messages with file descriptors over a Unix stream socket, and who is at its other end.
//!
//! Owns: the frame (a 4-byte little-endian length, then that many bytes), `SCM_RIGHTS`, and the
//! peer's credentials as the kernel recorded them at connect. Invariants: lengths and counts are
//! bounded before anything is read; every descriptor that arrives is closed unless it is returned;
//! none leaks into a child process. Must not know: what a message says.
//! Threads: cold side only; sockets must be blocking (a receive timeout may be set and ends the
//! connection's use, for a frame may be half read).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Most descriptors in one message.
pub const FDS_MAX: usize = 3;
/// Most bytes in one message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

const LENGTH_BYTES: usize = 4;

/// Why a message was not sent or received. The connection is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FdPassingError {
    /// The peer closed the connection between two messages.
    #[error("the peer closed the connection")]
    Disconnected,
    /// The peer closed the connection inside a message.
    #[error("the peer closed the connection after {found} of {expected} bytes")]
    EndedInsideMessage {
        /// Bytes that this part of the message has.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// The message is longer than the limit or than the buffer.
    #[error("message has {found} bytes, limit {limit}")]
    MessageTooLong {
        /// What fits.
        limit: usize,
        /// What was asked or announced.
        found: usize,
    },
    /// More descriptors than a message may carry, or some in a place where none belong.
    #[error("message carries {found} descriptors or more, limit {limit}")]
    TooManyFds {
        /// What fits.
        limit: usize,
        /// What was asked or came; the kernel may have dropped more.
        found: usize,
    },
    /// The peer runs as another user.
    #[error("peer has uid {found}, expected {expected}")]
    UidRefused {
        /// The one user that may connect.
        expected: u32,
        /// The peer's user.
        found: u32,
    },
    /// A system call failed; also a receive timeout.
    #[error("{call}: {source}")]
    System {
        /// The call.
        call: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// A message that came.
#[derive(Debug)]
pub struct Received {
    /// Bytes of the message, at the start of the buffer.
    pub message_bytes: usize,
    /// Its descriptors, in the order they were sent, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// The process at the other end, as the kernel recorded it when the connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Process id; to show, never to trust (ids are used again).
    pub pid: i32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// Sends one message with its descriptors, which stay ours.
///
/// # Errors
/// [`FdPassingError`]; a limit is checked before the first byte goes out.
pub fn send_message(
    socket: impl AsFd,
    message: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), FdPassingError> {
    if message.len() > MESSAGE_BYTES_MAX {
        let (limit, found) = (MESSAGE_BYTES_MAX, message.len());
        return Err(FdPassingError::MessageTooLong { limit, found });
    }
    if fds.len() > FDS_MAX {
        return Err(FdPassingError::TooManyFds {
            limit: FDS_MAX,
            found: fds.len(),
        });
    }
    let length = (message.len() as u32).to_le_bytes();
    let mut frame = Vec::with_capacity(LENGTH_BYTES + message.len());
    frame.extend_from_slice(&length);
    frame.extend_from_slice(message);
    let mut sent = 0;
    while sent < frame.len() {
        // Descriptors ride on the first byte.
        let riding = if sent == 0 { fds } else { &[] };
        sent += send_part(socket.as_fd(), &frame[sent..], riding)?;
    }
    Ok(())
}

/// Receives one message into `buffer`. Waits for it.
///
/// # Errors
/// [`FdPassingError`]; descriptors that came with a refused message are closed.
pub fn receive_message(socket: impl AsFd, buffer: &mut [u8]) -> Result<Received, FdPassingError> {
    let socket = socket.as_fd();
    let mut fds = Vec::new();
    let mut length = [0; LENGTH_BYTES];
    let count = receive_all(socket, &mut length, &mut fds)?;
    if count == 0 {
        return Err(FdPassingError::Disconnected);
    }
    ended_inside(LENGTH_BYTES, count)?;
    let message_bytes = u32::from_le_bytes(length) as usize;
    let limit = MESSAGE_BYTES_MAX.min(buffer.len());
    if message_bytes > limit {
        return Err(FdPassingError::MessageTooLong {
            limit,
            found: message_bytes,
        });
    }
    let mut strays = Vec::new();
    let count = receive_all(socket, &mut buffer[..message_bytes], &mut strays)?;
    ended_inside(message_bytes, count)?;
    if !strays.is_empty() {
        return Err(FdPassingError::TooManyFds {
            limit: 0,
            found: strays.len(),
        });
    }
    Ok(Received { message_bytes, fds })
}

/// Who is at the other end of a connected Unix socket.
///
/// # Errors
/// [`FdPassingError::System`].
pub fn peer_credentials(socket: impl AsFd) -> Result<PeerCredentials, FdPassingError> {
    let peer = rustix::net::sockopt::socket_peercred(socket)
        .map_err(|error| system("getsockopt SO_PEERCRED", error))?;
    Ok(PeerCredentials {
        pid: peer.pid.as_raw_nonzero().get(),
        uid: peer.uid.as_raw(),
        gid: peer.gid.as_raw(),
    })
}

/// Lets only a peer of user `allowed_uid` through.
///
/// # Errors
/// [`FdPassingError::UidRefused`] or [`FdPassingError::System`].
pub fn check_peer_uid(
    socket: impl AsFd,
    allowed_uid: u32,
) -> Result<PeerCredentials, FdPassingError> {
    let peer = peer_credentials(socket)?;
    if peer.uid != allowed_uid {
        return Err(FdPassingError::UidRefused {
            expected: allowed_uid,
            found: peer.uid,
        });
    }
    Ok(peer)
}

fn send_part(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, FdPassingError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(
            control.push(SendAncillaryMessage::ScmRights(fds)),
            "space is for FDS_MAX"
        );
    }
    let parts = [IoSlice::new(bytes)];
    rustix::io::retry_on_intr(|| sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL))
        .map_err(|error| system("sendmsg", error))
}

/// Fills `bytes` unless the peer closes before; gives the count and appends descriptors.
fn receive_all(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Result<usize, FdPassingError> {
    let mut filled = 0;
    while filled < bytes.len() {
        let count = receive_part(socket, &mut bytes[filled..], fds)?;
        if count == 0 {
            break;
        }
        filled += count;
    }
    Ok(filled)
}

fn receive_part(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Result<usize, FdPassingError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let outcome = rustix::io::retry_on_intr(|| {
        let mut parts = [IoSliceMut::new(bytes)];
        recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })
    .map_err(|error| system("recvmsg", error))?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(arrived) = message {
            fds.extend(arrived);
        }
    }
    // The space is rounded up, so one descriptor more than allowed may arrive uncut.
    if fds.len() > FDS_MAX || outcome.flags.contains(ReturnFlags::CTRUNC) {
        return Err(FdPassingError::TooManyFds {
            limit: FDS_MAX,
            found: fds.len(),
        });
    }
    Ok(outcome.bytes)
}

fn ended_inside(expected: usize, found: usize) -> Result<(), FdPassingError> {
    if found < expected {
        return Err(FdPassingError::EndedInsideMessage { expected, found });
    }
    Ok(())
}

fn system(call: &'static str, error: rustix::io::Errno) -> FdPassingError {
    FdPassingError::System {
        call,
        source: error.into(),
    }
}
