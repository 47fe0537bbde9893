//! What waits to be asked, and what callers and the worker share.
//!
//! Invariants: at most one sweep and one look-up per order wait; the number of look-ups is bounded;
//! no lock is held while anything is asked, so a caller never waits for the venue. Must not know:
//! how questions are asked. Threads: callers and one worker, around one mutex.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{ClientOrderId, UnixNs};

use super::QueryJob;
use super::placed_marks::PlacedMarks;
use super::time_offset::TimeOffset;

/// What the worker is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextJob {
    /// Answer this.
    Job(QueryJob),
    /// Nothing waited until the given moment.
    Nothing,
    /// End.
    Stop,
}

/// A look-up that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefusedLookup {
    pub(super) client_order_id: ClientOrderId,
    pub(super) waiting: usize,
}

#[derive(Default)]
struct Shared {
    sweep: Option<QueryJob>,
    lookups: HashMap<ClientOrderId, QueryJob>,
    turns: VecDeque<ClientOrderId>,
    refused: Option<RefusedLookup>,
    marks: PlacedMarks,
    offset: Option<TimeOffset>,
    stopping: bool,
}

/// The queue of one venue.
pub(super) struct JobQueue {
    shared: Mutex<Shared>,
    changed: Condvar,
    lookups_max: usize,
}

impl JobQueue {
    pub(super) fn new(lookups_max: usize) -> Self {
        Self {
            shared: Mutex::default(),
            changed: Condvar::new(),
            lookups_max,
        }
    }

    /// Takes a question. A look-up of an order that waits keeps its turn and becomes the newer one.
    pub(super) fn submit(&self, job: QueryJob) {
        let mut shared = self.lock();
        match job {
            QueryJob::Sweep { .. } => shared.sweep = Some(job),
            QueryJob::Lookup {
                client_order_id, ..
            } => {
                let waiting = shared.lookups.len();
                if let Some(older) = shared.lookups.get_mut(&client_order_id) {
                    *older = job;
                } else if waiting >= self.lookups_max {
                    shared.refused = Some(RefusedLookup {
                        client_order_id,
                        waiting,
                    });
                } else {
                    shared.lookups.insert(client_order_id, job);
                    shared.turns.push_back(client_order_id);
                }
            }
        }
        drop(shared);
        self.changed.notify_one();
    }

    /// The next question: a sweep before look-ups, look-ups by turn. Waits until `until`.
    pub(super) fn next(&self, until: Instant) -> NextJob {
        let mut shared = self.lock();
        loop {
            if shared.stopping {
                return NextJob::Stop;
            }
            if let Some(job) = shared.sweep.take() {
                return NextJob::Job(job);
            }
            if let Some(order) = shared.turns.pop_front()
                && let Some(job) = shared.lookups.remove(&order)
            {
                return NextJob::Job(job);
            }
            let now = Instant::now();
            if now >= until || shared.refused.is_some() {
                return NextJob::Nothing;
            }
            shared = self.wait(shared, until - now);
        }
    }

    /// Waits for `pause`. False when the worker must end instead.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut shared = self.lock();
        loop {
            let now = Instant::now();
            if shared.stopping || now >= until {
                return !shared.stopping;
            }
            shared = self.wait(shared, until - now);
        }
    }

    /// True when the worker must end.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Has the worker end.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// The last look-up that was refused since the last call.
    pub(super) fn take_refused(&self) -> Option<RefusedLookup> {
        self.lock().refused.take()
    }

    pub(super) fn note_placed(&self, order: ClientOrderId, placed_at: UnixNs) {
        self.lock().marks.note(order, placed_at);
    }

    pub(super) fn placed_after(&self, order: ClientOrderId) -> UnixNs {
        self.lock().marks.placed_after(order)
    }

    pub(super) fn time_offset(&self) -> Option<TimeOffset> {
        self.lock().offset
    }

    pub(super) fn set_time_offset(&self, offset: TimeOffset) {
        self.lock().offset = Some(offset);
    }

    /// Every change of what is shared is one assignment, so a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, shared: MutexGuard<'q, Shared>, limit: Duration) -> MutexGuard<'q, Shared> {
        let woken = self.changed.wait_timeout(shared, limit);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{InstrumentId, VenueOrderId};

    fn order(integer: u64) -> ClientOrderId {
        ClientOrderId::from_integer(integer).unwrap()
    }

    fn lookup(of: u64, ask_no: u16) -> QueryJob {
        QueryJob::Lookup {
            client_order_id: order(of),
            venue_order_id: VenueOrderId::EMPTY,
            instrument: InstrumentId(0),
            ask_no,
            asked_at_seq: 1,
        }
    }

    fn sweep(sweep_no: u32) -> QueryJob {
        QueryJob::Sweep {
            sweep_no,
            asked_at_seq: 1,
            fills_since: UnixNs(0),
        }
    }

    fn all(queue: &JobQueue) -> Vec<NextJob> {
        let mut jobs = Vec::new();
        loop {
            match queue.next(Instant::now()) {
                NextJob::Job(job) => jobs.push(NextJob::Job(job)),
                end => {
                    jobs.push(end);
                    return jobs;
                }
            }
        }
    }

    #[test]
    fn a_newer_question_takes_the_place_of_the_older_one() {
        let queue = JobQueue::new(8);
        for job in [lookup(1, 1), sweep(1), lookup(2, 1), lookup(1, 2), sweep(2)] {
            queue.submit(job);
        }
        let expected = [sweep(2), lookup(1, 2), lookup(2, 1)];
        let mut expected: Vec<NextJob> = expected.into_iter().map(NextJob::Job).collect();
        expected.push(NextJob::Nothing);
        assert_eq!(all(&queue), expected);
    }

    // covers: V16
    #[test]
    fn look_ups_beyond_the_bound_are_refused_and_said_so() {
        let queue = JobQueue::new(2);
        for of in 1..=5 {
            queue.submit(lookup(of, 1));
        }
        queue.submit(lookup(1, 9));
        let refused = queue.take_refused().unwrap();
        assert_eq!((refused.client_order_id, refused.waiting), (order(5), 2));
        assert_eq!(queue.take_refused(), None);
        assert_eq!(queue.next(Instant::now()), NextJob::Job(lookup(1, 9)));
        assert_eq!(queue.next(Instant::now()), NextJob::Job(lookup(2, 1)));
        assert_eq!(queue.next(Instant::now()), NextJob::Nothing);
    }

    #[test]
    fn a_stop_ends_every_wait() {
        let queue = std::sync::Arc::new(JobQueue::new(2));
        let far = Duration::from_secs(600);
        let waiter = {
            let queue = std::sync::Arc::clone(&queue);
            std::thread::spawn(move || (queue.next(Instant::now() + far), queue.pause(far)))
        };
        queue.stop();
        assert_eq!(waiter.join().unwrap(), (NextJob::Stop, false));
    }
}
