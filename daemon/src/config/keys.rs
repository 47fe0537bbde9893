//! Every section and key that a configuration may have, with kind, range and default.
//!
//! Owns the one table that the reader, the unknown-key check, the environment overrides and the
//! test of the example file go by. Invariants: a duration's key ends in its unit; a limit has no
//! default but what `[risk]` says. Must not know: where values come from. Threads: none.

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number in a range.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A whole number in a range that is a power of two.
    PowerOfTwo {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A decimal number of zero or more, in quotes.
    Decimal,
    /// A path; relative ones start at the configuration file's folder.
    Path,
    /// A URL of this scheme, over TLS.
    Url(&'static str),
    /// A name of letters, digits and `_ - .`.
    Name {
        /// Longest, in bytes.
        max_bytes: usize,
    },
}

/// What happens when a key is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Refused; the text is an example.
    Required(&'static str),
    /// It stays unset; the text says what that means.
    Optional(&'static str),
    /// This value, as it would be written.
    Default(&'static str),
    /// The key of the same name in `[risk]`, and refused when that is not written either.
    LimitOrRisk,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Its name.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// What happens without it.
    pub presence: Presence,
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[name]`, at most once.
    Single,
    /// `[name.<label>]`, any number with different labels.
    Named,
    /// `[[name]]`, any number.
    List,
}

/// One section.
#[derive(Clone, Copy, Debug)]
pub struct SectionSpec {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// Most of it.
    pub max_count: usize,
    /// Its keys.
    pub keys: &'static [KeySpec],
}

impl SectionSpec {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The section of this name.
pub fn section(name: &str) -> Option<&'static SectionSpec> {
    SECTIONS.iter().find(|section| section.name == name)
}

const fn key(name: &'static str, kind: Kind, presence: Presence) -> KeySpec {
    KeySpec {
        name,
        kind,
        presence,
    }
}

use Kind::{Choice, Decimal, Flag, Integer, Name, Path, PowerOfTwo, Url};
use Presence::{Default, LimitOrRisk, Optional, Required};

const fn within(min: u64, max: u64) -> Kind {
    Integer { min, max }
}

const fn capacity(min: u64, max: u64) -> Kind {
    PowerOfTwo { min, max }
}

/// Most orders that a limit may allow: the largest order store.
const ORDERS_MAX: u64 = 1 << 22;
const OPEN_ORDERS: Kind = within(0, ORDERS_MAX);
const ORDERS_PER_S: Kind = within(0, 100_000);
const OWN_UID: Presence = Optional("the uid that millrun runs as");
const NO_RISK_DEFAULT: Presence = Optional("each entry must give its own");
/// Trade modes: OKX `tdMode` (okx.com/docs-v5, "Place order").
pub(super) const TRADE_MODES: &[&str] = &["cash", "cross", "isolated"];
pub(super) const ENVIRONMENTS: &[&str] = &["production", "demo", "simulator"];
pub(super) const JOURNAL_MODES: &[&str] = &["process", "group", "strict"];
pub(super) const IDLE_WAYS: &[&str] = &["park", "yield", "spin"];
pub(super) const VENUE_KINDS: &[&str] = &["okx"];
pub(super) const LOSS_ACTIONS: &[&str] = &["keep", "cancel_all"];
pub(super) const LOG_LEVELS: &[&str] = &["error", "warn", "info", "debug"];
pub(super) const LOG_FORMATS: &[&str] = &["text", "json"];

/// The whole table, in the order of `millrun.example.toml`.
pub const SECTIONS: &[SectionSpec] = &[
    SectionSpec {
        name: "engine",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("instance_tag", within(1, 255), Required("instance_tag = 1")),
            key("order_capacity", capacity(16, ORDERS_MAX), Default("65536")),
            key(
                "execution_capacity",
                capacity(64, 1 << 24),
                Default("262144"),
            ),
            key("answer_window", capacity(16, 1 << 20), Default("65536")),
            key("terminal_keep_s", within(1, 86_400), Default("600")),
            key("max_request_age_ms", within(1, 60_000), Default("1000")),
        ],
    },
    SectionSpec {
        name: "data",
        shape: Shape::Single,
        max_count: 1,
        keys: &[key(
            "directory",
            Path,
            Required("directory = \"/var/lib/millrun\""),
        )],
    },
    SectionSpec {
        name: "journal",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("mode", Choice(JOURNAL_MODES), Default("group")),
            key("segment_mib", within(1, 1024), Default("64")),
            key("max_loss_window_ms", within(10, 600_000), Default("1000")),
            key("cancel_on_journal_failure", Flag, Default("false")),
            key("allow_tmpfs", Flag, Default("false")),
        ],
    },
    SectionSpec {
        name: "hot",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("idle", Choice(IDLE_WAYS), Default("park")),
            key(
                "cpu",
                within(0, 1023),
                Optional("the hot thread is not pinned"),
            ),
            key("lock_memory", Flag, Default("false")),
            key("requests_per_turn", within(1, 256), Default("16")),
        ],
    },
    SectionSpec {
        name: "attach",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("socket", Path, Optional("attach.sock in data.directory")),
            key("request_capacity", capacity(2, 1 << 20), Default("4096")),
            key("event_capacity", capacity(2, 1 << 20), Default("65536")),
        ],
    },
    VENUE,
    SectionSpec {
        name: "risk",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("max_order_qty", Decimal, NO_RISK_DEFAULT),
            key("max_order_notional", Decimal, NO_RISK_DEFAULT),
            key("max_open_orders", OPEN_ORDERS, NO_RISK_DEFAULT),
            key("max_long", Decimal, NO_RISK_DEFAULT),
            key("max_short", Decimal, NO_RISK_DEFAULT),
            key("max_orders_per_s", ORDERS_PER_S, NO_RISK_DEFAULT),
        ],
    },
    SectionSpec {
        name: "instrument",
        shape: Shape::List,
        max_count: 4096,
        keys: &[
            key("venue", Name { max_bytes: 15 }, Required("venue = \"okx\"")),
            key(
                "symbol",
                Name { max_bytes: 31 },
                Required("symbol = \"BTC-USDT-SWAP\""),
            ),
            key(
                "trade_mode",
                Choice(TRADE_MODES),
                Required("trade_mode = \"cross\""),
            ),
            key("max_order_qty", Decimal, LimitOrRisk),
            key("max_order_notional", Decimal, LimitOrRisk),
            key("max_open_orders", OPEN_ORDERS, LimitOrRisk),
            key("max_long", Decimal, LimitOrRisk),
            key("max_short", Decimal, LimitOrRisk),
            key("halt_on_recon_break", Flag, Default("false")),
        ],
    },
    SectionSpec {
        name: "strategy",
        shape: Shape::List,
        max_count: 256,
        keys: &[
            key("name", Name { max_bytes: 31 }, Required("name = \"grid\"")),
            key("uid", within(0, 4_294_967_294), OWN_UID),
            key("max_open_orders", OPEN_ORDERS, LimitOrRisk),
            key("max_orders_per_s", ORDERS_PER_S, LimitOrRisk),
            key("on_loss", Choice(LOSS_ACTIONS), Default("cancel_all")),
        ],
    },
    SectionSpec {
        name: "shadow",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("enabled", Flag, Default("true")),
            key(
                "snapshot_every_entries",
                within(100, 1 << 40),
                Default("1000000"),
            ),
            key("snapshots_kept", within(1, 100), Default("2")),
        ],
    },
    SectionSpec {
        name: "database",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("enabled", Flag, Default("true")),
            key("path", Path, Optional("millrun.db in data.directory")),
            key("batch_entries", within(1, 65_536), Default("8192")),
        ],
    },
    SectionSpec {
        name: "order_log",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("enabled", Flag, Default("true")),
            key("path", Path, Optional("orders.jsonl in data.directory")),
            key("file_mib", within(1, 4096), Default("64")),
            key("files_kept", within(1, 10_000), Default("16")),
        ],
    },
    SectionSpec {
        name: "kill",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("on_start", Flag, Default("false")),
            key("cancel_timeout_ms", within(0, 3_600_000), Default("10000")),
        ],
    },
    SectionSpec {
        name: "log",
        shape: Shape::Single,
        max_count: 1,
        keys: &[
            key("level", Choice(LOG_LEVELS), Default("info")),
            key("format", Choice(LOG_FORMATS), Default("text")),
        ],
    },
];

/// OKX: `expTime` is at most 5 s here, and its lists may lag an order by 2 s; a connection that
/// hears nothing for 30 s is cut, and 3 new ones a second are allowed (okx.com/docs-v5,
/// "Overview").
const VENUE: SectionSpec = SectionSpec {
    name: "venue",
    shape: Shape::Named,
    max_count: 16,
    keys: &[
        key("kind", Choice(VENUE_KINDS), Required("kind = \"okx\"")),
        key(
            "environment",
            Choice(ENVIRONMENTS),
            Required("environment = \"demo\""),
        ),
        key(
            "rest_url",
            Url("https"),
            Required("rest_url = \"https://openapi.okx.com\""),
        ),
        key(
            "ws_url",
            Url("wss"),
            Required("ws_url = \"wss://wspap.okx.com:8443/ws/v5/private\""),
        ),
        key(
            "ca_file",
            Path,
            Optional("the system's roots; a simulator needs one"),
        ),
        key(
            "credentials_file",
            Path,
            Required("credentials_file = \"okx.credentials\""),
        ),
        key("dry_run", Flag, Default("false")),
        key("command_window_ms", within(100, 5_000), Default("5000")),
        key("settle_ms", within(10, 600_000), Default("2000")),
        key("command_timeout_ms", within(10, 60_000), Default("3000")),
        key("sweep_interval_s", within(1, 86_400), Default("60")),
        key("ask_interval_ms", within(10, 600_000), Default("2000")),
        key("ask_attempts", within(1, 1_000), Default("10")),
        key("recon", Flag, Default("true")),
        key("recon_lookback_s", within(0, 259_200), Default("3600")),
        key("heartbeat_ms", within(100, 25_000), Default("15000")),
        key("connect_timeout_ms", within(100, 60_000), Default("10000")),
        key("reconnect_base_ms", within(1, 60_000), Default("250")),
        key("reconnect_cap_ms", within(1, 600_000), Default("15000")),
        key("reconnects_per_minute", within(1, 180), Default("30")),
    ],
};
