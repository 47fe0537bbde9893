//! What the story's engine is configured with: two instruments of different scales, two strategies.

use model::engine_config::*;
use model::instrument::*;
use model::price::Notional;
use model::*;

fn instrument(id: u32, symbol: &[u8], price_scale: u8, quantity_scale: u8) -> InstrumentPolicy {
    InstrumentPolicy {
        instrument: Instrument {
            id: InstrumentId(id),
            venue: VenueId(0),
            account: AccountId(0),
            symbol: Text::new(symbol).unwrap(),
            venue_code: 10_458,
            kind: InstrumentKind::Spot,
            state: InstrumentState::Live,
            price_scale,
            quantity_scale,
            tick: Price::from_units(10),
            lot: Quantity::from_units(1),
            quantity_min: Quantity::from_units(1),
            quantity_max: Quantity::from_units(1_000_000),
            multiplier_units: 1,
            multiplier_scale: 0,
        },
        trade_mode: Text::new(b"cash").unwrap(),
        order_quantity_max: Quantity::from_units(50_000),
        order_notional_max: Notional(1_000_000_000_000),
        open_orders_max: 20,
        position_long_max: Quantity::from_units(100_000),
        position_short_max: Quantity::ZERO,
        halt_on_recon_break: false,
    }
}

fn strategy(id: u16, name: &[u8]) -> StrategyPolicy {
    StrategyPolicy {
        id: StrategyId(id),
        name: Text::new(name).unwrap(),
        open_orders_max: 20,
        orders_per_s_max: 50,
        on_loss: OnLoss::CancelAll,
    }
}

pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(7).unwrap(),
        order_capacity: 1_024,
        execution_capacity: 4_096,
        answer_window: 256,
        terminal_keep_ns: 600_000_000_000,
        request_age_max_ns: 1_000_000_000,
        venues: vec![VenuePolicy {
            id: VenueId(0),
            name: Text::new(b"okx").unwrap(),
            dialect: Text::new(b"okx").unwrap(),
            mode: TradingMode::Paper,
            command_window_ns: 1_000_000_000,
            settle_ns: 2_000_000_000,
            command_timeout_ns: 5_000_000_000,
            sweep_interval_ns: 30_000_000_000,
            ask_interval_ns: 1_000_000_000,
            ask_attempts: 10,
            rates: vec![RateRule {
                scope: RateScope::Instrument,
                counts_new: true,
                counts_cancel: false,
                counts_replace: false,
                messages: 60,
                window_ns: 2_000_000_000,
            }],
        }],
        instruments: vec![
            instrument(0, b"BTC-USDT", 2, 4),
            instrument(1, b"ETH-USDT", 1, 0),
        ],
        strategies: vec![strategy(0, b"grid"), strategy(1, b"hedge")],
    }
}
