//! Positions: what the venue states against what we expect, and foreign executions.
//!
//! A difference is announced when it has stood for a settling time and a list that was asked for
//! after that states it again: executions that were on their way have come by then, and those whose
//! push was lost came with the same sweep. So no open order has to be waited for. Nothing here
//! invents a trade.

use crate::engine::Pass;
use model::decision::{AlarmCode, ForeignFill, IgnoredReason, PositionStep, VenueState};
use model::execution_report::{Fill, OrderUpdate};
use model::recon_fact::{FillSeen, PositionSeen};
use model::{Decision, InstrumentId, MonotonicNs, UnixNs};

impl Pass<'_> {
    /// A whole list stated a position. The first one is where we start from.
    pub(super) fn position_seen(&mut self, seen: &PositionSeen) {
        let settle_ns = self.state.settle_ns(seen.instrument);
        let at = crate::state::place(seen.instrument.0);
        let Some(position) = self.state.positions.get(at) else {
            return self.emit(Decision::Ignored(IgnoredReason::Foreign));
        };
        if position.baseline_units.is_none()
            && position.is_stated
            && position.is_quiet_at(seen.as_of, settle_ns)
        {
            self.position_step(seen.instrument, PositionStep::Baseline, seen.as_of);
        }
    }

    /// The numbers of an instrument have stood long enough to be looked at.
    pub(super) fn position_due(&mut self, instrument: InstrumentId, at: MonotonicNs) {
        let position = self.state.positions.get(crate::state::place(instrument.0));
        let Some(position) = position.filter(|it| it.check_due == at).copied() else {
            return;
        };
        let confirmed = position.is_confirmed();
        let as_of = position.confirmed_as_of();
        if position.baseline_units.is_none() {
            if confirmed {
                return self.position_step(instrument, PositionStep::Baseline, as_of);
            }
            return self.ask_about_position(instrument);
        }
        match self.state.position_difference(instrument) {
            None => self.position_step(instrument, PositionStep::Agrees, UnixNs(0)),
            Some(_) if confirmed => {
                self.position_step(instrument, PositionStep::Broke, as_of);
                self.alarm(AlarmCode::ReconBreak, None);
            }
            Some(_) => self.ask_about_position(instrument),
        }
    }

    /// Has the venue's lists read anew. Where it cannot be asked now, the next sweep answers.
    fn ask_about_position(&mut self, instrument: InstrumentId) {
        self.position_step(instrument, PositionStep::Asked, UnixNs(0));
        let Some(venue) = self.state.venue_of(instrument) else {
            return;
        };
        let status = self.state.venues.get(usize::from(venue.0));
        if status.is_some_and(|status| status.state == VenueState::Live)
            && !self.has_started_sweep(venue)
        {
            self.start_sweep(venue);
        }
    }

    /// One sweep answers for all instruments of its venue.
    fn has_started_sweep(&self, of: model::VenueId) -> bool {
        let mut decisions = self.out.as_slice().iter();
        decisions.any(|it| matches!(it, Decision::SweepStarted { venue, .. } if *venue == of))
    }

    fn position_step(&mut self, instrument: InstrumentId, step: PositionStep, as_of: UnixNs) {
        let position = self.state.positions.get(crate::state::place(instrument.0));
        let stated_units = position.map_or(0, |position| position.stated_units());
        let expected_units = self.state.expected_units(instrument);
        self.emit(Decision::Position {
            instrument,
            step,
            stated_units,
            expected_units,
            as_of,
        });
    }

    /// An update of an order that is not ours: its execution counts in the account's position.
    pub(super) fn foreign_update(&mut self, update: &OrderUpdate) {
        match update.fill {
            Some(fill) => self.foreign_fill(ForeignFill {
                instrument: update.instrument,
                venue_order_id: update.venue_order_id,
                side: update.side,
                fill,
            }),
            None => self.emit(Decision::Ignored(IgnoredReason::Foreign)),
        }
    }

    /// A listed execution of an order that is not in the store and shows no id of ours.
    pub(super) fn foreign_fill_seen(&mut self, seen: &FillSeen) {
        if !seen.is_foreign && seen.client_order_id.is_none() {
            // A list that hides ids: it may be ours, and counted long ago.
            return self.emit(Decision::Ignored(IgnoredReason::Foreign));
        }
        self.foreign_fill(ForeignFill {
            instrument: seen.instrument,
            venue_order_id: seen.venue_order_id,
            side: seen.side,
            fill: seen.fill,
        });
    }

    fn foreign_fill(&mut self, foreign: ForeignFill) {
        let Fill { last_quantity, .. } = foreign.fill;
        if !last_quantity.is_positive() {
            self.emit(Decision::Ignored(IgnoredReason::Foreign));
        } else if self.state.is_new_foreign_fill(&foreign) {
            self.emit(Decision::Foreign(foreign));
        } else {
            self.emit(Decision::Ignored(IgnoredReason::Duplicate));
        }
    }
}
