//! The configuration that tests share: two venues with rules of their own, three instruments.

use model::engine_config::{
    InstrumentPolicy, OnLoss, RateRule, RateScope, StrategyPolicy, TradingMode, VenuePolicy,
};
use model::identifiers::{Symbol, Text};
use model::instrument::{InstrumentKind, InstrumentState};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    AccountId, EngineConfig, InstanceTag, Instrument, InstrumentId, Notional, Price, Quantity,
    StrategyId, VenueId,
};

/// Our tag in every test.
pub(crate) const TAG: u8 = 9;

/// Two venues; instruments 0 and 1 at the first, 2 at the second; three strategies.
pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(TAG).expect("small in tests"),
        order_capacity: 64,
        execution_capacity: 1024,
        answer_window: 64,
        terminal_keep_ns: 60 * NS_PER_S,
        request_age_max_ns: 200 * NS_PER_MS,
        venues: vec![venue(0, 1_000, 500), venue(1, 2_000, 1_500)],
        instruments: vec![instrument(0, 0), instrument(1, 0), instrument(2, 1)],
        strategies: vec![
            strategy(0, OnLoss::Keep),
            strategy(1, OnLoss::CancelAll),
            strategy(2, OnLoss::Keep),
        ],
    }
}

/// A venue with a command window and settling time in milliseconds.
pub(crate) fn venue(id: u8, window_ms: u64, settle_ms: u64) -> VenuePolicy {
    let rule = |scope, new, cancel, replace, messages| RateRule {
        scope,
        counts_new: new,
        counts_cancel: cancel,
        counts_replace: replace,
        messages,
        window_ns: NS_PER_S,
    };
    VenuePolicy {
        id: VenueId(id),
        name: Text::new(format!("venue{id}").as_bytes()).expect("small in tests"),
        dialect: Text::EMPTY,
        mode: TradingMode::Paper,
        command_window_ns: window_ms * NS_PER_MS,
        settle_ns: settle_ms * NS_PER_MS,
        command_timeout_ns: 400 * NS_PER_MS,
        sweep_interval_ns: 3 * NS_PER_S,
        ask_interval_ns: 300 * NS_PER_MS,
        ask_attempts: 12,
        rates: vec![
            rule(RateScope::Instrument, true, false, false, 30),
            rule(RateScope::Instrument, false, true, false, 30),
            rule(RateScope::Account, true, false, true, 40),
        ],
    }
}

/// Tick 5, lot 10, sizes from 10 to 10,000, contracts of 3.
pub(crate) fn instrument(id: u32, venue: u8) -> InstrumentPolicy {
    InstrumentPolicy {
        instrument: Instrument {
            id: InstrumentId(id),
            venue: VenueId(venue),
            account: AccountId(u16::from(venue)),
            symbol: Symbol::new(format!("I{id}").as_bytes()).expect("small in tests"),
            venue_code: u64::from(id) + 100,
            kind: InstrumentKind::Linear,
            state: InstrumentState::Live,
            price_scale: 2,
            quantity_scale: 1,
            tick: Price::from_units(5),
            lot: Quantity::from_units(10),
            quantity_min: Quantity::from_units(10),
            quantity_max: Quantity::from_units(10_000),
            multiplier_units: 3,
            multiplier_scale: 1,
        },
        trade_mode: Text::EMPTY,
        order_quantity_max: Quantity::from_units(1_000),
        order_notional_max: Notional(60_000_000),
        open_orders_max: 20,
        position_long_max: Quantity::from_units(2_000),
        position_short_max: Quantity::from_units(1_500),
        halt_on_recon_break: false,
    }
}

/// A strategy.
pub(crate) fn strategy(id: u16, on_loss: OnLoss) -> StrategyPolicy {
    StrategyPolicy {
        id: StrategyId(id),
        name: Text::new(format!("strategy{id}").as_bytes()).expect("small in tests"),
        open_orders_max: 16,
        orders_per_s_max: 25,
        on_loss,
    }
}
