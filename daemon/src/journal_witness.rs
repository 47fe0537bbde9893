//! The simulator's witness: reads the engine's journal and looks for the intent of every command.
//!
//! Runs in the venue's process and maps the journal read-only. A command that arrives before its
//! intent
//! is in the journal, or with other terms than its intent, is a miss: the write-ahead promise was
//! broken. A witness of mode `strict` also looks at the sync markers, which the keeper writes only
//! after a sync that succeeded: an order that arrives before its intent's is a miss.

use journal::{Follower, synced_sequence_of};
use model::decimal_text::parse_units;
use model::input::{EntryKind, Input};
use model::journal_record::{EntryBuffers, take_entry};
use model::order_change::ChangeBody;
use model::{CommandKind, Decision, EngineConfig, OrderIntent};
use protocol::venue::okx::request_id::CommandKey;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use venue_simulator::{CommandWitness, ReceivedCommand, WitnessVerdict};

/// What the journal says of every intent so far.
struct Seen {
    follower: Option<Follower>,
    buffers: EntryBuffers,
    config: Option<EngineConfig>,
    /// With the entry that holds each.
    intents: HashMap<(u64, u8, u16), (u64, OrderIntent)>,
}

/// A witness over one journal directory; the journal may begin to exist later.
pub struct JournalWitness {
    directory: PathBuf,
    wants_sync: bool,
    seen: Mutex<Seen>,
}

impl JournalWitness {
    /// A witness of the journal in `directory`.
    pub fn new(directory: PathBuf) -> Self {
        let seen = Seen {
            follower: None,
            buffers: EntryBuffers::default(),
            config: None,
            intents: HashMap::new(),
        };
        Self {
            directory,
            wants_sync: false,
            seen: Mutex::new(seen),
        }
    }

    /// A witness that also wants the intent of a new order or a replace to be on the disk.
    pub fn of_strict(directory: PathBuf) -> Self {
        Self {
            wants_sync: true,
            ..Self::new(directory)
        }
    }

    /// An order that is here before its intent is on the disk is a miss in mode `strict`.
    fn check_sync(&self, sequence: u64, intent: &OrderIntent) -> Option<WitnessVerdict> {
        if !self.wants_sync || intent.command == CommandKind::Cancel {
            return None;
        }
        let text = match synced_sequence_of(&self.directory) {
            Ok(synced) if synced >= sequence => return None,
            Ok(synced) => format!("intent in entry {sequence}, on the disk is entry {synced}"),
            Err(error) => error.to_string(),
        };
        Some(WitnessVerdict::Missing(text))
    }
}

impl CommandWitness for JournalWitness {
    fn check(&self, command: &ReceivedCommand<'_>) -> WitnessVerdict {
        let Some(key) = key_of(command) else {
            return WitnessVerdict::NotJudged;
        };
        let Ok(mut seen) = self.seen.lock() else {
            return WitnessVerdict::Missing("the witness itself failed".to_owned());
        };
        if let Err(text) = seen.read_on(&self.directory) {
            return WitnessVerdict::Missing(text);
        }
        let place = (
            key.client_order_id.integer(),
            key.command.number(),
            key.command_seq,
        );
        match seen.intents.get(&place) {
            None => {
                WitnessVerdict::Missing(format!("no intent for request id {}", command.request_id))
            }
            Some((sequence, intent)) => match self.check_sync(*sequence, intent) {
                Some(miss) => miss,
                None => seen.compare(command, intent),
            },
        }
    }
}

/// The command's own key: its request id, or in a batch its order with the batch's kind and number.
fn key_of(command: &ReceivedCommand<'_>) -> Option<CommandKey> {
    let mut key = CommandKey::parse(command.request_id.as_bytes())?;
    let order = model::ClientOrderId::from_text(command.client_order_id.as_bytes())?;
    key.client_order_id = order;
    Some(key)
}

impl Seen {
    /// Reads everything that the journal has by now.
    fn read_on(&mut self, directory: &std::path::Path) -> Result<(), String> {
        if self.follower.is_none() {
            let follower = Follower::open(directory, 1).map_err(|error| error.to_string())?;
            self.follower = Some(follower);
        }
        let Some(follower) = &mut self.follower else {
            return Ok(());
        };
        while let Some(entry) = follower.poll().map_err(|error| error.to_string())? {
            let sequence = entry.sequence;
            let kind = u8::try_from(entry.kind)
                .ok()
                .and_then(EntryKind::from_number);
            let Some(kind) = kind.filter(|kind| *kind != EntryKind::Sent) else {
                continue;
            };
            let (input, decisions) = take_entry(kind, entry.body, &mut self.buffers)
                .map_err(|error| format!("entry {}: {error}", entry.sequence))?;
            if let Input::ConfigApplied(config) = input {
                self.config = Some(config.clone());
            }
            for decision in decisions {
                if let Decision::Order(change) = decision
                    && let ChangeBody::CommandStarted(intent) = change.body
                {
                    let place = (
                        intent.client_order_id.integer(),
                        intent.command.number(),
                        intent.command_seq,
                    );
                    self.intents.insert(place, (sequence, intent));
                }
            }
        }
        Ok(())
    }

    /// The terms on the wire are the terms of the intent.
    fn compare(&self, command: &ReceivedCommand<'_>, intent: &OrderIntent) -> WitnessVerdict {
        if intent.command == CommandKind::Cancel {
            return WitnessVerdict::Witnessed;
        }
        let at = usize::try_from(intent.instrument.0).unwrap_or(usize::MAX);
        let policy = self
            .config
            .as_ref()
            .and_then(|config| config.instruments.get(at));
        let Some(policy) = policy else {
            return WitnessVerdict::Missing("the intent's instrument is not configured".to_owned());
        };
        let (price_scale, quantity_scale) = (
            policy.instrument.price_scale,
            policy.instrument.quantity_scale,
        );
        let price = parse_units(command.price.as_bytes(), price_scale);
        let quantity = parse_units(command.quantity.as_bytes(), quantity_scale);
        // An amendment names only the terms that change.
        let replaces = intent.command == CommandKind::Replace;
        let price_ok =
            price == Ok(intent.limit_price.units()) || (replaces && command.price.is_empty());
        let quantity_ok = quantity == Ok(intent.order_quantity.units())
            || (replaces && command.quantity.is_empty());
        if price_ok && quantity_ok {
            WitnessVerdict::Witnessed
        } else {
            WitnessVerdict::Missing(format!(
                "{}: sent price {} quantity {}, intended {} and {} units",
                command.request_id,
                command.price,
                command.quantity,
                intent.limit_price.units(),
                intent.order_quantity.units()
            ))
        }
    }
}
