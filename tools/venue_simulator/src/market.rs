//! The background market: a fair price per instrument that walks, makers who quote around it,
//! takers who sweep towards it.
//!
//! Invariants: what the house does is a function of the seed, the instrument and the step number
//! alone (what clients rest in its way decides who is filled). All house orders belong to the last
//! account. Threads: one task; the venue is locked for one step at a time.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;

use crate::config::BackgroundMarket;
use crate::instruments::Instrument;
use crate::matching::{
    CancelSource, Exchange, NewOrder, OrderName, OrderType, PositionSide, SelfTradeRule, Side,
    SizeUnit, TradeMode,
};
use crate::okx::{Shared, publish_updates};

/// Quotes per side.
const LEVELS: i64 = 5;
/// Distance of the first quote from the fair price, in hundredths of a basis point.
const FIRST_QUOTE_CENTIBPS: i64 = 150;
/// Distance between quotes, in hundredths of a basis point.
const QUOTE_STEP_CENTIBPS: i64 = 200;
/// Notional of one quote in USDT, before lot rounding.
const QUOTE_NOTIONAL: i64 = 20_000;

/// One instrument's walk and its resting quotes.
struct Walk {
    instrument: usize,
    random: ChaCha8Rng,
    /// Distance of the fair price from the initial price, in hundredths of a basis point.
    offset_centibps: i64,
    quotes: Vec<u64>,
}

/// All walks of a run.
pub(crate) struct Market {
    config: BackgroundMarket,
    house: usize,
    walks: Vec<Walk>,
}

impl Market {
    pub(crate) fn new(
        config: &BackgroundMarket,
        seed: u64,
        instruments: &[Instrument],
        house: usize,
    ) -> Self {
        let walks = instruments
            .iter()
            .enumerate()
            .filter(|(_, listed)| {
                config.symbols.is_empty() || config.symbols.contains(&listed.symbol)
            })
            .map(|(instrument, _)| Walk {
                instrument,
                random: ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + instrument as u64)),
                offset_centibps: 0,
                quotes: Vec::new(),
            })
            .collect();
        Self {
            config: config.clone(),
            house,
            walks,
        }
    }

    pub(crate) fn walk_count(&self) -> usize {
        self.walks.len()
    }

    /// One step of one instrument.
    pub(crate) fn step(&mut self, exchange: &mut Exchange, walk: usize, now_ms: i64) {
        let (config, house) = (&self.config, self.house);
        let walk = &mut self.walks[walk];
        walk.advance(config);
        for order_id in walk.quotes.drain(..) {
            // A quote that traded is gone already.
            let name = OrderName::OrderId(order_id);
            let _ = exchange.cancel(now_ms, house, name, CancelSource::USER);
        }
        walk.take(exchange, config, house, now_ms);
        walk.quote(exchange, house, now_ms);
    }
}

impl Walk {
    fn advance(&mut self, config: &BackgroundMarket) {
        let most = i64::from(config.move_bps) * 100;
        let range = i64::from(config.range_bps) * 100;
        let mut change = self.random.random_range(-most..=most);
        // Pulled back towards the start, so that long runs stay inside the range.
        change -= self.offset_centibps / 40;
        self.offset_centibps = (self.offset_centibps + change).clamp(-range, range);
    }

    fn price_at(&self, listed: &Instrument, distance_centibps: i64) -> Decimal {
        let offset = Decimal::from(self.offset_centibps + distance_centibps);
        let price = listed.initial_price * (Decimal::ONE + offset / Decimal::from(1_000_000));
        ((price / listed.tick).round() * listed.tick).max(listed.tick)
    }

    fn quantity(&mut self, listed: &Instrument, share_percent: i64) -> Decimal {
        let unit = listed.contract_value * listed.initial_price;
        let quantity = Decimal::from(QUOTE_NOTIONAL * share_percent / 100) / unit;
        ((quantity / listed.lot).floor() * listed.lot).max(listed.min_quantity)
    }

    fn quote(&mut self, exchange: &mut Exchange, house: usize, now_ms: i64) {
        for level in 0..LEVELS {
            for side in [Side::Buy, Side::Sell] {
                let distance = FIRST_QUOTE_CENTIBPS + level * QUOTE_STEP_CENTIBPS;
                let distance = if side == Side::Buy {
                    -distance
                } else {
                    distance
                };
                let share_percent = self.random.random_range(40..=160);
                let listed = &exchange.instruments[self.instrument];
                let price = self.price_at(listed, distance);
                let quantity = self.quantity(listed, share_percent);
                let order = house_order(
                    house,
                    self.instrument,
                    side,
                    OrderType::Limit,
                    price,
                    quantity,
                );
                if let Ok(order_id) = exchange.place(now_ms, order) {
                    self.quotes.push(order_id);
                }
            }
        }
    }

    /// Clears what rests inside the sweep, on one side. The house's own quotes are out of the way
    /// then.
    fn take(
        &mut self,
        exchange: &mut Exchange,
        config: &BackgroundMarket,
        house: usize,
        now_ms: i64,
    ) {
        let side = if self.random.random_bool(0.5) {
            Side::Buy
        } else {
            Side::Sell
        };
        let deepest = i64::from(config.sweep_bps) * 100;
        let depth = self.random.random_range(0..=deepest);
        let share_percent = self.random.random_range(10..=400);
        let listed = &exchange.instruments[self.instrument];
        let distance = if side == Side::Buy { depth } else { -depth };
        let price = self.price_at(listed, distance);
        let quantity = self.quantity(listed, share_percent);
        let kind = OrderType::ImmediateOrCancel;
        let order = house_order(house, self.instrument, side, kind, price, quantity);
        // A suspended instrument refuses; the walk goes on.
        let _ = exchange.place(now_ms, order);
    }
}

fn house_order(
    account: usize,
    instrument: usize,
    side: Side,
    order_type: OrderType,
    price: Decimal,
    quantity: Decimal,
) -> NewOrder {
    NewOrder {
        account,
        instrument,
        client_order_id: Arc::from(""),
        tag: Arc::from(""),
        side,
        position_side: PositionSide::Net,
        order_type,
        trade_mode: TradeMode::Cross,
        price: Some(price),
        quantity,
        size_unit: SizeUnit::Base,
        size_unit_text: "",
        reduce_only: false,
        self_trade_rule: SelfTradeRule::Maker,
        clamp_price: false,
        is_amend_banned: false,
        attached: Arc::from(""),
    }
}

/// Runs the market for ever: each tick every instrument takes one step, others run between steps.
pub(crate) async fn run_market(shared: Arc<Shared>) {
    let config = shared.config.market.clone();
    let mut market = {
        let venue = shared.venue();
        Market::new(
            &config,
            shared.config.seed,
            &venue.exchange.instruments,
            venue.house,
        )
    };
    let walks = market.walk_count();
    if walks == 0 || config.steps_per_second == 0 {
        return;
    }
    let rounds_per_second = f64::from(config.steps_per_second);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rounds_per_second));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for walk in 0..walks {
            {
                let mut venue = shared.venue();
                let now_ms = shared.clock.now_ms();
                market.step(&mut venue.exchange, walk, now_ms);
                publish_updates(&shared, &mut venue);
            }
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rust_decimal::Decimal;

    use super::Market;
    use crate::config::BackgroundMarket;
    use crate::instruments::default_instruments;
    use crate::matching::{
        Exchange, ExchangeRules, FeeRates, Holdings, PositionMode, Side, Update,
    };

    /// Best prices and trades of a run of the first instruments.
    fn run(seed: u64, steps: usize) -> Vec<String> {
        let zero = Decimal::ZERO;
        let fees = FeeRates {
            spot_maker: zero,
            spot_taker: zero,
            derivative_maker: zero,
            derivative_taker: zero,
        };
        let house = Holdings {
            cash: BTreeMap::new(),
            positions: BTreeMap::new(),
            position_mode: PositionMode::Net,
            leverage: BTreeMap::new(),
            self_trade_group: 0,
            is_house: true,
        };
        let rules = ExchangeRules {
            fees,
            price_band_bps: 500,
        };
        let instruments = default_instruments();
        let mut exchange = Exchange::new(instruments.clone(), vec![house], rules);
        let mut market = Market::new(&BackgroundMarket::default(), seed, &instruments, 0);
        let mut seen = Vec::new();
        for step in 0..steps {
            for walk in 0..market.walk_count() {
                market.step(&mut exchange, walk, step as i64);
                let (bid, ask) = (
                    exchange.best_price(walk, Side::Buy),
                    exchange.best_price(walk, Side::Sell),
                );
                assert!(
                    bid.unwrap() < ask.unwrap(),
                    "both sides are quoted, uncrossed"
                );
                seen.push(format!("{bid:?} {ask:?}"));
            }
            let traded = |update: &Update| matches!(update, Update::Trade { .. });
            assert!(
                !exchange.take_updates().iter().any(traded),
                "the house never trades with itself"
            );
        }
        seen
    }

    #[test]
    fn the_market_walks_the_same_way_for_the_same_seed_only() {
        assert_eq!(run(3, 50), run(3, 50));
        assert_ne!(run(3, 50), run(4, 50));
    }
}
