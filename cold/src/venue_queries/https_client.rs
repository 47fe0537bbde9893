//! One host over HTTPS: a request out, a status and a bounded body back.
//!
//! Owns the agent and its kept-alive connection. Invariants: TLS 1.2 or later with the name checked
//! against the given roots and no way around it; no redirect is followed, no proxy of the
//! environment is used, nothing but the configured host is talked to; every exchange has a time
//! limit, every head and body a size limit. Must not know: what is asked. Threads: any.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::venue::okx::rest::RestRequest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use ureq::Agent;
use ureq::http::{HeaderValue, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::query_error::QueryError;
use super::{QuerySettings, Roots};

/// Largest body: all instruments of one type are a few megabytes, a page of orders far less.
const BODY_BYTES_MAX: u64 = 16 << 20;
/// Largest status line and headers together.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// A connection that was idle for longer may have been closed by the venue; a new one is made.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// What kind of failure an exchange ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFailure {
    /// The time limit passed.
    TimedOut,
    /// The host has no address.
    NameNotFound,
    /// TLS could not be agreed on, or the certificate was not accepted.
    TlsFailed,
    /// No connection, or it broke.
    Disconnected,
    /// More than we read.
    TooLarge,
    /// Not HTTP as we know it.
    NotHttp,
}

impl HttpFailure {
    /// True when the same request may well succeed a moment later.
    pub(super) const fn may_pass(self) -> bool {
        match self {
            Self::TimedOut | Self::NameNotFound | Self::Disconnected => true,
            Self::TlsFailed | Self::TooLarge | Self::NotHttp => false,
        }
    }
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no answer in time",
            Self::NameNotFound => "the host has no address",
            Self::TlsFailed => "TLS failed",
            Self::Disconnected => "the connection broke",
            Self::TooLarge => "the answer is too large",
            Self::NotHttp => "the answer is not HTTP",
        })
    }
}

/// Status and body of an answer, whatever the status.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A client of one host. Clones share connections.
#[derive(Clone)]
pub(super) struct HttpsClient {
    agent: Agent,
    /// `https://host[:port]`, without a slash at the end.
    origin: String,
}

impl HttpsClient {
    /// Reads the roots; connects with the first request.
    pub(super) fn new(settings: &QuerySettings) -> Result<Self, QueryError> {
        let origin = origin_of(&settings.rest_url)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::from(root_certificates(&settings.roots)?))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("millrun/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(settings.timeout))
            .max_response_header_size(HEAD_BYTES_MAX)
            .max_idle_connections(2)
            .max_idle_connections_per_host(2)
            .max_idle_age(IDLE_MAX)
            .build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            origin,
        })
    }

    /// Sends a `GET` and reads the whole answer.
    pub(super) fn get(&self, request: &RestRequest) -> Result<HttpAnswer, QueryError> {
        debug_assert_eq!(request.method, "GET");
        let failed = |error: ureq::Error| failure(request.path, &error);
        let mut builder = self
            .agent
            .get(format!("{}{}", self.origin, request.target()));
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value)
                .map_err(|error| failed(ureq::Error::Http(error.into())))?;
            // Kept out of every log line, the library's own included.
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let mut answer = builder.call().map_err(failed)?;
        let status = answer.status().as_u16();
        let body = answer
            .body_mut()
            .with_config()
            .limit(BODY_BYTES_MAX)
            .read_to_vec();
        Ok(HttpAnswer {
            status,
            body: body.map_err(failed)?,
        })
    }

    /// Breaks off every exchange and refuses new ones.
    pub(super) fn shut_down(&self) {
        self.agent.clone().shutdown();
    }
}

fn origin_of(rest_url: &str) -> Result<String, QueryError> {
    let refuse = |why| QueryError::BadUrl {
        found: rest_url.to_owned(),
        why,
    };
    let uri: Uri = rest_url.parse().map_err(|_| refuse("is not a URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(refuse("does not begin with https://"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        // The signature covers the path that the venue sees.
        return Err(refuse("has a path or a query"));
    }
    let authority = uri.authority().ok_or_else(|| refuse("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(refuse("has a user name"));
    }
    Ok(format!("https://{authority}"))
}

/// One unreadable certificate of the system's store is passed over, as the store is not ours; in a
/// file of ours it is an error.
fn root_certificates(roots: &Roots) -> Result<Vec<Certificate<'static>>, QueryError> {
    let certificates = match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
                return Err(unreadable(Path::new("the system"), error));
            }
            found.certs
        }
        Roots::PemFile(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(path, &error))?,
    };
    // What cannot be parsed is found out here, not at the first handshake.
    let mut store = rustls::RootCertStore::empty();
    for certificate in &certificates {
        if let (Err(error), Roots::PemFile(path)) = (store.add(certificate.clone()), roots) {
            return Err(unreadable(path, &error));
        }
    }
    if store.is_empty() {
        let from = match roots {
            Roots::System => Path::new("the system"),
            Roots::PemFile(path) => path,
        };
        return Err(unreadable(from, &"no certificate found"));
    }
    let owned = certificates
        .iter()
        .map(|it| Certificate::from_der(it.as_ref()).to_owned());
    Ok(owned.collect())
}

fn unreadable(from: &Path, why: &dyn fmt::Display) -> QueryError {
    QueryError::Roots {
        from: PathBuf::from(from),
        why: why.to_string(),
    }
}

fn failure(path: &'static str, error: &ureq::Error) -> QueryError {
    let failure = match error {
        ureq::Error::Timeout(_) => HttpFailure::TimedOut,
        ureq::Error::HostNotFound => HttpFailure::NameNotFound,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::TlsRequired => {
            HttpFailure::TlsFailed
        }
        ureq::Error::Io(error) => match error.get_ref() {
            Some(inner) if inner.is::<rustls::Error>() => HttpFailure::TlsFailed,
            _ if error.kind() == io::ErrorKind::TimedOut => HttpFailure::TimedOut,
            _ => HttpFailure::Disconnected,
        },
        ureq::Error::ConnectionFailed => HttpFailure::Disconnected,
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            HttpFailure::TooLarge
        }
        _ => HttpFailure::NotHttp,
    };
    QueryError::Http {
        path,
        failure,
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: S18
    #[test]
    fn only_a_plain_https_origin_is_taken() {
        for good in [
            "https://openapi.okx.com",
            "https://127.0.0.1:8443/",
            "https://[::1]:1",
        ] {
            assert_eq!(origin_of(good).unwrap(), good.trim_end_matches('/'));
        }
        for bad in [
            "http://openapi.okx.com",
            "openapi.okx.com",
            "https://openapi.okx.com/api",
            "https://openapi.okx.com?x=1",
            "https://user@openapi.okx.com",
            "https://",
        ] {
            assert!(
                matches!(origin_of(bad), Err(QueryError::BadUrl { .. })),
                "{bad}"
            );
        }
    }
}
