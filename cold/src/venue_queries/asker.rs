//! One signed call at a time: budgets kept, failures classed, tries repeated, the clock measured.
//!
//! Invariants: a request is repeated only where its failure class allows it and never past the
//! job's time; after the venue refused the key nothing signed is sent for a while; every answer
//! carries the moment at which its request left. Must not know: what an answer means for an order.
//! Threads: the worker's, or the caller's at start-up.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use model::time::NS_PER_MS;
use model::{ReconFact, UnixNs, VenueId};
use protocol::venue::okx::reject_map::FailureClass;
use protocol::venue::okx::rest::answer::{RestAnswers, RestError};
use protocol::venue::okx::rest::{RestCall, RestRequest, RestSigner};

use super::https_client::HttpsClient;
use super::job_queue::JobQueue;
use super::query_budget::QueryBudget;
use super::query_error::QueryError;
use super::query_note::{NoteKind, QueryNote};
use super::time_offset::{SteadyUtc, TimeOffset};
use super::{QueryLimits, QueryOutcome, QuerySettings};

/// Exchanges per measurement of the clock; the quickest counts, as the first may hold a handshake.
const OFFSET_SAMPLES: usize = 3;
/// A change of the offset by less is not worth a note.
const OFFSET_NOTE_NS: u64 = 50 * NS_PER_MS;
/// Between two measurements while none succeeded.
const OFFSET_RETRY: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Where outcomes are put, and what tells their reader.
pub(super) type OutcomeReader = (Sender<QueryOutcome>, Box<dyn Fn() + Send>);

/// Where facts and notes go.
pub(super) struct OutcomeSink {
    target: Option<OutcomeReader>,
    venue: VenueId,
    name: String,
    is_closed: bool,
}

impl OutcomeSink {
    /// A sink that wakes its reader through `on_outcome`; without a target it keeps nothing.
    pub(super) fn new(settings: &QuerySettings, target: Option<OutcomeReader>) -> Self {
        Self {
            target,
            venue: settings.venue,
            name: settings.name.clone(),
            is_closed: false,
        }
    }

    pub(super) fn note(&mut self, kind: NoteKind) {
        let note = QueryNote {
            venue: self.venue,
            name: self.name.clone(),
            kind,
        };
        self.send([QueryOutcome::Note(note)]);
    }

    pub(super) fn facts(&mut self, facts: impl IntoIterator<Item = ReconFact>) {
        self.send(facts.into_iter().map(QueryOutcome::Fact));
    }

    /// True when nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn send(&mut self, outcomes: impl IntoIterator<Item = QueryOutcome>) {
        let Some((sender, on_outcome)) = &self.target else {
            return;
        };
        let mut sent = false;
        for outcome in outcomes {
            self.is_closed |= sender.send(outcome).is_err();
            sent = true;
        }
        if sent {
            on_outcome();
        }
    }
}

/// An answer that could be read.
pub(super) struct Answered<T> {
    pub(super) value: T,
    /// When the request left; our UTC. The answer shows the venue at this moment or later.
    pub(super) left_at: UnixNs,
    round_trip_ns: u64,
}

/// How often a call was repeated, and why.
#[derive(Default)]
struct Tries {
    unavailable: u32,
    rate_limited: u32,
    clock_fixed: bool,
}

/// Asks one venue.
pub(super) struct Asker {
    client: HttpsClient,
    signer: RestSigner,
    answers: RestAnswers,
    budget: QueryBudget,
    queue: Arc<JobQueue>,
    sink: OutcomeSink,
    limits: QueryLimits,
    /// What `offset` is counted against; read anew with each measurement.
    clock: SteadyUtc,
    offset: TimeOffset,
    offset_due: Instant,
    /// The last measurement failed, and that was noted.
    clock_unknown: bool,
    cool_until: Option<Instant>,
    deadline: Instant,
}

impl Asker {
    pub(super) fn new(
        settings: &QuerySettings,
        limits: QueryLimits,
        client: HttpsClient,
        queue: Arc<JobQueue>,
        sink: OutcomeSink,
    ) -> Self {
        let now = Instant::now();
        Self {
            client,
            signer: RestSigner::new(settings.credentials.clone(), settings.simulated_trading),
            answers: RestAnswers::new(),
            budget: QueryBudget::default(),
            queue,
            sink,
            limits,
            clock: SteadyUtc::read(),
            offset: TimeOffset::UNMEASURED,
            offset_due: now,
            clock_unknown: false,
            cool_until: None,
            deadline: now + limits.job_bound,
        }
    }

    pub(super) fn sink(&mut self) -> &mut OutcomeSink {
        &mut self.sink
    }

    pub(super) fn queue(&self) -> &JobQueue {
        &self.queue
    }

    pub(super) fn limits(&self) -> QueryLimits {
        self.limits
    }

    /// Our UTC.
    pub(super) fn now(&self) -> UnixNs {
        self.clock.at(Instant::now())
    }

    pub(super) fn offset(&self) -> TimeOffset {
        self.offset
    }

    /// When the clock is to be measured again.
    pub(super) fn offset_due(&self) -> Instant {
        self.offset_due
    }

    /// Gives the next job its time, and sees to it that the clock is known.
    pub(super) fn begin_job(&mut self) {
        self.deadline = Instant::now() + self.limits.job_bound;
        self.refresh_offset_if_due();
    }

    /// Measures the clock when it is time; the first failure of several is
    /// noted and the last measurement kept.
    pub(super) fn refresh_offset_if_due(&mut self) {
        if Instant::now() < self.offset_due {
            return;
        }
        let was_unknown = self.clock_unknown;
        let measured = self.measure_offset();
        self.clock_unknown = measured.is_err();
        if let Err(error) = measured
            && error != QueryError::Stopping
            && !was_unknown
        {
            self.sink.note(NoteKind::ClockUnknown(error));
        }
    }

    /// Measures the venue's clock against ours (okx.com/docs-v5, "Get system time").
    pub(super) fn measure_offset(&mut self) -> Result<TimeOffset, QueryError> {
        self.offset_due = Instant::now() + OFFSET_RETRY.min(self.limits.offset_interval);
        let earlier = std::mem::replace(&mut self.clock, SteadyUtc::read());
        let measured = match self.sample_offset() {
            Ok(measured) => measured,
            Err(error) => {
                // The offset that is kept belongs to the clock that it was measured against.
                self.clock = earlier;
                return Err(error);
            }
        };
        let is_first = self.offset == TimeOffset::UNMEASURED;
        if is_first || measured.differs(self.offset, OFFSET_NOTE_NS) {
            self.sink.note(NoteKind::ClockOffset(measured));
        }
        self.offset = measured;
        self.offset_due = Instant::now() + self.limits.offset_interval;
        self.queue.set_time_offset(measured);
        Ok(measured)
    }

    fn sample_offset(&mut self) -> Result<TimeOffset, QueryError> {
        let mut best: Option<TimeOffset> = None;
        for _ in 0..OFFSET_SAMPLES {
            let answered = match (self.exchange(&RestCall::Time, RestAnswers::time), best) {
                (Ok(answered), _) => answered,
                (Err(_), Some(best)) => return Ok(best),
                (Err(error), None) => return Err(error),
            };
            let sample =
                TimeOffset::measured(answered.left_at, answered.round_trip_ns, answered.value);
            if best.is_none_or(|best| sample.error_ns < best.error_ns) {
                best = Some(sample);
            }
        }
        Ok(best.unwrap_or(TimeOffset::UNMEASURED))
    }

    /// Sends a call until it is answered or nothing speaks for another try.
    pub(super) fn ask<T>(
        &mut self,
        call: &RestCall<'_>,
        mut read: impl FnMut(&mut RestAnswers, u16, &mut [u8]) -> Result<T, RestError>,
    ) -> Result<Answered<T>, QueryError> {
        let mut tries = Tries::default();
        loop {
            match self.exchange(call, &mut read) {
                Ok(answered) => return Ok(answered),
                Err(error) => self.recover(error, &mut tries)?,
            }
        }
    }

    /// One try: budget, signature, exchange, reading.
    fn exchange<T>(
        &mut self,
        call: &RestCall<'_>,
        mut read: impl FnMut(&mut RestAnswers, u16, &mut [u8]) -> Result<T, RestError>,
    ) -> Result<Answered<T>, QueryError> {
        let path = self.build(call)?.path;
        let is_signed = !matches!(call, RestCall::Time | RestCall::PublicInstruments { .. });
        if is_signed && self.cool_until.is_some_and(|until| Instant::now() < until) {
            return Err(QueryError::CoolingDown { path });
        }
        while let Err(wait) = self.budget.take(path, Instant::now()) {
            self.pause(wait, QueryError::OutOfTime { path })?;
        }
        // Built again after the wait: its time stamp must be fresh.
        let request = self.build(call)?;
        let sent = Instant::now();
        let left_at = self.clock.at(sent);
        let answer = self.client.get(&request);
        let round_trip_ns = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if self.queue.is_stopping() {
            return Err(QueryError::Stopping);
        }
        let mut answer = answer?;
        let value = read(&mut self.answers, answer.status, &mut answer.body)
            .map_err(|error| QueryError::Venue { path, error })?;
        Ok(Answered {
            value,
            left_at,
            round_trip_ns,
        })
    }

    fn build(&self, call: &RestCall<'_>) -> Result<RestRequest, QueryError> {
        let now = self.offset.venue_time(self.now());
        let request = self.signer.request(call, now, None);
        request.map_err(|error| QueryError::BadRequest {
            path: "a query",
            error,
        })
    }

    /// Waits until the call may be tried again, or says why it may not.
    fn recover(&mut self, error: QueryError, tries: &mut Tries) -> Result<(), QueryError> {
        match class_of(&error) {
            Some((path, FailureClass::RateLimited)) => {
                let wait = self.backoff(tries.rate_limited);
                tries.rate_limited += 1;
                self.sink.note(NoteKind::RateLimited { path, wait });
                self.pause(wait, error)
            }
            Some((_, FailureClass::Unavailable)) => {
                tries.unavailable += 1;
                if tries.unavailable >= self.limits.attempts {
                    return Err(error);
                }
                let wait = self.backoff(tries.unavailable - 1);
                self.sink.note(NoteKind::Retrying {
                    error: error.clone(),
                    wait,
                });
                self.pause(wait, error)
            }
            Some((_, FailureClass::ClockSkew)) if !tries.clock_fixed => {
                tries.clock_fixed = true;
                self.measure_offset().map(|_| ())
            }
            Some((_, FailureClass::Credentials)) => {
                let cool_down = self.limits.auth_cool_down;
                self.cool_until = Some(Instant::now() + cool_down);
                self.sink.note(NoteKind::AuthFailed {
                    error: error.clone(),
                    cool_down,
                });
                Err(error)
            }
            Some((
                _,
                FailureClass::ClockSkew | FailureClass::NotFound | FailureClass::BadRequest,
            ))
            | None => Err(error),
        }
    }

    fn backoff(&self, earlier: u32) -> Duration {
        let factor = 1_u32.checked_shl(earlier).unwrap_or(u32::MAX);
        self.limits.backoff.saturating_mul(factor).min(BACKOFF_MAX)
    }

    /// Waits, unless the job's time would run out: then `otherwise` is why there is no answer.
    fn pause(&self, wait: Duration, otherwise: QueryError) -> Result<(), QueryError> {
        if Instant::now() + wait > self.deadline {
            return Err(otherwise);
        }
        match self.queue.pause(wait) {
            true => Ok(()),
            false => Err(QueryError::Stopping),
        }
    }
}

/// What a failure calls for; `None` when nothing helps.
fn class_of(error: &QueryError) -> Option<(&'static str, FailureClass)> {
    match error {
        QueryError::Http { path, failure, .. } if failure.may_pass() => {
            Some((path, FailureClass::Unavailable))
        }
        QueryError::Venue { path, error } => Some((path, error.class())),
        _ => None,
    }
}
