//! What an operator reads when a configuration is wrong: every error, with its line, at once.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use millrun::config::{ConfigErrors, Settings};
use proptest::prelude::*;
use std::path::Path;

/// A configuration in which nothing is wrong and nothing is needless; line numbers count from it.
const GOOD: &str = r#"[engine]
instance_tag = 7
[data]
directory = "data"
[venue.okx]
kind = "okx"
environment = "simulator"
rest_url = "https://127.0.0.1:8443"
ws_url = "wss://127.0.0.1:8443/ws/v5/private"
ca_file = "ca.pem"
credentials_file = "okx.credentials"
[risk]
max_order_qty = "10"
max_order_notional = "50000"
max_open_orders = 200
max_long = "100"
max_short = "100"
max_orders_per_s = 30
[[instrument]]
venue = "okx"
symbol = "BTC-USDT-SWAP"
trade_mode = "cross"
[[strategy]]
name = "grid"
"#;

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let environment: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::parse(text, Path::new("/etc/millrun.toml"), &environment)
}

/// The messages of a text, one a line, without the file's name in front.
fn messages(text: &str) -> String {
    let errors = load_with(text, &[]).expect_err("something is wrong with it");
    errors.to_string().replace("/etc/millrun.toml:", "")
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(messages(text), expected.join("\n"), "\n{text}");
}

/// `GOOD` with one line replaced.
fn changed(line: &str, by: &str) -> String {
    assert_eq!(GOOD.matches(line).count(), 1, "{line}");
    GOOD.replace(line, by)
}

#[test]
fn the_good_one_is_good() {
    let settings = load_with(GOOD, &[]).unwrap();
    assert_eq!(settings.engine.instance_tag, 7);
    assert_eq!(settings.data.directory, Path::new("/etc/data"));
    assert_eq!(settings.attach.socket, Path::new("/etc/data/attach.sock"));
    assert_eq!(settings.instruments[0].max_long.text, "100");
    assert_eq!(settings.strategies[0].max_orders_per_s, 30);
    assert!(settings.venues[0].recon, "on by default");
}

// covers: G01
#[test]
fn every_error_of_a_file_comes_at_once_with_its_line() {
    check(
        r#"[engine]
instance_tag = 0
order_capacity = 1000
terminal_keep_ms = 5
colour = "red"
max_request_age_ms = "fast"
[journal]
mode = "paranoid"
[jurnal]
mode = "group"
[venue.okx]
kind = "okx"
environment = "simulator"
rest_url = "http://127.0.0.1:8443"
ws_url = "wss://127.0.0.1:8443/ws/v5/private"
ca_file = "ca.pem"
credentials_file = "okx.credentials"
command_window_ms = 5001
[risk]
max_open_order = 5
[[instrument]]
venue = "okex"
symbol = "BTC USDT"
trade_mode = "cross"
max_order_qty = 1.5
max_order_notional = "-1"
max_open_orders = 1
max_long = "ten"
max_short = "0"
"#,
        &[
            "1: data.directory: missing; it has no default; write `directory = \
             \"/var/lib/millrun\"`",
            "2: engine.instance_tag: 0 is out of range; 1 to 255; choose a value in it",
            "3: engine.order_capacity: 1000 is no power of two; it must be one; write 1024",
            "4: engine.terminal_keep_ms: wrong unit; the key is `terminal_keep_s`; rename it and \
             convert the value",
            "5: engine.colour: no such key; only known keys are allowed; remove it, or see \
             millrun.example.toml",
            "6: engine.max_request_age_ms: is a text in quotes; must be a whole number; write it \
             so",
            "8: journal.mode: `paranoid` is not allowed; one of process, group, strict; choose one",
            "9: jurnal: no such section; only [engine] [data] [journal] [hot] [attach] \
             [venue.<name>] [risk] [[instrument]] [[strategy]] [shadow] [database] [order_log] \
             [kill] \
             [log] are allowed; remove it, or see millrun.example.toml",
            "14: venue.okx.rest_url: does not begin with https://; only TLS to a host and a port; \
             write it as https://host:port",
            "18: venue.okx.command_window_ms: 5001 is out of range; 100 to 5000; choose a value \
             in it",
            "20: risk.max_open_order: no such key; only known keys are allowed; did you mean \
             `max_open_orders`? else remove it",
            "22: instrument.BTC USDT.venue: no [venue.okex]; there is okx; correct the name or \
             add it",
            "23: instrument.BTC USDT.symbol: `BTC USDT` is no usable name; 1 to 31 of letters, \
             digits, `_`, `-` and `.`; rename it",
            "25: instrument.BTC USDT.max_order_qty: is a float; must be a decimal number in \
             quotes, as \"12.5\"; write it so",
            "26: instrument.BTC USDT.max_order_notional: `-1` is below zero; a decimal number of 0 \
             or more; write it as \"12.5\"",
            "28: instrument.BTC USDT.max_long: `ten` is no decimal number of at most 38 digits; a \
             decimal number of 0 or more; write it as \"12.5\"",
        ],
    );
}

// covers: G01
#[test]
fn a_key_section_or_name_that_is_there_twice_is_refused_where_it_comes_again() {
    let twice = changed("instance_tag = 7", "instance_tag = 7\ninstance_tag = 8");
    check(
        &twice,
        &["3: engine.instance_tag: written twice; at most once; remove one of the two"],
    );
    check(
        &format!("{GOOD}[data]\ndirectory = \"other\"\n"),
        &[
            "25: data: written twice; at most once; remove one of the two",
            "26: data.directory: written twice; at most once; remove one of the two",
        ],
    );
    check(
        &format!("{GOOD}[[strategy]]\nname = \"grid\"\n"),
        &[
            "26: strategy.grid.name: `grid` is already used at 24; each may be there once; rename \
           or remove one",
        ],
    );
    let instrument = "[[instrument]]\nvenue = \"okx\"\nsymbol = \"BTC-USDT-SWAP\"\n\
                      trade_mode = \"cross\"\n";
    check(
        &format!("{GOOD}{instrument}"),
        &[
            "27: instrument.BTC-USDT-SWAP.symbol: `okx/BTC-USDT-SWAP` is already used at 21; each \
           may be there once; rename or remove one",
        ],
    );
}

// covers: G01
#[test]
fn a_line_that_is_no_toml_hides_no_other_error_and_invents_none() {
    check(
        &changed("instance_tag = 7", "instance_tag = = 7").replace("\"okx.credentials\"", "5"),
        &[
            "2: file: not TOML: extra `=`, expected nothing; correct the line",
            "11: venue.okx.credentials_file: is an integer; must be a path in quotes; write it so",
        ],
    );
}

// covers: G01
#[test]
fn a_missing_file_and_one_that_is_too_long_or_no_text_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("millrun.toml");
    let load = || Settings::load(&path, &[]).unwrap_err().to_string();
    let place = |line: usize| format!("{}:{line}: file: ", path.display());
    assert_eq!(
        load(),
        place(1)
            + "the file cannot be read: No such file or directory (os error 2); give an existing, \
               readable file with --config"
    );
    std::fs::write(&path, b"[engine]\n# \xff\n").unwrap();
    assert_eq!(load(), place(2) + "not TOML: not UTF-8; correct the line");
    std::fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert_eq!(
        load(),
        place(1) + "the file has more than 1048576 bytes; at most those; is it the right file?"
    );
}

// covers: G03
#[test]
fn a_limit_that_is_given_nowhere_refuses_the_start_and_zero_stays_zero() {
    let missing = |limit: &str, line: &str, at: &str| {
        let key = match at {
            "18" => format!("{at}: instrument.BTC-USDT-SWAP.{limit}"),
            _ => format!("{at}: strategy.grid.{limit}"),
        };
        let message = "missing; without it nothing starts (0 means none allowed, nothing means \
                       unlimited); write it here or in [risk]";
        let text = changed(&format!("{line}\n"), "");
        let messages = messages(&text);
        let expected = format!("{key}: {message}");
        assert!(messages.lines().any(|line| line == expected), "{messages}");
    };
    missing("max_order_qty", "max_order_qty = \"10\"", "18");
    missing("max_order_notional", "max_order_notional = \"50000\"", "18");
    missing("max_open_orders", "max_open_orders = 200", "18");
    missing("max_open_orders", "max_open_orders = 200", "22");
    missing("max_long", "max_long = \"100\"", "18");
    missing("max_short", "max_short = \"100\"", "18");
    missing("max_orders_per_s", "max_orders_per_s = 30", "22");

    let zero = GOOD
        .replace("max_open_orders = 200", "max_open_orders = 0")
        .replace("max_orders_per_s = 30", "max_orders_per_s = 0")
        .replace("max_long = \"100\"", "max_long = \"0\"");
    let settings = load_with(&zero, &[]).unwrap();
    assert_eq!(settings.instruments[0].max_open_orders, 0);
    assert_eq!(settings.instruments[0].max_long.text, "0");
    assert_eq!(settings.strategies[0].max_open_orders, 0);
    assert_eq!(settings.strategies[0].max_orders_per_s, 0);
}

// covers: G03
#[test]
fn no_word_means_unlimited() {
    for word in ["\"unlimited\"", "\"inf\"", "\"\"", "-1", "\"1e999\""] {
        for line in ["max_order_qty = \"10\"", "max_open_orders = 200"] {
            let key = line.split(" =").next().unwrap();
            let text = changed(line, &format!("{key} = {word}"));
            assert!(messages(&text).contains(key), "{key} = {word}");
        }
    }
}

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
fn a_socket_path_that_the_system_cannot_bind_is_refused() {
    let text = changed(
        "directory = \"data\"",
        &format!("directory = \"{}\"", "d".repeat(100)),
    );
    check(
        &text,
        &[
            "1: attach.socket: the socket's path has 117 bytes; at most 107; set it to a shorter \
             path",
        ],
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

#[test]
fn a_variable_overrides_a_key_and_is_named_as_its_source() {
    let environment = [
        ("MILLRUN_HOT__IDLE", "spin"),
        ("MILLRUN_ENGINE__ORDER_CAPACITY", "1024"),
        ("MILLRUN_VENUE__OKX__SETTLE_MS", "50"),
        ("MILLRUN_JOURNAL__ALLOW_TMPFS", "true"),
        ("MILLRUN_CONFIG", "/etc/millrun.toml"),
        ("PATH", "/bin"),
    ];
    let settings = load_with(GOOD, &environment).unwrap();
    assert_eq!(settings.hot.idle, millrun::config::Idle::Spin);
    assert_eq!(settings.engine.order_capacity, 1024);
    assert_eq!(settings.venues[0].settle_ms, 50);
    assert!(settings.journal.allow_tmpfs);
    let text = millrun::config::describe(&settings);
    assert!(
        text.contains("= \"spin\"  # environment:MILLRUN_HOT__IDLE"),
        "{text}"
    );
    assert!(text.contains("engine.instance_tag"), "{text}");
}

// covers: G01 S01
#[test]
fn a_variable_that_sets_nothing_or_a_secret_is_refused_and_its_value_is_not_shown() {
    let environment = [
        ("MILLRUN_VENUE__OKX__API_SECRET", "HUNTER2HUNTER2"),
        ("MILLRUN_HOT__IDEL", "spin"),
        ("MILLRUN_ENGINE_ORDER_CAPACITY", "1024"),
        ("MILLRUN_STRATEGY__GRID__UID", "5"),
        ("MILLRUN_ENGINE__INSTANCE_TAG", "many"),
    ];
    let no_override = "the environment cannot set this; only MILLRUN_<SECTION>__<KEY> and \
                       MILLRUN_VENUE__<NAME>__<KEY> of known keys; unset it and write the value \
                       into the file";
    let errors = load_with(GOOD, &environment).unwrap_err().to_string();
    let expected = [
        format!(
            "environment:MILLRUN_ENGINE_ORDER_CAPACITY: engine_order_capacity: {no_override}"
        ),
        "environment:MILLRUN_ENGINE__INSTANCE_TAG: engine.instance_tag: is another text; must be a \
         whole number; write it so"
            .to_owned(),
        "environment:MILLRUN_HOT__IDEL: hot.idel: no such key; only known keys are allowed; did \
         you mean `idle`? else remove it"
            .to_owned(),
        format!("environment:MILLRUN_STRATEGY__GRID__UID: strategy.grid.uid: {no_override}"),
        "environment:MILLRUN_VENUE__OKX__API_SECRET: venue.okx.api_secret: secrets are not read \
         from here; only from a file of mode 0600; remove it, put it into the venue's \
         credentials_file, and change the key at the venue if others could read it here"
            .to_owned(),
    ];
    assert_eq!(errors, expected.join("\n"));
    assert!(!errors.contains("HUNTER2"));
}

// covers: S01
#[test]
fn a_secret_in_the_file_is_refused_and_not_shown() {
    let text = changed(
        "kind = \"okx\"",
        "kind = \"okx\"\npassphrase = \"HUNTER2HUNTER2\"",
    );
    let text = messages(&text);
    assert!(
        text.starts_with("7: venue.okx.passphrase: secrets are not read from here"),
        "{text}"
    );
    assert!(!text.contains("HUNTER2"));
}

#[test]
fn a_name_that_the_journal_or_the_environment_cannot_hold_is_refused() {
    for name in ["OKX", "a__b", "9a", "abcdefghijklmnop", "\"a b\""] {
        let text = changed("[venue.okx]", &format!("[venue.{name}]"));
        assert!(messages(&text).contains("is no usable name"), "{name}");
    }
    let many: String = (0..17)
        .map(|at| {
            GOOD[GOOD.find("[venue").unwrap()..GOOD.find("[risk").unwrap()]
                .replace("venue.okx", &format!("venue.v{at}"))
        })
        .collect();
    assert!(messages(&format!("{GOOD}{many}")).contains("there are 18; at most 16; remove some"));
}

proptest! {
    // covers: G01
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = load_with(&text, &[("MILLRUN_HOT__CPU", &text)]);
    }

    // covers: G01
    #[test]
    fn no_damage_to_a_good_file_panics_and_every_error_names_a_line_of_it(
        at in 0..GOOD.len(), cut in 0_usize..40, put in "[\\PC\n\t\"\\[\\]=#.\\\\]{0,12}"
    ) {
        let end = (at + cut).min(GOOD.len());
        let text = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        if let Err(errors) = load_with(&text, &[]) {
            prop_assert!(!errors.list().is_empty());
            for error in errors.list() {
                let shown = error.to_string();
                prop_assert!(!shown.contains('\n'), "{}", shown);
                let line = shown.strip_prefix("/etc/millrun.toml:").unwrap().split(':').next();
                let line: usize = line.unwrap().parse().unwrap();
                prop_assert!(line >= 1 && line <= text.split('\n').count(), "{}", shown);
            }
        }
    }
}
