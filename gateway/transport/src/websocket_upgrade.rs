//! The WebSocket upgrade: one request, one answer, and what came behind the answer.
//!
//! tungstenite writes the request and judges the answer. It is given the answer's head alone, so
//! the bytes behind the head, frames that the server sent at once, stay ours. No extension is
//! offered, none is accepted; redirects are not followed.
//! Invariants: at most [`MAX_HEAD_BYTES`] are kept, whatever tungstenite's own limits are.
//! Must not know: sockets, TLS, frames. Threads: the connector's.

use std::fmt;
use std::io::{self, Read, Write};

use tungstenite::client::IntoClientRequest;
use tungstenite::error::{Error, ProtocolError};
use tungstenite::handshake::client::{ClientHandshake, Response};
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::HeaderValue;
use tungstenite::http::header::{RETRY_AFTER, SEC_WEBSOCKET_EXTENSIONS, USER_AGENT};

use crate::error::{ConnectErrorKind, SetupError};

/// Longest head of an answer in bytes.
pub const MAX_HEAD_BYTES: usize = 8_192;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// What received bytes led to.
#[derive(Debug, PartialEq, Eq)]
pub enum UpgradeProgress {
    /// The head is not complete.
    NeedMore,
    /// The connection is a WebSocket now; these bytes came behind the head.
    Done {
        /// The first bytes of the server's frames; may be empty.
        early: Vec<u8>,
    },
}

/// An upgrade that waits for its answer.
pub struct Upgrade {
    /// Taken when the answer's head is complete.
    machine: Option<MidHandshake<ClientHandshake<HeadStream>>>,
    head: Vec<u8>,
}

impl Upgrade {
    /// Makes the request for `wss://host:port{path}`; gives it in plaintext beside the upgrade.
    ///
    /// # Errors
    /// When host, port and path make no request.
    pub fn begin(host: &str, port: u16, path: &str) -> Result<(Self, Vec<u8>), SetupError> {
        let invalid =
            |why: &dyn fmt::Display| SetupError::new(ConnectErrorKind::UpgradeRequestInvalid, why);
        if !path.starts_with('/') || host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(invalid(&format_args!("host {host:?}, path {path:?}")));
        }
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let authority = if port == 443 {
            host
        } else {
            format!("{host}:{port}")
        };
        let mut request = format!("wss://{authority}{path}")
            .into_client_request()
            .map_err(|error| invalid(&error))?;
        let agent = concat!("millrun/", env!("CARGO_PKG_VERSION"));
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(agent));
        let handshake = ClientHandshake::start(HeadStream::default(), request, None)
            .map_err(|error| invalid(&error))?;
        match handshake.handshake() {
            Err(HandshakeError::Interrupted(mut machine)) => {
                let request = std::mem::take(&mut machine.get_mut().get_mut().outgoing);
                Ok((
                    Self {
                        machine: Some(machine),
                        head: Vec::with_capacity(MAX_HEAD_BYTES),
                    },
                    request,
                ))
            }
            Err(HandshakeError::Failure(error)) => Err(invalid(&error)),
            Ok(_) => Err(invalid(&"answered before it was asked")),
        }
    }

    /// Takes plaintext from the server.
    ///
    /// # Errors
    /// When the head is too long, malformed, or refuses the upgrade; and after it has ended.
    pub fn receive(&mut self, received: &[u8]) -> Result<UpgradeProgress, SetupError> {
        let kept_bytes = self.head.len();
        // The end may lie across the border of two pieces.
        let search_from = kept_bytes.saturating_sub(HEAD_END.len() - 1);
        let taken = received.len().min(MAX_HEAD_BYTES - kept_bytes);
        self.head.extend_from_slice(&received[..taken]);
        let found = self.head[search_from..]
            .windows(HEAD_END.len())
            .position(|at| at == HEAD_END);
        let Some(end) = found.map(|at| search_from + at + HEAD_END.len()) else {
            if self.head.len() == MAX_HEAD_BYTES {
                let limit = format_args!("over {MAX_HEAD_BYTES} bytes");
                return Err(SetupError::new(ConnectErrorKind::UpgradeHeadTooLong, limit));
            }
            return Ok(UpgradeProgress::NeedMore);
        };
        self.head.truncate(end);
        self.judge()?;
        Ok(UpgradeProgress::Done {
            early: received[end - kept_bytes..].to_vec(),
        })
    }

    /// Has tungstenite judge the complete head.
    fn judge(&mut self) -> Result<(), SetupError> {
        let mut machine = self
            .machine
            .take()
            .ok_or_else(|| malformed("answered twice"))?;
        match Response::try_parse(&self.head) {
            // A parser that ends the head elsewhere would leave frames in the wrong place.
            Ok(Some((size, _))) if size == self.head.len() => {}
            Ok(_) => return Err(malformed("the head ends before its empty line")),
            Err(error) => return Err(malformed(error)),
        }
        machine.get_mut().get_mut().incoming = io::Cursor::new(self.head.clone());
        let response = match machine.handshake() {
            Ok((_, response)) => response,
            Err(HandshakeError::Failure(error)) => return Err(refusal(&error)),
            Err(HandshakeError::Interrupted(_)) => return Err(malformed("incomplete head")),
        };
        match response.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
            Some(found) => {
                let found = format_args!("{found:?}");
                Err(SetupError::new(
                    ConnectErrorKind::UpgradeExtensionUnasked,
                    found,
                ))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("head_bytes", &self.head.len())
            .finish_non_exhaustive()
    }
}

/// What tungstenite talks to: a request to take away, a head to be read once.
#[derive(Debug, Default)]
struct HeadStream {
    outgoing: Vec<u8>,
    incoming: io::Cursor<Vec<u8>>,
}

impl Read for HeadStream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.incoming.read(space)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Write for HeadStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite's refusal means.
fn refusal(error: &Error) -> SetupError {
    match error {
        Error::Http(response) => {
            let status = response.status();
            let kind = match status.is_redirection() {
                true => ConnectErrorKind::UpgradeRedirected {
                    status: status.as_u16(),
                },
                false => ConnectErrorKind::UpgradeRefused {
                    status: status.as_u16(),
                },
            };
            match response.headers().get(RETRY_AFTER) {
                Some(after) => {
                    SetupError::new(kind, format_args!("{status}, retry after {after:?}"))
                }
                None => SetupError::new(kind, status),
            }
        }
        Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch) => {
            SetupError::new(ConnectErrorKind::UpgradeAcceptKeyWrong, error)
        }
        _ => malformed(error),
    }
}

fn malformed(why: impl fmt::Display) -> SetupError {
    SetupError::new(ConnectErrorKind::UpgradeHeadMalformed, why)
}
