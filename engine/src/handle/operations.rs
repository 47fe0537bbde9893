//! Connections, strategies, operators and new runs.

use crate::engine::Pass;
use model::decision::{VenueState, WideTask};
use model::engine_config::OnLoss;
use model::input::{Control, Input, LinkChanged, LinkState, RoomRefused};
use model::order_change::UnknownCause;
use model::{Decision, StrategyId, VenueId};

impl Pass<'_> {
    pub(crate) fn link_changed(&mut self, input: &Input<'_>, change: &LinkChanged) {
        let venue = change.venue;
        let before = self
            .state
            .venues
            .get(usize::from(venue.0))
            .and_then(|status| status.link);
        self.state.apply_input(self.moment, input);
        match change.state {
            LinkState::Up => {
                self.emit(Decision::Venue {
                    venue,
                    state: VenueState::Recovering,
                });
                self.start_sweep(venue);
            }
            // A connection that was not the venue's own changes nothing when it goes.
            LinkState::Down if before == Some(change.link) => {
                self.emit(Decision::Venue {
                    venue,
                    state: VenueState::Down,
                });
                self.start_task(WideTask::MarkUnknown {
                    venue,
                    cause: UnknownCause::LinkLost,
                });
            }
            LinkState::Down => {}
        }
    }

    pub(crate) fn recovery_started(&mut self, input: &Input<'_>) {
        self.state.apply_input(self.moment, input);
        for venue in 0..self.state.venues.len() {
            let venue = VenueId(u8::try_from(venue).expect("venues are counted in 8 bits"));
            self.start_task(WideTask::MarkUnknown {
                venue,
                cause: UnknownCause::Restart,
            });
        }
        self.resume_kills();
    }

    pub(crate) fn control(&mut self, control: Control) {
        match control {
            Control::StopIntake => self.emit(Decision::Intake { open: false }),
            Control::CancelAll => {
                self.start_task(WideTask::CancelAll {
                    strategy: None,
                    instrument: None,
                });
            }
            Control::SetLatch(order) => self.set_latch(&order),
        }
    }

    pub(crate) fn strategy_attached(&mut self, strategy: StrategyId, generation: u64) {
        let next_event_seq = self.next_event_seq(strategy);
        self.emit(Decision::Strategy {
            strategy,
            generation,
            attached: true,
            next_event_seq,
        });
    }

    pub(crate) fn strategy_lost(&mut self, strategy: StrategyId, generation: u64) {
        let state = self.state.strategies.get(usize::from(strategy.0));
        if !state.is_some_and(|state| state.attached && state.generation == generation) {
            return;
        }
        let next_event_seq = self.next_event_seq(strategy);
        self.emit(Decision::Strategy {
            strategy,
            generation,
            attached: false,
            next_event_seq,
        });
        let policy = self.state.config.strategies.get(usize::from(strategy.0));
        if policy.is_some_and(|policy| policy.on_loss == OnLoss::CancelAll) {
            self.start_task(WideTask::CancelAll {
                strategy: Some(strategy),
                instrument: None,
            });
        }
    }

    pub(crate) fn room_refused(&mut self, input: &Input<'_>, run: &RoomRefused) {
        self.state.apply_input(self.moment, input);
        let event_seq = self.next_event_seq(run.strategy);
        self.emit(Decision::RunRefused {
            strategy: run.strategy,
            event_seq,
            first: run.first,
            count: run.count,
            reason: run.reason,
        });
    }
}
