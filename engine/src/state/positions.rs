//! What the account holds of each instrument: what the venue states, and what we expect.
//!
//! Expected = baseline (what was there at first sight) + our executions + foreign executions that
//! we were told of. Invariants: a statement never moves what we expect; an older statement never
//! replaces a newer one; when the two numbers last differ, or a difference that was announced is
//! gone, a check is due. Nothing in here decides what a difference means.

mod balances;
mod foreign_fills;

pub use balances::{BALANCES_MAX, BalanceBook, KnownBalance};
pub(crate) use foreign_fills::{ForeignFills, fill_key};

use super::{DeadlineKey, State, is_current, place};
use crate::engine::Moment;
use model::decision::{ForeignFill, PositionStep};
use model::execution_report::Fill;
use model::recon_fact::PositionSeen;
use model::time::NS_PER_MS;
use model::{
    BytesError, Decision, InstrumentId, MonotonicNs, OrderChange, PositionCells, PositionStated,
    Side, UnixNs, VenueId, VenueOrderId, VenueReport, canonical_struct,
};

/// After the list that was asked for: executions that it counts were told before it, and pushes
/// that are under way get so long.
const CONFIRM_NS: u64 = 250 * NS_PER_MS;

canonical_struct! {
    /// What is known of the account's position in one instrument.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct AccountPosition {
        /// What the venue states, cell by cell.
        pub cells: PositionCells,
        /// When it last changed each, by its clock.
        cell_times: [Option<UnixNs>; PositionCells::COUNT],
        /// True once the venue stated anything.
        pub is_stated: bool,
        /// What was there before us; `None` until a list was read.
        pub baseline_units: Option<i128>,
        /// The moment of the baseline by the venue's clock.
        baseline_as_of: UnixNs,
        /// Our own executions up to then may be inside the baseline, or not.
        own_unsure_until: UnixNs,
        /// Signed sum of the foreign executions that count on top of the baseline.
        pub foreign_units: i128,
        /// The newest execution, ours or foreign, by the venue's clock.
        last_fill_time: UnixNs,
        /// An execution of ours was booked.
        has_own_fills: bool,
        /// When either number moved last.
        moved_at: MonotonicNs,
        /// Sequence of the entry that moved either number last; a list asked for before is stale.
        moved_seq: u64,
        /// Sequence of the entry that had the venue asked about a difference; 0 = none.
        asked_seq: u64,
        /// A list that was asked for then states the same again.
        is_confirmed: bool,
        /// The moment of that list by the venue's clock.
        confirmed_as_of: UnixNs,
        /// The difference that was announced: stated less expected. `None` = none stands.
        pub break_units: Option<i128>,
        /// When the numbers are to be looked at.
        pub(crate) check_due: MonotonicNs,
    }
}

impl AccountPosition {
    /// The whole of what the venue states.
    pub fn stated_units(&self) -> i128 {
        self.cells.total_units()
    }

    /// What is in the account besides our own executions; 0 until there is a baseline.
    pub fn other_units(&self) -> i128 {
        let baseline = self.baseline_units.unwrap_or(0);
        baseline.checked_add(self.foreign_units).expect(SUMS_FIT)
    }

    /// The difference that a list, asked for afterwards, states again.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// The moment of the list that confirmed it, by the venue's clock.
    pub(crate) fn confirmed_as_of(&self) -> UnixNs {
        self.confirmed_as_of
    }

    /// True when a list can be the baseline at once: whatever moves the position without us is
    /// older than a list can lag.
    pub(crate) fn is_quiet_at(&self, as_of: UnixNs, settle_ns: u64) -> bool {
        !self.has_own_fills && self.last_fill_time.after_ns(settle_ns) <= as_of
    }

    fn note_move(&mut self, moment: Moment, sequence: u64) {
        self.moved_at = moment.now;
        self.moved_seq = self.moved_seq.max(sequence);
        self.asked_seq = 0;
        self.is_confirmed = false;
    }

    fn forget_run(&mut self, now: MonotonicNs) {
        self.moved_at = now;
        self.asked_seq = 0;
        self.is_confirmed = false;
        self.check_due = MonotonicNs::NEVER;
    }
}

const SUMS_FIT: &str = "64-bit executions cannot exhaust 128 bits";

/// Refuses a list that is longer than its bound before anything is read.
fn check_count(what: &'static str, count: usize, most: usize) -> Result<(), BytesError> {
    if count <= most {
        return Ok(());
    }
    Err(BytesError::Invalid {
        what,
        found: u64::try_from(count).unwrap_or(u64::MAX),
    })
}

pub(crate) fn signed_units(side: Side, fill: &Fill) -> i128 {
    let units = i128::from(fill.last_quantity.units());
    match side {
        Side::Buy => units,
        Side::Sell => units.checked_neg().expect(SUMS_FIT),
    }
}

impl State {
    /// What we expect the account to hold: baseline, our executions, foreign executions.
    pub fn expected_units(&self, instrument: InstrumentId) -> i128 {
        let at = place(instrument.0);
        let own = self.exposures.get(at).map_or(0, |it| it.position_units);
        let other = self
            .positions
            .get(at)
            .map_or(0, AccountPosition::other_units);
        own.checked_add(other).expect(SUMS_FIT)
    }

    /// What the venue states less what we expect; `None` while they agree or cannot be compared.
    pub fn position_difference(&self, instrument: InstrumentId) -> Option<i128> {
        let position = self.positions.get(place(instrument.0))?;
        position.baseline_units?;
        let expected = self.expected_units(instrument);
        let difference = position
            .stated_units()
            .checked_sub(expected)
            .expect(SUMS_FIT);
        (position.is_stated && difference != 0).then_some(difference)
    }

    /// True when the execution of a foreign order is told for the first time.
    pub(crate) fn is_new_foreign_fill(&self, foreign: &ForeignFill) -> bool {
        let key = fill_key(
            foreign.instrument,
            &foreign.venue_order_id,
            &foreign.fill.trade_id,
        );
        !self.foreign_fills.is_known(key, foreign.fill.venue_time)
    }

    /// What the frame states of positions and balances; orders are the decisions' affair.
    pub(super) fn apply_statements(
        &mut self,
        moment: Moment,
        venue: VenueId,
        reports: &[VenueReport],
    ) {
        for report in reports {
            match report {
                VenueReport::Position(stated) => self.apply_cell(moment, stated),
                VenueReport::Balance(balance) => self.balances.note(venue, balance),
                VenueReport::PositionsElsewhere { rows } => {
                    if let Some(status) = self.venues.get_mut(usize::from(venue.0)) {
                        status.positions_elsewhere =
                            status.positions_elsewhere.saturating_add(u64::from(*rows));
                    }
                }
                VenueReport::Reply(_) | VenueReport::Order(_) | VenueReport::Quarantined(_) => {}
            }
        }
    }

    fn apply_cell(&mut self, moment: Moment, stated: &PositionStated) {
        let Some(position) = self.positions.get_mut(place(stated.instrument.0)) else {
            return;
        };
        let time = &mut position.cell_times[PositionCells::place(stated.side, stated.margin)];
        if time.is_some_and(|newest| stated.venue_time < newest) {
            return;
        }
        *time = Some(stated.venue_time);
        position.is_stated = true;
        let cell = position.cells.cell_mut(stated.side, stated.margin);
        if core::mem::replace(cell, stated.units) != stated.units {
            position.note_move(moment, moment.sequence);
            self.renew_check(stated.instrument, moment.now);
        }
    }

    /// A list that was asked for before our last news proves nothing.
    pub(super) fn apply_position_seen(&mut self, moment: Moment, seen: &PositionSeen) {
        let Some(position) = self.positions.get_mut(place(seen.instrument.0)) else {
            return;
        };
        if seen.asked_at_seq < position.moved_seq {
            return;
        }
        position.is_stated = true;
        if core::mem::replace(&mut position.cells, seen.cells) != seen.cells {
            position.note_move(moment, seen.asked_at_seq);
        } else if position.asked_seq > 0 && seen.asked_at_seq >= position.asked_seq {
            position.is_confirmed = true;
            position.confirmed_as_of = seen.as_of;
        }
        self.renew_check(seen.instrument, moment.now);
    }

    /// An execution of ours was booked.
    pub(super) fn note_own_fill(
        &mut self,
        moment: Moment,
        change: &OrderChange,
        fill: &Fill,
        venue_order_id: &VenueOrderId,
    ) {
        let key = fill_key(change.instrument, venue_order_id, &fill.trade_id);
        let taken_back = self.foreign_fills.take_back(key);
        let Some(position) = self.positions.get_mut(place(change.instrument.0)) else {
            return;
        };
        if let Some(units) = taken_back {
            position.foreign_units = position.foreign_units.checked_sub(units).expect(SUMS_FIT);
        }
        position.has_own_fills = true;
        position.last_fill_time = position.last_fill_time.max(fill.venue_time);
        if position.baseline_units.is_some() && fill.venue_time <= position.own_unsure_until {
            position.baseline_units = None;
        }
        position.note_move(moment, moment.sequence);
        self.share_other_units(change.instrument);
        self.renew_check(change.instrument, moment.now);
    }

    /// A foreign execution counts, unless the baseline holds it already.
    fn apply_foreign(&mut self, moment: Moment, foreign: &ForeignFill) {
        let settle_ns = self.settle_ns(foreign.instrument);
        let Some(position) = self.positions.get_mut(place(foreign.instrument.0)) else {
            return;
        };
        let mut units = signed_units(foreign.side, &foreign.fill);
        let time = foreign.fill.venue_time;
        if position.baseline_units.is_some() {
            if time.after_ns(settle_ns) < position.baseline_as_of {
                units = 0;
            } else if time <= position.baseline_as_of.after_ns(settle_ns) {
                // The list that was the baseline may hold it or not: it must be taken anew.
                position.baseline_units = None;
            }
        }
        position.foreign_units = position.foreign_units.checked_add(units).expect(SUMS_FIT);
        position.last_fill_time = position.last_fill_time.max(time);
        position.note_move(moment, moment.sequence);
        let key = fill_key(
            foreign.instrument,
            &foreign.venue_order_id,
            &foreign.fill.trade_id,
        );
        self.foreign_fills.note(key, units, time);
        self.share_other_units(foreign.instrument);
        self.renew_check(foreign.instrument, moment.now);
    }

    /// What was decided about the account's position.
    pub(super) fn apply_position_decision(&mut self, moment: Moment, decision: &Decision) {
        match decision {
            Decision::Position {
                instrument,
                step,
                as_of,
                ..
            } => self.apply_position_step(moment, *instrument, *step, *as_of),
            Decision::Foreign(foreign) => self.apply_foreign(moment, foreign),
            _ => {}
        }
    }

    /// What a comparison came to.
    fn apply_position_step(
        &mut self,
        moment: Moment,
        instrument: InstrumentId,
        step: PositionStep,
        as_of: UnixNs,
    ) {
        let settle_ns = self.settle_ns(instrument);
        let difference = self.position_difference(instrument);
        let own = self.exposures.get(place(instrument.0));
        let own = own.map_or(0, |it| it.position_units);
        let Some(position) = self.positions.get_mut(place(instrument.0)) else {
            return;
        };
        match step {
            PositionStep::Baseline | PositionStep::Accepted => {
                let ours = own.checked_add(position.foreign_units).expect(SUMS_FIT);
                let stated = position.stated_units();
                position.baseline_units = Some(stated.checked_sub(ours).expect(SUMS_FIT));
                position.baseline_as_of = as_of;
                position.own_unsure_until = if position.asked_seq > 0 {
                    as_of.after_ns(settle_ns)
                } else {
                    as_of
                };
                position.break_units = None;
                position.asked_seq = 0;
                position.is_confirmed = false;
            }
            PositionStep::Asked => {
                position.asked_seq = moment.sequence;
                position.is_confirmed = false;
            }
            PositionStep::Broke => {
                position.break_units = difference;
                position.asked_seq = 0;
                position.is_confirmed = false;
            }
            PositionStep::Agrees => position.break_units = None,
        }
        self.share_other_units(instrument);
        self.renew_check(instrument, moment.now);
    }

    /// Limits count what else is in the account.
    fn share_other_units(&mut self, instrument: InstrumentId) {
        let at = place(instrument.0);
        if let (Some(position), Some(exposure)) =
            (self.positions.get(at), self.exposures.get_mut(at))
        {
            exposure.other_units = position.other_units();
        }
    }

    /// Computes anew when the two numbers are to be looked at.
    fn renew_check(&mut self, instrument: InstrumentId, now: MonotonicNs) {
        let settle_ns = self.settle_ns(instrument);
        let difference = self.position_difference(instrument);
        let Some(position) = self.positions.get_mut(place(instrument.0)) else {
            return;
        };
        // Without a baseline there is nothing to differ from, but a list must be asked for.
        let wants_baseline = position.is_stated && position.baseline_units.is_none();
        let is_settled = difference == position.break_units && !wants_baseline;
        let due = if is_settled || (position.asked_seq > 0 && !position.is_confirmed) {
            MonotonicNs::NEVER
        } else if position.is_confirmed {
            now.after_ns(CONFIRM_NS)
        } else {
            position.moved_at.after_ns(settle_ns)
        };
        if due == position.check_due {
            return;
        }
        position.check_due = due;
        self.enter_deadline(due, DeadlineKey::Position(instrument));
    }

    /// Enters a deadline; when the heap is full, drops what nobody wants any more first.
    pub(super) fn enter_deadline(&mut self, at: MonotonicNs, key: DeadlineKey) {
        if self.deadlines.is_full() {
            let (orders, venues, positions) = (&self.orders, &self.venues, &self.positions);
            self.deadlines
                .retain(|at, key| is_current(orders, venues, positions, at, key));
        }
        self.deadlines.set(at, key);
    }

    /// A new run: monotonic moments of the last one mean nothing any more.
    pub(super) fn begin_run_of_positions(&mut self, now: MonotonicNs) {
        for number in 0..self.positions.len() {
            let instrument = InstrumentId(u32::try_from(number).unwrap_or(u32::MAX));
            if let Some(position) = self.positions.get_mut(number) {
                position.forget_run(now);
            }
            self.renew_check(instrument, now);
        }
    }

    pub(crate) fn settle_ns(&self, instrument: InstrumentId) -> u64 {
        self.venue_of(instrument)
            .and_then(|venue| self.venue_policy(venue))
            .map_or(u64::MAX, |policy| policy.settle_ns)
    }
}
