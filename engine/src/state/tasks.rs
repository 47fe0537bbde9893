//! Acts over more orders than one entry may hold: where each stands, and which goes on next.

use super::State;
use model::canonical_struct;
use model::decision::WideTask;
use model::{Decision, MonotonicNs};

/// Most acts over many orders that may wait when a strategy asks for one more.
pub const TASKS_MAX: usize = 64;

canonical_struct! {
    /// An act over many orders, under way.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct TaskProgress {
        /// Which act.
        pub task: WideTask,
        /// The slot to go on with.
        pub next_slot: u32,
        /// Not before this moment.
        pub due_at: MonotonicNs,
        /// An order of this pass had to be passed over.
        pub passed_over: bool,
    }
}

impl TaskProgress {
    pub(super) fn begun(task: WideTask) -> Self {
        let due_at = match task {
            WideTask::KillCancel { due_at, .. } => due_at,
            WideTask::MarkUnknown { .. }
            | WideTask::AskUnseen { .. }
            | WideTask::CancelAll { .. } => MonotonicNs(0),
        };
        Self {
            task,
            next_slot: 0,
            due_at,
            passed_over: false,
        }
    }
}

impl State {
    /// The place of the oldest act that is due. One that waits lets the others go on.
    pub(crate) fn due_task(&self, now: MonotonicNs) -> Option<usize> {
        let mut tasks = self.tasks.iter();
        tasks.position(|progress| progress.due_at <= now)
    }

    pub(super) fn apply_task(&mut self, now: MonotonicNs, decision: &Decision) {
        match decision {
            Decision::TaskStarted { task } => self.start_task(*task),
            Decision::TaskMoved {
                next_slot,
                due_at,
                passed_over,
            } => {
                let due = self.due_task(now);
                if let Some(progress) = due.and_then(|due| self.tasks.get_mut(due)) {
                    progress.next_slot = *next_slot;
                    progress.due_at = *due_at;
                    progress.passed_over = *passed_over;
                }
            }
            Decision::TaskDone => {
                if let Some(due) = self.due_task(now) {
                    self.tasks.remove(due);
                }
            }
            _ => {}
        }
    }

    fn start_task(&mut self, task: WideTask) {
        if let WideTask::KillCancel { scope, .. } = task {
            // One round at a time under each latch.
            self.tasks.retain(|waiting| {
                !matches!(waiting.task, WideTask::KillCancel { scope: other, .. } if other == scope)
            });
        }
        self.tasks.push_back(TaskProgress::begun(task));
    }
}
