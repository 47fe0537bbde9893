//! Secrets stay inside: whatever a run leaves or shows is searched for the keys that it used.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use millrun_client::{OrderEventKind, Side};
use serde_json::json;

use crate::engine_process::EngineProcess;
use crate::rig::Rig;
use crate::trader::limit;

const API_KEY: &str = "CANARY-key/7f3a+9Qz";
const SECRET: &str = "CANARYsecret/+=9XkQ22";
/// Words that this venue says when it refuses an order: it quotes our passphrase to us.
const PASSPHRASE: &str = "Operation failed";

fn write_canary_keys(rig: &Rig) {
    let path = rig.path("okx.credentials");
    fs::remove_file(&path).unwrap();
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    writeln!(file, "api_key = \"{API_KEY}\"").unwrap();
    writeln!(file, "api_secret = \"{SECRET}\"").unwrap();
    writeln!(file, "passphrase = \"{PASSPHRASE}\"").unwrap();
}

/// Every form of a secret that is searched for: as it is, hexadecimal, base64 at each of the three
/// offsets that it can have in a longer text, URL-encoded, JSON-escaped.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        hex.to_uppercase(),
        hex,
        secret.replace('/', "\\/"),
        secret
            .replace('/', "%2F")
            .replace('+', "%2B")
            .replace('=', "%3D"),
    ];
    for before in 0..3 {
        let mut bytes = vec![b'x'; before];
        bytes.extend(secret.bytes());
        let encoded = base64(&bytes);
        // Letters that also hold bits of what stands before or behind are left out.
        let inner = &encoded[(before * 4).div_ceil(3)..bytes.len() * 4 / 3];
        forms.push(inner.replace('+', "-").replace('/', "_"));
        forms.push(inner.to_owned());
    }
    forms.into_iter().map(String::into_bytes).collect()
}

fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = 0_u32;
        for at in 0..3 {
            word = word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        for place in (0..=chunk.len()).map(|place| 18 - 6 * place) {
            text.push(char::from(letters[(word >> place & 63) as usize]));
        }
    }
    text
}

fn search(what: &str, bytes: &[u8]) {
    for (name, secret) in [
        ("api_key", API_KEY),
        ("secret", SECRET),
        ("passphrase", PASSPHRASE),
    ] {
        for form in forms(secret) {
            let found = bytes.windows(form.len()).position(|part| part == form);
            let form = String::from_utf8_lossy(&form);
            assert!(
                found.is_none(),
                "{what} holds the {name} as {form}, at {found:?}"
            );
        }
    }
}

/// Every file below a directory, but for the key file itself; how many.
fn search_files(directory: &Path) -> usize {
    let mut searched = 0;
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            searched += search_files(&path);
        } else if path.is_file() && !path.ends_with("okx.credentials") {
            search(&path.display().to_string(), &fs::read(&path).unwrap());
            searched += 1;
        }
    }
    searched
}

fn search_process(engine: &EngineProcess) {
    for file in ["cmdline", "environ"] {
        let path = format!("/proc/{}/{file}", engine.pid());
        search(file, &fs::read(path).unwrap());
    }
}

// covers: P15 S05
#[test]
fn no_key_is_in_journal_database_order_log_log_output_or_arguments_in_any_form() {
    let rig = Rig::with(|config| {
        let account = &mut config.accounts[0];
        account.api_key = API_KEY.to_owned();
        account.secret = SECRET.to_owned();
        account.passphrase = PASSPHRASE.to_owned();
    });
    write_canary_keys(&rig);
    rig.write_config(|text| text.replace("level = \"info\"", "level = \"debug\""));
    let mut engine = EngineProcess::spawn(&rig.config(), &["--log-format", "json"]);
    engine.wait_ready();
    let mut trader = rig.attach("grid");
    let (filled, _) = trader.rest(&limit(Side::Buy, "1", "63000"));
    rig.counterparty("sell", "1", "63000");
    trader.wait(filled, OrderEventKind::OrderFilled);
    rig.arm(
        json!({"fault": {"kind": "answer", "code": "51008", "executes": false},
        "when": {"on": "order"}}),
    );
    let request = trader
        .client
        .place(&limit(Side::Buy, "1", "62000"))
        .unwrap();
    let rejected = trader.wait(request, OrderEventKind::OrderRejected);
    assert!(
        rejected.text.as_str().contains("************"),
        "{rejected:?}"
    );
    search_process(&engine);
    // A login that is refused, a link that breaks, a stop: each has words of its own.
    rig.arm(json!({"fault": {"kind": "reject_login", "code": "60009"}, "when": {"on": "login"}}));
    rig.arm(json!({"fault": {"kind": "disconnect", "executes": true},
        "when": {"on": "order"}}));
    trader
        .client
        .place(&limit(Side::Buy, "1", "62100"))
        .unwrap();
    engine.wait_for_line("AUTH_FAILED");
    assert!(engine.stop().success());
    search("the log", engine.all_printed().as_bytes());
    for arguments in [
        &["status", "--json"] as &[&str],
        &["status"],
        &["db", "status"],
        &["order", "list", "--all", "--json"],
        &["check-config"],
        &["check-config", "--json"],
    ] {
        let output = rig.run(arguments);
        search(&format!("{arguments:?}"), &output.stdout);
        search(&format!("{arguments:?}"), &output.stderr);
    }
    let searched = search_files(rig.config().parent().unwrap());
    assert!(
        searched >= 8,
        "journal, database, order log and more: {searched}"
    );
}
