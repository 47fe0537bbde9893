//! Whether the peer of an attachment still lives, seen from outside shared memory.
//!
//! Owns: the look at the attach socket. Invariant: a process that dies, however it dies, hangs up
//! its socket; nothing in shared memory is believed about it. Must not know: what follows from it.
//! Threads: any.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether the peer closed its end of `socket` or died. Does not wait; one system call.
///
/// # Errors
/// The system's error of `poll`.
pub fn peer_hung_up(socket: impl AsFd) -> io::Result<bool> {
    wait_for_hang_up(socket, Duration::ZERO)
}

/// Waits up to `timeout` for the peer to hang up, and says whether it did. Bytes that wait on the
/// socket do not end the wait. A signal may end it early with `false`.
///
/// # Errors
/// The system's error of `poll`.
pub fn wait_for_hang_up(socket: impl AsFd, timeout: Duration) -> io::Result<bool> {
    // POLLHUP and POLLERR come unasked.
    let mut watched = [PollFd::new(&socket, PollFlags::RDHUP)];
    let timeout = Timespec::try_from(timeout)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "timeout too long"))?;
    match poll(&mut watched, Some(&timeout)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    Ok(watched[0].revents().intersects(gone))
}
