//! A strategy's request: checked, refused with a reason, or made a command.

use crate::engine::Pass;
use crate::order::{Order, Placement};
use crate::risk::check::{self, Breach, RiskView, Terms};
use crate::state::RequestNovelty;
use crate::state::{Answer, TASKS_MAX, place};
use model::decision::{RequestRefused, VenueState, WideTask};
use model::input::{Admission, Input, RequestInput};
use model::order_change::ChangeBody;
use model::order_request::OrderReference;
use model::{
    ClientOrderId, CommandKind, Decision, InstrumentId, NewOrder, OrderChange, OrderStatus, Price,
    Quantity, RejectReason, Request, RequestId, StrategyId,
};

/// Executions that must still fit before a new order is taken: what one frame can bring.
const EXECUTIONS_RESERVE: u32 = 64;
/// Commands that an order can have in its life.
pub(super) const COMMANDS_MAX: u16 = u16::MAX;
/// How many of them are kept for cancels.
const CANCELS_RESERVE: u16 = 256;

impl Pass<'_> {
    pub(crate) fn request(&mut self, input: &RequestInput) {
        let Some(strategy) = self.state.strategies.get(usize::from(input.strategy.0)) else {
            return self.refuse(input, None, Breach::bare(RejectReason::BadRequest));
        };
        let novelty = strategy.novelty(input.request_id, &input.request);
        self.state.apply_input(self.moment, &Input::Request(*input));
        match novelty {
            RequestNovelty::New => {}
            RequestNovelty::Repeated(answer) => return self.answer_again(input, answer),
            RequestNovelty::Different => {
                return self.refuse(input, None, Breach::bare(RejectReason::DuplicateRequestId));
            }
            RequestNovelty::Forgotten => {
                let breach = Breach {
                    reason: RejectReason::StaleRequestId,
                    limit: self.last_request_id(input.strategy).0.into(),
                    actual: input.request_id.0.into(),
                };
                return self.refuse(input, None, breach);
            }
        }
        if let Admission::Refused(reason) = input.admission {
            return self.refuse(input, None, Breach::bare(reason));
        }
        let decided = match &input.request {
            Request::New(order) => self.new_order(input, order),
            Request::Cancel { order } => self.cancel(input, *order),
            Request::Replace {
                order,
                order_quantity,
                limit_price,
            } => self.replace(input, *order, *order_quantity, *limit_price),
            Request::CancelAll { instrument } => self.cancel_all(input, *instrument),
            Request::Query { order } => self.query(input, *order),
        };
        if let Err((order, breach)) = decided {
            self.refuse(input, order, breach);
        }
    }

    fn last_request_id(&self, strategy: StrategyId) -> RequestId {
        let strategy = self.state.strategies.get(usize::from(strategy.0));
        strategy.map_or(RequestId(0), |strategy| strategy.last_request_id)
    }

    fn refuse(&mut self, input: &RequestInput, order: Option<ClientOrderId>, breach: Breach) {
        let refused = RequestRefused {
            strategy: input.strategy,
            event_seq: self.next_event_seq(input.strategy),
            request_id: input.request_id,
            client_order_id: order,
            reason: breach.reason,
            limit: breach.limit,
            actual: breach.actual,
        };
        self.emit(Decision::Refused(refused));
    }

    /// The same request again gets the same answer again, and nothing is sent.
    fn answer_again(&mut self, input: &RequestInput, answer: Answer) {
        let order = match answer {
            Answer::Taken(Some(id)) => self.state.orders.get(id).copied(),
            Answer::Taken(None) => {
                let event_seq = self.next_event_seq(input.strategy);
                return self.emit(Decision::CancelAllAccepted {
                    strategy: input.strategy,
                    event_seq,
                    request_id: input.request_id,
                });
            }
            Answer::Refused(reason) => return self.refuse(input, None, Breach::bare(reason)),
            Answer::None => None,
        };
        match order {
            Some(order) => self.state_order(&order, input.request_id),
            None => self.refuse(input, None, Breach::bare(RejectReason::OrderNotFound)),
        }
    }

    fn state_order(&mut self, order: &Order, request_id: RequestId) {
        let change = Self::change(order, ChangeBody::Stated { request_id });
        self.emit_change(order, change);
    }

    /// A request that is too old by the engine's rule or by its own validity is worth nothing.
    fn check_age(&self, input: &RequestInput, valid_for_ns: u64) -> Result<(), Breach> {
        let age_ns = self.moment.now.since_ns(input.written_at);
        let limit_ns = match valid_for_ns {
            0 => self.state.config.request_age_max_ns,
            valid_for_ns => valid_for_ns.min(self.state.config.request_age_max_ns),
        };
        if age_ns <= limit_ns {
            return Ok(());
        }
        let (limit, actual) = (limit_ns.into(), age_ns.into());
        Err(Breach {
            reason: RejectReason::StaleRequest,
            limit,
            actual,
        })
    }

    fn new_order(&mut self, input: &RequestInput, order: &NewOrder) -> Outcome {
        let bare = |reason| (None, Breach::bare(reason));
        self.check_age(input, order.valid_for_ns)
            .map_err(|breach| (None, breach))?;
        if !self.state.intake_open {
            return Err(bare(RejectReason::Stopping));
        }
        let policy = self
            .state
            .config
            .instruments
            .get(place(order.instrument.0))
            .copied();
        let policy = policy.ok_or(bare(RejectReason::UnknownInstrument))?;
        self.check_venue_open(order.instrument)
            .map_err(|breach| (None, breach))?;
        let view = self.risk_view(input.strategy, order.instrument);
        let view = view.ok_or(bare(RejectReason::RiskNotAllowed))?;
        check::new_order(&view, order).map_err(|breach| (None, breach))?;
        debug_assert_eq!(policy.instrument.id, order.instrument);
        self.check_order_rate(input.strategy)
            .map_err(|breach| (None, breach))?;
        self.check_message_rate(order.instrument, CommandKind::New)
            .map_err(|breach| (None, breach))?;
        if self.state.executions.room() < EXECUTIONS_RESERVE {
            let breach = Breach {
                reason: RejectReason::ExecutionsFull,
                limit: EXECUTIONS_RESERVE.into(),
                actual: self.state.executions.room().into(),
            };
            return Err((None, breach));
        }
        let id = self.place_new().map_err(bare)?;
        self.create(input, order, id);
        let worth_ns = match order.valid_for_ns {
            0 => u64::MAX,
            valid_for_ns => valid_for_ns.saturating_sub(self.moment.now.since_ns(input.written_at)),
        };
        let order = self.state.orders.get(id).copied();
        let order = order.expect("the order was created in the line above");
        self.start_command(
            &order,
            CommandKind::New,
            input.request_id,
            order.order_quantity,
            order.limit_price,
            worth_ns,
        );
        Ok(())
    }

    fn create(&mut self, input: &RequestInput, order: &NewOrder, id: ClientOrderId) {
        let created_at = self.state.unix_at(self.moment.now);
        let change = OrderChange {
            strategy: input.strategy,
            event_seq: self.next_event_seq(input.strategy),
            client_order_id: id,
            request_id: input.request_id,
            instrument: order.instrument,
            side: order.side,
            status: OrderStatus::Validated,
            unknown: false,
            order_quantity: order.order_quantity,
            limit_price: order.limit_price,
            cum_quantity: Quantity::ZERO,
            body: ChangeBody::Created {
                order: *order,
                created_at,
            },
        };
        self.emit(Decision::Order(change));
    }

    /// Finds the next id whose slot is free, making an old ended order leave if it must.
    fn place_new(&mut self) -> Result<ClientOrderId, RejectReason> {
        let epoch = self.state.epoch.ok_or(RejectReason::Recovering)?;
        let (now, keep_ns) = (self.moment.now, self.state.config.terminal_keep_ns);
        // An adopted order stays: no journal tells a late report of it from another lost order.
        let may_leave = |order: &Order| {
            order.status.is_terminal()
                && !order.fills_missing()
                && order.strategy != super::reports::NOBODY
                && now.since_ns(order.ended_at) >= keep_ns
        };
        let next = self.state.next_order_sequence;
        if next > ClientOrderId::SEQUENCE_MAX {
            return Err(RejectReason::IdsExhausted);
        }
        let from = next.saturating_add(self.state.probe_offset);
        let placement = self.state.orders.place_from(from, may_leave);
        let sequence = match placement.ok_or(RejectReason::StoreFull)? {
            Placement::Free { sequence } => sequence,
            Placement::Evict { sequence, leaving } => {
                self.emit(Decision::Evicted {
                    client_order_id: leaving,
                });
                sequence
            }
        };
        ClientOrderId::new(self.state.config.instance_tag, epoch, sequence)
            .ok_or(RejectReason::IdsExhausted)
    }

    fn check_venue_open(&self, instrument: InstrumentId) -> Result<(), Breach> {
        let venue = self.state.venue_of(instrument);
        let status = venue.and_then(|venue| self.state.venues.get(usize::from(venue.0)));
        let reason = match status.map(|status| status.state) {
            Some(VenueState::Live) => return Ok(()),
            Some(VenueState::Recovering) => RejectReason::Recovering,
            Some(VenueState::Halted) => RejectReason::VenueHalted,
            Some(VenueState::Down) | None => RejectReason::VenueDown,
        };
        Err(Breach::bare(reason))
    }

    fn risk_view(&self, strategy: StrategyId, instrument: InstrumentId) -> Option<RiskView<'_>> {
        let at = place(instrument.0);
        let state = self.state.strategies.get(usize::from(strategy.0))?;
        Some(RiskView {
            policy: self.state.config.instruments.get(at)?,
            exposure: self.state.exposures.get(at)?,
            strategy: self.state.config.strategies.get(usize::from(strategy.0))?,
            strategy_open_orders: state.open_orders,
        })
    }

    fn check_order_rate(&self, strategy: StrategyId) -> Result<(), Breach> {
        let state = self.state.strategies.get(usize::from(strategy.0));
        let now = self.moment.now;
        if state.is_some_and(|state| state.order_rate.free_at(now) <= now) {
            return Ok(());
        }
        let policy = self.state.config.strategies.get(usize::from(strategy.0));
        let limit = policy.map_or(0, |policy| policy.orders_per_s_max.into());
        Err(Breach {
            reason: RejectReason::RiskOrderRate,
            limit,
            actual: limit.saturating_add(1),
        })
    }

    fn check_message_rate(
        &self,
        instrument: InstrumentId,
        command: CommandKind,
    ) -> Result<(), Breach> {
        let now = self.moment.now;
        let free_at = self.state.command_free_at(instrument, command, now);
        if free_at <= now {
            return Ok(());
        }
        // The number that helps: how many nanoseconds until one more may go.
        let actual = free_at.since_ns(now).into();
        Err(Breach {
            reason: RejectReason::RiskMessageRate,
            limit: 0,
            actual,
        })
    }

    /// The order that a request means, if it is the strategy's own.
    fn referred(&self, input: &RequestInput, reference: OrderReference) -> Result<Order, Rejected> {
        let id = match reference {
            OrderReference::ClientOrderId(id) => Some(id),
            OrderReference::RequestId(request_id) => {
                let strategy = self.state.strategies.get(usize::from(input.strategy.0));
                strategy.and_then(|strategy| strategy.order_of_request(request_id))
            }
        };
        let order = id.and_then(|id| self.state.orders.get(id)).copied();
        let order = order.ok_or((id, Breach::bare(RejectReason::OrderNotFound)))?;
        if order.strategy != input.strategy {
            return Err((id, Breach::bare(RejectReason::NotOwner)));
        }
        Ok(order)
    }

    fn cancel(&mut self, input: &RequestInput, reference: OrderReference) -> Outcome {
        let order = self.referred(input, reference)?;
        let about = |reason| (Some(order.client_order_id), Breach::bare(reason));
        self.check_age(input, 0)
            .map_err(|breach| (Some(order.client_order_id), breach))?;
        if !may_be_cancelled(&order) || order.commands == COMMANDS_MAX {
            return Err(about(RejectReason::InvalidStateTransition));
        }
        if order.pending_is_full() {
            return Err(about(RejectReason::PendingFull));
        }
        self.check_message_rate(order.instrument, CommandKind::Cancel)
            .map_err(|breach| (Some(order.client_order_id), breach))?;
        let (quantity, price) = (order.order_quantity, order.limit_price);
        self.start_command(
            &order,
            CommandKind::Cancel,
            input.request_id,
            quantity,
            price,
            u64::MAX,
        );
        Ok(())
    }

    fn replace(
        &mut self,
        input: &RequestInput,
        reference: OrderReference,
        order_quantity: Quantity,
        limit_price: Price,
    ) -> Outcome {
        let order = self.referred(input, reference)?;
        let id = Some(order.client_order_id);
        let about = |reason| (id, Breach::bare(reason));
        self.check_age(input, 0).map_err(|breach| (id, breach))?;
        if !self.state.intake_open {
            return Err(about(RejectReason::Stopping));
        }
        let used_up = order.commands >= COMMANDS_MAX.saturating_sub(CANCELS_RESERVE);
        if !may_be_cancelled(&order) || used_up || order_quantity <= order.cum_quantity {
            return Err(about(RejectReason::InvalidStateTransition));
        }
        if order_quantity == order.order_quantity && limit_price == order.limit_price {
            return Err(about(RejectReason::NothingToChange));
        }
        if order.pending_is_full() {
            return Err(about(RejectReason::PendingFull));
        }
        self.check_venue_open(order.instrument)
            .map_err(|breach| (id, breach))?;
        let view = self.risk_view(input.strategy, order.instrument);
        let view = view.ok_or(about(RejectReason::RiskNotAllowed))?;
        check::instrument_state(&view, order.post_only).map_err(|breach| (id, breach))?;
        let would_leave = order_quantity.minus_or_zero(order.cum_quantity);
        let added_quantity = would_leave.minus_or_zero(order.worst_leaves_quantity());
        let terms = Terms {
            side: order.side,
            order_quantity,
            limit_price,
            added_quantity,
        };
        check::terms(&view, &terms).map_err(|breach| (id, breach))?;
        self.check_message_rate(order.instrument, CommandKind::Replace)
            .map_err(|breach| (id, breach))?;
        self.start_command(
            &order,
            CommandKind::Replace,
            input.request_id,
            order_quantity,
            limit_price,
            u64::MAX,
        );
        Ok(())
    }

    fn cancel_all(&mut self, input: &RequestInput, instrument: Option<InstrumentId>) -> Outcome {
        if let Some(instrument) = instrument
            && self
                .state
                .config
                .instruments
                .get(place(instrument.0))
                .is_none()
        {
            return Err((None, Breach::bare(RejectReason::UnknownInstrument)));
        }
        let waiting = self.state.tasks.len();
        if waiting >= TASKS_MAX {
            let breach = Breach {
                reason: RejectReason::RateLimit,
                limit: i128::try_from(TASKS_MAX).unwrap_or(i128::MAX),
                actual: i128::try_from(waiting).unwrap_or(i128::MAX),
            };
            return Err((None, breach));
        }
        let event_seq = self.next_event_seq(input.strategy);
        let (strategy, request_id) = (input.strategy, input.request_id);
        self.emit(Decision::CancelAllAccepted {
            strategy,
            event_seq,
            request_id,
        });
        self.start_task(WideTask::CancelAll {
            strategy: Some(strategy),
            instrument,
        });
        Ok(())
    }

    fn query(&mut self, input: &RequestInput, reference: OrderReference) -> Outcome {
        let order = self.referred(input, reference)?;
        self.state_order(&order, input.request_id);
        Ok(())
    }
}

/// A refusal, and the order that it is about.
type Rejected = (Option<ClientOrderId>, Breach);
type Outcome = Result<(), Rejected>;

/// True while a cancel or replace can still do something and no cancel is under way.
pub(super) fn may_be_cancelled(order: &Order) -> bool {
    use crate::order::Certainty;
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
