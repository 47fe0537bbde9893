//! What an entry is read with: the configuration, clocks and run in force, and the place in the
//! journal.
//!
//! Shared by everything that projects the journal. Invariant: whoever goes on at a place goes on
//! only where the journal has the very entry of that place.

use std::path::Path;

use journal::{Entry, Follower, JournalError, JournalErrorKind};
use model::engine_config::TradingMode;
use model::{
    ByteSource, BytesError, CanonicalBytes, EngineConfig, Input, InstrumentId, MonotonicNs,
    StrategyId, Text, UtcAnchor, VenueId,
};

use crate::store::rows::{Cursor, Market};

/// The configuration, clocks and run in force.
pub(crate) struct JournalContext {
    pub(crate) cursor: Cursor,
    config: Option<EngineConfig>,
}

impl JournalContext {
    /// The context behind `cursor`.
    ///
    /// # Errors
    /// A configuration that is none.
    pub(crate) fn new(cursor: Cursor) -> Result<Self, BytesError> {
        let config = if cursor.config.is_empty() {
            None
        } else {
            let mut source = ByteSource::new(&cursor.config);
            let config = EngineConfig::take(&mut source)?;
            source.finish()?;
            Some(config)
        };
        Ok(Self { cursor, config })
    }

    /// Takes what an input changes for later entries.
    pub(crate) fn take_input(&mut self, input: &Input<'_>) {
        match input {
            Input::ConfigApplied(config) => self.set_config((*config).clone()),
            Input::InstrumentApplied(instrument) => {
                let Some(mut config) = self.config.take() else {
                    return;
                };
                let place = usize::try_from(instrument.id.0).unwrap_or(usize::MAX);
                if let Some(policy) = config.instruments.get_mut(place) {
                    policy.instrument = *instrument;
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

    /// The entry was taken whole.
    pub(crate) fn note_entry(&mut self, entry: &Entry<'_>) {
        self.cursor.sequence = entry.sequence;
        self.cursor.entry_epoch = entry.boot_epoch;
        self.cursor.entry_now = MonotonicNs(entry.now_ns);
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

    /// A venue's name; empty when no configuration has it.
    pub(crate) fn venue_name(&self, venue: VenueId) -> Text<15> {
        let venues = self.config.as_ref().map(|config| &config.venues);
        let policy = venues.and_then(|venues| venues.get(usize::from(venue.0)));
        policy.map_or(Text::EMPTY, |policy| policy.name)
    }

    /// A strategy's name; empty when no configuration has it.
    pub(crate) fn strategy_name(&self, strategy: StrategyId) -> Text<31> {
        let strategies = self.config.as_ref().map(|config| &config.strategies);
        let policy = strategies.and_then(|all| all.get(usize::from(strategy.0)));
        policy.map_or(Text::EMPTY, |policy| policy.name)
    }

    /// Where an instrument trades, and whether orders are real there; `None` when no configuration
    /// has it.
    pub(crate) fn market(&self, instrument: InstrumentId) -> Option<(Market, TradingMode)> {
        let place = usize::try_from(instrument.0).ok()?;
        let config = self.config.as_ref()?;
        let of = config.instruments.get(place)?.instrument;
        let venue = config.venues.get(usize::from(of.venue.0))?;
        let market = Market {
            instrument,
            venue: venue.name,
            account: of.account,
            symbol: of.symbol,
            price_scale: of.price_scale,
            quantity_scale: of.quantity_scale,
        };
        Some((market, venue.mode))
    }
}

/// Why a place cannot be gone on from.
pub(crate) enum PlaceFault {
    /// The place is in another journal; the id of this one.
    OtherJournal(Option<u128>),
    /// The journal does not have the place's entry, or another one under its number.
    Beyond,
    /// The entries behind the place are gone; the oldest that is left.
    TooOld(u64),
    /// There is no journal yet.
    NoJournal,
    /// The journal cannot be read.
    Journal(JournalError),
}

impl From<JournalError> for PlaceFault {
    fn from(error: JournalError) -> Self {
        match *error.kind() {
            JournalErrorKind::SequenceNotHeld { oldest, .. } => Self::TooOld(oldest),
            _ => Self::Journal(error),
        }
    }
}

/// Begins at the journal's first entry.
pub(crate) fn begin_at_first(directory: &Path) -> Result<(Follower, Cursor), PlaceFault> {
    let follower = Follower::open(directory, 1)?;
    let journal_id = follower.journal_id().ok_or(PlaceFault::NoJournal)?;
    let cursor = Cursor {
        journal_id,
        sequence: 0,
        entry_epoch: 0,
        entry_now: MonotonicNs(0),
        boot_epoch: 0,
        anchor: UtcAnchor::default(),
        config: Vec::new(),
    };
    Ok((follower, cursor))
}

/// Goes on behind the cursor's entry, which must be the journal's own.
pub(crate) fn go_on(directory: &Path, cursor: &Cursor) -> Result<Follower, PlaceFault> {
    let same_journal = |follower: &Follower| match follower.journal_id() {
        Some(id) if id == cursor.journal_id => Ok(()),
        other => Err(PlaceFault::OtherJournal(other)),
    };
    let next = cursor.sequence.saturating_add(1);
    let mut follower = match Follower::open(directory, cursor.sequence).map_err(PlaceFault::from) {
        Ok(follower) => follower,
        // The entry itself is archived, and the next one is the oldest that is left.
        Err(PlaceFault::TooOld(oldest)) if oldest == next => {
            let follower = Follower::open(directory, next)?;
            same_journal(&follower)?;
            return Ok(follower);
        }
        Err(fault) => return Err(fault),
    };
    same_journal(&follower)?;
    if cursor.sequence == 0 {
        return Ok(follower);
    }
    let is_same = follower.poll()?.is_some_and(|entry| {
        entry.sequence == cursor.sequence
            && entry.boot_epoch == cursor.entry_epoch
            && entry.now_ns == cursor.entry_now.0
    });
    if is_same {
        Ok(follower)
    } else {
        Err(PlaceFault::Beyond)
    }
}
