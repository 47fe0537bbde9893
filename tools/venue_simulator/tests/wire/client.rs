//! A blocking client over rustls and tungstenite, and a simulator in a runtime of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use millrun_venue_simulator::{
    AccountConfig, CommandWitness, OwnedSimulator, Running, Simulator, SimulatorConfig,
    SimulatorStats,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

pub(crate) const SWAP_CODE: i64 = 10_459;
pub(crate) const SWAP: &str = "BTC-USDT-SWAP";

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A simulator without background market, unless the change turns it on.
pub(crate) struct Venue {
    simulator: OwnedSimulator,
}

impl Venue {
    pub(crate) fn start(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        Self::start_with(change, None)
    }

    pub(crate) fn start_with(
        change: impl FnOnce(&mut SimulatorConfig),
        witness: Option<Arc<dyn CommandWitness>>,
    ) -> Self {
        let mut config = SimulatorConfig::default();
        config.market.is_on = false;
        change(&mut config);
        Self {
            simulator: Simulator::start_blocking(config, witness).unwrap(),
        }
    }

    pub(crate) fn running(&self) -> &Running {
        &self.simulator
    }

    pub(crate) fn arm(&self, rule: Value) {
        self.running().arm(serde_json::from_value(rule).unwrap());
    }

    pub(crate) fn stop(self) -> SimulatorStats {
        self.simulator.shutdown().unwrap()
    }

    /// A private connection that is logged in and follows orders.
    pub(crate) fn trader(&self, number: u32) -> Socket {
        let mut socket = Socket::open(self, "private");
        socket.login(&AccountConfig::numbered(number));
        socket.subscribe(json!({"channel": "orders", "instType": "ANY"}));
        socket
    }

    pub(crate) fn tls(&self) -> Tls {
        let mut roots = RootCertStore::empty();
        let ca = self.running().ca_pem().as_bytes();
        roots
            .add(CertificateDer::from_pem_slice(ca).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.running().addr()).unwrap();
        stream.set_nodelay(true).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// One signed REST request on a connection of its own: status and body.
    pub(crate) fn rest(&self, number: u32, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.rest_with(number, method, path, body, &[]).unwrap()
    }

    pub(crate) fn rest_with(
        &self,
        number: u32,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> std::io::Result<(u16, Value)> {
        let mut all = signed_headers(number, method, path, body);
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.exchange(method, path, body, &all)
    }

    /// A signed query of which one header is replaced.
    pub(crate) fn rest_replacing(
        &self,
        number: u32,
        path: &str,
        (name, value): (&str, &str),
    ) -> (u16, Value) {
        let mut headers = signed_headers(number, "GET", path, "");
        headers.retain(|(other, _)| other != name);
        headers.push((name.to_owned(), value.to_owned()));
        self.exchange("GET", path, "", &headers).unwrap()
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(String, String)],
    ) -> std::io::Result<(u16, Value)> {
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len(),
        );
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(body);
        let mut stream = self.tls();
        stream
            .sock
            .set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    pub(crate) fn ledger(&self, number: u32) -> Vec<Value> {
        let lines = self
            .running()
            .ledger(&AccountConfig::numbered(number).api_key);
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn signed_headers(number: u32, method: &str, path: &str, body: &str) -> Vec<(String, String)> {
    let account = AccountConfig::numbered(number);
    let timestamp = iso_now();
    let sign = sign(&account.secret, &format!("{timestamp}{method}{path}{body}"));
    [
        ("OK-ACCESS-KEY", account.api_key),
        ("OK-ACCESS-SIGN", sign),
        ("OK-ACCESS-TIMESTAMP", timestamp),
        ("OK-ACCESS-PASSPHRASE", account.passphrase),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// A WebSocket connection and what it heard so far.
pub(crate) struct Socket {
    socket: WebSocket<Tls>,
    pub(crate) heard: Vec<Value>,
    next_id: u32,
}

impl Socket {
    pub(crate) fn open(venue: &Venue, path: &str) -> Self {
        Self::try_open(venue, path).unwrap()
    }

    /// None when the upgrade is refused.
    pub(crate) fn try_open(venue: &Venue, path: &str) -> Option<Self> {
        let url = format!(
            "wss://{}/ws/v5/{path}?brokerId=9999",
            venue.running().addr()
        );
        let (socket, _) = tungstenite::client(url, venue.tls()).ok()?;
        socket
            .get_ref()
            .sock
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        Some(Self {
            socket,
            heard: Vec::new(),
            next_id: 0,
        })
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub(crate) fn send_message(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// The next message, or none when the connection ended or nothing came for `patience`.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<Message> {
        let deadline = Instant::now() + patience;
        loop {
            match self.socket.read() {
                Ok(message) => return Some(message),
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if Instant::now() >= deadline {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
    }

    /// Waits up to 5 s for a JSON message; earlier ones count too.
    pub(crate) fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.find(wanted, Duration::from_secs(5))
            .unwrap_or_else(|| panic!("{:?}", self.heard))
    }

    pub(crate) fn find(
        &mut self,
        wanted: impl Fn(&Value) -> bool,
        patience: Duration,
    ) -> Option<Value> {
        let deadline = Instant::now() + patience;
        let mut seen = 0;
        loop {
            while let Some(message) = self.heard.get(seen) {
                if wanted(message) {
                    return Some(message.clone());
                }
                seen += 1;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            match self.next(left)? {
                Message::Text(text) if text.as_str() == "pong" => {
                    self.heard.push(json!("pong"));
                }
                Message::Text(text) => self.heard.push(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => {
                    let code = frame.map_or(0, |frame| u16::from(frame.code));
                    self.heard.push(json!({"closed": code}));
                }
                _ => {}
            }
        }
    }

    /// Reads until the connection ends; returns whether it did within `patience`.
    pub(crate) fn is_ended(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            match self.socket.read() {
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
        }
        false
    }

    pub(crate) fn login(&mut self, account: &AccountConfig) {
        self.send(&login_message(account, unix_seconds()));
        let answer = self.wait(|message| message["event"] == "login");
        assert_eq!(answer["code"], "0");
    }

    pub(crate) fn subscribe(&mut self, argument: Value) {
        self.send(&json!({"id": "s1", "op": "subscribe", "args": [argument]}));
        self.wait(|message| message["event"] == "subscribe" && message["arg"] == argument);
    }

    /// Sends an operation and returns its id.
    pub(crate) fn operation(&mut self, name: &str, legs: Value) -> String {
        self.operation_until(name, legs, None)
    }

    pub(crate) fn operation_until(
        &mut self,
        name: &str,
        legs: Value,
        until_ms: Option<i64>,
    ) -> String {
        self.next_id += 1;
        let id = self.next_id.to_string();
        let mut message = json!({"id": id, "op": name, "args": legs});
        if let Some(until_ms) = until_ms {
            message["expTime"] = json!(until_ms.to_string());
        }
        self.send(&message);
        id
    }

    /// Sends an operation and waits for its reply.
    pub(crate) fn ask(&mut self, name: &str, legs: Value) -> Value {
        let id = self.operation(name, legs);
        self.reply(&id)
    }

    pub(crate) fn reply(&mut self, id: &str) -> Value {
        self.wait(|message| message["id"] == id && message.get("op").is_some())
    }

    /// The first push of an order in a state.
    pub(crate) fn order(&mut self, client_order_id: &str, state: &str) -> Value {
        self.wait(|message| is_order(message, client_order_id, state))["data"][0].clone()
    }

    /// All pushes of an order heard so far.
    pub(crate) fn pushes(&self, client_order_id: &str) -> Vec<Value> {
        let own = self.heard.iter().filter(|message| {
            message["arg"]["channel"] == "orders"
                && message["data"][0]["clOrdId"] == client_order_id
        });
        own.map(|message| message["data"][0].clone()).collect()
    }

    /// Position of the first message that satisfies a test.
    pub(crate) fn position(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        self.heard
            .iter()
            .position(wanted)
            .unwrap_or_else(|| panic!("{:?}", self.heard))
    }
}

pub(crate) fn is_order(message: &Value, client_order_id: &str, state: &str) -> bool {
    message["arg"]["channel"] == "orders"
        && message["data"][0]["clOrdId"] == client_order_id
        && message["data"][0]["state"] == state
}

pub(crate) fn login_message(account: &AccountConfig, timestamp: i64) -> Value {
    let sign = sign(
        &account.secret,
        &format!("{timestamp}GET/users/self/verify"),
    );
    json!({"op": "login", "args": [{"apiKey": account.api_key, "passphrase": account.passphrase,
        "timestamp": timestamp.to_string(), "sign": sign}]})
}

/// A limit order on the swap.
pub(crate) fn limit(client_order_id: &str, side: &str, price: &str, quantity: &str) -> Value {
    json!({"instIdCode": SWAP_CODE, "tdMode": "cross", "side": side, "ordType": "limit",
        "px": price, "sz": quantity, "clOrdId": client_order_id})
}

pub(crate) fn named(client_order_id: &str) -> Value {
    json!([{"instIdCode": SWAP_CODE, "clOrdId": client_order_id}])
}

pub(crate) fn sign(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

pub(crate) fn unix_ms() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap()
}

pub(crate) fn unix_seconds() -> i64 {
    unix_ms() / 1_000
}

/// Now as `2026-01-02T03:04:05.678Z`.
fn iso_now() -> String {
    let now_ms = unix_ms();
    let (days, of_day_ms) = (now_ms.div_euclid(86_400_000), now_ms.rem_euclid(86_400_000));
    let mut year = 1970;
    let mut left = days;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(is_leap(year)) {
        left -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute) = (of_day_ms / 3_600_000, of_day_ms / 60_000 % 60);
    let (second, milli) = (of_day_ms / 1_000 % 60, of_day_ms % 1_000);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
        left + 1
    )
}
