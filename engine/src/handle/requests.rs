//! A strategy's request: checked, refused with a reason, or made a command.

use super::request_checks::{Rejected, RequestChecks};
use crate::engine::Pass;
use crate::order::{Order, Placement};
use crate::risk::check::Breach;
use crate::risk::check_run::Unwitnessed;
use crate::state::{Answer, RequestNovelty};
use model::decision::{RequestRefused, WideTask};
use model::input::{Admission, Input, RequestInput};
use model::order_change::ChangeBody;
use model::order_request::OrderReference;
use model::{
    ClientOrderId, CommandKind, Decision, InstrumentId, NewOrder, OrderChange, OrderStatus, Price,
    Quantity, RejectReason, Request, RequestId, StrategyId,
};

type Outcome = Result<(), Rejected>;

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
        if let Err(breach) = self.checks(input).not_killed(&mut Unwitnessed) {
            return self.refuse(input, None, breach);
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

    /// What may be asked of the state about this request.
    fn checks<'a>(&'a self, input: &'a RequestInput) -> RequestChecks<'a> {
        RequestChecks {
            state: &*self.state,
            moment: self.moment,
            input,
        }
    }

    fn state_order(&mut self, order: &Order, request_id: RequestId) {
        let change = Self::change(order, ChangeBody::Stated { request_id });
        self.emit_change(order, change);
    }

    fn new_order(&mut self, input: &RequestInput, order: &NewOrder) -> Outcome {
        let bare = |reason| (None, Breach::bare(reason));
        let checked = self.checks(input).new_order(order, &mut Unwitnessed);
        checked.map_err(|breach| (None, breach))?;
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

    fn cancel(&mut self, input: &RequestInput, reference: OrderReference) -> Outcome {
        let order = self.checks(input).cancel(reference, &mut Unwitnessed)?;
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
        let (terms, witness) = ((order_quantity, limit_price), &mut Unwitnessed);
        let order = self.checks(input).replace(reference, terms, witness)?;
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
        self.checks(input)
            .cancel_all(instrument, &mut Unwitnessed)?;
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
        let order = self.checks(input).referred(reference, &mut Unwitnessed)?;
        self.state_order(&order, input.request_id);
        Ok(())
    }
}
