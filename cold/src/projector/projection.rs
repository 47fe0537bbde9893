//! The fold from journal entries to rows.
//!
//! Owns the orders that are being changed, as a cache of their rows: whatever is not in it is read
//! back from the database, so nothing is lost with it. Invariants: the rows are a function of the
//! entries alone, whatever the batches' bounds were; nothing is written here. Must not know: SQL,
//! files, threads.

use std::collections::HashMap;

use journal::Entry;
use model::engine_config::{InstrumentPolicy, TradingMode};
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::sent_record::{SentRecord, SentStamp};
use model::{
    ByteSource, BytesError, CanonicalBytes, ClientOrderId, Decision, EngineConfig, Input,
    InstrumentId, MonotonicNs, OrderChange, StrategyId, Text, UtcAnchor,
};

use super::ProjectorError;
use super::order_fold::{HeldOrder, Occasion, new_order};
use super::order_log_rows::{alarm_log, denied_log, run_denied_log};
use crate::store::rows::{Cursor, IntentState, Market};
use crate::store::{Batch, Store};

/// Orders that are kept between batches. Ended ones are let go after each.
const CACHED_ORDERS_MAX: usize = 65_536;

/// The fold's state between entries.
pub(super) struct Projection {
    cursor: Cursor,
    config: Option<EngineConfig>,
    orders: HashMap<u64, HeldOrder>,
    order_of_intent: HashMap<u64, ClientOrderId>,
    buffers: EntryBuffers,
    batch: Batch,
    entries: u64,
}

impl Projection {
    /// Goes on behind `cursor`.
    ///
    /// # Errors
    /// A configuration that is none.
    pub(super) fn new(cursor: Cursor) -> Result<Self, BytesError> {
        let config = if cursor.config.is_empty() {
            None
        } else {
            let mut source = ByteSource::new(&cursor.config);
            let config = EngineConfig::take(&mut source)?;
            source.finish()?;
            Some(config)
        };
        Ok(Self {
            cursor,
            config,
            orders: HashMap::new(),
            order_of_intent: HashMap::new(),
            buffers: EntryBuffers::default(),
            batch: Batch::default(),
            entries: 0,
        })
    }

    /// Entries since the last batch.
    pub(super) fn pending_entries(&self) -> u64 {
        self.entries
    }

    /// The last entry that was taken.
    pub(super) fn sequence(&self) -> u64 {
        self.cursor.sequence
    }

    /// Takes one entry.
    ///
    /// # Errors
    /// An entry that this version cannot read; an order that cannot be read back.
    pub(super) fn take(&mut self, entry: &Entry<'_>, store: &Store) -> Result<(), ProjectorError> {
        let kind = u8::try_from(entry.kind).ok();
        let Some(kind) = kind.and_then(EntryKind::from_number) else {
            return Err(ProjectorError::UnknownKind {
                sequence: entry.sequence,
                kind: entry.kind,
            });
        };
        let bad = |error| ProjectorError::entry(entry.sequence, error);
        match kind {
            EntryKind::Checkpoint => {}
            EntryKind::Sent => {
                for stamp in SentRecord::take(entry.body).map_err(bad)?.intents {
                    self.sent(&stamp, store)?;
                }
            }
            kind => {
                let mut buffers = std::mem::take(&mut self.buffers);
                let (input, decisions) = take_entry(kind, entry.body, &mut buffers).map_err(bad)?;
                self.take_input(&input);
                for (ordinal, decision) in (0u32..).zip(decisions) {
                    let at = self.occasion(entry, ordinal);
                    self.decide(&at, decision, store)?;
                }
                self.buffers = buffers;
            }
        }
        self.cursor.sequence = entry.sequence;
        self.cursor.entry_epoch = entry.boot_epoch;
        self.cursor.entry_now = MonotonicNs(entry.now_ns);
        self.entries += 1;
        Ok(())
    }

    fn occasion(&self, entry: &Entry<'_>, ordinal: u32) -> Occasion {
        let now = MonotonicNs(entry.now_ns);
        Occasion {
            sequence: entry.sequence,
            ordinal,
            boot_epoch: self.cursor.boot_epoch,
            now,
            unix: self.cursor.anchor.unix_at(now),
        }
    }

    fn take_input(&mut self, input: &Input<'_>) {
        match input {
            Input::ConfigApplied(config) => {
                for policy in &config.instruments {
                    self.batch.instruments.push(named(config, policy));
                }
                self.set_config((*config).clone());
            }
            Input::InstrumentApplied(instrument) => {
                let Some(mut config) = self.config.take() else {
                    return;
                };
                let place = usize::try_from(instrument.id.0).unwrap_or(usize::MAX);
                if let Some(policy) = config.instruments.get_mut(place) {
                    policy.instrument = *instrument;
                    self.batch
                        .instruments
                        .push(named(&config, &config.instruments[place]));
                }
                self.set_config(config);
            }
            Input::UtcAnchor(anchor) => self.set_anchor(*anchor),
            Input::RecoveryStarted(started) => {
                self.set_anchor(started.anchor);
                self.cursor.boot_epoch = started.epoch.get();
            }
            _ => {}
        }
    }

    fn set_anchor(&mut self, anchor: UtcAnchor) {
        let error_ns = 0;
        self.cursor.anchor = UtcAnchor { error_ns, ..anchor };
    }

    fn set_config(&mut self, config: EngineConfig) {
        self.cursor.config.clear();
        config.put(&mut self.cursor.config);
        self.config = Some(config);
    }

    fn decide(
        &mut self,
        at: &Occasion,
        decision: &Decision,
        store: &Store,
    ) -> Result<(), ProjectorError> {
        match decision {
            Decision::Order(change) => self.change(at, change, store)?,
            Decision::Refused(refused) => {
                let strategy = self.strategy_name(refused.strategy);
                self.batch.logs.push(denied_log(at, refused, strategy));
            }
            Decision::RunRefused {
                strategy,
                first,
                count,
                reason,
                ..
            } => {
                let strategy = self.strategy_name(*strategy);
                let log = run_denied_log(at, strategy, *first, *count, *reason);
                self.batch.logs.push(log);
            }
            Decision::Alarm {
                code,
                client_order_id,
            } => {
                self.batch.logs.push(alarm_log(at, *code, *client_order_id));
            }
            _ => {}
        }
        Ok(())
    }

    fn change(
        &mut self,
        at: &Occasion,
        change: &OrderChange,
        store: &Store,
    ) -> Result<(), ProjectorError> {
        let id = change.client_order_id;
        if !self.orders.contains_key(&id.integer()) {
            let held = match self.read_back(id, store)? {
                Some(held) => held,
                None => {
                    let market = self.market(at.sequence, change.instrument)?;
                    let strategy = self.strategy_name(change.strategy);
                    HeldOrder::new(new_order(at, change, market, strategy))
                }
            };
            self.orders.insert(id.integer(), held);
        }
        let held = self
            .orders
            .get_mut(&id.integer())
            .expect("it was put there");
        if let Some(intent_id) = held.apply(at, change, &mut self.batch) {
            self.order_of_intent.insert(intent_id, id);
        }
        Ok(())
    }

    /// An order as the database has it, with the commands that can still change.
    fn read_back(
        &mut self,
        id: ClientOrderId,
        store: &Store,
    ) -> Result<Option<HeldOrder>, ProjectorError> {
        let Some(order) = store.order(id)? else {
            return Ok(None);
        };
        let scales = (order.market.price_scale, order.market.quantity_scale);
        let mut held = HeldOrder::new(order);
        for intent in store.live_intents(id, scales)? {
            self.order_of_intent.insert(intent.intent_id, id);
            held.add_known(intent);
        }
        Ok(Some(held))
    }

    fn sent(&mut self, stamp: &SentStamp, store: &Store) -> Result<(), ProjectorError> {
        let known = self.order_of_intent.get(&stamp.intent_seq).copied();
        let order = match known {
            Some(order) => Some(order),
            None => store.order_of_intent(stamp.intent_seq)?,
        };
        // An intent that no row has: the entries before this journal's first one are gone.
        let Some(id) = order else { return Ok(()) };
        if !self.orders.contains_key(&id.integer()) {
            let Some(held) = self.read_back(id, store)? else {
                return Ok(());
            };
            self.orders.insert(id.integer(), held);
        }
        let anchor = self.cursor.anchor;
        if let Some(held) = self.orders.get_mut(&id.integer()) {
            held.note_sent(stamp, anchor);
        }
        Ok(())
    }

    fn market(
        &self,
        sequence: u64,
        instrument: InstrumentId,
    ) -> Result<(Market, TradingMode), ProjectorError> {
        let place = usize::try_from(instrument.0).unwrap_or(usize::MAX);
        let config = self.config.as_ref();
        let found = config.and_then(|config| Some((config, config.instruments.get(place)?)));
        let Some((config, policy)) = found else {
            return Err(ProjectorError::UnknownInstrument {
                sequence,
                instrument: instrument.0,
            });
        };
        let (of, venue) = named(config, policy);
        let venue_policy = config.venues.get(usize::from(of.venue.0));
        // A venue that no configuration names trades nothing.
        let mode = venue_policy.map_or(TradingMode::DryRun, |venue| venue.mode);
        let market = Market {
            instrument,
            venue,
            account: of.account,
            symbol: of.symbol,
            price_scale: of.price_scale,
            quantity_scale: of.quantity_scale,
        };
        Ok((market, mode))
    }

    fn strategy_name(&self, strategy: StrategyId) -> Text<31> {
        let strategies = self.config.as_ref().map(|config| &config.strategies);
        strategies
            .and_then(|strategies| strategies.get(usize::from(strategy.0)))
            .map_or(Text::EMPTY, |policy| policy.name)
    }

    /// Everything since the last batch, and the cursor behind it.
    pub(super) fn seal(&mut self) -> (&Batch, &Cursor) {
        for held in self.orders.values_mut() {
            held.drain_changed(&mut self.batch);
        }
        self.batch
            .orders
            .sort_unstable_by_key(|order| order.client_order_id);
        self.batch
            .intents
            .sort_unstable_by_key(|intent| intent.intent_id);
        (&self.batch, &self.cursor)
    }

    /// The sealed batch is in the database: begins the next one.
    pub(super) fn written(&mut self) {
        self.batch.instruments.clear();
        self.batch.orders.clear();
        self.batch.intents.clear();
        self.batch.fills.clear();
        self.batch.logs.clear();
        self.entries = 0;
        if self.orders.len() > CACHED_ORDERS_MAX {
            self.orders.clear();
        } else {
            self.orders.retain(|_, held| !held.is_over());
        }
        let orders = &self.orders;
        let is_held = |order: &ClientOrderId| orders.contains_key(&order.integer());
        self.order_of_intent.retain(|_, order| is_held(order));
    }
}

fn named(config: &EngineConfig, policy: &InstrumentPolicy) -> (model::Instrument, Text<15>) {
    let venue = config.venues.get(usize::from(policy.instrument.venue.0));
    let name = venue.map_or(Text::EMPTY, |venue| venue.name);
    (policy.instrument, name)
}

/// True for a command that is over and need not be kept.
pub(super) fn is_spent(state: IntentState, is_new_order: bool) -> bool {
    state.is_over() && !is_new_order
}
