//! The venue as a whole: exchange, connections, limits and timers behind one mutex, and what all
//! tasks share around it.
//!
//! Invariants: lock order is venue, then faults; no lock is held across an await. Counters only
//! grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::VenueClock;
use crate::config::{AccountConfig, SimulatorConfig};
use crate::faults::{Fault, FaultMoment, FaultScript};
use crate::matching::{Exchange, ExchangeRules, FeeRates, Holdings, PositionMode};
use crate::okx::hub::Hub;
use crate::okx::request_limits::RequestLimits;
use crate::witness::CommandWitness;

/// First user id; accounts follow in order.
const FIRST_UID: u64 = 614_488_474_791_936;

/// What one mutex guards.
pub(crate) struct Venue {
    pub(crate) exchange: Exchange,
    pub(crate) hub: Hub,
    pub(crate) limits: RequestLimits,
    /// Cancel-all-after timers: (account, tag) to due time in venue ms.
    pub(crate) cancel_all_after: BTreeMap<(usize, String), i64>,
    /// Acks that wait for a fill.
    pub(crate) house: usize,
}

/// Totals since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) rest_requests: AtomicU64,
    pub(crate) legs_received: AtomicU64,
    pub(crate) orders_received: AtomicU64,
    pub(crate) orders_accepted: AtomicU64,
    pub(crate) orders_refused: AtomicU64,
    pub(crate) cancels_received: AtomicU64,
    pub(crate) amends_received: AtomicU64,
    pub(crate) commands_checked: AtomicU64,
    pub(crate) witness_misses: AtomicU64,
    pub(crate) pushes: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Everything that connection tasks, timers and the background market share.
pub(crate) struct Shared {
    pub(crate) config: SimulatorConfig,
    pub(crate) clock: VenueClock,
    pub(crate) counters: Counters,
    pub(crate) witness: Option<Arc<dyn CommandWitness>>,
    venue: Mutex<Venue>,
    faults: Mutex<FaultScript>,
    /// The first misses, for the report.
    miss_details: Mutex<Vec<String>>,
}

impl Shared {
    pub(crate) fn new(config: SimulatorConfig, witness: Option<Arc<dyn CommandWitness>>) -> Self {
        let mut holdings: Vec<Holdings> = config
            .accounts
            .iter()
            .enumerate()
            .map(opening_holdings)
            .collect();
        let house = holdings.len();
        holdings.push(house_holdings());
        let fees = config.fees;
        let rules = ExchangeRules {
            fees: FeeRates {
                spot_maker: fees.spot_maker,
                spot_taker: fees.spot_taker,
                derivative_maker: fees.derivative_maker,
                derivative_taker: fees.derivative_taker,
            },
            price_band_bps: config.price_band_bps,
        };
        let venue = Venue {
            exchange: Exchange::new(config.instruments.clone(), holdings, rules),
            hub: Hub::new(config.push_delay),
            limits: RequestLimits::new(config.limits),
            cancel_all_after: BTreeMap::new(),
            house,
        };
        Self {
            clock: VenueClock::new(config.clock_skew_ms),
            counters: Counters::default(),
            witness,
            venue: Mutex::new(venue),
            faults: Mutex::new(FaultScript::new(config.seed, config.faults.clone())),
            miss_details: Mutex::new(Vec::new()),
            config,
        }
    }

    /// The venue. A panic of another task while it held the lock does not stop the venue.
    pub(crate) fn venue(&self) -> MutexGuard<'_, Venue> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, FaultScript> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Faults that strike at this moment; clock jumps act here.
    pub(crate) fn strike(&self, moment: &FaultMoment<'_>) -> Vec<Fault> {
        let mut script = self.faults();
        if script.is_empty() {
            return Vec::new();
        }
        let struck = script.strike(moment);
        for fault in &struck {
            if let Fault::ClockSkew { ms } = fault {
                self.clock.set_skew_ms(*ms);
            }
        }
        struck
    }

    /// Index of the account with a key.
    pub(crate) fn account_by_key(&self, api_key: &str) -> Option<usize> {
        self.config
            .accounts
            .iter()
            .position(|account| account.api_key == api_key)
    }

    /// The first witness misses, at most as many as were kept.
    pub(crate) fn miss_details(&self) -> Vec<String> {
        self.miss_details
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn note_miss(&self, detail: String) {
        const KEPT: usize = 20;
        count(&self.counters.witness_misses);
        let mut details = self
            .miss_details
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if details.len() < KEPT {
            details.push(detail);
        }
    }
}

/// The venue's user id of an account.
pub(crate) fn uid_of(account: usize) -> u64 {
    FIRST_UID + account as u64
}

fn opening_holdings((index, account): (usize, &AccountConfig)) -> Holdings {
    let mut holdings = Holdings {
        cash: BTreeMap::new(),
        positions: BTreeMap::new(),
        position_mode: if account.is_long_short {
            PositionMode::LongShort
        } else {
            PositionMode::Net
        },
        leverage: BTreeMap::new(),
        self_trade_group: account.main_uid.unwrap_or_else(|| uid_of(index)),
        is_house: false,
    };
    for (currency, amount) in &account.balances {
        holdings.cash_mut(&Arc::from(currency.as_str())).total = *amount;
    }
    holdings
}

fn house_holdings() -> Holdings {
    Holdings {
        cash: BTreeMap::new(),
        positions: BTreeMap::new(),
        position_mode: PositionMode::Net,
        leverage: BTreeMap::new(),
        self_trade_group: 0,
        is_house: true,
    }
}
