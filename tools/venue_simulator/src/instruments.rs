//! What can be traded: the rules of each instrument, in the simulator's own decimals.
//!
//! Invariants: a `code` names one instrument; tick and lot are positive. Must not know: orders,
//! JSON, sockets. Plain data, no threads.

use rust_decimal::Decimal;

/// What an instrument is, in OKX's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstrumentKind {
    /// Base currency against quote currency, settled at once.
    Spot,
    /// Linear perpetual, sized in contracts.
    Swap,
    /// Linear dated contract, sized in contracts.
    Futures,
}

impl InstrumentKind {
    /// The venue's `instType`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spot => "SPOT",
            Self::Swap => "SWAP",
            Self::Futures => "FUTURES",
        }
    }
}

/// One instrument and its rules.
#[derive(Clone, Debug)]
pub struct Instrument {
    /// Kind, which decides units and settlement.
    pub kind: InstrumentKind,
    /// The venue's `instId`.
    pub symbol: String,
    /// The venue's `instIdCode`, used by order operations on the WebSocket.
    pub code: i64,
    /// Base currency (`BTC`).
    pub base: String,
    /// Quote and settlement currency (`USDT`).
    pub quote: String,
    /// Base currency per contract; 1 for spot.
    pub contract_value: Decimal,
    /// Price step.
    pub tick: Decimal,
    /// Quantity step, in contracts or base.
    pub lot: Decimal,
    /// Smallest quantity, in contracts or base.
    pub min_quantity: Decimal,
    /// Largest limit quantity.
    pub max_limit_quantity: Decimal,
    /// Largest market quantity: contracts, or USDT for spot.
    pub max_market_quantity: Decimal,
    /// Highest leverage offered.
    pub max_leverage: u32,
    /// Price the background market starts from.
    pub initial_price: Decimal,
    /// Venue state: `live`, `suspend`, `preopen`, `rebase`, `post_only`, `test`, `settling`.
    pub state: String,
    /// Unix ms of listing.
    pub listed_at_ms: i64,
    /// Unix ms of expiry, for dated contracts.
    pub expires_at_ms: Option<i64>,
}

impl Instrument {
    /// Whether quantities are contracts and trades make positions.
    #[must_use]
    pub fn is_derivative(&self) -> bool {
        self.kind != InstrumentKind::Spot
    }

    /// Value in quote currency of a quantity at a price.
    #[must_use]
    pub fn notional(&self, quantity: Decimal, price: Decimal) -> Decimal {
        quantity * self.contract_value * price
    }

    /// The venue's `instFamily` and `uly` (`BTC-USDT`).
    #[must_use]
    pub fn family(&self) -> String {
        format!("{}-{}", self.base, self.quote)
    }
}

/// (base, code offset, contract value, tick, spot lot, spot minimum, price), decimals as text.
type Row = (
    &'static str,
    i64,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const ROWS: [Row; 10] = [
    ("BTC", 0, "0.01", "0.1", "0.00000001", "0.00001", "64000"),
    ("ETH", 2, "0.1", "0.01", "0.000001", "0.0001", "3200"),
    ("SOL", 4, "1", "0.01", "0.000001", "0.001", "150"),
    ("XRP", 6, "100", "0.0001", "0.000001", "0.1", "2.15"),
    ("DOGE", 8, "1000", "0.00001", "0.000001", "1", "0.18"),
    ("LTC", 10, "1", "0.01", "0.000001", "0.001", "92"),
    ("ADA", 12, "100", "0.0001", "0.000001", "0.1", "0.71"),
    ("AVAX", 14, "1", "0.001", "0.000001", "0.01", "23.5"),
    ("BNB", 16, "0.01", "0.1", "0.000001", "0.001", "655"),
    ("LINK", 18, "1", "0.001", "0.000001", "0.01", "14.2"),
];

const LISTED_AT_MS: i64 = 1_573_557_408_000;
const SWAP_CODE_START: i64 = 10_459;
const SPOT_CODE_START: i64 = 7_001;
const FUTURES_CODE_START: i64 = 20_801;
/// 2027-03-26 08:00 UTC: one far quarter for the dated contracts.
const FUTURES_EXPIRY_MS: i64 = 1_806_048_000_000;

/// Ten USDT swaps, six USDT spot pairs and two dated contracts.
#[must_use]
pub fn default_instruments() -> Vec<Instrument> {
    let mut all: Vec<Instrument> = ROWS.iter().map(swap).collect();
    all.extend(ROWS.iter().take(6).map(spot));
    all.extend(ROWS.iter().take(2).map(futures));
    all
}

fn swap(row: &Row) -> Instrument {
    Instrument {
        kind: InstrumentKind::Swap,
        symbol: format!("{}-USDT-SWAP", row.0),
        code: SWAP_CODE_START + row.1,
        base: row.0.to_owned(),
        quote: "USDT".to_owned(),
        contract_value: decimal(row.2),
        tick: decimal(row.3),
        lot: Decimal::new(1, 2),
        min_quantity: Decimal::new(1, 2),
        max_limit_quantity: Decimal::from(100_000_000_u32),
        max_market_quantity: Decimal::from(30_000_u32),
        max_leverage: 100,
        initial_price: decimal(row.6),
        state: "live".to_owned(),
        listed_at_ms: LISTED_AT_MS,
        expires_at_ms: None,
    }
}

fn spot(row: &Row) -> Instrument {
    Instrument {
        kind: InstrumentKind::Spot,
        symbol: format!("{}-USDT", row.0),
        code: SPOT_CODE_START + row.1,
        contract_value: Decimal::ONE,
        lot: decimal(row.4),
        min_quantity: decimal(row.5),
        max_limit_quantity: Decimal::from(9_999_999_999_u64),
        max_market_quantity: Decimal::from(1_000_000_u32),
        max_leverage: 10,
        ..swap(row)
    }
}

fn futures(row: &Row) -> Instrument {
    Instrument {
        kind: InstrumentKind::Futures,
        symbol: format!("{}-USDT-270326", row.0),
        code: FUTURES_CODE_START + row.1,
        max_leverage: 20,
        expires_at_ms: Some(FUTURES_EXPIRY_MS),
        ..swap(row)
    }
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).expect("the instrument table holds decimal text")
}
