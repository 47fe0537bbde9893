//! What concerns the file as a whole: all its errors at once, what is there twice, what is no TOML,
//! a file that cannot be read, names, a secret.

use millrun::config::Settings;

use crate::{GOOD, changed, check, messages};

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
