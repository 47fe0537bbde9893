//! What the journal says about a kill while it goes on: figures at its acceptance, what is open
//! since, and when the last command of each kind was handed to TLS.

use crate::recovery::{entry_kind, fold};
use anyhow::{Context, Result};
use engine::Engine;
use engine::Moment;
use engine::replay::Replay;
use journal::{Follower, held_segments};
use model::control::{ControlScope, Latch};
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::order_change::ChangeBody;
use model::sent_record::SentRecord;
use model::{CommandKind, Decision, Input, MonotonicNs};
use std::collections::BTreeSet;
use std::path::Path;

/// Orders under a scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Open, unknown ones included.
    pub open: u32,
    /// Of them: with a command whose effect is not known.
    pub unknown: u32,
    /// How long the venue's rates let the cancels of all of them take, at most.
    pub cancels_take_ns: u64,
}

/// A journal that is read on.
pub struct JournalWatch {
    follower: Follower,
    buffers: EntryBuffers,
    replay: Replay,
    cancels: BTreeSet<u64>,
    accepted_at_ns: Option<u64>,
    last_new_ns: u64,
    last_cancel_ns: u64,
    at_acceptance: Figures,
}

impl JournalWatch {
    /// A journal from its first entry; where that is archived, from its state now.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub fn open(directory: &Path) -> Result<Self> {
        let oldest = held_segments(directory)?;
        let is_whole = oldest
            .first()
            .is_none_or(|segment| segment.first_sequence <= 1);
        let (replay, from) = if is_whole {
            (Replay::new(), 1)
        } else {
            let folded = fold(directory, |_| {})?;
            let from = folded.last_sequence.saturating_add(1);
            (folded.engine.map_or_else(Replay::new, Replay::resume), from)
        };
        Ok(Self {
            follower: Follower::open(directory, from)?,
            buffers: EntryBuffers::default(),
            replay,
            cancels: BTreeSet::new(),
            accepted_at_ns: None,
            last_new_ns: 0,
            last_cancel_ns: 0,
            at_acceptance: Figures::default(),
        })
    }

    /// Reads what is there by now. `closes`: whether a kill is waited for, or a re-arm.
    ///
    /// # Errors
    /// Damage, with file, offset and last good sequence.
    pub fn read_on(
        &mut self,
        latch: Latch,
        scope: Option<ControlScope>,
        closes: bool,
    ) -> Result<()> {
        while let Some(entry) = self.follower.poll()? {
            let kind = entry_kind(entry.kind)?;
            if kind == EntryKind::Checkpoint {
                continue;
            }
            if kind == EntryKind::Sent {
                let sent = SentRecord::take(entry.body)?;
                for stamp in &sent.intents {
                    let handed_over_ns = stamp.sealed_at.0;
                    if self.cancels.contains(&stamp.intent_seq) {
                        self.last_cancel_ns = self.last_cancel_ns.max(handed_over_ns);
                    } else {
                        self.last_new_ns = self.last_new_ns.max(handed_over_ns);
                    }
                }
                continue;
            }
            let (input, decisions) = take_entry(kind, entry.body, &mut self.buffers)
                .with_context(|| format!("reading entry {}", entry.sequence))?;
            if let Input::RecoveryStarted(_) = input {
                (self.last_new_ns, self.last_cancel_ns) = (0, 0);
                self.cancels.clear();
            }
            let accepts = decisions.iter().any(|decision| {
                matches!(decision, Decision::LatchSet { latch: one, scope: over, closed }
                    if *one == latch && Some(*over) == scope && *closed == closes)
            });
            if accepts {
                self.accepted_at_ns = Some(entry.now_ns);
                self.at_acceptance = figures_of(self.replay.engine(), scope);
                self.cancels.clear();
                self.last_cancel_ns = 0;
            }
            let cancels = decisions.iter().filter_map(cancel_of);
            self.cancels.extend(cancels);
            let moment = Moment {
                sequence: entry.sequence,
                now: MonotonicNs(entry.now_ns),
            };
            self.replay.fold(moment, &input, decisions)?;
        }
        Ok(())
    }

    /// The engine as far as it was read; `None` before the first configuration.
    pub fn engine(&self) -> Option<&Engine> {
        self.replay.engine()
    }

    /// When the latest order of this kind was taken, by the engine's monotonic clock.
    pub fn accepted_at_ns(&self) -> Option<u64> {
        self.accepted_at_ns
    }

    /// Forgets what was accepted before: only a later order counts.
    pub fn expect_another(&mut self) {
        self.accepted_at_ns = None;
    }

    /// Orders under the scope when it was taken.
    pub fn at_acceptance(&self) -> Figures {
        self.at_acceptance
    }

    /// From acceptance to the last new order or replace that was handed to TLS; 0 when all were
    /// before it.
    pub fn last_new_after_ns(&self) -> u64 {
        self.after(self.last_new_ns)
    }

    /// From acceptance to the last cancel that was handed to TLS.
    pub fn last_cancel_after_ns(&self) -> u64 {
        self.after(self.last_cancel_ns)
    }

    fn after(&self, at_ns: u64) -> u64 {
        self.accepted_at_ns
            .map_or(0, |accepted| at_ns.saturating_sub(accepted))
    }
}

fn cancel_of(decision: &Decision) -> Option<u64> {
    match decision {
        Decision::Order(change) => match &change.body {
            ChangeBody::CommandStarted(intent) if intent.command == CommandKind::Cancel => {
                Some(intent.intent_seq)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Orders under a scope as a journal has them; nothing without a scope.
pub fn figures_of(engine: Option<&Engine>, scope: Option<ControlScope>) -> Figures {
    let (Some(engine), Some(scope)) = (engine, scope) else {
        return Figures::default();
    };
    let state = engine.state();
    let in_scope =
        |order: &&engine::order::Order| order.is_open() && state.is_in_scope(order, scope);
    let open = state.orders.iter().filter(in_scope);
    let unknown = open.filter(|order| order.is_unknown()).count();
    Figures {
        open: state.open_in_scope(scope),
        unknown: u32::try_from(unknown).unwrap_or(u32::MAX),
        cancels_take_ns: state.cancels_take_ns(scope),
    }
}
