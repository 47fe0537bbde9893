//! Every check that a request meets before it becomes a command, in their order: reads of the state
//! and nothing else.
//!
//! Owns: which checks a new order, a cancel, a replace and a cancel-all meet. Invariants: nothing
//! is changed; the first check that does not hold ends it; each one is told to the witness with the
//! numbers of that moment, so a replay shows the very checks that decided. Threads: the caller's.

use crate::engine::Moment;
use crate::order::{Certainty, Order};
use crate::risk::check::{self, Breach, RiskView, Terms, at_most, judge, numbers, require};
use crate::risk::check_run::{CheckRun, CheckUnit, CheckWitness};
use crate::state::{RequestNovelty, State, TASKS_MAX, place};
use model::decision::VenueState;
use model::input::{Admission, RequestInput};
use model::order_request::OrderReference;
use model::{
    ClientOrderId, CommandKind, InstrumentId, NewOrder, OrderStatus, Price, Quantity, RejectReason,
    Request, RequestId,
};

/// Executions that must still fit before a new order is taken: what one frame can bring.
const EXECUTIONS_RESERVE: u32 = 64;
/// Commands that an order can have in its life.
pub(super) const COMMANDS_MAX: u16 = u16::MAX;
/// How many of them are kept for cancels.
const CANCELS_RESERVE: u16 = 256;

/// A refusal, and the order that it is about.
pub(super) type Rejected = (Option<ClientOrderId>, Breach);

/// A request before the state of its moment.
pub(crate) struct RequestChecks<'a> {
    pub(crate) state: &'a State,
    pub(crate) moment: Moment,
    pub(crate) input: &'a RequestInput,
}

impl RequestChecks<'_> {
    /// Every check of the request, up to the first that does not hold. `novelty` is what the
    /// request id was before the request was taken note of, `highest` the highest one then.
    pub(crate) fn run_all(&self, novelty: RequestNovelty, highest: RequestId) -> Vec<CheckRun> {
        let mut runs = Vec::new();
        let request_id = |passed| CheckRun {
            reason: RejectReason::StaleRequestId,
            unit: CheckUnit::RequestId,
            limit: highest.0.into(),
            actual: self.input.request_id.0.into(),
            passed,
        };
        runs.note(|| match novelty {
            RequestNovelty::New | RequestNovelty::Repeated(_) => request_id(true),
            RequestNovelty::Forgotten => request_id(false),
            RequestNovelty::Different => CheckRun::bare(RejectReason::DuplicateRequestId, false),
        });
        if novelty != RequestNovelty::New {
            return runs;
        }
        if self.not_killed(&mut runs).is_err() {
            return runs;
        }
        if let Admission::Refused(reason) = self.input.admission {
            runs.note(|| CheckRun::bare(reason, false));
            return runs;
        }
        // How it ended is in the runs: the last one did not pass.
        let _ = match &self.input.request {
            Request::New(order) => self
                .new_order(order, &mut runs)
                .map_err(|breach| (None, breach)),
            Request::Cancel { order } => self.cancel(*order, &mut runs).map(|_| ()),
            Request::Replace {
                order,
                order_quantity,
                limit_price,
            } => self
                .replace(*order, (*order_quantity, *limit_price), &mut runs)
                .map(|_| ()),
            Request::CancelAll { instrument } => self.cancel_all(*instrument, &mut runs),
            Request::Query { order } => self.referred(*order, &mut runs).map(|_| ()),
        };
        runs
    }

    pub(super) fn new_order(
        &self,
        order: &NewOrder,
        witness: &mut impl CheckWitness,
    ) -> Result<(), Breach> {
        self.age(order.valid_for_ns, witness)?;
        require(witness, RejectReason::Stopping, self.state.intake_open)?;
        let instruments = &self.state.config.instruments;
        let is_known = instruments.get(place(order.instrument.0)).is_some();
        require(witness, RejectReason::UnknownInstrument, is_known)?;
        self.venue_open(order.instrument, witness)?;
        let view = self.risk_view(order.instrument);
        let view = view.ok_or(Breach::bare(RejectReason::RiskNotAllowed))?;
        check::new_order(&view, order, witness)?;
        self.reduce_only(order.instrument, &check::terms_of(order), None, witness)?;
        self.recon(order.instrument, witness)?;
        self.order_rate(witness)?;
        self.message_rate(order.instrument, CommandKind::New, witness)?;
        let room = self.state.executions.room();
        let numbers = numbers(
            RejectReason::ExecutionsFull,
            CheckUnit::Count,
            EXECUTIONS_RESERVE,
            room,
        );
        judge(witness, numbers, room >= EXECUTIONS_RESERVE)
    }

    pub(super) fn cancel(
        &self,
        reference: OrderReference,
        witness: &mut impl CheckWitness,
    ) -> Result<Order, Rejected> {
        let order = self.referred(reference, witness)?;
        self.cancel_of(&order, witness)
            .map_err(|breach| (Some(order.client_order_id), breach))?;
        Ok(order)
    }

    fn cancel_of(&self, order: &Order, witness: &mut impl CheckWitness) -> Result<(), Breach> {
        self.age(0, witness)?;
        let may = may_be_cancelled(order) && order.commands != COMMANDS_MAX;
        require(witness, RejectReason::InvalidStateTransition, may)?;
        require(witness, RejectReason::PendingFull, !order.pending_is_full())?;
        self.message_rate(order.instrument, CommandKind::Cancel, witness)
    }

    pub(super) fn replace(
        &self,
        reference: OrderReference,
        terms: (Quantity, Price),
        witness: &mut impl CheckWitness,
    ) -> Result<Order, Rejected> {
        let order = self.referred(reference, witness)?;
        self.replace_of(&order, terms, witness)
            .map_err(|breach| (Some(order.client_order_id), breach))?;
        Ok(order)
    }

    fn replace_of(
        &self,
        order: &Order,
        (order_quantity, limit_price): (Quantity, Price),
        witness: &mut impl CheckWitness,
    ) -> Result<(), Breach> {
        let killed = self.state.is_killed(order.strategy, order.instrument);
        require(witness, RejectReason::Killed, !killed)?;
        self.age(0, witness)?;
        require(witness, RejectReason::Stopping, self.state.intake_open)?;
        let used_up = order.commands >= COMMANDS_MAX.saturating_sub(CANCELS_RESERVE);
        let may = may_be_cancelled(order) && !used_up && order_quantity > order.cum_quantity;
        require(witness, RejectReason::InvalidStateTransition, may)?;
        let changes = order_quantity != order.order_quantity || limit_price != order.limit_price;
        require(witness, RejectReason::NothingToChange, changes)?;
        require(witness, RejectReason::PendingFull, !order.pending_is_full())?;
        self.venue_open(order.instrument, witness)?;
        let view = self.risk_view(order.instrument);
        let view = view.ok_or(Breach::bare(RejectReason::RiskNotAllowed))?;
        check::instrument_state(&view, order.post_only, witness)?;
        let would_leave = order_quantity.minus_or_zero(order.cum_quantity);
        let added_quantity = would_leave.minus_or_zero(order.worst_leaves_quantity());
        let terms = Terms {
            side: order.side,
            order_quantity,
            limit_price,
            added_quantity,
        };
        check::terms(&view, &terms, witness)?;
        self.reduce_only(order.instrument, &terms, Some(order), witness)?;
        if added_quantity.is_positive() {
            self.recon(order.instrument, witness)?;
        }
        self.message_rate(order.instrument, CommandKind::Replace, witness)
    }

    pub(super) fn cancel_all(
        &self,
        instrument: Option<InstrumentId>,
        witness: &mut impl CheckWitness,
    ) -> Result<(), Rejected> {
        let instruments = &self.state.config.instruments;
        let is_known = instrument.is_none_or(|id| instruments.get(place(id.0)).is_some());
        let about_none = |breach| (None, breach);
        require(witness, RejectReason::UnknownInstrument, is_known).map_err(about_none)?;
        let count = |tasks| i128::try_from(tasks).unwrap_or(i128::MAX);
        let waiting = self.state.tasks.len();
        let numbers = numbers(
            RejectReason::RateLimit,
            CheckUnit::Count,
            count(TASKS_MAX),
            count(waiting),
        );
        judge(witness, numbers, waiting < TASKS_MAX).map_err(about_none)
    }

    /// The order that a request means, if it is the strategy's own.
    pub(super) fn referred(
        &self,
        reference: OrderReference,
        witness: &mut impl CheckWitness,
    ) -> Result<Order, Rejected> {
        let id = match reference {
            OrderReference::ClientOrderId(id) => Some(id),
            OrderReference::RequestId(request_id) => {
                let strategy = self
                    .state
                    .strategies
                    .get(usize::from(self.input.strategy.0));
                strategy.and_then(|strategy| strategy.order_of_request(request_id))
            }
        };
        let order = id.and_then(|id| self.state.orders.get(id));
        let about = |breach| (id, breach);
        require(witness, RejectReason::OrderNotFound, order.is_some()).map_err(about)?;
        let order = *order.ok_or((id, Breach::bare(RejectReason::OrderNotFound)))?;
        let is_own = order.strategy == self.input.strategy;
        require(witness, RejectReason::NotOwner, is_own).map_err(about)?;
        Ok(order)
    }

    /// A request that is too old by the engine's rule or by its own validity is worth nothing.
    fn age(&self, valid_for_ns: u64, witness: &mut impl CheckWitness) -> Result<(), Breach> {
        let age_ns = self.moment.now.since_ns(self.input.written_at);
        let limit_ns = match valid_for_ns {
            0 => self.state.config.request_age_max_ns,
            valid_for_ns => valid_for_ns.min(self.state.config.request_age_max_ns),
        };
        at_most(
            witness,
            numbers(
                RejectReason::StaleRequest,
                CheckUnit::Nanoseconds,
                limit_ns,
                age_ns,
            ),
        )
    }

    fn venue_open(
        &self,
        instrument: InstrumentId,
        witness: &mut impl CheckWitness,
    ) -> Result<(), Breach> {
        let venue = self.state.venue_of(instrument);
        let status = venue.and_then(|venue| self.state.venues.get(usize::from(venue.0)));
        let (reason, is_open) = match status.map(|status| status.state) {
            Some(VenueState::Live) => (RejectReason::VenueDown, true),
            Some(VenueState::Recovering) => (RejectReason::Recovering, false),
            Some(VenueState::Halted) => (RejectReason::VenueHalted, false),
            Some(VenueState::Down) | None => (RejectReason::VenueDown, false),
        };
        require(witness, reason, is_open)
    }

    /// No more at stake while the venue's position is not ours, if the instrument halts on that.
    /// The number is the difference: what the venue states less what we expect.
    fn recon(
        &self,
        instrument: InstrumentId,
        witness: &mut impl CheckWitness,
    ) -> Result<(), Breach> {
        let at = place(instrument.0);
        let policy = self.state.config.instruments.get(at);
        let position = self.state.positions.get(at);
        let difference = position.and_then(|position| position.break_units);
        let halts = policy.is_none_or(|policy| policy.halt_on_recon_break);
        let (reason, unit) = (RejectReason::ReconBreak, CheckUnit::Quantity);
        let numbers = numbers(reason, unit, 0, difference.unwrap_or(0));
        judge(witness, numbers, difference.is_none() || !halts)
    }

    fn risk_view(&self, instrument: InstrumentId) -> Option<RiskView<'_>> {
        let at = place(instrument.0);
        let strategy = usize::from(self.input.strategy.0);
        let state = self.state.strategies.get(strategy)?;
        Some(RiskView {
            policy: self.state.config.instruments.get(at)?,
            exposure: self.state.exposures.get(at)?,
            strategy: self.state.config.strategies.get(strategy)?,
            strategy_open_orders: state.open_orders,
        })
    }

    fn order_rate(&self, witness: &mut impl CheckWitness) -> Result<(), Breach> {
        let at = usize::from(self.input.strategy.0);
        let now = self.moment.now;
        let policy = self.state.config.strategies.get(at);
        let limit: i128 = policy.map_or(0, |policy| policy.orders_per_s_max.into());
        let state = self.state.strategies.get(at);
        let is_free = state.is_some_and(|state| state.order_rate.free_at(now) <= now);
        let run = |actual, passed| CheckRun {
            reason: RejectReason::RiskOrderRate,
            unit: CheckUnit::Count,
            limit,
            actual,
            passed,
        };
        let over = limit.saturating_add(1);
        if !is_free {
            witness.note(|| run(over, false));
            return Err(Breach {
                reason: RejectReason::RiskOrderRate,
                limit,
                actual: over,
            });
        }
        // How many of the last second there are with this one; counting them is for a witness.
        witness.note(|| {
            let room = state.map_or(0, |state| state.order_rate.room(now));
            let room = i128::try_from(room).unwrap_or(i128::MAX);
            run(over.saturating_sub(room), true)
        });
        Ok(())
    }

    /// The number that helps: how many nanoseconds until one more may go.
    fn message_rate(
        &self,
        instrument: InstrumentId,
        command: CommandKind,
        witness: &mut impl CheckWitness,
    ) -> Result<(), Breach> {
        let now = self.moment.now;
        let free_at = self.state.command_free_at(instrument, command, now);
        let wait_ns = free_at.since_ns(now);
        let numbers = numbers(
            RejectReason::RiskMessageRate,
            CheckUnit::Nanoseconds,
            0,
            wait_ns,
        );
        judge(witness, numbers, free_at <= now)
    }
}

/// True while a cancel or replace can still do something and no cancel is under way.
pub(super) fn may_be_cancelled(order: &Order) -> bool {
    let cancelling = order.pending.iter().flatten().any(|command| {
        command.command == CommandKind::Cancel && command.certainty == Certainty::InFlight
    });
    match order.status {
        OrderStatus::Submitted | OrderStatus::Acknowledged | OrderStatus::PartiallyFilled => {
            !cancelling && order.held_end.is_none()
        }
        OrderStatus::Created
        | OrderStatus::Validated
        | OrderStatus::Filled
        | OrderStatus::Cancelled
        | OrderStatus::Rejected
        | OrderStatus::Denied
        | OrderStatus::Failed
        | OrderStatus::Expired => false,
    }
}
