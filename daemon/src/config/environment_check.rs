//! Whether the parts of a venue belong to the environment that it names.
//!
//! Owns which host belongs to whom. Invariants: a simulator is never a host of the venue, and the
//! venue is never any other host; roots of one's own are for simulators only. Must not know: keys.
//! Threads: none.

use super::problem::{ConfigErrors, Place, Problem};
use super::{Environment, UrlParts, VenueKind, VenueSettings};

/// Every host of OKX is below it (okx.com/docs-v5, "Production Trading Services").
const OKX_DOMAIN: &str = "okx.com";
/// Hosts of OKX that speak WebSocket with play money (okx.com/docs-v5, "Demo Trading Services").
const OKX_DEMO_HOSTS: &[&str] = &["wspap.okx.com", "wseeapap.okx.com", "wsuspap.okx.com"];
/// Hosts of OKX that speak WebSocket with real money.
const OKX_PRODUCTION_HOSTS: &[&str] = &["ws.okx.com", "wseea.okx.com", "wsus.okx.com"];
/// Where orders and their reports go (okx.com/docs-v5, "WebSocket / Connect").
const OKX_PRIVATE_PATH: &str = "/ws/v5/private";
/// Shortest settle time with a real venue: what its lists may lag, milliseconds.
const OKX_SETTLE_MS_MIN: u64 = 2_000;

/// Where the keys of a venue were written.
pub(super) struct VenuePlaces<'a> {
    pub(super) rest_url: &'a Place,
    pub(super) ws_url: &'a Place,
    pub(super) ca_file: &'a Place,
    pub(super) settle_ms: &'a Place,
    pub(super) reconnect_cap_ms: &'a Place,
}

/// Notes everything in a venue that does not fit together.
pub(super) fn check(venue: &VenueSettings, at: &VenuePlaces<'_>, errors: &mut ConfigErrors) {
    let VenueKind::Okx = venue.kind;
    let key = |key: &str| format!("venue.{}.{key}", venue.name);
    for (name, url, place) in [
        ("rest_url", &venue.rest_url, at.rest_url),
        ("ws_url", &venue.ws_url, at.ws_url),
    ] {
        if let Some(why) = host_mismatch(venue.environment, url) {
            errors.add(place, key(name), Problem::EnvMismatch(why));
        }
    }
    if let Some(why) = link_mismatch(venue.environment, &venue.ws_url) {
        errors.add(at.ws_url, key("ws_url"), Problem::EnvMismatch(why));
    }
    if let Some(why) = roots_mismatch(venue) {
        errors.add(at.ca_file, key("ca_file"), Problem::EnvMismatch(why));
    }
    if venue.rest_url.path != "/" {
        let problem = Problem::BadUrl {
            why: format!("has the path {}", venue.rest_url.path),
            expected: "https://host:port",
        };
        errors.add(at.rest_url, key("rest_url"), problem);
    }
    if venue.ws_url.path != OKX_PRIVATE_PATH {
        let problem = Problem::BadUrl {
            why: format!("has the path {}", venue.ws_url.path),
            expected: "wss://host:port/ws/v5/private",
        };
        errors.add(at.ws_url, key("ws_url"), problem);
    }
    if venue.environment != Environment::Simulator && venue.settle_ms < OKX_SETTLE_MS_MIN {
        let why = format!(
            "{} is too short for a real venue; at least {OKX_SETTLE_MS_MIN}, or an order that \
             exists could be taken for absent; raise it",
            venue.settle_ms
        );
        errors.add(at.settle_ms, key("settle_ms"), Problem::Conflict(why));
    }
    if venue.reconnect_cap_ms < venue.reconnect_base_ms {
        let why = format!(
            "{} is below reconnect_base_ms; at least {}; raise it",
            venue.reconnect_cap_ms, venue.reconnect_base_ms
        );
        errors.add(
            at.reconnect_cap_ms,
            key("reconnect_cap_ms"),
            Problem::Conflict(why),
        );
    }
}

fn host_mismatch(environment: Environment, url: &UrlParts) -> Option<String> {
    let host = &url.host;
    match (environment, url.is_below(OKX_DOMAIN)) {
        (Environment::Simulator, true) => Some(format!(
            "{host} is OKX itself and the environment is \"simulator\"; a simulator is never below \
             {OKX_DOMAIN}; write the simulator's host, or set the environment to what you mean"
        )),
        (Environment::Production | Environment::Demo, false) => Some(format!(
            "{host} is not OKX and the environment is \"{}\"; only hosts below {OKX_DOMAIN} get \
             its keys; write OKX's host, or set environment = \"simulator\" with a simulator's key",
            environment.name()
        )),
        _ => None,
    }
}

fn link_mismatch(environment: Environment, url: &UrlParts) -> Option<String> {
    let (found, hosts) = match environment {
        Environment::Production => ("play", OKX_DEMO_HOSTS),
        Environment::Demo => ("real", OKX_PRODUCTION_HOSTS),
        Environment::Simulator => return None,
    };
    hosts.contains(&url.host.as_str()).then(|| {
        format!(
            "{} moves {found} money and the environment is \"{}\"; both must be the same; write \
             the other host or the other environment",
            url.host,
            environment.name()
        )
    })
}

fn roots_mismatch(venue: &VenueSettings) -> Option<String> {
    match (venue.environment, &venue.ca_file) {
        (Environment::Simulator, None) => Some(
            "missing while the environment is \"simulator\"; a simulator has roots of its own; \
             write ca_file = \"simulator-ca.pem\""
                .to_owned(),
        ),
        (Environment::Production | Environment::Demo, Some(_)) => Some(format!(
            "roots of one's own while the environment is \"{}\"; only simulators have them, the \
             venue is checked against the system's; remove it",
            venue.environment.name()
        )),
        _ => None,
    }
}
