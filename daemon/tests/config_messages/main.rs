//! What an operator reads when a configuration is wrong: every error, with its line, at once.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod damage; // any text, any damage
mod limits; // risk limits, lengths
mod overrides; // variables
mod venues; // environments, urls, times
mod whole_file; // all errors at once, twice, no TOML, names, secrets

use millrun::config::{ConfigErrors, Settings};
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
