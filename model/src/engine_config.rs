//! Everything that the engine's decisions depend on besides its inputs. It cannot hold a secret.
//!
//! Journaled whole as canonical bytes when it is applied, so a journal explains itself. Limits are
//! data: zero means "none allowed", and nothing here means "unlimited".

use crate::identifiers::{InstanceTag, StrategyId, Text, VenueId};
use crate::instrument::Instrument;
use crate::order_request::CommandKind;
use crate::price::Notional;
use crate::quantity::Quantity;
use crate::{canonical_enum, canonical_struct};

canonical_enum! {
    /// Over what a venue counts messages.
    pub enum RateScope {
        /// Each instrument has its own count.
        Instrument = 1 as "instrument",
        /// The account has one count.
        Account = 2 as "account",
    }
}

canonical_struct! {
    /// At most `messages` of the named kinds in any `window_ns`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RateRule {
        /// Counted over what.
        pub scope: RateScope,
        /// New orders count.
        pub counts_new: bool,
        /// Cancels count.
        pub counts_cancel: bool,
        /// Replaces count.
        pub counts_replace: bool,
        /// How many.
        pub messages: u32,
        /// In how long, nanoseconds.
        pub window_ns: u64,
    }
}

impl RateRule {
    /// True when the rule counts commands of this kind.
    pub const fn counts(&self, command: CommandKind) -> bool {
        match command {
            CommandKind::New => self.counts_new,
            CommandKind::Cancel => self.counts_cancel,
            CommandKind::Replace => self.counts_replace,
        }
    }
}

canonical_enum! {
    /// Whether orders are real at a venue.
    pub enum TradingMode {
        /// Real money.
        Live = 1 as "live",
        /// Play money: the venue's demo account, or a simulator.
        Paper = 2 as "paper",
        /// Every check and every journal entry, and no order command leaves: each is given back as
        /// not sent.
        DryRun = 3 as "dry_run",
    }
}

canonical_struct! {
    /// How a venue is dealt with: its command window, its absence recipe, its rates.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct VenuePolicy {
        /// Our number of it.
        pub id: VenueId,
        /// Its name in the configuration.
        pub name: Text<15>,
        /// Which protocol it speaks, as the configuration's `kind` (`okx`); empty = none that is
        /// known. Names the codec that a replay reads frames and writes payloads with.
        pub dialect: Text<15>,
        /// Whether orders are real there.
        pub mode: TradingMode,
        /// A command must not act later than this after it was decided (OKX `expTime`).
        pub command_window_ns: u64,
        /// How long after the window a list may still lack an order that exists.
        pub settle_ns: u64,
        /// A command without an answer for this long is Unknown.
        pub command_timeout_ns: u64,
        /// Between two sweeps over all open orders while everything is well.
        pub sweep_interval_ns: u64,
        /// Between two look-ups of the same order.
        pub ask_interval_ns: u64,
        /// Look-ups without a result before a person must look.
        pub ask_attempts: u16,
        /// The venue's message rates.
        pub rates: Vec<RateRule>,
    }
}

canonical_struct! {
    /// What may be done with one instrument.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct InstrumentPolicy {
        /// The instrument and the venue's rules.
        pub instrument: Instrument,
        /// The venue's own word for the account mode that its orders name (OKX `tdMode`); empty
        /// where a venue has none. Part of the payload, so a replay must know it.
        pub trade_mode: Text<15>,
        /// `risk.max_order_qty`.
        pub order_quantity_max: Quantity,
        /// `risk.max_order_notional`, at the instrument's notional scale.
        pub order_notional_max: Notional,
        /// `risk.max_open_orders` at this instrument, unknown ones included.
        pub open_orders_max: u32,
        /// `risk.max_long`: worst-case position bought.
        pub position_long_max: Quantity,
        /// `risk.max_short`: worst-case position sold.
        pub position_short_max: Quantity,
        /// `halt_on_recon_break`: no new order while the venue's position is not ours.
        pub halt_on_recon_break: bool,
    }
}

canonical_enum! {
    /// What happens to a strategy's open orders when it is lost.
    pub enum OnLoss {
        /// They stay.
        Keep = 1 as "keep",
        /// They are cancelled.
        CancelAll = 2 as "cancel_all",
    }
}

canonical_struct! {
    /// What one strategy may do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct StrategyPolicy {
        /// Our number of it.
        pub id: StrategyId,
        /// Its name in the configuration.
        pub name: Text<31>,
        /// `risk.max_open_orders` of the strategy, unknown ones included.
        pub open_orders_max: u32,
        /// `risk.max_orders_per_s`: new orders in any second.
        pub orders_per_s_max: u32,
        /// What happens when it is lost.
        pub on_loss: OnLoss,
    }
}

canonical_struct! {
    /// The engine's whole configuration.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EngineConfig {
        /// Grows with every change.
        pub version: u32,
        /// Tells our orders from others'.
        pub instance_tag: InstanceTag,
        /// Orders that can be in the store at once; a power of two.
        pub order_capacity: u32,
        /// Executions that can be remembered at once; a power of two.
        pub execution_capacity: u32,
        /// Answers to requests that are remembered per strategy; a power of two.
        pub answer_window: u32,
        /// An ended order is kept this long.
        pub terminal_keep_ns: u64,
        /// A request older than this is refused.
        pub request_age_max_ns: u64,
        /// Venues, each at the place of its id.
        pub venues: Vec<VenuePolicy>,
        /// Instruments, each at the place of its id.
        pub instruments: Vec<InstrumentPolicy>,
        /// Strategies, each at the place of its id.
        pub strategies: Vec<StrategyPolicy>,
    }
}
