//! The rows, in the vocabulary of `model`: what a projection writes and reads back.
//!
//! A row holds exact numbers and their scales; decimal text is made of them when it is written.

use model::engine_config::TradingMode;
use model::execution_report::Fill;
use model::identifiers::{Symbol, VenueMessage};
use model::{
    AccountId, ClientOrderId, CommandKind, InstrumentId, MonotonicNs, OrderStatus, OrderType,
    Price, Quantity, Side, StrategyId, Text, TimeInForce, UnixNs, UtcAnchor, VenueOrderId,
};

/// How far the rows go, and what later entries are read with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The journal that they come from.
    pub journal_id: u128,
    /// The last entry that is in them.
    pub sequence: u64,
    /// That entry's run.
    pub entry_epoch: u32,
    /// That entry's clock.
    pub entry_now: MonotonicNs,
    /// The run in force.
    pub boot_epoch: u32,
    /// The clocks in force.
    pub anchor: UtcAnchor,
    /// Canonical bytes of the configuration in force; empty before the first.
    pub config: Vec<u8>,
}

/// Where an order trades, with the scales of its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue's name in the configuration.
    pub venue: Text<15>,
    /// The key.
    pub account: AccountId,
    /// The venue's name of the instrument.
    pub symbol: Symbol,
    /// Decimal places of prices.
    pub price_scale: u8,
    /// Decimal places of quantities.
    pub quantity_scale: u8,
}

/// One order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRow {
    /// Our id.
    pub client_order_id: ClientOrderId,
    /// The venue's id; empty until known.
    pub order_id: VenueOrderId,
    /// The intent that created it; 0 = none (adopted).
    pub intent_id: u64,
    /// The request that it came from.
    pub request_id: u64,
    /// Whose.
    pub strategy: StrategyId,
    /// Whose, by name; empty for an adopted order.
    pub strategy_name: Text<31>,
    /// Where it trades.
    pub market: Market,
    /// Whether it is real: the venue's mode when it was created.
    pub mode: TradingMode,
    /// Which way.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Refused rather than taking.
    pub post_only: bool,
    /// Only ever makes the position smaller.
    pub reduce_only: bool,
    /// FIX 44.
    pub limit_price: Price,
    /// FIX 38.
    pub order_quantity: Quantity,
    /// FIX 14.
    pub cum_quantity: Quantity,
    /// Sum of price units x quantity units.
    pub executed_value: i128,
    /// Sum of fees, 10^-12 units.
    pub fee_units: i128,
    /// What is proved.
    pub status: OrderStatus,
    /// True while a command's effect is not known.
    pub unknown: bool,
    /// True while a person must look.
    pub needs_operator: bool,
    /// When it was created.
    pub created_at: UnixNs,
    /// When its intent was journaled.
    pub submitted_at: Option<UnixNs>,
    /// When the venue was first heard about it.
    pub acknowledged_at: Option<UnixNs>,
    /// When its last execution was booked.
    pub filled_at: Option<UnixNs>,
    /// When its cancel was heard.
    pub cancelled_at: Option<UnixNs>,
    /// When it ended.
    pub ended_at: Option<UnixNs>,
    /// Since when it has its status.
    pub status_since: UnixNs,
    /// From the intent to the venue's first word, microseconds.
    pub latency_us: Option<u64>,
    /// The venue's last code about it; 0 = none.
    pub venue_code: u32,
    /// Why it came to nothing, or a command of it.
    pub error_message: VenueMessage,
    /// The last entry that changed it.
    pub last_sequence: u64,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentState {
    /// Journaled; whether it was sent is not known.
    Pending,
    /// Written to its socket, or answered by the venue.
    Executing,
    /// Over, by the venue's word.
    Completed,
    /// Over, and it never had a chance: never sent, or never arrived.
    Failed,
}

impl IntentState {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Executing,
        Self::Completed,
        Self::Failed,
    ];

    /// Its word in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Executing => "executing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// True when nothing more comes.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRow {
    /// The engine's number of it.
    pub intent_id: u64,
    /// Its order.
    pub client_order_id: ClientOrderId,
    /// What is asked.
    pub command: CommandKind,
    /// Which command of the order.
    pub command_seq: u16,
    /// Which sending.
    pub send_no: u8,
    /// The request behind it; 0 = the engine's own act.
    pub request_id: u64,
    /// Scales of its numbers.
    pub scales: (u8, u8),
    /// The price that it asks for.
    pub limit_price: Price,
    /// The total quantity that it asks for.
    pub order_quantity: Quantity,
    /// Where it stands.
    pub state: IntentState,
    /// True while its effect is not known.
    pub unknown: bool,
    /// How it ended; empty = not yet.
    pub outcome: String,
    /// What it came to, JSON; empty = nothing yet.
    pub result: String,
    /// When it was journaled.
    pub created_at: UnixNs,
    /// Until when the venue may act on it.
    pub valid_until: UnixNs,
    /// When it was written to its socket.
    pub sent_at: Option<UnixNs>,
    /// When it was over.
    pub completed_at: Option<UnixNs>,
    /// From the intent to the answer, microseconds.
    pub latency_us: Option<u64>,
    /// Hash of the payload.
    pub payload_hash: Option<u64>,
    /// The run that decided it.
    pub boot_epoch: u32,
    /// When it was decided, on that run's clock.
    pub decided_at: MonotonicNs,
    /// The entry that holds it.
    pub sequence: u64,
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillRow {
    /// The entry that booked it.
    pub sequence: u64,
    /// Which decision of that entry.
    pub ordinal: u32,
    /// The order.
    pub client_order_id: ClientOrderId,
    /// Whose.
    pub strategy_name: Text<31>,
    /// Which way.
    pub side: Side,
    /// Where.
    pub market: Market,
    /// What the venue said.
    pub fill: Fill,
    /// After the order's end.
    pub late: bool,
    /// Beyond the order's quantity.
    pub overfill: bool,
    /// When it was booked.
    pub booked_at: UnixNs,
}

/// One line of the append-only log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The entry.
    pub sequence: u64,
    /// Which decision of that entry.
    pub ordinal: u32,
    /// The order; `None` when there is none.
    pub client_order_id: Option<ClientOrderId>,
    /// The request; 0 = the engine's own act.
    pub request_id: u64,
    /// Whose.
    pub strategy_name: Text<31>,
    /// What happened, one word.
    pub kind: &'static str,
    /// The status before.
    pub from: Option<OrderStatus>,
    /// The status after.
    pub to: Option<OrderStatus>,
    /// True while a command's effect is not known.
    pub unknown: bool,
    /// When.
    pub at: UnixNs,
    /// Which sending or asking; `None` = does not apply.
    pub attempt: Option<u32>,
    /// Why; empty = not said.
    pub reason: String,
    /// JSON; empty = none.
    pub metadata: String,
}
