//! Names to addresses, and connections that do not block.
//!
//! The name service of the system blocks for as long as it likes, so it is asked on a thread of its
//! own; whoever asked stops waiting at a deadline and ignores an answer that comes later.
//! Must not know: TLS. Threads: [`Resolver`] owns one; the rest runs on the connector's.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use mio::Waker;
use mio::net::TcpStream;

use crate::error::{ConnectErrorKind, SetupError};

/// Addresses of one name that are tried.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// Unsent bytes that the system may hold for one link, so that a cut leaves little behind and a
/// peer that does not read is noticed. The system doubles it for its own needs.
const SEND_BUFFER_BYTES: usize = 65_536;

/// The answer to one question: which attempt asked, and the addresses or the reason.
pub(crate) struct ResolvedName {
    pub(crate) ticket: u64,
    pub(crate) result: Result<Vec<SocketAddr>, SetupError>,
}

struct Question {
    ticket: u64,
    host: String,
    port: u16,
}

/// Asks the system's name service, one name after the other.
pub(crate) struct Resolver {
    questions: SyncSender<Question>,
    answers: Receiver<ResolvedName>,
}

impl Resolver {
    /// Starts the thread; it wakes `waker` at each answer and ends when the resolver is dropped,
    /// as soon as the name service lets it.
    pub(crate) fn start(waker: Arc<Waker>, capacity: usize) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<Question>(capacity);
        let (answered, answers) = sync_channel(capacity);
        thread::Builder::new()
            .name("millrun-resolve".into())
            .spawn(move || {
                while let Ok(Question { ticket, host, port }) = asked.recv() {
                    let result = look_up(&host, port);
                    if answered.send(ResolvedName { ticket, result }).is_err() {
                        return;
                    }
                    // A connector that is gone needs no waking.
                    let _ = waker.wake();
                }
            })?;
        Ok(Self { questions, answers })
    }

    /// Asks for the addresses of `host`. An address is its own answer and asks nobody.
    pub(crate) fn ask(&self, ticket: u64, host: &str, port: u16) -> Option<ResolvedName> {
        if let Ok(address) = host.parse::<IpAddr>() {
            let result = Ok(vec![SocketAddr::new(address, port)]);
            return Some(ResolvedName { ticket, result });
        }
        let question = Question {
            ticket,
            host: host.to_owned(),
            port,
        };
        let why = match self.questions.try_send(question) {
            Ok(()) => return None,
            Err(TrySendError::Full(_)) => "earlier look-ups are still unanswered",
            Err(TrySendError::Disconnected(_)) => "the resolver thread has ended",
        };
        Some(ResolvedName {
            ticket,
            result: Err(SetupError::new(ConnectErrorKind::NameNotResolved, why)),
        })
    }

    /// The next answer, if one is there.
    pub(crate) fn poll(&self) -> Option<ResolvedName> {
        self.answers.try_recv().ok()
    }
}

/// Begins a connection without waiting for it. Orders are small and late ones worthless, so
/// nothing waits to be sent together.
pub(crate) fn begin_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES)?;
    Ok(stream)
}

/// Whether a begun connection is there: `false` means not yet.
pub(crate) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Asks the name service; blocks.
fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, SetupError> {
    let unresolved = ConnectErrorKind::NameNotResolved;
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| SetupError::new(unresolved, error))?;
    let addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
    if addresses.is_empty() {
        return Err(SetupError::new(unresolved, "the name has no address"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
