//! One venue, one instrument, limits that are never met, and two strategies: at its loss, the
//! orders of "grid" stay and those of "second" are cancelled.

use model::engine_config::{
    InstrumentPolicy, OnLoss, RateRule, RateScope, StrategyPolicy, TradingMode, VenuePolicy,
};
use model::identifiers::Symbol;
use model::instrument::{InstrumentKind, InstrumentState};
use model::time::NS_PER_S;
use model::{
    AccountId, EngineConfig, InstanceTag, Instrument, InstrumentId, Notional, Price, Quantity,
    StrategyId, Text, VenueId,
};

pub(crate) const INSTANCE_TAG: u8 = 3;
pub(crate) const SYMBOL: &str = "BTC-USDT-SWAP";

pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(INSTANCE_TAG).unwrap(),
        order_capacity: 8_192,
        execution_capacity: 1_024,
        answer_window: 8_192,
        terminal_keep_ns: 0,
        request_age_max_ns: 60 * NS_PER_S,
        venues: vec![VenuePolicy {
            id: VenueId(0),
            name: Text::new(b"okx").unwrap(),
            dialect: Text::EMPTY,
            mode: TradingMode::Paper,
            command_window_ns: NS_PER_S,
            settle_ns: NS_PER_S,
            command_timeout_ns: 60 * NS_PER_S,
            sweep_interval_ns: 600 * NS_PER_S,
            ask_interval_ns: 60 * NS_PER_S,
            ask_attempts: 12,
            rates: vec![RateRule {
                scope: RateScope::Account,
                counts_new: true,
                counts_cancel: true,
                counts_replace: true,
                messages: 1_000_000,
                window_ns: NS_PER_S,
            }],
        }],
        instruments: vec![InstrumentPolicy {
            instrument: instrument(),
            trade_mode: Text::EMPTY,
            order_quantity_max: Quantity::from_units(1_000_000),
            order_notional_max: Notional(i128::from(i64::MAX)),
            open_orders_max: 8_000,
            position_long_max: Quantity::from_units(1_000_000_000),
            position_short_max: Quantity::from_units(1_000_000_000),
            halt_on_recon_break: false,
        }],
        strategies: [(0, "grid", OnLoss::Keep), (1, "second", OnLoss::CancelAll)]
            .map(|(id, name, on_loss)| StrategyPolicy {
                id: StrategyId(id),
                name: Text::new(name.as_bytes()).unwrap(),
                open_orders_max: 8_000,
                orders_per_s_max: 1_000_000,
                on_loss,
            })
            .to_vec(),
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: Symbol::new(SYMBOL.as_bytes()).unwrap(),
        venue_code: 7,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 2,
        tick: Price::from_units(100),
        lot: Quantity::from_units(1),
        quantity_min: Quantity::from_units(1),
        quantity_max: Quantity::from_units(1_000_000),
        multiplier_units: 1,
        multiplier_scale: 2,
    }
}
