//! Where a venue is: the host, port and path of a URL. TLS always; nothing else is accepted.
//!
//! Must not know: environments, sockets. Threads: none.

use super::problem::Problem;
use std::fmt;
use std::net::Ipv6Addr;

/// Port of a URL that names none.
const TLS_PORT: u16 = 443;
/// Longest host: that of a DNS name.
const HOST_BYTES_MAX: usize = 253;

/// The parts of an `https://` or `wss://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlParts {
    /// `https` or `wss`.
    pub scheme: &'static str,
    /// A DNS name in small letters, or an IP address; IPv6 without brackets.
    pub host: String,
    /// 1 to 65535; 443 when the URL names none.
    pub port: u16,
    /// Begins with `/`.
    pub path: String,
}

impl fmt::Display for UrlParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme, port, path, ..
        } = self;
        let path = if path == "/" { "" } else { path };
        write!(f, "{scheme}://{}{path}", Authority(&self.host, *port))
    }
}

/// Host and port as a URL writes them.
struct Authority<'a>(&'a str, u16);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains(':') {
            true => write!(f, "[{}]", self.0)?,
            false => f.write_str(self.0)?,
        }
        match self.1 {
            TLS_PORT => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

impl UrlParts {
    /// Host and port as the `Host` header has them.
    pub fn authority(&self) -> String {
        Authority(&self.host, self.port).to_string()
    }

    /// Reads a URL of the scheme.
    pub(super) fn parse(text: &str, scheme: &'static str) -> Result<Self, Problem> {
        let refuse = |why: &str| Problem::BadUrl {
            why: why.to_owned(),
            expected: match scheme {
                "wss" => "wss://host:port/path",
                _ => "https://host:port",
            },
        };
        let rest = text
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .ok_or_else(|| refuse(&format!("does not begin with {scheme}://")))?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if !rest.bytes().all(is_plain) {
            return Err(refuse(
                "has a blank or another character that a URL has not",
            ));
        }
        if rest.contains(['?', '#']) {
            return Err(refuse("has a query or a fragment"));
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if authority.contains('@') {
            return Err(refuse("has a user or password in front of the host"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| refuse("has no usable port"))?;
        let host = checked_host(host).ok_or_else(|| refuse("has no usable host"))?;
        Ok(Self {
            scheme,
            host,
            port,
            path: path.to_owned(),
        })
    }

    /// True when the host is `domain` or below it.
    pub(super) fn is_below(&self, domain: &str) -> bool {
        self.host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let bracket = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(bracket..)?.rfind(':') {
        None => Some((authority, TLS_PORT)),
        Some(colon) => {
            let (host, port) = authority.split_at(bracket + colon);
            let digits = &port[1..];
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.parse().ok().filter(|port| is_number && *port > 0)?;
            Some((host, port))
        }
    }
}

fn checked_host(host: &str) -> Option<String> {
    if let Some(inside) = host.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
    };
    (host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label))
        .then(|| host.to_ascii_lowercase())
}
