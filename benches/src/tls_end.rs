//! The venue's end of a TLS link, in memory: what the engine's real `Link` seals goes nowhere, and
//! what it opens was sealed here.
//!
//! Owns the handshake, done once with the client settings of the daemon and a certificate of its
//! own. Invariant: without a loopback socket there is no system call and no second thread, so that
//! TLS is all that is measured. Must not know: frames, stages. One thread.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use transport::link::{ByteStream, Link};
use transport::tls::{TrustRoots, client_config};

/// Whom the certificate names.
const NAME: &str = "venue.test";
/// Flights of a handshake, generously.
const FLIGHTS_MAX: u32 = 16;

/// What lies between both ends.
#[derive(Debug, Default)]
struct Wire {
    /// From the venue, not yet read.
    incoming: Vec<u8>,
    read_bytes: usize,
    sent_bytes: u64,
    writes: u64,
}

/// The client's socket: reads what the venue sealed, and takes everything that is written, or
/// hands it to a real socket of this machine.
pub(crate) struct Socket {
    wire: Rc<RefCell<Wire>>,
    loopback: Option<TcpStream>,
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.wire.borrow_mut();
        let unread = &wire.incoming[wire.read_bytes..];
        if unread.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = unread.len().min(space.len());
        space[..count].copy_from_slice(&unread[..count]);
        wire.read_bytes += count;
        if wire.read_bytes == wire.incoming.len() {
            wire.incoming.clear();
            wire.read_bytes = 0;
        }
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match &mut self.loopback {
            Some(socket) => socket.write(bytes)?,
            None => bytes.len(),
        };
        let mut wire = self.wire.borrow_mut();
        wire.sent_bytes += taken as u64;
        wire.writes += 1;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ByteStream for Socket {
    fn cut(&mut self) {}
}

/// A link that is up, and its other end.
pub(crate) struct TlsEnd {
    /// The engine's side.
    pub(crate) link: Link<Socket>,
    server: ServerConnection,
    wire: Rc<RefCell<Wire>>,
}

impl TlsEnd {
    /// Makes a certificate below `directory` and shakes hands in memory; what the link sends after
    /// that goes to `loopback`, if there is one.
    ///
    /// # Errors
    /// What rustls refuses.
    pub(crate) fn connect(directory: &Path, loopback: Option<TcpStream>) -> Result<Self> {
        let (client, server) = handshake(directory)?;
        let wire = Rc::new(RefCell::new(Wire {
            incoming: Vec::with_capacity(64 * 1024),
            ..Wire::default()
        }));
        Ok(Self {
            link: Link::new(
                Socket {
                    wire: Rc::clone(&wire),
                    loopback,
                },
                client,
            ),
            server,
            wire,
        })
    }

    /// Seals plaintext of the venue: the link's next read gives it.
    ///
    /// # Errors
    /// What rustls refuses.
    pub(crate) fn say(&mut self, plaintext: &[u8]) -> Result<()> {
        self.server.writer().write_all(plaintext)?;
        while self.server.wants_write() {
            self.server
                .write_tls(&mut self.wire.borrow_mut().incoming)?;
        }
        Ok(())
    }

    /// Bytes and writes that the socket took.
    #[cfg(test)]
    pub(crate) fn sent(&self) -> (u64, u64) {
        let wire = self.wire.borrow();
        (wire.sent_bytes, wire.writes)
    }
}

/// Both ends of an established session, with nothing left to say.
///
/// # Errors
/// What rustls refuses.
fn handshake(directory: &Path) -> Result<(ClientConnection, ServerConnection)> {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    let roots = directory.join("venue.pem");
    std::fs::write(&roots, made.cert.pem())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let key = key.ok().context("a generated key is one")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.send_tls13_tickets = 0;
    let client = client_config(&TrustRoots::PemFile(roots)).context("client settings")?;
    let mut client = ClientConnection::new(client, ServerName::try_from(NAME)?)?;
    let mut server = ServerConnection::new(Arc::new(config))?;
    for _ in 0..FLIGHTS_MAX {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight)?;
        }
        let mut unread = flight.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread)?;
            server.process_new_packets()?;
        }
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight)?;
        }
        let mut unread = flight.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread)?;
            client.process_new_packets()?;
        }
        if !client.is_handshaking() && !server.is_handshaking() && !client.wants_write() {
            return Ok((client, server));
        }
    }
    bail!("the handshake did not end")
}

/// A socket of this machine whose other end, on a thread that runs where the caller is pinned,
/// reads and forgets until the socket is gone.
///
/// # Errors
/// Those of the system.
pub(crate) fn swallowing_socket() -> Result<TcpStream> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let socket = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (mut peer, _) = listener.accept()?;
    thread::Builder::new()
        .name("bench-peer".into())
        .spawn(move || {
            let mut space = vec![0; 256 * 1024];
            while matches!(peer.read(&mut space), Ok(count) if count > 0) {}
        })?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transport::link::{FlushState, ReadOutcome};

    #[test]
    fn what_is_said_at_one_end_is_read_at_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let mut end = TlsEnd::connect(directory.path(), None).unwrap();
        end.say(b"from the venue").unwrap();
        let mut space = [0; 64];
        let outcome = end.link.read_plaintext(&mut space);
        assert_eq!(outcome, ReadOutcome::Bytes(14));
        assert_eq!(&space[..14], b"from the venue");
        assert_eq!(end.link.read_plaintext(&mut space), ReadOutcome::WouldBlock);
        end.link.write_plaintext(b"to the venue").unwrap();
        assert_eq!(end.link.flush(), FlushState::Drained);
        let (bytes, writes) = end.sent();
        assert!(bytes > 12 && writes == 1, "{bytes} {writes}");
    }
}
