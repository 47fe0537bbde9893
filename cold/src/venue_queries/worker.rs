//! The thread that takes questions from the queue and answers them one by one.
//!
//! Invariant: every question that was taken ends with its own end fact, complete or not, unless the
//! worker is stopped. Must not know: how a list is read. Threads: this is one.

use model::recon_fact::{LookupEnded, SweepEnded};
use model::{ReconFact, VenueId};
use protocol::venue::okx::instrument_table::InstrumentTable;

use super::QueryJob;
use super::asker::Asker;
use super::job_queue::NextJob;
use super::lookup::{Lookup, look_up};
use super::query_error::QueryError;
use super::query_note::NoteKind;
use super::sweep::{Sweep, sweep};

/// Works for one venue.
pub(super) struct Worker {
    venue: VenueId,
    table: InstrumentTable,
    asker: Asker,
}

impl Worker {
    pub(super) fn new(venue: VenueId, table: InstrumentTable, asker: Asker) -> Self {
        Self {
            venue,
            table,
            asker,
        }
    }

    /// Runs until it is stopped or nobody reads its outcomes.
    pub(super) fn run(mut self) {
        while !self.asker.sink().is_closed() {
            let next = self.asker.queue().next(self.asker.offset_due());
            if let Some(refused) = self.asker.queue().take_refused() {
                self.asker.sink().note(NoteKind::LookupRefused {
                    client_order_id: refused.client_order_id,
                    waiting: refused.waiting,
                });
            }
            match next {
                NextJob::Stop => return,
                NextJob::Nothing => self.asker.refresh_offset_if_due(),
                NextJob::Job(job) => self.answer(job),
            }
        }
    }

    fn answer(&mut self, job: QueryJob) {
        self.asker.begin_job();
        match job {
            QueryJob::Lookup {
                client_order_id,
                venue_order_id,
                instrument,
                ask_no,
                asked_at_seq,
            } => {
                let lookup = Lookup {
                    client_order_id,
                    venue_order_id,
                    instrument,
                    asked_at_seq,
                };
                self.answer_lookup(&lookup, ask_no);
            }
            QueryJob::Sweep {
                sweep_no,
                asked_at_seq,
                fills_since,
            } => self.answer_sweep(&Sweep {
                sweep_no,
                asked_at_seq,
                fills_since,
            }),
        }
    }

    fn answer_lookup(&mut self, lookup: &Lookup, ask_no: u16) {
        let mut facts = Vec::new();
        let result = look_up(&mut self.asker, &self.table, lookup, &mut facts);
        let client_order_id = lookup.client_order_id;
        facts.push(ReconFact::LookupEnded(LookupEnded {
            asked_at_seq: lookup.asked_at_seq,
            client_order_id,
            ask_no,
            complete: result.is_ok(),
        }));
        if let Err(error) = result
            && is_news(&error)
        {
            self.asker.sink().note(NoteKind::LookupIncomplete {
                client_order_id,
                error,
            });
        }
        self.asker.sink().facts(facts);
    }

    fn answer_sweep(&mut self, asked: &Sweep) {
        let result = sweep(&mut self.asker, self.venue, &self.table, asked);
        let complete = result.is_ok();
        let sweep_no = asked.sweep_no;
        if let Err(error) = result
            && is_news(&error)
        {
            let note = NoteKind::SweepIncomplete { sweep_no, error };
            self.asker.sink().note(note);
        }
        self.asker.sink().facts([ReconFact::SweepEnded(SweepEnded {
            asked_at_seq: asked.asked_at_seq,
            venue: self.venue,
            sweep_no,
            complete,
        })]);
    }
}

/// What was not said already when it began.
fn is_news(error: &QueryError) -> bool {
    !matches!(error, QueryError::CoolingDown { .. } | QueryError::Stopping)
}
