//! The hot thread: pinned, it owns order state and links, and runs turn after turn.
//!
//! One clock reading a turn, besides the stamps of stages.
//! Between turns it looks at the poll, without waiting while there is
//! work.
//! Idle, it spins, yields or parks, as configured; parked, a strategy's request wakes it through an
//! eventfd, a socket through its readiness, the cold side through the waker, a deadline by itself.

mod ending;

use crate::clock::Clock;
use crate::journal_gauge::JournalLevel;
use crate::journal_port::JournalPort;
use crate::message_port::{MessagePort, StopSignal};
use crate::pinning::pin_to_cpu;
use crate::strategy_port::StrategyPort;
use crate::venue_port::VenuePort;
use engine::turn::Turn;
use model::MonotonicNs;
use model::time::NS_PER_MS;
use std::sync::Arc;
use std::time::Duration;
use transport::poll_loop::{PollLoop, Readiness};

/// The turn over the real ports.
pub type LiveTurn = Turn<JournalPort, VenuePort, StrategyPort, MessagePort, Clock>;

/// What the hot thread does when nothing is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Looks again at once. Takes a whole core.
    Spin,
    /// Lets another thread of its core run, then looks again.
    Yield,
    /// Sleeps until something wakes it.
    Park,
}

/// How the hot thread runs.
#[derive(Debug, Clone, Copy)]
pub struct HotSettings {
    /// What it does when nothing is to be done.
    pub idle: Idle,
    /// The core that it is pinned to.
    pub cpu: Option<usize>,
    /// How long a graceful stop may take.
    pub stop_within_ns: u64,
    /// Whether a failed sync cancels every open order.
    pub cancel_on_journal_failure: bool,
}

/// Why the hot thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HotEnd {
    /// A stop was asked for and everything is said.
    Stopped {
        /// Orders that are still open at a venue.
        open_orders: u32,
    },
    /// The journal has no room for the next entry.
    JournalFull,
    /// A sync of the journal failed, which is final.
    JournalSyncFailed {
        /// Orders that are still open at a venue.
        open_orders: u32,
    },
}

/// Longest sleep: nothing depends on it, but a bug that loses a wake-up then costs only this.
const PARK_NS_MAX: u64 = 100 * NS_PER_MS;
/// Turns of pure work before the poll is looked at again.
const TURNS_PER_LOOK: u32 = 16;

/// The hot thread's loop.
pub struct HotThread {
    turn: LiveTurn,
    poll: PollLoop,
    stop: Arc<StopSignal>,
    settings: HotSettings,
    stop_began: Option<MonotonicNs>,
    /// A failed sync was met.
    is_halted: bool,
}

impl HotThread {
    /// Takes over everything that the hot thread owns.
    pub fn new(
        turn: LiveTurn,
        poll: PollLoop,
        stop: Arc<StopSignal>,
        settings: HotSettings,
    ) -> Self {
        Self {
            turn,
            poll,
            stop,
            settings,
            stop_began: None,
            is_halted: false,
        }
    }

    /// Runs until a stop is complete or the journal is closed. Pins itself first; what could not be
    /// done is told through `note`.
    pub fn run(mut self, note: impl Fn(String)) -> HotEnd {
        if let Some(cpu) = self.settings.cpu
            && let Err(text) = pin_to_cpu(cpu)
        {
            note(text);
        }
        let mut since_look = 0;
        loop {
            let now = self.turn.clock.now();
            self.turn.venues.service(now, &self.poll);
            self.turn.strategies.take_handovers(&self.poll);
            self.turn
                .venues
                .set_anchor(self.turn.engine().state().anchor);
            let Ok(report) = self.turn.run(now) else {
                return HotEnd::JournalFull;
            };
            let parked = self.turn.newest_parked();
            if self.turn.journal.end_turn(now, parked).is_err() {
                return HotEnd::JournalFull;
            }
            let open_orders = self.turn.engine().state().orders.open_count();
            if self.turn.journal.look_at_room(open_orders) == JournalLevel::CancelsOnly {
                return self.cancel_all_and_end();
            }
            self.turn.strategies.service(&self.poll);
            if let Some(end) = self.ending(now) {
                return end;
            }
            since_look += 1;
            let busy = report.inputs > 0 || self.turn.venues.wants_reading();
            if !busy {
                self.idle(now);
                since_look = 0;
            } else if since_look >= TURNS_PER_LOOK {
                self.look(Some(Duration::ZERO));
                since_look = 0;
            }
        }
    }

    fn idle(&mut self, now: MonotonicNs) {
        match self.settings.idle {
            Idle::Spin => self.look(Some(Duration::ZERO)),
            Idle::Yield => {
                self.look(Some(Duration::ZERO));
                std::thread::yield_now();
            }
            Idle::Park => {
                let something_came = self.turn.strategies.park_begin();
                let due = self
                    .turn
                    .next_deadline()
                    .min(self.turn.venues.next_timeout());
                let due = due.min(self.turn.journal.next_timeout());
                let sleep_ns = if something_came {
                    0
                } else {
                    due.since_ns(now).min(PARK_NS_MAX)
                };
                self.look(Some(Duration::from_nanos(sleep_ns)));
                self.turn.strategies.park_end();
            }
        }
    }

    /// Looks at, or waits for, what the system has to tell.
    fn look(&mut self, timeout: Option<Duration>) {
        // Only a closed descriptor of ours could make this fail: as good as nothing to tell.
        let Ok(told) = self.poll.wait(timeout) else {
            return;
        };
        for readiness in told {
            if let Readiness::Source { id, hung_up, .. } = readiness {
                self.turn.venues.note_readiness(readiness);
                self.turn.strategies.note_readiness(id, hung_up);
            }
        }
    }
}
