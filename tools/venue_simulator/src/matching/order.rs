//! An order as the venue keeps it, and the words that describe it.
//!
//! Invariants: `filled <= quantity`; a terminal state never changes. Must not know: books,
//! accounts, JSON.

use std::sync::Arc;

use rust_decimal::Decimal;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// The quantity with the sign it gives a position.
    pub(crate) fn signed(self, quantity: Decimal) -> Decimal {
        match self {
            Self::Buy => quantity,
            Self::Sell => -quantity,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PositionSide {
    Net,
    Long,
    Short,
}

impl PositionSide {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderType {
    Limit,
    Market,
    PostOnly,
    FillOrKill,
    ImmediateOrCancel,
    OptimalLimitIoc,
}

impl OrderType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Market => "market",
            Self::PostOnly => "post_only",
            Self::FillOrKill => "fok",
            Self::ImmediateOrCancel => "ioc",
            Self::OptimalLimitIoc => "optimal_limit_ioc",
        }
    }

    /// Whether the order takes any price that is offered.
    pub(crate) fn is_unpriced(self) -> bool {
        matches!(self, Self::Market | Self::OptimalLimitIoc)
    }

    /// Whether an unfilled part may stay in the book.
    pub(crate) fn can_rest(self) -> bool {
        matches!(self, Self::Limit | Self::PostOnly)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfTradeRule {
    Maker,
    Taker,
    Both,
}

impl SelfTradeRule {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Maker => "cancel_maker",
            Self::Taker => "cancel_taker",
            Self::Both => "cancel_both",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TradeMode {
    Cash,
    Cross,
    Isolated,
}

impl TradeMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Cross => "cross",
            Self::Isolated => "isolated",
        }
    }
}

/// Unit of a spot market order's size (`tgtCcy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeUnit {
    Base,
    Quote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    Live,
    PartiallyFilled,
    Filled,
    Canceled,
}

impl OrderState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
        }
    }

    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled)
    }
}

/// Why the venue cancelled; the numbers are OKX's `cancelSource` (docs, order channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CancelSource(pub(crate) u8);

impl CancelSource {
    pub(crate) const SYSTEM: Self = Self(0);
    pub(crate) const USER: Self = Self(1);
    pub(crate) const FILL_OR_KILL: Self = Self(13);
    pub(crate) const IMMEDIATE_REMAINDER: Self = Self(14);
    pub(crate) const CANCEL_ALL_AFTER: Self = Self(20);
    pub(crate) const REDUCE_ONLY_DISPLACED: Self = Self(23);
    pub(crate) const POST_ONLY_WOULD_TAKE: Self = Self(31);
    pub(crate) const SELF_TRADE: Self = Self(32);
}

/// What a client asks for; checked for shape by the wire, for substance by the exchange.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) account: usize,
    pub(crate) instrument: usize,
    pub(crate) client_order_id: Arc<str>,
    pub(crate) tag: Arc<str>,
    pub(crate) side: Side,
    pub(crate) position_side: PositionSide,
    pub(crate) order_type: OrderType,
    pub(crate) trade_mode: TradeMode,
    pub(crate) price: Option<Decimal>,
    pub(crate) quantity: Decimal,
    pub(crate) size_unit: SizeUnit,
    /// `tgtCcy` as the client wrote it, to be echoed.
    pub(crate) size_unit_text: &'static str,
    pub(crate) reduce_only: bool,
    pub(crate) self_trade_rule: SelfTradeRule,
    /// Move a price outside the band into it instead of refusing.
    pub(crate) clamp_price: bool,
    pub(crate) is_amend_banned: bool,
    /// Attached algo orders as JSON text, kept and echoed only.
    pub(crate) attached: Arc<str>,
}

/// One match, from one order's point of view.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) trade_id: u64,
    pub(crate) bill_id: u64,
    pub(crate) order_id: u64,
    pub(crate) account: usize,
    pub(crate) instrument: usize,
    pub(crate) client_order_id: Arc<str>,
    pub(crate) tag: Arc<str>,
    pub(crate) side: Side,
    pub(crate) position_side: PositionSide,
    pub(crate) price: Decimal,
    pub(crate) quantity: Decimal,
    /// Negative when charged, positive when paid to the account.
    pub(crate) fee: Decimal,
    pub(crate) fee_currency: Arc<str>,
    pub(crate) fee_rate: Decimal,
    pub(crate) profit: Decimal,
    pub(crate) is_taker: bool,
    pub(crate) at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmendOutcome {
    Done,
    Failed,
    FailedAndCanceled,
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) order_id: u64,
    pub(crate) new: NewOrder,
    /// Contracts or base; 0 for a market order sized in quote until it trades.
    pub(crate) quantity: Decimal,
    pub(crate) price: Option<Decimal>,
    pub(crate) state: OrderState,
    pub(crate) filled: Decimal,
    /// Sum of price times quantity of the fills, without contract value.
    pub(crate) filled_price_sum: Decimal,
    /// Quote already spent by a market order sized in quote.
    pub(crate) quote_spent: Decimal,
    /// Sum of charged fees, not positive.
    pub(crate) fee: Decimal,
    /// Sum of rebates, not negative.
    pub(crate) rebate: Decimal,
    pub(crate) profit: Decimal,
    pub(crate) last_execution: Option<Arc<Execution>>,
    pub(crate) cancel_source: Option<CancelSource>,
    pub(crate) amend_source: &'static str,
    pub(crate) amend_request_id: Arc<str>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) frozen: Decimal,
    pub(crate) leverage: Decimal,
}

impl Order {
    pub(crate) fn leaves(&self) -> Decimal {
        self.quantity - self.filled
    }

    /// Average fill price; none before the first fill.
    pub(crate) fn average_price(&self) -> Option<Decimal> {
        (!self.filled.is_zero()).then(|| (self.filled_price_sum / self.filled).round_dp(12))
    }

    /// Whether the order is sized in quote currency (spot market buy by amount).
    pub(crate) fn is_quote_sized(&self) -> bool {
        self.new.order_type == OrderType::Market && self.new.size_unit == SizeUnit::Quote
    }
}
