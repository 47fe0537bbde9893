//! The fold from journal entries to rows.
//!
//! Owns the orders that are being changed, as a cache of their rows: whatever is not in it is read
//! back from the database, so nothing is lost with it. Invariants: the rows are a function of the
//! entries alone, whatever the batches' bounds were; nothing is written here. Must not know: SQL,
//! files, threads.

use std::collections::HashMap;

use journal::Entry;
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::sent_record::{SentRecord, SentStamp};
use model::{BytesError, ClientOrderId, Decision, Input, MonotonicNs, OrderChange};

use super::ProjectorError;
use super::order_fold::{HeldOrder, Occasion, new_order};
use super::order_log_rows::{alarm_log, denied_log, run_denied_log};
use crate::journal_context::JournalContext;
use crate::store::rows::{Cursor, IntentState};
use crate::store::{Batch, Store};

/// Orders that are kept between batches. Ended ones are let go after each.
const CACHED_ORDERS_MAX: usize = 65_536;

/// The fold's state between entries.
pub(super) struct Projection {
    context: JournalContext,
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
        Ok(Self {
            context: JournalContext::new(cursor)?,
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
        self.context.cursor.sequence
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
        self.context.note_entry(entry);
        self.entries += 1;
        Ok(())
    }

    fn occasion(&self, entry: &Entry<'_>, ordinal: u32) -> Occasion {
        let now = MonotonicNs(entry.now_ns);
        Occasion {
            sequence: entry.sequence,
            ordinal,
            boot_epoch: self.context.cursor.boot_epoch,
            now,
            unix: self.context.cursor.anchor.unix_at(now),
        }
    }

    fn take_input(&mut self, input: &Input<'_>) {
        self.context.take_input(input);
        let instruments = match input {
            Input::ConfigApplied(config) => config
                .instruments
                .iter()
                .map(|policy| policy.instrument)
                .collect(),
            Input::InstrumentApplied(instrument) => vec![*instrument],
            _ => return,
        };
        for instrument in instruments {
            let venue = self.context.venue_name(instrument.venue);
            self.batch.instruments.push((instrument, venue));
        }
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
                let strategy = self.context.strategy_name(refused.strategy);
                self.batch.logs.push(denied_log(at, refused, strategy));
            }
            Decision::RunRefused {
                strategy,
                first,
                count,
                reason,
                ..
            } => {
                let strategy = self.context.strategy_name(*strategy);
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
                    let market = self.context.market(change.instrument);
                    let market = market.ok_or(ProjectorError::UnknownInstrument {
                        sequence: at.sequence,
                        instrument: change.instrument.0,
                    })?;
                    let strategy = self.context.strategy_name(change.strategy);
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
        let anchor = self.context.cursor.anchor;
        if let Some(held) = self.orders.get_mut(&id.integer()) {
            held.note_sent(stamp, anchor);
        }
        Ok(())
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
        (&self.batch, &self.context.cursor)
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

/// True for a command that is over and need not be kept.
pub(super) fn is_spent(state: IntentState, is_new_order: bool) -> bool {
    state.is_over() && !is_new_order
}
