//! How long a command took until the venue answered it: from the entry that started it to the one
//! that holds the answer.
//!
//! Both moments are the turn's own, journaled with their entries, so every command has its time,
//! also when a run died before its stamps. Invariant: bounded memory; moments of a former run are
//! forgotten. Threads: any; one per reader of the journal.

use std::collections::BTreeMap;

use model::input::Input;
use model::order_change::{ChangeBody, CommandOutcome, UnknownCause};
use model::{ClientOrderId, CommandKind, Decision, MonotonicNs, OrderChange, OrderStatus};

/// Commands that may wait for an answer at once; the oldest order's are forgotten first.
const COMMANDS_MAX: usize = 256 * 1024;

/// Which command of an order.
type CommandKey = (ClientOrderId, u16);

/// A command that waits.
#[derive(Debug, Clone, Copy)]
struct Started {
    command: CommandKind,
    intent_seq: u64,
    started_at: MonotonicNs,
}

/// A command that the venue has answered, whatever it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The order.
    pub client_order_id: ClientOrderId,
    /// Which of its commands.
    pub command_seq: u16,
    /// What was commanded.
    pub command: CommandKind,
    /// The intent that was answered; of several sends, the last.
    pub intent_seq: u64,
    /// From the intent's turn to the answer's, nanoseconds.
    pub latency_ns: u64,
    /// True for an answer over the connection; false when asking found it out.
    pub is_pushed: bool,
}

impl Answer {
    /// The latency as databases and logs keep it: whole microseconds, rounded down.
    pub fn latency_us(&self) -> u64 {
        self.latency_ns / 1_000
    }
}

/// Commands under way, followed entry by entry.
#[derive(Debug, Default)]
pub struct AnswerTimes {
    waiting: BTreeMap<CommandKey, Started>,
}

impl AnswerTimes {
    /// Nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows one entry that is an input; `now` is the entry's own moment. Gives each command that
    /// it answers, in the order of the decisions.
    pub fn see(
        &mut self,
        now: MonotonicNs,
        input: &Input<'_>,
        decisions: &[Decision],
        mut answered: impl FnMut(Answer),
    ) {
        if matches!(input, Input::RecoveryStarted(_)) {
            self.waiting.clear();
        }
        let is_pushed = matches!(input, Input::VenueFrame { .. });
        let is_asked = matches!(input, Input::ReconFact(_));
        for decision in decisions {
            let Decision::Order(change) = decision else {
                continue;
            };
            if let ChangeBody::CommandStarted(intent) = &change.body {
                let started = Started {
                    command: intent.command,
                    intent_seq: intent.intent_seq,
                    started_at: now,
                };
                let key = (change.client_order_id, intent.command_seq);
                self.waiting.insert(key, started);
                if self.waiting.len() > COMMANDS_MAX {
                    self.waiting.pop_first();
                }
                continue;
            }
            self.settle(change, |key, started| {
                if is_pushed || is_asked {
                    answered(Answer {
                        client_order_id: key.0,
                        command_seq: key.1,
                        command: started.command,
                        intent_seq: started.intent_seq,
                        latency_ns: now.since_ns(started.started_at),
                        is_pushed,
                    });
                }
            });
        }
    }

    /// Takes the commands out that the change settles; tells those that the venue answered.
    fn settle(&mut self, change: &OrderChange, mut answered: impl FnMut(CommandKey, Started)) {
        let id = change.client_order_id;
        let mut take = |key: CommandKey, is_answer: bool| {
            if let Some(started) = self.waiting.remove(&key)
                && is_answer
            {
                answered(key, started);
            }
        };
        match change.body {
            ChangeBody::Acknowledged { .. }
            | ChangeBody::Linked { .. }
            | ChangeBody::Executed { .. } => take((id, NEW_COMMAND), true),
            ChangeBody::CommandAccepted { command_seq }
            | ChangeBody::Replaced { command_seq, .. } => take((id, command_seq), true),
            ChangeBody::CommandEnded {
                command_seq,
                outcome,
                ..
            } => take((id, command_seq), outcome == CommandOutcome::Refused),
            ChangeBody::CommandUnknown { command_seq, cause } => {
                if matches!(cause, UnknownCause::VenueUnsure | UnknownCause::AlreadyGone) {
                    take((id, command_seq), true);
                }
            }
            ChangeBody::Ended { .. } => {
                let all = self.waiting.range((id, 0)..=(id, u16::MAX));
                let all: Vec<(CommandKey, Started)> = all.map(|(k, v)| (*k, *v)).collect();
                for (key, started) in all {
                    self.waiting.remove(&key);
                    let cancelled = change.status == OrderStatus::Cancelled;
                    let is_answer = match started.command {
                        CommandKind::New => true,
                        CommandKind::Cancel => cancelled,
                        CommandKind::Replace => false,
                    };
                    if is_answer {
                        answered(key, started);
                    }
                }
            }
            _ => {}
        }
    }
}

/// An order's first command is its own placing.
const NEW_COMMAND: u16 = 1;
