//! TLS towards a venue: which roots, which versions, which suites; the handshake's steps.
//!
//! Invariants: ring provider; TLS 1.3 before 1.2 and nothing below; AES-128-GCM first; the peer's
//! name and chain are always checked, there is no switch against it; no session is resumed, so the
//! hot thread never touches a session store. Must not know: venues. Threads: set-up reads files and
//! belongs to the connector; a connection belongs to whoever drives it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring as provider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage,
    PeerMisbehaved, RootCertStore,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::error::{ConnectErrorKind, SetupError, TlsFault};
use crate::link::ByteStream;

/// Whom we believe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TrustRoots {
    /// The roots that the machine trusts.
    System,
    /// Only the certificates of this PEM file.
    PemFile(PathBuf),
}

impl fmt::Display for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system roots"),
            Self::PemFile(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Makes the client configuration for `roots`. Reads files.
///
/// # Errors
/// When a root file cannot be read, is damaged, or holds no usable certificate.
pub fn client_config(roots: &TrustRoots) -> Result<Arc<ClientConfig>, SetupError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(venue_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the ring provider has suites of both versions")
        .with_root_certificates(root_store(roots)?)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// How far a handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeProgress {
    /// Both sides are done and our last flight is with the socket.
    Done,
    /// The socket has nothing more to give or take now.
    WouldBlock,
}

/// Takes the handshake as far as the stream lets it. Call again when the stream is ready.
///
/// # Errors
/// When the peer cannot be trusted or does not speak TLS; an alert was then sent if it fitted.
pub fn drive_handshake<S: ByteStream>(
    tls: &mut ClientConnection,
    stream: &mut S,
) -> Result<HandshakeProgress, SetupError> {
    loop {
        let mut is_stuck = true;
        while tls.wants_write() {
            match tls.write_tls(stream) {
                Ok(0) => return Err(closed()),
                Ok(_) => is_stuck = false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(socket_failed(&error)),
            }
        }
        if !tls.is_handshaking() {
            return Ok(match tls.wants_write() {
                false => HandshakeProgress::Done,
                true => HandshakeProgress::WouldBlock,
            });
        }
        match tls.read_tls(stream) {
            Ok(0) => return Err(closed()),
            Ok(_) => is_stuck = false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(socket_failed(&error)),
        }
        if let Err(error) = tls.process_new_packets() {
            // The alert is a courtesy; the attempt has failed whether or not it is taken.
            let _ = tls.write_tls(stream);
            return Err(SetupError::new(handshake_kind(&error), error));
        }
        if is_stuck {
            return Ok(HandshakeProgress::WouldBlock);
        }
    }
}

/// What an error of an established connection means.
pub fn established_fault(error: &Error) -> TlsFault {
    match error {
        Error::DecryptError => TlsFault::SealBroken,
        Error::AlertReceived(_) => TlsFault::AlertReceived,
        Error::InvalidMessage(_) => TlsFault::NotTls,
        _ => TlsFault::ProtocolBroken,
    }
}

/// The ring provider with the suite first that our messages are fastest with.
fn venue_provider() -> CryptoProvider {
    use provider::cipher_suite as suite;
    let cipher_suites = vec![
        suite::TLS13_AES_128_GCM_SHA256,
        suite::TLS13_AES_256_GCM_SHA384,
        suite::TLS13_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    CryptoProvider {
        cipher_suites,
        ..provider::default_provider()
    }
}

/// Reads the roots. One unreadable certificate of the system's store is passed over, as the store
/// is not ours; in a file of ours it is an error.
fn root_store(roots: &TrustRoots) -> Result<RootCertStore, SetupError> {
    let unreadable = |why: &dyn fmt::Display| {
        SetupError::new(
            ConnectErrorKind::RootsUnreadable,
            format_args!("{roots}: {why}"),
        )
    };
    let mut store = RootCertStore::empty();
    match roots {
        TrustRoots::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if let (true, Some(error)) = (store.is_empty(), found.errors.first()) {
                return Err(unreadable(error));
            }
        }
        TrustRoots::PemFile(path) => {
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                store.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
    }
    if store.is_empty() {
        return Err(unreadable(&"no certificate found"));
    }
    Ok(store)
}

/// What an error during the handshake means.
fn handshake_kind(error: &Error) -> ConnectErrorKind {
    match error {
        Error::InvalidCertificate(error) => certificate_kind(error),
        Error::PeerIncompatible(_)
        | Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerMisbehaved(PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported) => {
            ConnectErrorKind::TlsVersionRefused
        }
        Error::AlertReceived(_) | Error::NoApplicationProtocol => {
            ConnectErrorKind::TlsAlertReceived
        }
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => ConnectErrorKind::TlsNotSpoken,
        _ => ConnectErrorKind::TlsFailed,
    }
}

/// What an error of the certificate means.
fn certificate_kind(error: &CertificateError) -> ConnectErrorKind {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ConnectErrorKind::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ConnectErrorKind::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ConnectErrorKind::CertificateWrongName
        }
        CertificateError::UnknownIssuer => ConnectErrorKind::CertificateUnknownIssuer,
        _ => ConnectErrorKind::CertificateInvalid,
    }
}

fn closed() -> SetupError {
    SetupError::new(
        ConnectErrorKind::TlsClosed,
        "the peer closed the connection",
    )
}

fn socket_failed(error: &io::Error) -> SetupError {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ConnectErrorKind::TlsClosed,
        // The record layer itself refuses what cannot be a record.
        io::ErrorKind::InvalidData => ConnectErrorKind::TlsNotSpoken,
        _ => ConnectErrorKind::TlsFailed,
    };
    SetupError::new(kind, error)
}
