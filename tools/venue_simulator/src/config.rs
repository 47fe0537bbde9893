//! Everything that shapes a simulator run.
//!
//! Invariants: `Default` is a complete, usable venue. Must not know: sockets, wire formats.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::faults::FaultRule;
use crate::instruments::{Instrument, default_instruments};

/// Which kind of API key an account has; OKX refuses the other environment with 50101.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnvironment {
    /// Requests with and without `x-simulated-trading: 1` are taken.
    Any,
    /// Only requests without the demo header.
    Live,
    /// Only requests with the demo header.
    Demo,
}

/// One trading account and its key.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// API key (`OK-ACCESS-KEY`).
    pub api_key: String,
    /// Secret that signs requests.
    pub secret: String,
    /// Passphrase of the key.
    pub passphrase: String,
    /// Starting cash per currency.
    pub balances: Vec<(String, Decimal)>,
    /// Whether the account starts in `long_short_mode` instead of `net_mode`.
    pub is_long_short: bool,
    /// `acctLv`: 1 spot, 2 futures, 3 multi-currency, 4 portfolio.
    pub account_level: u8,
    /// Environment of the key.
    pub environment: KeyEnvironment,
    /// Accounts with the same main uid never trade with each other; none means its own.
    pub main_uid: Option<u64>,
    /// Whether the trading tier gives the `fills` channel (VIP4 and above).
    pub has_fills_channel: bool,
}

impl AccountConfig {
    /// The `number`-th standard account (from 1), rich enough for long runs.
    ///
    /// Key `00000000-0000-4000-8000-00000000000N` (twelve digits), secret
    /// `SIMULATORSECRET00000000N` (eight digits after the word), passphrase `Sim-Pass#N`.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        let million = Decimal::from(1_000_000_u32);
        let mut balances = vec![("USDT".to_owned(), Decimal::from(100_u32) * million)];
        for (currency, amount) in [("BTC", 1_000_u32), ("ETH", 10_000), ("SOL", 100_000)] {
            balances.push((currency.to_owned(), Decimal::from(amount)));
        }
        for currency in ["XRP", "DOGE", "LTC"] {
            balances.push((currency.to_owned(), million));
        }
        Self {
            api_key: format!("00000000-0000-4000-8000-{number:012}"),
            secret: format!("SIMULATORSECRET{number:08}"),
            passphrase: format!("Sim-Pass#{number}"),
            balances,
            is_long_short: false,
            account_level: 2,
            environment: KeyEnvironment::Any,
            main_uid: None,
            has_fills_channel: true,
        }
    }
}

/// The seeded background market: makers around a random walk, and takers.
#[derive(Clone, Debug)]
pub struct BackgroundMarket {
    /// Off means books hold only clients' orders.
    pub is_on: bool,
    /// Steps per second and instrument; each moves the fair price, requotes and may take.
    pub steps_per_second: u32,
    /// Largest move of the fair price per step, in basis points.
    pub move_bps: u32,
    /// Farthest the fair price strays from the instrument's initial price, in basis points.
    pub range_bps: u32,
    /// Depth of a taker's sweep from the fair price, in basis points.
    pub sweep_bps: u32,
    /// Symbols to quote; empty means all.
    pub symbols: Vec<String>,
}

impl Default for BackgroundMarket {
    fn default() -> Self {
        Self {
            is_on: true,
            steps_per_second: 10,
            move_bps: 4,
            range_bps: 60,
            sweep_bps: 12,
            symbols: Vec::new(),
        }
    }
}

/// Fee rates in OKX's sign: negative is charged, positive is a rebate.
#[derive(Clone, Copy, Debug)]
pub struct FeeSchedule {
    /// Spot maker rate.
    pub spot_maker: Decimal,
    /// Spot taker rate.
    pub spot_taker: Decimal,
    /// Swap and futures maker rate.
    pub derivative_maker: Decimal,
    /// Swap and futures taker rate.
    pub derivative_taker: Decimal,
}

impl Default for FeeSchedule {
    fn default() -> Self {
        Self {
            spot_maker: Decimal::new(-8, 4),
            spot_taker: Decimal::new(-10, 4),
            derivative_maker: Decimal::new(-2, 4),
            derivative_taker: Decimal::new(-5, 4),
        }
    }
}

/// Request limits; the defaults are OKX's documented ones.
#[derive(Clone, Copy, Debug)]
pub struct LimitConfig {
    /// Off means every request is let through.
    pub is_on: bool,
    /// Length of the sliding window.
    pub window: Duration,
    /// Single place, amend or cancel requests per account and instrument, each kind alone.
    pub single_per_window: u32,
    /// Orders in batches per account and instrument, each kind alone.
    pub batch_per_window: u32,
    /// New and amended orders per sub-account (50061).
    pub sub_account_per_window: u32,
    /// Queries per path and account, as a factor on the documented limits.
    pub is_query_limited: bool,
    /// `login`, `subscribe` and `unsubscribe` per hour and connection.
    pub control_per_hour: u32,
    /// New WebSocket connections per second (OKX: 3 per IP); 0 is without limit, because here
    /// all clients share one address.
    pub connections_per_second: u32,
    /// Connections per private channel and account.
    pub connections_per_channel: u32,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            is_on: true,
            window: Duration::from_secs(2),
            single_per_window: 60,
            batch_per_window: 300,
            sub_account_per_window: 1_000,
            is_query_limited: true,
            control_per_hour: 480,
            connections_per_second: 0,
            connections_per_channel: 30,
        }
    }
}

/// A whole simulator.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Seed of the background market and of random faults.
    pub seed: u64,
    /// What can be traded.
    pub instruments: Vec<Instrument>,
    /// Who can trade.
    pub accounts: Vec<AccountConfig>,
    /// Background market.
    pub market: BackgroundMarket,
    /// Fees.
    pub fees: FeeSchedule,
    /// Request limits.
    pub limits: LimitConfig,
    /// Faults armed from the start.
    pub faults: Vec<FaultRule>,
    /// Delay of operation acks.
    pub ack_delay: Duration,
    /// Delay of channel pushes.
    pub push_delay: Duration,
    /// Venue clock minus real clock, in milliseconds.
    pub clock_skew_ms: i64,
    /// Largest accepted distance of a request's timestamp (OKX: 30 s).
    pub timestamp_window_ms: i64,
    /// A connection without traffic is closed with 4004 after this long (OKX: 30 s).
    pub idle_timeout: Duration,
    /// Cancelled orders without fills leave the history after this long (OKX: 2 h).
    pub canceled_retention_ms: i64,
    /// Half width of the price band, in basis points.
    pub price_band_bps: u32,
    /// Take `instId` instead of `instIdCode` on the WebSocket.
    pub allows_instrument_name: bool,
    /// Also serve clear text on the same port (told apart by the first byte).
    pub allows_clear_text: bool,
    /// Names and addresses in the server certificate.
    pub certificate_names: Vec<String>,
    /// Serve a certificate that expired in 2020, for clients that must refuse it.
    pub has_expired_certificate: bool,
    /// Where to write the certificate authority (PEM); none means a file in the temporary
    /// directory.
    pub ca_out: Option<PathBuf>,
    /// Where to write the ledger at shutdown (JSON lines).
    pub ledger: Option<PathBuf>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            instruments: default_instruments(),
            accounts: vec![AccountConfig::numbered(1), AccountConfig::numbered(2)],
            market: BackgroundMarket::default(),
            fees: FeeSchedule::default(),
            limits: LimitConfig::default(),
            faults: Vec::new(),
            ack_delay: Duration::ZERO,
            push_delay: Duration::ZERO,
            clock_skew_ms: 0,
            timestamp_window_ms: 30_000,
            idle_timeout: Duration::from_secs(30),
            canceled_retention_ms: 7_200_000,
            price_band_bps: 500,
            allows_instrument_name: false,
            allows_clear_text: false,
            certificate_names: ["localhost", "127.0.0.1", "::1", "ws.okx.com", "www.okx.com"]
                .map(str::to_owned)
                .to_vec(),
            has_expired_certificate: false,
            ca_out: None,
            ledger: None,
        }
    }
}
