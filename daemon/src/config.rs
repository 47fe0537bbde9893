//! The configuration: one TOML file and the environment, checked whole, then plain values.
//!
//! Owns the shape of what the rest of the daemon reads. Invariants: a `Settings` exists only when
//! nothing is wrong with its file; no secret is in it; a limit that nobody gave refuses the start
//! and
//! zero means "none allowed". Must not know: sockets, journals, the engine's state. Threads: none.

mod document;
mod nearest;
mod read_sections;
mod read_values;

mod endpoint;
mod environment_check;

mod exact_decimal;
mod instrument_rules;
mod to_engine;

mod describe;
mod keys;
mod problem;

use std::path::{Path, PathBuf};

pub use describe::{MemoryEstimate, describe, describe_json, memory_estimate};
pub use endpoint::UrlParts;
pub use instrument_rules::VenueInstrument;
pub use journal::Mode as JournalMode;
pub use keys::{KeySpec, Kind, Presence, SECTIONS, SectionSpec, Shape, section};
pub use model::engine_config::{OnLoss, TradingMode};
pub use problem::{ConfigError, ConfigErrors, Place, Problem};

/// Longest configuration file in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What the names of variables that override keys begin with.
pub const ENVIRONMENT_PREFIX: &str = "MILLRUN_";

/// Everything that a configuration says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file it came from.
    pub file: PathBuf,
    /// `[engine]`.
    pub engine: EngineSettings,
    /// `[data]`.
    pub data: DataSettings,
    /// `[journal]`.
    pub journal: JournalSettings,
    /// `[hot]`.
    pub hot: HotSettings,
    /// `[attach]`.
    pub attach: AttachSettings,
    /// Every `[venue.<name>]`, in the order of the file.
    pub venues: Vec<VenueSettings>,
    /// Every `[[instrument]]`, in the order of the file.
    pub instruments: Vec<InstrumentSettings>,
    /// Every `[[strategy]]`, in the order of the file.
    pub strategies: Vec<StrategySettings>,
    /// `[kill]`.
    pub kill: KillSettings,
    /// `[shadow]`.
    pub shadow: ShadowSettings,
    /// `[database]`.
    pub database: DatabaseSettings,
    /// `[order_log]`.
    pub order_log: OrderLogSettings,
    /// `[log]`.
    pub log: LogSettings,
    /// Every key with the value in force and where it came from, in the order of the table.
    pub effective: Vec<EffectiveKey>,
}

/// A key, its value in force and where that came from. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveKey {
    /// Section and key, as `venue.okx.settle_ms`.
    pub key: String,
    /// The value as it would be written; `None` when unset.
    pub value: Option<String>,
    /// Where it was written.
    pub place: Place,
}

/// `[engine]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Tells our orders from others' at the same account: 1 to 255.
    pub instance_tag: u8,
    /// Orders in memory at once; a power of two.
    pub order_capacity: u32,
    /// Executions in memory at once; a power of two.
    pub execution_capacity: u32,
    /// Answers remembered per strategy; a power of two.
    pub answer_window: u32,
    /// An ended order is kept this many seconds.
    pub terminal_keep_s: u64,
    /// An older request is refused; milliseconds.
    pub max_request_age_ms: u64,
}

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSettings {
    /// Everything that is kept is below it.
    pub directory: PathBuf,
}

/// `[journal]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// What survives what.
    pub mode: JournalMode,
    /// Size of a segment file in MiB, 1 to 1024.
    pub segment_mib: u32,
    /// New orders are refused while what is not on the disk is older than this, 10 to 600,000.
    pub max_loss_window_ms: u64,
    /// Whether a failed sync cancels every open order.
    pub cancel_on_journal_failure: bool,
    /// Whether a file system in memory will do.
    pub allow_tmpfs: bool,
}

impl JournalSettings {
    /// Size of a segment file in bytes; whole pages, at most 1 GiB.
    pub fn segment_bytes(&self) -> u32 {
        self.segment_mib.saturating_mul(1024 * 1024)
    }
}

/// `[shadow]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowSettings {
    /// Whether a second engine follows the journal, compares and writes the snapshots.
    pub is_enabled: bool,
    /// A snapshot is written after so many entries.
    pub snapshot_every_entries: u64,
    /// So many snapshots are kept.
    pub snapshots_kept: usize,
}

/// What the hot thread does when nothing is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Sleeps until something comes: cheapest, slowest to wake.
    Park,
    /// Gives the processor to others, and looks again.
    Yield,
    /// Looks again at once: fastest, one processor always busy.
    Spin,
}

/// `[hot]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotSettings {
    /// What the hot thread does when nothing is to do.
    pub idle: Idle,
    /// The processor that it is pinned to.
    pub cpu: Option<usize>,
    /// Whether all memory is locked; then the start fails where that is not allowed.
    pub lock_memory: bool,
    /// Most requests that one turn takes from one strategy.
    pub requests_per_turn: u32,
}

/// `[attach]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachSettings {
    /// The Unix socket that strategies attach over; at most 107 bytes.
    pub socket: PathBuf,
    /// Slots of a strategy's request ring; a power of two.
    pub request_capacity: u64,
    /// Slots of a strategy's event ring; a power of two.
    pub event_capacity: u64,
}

/// Which rules of wire and meaning a venue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueKind {
    /// OKX API v5.
    Okx,
}

/// Whose money an order moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// The venue's own, with real money.
    Production,
    /// The venue's own, with play money (OKX: header `x-simulated-trading: 1`).
    Demo,
    /// A simulator of ours, with roots of its own.
    Simulator,
}

impl Environment {
    /// Its word in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Demo => "demo",
            Self::Simulator => "simulator",
        }
    }
}

/// `[venue.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueSettings {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Where the section begins.
    pub place: Place,
    /// Which rules it has.
    pub kind: VenueKind,
    /// Whose money moves.
    pub environment: Environment,
    /// Where queries go.
    pub rest_url: UrlParts,
    /// Where orders go and reports come from.
    pub ws_url: UrlParts,
    /// The only roots that are trusted; `None` = the system's.
    pub ca_file: Option<PathBuf>,
    /// Where its key is. Read with `secrets::Credentials::of`.
    pub credentials_file: PathBuf,
    /// Whether order commands are checked and journaled, and none is sent.
    pub is_dry_run: bool,
    /// A command does not act later than this after it was decided (OKX `expTime`).
    pub command_window_ms: u64,
    /// How long after the window a list may still lack an order that exists.
    pub settle_ms: u64,
    /// A command without an answer for this long is Unknown.
    pub command_timeout_ms: u64,
    /// Between two sweeps over all open orders.
    pub sweep_interval_s: u64,
    /// Between two look-ups of the same order.
    pub ask_interval_ms: u64,
    /// Look-ups without a result before a person must look.
    pub ask_attempts: u16,
    /// Whether orders, fills and balances are compared with the venue at start and while running.
    pub recon: bool,
    /// How far before the last known fill the first fill query begins.
    pub recon_lookback_s: u64,
    /// After this long without a message the link is probed, and after twice as long given up.
    pub heartbeat_ms: u64,
    /// A link that is not ready after this long is given up.
    pub connect_timeout_ms: u64,
    /// Wait before the first reconnect.
    pub reconnect_base_ms: u64,
    /// Longest wait between two reconnects.
    pub reconnect_cap_ms: u64,
    /// Reconnects that may begin within any 60 seconds.
    pub reconnects_per_minute: u32,
}

impl VenueSettings {
    /// Whether orders are real there.
    pub fn trading_mode(&self) -> TradingMode {
        match self.environment {
            _ if self.is_dry_run => TradingMode::DryRun,
            Environment::Production => TradingMode::Live,
            Environment::Demo | Environment::Simulator => TradingMode::Paper,
        }
    }
}

/// How a position is margined (OKX `tdMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeMode {
    /// Not at all: spot.
    Cash,
    /// With all others together.
    Cross,
    /// By itself.
    Isolated,
}

impl TradeMode {
    /// The venue's word for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Cross => "cross",
            Self::Isolated => "isolated",
        }
    }
}

/// A limit as decimal text: its units are known only when the venue told its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitText {
    /// Decimal text of zero or more.
    pub text: String,
    /// Where it was written: at the instrument or in `[risk]`.
    pub place: Place,
}

/// `[[instrument]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentSettings {
    /// The venue's name in this configuration.
    pub venue: String,
    /// Its name at the venue.
    pub symbol: String,
    /// Where the entry begins.
    pub place: Place,
    /// How its positions are margined.
    pub trade_mode: TradeMode,
    /// `risk.max_order_qty`.
    pub max_order_qty: LimitText,
    /// `risk.max_order_notional`.
    pub max_order_notional: LimitText,
    /// `risk.max_open_orders`.
    pub max_open_orders: u32,
    /// `risk.max_long`.
    pub max_long: LimitText,
    /// `risk.max_short`.
    pub max_short: LimitText,
    /// No new order while the venue's position is not ours.
    pub halt_on_recon_break: bool,
}

/// `[[strategy]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategySettings {
    /// Its name, at most 31 bytes.
    pub name: String,
    /// Where the entry begins.
    pub place: Place,
    /// The user that may attach as it.
    pub uid: u32,
    /// `risk.max_open_orders`.
    pub max_open_orders: u32,
    /// `risk.max_orders_per_s`.
    pub max_orders_per_s: u32,
    /// What happens to its orders when it is lost.
    pub on_loss: OnLoss,
}

/// `[kill]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillSettings {
    /// Every start begins under the kill latch, until a person re-arms.
    pub on_start: bool,
    /// How much longer than planned `millrun kill` waits for the last cancel.
    pub cancel_timeout_ms: u64,
}

/// `[database]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Whether the journal is projected into a database at all.
    pub is_enabled: bool,
    /// Its file.
    pub path: PathBuf,
    /// Most journal entries that one transaction holds.
    pub batch_entries: u32,
}

/// `[order_log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLogSettings {
    /// Whether submissions and ends are written to a file of lines.
    pub is_enabled: bool,
    /// The file.
    pub path: PathBuf,
    /// A file of more MiB is full.
    pub file_mib: u32,
    /// So many full files are kept.
    pub files_kept: u32,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// Also what may need one.
    Warn,
    /// Also what an operator follows.
    Info,
    /// Everything.
    Debug,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How much.
    pub level: LogLevel,
    /// As JSON lines instead of text.
    pub is_json: bool,
}

impl Settings {
    /// Reads a configuration file, with overrides from `environment` (see [`environment`]).
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(path: &Path, environment: &[(String, String)]) -> Result<Self, ConfigErrors> {
        let text = document::read_file(path)?;
        Self::parse(&text, path, environment)
    }

    /// As [`load`](Self::load), of a text that is already there; `path` is what messages name and
    /// where relative paths start.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(
        text: &str,
        path: &Path,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut document = document::Document::parse(text, path, &mut errors);
        document.override_from(environment, &mut errors);
        read_sections::read(&document, errors)
    }

    /// The venue of this name.
    pub fn venue(&self, name: &str) -> Option<&VenueSettings> {
        self.venues.iter().find(|venue| venue.name == name)
    }
}

/// The variables of this process that begin with [`ENVIRONMENT_PREFIX`], for [`Settings::load`].
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            (name, value.to_string_lossy().into_owned())
        })
        .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
        .collect()
}
