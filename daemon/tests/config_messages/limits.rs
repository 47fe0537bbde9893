//! Limits: risk limits that are missing or mean unlimited, and the length of a socket path.

use crate::{GOOD, changed, check, load_with, messages};

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
