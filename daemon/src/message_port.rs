//! Everything that reaches the hot thread besides frames and requests: facts of queries, clocks,
//! operators' acts. One ring from the cold side; and the second ring, the way out to it.
//!
//! The way out is only a wake-up: the cold side reads the journal by its own cursor, so a full ring
//! loses nothing and the hot thread never waits.

use crate::clock::utc_anchor;
use crate::kill_watch::KillEnd;
use engine::ports::Messages;
use model::control::{Author, ControlOrigin, ControlScope, Latch, LatchOrder};
use model::identifiers::Text;
use model::input::{Control, Input};
use model::{MonotonicNs, ReconFact, UtcAnchor};
use rings::in_process::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the cold side tells the hot thread.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be freed on the hot thread"
)]
pub enum Message {
    /// A fact from a query of the venue.
    Fact(ReconFact),
    /// A new pair of clocks.
    Anchor(UtcAnchor),
}

/// What a signal asks of the hot thread. Set by the signal thread, read every turn.
#[derive(Debug, Default)]
pub struct StopSignal {
    requested: AtomicBool,
    cancel_all: AtomicBool,
    reduce_only: AtomicBool,
}

impl StopSignal {
    /// Asks for the reduce-only latch over everything: the shadow decided otherwise.
    pub fn reduce_only(&self) {
        self.reduce_only.store(true, Ordering::Release);
    }

    /// Asks for a graceful stop: no new requests, and cancels for all open orders if wanted.
    pub fn request(&self, cancel_all: bool) {
        self.cancel_all.store(cancel_all, Ordering::Relaxed);
        self.requested.store(true, Ordering::Release);
    }

    /// True when the stop waits until the cancels are answered.
    pub fn waits_for_orders(&self) -> bool {
        self.cancel_all.load(Ordering::Relaxed)
    }

    /// True once a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }
}

/// The hot thread's end.
pub struct MessagePort {
    incoming: Consumer<Message>,
    committed: Producer<u64>,
    stop: Arc<StopSignal>,
    kill: KillEnd,
    latch_closed: bool,
    intake_stopped: bool,
    cancel_all_begun: bool,
}

impl MessagePort {
    /// The hot thread's end of both rings.
    pub fn new(
        incoming: Consumer<Message>,
        committed: Producer<u64>,
        stop: Arc<StopSignal>,
        kill: KillEnd,
    ) -> Self {
        Self {
            incoming,
            committed,
            stop,
            kill,
            latch_closed: false,
            intake_stopped: false,
            cancel_all_begun: false,
        }
    }

    /// Whether the run begins under the kill over everything.
    pub fn set_killed(&mut self, is_killed: bool) {
        self.kill.set_killed(is_killed);
    }

    fn control(&mut self) -> Option<Control> {
        if !self.latch_closed && self.stop.reduce_only.load(Ordering::Acquire) {
            self.latch_closed = true;
            return Some(Control::SetLatch(shadow_diverged()));
        }
        if !self.stop.is_requested() {
            return None;
        }
        if !self.intake_stopped {
            self.intake_stopped = true;
            return Some(Control::StopIntake);
        }
        if self.stop.cancel_all.load(Ordering::Relaxed) && !self.cancel_all_begun {
            self.cancel_all_begun = true;
            return Some(Control::CancelAll);
        }
        None
    }
}

/// The order that follows a divergence of the shadow.
fn shadow_diverged() -> LatchOrder {
    LatchOrder {
        latch: Latch::ReduceOnly,
        scope: ControlScope::All,
        close: true,
        author: Author {
            origin: ControlOrigin::Watch,
            uid: rustix::process::geteuid().as_raw(),
            ordered_at: utc_anchor().unix,
            reason: Text::lossy(b"SHADOW_DIVERGED"),
        },
    }
}

impl Messages for MessagePort {
    fn next_control(&mut self) -> Option<Control> {
        self.kill.next_order().or_else(|| self.control())
    }

    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        Some(match self.incoming.pop()? {
            Message::Fact(fact) => Input::ReconFact(fact),
            Message::Anchor(anchor) => Input::UtcAnchor(anchor),
        })
    }

    fn committed(&mut self, sequence: u64) {
        // Counted when it is full; the cold side's cursor makes the loss harmless.
        self.committed.push_or_drop(sequence);
    }
}
