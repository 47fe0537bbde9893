//! OKX REST without IO: calls to signed requests; answers are read in [`answer`] and [`reference`].
//!
//! okx.com/docs-v5, "REST Authentication": the signature covers timestamp + method + path with
//! query exactly as sent + body. Order objects are those of the WebSocket, written by the same
//! code. Invariants: what is signed is what is sent; no `Debug` shows a header's value. Must not
//! know: HTTP connections, retries. Threads: none; a cold path, it allocates.

pub mod answer;
pub mod instrument_rules;
pub mod reference;

use model::UnixNs;
use model::time::{NS_PER_MS, NS_PER_S};
use zeroize::Zeroizing;

use crate::byte_writer::ByteWriter;
use crate::venue::okx::credentials::Credentials;
use crate::venue::okx::encode::{EncodeError, MAX_BATCH_ORDERS};
use crate::venue::okx::order_terms::{OrderRef, OrderTerms};

/// Most rows of one page of orders or fills.
pub const PAGE_ROWS_MAX: u16 = 100;

/// Largest body of a request in bytes: a batch of opaque terms with attached orders.
const BODY_BYTES_MAX: usize = 65_536;

/// Which rows of a list are wanted. `None` members are not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListFilter<'a> {
    /// `instType`.
    pub inst_type: Option<&'a str>,
    /// `instId`.
    pub inst_id: Option<&'a str>,
    /// `state`, of orders.
    pub state: Option<&'a str>,
    /// `ordId`, of fills.
    pub ord_id: Option<&'a str>,
    /// `begin`: Unix milliseconds of the oldest row.
    pub begin_ms: Option<u64>,
    /// `after`: rows older than this `ordId` (orders) or `billId` (fills).
    pub after: Option<&'a str>,
    /// `limit`: rows of the page.
    pub limit: Option<u16>,
}

/// One call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestCall<'a> {
    /// The venue's clock. Not signed.
    Time,
    /// Instruments as everybody sees them. Not signed.
    PublicInstruments {
        /// `instType`.
        inst_type: &'a str,
    },
    /// Instruments as the account sees them.
    AccountInstruments {
        /// `instType`.
        inst_type: &'a str,
    },
    /// Account level, position mode, permissions.
    AccountConfig,
    /// Balances; of some currencies, joined by commas, or all.
    Balance {
        /// `ccy`.
        ccy: Option<&'a str>,
    },
    /// Positions.
    Positions {
        /// `instType`.
        inst_type: Option<&'a str>,
        /// `instId`.
        inst_id: Option<&'a str>,
    },
    /// One order; by `clOrdId`, the latest that had it.
    Order {
        /// `instId`.
        inst_id: &'a str,
        /// Which.
        order: OrderRef<'a>,
    },
    /// Open orders, newest first, paged by `ordId`.
    OrdersPending(ListFilter<'a>),
    /// Orders of 7 days (cancelled ones without fills: 2 h), paged by `ordId`; needs `instType`.
    OrdersHistory(ListFilter<'a>),
    /// Fills of 3 days, paged by `billId`.
    Fills(ListFilter<'a>),
    /// One order operation, or a batch of one kind.
    Orders {
        /// Objects of one kind.
        terms: &'a [OrderTerms<'a>],
        /// Through the batch path.
        batch: bool,
    },
    /// Cancels every order of the account if not repeated in time; 0 switches it off.
    CancelAllAfter {
        /// 0, or 10 to 120 seconds.
        timeout_s: u16,
        /// Only orders with this `tag`.
        tag: Option<&'a str>,
    },
}

/// A request, ready for any HTTP client.
#[derive(Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path without query.
    pub path: &'static str,
    /// Query without `?`, encoded as signed; empty = none.
    pub query: String,
    /// Header names and values, `Host` and lengths apart.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// Exact body; empty for `GET`.
    pub body: String,
}

impl RestRequest {
    /// Path and query as they stand in the request line, and in the signature.
    pub fn target(&self) -> String {
        request_path(self.path, &self.query)
    }
}

impl core::fmt::Debug for RestRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {} {}", self.method, self.target(), self.body)
    }
}

/// Signs calls with one key.
pub struct RestSigner {
    credentials: Credentials,
    simulated: bool,
}

impl RestSigner {
    /// `simulated` = the venue's demo environment (`x-simulated-trading: 1`).
    pub fn new(credentials: Credentials, simulated: bool) -> Self {
        Self {
            credentials,
            simulated,
        }
    }

    /// Builds the request of `call` at `now` (the venue's clock, within 30 s, or 50102).
    ///
    /// `expires_at` goes into the header `expTime` of order calls: a later arrival is refused.
    ///
    /// # Errors
    /// [`EncodeError`] for an empty or mixed list of order terms, or one that is too long.
    pub fn request(
        &self,
        call: &RestCall<'_>,
        now: UnixNs,
        expires_at: Option<UnixNs>,
    ) -> Result<RestRequest, EncodeError> {
        let (method, path) = method_and_path(call);
        let query = query(call);
        let body = body(call)?;
        let mut headers = Vec::new();
        let mut header = |name, value: &str| headers.push((name, Zeroizing::new(value.to_owned())));
        if !matches!(call, RestCall::Time | RestCall::PublicInstruments { .. }) {
            let timestamp = iso_timestamp(now);
            let target = request_path(path, &query);
            let signature = self.credentials.sign(&[
                timestamp.as_bytes(),
                method.as_bytes(),
                target.as_bytes(),
                body.as_bytes(),
            ]);
            header("OK-ACCESS-KEY", self.credentials.api_key());
            header("OK-ACCESS-SIGN", &String::from_utf8_lossy(&signature));
            header("OK-ACCESS-TIMESTAMP", &timestamp);
            header("OK-ACCESS-PASSPHRASE", self.credentials.passphrase());
        }
        if self.simulated {
            header("x-simulated-trading", "1");
        }
        if method == "POST" {
            header("Content-Type", "application/json");
        }
        if let (RestCall::Orders { .. }, Some(moment)) = (call, expires_at) {
            header("expTime", &moment.as_ms().to_string());
        }
        Ok(RestRequest {
            method,
            path,
            query,
            headers,
            body,
        })
    }
}

fn method_and_path(call: &RestCall<'_>) -> (&'static str, &'static str) {
    match call {
        RestCall::Time => ("GET", "/api/v5/public/time"),
        RestCall::PublicInstruments { .. } => ("GET", "/api/v5/public/instruments"),
        RestCall::AccountInstruments { .. } => ("GET", "/api/v5/account/instruments"),
        RestCall::AccountConfig => ("GET", "/api/v5/account/config"),
        RestCall::Balance { .. } => ("GET", "/api/v5/account/balance"),
        RestCall::Positions { .. } => ("GET", "/api/v5/account/positions"),
        RestCall::Order { .. } => ("GET", "/api/v5/trade/order"),
        RestCall::OrdersPending(_) => ("GET", "/api/v5/trade/orders-pending"),
        RestCall::OrdersHistory(_) => ("GET", "/api/v5/trade/orders-history"),
        RestCall::Fills(_) => ("GET", "/api/v5/trade/fills"),
        RestCall::CancelAllAfter { .. } => ("POST", "/api/v5/trade/cancel-all-after"),
        RestCall::Orders { terms, batch } => ("POST", order_path(terms.first(), *batch)),
    }
}

fn order_path(first: Option<&OrderTerms<'_>>, batch: bool) -> &'static str {
    match (first, batch) {
        (Some(OrderTerms::Place(_)) | None, false) => "/api/v5/trade/order",
        (Some(OrderTerms::Place(_)) | None, true) => "/api/v5/trade/batch-orders",
        (Some(OrderTerms::Cancel(_)), false) => "/api/v5/trade/cancel-order",
        (Some(OrderTerms::Cancel(_)), true) => "/api/v5/trade/cancel-batch-orders",
        (Some(OrderTerms::Amend(_)), false) => "/api/v5/trade/amend-order",
        (Some(OrderTerms::Amend(_)), true) => "/api/v5/trade/amend-batch-orders",
    }
}

fn query(call: &RestCall<'_>) -> String {
    let mut query = QueryText::default();
    match call {
        RestCall::PublicInstruments { inst_type } | RestCall::AccountInstruments { inst_type } => {
            query.put("instType", Some(inst_type));
        }
        RestCall::Balance { ccy } => query.put("ccy", *ccy),
        RestCall::Positions { inst_type, inst_id } => {
            query.put("instType", *inst_type);
            query.put("instId", *inst_id);
        }
        RestCall::Order { inst_id, order } => {
            query.put("instId", Some(inst_id));
            match order {
                OrderRef::VenueOrderId(id) => query.put("ordId", Some(id)),
                OrderRef::ClientOrderId(id) => query.put("clOrdId", Some(id)),
            }
        }
        RestCall::OrdersPending(filter)
        | RestCall::OrdersHistory(filter)
        | RestCall::Fills(filter) => query.put_filter(filter),
        RestCall::Time
        | RestCall::AccountConfig
        | RestCall::Orders { .. }
        | RestCall::CancelAllAfter { .. } => {}
    }
    query.text
}

#[derive(Default)]
struct QueryText {
    text: String,
}

impl QueryText {
    fn put(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(name);
        self.text.push('=');
        for byte in value.bytes() {
            // RFC 3986, 2.3; the comma between currencies stays readable.
            if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                self.text.push_str(&format!("%{byte:02X}"));
            }
        }
    }

    fn put_filter(&mut self, filter: &ListFilter<'_>) {
        self.put("instType", filter.inst_type);
        self.put("instId", filter.inst_id);
        self.put("state", filter.state);
        self.put("ordId", filter.ord_id);
        self.put("begin", filter.begin_ms.map(|ms| ms.to_string()).as_deref());
        self.put("after", filter.after);
        self.put(
            "limit",
            filter.limit.map(|rows| rows.to_string()).as_deref(),
        );
    }
}

fn body(call: &RestCall<'_>) -> Result<String, EncodeError> {
    let mut out = vec![0; BODY_BYTES_MAX];
    let mut writer = ByteWriter::new(&mut out);
    match call {
        RestCall::Orders { terms, batch } => write_orders(&mut writer, terms, *batch)?,
        RestCall::CancelAllAfter { timeout_s, tag } => {
            writer.put(b"{\"timeOut\":\"");
            writer.put_integer(u64::from(*timeout_s));
            writer.put(b"\"");
            if let Some(tag) = tag {
                writer.put(b",\"tag\":");
                writer.put_json_text(tag.as_bytes());
            }
            writer.put(b"}");
        }
        _ => {}
    }
    let length = writer.finish()?;
    out.truncate(length);
    Ok(String::from_utf8(out).expect("every text that is written is UTF-8"))
}

fn write_orders(
    out: &mut ByteWriter<'_>,
    terms: &[OrderTerms<'_>],
    batch: bool,
) -> Result<(), EncodeError> {
    let found = terms.len();
    let first = terms.first().ok_or(EncodeError::BadBatch { found })?;
    let kind = core::mem::discriminant(first);
    let most = if batch { MAX_BATCH_ORDERS } else { 1 };
    if found > most || terms.iter().any(|it| core::mem::discriminant(it) != kind) {
        return Err(EncodeError::BadBatch { found });
    }
    if !batch {
        first.write(out);
        return Ok(());
    }
    for (place, object) in terms.iter().enumerate() {
        out.put(if place == 0 { b"[" } else { b"," });
        object.write(out);
    }
    out.put(b"]");
    Ok(())
}

fn request_path(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// `2026-01-02T03:04:05.678Z`: what `OK-ACCESS-TIMESTAMP` is. Rounded down to milliseconds.
pub fn iso_timestamp(now: UnixNs) -> String {
    let seconds = now.0 / NS_PER_S;
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    let ms = now.0 / NS_PER_MS % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month, day of a day since 1970-01-01, in the Gregorian calendar.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is a year's last and every 400 years
    // (146,097 days) are alike.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_utc_dates_with_milliseconds() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_760_000_000_123, "2025-10-09T08:53:20.123Z"),
            (1_772_323_199_999, "2026-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, expected) in table {
            assert_eq!(iso_timestamp(UnixNs(ms * NS_PER_MS + 999_999)), expected);
        }
    }

    #[test]
    fn a_query_is_signed_and_sent_percent_encoded() {
        let call = RestCall::Fills(ListFilter {
            inst_type: Some("SW AP&x=é"),
            after: Some("12"),
            limit: Some(100),
            begin_ms: Some(7),
            ..ListFilter::default()
        });
        assert_eq!(
            query(&call),
            "instType=SW%20AP%26x%3D%C3%A9&begin=7&after=12&limit=100"
        );
    }

    // covers: P15
    #[test]
    fn a_request_shows_no_secret_when_it_is_printed() {
        let keys = Credentials::new("canary-key", "canary-secret", "canary-pass").unwrap();
        let signer = RestSigner::new(keys, true);
        let call = RestCall::AccountConfig;
        let request = signer.request(&call, UnixNs(0), None).unwrap();
        assert_eq!(format!("{request:?}"), "GET /api/v5/account/config ");
        let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "OK-ACCESS-KEY",
                "OK-ACCESS-SIGN",
                "OK-ACCESS-TIMESTAMP",
                "OK-ACCESS-PASSPHRASE",
                "x-simulated-trading"
            ]
        );
    }

    #[test]
    fn public_calls_carry_no_key_and_only_order_calls_carry_a_deadline() {
        let keys = Credentials::new("key-1", "secret-1", "pass-1").unwrap();
        let signer = RestSigner::new(keys, false);
        let deadline = Some(UnixNs(5 * NS_PER_S));
        let time = signer
            .request(&RestCall::Time, UnixNs(0), deadline)
            .unwrap();
        assert!(time.headers.is_empty() && time.body.is_empty());
        let call = RestCall::Orders {
            terms: &[],
            batch: true,
        };
        assert_eq!(
            signer.request(&call, UnixNs(0), deadline),
            Err(EncodeError::BadBatch { found: 0 })
        );
    }
}
