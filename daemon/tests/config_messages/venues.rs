//! A venue: environment, hosts and roots must belong together; urls and times must be usable ones.

use crate::{GOOD, changed, check, load_with, messages};

const REAL_REST: &str = "https://openapi.okx.com";
const REAL_WS: &str = "wss://ws.okx.com:8443/";
const PLAY_WS: &str = "wss://wspap.okx.com:8443/";
const OWN_REST: &str = "https://127.0.0.1:8443";
const OWN_WS: &str = "wss://127.0.0.1:8443/";

/// `GOOD` with the venue elsewhere.
fn okx(environment: &str, rest: &str, ws: &str, ca_file: &str) -> String {
    let environment = format!("environment = {environment:?}");
    let text = changed("environment = \"simulator\"", &environment)
        .replace(OWN_REST, rest)
        .replace(OWN_WS, ws);
    match ca_file {
        "" => text.replace("ca_file = \"ca.pem\"", ""),
        _ => text,
    }
}

// covers: G04
#[test]
fn a_venue_whose_parts_belong_together_is_taken() {
    for good in [
        okx("production", REAL_REST, REAL_WS, ""),
        okx(
            "production",
            "https://eea.okx.com",
            "wss://wseea.okx.com:8443/",
            "",
        ),
        okx("demo", "https://www.okx.com", PLAY_WS, ""),
        okx("simulator", OWN_REST, OWN_WS, "ca.pem"),
    ] {
        load_with(&good, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

// covers: G04
#[test]
fn what_belongs_to_another_environment_is_refused() {
    check(
        &okx("production", OWN_REST, OWN_WS, "ca.pem"),
        &[
            "8: venue.okx.rest_url: ENV_MISMATCH: 127.0.0.1 is not OKX and the environment is \
             \"production\"; only hosts below okx.com get its keys; write OKX's host, or set \
             environment = \"simulator\" with a simulator's key",
            "9: venue.okx.ws_url: ENV_MISMATCH: 127.0.0.1 is not OKX and the environment is \
             \"production\"; only hosts below okx.com get its keys; write OKX's host, or set \
             environment = \"simulator\" with a simulator's key",
            "10: venue.okx.ca_file: ENV_MISMATCH: roots of one's own while the environment is \
             \"production\"; only simulators have them, the venue is checked against the system's; \
             remove it",
        ],
    );
    check(
        &okx("simulator", REAL_REST, OWN_WS, ""),
        &[
            "5: venue.okx.ca_file: ENV_MISMATCH: missing while the environment is \"simulator\"; a \
             simulator has roots of its own; write ca_file = \"simulator-ca.pem\"",
            "8: venue.okx.rest_url: ENV_MISMATCH: openapi.okx.com is OKX itself and the \
             environment is \"simulator\"; a simulator is never below okx.com; write the \
             simulator's host, or set the environment to what you mean",
        ],
    );
    for (environment, ws, host, money) in [
        ("production", PLAY_WS, "wspap.okx.com", "play"),
        ("demo", REAL_WS, "ws.okx.com", "real"),
    ] {
        check(
            &okx(environment, REAL_REST, ws, ""),
            &[&format!(
                "9: venue.okx.ws_url: ENV_MISMATCH: {host} moves {money} money and the environment \
                 is \"{environment}\"; both must be the same; write the other host or the other \
                 environment"
            )],
        );
    }
    for impostor in [
        "https://okx.com.example.org",
        "https://notokx.com",
        "https://1.1.1.1",
    ] {
        let text = messages(&okx("production", impostor, REAL_WS, ""));
        assert!(text.contains("ENV_MISMATCH"), "{impostor}: {text}");
    }
}

// covers: G04
#[test]
fn an_override_cannot_lead_keys_to_another_environment() {
    let override_url = [("MILLRUN_VENUE__OKX__REST_URL", "https://openapi.okx.com")];
    assert_eq!(
        load_with(GOOD, &override_url).unwrap_err().to_string(),
        "environment:MILLRUN_VENUE__OKX__REST_URL: venue.okx.rest_url: ENV_MISMATCH: \
         openapi.okx.com is OKX itself and the environment is \"simulator\"; a simulator is never \
         below okx.com; write the simulator's host, or set the environment to what you mean"
    );
}

#[test]
fn a_settle_time_or_a_backoff_that_cannot_be_right_is_refused() {
    let real = okx("demo", REAL_REST, PLAY_WS, "");
    check(
        &real.replace("kind = \"okx\"", "kind = \"okx\"\nsettle_ms = 1999"),
        &[
            "7: venue.okx.settle_ms: 1999 is too short for a real venue; at least 2000, or an \
             order that exists could be taken for absent; raise it",
        ],
    );
    check(
        &changed("kind = \"okx\"", "kind = \"okx\"\nreconnect_cap_ms = 249"),
        &["7: venue.okx.reconnect_cap_ms: 249 is below reconnect_base_ms; at least 250; raise it"],
    );
}

#[test]
fn a_url_is_tls_to_a_host_and_a_port_and_nothing_else() {
    for url in [
        "ftp://h",
        "https://",
        "https://h:0",
        "https://h:65536",
        "https://h:+1",
        "https://u:p@h",
        "https://h?q",
        "https://h#f",
        "https://a b",
        "https://a..b",
        "https://[::1",
        "https://h:",
        "https://h/path",
        "https://\u{e4}",
    ] {
        let text = changed("https://127.0.0.1:8443", url);
        assert!(
            messages(&text).starts_with("8: venue.okx.rest_url: "),
            "{url}"
        );
    }
    let text = changed("https://127.0.0.1:8443", "https://[::1]:9000/");
    let settings = load_with(&text, &[]).unwrap();
    let url = &settings.venues[0].rest_url;
    assert_eq!((url.host.as_str(), url.port), ("::1", 9000));
    assert_eq!(url.to_string(), "https://[::1]:9000");
}
