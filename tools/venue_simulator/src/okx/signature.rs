//! Who signed a request: REST headers and WebSocket logins, checked over the bytes as they came.
//!
//! Invariants: nothing is re-serialised before the check (python-okx signs its own spacing). Must
//! not know: what the request wants. Codes: docs "API Class" (REST) and "WebSocket Class" (login).

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::config::{AccountConfig, KeyEnvironment};
use crate::okx::error_code::VenueError;
use crate::okx::parameters::text;

/// `base64(HMAC_SHA256(secret, message))`.
pub(crate) fn sign(secret: &str, message: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

fn is_recent(at_ms: i64, now_ms: i64, window_ms: i64) -> bool {
    now_ms.abs_diff(at_ms) <= window_ms.unsigned_abs()
}

/// A REST refusal: HTTP status, code and text.
pub(crate) struct AuthRefusal {
    pub(crate) status: u16,
    pub(crate) error: VenueError,
}

fn unauthorized(code: &str, message: &str) -> AuthRefusal {
    AuthRefusal {
        status: 401,
        error: VenueError::new(code, message),
    }
}

/// Finds the account that signed a REST request.
pub(crate) fn authenticate_rest(
    accounts: &[AccountConfig],
    headers: &HeaderMap,
    method: &str,
    path_and_query: &str,
    body: &[u8],
    now_ms: i64,
    window_ms: i64,
) -> Result<usize, AuthRefusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let required = |name: &'static str, code: &str| {
        header(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| unauthorized(code, &format!("Request header {name} cannot be empty.")))
    };
    let key = required("OK-ACCESS-KEY", "50103")?;
    let passphrase = required("OK-ACCESS-PASSPHRASE", "50104")?;
    let signature = required("OK-ACCESS-SIGN", "50106")?;
    let timestamp = required("OK-ACCESS-TIMESTAMP", "50107")?;
    let at_ms = parse_iso_ms(timestamp)
        .ok_or_else(|| unauthorized("50112", "Invalid OK-ACCESS-TIMESTAMP"))?;
    if !is_recent(at_ms, now_ms, window_ms) {
        return Err(unauthorized("50102", "Timestamp request expired"));
    }
    let Some(index) = accounts.iter().position(|account| account.api_key == key) else {
        let error = VenueError::new("50119", "API key doesn't exist");
        return Err(AuthRefusal { status: 200, error });
    };
    let account = &accounts[index];
    check_environment(account, header("x-simulated-trading") == Some("1"))?;
    if account.passphrase != passphrase {
        return Err(unauthorized(
            "50105",
            "Request header OK-ACCESS-PASSPHRASE incorrect.",
        ));
    }
    let mut message = format!("{timestamp}{method}{path_and_query}").into_bytes();
    message.extend_from_slice(body);
    if sign(&account.secret, &message) != signature {
        return Err(unauthorized("50113", "Invalid Sign"));
    }
    Ok(index)
}

fn check_environment(account: &AccountConfig, is_demo: bool) -> Result<(), AuthRefusal> {
    let is_right = match account.environment {
        KeyEnvironment::Any => true,
        KeyEnvironment::Live => !is_demo,
        KeyEnvironment::Demo => is_demo,
    };
    if is_right {
        return Ok(());
    }
    Err(unauthorized(
        "50101",
        "APIKey does not match current environment.",
    ))
}

/// Finds the account of a WebSocket login's first argument.
pub(crate) fn authenticate_login(
    accounts: &[AccountConfig],
    argument: &Value,
    now_ms: i64,
    window_ms: i64,
) -> Result<usize, VenueError> {
    let field = |name: &str| {
        text(argument, name)
            .ok_or_else(|| VenueError::new("60027", format!("Parameter {name} can not be empty.")))
    };
    let key = field("apiKey")?;
    let passphrase = field("passphrase")?;
    let timestamp = field("timestamp")?;
    let signature = field("sign")?;
    let at_s: i64 = timestamp
        .parse()
        .map_err(|_| VenueError::new("60004", "Invalid timestamp"))?;
    if !is_recent(at_s.saturating_mul(1_000), now_ms, window_ms) {
        return Err(VenueError::new("60006", "Timestamp request expired"));
    }
    if key.len() < 8 {
        return Err(VenueError::new("60005", "Invalid apiKey"));
    }
    let index = accounts
        .iter()
        .position(|account| account.api_key == key)
        .ok_or_else(|| VenueError::known("60032"))?;
    if accounts[index].passphrase != passphrase {
        return Err(VenueError::new("60024", "Wrong passphrase"));
    }
    let message = format!("{timestamp}GET/users/self/verify");
    if sign(&accounts[index].secret, message.as_bytes()) != signature {
        return Err(VenueError::new("60007", "Invalid sign"));
    }
    Ok(index)
}

/// Milliseconds since the epoch of `2026-01-02T03:04:05.678Z`; only this form is valid.
pub(crate) fn parse_iso_ms(timestamp: &str) -> Option<i64> {
    let bytes = timestamp.as_bytes();
    let has_form = bytes.len() == 24
        && bytes
            .iter()
            .zip(b"0000-00-00T00:00:00.000Z")
            .all(|(found, form)| match form {
                b'0' => found.is_ascii_digit(),
                _ => found == form,
            });
    if !has_form {
        return None;
    }
    let number = |from: usize, to: usize| timestamp[from..to].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !in_range {
        return None;
    }
    let seconds = (days_from_epoch(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + number(20, 23)?)
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::{authenticate_login, parse_iso_ms, sign};
    use crate::config::AccountConfig;
    use serde_json::json;

    #[test]
    fn timestamps_read_as_the_calendar_says() {
        assert_eq!(parse_iso_ms("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(
            parse_iso_ms("2025-10-09T08:53:20.123Z"),
            Some(1_760_000_000_123)
        );
        assert_eq!(
            parse_iso_ms("2024-02-29T23:59:59.999Z"),
            Some(1_709_251_199_999)
        );
        for wrong in [
            "2025-10-09T08:53:20Z",
            "2025-10-09 08:53:20.123Z",
            "1760000000123",
            "",
        ] {
            assert_eq!(parse_iso_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn login_signature_matches_the_one_that_okx_clients_make() {
        let account = AccountConfig::numbered(1);
        let expected = sign(&account.secret, b"1760000000GET/users/self/verify");
        for timestamp in [json!("1760000000"), json!(1_760_000_000)] {
            let argument = json!({"apiKey": account.api_key, "passphrase": account.passphrase,
                "timestamp": timestamp, "sign": expected});
            let accounts = [account.clone()];
            let found = authenticate_login(&accounts, &argument, 1_760_000_010_000, 30_000);
            assert_eq!(found, Ok(0));
        }
    }

    #[test]
    fn each_login_fault_has_its_own_code() {
        let account = AccountConfig::numbered(1);
        let sign_at = |at: &str| {
            sign(
                &account.secret,
                format!("{at}GET/users/self/verify").as_bytes(),
            )
        };
        let check = |key: &str, pass: &str, at: &str, signature: &str| {
            let argument = json!({"apiKey": key, "passphrase": pass, "timestamp": at,
                "sign": signature});
            let accounts = [account.clone()];
            authenticate_login(&accounts, &argument, 1_760_000_000_000, 30_000)
                .map_err(|error| error.code)
        };
        let (key, pass) = (account.api_key.as_str(), account.passphrase.as_str());
        let now = "1760000000";
        assert_eq!(check(key, pass, "soon", "x"), Err("60004".to_owned()));
        assert_eq!(check("short", pass, now, "x"), Err("60005".to_owned()));
        assert_eq!(check(key, pass, "1759999000", "x"), Err("60006".to_owned()));
        assert_eq!(check(key, pass, now, "x"), Err("60007".to_owned()));
        assert_eq!(
            check(key, "no", now, &sign_at(now)),
            Err("60024".to_owned())
        );
        assert_eq!(check(key, "", now, &sign_at(now)), Err("60027".to_owned()));
        assert_eq!(
            check("11111111-2222", pass, now, "x"),
            Err("60032".to_owned())
        );
        assert_eq!(check(key, pass, now, &sign_at(now)), Ok(0));
    }
}
