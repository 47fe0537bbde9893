//! The engine's strategies port: shared-memory rings of attached processes. Nothing in them is
//! trusted.
//!
//! A ring that holds what a correct writer never writes is detached with `RING_CORRUPT`; a strategy
//! that does not read its events is detached at the first event that finds no room; a process that
//! dies is seen by its attach socket. Each is a `StrategyLost` entry first, and only then are the
//! rings given back to be unmapped on the cold side. The others never notice.

use cold::attach::{AttachBell, Detached, Handover, HandoverAnswer};
use engine::ports::{Attached, Incoming, Strategies};
use model::attach_message::RefusalCode;
use model::input::{Input, LossReason};
use model::request_slot;
use model::{MonotonicNs, OrderEvent, StrategyId};
use rings::in_process::{Consumer, Producer};
use rings::shared_memory::consumer::PopError;
use rings::shared_memory::producer::PushError;
use std::os::fd::AsFd;
use transport::poll_loop::{PollLoop, SourceId};

/// Source ids of strategies' descriptors begin here; venues' ids are below.
const SOURCES_FROM: usize = 1024;
/// Events that must fit before a request is taken: its refusal, or the start of its order.
const EVENTS_PER_REQUEST: u64 = 4;
/// Events that must fit before a new order is let in: what it may cause until the next look.
const EVENTS_PER_ORDER: u64 = 64;

/// One strategy's attachment.
struct Attachment {
    handover: Handover,
    /// False until its entry is journaled.
    is_live: bool,
    lost: Option<LossReason>,
    /// The loss is journaled: give it back.
    is_over: bool,
    published: bool,
}

/// All attachments, on the hot thread.
pub struct StrategyPort {
    attachments: Vec<Option<Attachment>>,
    handovers: Consumer<Handover>,
    answers: Producer<HandoverAnswer>,
    detached: Producer<Detached>,
    bell: Option<AttachBell>,
    intake_closed: bool,
}

impl StrategyPort {
    /// A port for `count` strategies over the attach service's rings.
    pub fn new(
        count: usize,
        handovers: Consumer<Handover>,
        answers: Producer<HandoverAnswer>,
        detached: Producer<Detached>,
    ) -> Self {
        Self {
            attachments: (0..count).map(|_| None).collect(),
            handovers,
            answers,
            detached,
            bell: None,
            intake_closed: false,
        }
    }

    /// The service's bell, known once the service runs.
    pub fn set_bell(&mut self, bell: AttachBell) {
        self.bell = Some(bell);
    }

    /// Work that is no input of the engine: giving back what is over, waking parked clients.
    pub fn service(&mut self, poll: &PollLoop) {
        for place in &mut self.attachments {
            let Some(attachment) = place else { continue };
            if core::mem::take(&mut attachment.published)
                && attachment.handover.events.peer_is_parked()
            {
                attachment.handover.wake_client();
            }
            if !attachment.is_over {
                continue;
            }
            if let Some(attachment) = place.take() {
                // Not in the loop means that it never got there: nothing to undo.
                let _ = poll.remove_descriptor(attachment.handover.hang_up.as_fd());
                let _ = poll.remove_descriptor(attachment.handover.wake.as_fd());
                // A full way back drops it here: an unmapping on the hot thread, better than a
                // leak.
                let _ = self.detached.push(Detached(attachment.handover));
                ring(&self.bell);
            }
        }
    }

    /// Before the hot thread waits: clients must wake it from here on. True when something came in
    /// between, so that it must not wait.
    pub fn park_begin(&mut self) -> bool {
        let mut waiting = self.handovers.waiting() > 0;
        for attachment in self.attachments.iter_mut().flatten() {
            attachment.handover.requests.park_begin();
            // A corrupt ring is something to see to as well.
            waiting |= attachment.handover.requests.peek_ready().unwrap_or(true);
        }
        waiting
    }

    /// The hot thread looks at every ring by itself again.
    pub fn park_end(&mut self) {
        for attachment in self.attachments.iter_mut().flatten() {
            attachment.handover.requests.park_end();
        }
    }

    /// A descriptor is ready: an attach socket that hung up is a strategy that is gone.
    pub fn note_readiness(&mut self, id: SourceId, hung_up: bool) {
        let Some(source) = id.0.checked_sub(SOURCES_FROM) else {
            return;
        };
        let is_socket = source % 2 == 1;
        if let Some(Some(attachment)) = self.attachments.get_mut(source / 2)
            && is_socket
            && hung_up
        {
            attachment.lost = attachment.lost.or(Some(LossReason::HungUp));
        }
    }

    /// No request is taken any more: what strategies still write stays in their rings.
    pub fn close_intake(&mut self) {
        self.intake_closed = true;
    }

    /// Registers and remembers a handover, or refuses it. The strategy when it was taken.
    fn take_handover(&mut self, poll: &PollLoop, handover: Handover) -> Option<StrategyId> {
        let strategy = handover.strategy;
        let at = usize::from(strategy.0);
        let refused = match self.attachments.get(at) {
            None => Some(RefusalCode::UnknownStrategy),
            Some(Some(_)) => Some(RefusalCode::RingBusy),
            Some(None) => None,
        };
        let source = SOURCES_FROM + at * 2;
        let registered = refused.is_none()
            && poll
                .add_descriptor(SourceId(source), handover.wake.as_fd())
                .is_ok()
            && poll
                .add_descriptor(SourceId(source + 1), handover.hang_up.as_fd())
                .is_ok();
        if !registered {
            let code = refused.unwrap_or(RefusalCode::RingBusy);
            let _ = self
                .answers
                .push(HandoverAnswer::Refused { handover, code });
            ring(&self.bell);
            return None;
        }
        self.attachments[at] = Some(Attachment {
            handover,
            is_live: false,
            lost: None,
            is_over: false,
            published: false,
        });
        Some(strategy)
    }

    /// Takes new attachments over. Called between turns: it registers descriptors.
    pub fn take_handovers(&mut self, poll: &PollLoop) {
        while let Some(handover) = self.handovers.pop() {
            self.take_handover(poll, handover);
        }
    }
}

impl Strategies for StrategyPort {
    fn next_input(&mut self, _now: MonotonicNs) -> Option<Input<'_>> {
        for (at, place) in self.attachments.iter_mut().enumerate() {
            let Some(attachment) = place else { continue };
            let strategy = StrategyId(u16::try_from(at).unwrap_or(u16::MAX));
            let generation = attachment.handover.generation;
            if !attachment.is_live && !attachment.is_over {
                attachment.is_live = true;
                return Some(Input::StrategyAttached {
                    strategy,
                    generation,
                });
            }
            if let Some(reason) = attachment.lost.take() {
                attachment.is_over = true;
                return Some(Input::StrategyLost {
                    strategy,
                    generation,
                    reason,
                });
            }
        }
        None
    }

    fn count(&self) -> u16 {
        u16::try_from(self.attachments.len()).unwrap_or(u16::MAX)
    }

    fn next_request(&mut self, strategy: StrategyId) -> Option<Incoming> {
        if self.intake_closed {
            return None;
        }
        let attachment = self
            .attachments
            .get_mut(usize::from(strategy.0))?
            .as_mut()?;
        let usable = attachment.is_live && !attachment.is_over && attachment.lost.is_none();
        if !usable {
            return None;
        }
        match attachment.handover.events.has_room(EVENTS_PER_REQUEST) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => {
                attachment.lost = Some(LossReason::RingCorrupt);
                return None;
            }
        }
        match attachment.handover.requests.pop() {
            Ok(None) => None,
            Ok(Some(words)) => Some(match request_slot::check(&words) {
                Ok(checked) => Incoming::Request(checked),
                Err(bad) => Incoming::Bad(bad),
            }),
            Err(PopError::Closed { .. }) => {
                attachment.lost = Some(LossReason::HungUp);
                None
            }
            Err(PopError::Corrupt(_)) => {
                attachment.lost = Some(LossReason::RingCorrupt);
                None
            }
        }
    }

    fn has_event_room(&mut self, strategy: StrategyId) -> bool {
        let attachment = self.attachments.get_mut(usize::from(strategy.0));
        attachment
            .and_then(Option::as_mut)
            .is_some_and(|attachment| {
                let wanted = EVENTS_PER_ORDER.min(attachment.handover.events.capacity() / 2);
                attachment.handover.events.has_room(wanted).unwrap_or(false)
            })
    }

    fn publish(&mut self, strategy: StrategyId, event: &OrderEvent) {
        let attachment = self.attachments.get_mut(usize::from(strategy.0));
        let Some(attachment) = attachment.and_then(Option::as_mut) else {
            return;
        };
        if attachment.lost.is_some() || attachment.is_over || !attachment.is_live {
            return;
        }
        match attachment.handover.events.push(&event.to_words()) {
            Ok(()) => attachment.published = true,
            Err(PushError::Full) => {
                attachment.handover.events.close(event.event_seq);
                attachment.published = true;
                attachment.lost = Some(LossReason::EventOverrun);
            }
            Err(PushError::Closed) => attachment.lost = Some(LossReason::EventOverrun),
            Err(PushError::Corrupt(_)) => attachment.lost = Some(LossReason::RingCorrupt),
        }
    }

    fn attached(&mut self, attached: Attached) {
        let Attached {
            strategy,
            generation,
            sequence,
            next_event_seq,
            last_request_id,
        } = attached;
        let _ = self.answers.push(HandoverAnswer::Attached {
            strategy,
            generation,
            sequence,
            next_event_seq,
            last_request_id,
        });
        ring(&self.bell);
    }
}

fn ring(bell: &Option<AttachBell>) {
    if let Some(bell) = bell {
        bell.ring();
    }
}
