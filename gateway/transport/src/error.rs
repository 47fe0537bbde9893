//! Why a link could not be made, and why one ended.
//!
//! Owns the closed lists of both. Values are `Copy` and hold no heap memory, so that the hot thread
//! can keep and journal them; text is cut to a fixed room.
//! Must not know: what a venue does with the connection. Threads: any.

use std::fmt::{self, Write as _};
use std::io;

/// Bytes of text that an error keeps.
pub const ERROR_TEXT_BYTES: usize = 160;

/// A short text without heap memory; what does not fit is cut at a character's end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorText {
    bytes: [u8; ERROR_TEXT_BYTES],
    length_bytes: u8,
}

impl ErrorText {
    /// Keeps what `value` displays.
    pub fn new(value: impl fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; ERROR_TEXT_BYTES],
            length_bytes: 0,
        };
        // Cutting is no failure; nothing else can fail.
        let _ = write!(text, "{value}");
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length_bytes)]).unwrap_or("")
    }
}

impl fmt::Write for ErrorText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let start = usize::from(self.length_bytes);
        let taken = more.floor_char_boundary(ERROR_TEXT_BYTES - start);
        self.bytes[start..start + taken].copy_from_slice(&more.as_bytes()[..taken]);
        self.length_bytes = (start + taken) as u8;
        if taken < more.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The step of connection set-up that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectPhase {
    /// Finding the host's addresses.
    Dns,
    /// Reaching one of them.
    Tcp,
    /// Proving who answers, and sealing the connection.
    Tls,
    /// Asking for a WebSocket.
    Upgrade,
}

impl fmt::Display for ConnectPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
        })
    }
}

/// Why a connection attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectErrorKind {
    /// The host has no address, or the name service refused.
    NameNotResolved,
    /// The name service did not answer in time.
    NameLookupTimedOut,
    /// Every address refused the connection.
    TcpRefused,
    /// No route to any address.
    TcpUnreachable,
    /// No address answered in time.
    TcpTimedOut,
    /// Another failure of the socket.
    TcpFailed,
    /// The trusted roots could not be read, or there are none.
    RootsUnreadable,
    /// The name to be proved is neither a host name nor an address.
    TlsNameInvalid,
    /// The certificate's time is over.
    CertificateExpired,
    /// The certificate's time has not begun.
    CertificateNotYetValid,
    /// The certificate is for another name.
    CertificateWrongName,
    /// No trusted root stands behind the certificate.
    CertificateUnknownIssuer,
    /// The certificate is damaged, revoked or not meant for servers.
    CertificateInvalid,
    /// The peer insists on a TLS version below 1.2, or forges a lower one than it can.
    TlsVersionRefused,
    /// The peer does not speak TLS on this port.
    TlsNotSpoken,
    /// The peer refused us by an alert.
    TlsAlertReceived,
    /// The peer closed the connection during the handshake.
    TlsClosed,
    /// The handshake was not complete in time.
    TlsTimedOut,
    /// Another failure of the handshake.
    TlsFailed,
    /// Host, port or path make no request.
    UpgradeRequestInvalid,
    /// The server answered with a status other than 101.
    UpgradeRefused {
        /// The HTTP status.
        status: u16,
    },
    /// The server pointed elsewhere; redirects are never followed.
    UpgradeRedirected {
        /// The HTTP status.
        status: u16,
    },
    /// `Sec-WebSocket-Accept` does not belong to our key.
    UpgradeAcceptKeyWrong,
    /// The server agreed to an extension that was not offered.
    UpgradeExtensionUnasked,
    /// The answer's head is longer than the limit.
    UpgradeHeadTooLong,
    /// The answer's head is not the answer to an upgrade.
    UpgradeHeadMalformed,
    /// The peer closed the connection before its answer was complete.
    UpgradeClosed,
    /// The answer was not complete in time.
    UpgradeTimedOut,
}

impl ConnectErrorKind {
    /// The step that failed.
    pub const fn phase(self) -> ConnectPhase {
        match self {
            Self::NameNotResolved | Self::NameLookupTimedOut => ConnectPhase::Dns,
            Self::TcpRefused | Self::TcpUnreachable | Self::TcpTimedOut | Self::TcpFailed => {
                ConnectPhase::Tcp
            }
            Self::RootsUnreadable
            | Self::TlsNameInvalid
            | Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateWrongName
            | Self::CertificateUnknownIssuer
            | Self::CertificateInvalid
            | Self::TlsVersionRefused
            | Self::TlsNotSpoken
            | Self::TlsAlertReceived
            | Self::TlsClosed
            | Self::TlsTimedOut
            | Self::TlsFailed => ConnectPhase::Tls,
            Self::UpgradeRequestInvalid
            | Self::UpgradeRefused { .. }
            | Self::UpgradeRedirected { .. }
            | Self::UpgradeAcceptKeyWrong
            | Self::UpgradeExtensionUnasked
            | Self::UpgradeHeadTooLong
            | Self::UpgradeHeadMalformed
            | Self::UpgradeClosed
            | Self::UpgradeTimedOut => ConnectPhase::Upgrade,
        }
    }

    /// What an operator should look at.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NameNotResolved => "check the host name and the machine's name service",
            Self::NameLookupTimedOut => "check that the machine's name service answers",
            Self::TcpRefused => "check the port, and whether the venue is in maintenance",
            Self::TcpUnreachable => "check the machine's network and routes",
            Self::TcpTimedOut => "check firewall and route; the venue may block this address",
            Self::TcpFailed => "see the detail; check the machine's socket limits",
            Self::RootsUnreadable => "check the configured root file or the system's store",
            Self::TlsNameInvalid => "check the configured TLS name",
            Self::CertificateExpired => "check this machine's clock, then ask the venue",
            Self::CertificateNotYetValid => "check this machine's clock",
            Self::CertificateWrongName => "check the host name; something else may answer for it",
            Self::CertificateUnknownIssuer => {
                "check the configured roots; something may intercept the connection"
            }
            Self::CertificateInvalid => "do not trade over this connection; ask the venue",
            Self::TlsVersionRefused => "the peer offers no TLS 1.2 or 1.3; it is not to be trusted",
            Self::TlsNotSpoken => "check the port: it does not speak TLS",
            Self::TlsAlertReceived => "see the alert; the venue refused the handshake",
            Self::TlsClosed | Self::UpgradeClosed => "the venue hung up; it may limit connections",
            Self::TlsTimedOut | Self::UpgradeTimedOut => "the venue is silent; check its status",
            Self::TlsFailed => "see the detail",
            Self::UpgradeRequestInvalid => "check the configured host, port and path",
            Self::UpgradeRefused { .. } => "check the path, the address allow-list and rate limits",
            Self::UpgradeRedirected { .. } => "configure the endpoint that the venue names now",
            Self::UpgradeAcceptKeyWrong => "something between answers from a cache; find it",
            Self::UpgradeExtensionUnasked => "the server breaks RFC 6455; check the endpoint",
            Self::UpgradeHeadTooLong => "the server's answer is too long; check the endpoint",
            Self::UpgradeHeadMalformed => "the server does not answer as a WebSocket; check path",
        }
    }
}

/// A failed step, as the connector's thread sees it; it becomes part of a [`ConnectError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError {
    /// What failed.
    pub kind: ConnectErrorKind,
    /// The reason in the words of the layer that failed.
    pub detail: String,
}

impl SetupError {
    /// Keeps what `why` displays.
    pub fn new(kind: ConnectErrorKind, why: impl fmt::Display) -> Self {
        Self {
            kind,
            detail: why.to_string(),
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, detail } = self;
        write!(
            f,
            "{} failed: {kind:?}: {detail}; {}",
            kind.phase(),
            kind.advice()
        )
    }
}

impl std::error::Error for SetupError {}

/// A failed attempt: where, what, and the words of whoever noticed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// What failed.
    pub kind: ConnectErrorKind,
    /// `host:port`, and the socket address once one is known.
    pub address: ErrorText,
    /// The reason in the words of the layer that failed.
    pub detail: ErrorText,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            address,
            detail,
        } = self;
        let (phase, advice) = (kind.phase(), kind.advice());
        write!(f, "{address}: {phase} failed: {kind:?}: {detail}; {advice}")
    }
}

impl std::error::Error for ConnectError {}

/// What TLS found wrong with an established link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// A record's seal is broken: the bytes were changed on the way.
    SealBroken,
    /// The peer sent a fatal alert.
    AlertReceived,
    /// What arrived is no TLS.
    NotTls,
    /// The peer broke the protocol in another way.
    ProtocolBroken,
}

/// Why a link gives or takes no more bytes. A link that ended stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkEnd {
    /// The peer closed; `clean` when it said so inside TLS. Otherwise the end may be a cut.
    ClosedByPeer {
        /// Whether TLS `close_notify` came first.
        clean: bool,
    },
    /// We closed the sending side.
    ClosedByUs,
    /// TLS found a fault.
    Tls(TlsFault),
    /// The socket failed.
    Socket(io::ErrorKind),
    /// We cut the link, backlog and all.
    Killed,
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByPeer { clean: true } => f.write_str("closed by the peer"),
            Self::ClosedByPeer { clean: false } => {
                f.write_str("closed by the peer without TLS close_notify")
            }
            Self::ClosedByUs => f.write_str("closed by us"),
            Self::Tls(fault) => write!(f, "TLS fault: {fault:?}"),
            Self::Socket(kind) => write!(f, "socket failed: {kind}"),
            Self::Killed => f.write_str("cut by us"),
        }
    }
}

/// Why plaintext was not taken. No byte of it entered TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRefused {
    /// The ciphertext would not fit behind what is still unsent.
    BacklogFull {
        /// Most bytes that the ciphertext could need.
        needed_bytes: usize,
        /// Bytes left of the backlog's bound.
        free_bytes: usize,
    },
    /// The link sends no more.
    Ended(LinkEnd),
}

impl fmt::Display for WriteRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BacklogFull {
                needed_bytes,
                free_bytes,
            } => {
                write!(
                    f,
                    "backlog full: needs {needed_bytes} bytes, {free_bytes} free"
                )
            }
            Self::Ended(end) => write!(f, "link ended: {end}"),
        }
    }
}

impl std::error::Error for WriteRefused {}
