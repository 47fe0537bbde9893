//! What the measured engine trades, and the few inputs after which it takes orders.
//!
//! Limits are wide so that nothing is refused; every check still runs. The engine's clock is the
//! scene's own and steps one millisecond an order, so that rates and windows are those of a venue
//! while the orders come as fast as they are measured.

use anyhow::{Result, anyhow};
use engine::ENGINE_VERSION;
use model::engine_config::{
    InstrumentPolicy, OnLoss, RateRule, RateScope, StrategyPolicy, TradingMode, VenuePolicy,
};
use model::execution_report::VenueOrderState;
use model::identifiers::{Symbol, Text};
use model::input::{Input, LinkChanged, LinkReason, LinkState, RecoveryStarted};
use model::instrument::{InstrumentKind, InstrumentState};
use model::recon_fact::SweepEnded;
use model::request_slot::{self, REQUEST_WORDS};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    AccountId, BootEpoch, ClientOrderId, EngineConfig, InstanceTag, Instrument, InstrumentId,
    LinkId, MonotonicNs, NewOrder, Notional, OrderType, OrderUpdate, Price, Quantity, ReconFact,
    Request, RequestId, Side, StrategyId, TimeInForce, UnixNs, UtcAnchor, VenueId, VenueOrderId,
};

/// The engine's clock when a scene begins.
pub(crate) const BEGIN: MonotonicNs = MonotonicNs(100 * NS_PER_S);
/// What it steps for each order.
pub(crate) const STEP_NS: u64 = NS_PER_MS;
/// Slots of the order store: the same for 100 and 50,000 open orders, so that only those differ.
pub(crate) const ORDER_CAPACITY: u32 = 1 << 17;
/// So much per order: 0.25 contracts.
const QUANTITY: Quantity = Quantity::from_units(2_500);
/// At 64,123.5.
const PRICE: Price = Price::from_units(64_123_500);

/// One OKX swap, one strategy, and room for everything; slots for `order_capacity` orders, a power
/// of two.
pub(crate) fn config(order_capacity: u32) -> Result<EngineConfig> {
    Ok(EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(9).ok_or_else(|| anyhow!("tag 9 is small"))?,
        order_capacity,
        // An execution stays until its order's slot is taken again.
        execution_capacity: order_capacity,
        answer_window: 1024,
        terminal_keep_ns: NS_PER_S,
        request_age_max_ns: 200 * NS_PER_MS,
        venues: vec![venue()?],
        instruments: vec![policy()?],
        strategies: vec![StrategyPolicy {
            id: StrategyId(0),
            name: Text::new(b"bench").ok_or_else(|| anyhow!("the name is short"))?,
            open_orders_max: u32::MAX,
            orders_per_s_max: 2_048,
            on_loss: OnLoss::Keep,
        }],
    })
}

fn venue() -> Result<VenuePolicy> {
    let rule = |scope, counts_new, counts_cancel| RateRule {
        scope,
        counts_new,
        counts_cancel,
        counts_replace: counts_new,
        messages: 4_096,
        window_ns: 2 * NS_PER_S,
    };
    Ok(VenuePolicy {
        id: VenueId(0),
        name: Text::new(b"okx").ok_or_else(|| anyhow!("the name is short"))?,
        dialect: Text::new(b"okx").ok_or_else(|| anyhow!("the dialect is short"))?,
        mode: TradingMode::Paper,
        command_window_ns: NS_PER_S,
        settle_ns: NS_PER_S,
        command_timeout_ns: 3 * NS_PER_S,
        sweep_interval_ns: 1 << 60,
        ask_interval_ns: NS_PER_S,
        ask_attempts: 12,
        rates: vec![
            rule(RateScope::Instrument, true, false),
            rule(RateScope::Instrument, false, true),
            rule(RateScope::Account, true, false),
        ],
    })
}

fn policy() -> Result<InstrumentPolicy> {
    Ok(InstrumentPolicy {
        instrument: instrument()?,
        trade_mode: Text::new(b"cross").ok_or_else(|| anyhow!("the mode is short"))?,
        order_quantity_max: Quantity::from_units(1_000_000),
        order_notional_max: Notional(i128::from(i64::MAX)),
        open_orders_max: u32::MAX,
        position_long_max: Quantity::from_units(i64::MAX),
        position_short_max: Quantity::from_units(i64::MAX),
        halt_on_recon_break: false,
    })
}

/// The swap that the venue's documented messages are about.
pub(crate) fn instrument() -> Result<Instrument> {
    Ok(Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: Symbol::new(b"BTC-USDT-SWAP").ok_or_else(|| anyhow!("the symbol is short"))?,
        venue_code: 10_459,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 4,
        tick: Price::from_units(100),
        lot: Quantity::from_units(100),
        quantity_min: Quantity::from_units(100),
        quantity_max: Quantity::from_units(1_000_000_000_000),
        multiplier_units: 1,
        multiplier_scale: 2,
    })
}

/// The inputs after which the engine takes orders, in their order.
pub(crate) fn opening(boot_epoch: u32) -> Result<[Input<'static>; 4]> {
    let anchor = UtcAnchor {
        monotonic: BEGIN,
        unix: UnixNs(1_760_000_000 * NS_PER_S),
        error_ns: 0,
    };
    let epoch = BootEpoch::new(boot_epoch).ok_or_else(|| anyhow!("epoch {boot_epoch}"))?;
    Ok([
        Input::RecoveryStarted(RecoveryStarted {
            epoch,
            engine_version: ENGINE_VERSION,
            anchor,
        }),
        Input::StrategyAttached {
            strategy: StrategyId(0),
            generation: 1,
        },
        Input::LinkChanged(LinkChanged {
            venue: VenueId(0),
            link: LinkId(1),
            state: LinkState::Up,
            reason: LinkReason::Ready,
        }),
        Input::ReconFact(ReconFact::SweepEnded(SweepEnded {
            // Asked after the entry above, which is the third.
            asked_at_seq: 3,
            venue: VenueId(0),
            sweep_no: 1,
            complete: true,
        })),
    ])
}

/// The same input in a journal that has one entry before those of [`opening`].
pub(crate) fn asked_one_later(input: Input<'static>) -> Input<'static> {
    match input {
        Input::ReconFact(ReconFact::SweepEnded(mut ended)) => {
            ended.asked_at_seq += 1;
            Input::ReconFact(ReconFact::SweepEnded(ended))
        }
        input => input,
    }
}

/// A limit order of the strategy.
pub(crate) fn order() -> NewOrder {
    NewOrder {
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: QUANTITY,
        limit_price: PRICE,
        valid_for_ns: 0,
    }
}

/// The slot in which the strategy asks for it.
pub(crate) fn order_words(request_id: u64, now: MonotonicNs) -> [u64; REQUEST_WORDS] {
    request_slot::to_words(RequestId(request_id), now, &Request::New(order()))
}

/// The venue's id of one of our orders.
pub(crate) fn venue_order_id(id: ClientOrderId) -> VenueOrderId {
    VenueOrderId::lossy(format!("251{:013}", id.sequence()).as_bytes())
}

/// The order as the venue shows it: live, or cancelled by its owner, without executions.
pub(crate) fn shown(id: ClientOrderId, state: VenueOrderState) -> OrderUpdate {
    OrderUpdate {
        client_order_id: Some(id),
        venue_order_id: venue_order_id(id),
        instrument: InstrumentId(0),
        side: Side::Buy,
        state,
        order_quantity: QUANTITY,
        limit_price: PRICE,
        cum_quantity: Quantity::ZERO,
        fill: None,
        replace: None,
        end_code: u32::from(state == VenueOrderState::Cancelled),
        venue_time: UnixNs(1_760_000_000 * NS_PER_S),
    }
}

/// The slot of an order that is larger than the limit.
#[cfg(test)]
pub(crate) fn too_large_words(request_id: u64, now: MonotonicNs) -> [u64; REQUEST_WORDS] {
    let order = NewOrder {
        order_quantity: Quantity::from_units(100_000_000),
        ..order()
    };
    request_slot::to_words(RequestId(request_id), now, &Request::New(order))
}
