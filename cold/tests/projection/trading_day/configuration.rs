//! What the engine of the trading day is configured with: two instruments, two strategies.

use model::engine_config::*;
use model::identifiers::Symbol;
use model::instrument::*;
use model::time::{NS_PER_MS, NS_PER_S};
use model::*;

use super::VENUE;

pub(super) fn config() -> EngineConfig {
    EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(9).unwrap(),
        order_capacity: 16_384,
        execution_capacity: 65_536,
        answer_window: 1024,
        terminal_keep_ns: 5 * NS_PER_S,
        request_age_max_ns: NS_PER_S,
        venues: vec![venue()],
        instruments: vec![instrument(0), instrument(1)],
        strategies: vec![strategy(0), strategy(1)],
    }
}

fn venue() -> VenuePolicy {
    VenuePolicy {
        id: VENUE,
        name: Text::new(b"okx").unwrap(),
        dialect: Text::EMPTY,
        mode: TradingMode::Paper,
        command_window_ns: NS_PER_S,
        settle_ns: 300 * NS_PER_MS,
        command_timeout_ns: 400 * NS_PER_MS,
        sweep_interval_ns: 3_600 * NS_PER_S,
        ask_interval_ns: 300 * NS_PER_MS,
        ask_attempts: 12,
        rates: vec![RateRule {
            scope: RateScope::Account,
            counts_new: true,
            counts_cancel: false,
            counts_replace: true,
            messages: 1_000,
            window_ns: NS_PER_S,
        }],
    }
}

fn instrument(id: u32) -> InstrumentPolicy {
    InstrumentPolicy {
        instrument: Instrument {
            id: InstrumentId(id),
            venue: VENUE,
            account: AccountId(1),
            symbol: Symbol::new(format!("COIN{id}-USDT").as_bytes()).unwrap(),
            venue_code: u64::from(id) + 100,
            kind: InstrumentKind::Linear,
            state: InstrumentState::Live,
            price_scale: 2 + id as u8,
            quantity_scale: 1,
            tick: Price::from_units(5),
            lot: Quantity::from_units(10),
            quantity_min: Quantity::from_units(10),
            quantity_max: Quantity::from_units(10_000),
            multiplier_units: 1,
            multiplier_scale: 0,
        },
        trade_mode: Text::EMPTY,
        order_quantity_max: Quantity::from_units(490),
        order_notional_max: Notional(i128::MAX),
        open_orders_max: 2_000,
        position_long_max: Quantity::from_units(1 << 50),
        position_short_max: Quantity::from_units(1 << 50),
        halt_on_recon_break: false,
    }
}

fn strategy(id: u16) -> StrategyPolicy {
    StrategyPolicy {
        id: StrategyId(id),
        name: Text::new(format!("strategy{id}").as_bytes()).unwrap(),
        open_orders_max: 2_000,
        orders_per_s_max: 2_000,
        on_loss: OnLoss::Keep,
    }
}
