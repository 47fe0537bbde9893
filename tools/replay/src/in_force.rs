//! What the journal said last about names, scales and clocks, at the place that is being read.
//!
//! Owns: [`InForce`]. Invariants: scales are fixed for a journal's life, so the first configuration
//! also serves entries before it; an anchor serves only its own run, since the monotonic clock of
//! another run or machine has another zero. Threads: any.

use std::collections::BTreeMap;
use std::path::Path;

use journal::{Entry, Reader};
use model::journal_record::EntryBuffers;
use model::{
    EngineConfig, Input, Instrument, InstrumentId, MonotonicNs, StrategyId, UnixNs, UtcAnchor,
    VenueId, input::EntryKind,
};

use crate::failure::ReplayError;
use crate::record::{Body, kind_of, read};

/// Names, scales and clocks in force.
#[derive(Default)]
pub(crate) struct InForce {
    /// Version of the configuration that was applied; `None` before the first.
    pub(crate) config_version: Option<u32>,
    pub(crate) instruments: BTreeMap<InstrumentId, Instrument>,
    pub(crate) strategies: BTreeMap<StrategyId, String>,
    venues: BTreeMap<VenueId, String>,
    /// With the run that it belongs to.
    anchor: Option<(u32, UtcAnchor)>,
}

impl InForce {
    /// Looks ahead for the first configuration: names and scales of what stands before it.
    pub(crate) fn ahead(directory: &Path, from_sequence: u64) -> Result<Self, ReplayError> {
        let mut in_force = Self::default();
        let mut buffers = EntryBuffers::default();
        let mut reader = Reader::open(directory, from_sequence)?;
        // What cannot be read here is met again by the walk, which reports it in its order.
        while let Ok(Some(entry)) = reader.next_entry() {
            if !matches!(kind_of(&entry), Ok(EntryKind::ConfigApplied)) {
                continue;
            }
            if let Ok(Body::Input(Input::ConfigApplied(config), _)) =
                read(EntryKind::ConfigApplied, &entry, &mut buffers)
            {
                in_force.apply_config(config);
                in_force.config_version = None;
            }
            break;
        }
        Ok(in_force)
    }

    /// Takes note of an entry; true when names may have changed.
    pub(crate) fn observe(
        &mut self,
        kind: EntryKind,
        entry: &Entry<'_>,
        buffers: &mut EntryBuffers,
    ) -> Result<bool, ReplayError> {
        match kind {
            EntryKind::ConfigApplied
            | EntryKind::InstrumentApplied
            | EntryKind::UtcAnchor
            | EntryKind::RecoveryStarted => {}
            _ => return Ok(false),
        }
        let Body::Input(input, _) = read(kind, entry, buffers)? else {
            return Ok(false);
        };
        match input {
            Input::ConfigApplied(config) => self.apply_config(config),
            Input::InstrumentApplied(instrument) => {
                self.instruments.insert(instrument.id, instrument);
            }
            Input::UtcAnchor(anchor) => self.anchor = Some((entry.boot_epoch, anchor)),
            Input::RecoveryStarted(start) => self.anchor = Some((entry.boot_epoch, start.anchor)),
            _ => {}
        }
        Ok(matches!(
            kind,
            EntryKind::ConfigApplied | EntryKind::InstrumentApplied
        ))
    }

    /// The UTC moment of an entry, and how far it may be off; `None` before its run's anchor.
    pub(crate) fn utc_of(&self, entry: &Entry<'_>) -> Option<(UnixNs, u64)> {
        let (_, anchor) = self
            .anchor
            .filter(|(epoch, _)| *epoch == entry.boot_epoch)?;
        Some((anchor.unix_at(MonotonicNs(entry.now_ns)), anchor.error_ns))
    }

    pub(crate) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(&id)
    }

    pub(crate) fn venue(&self, id: VenueId) -> Option<&str> {
        self.venues.get(&id).map(String::as_str)
    }

    pub(crate) fn strategy(&self, id: StrategyId) -> Option<&str> {
        self.strategies.get(&id).map(String::as_str)
    }

    fn apply_config(&mut self, config: &EngineConfig) {
        self.config_version = Some(config.version);
        self.venues = config
            .venues
            .iter()
            .map(|venue| (venue.id, venue.name.to_string()))
            .collect();
        let named = config
            .strategies
            .iter()
            .map(|policy| (policy.id, policy.name.to_string()));
        self.strategies = named.collect();
        let instruments = config.instruments.iter().map(|policy| policy.instrument);
        self.instruments = instruments
            .map(|instrument| (instrument.id, instrument))
            .collect();
    }
}
