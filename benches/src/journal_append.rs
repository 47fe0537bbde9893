//! The stage `journal_append`: one order's entry through the mapped writer, mode `process`.
//!
//! The entry is what the engine really journals for a new limit order: the request and the
//! decisions on it. `journal_entry` times the port's append, which also makes those bytes;
//! `journal_append` times begin, put and commit of bytes that are ready, and its mean comes from
//! batches, free of the counter's own 10 ns.

use anyhow::{Result, anyhow, bail};
use engine::ports::IntentJournal;
use engine::{Decisions, Engine, Moment};
use journal::Mode;
use model::input::{Admission, EntryKind, Input, RequestInput};
use model::journal_record::put_entry;
use model::{Decision, MonotonicNs, Request, RequestId, StrategyId};
use std::path::Path;

use crate::journal_port::JournalPort;
use crate::samples::{Counter, Samples, median};
use crate::scene;

/// Size of this journal's segments: the default of a configuration.
const SEGMENT_BYTES: u32 = 64 << 20;
/// Appends of one batch.
const BATCH: usize = 256;

/// One order's entry, decided by the real engine.
pub(crate) struct OrderEntry {
    /// The request.
    pub(crate) input: Input<'static>,
    /// What the engine decided on it.
    pub(crate) decisions: Vec<Decision>,
    /// What stands in the journal.
    pub(crate) bytes: Vec<u8>,
}

impl OrderEntry {
    /// Lets an engine decide on a new order.
    ///
    /// # Errors
    /// When it was refused.
    pub(crate) fn decide() -> Result<Self> {
        let mut engine = Engine::new(&scene::config(1 << 10)?);
        let mut decisions = Decisions::with_capacity(64);
        let mut sequence = 0;
        let mut moment = || {
            sequence += 1;
            Moment {
                sequence,
                now: scene::BEGIN,
            }
        };
        for input in scene::opening(1)? {
            engine.handle(moment(), &input, &mut decisions);
        }
        let input = Input::Request(RequestInput {
            strategy: StrategyId(0),
            request_id: RequestId(1),
            written_at: scene::BEGIN,
            admission: Admission::Granted,
            request: Request::New(scene::order()),
        });
        engine.handle(moment(), &input, &mut decisions);
        let decisions = decisions.as_slice().to_vec();
        if !decisions
            .iter()
            .any(|one| matches!(one, Decision::Order(_)))
        {
            bail!("the order was refused: {decisions:?}");
        }
        let mut bytes = Vec::new();
        put_entry(&input, &decisions, &mut bytes);
        Ok(Self {
            input,
            decisions,
            bytes,
        })
    }
}

/// The journal that is appended to.
pub(crate) struct AppendStage {
    port: JournalPort,
    entry: OrderEntry,
    /// Whether pages are ended for the keeper to sync while others are written.
    syncs: bool,
}

/// What a round of it leaves.
pub(crate) struct AppendSamples {
    /// One append of ready bytes.
    pub(crate) append: Samples,
    /// One append through the port.
    pub(crate) entry: Samples,
    /// Nanoseconds per append of ready bytes: the median of the batches.
    pub(crate) batch_mean_ns: f64,
}

impl AppendSamples {
    pub(crate) fn with_capacity(appends: usize) -> Self {
        Self {
            append: Samples::with_capacity(appends),
            entry: Samples::with_capacity(appends),
            batch_mean_ns: 0.0,
        }
    }
}

impl AppendStage {
    /// Opens a journal below `directory`.
    ///
    /// # Errors
    /// What the journal refuses.
    pub(crate) fn open(directory: &Path, mode: Mode) -> Result<Self> {
        let directory = directory.join(format!("append_{mode:?}"));
        Ok(Self {
            port: JournalPort::open_in(&directory, SEGMENT_BYTES, mode)?,
            entry: OrderEntry::decide()?,
            syncs: mode != Mode::Process,
        })
    }

    /// Bytes of the entry's body.
    pub(crate) fn body_bytes(&self) -> usize {
        self.entry.bytes.len()
    }

    /// One round: so many appends each way, in batches between which the keeper may catch up.
    ///
    /// # Errors
    /// When the journal takes no more.
    pub(crate) fn round(
        &mut self,
        counter: &Counter,
        appends: usize,
        samples: &mut AppendSamples,
    ) -> Result<()> {
        samples.append.clear();
        samples.entry.clear();
        let mut batch_ns = Vec::with_capacity(appends / BATCH + 1);
        let mut left = appends;
        // The first batch warms up and is not recorded.
        let mut is_warm = false;
        while left > 0 {
            let batch = left.min(BATCH);
            if self.syncs {
                self.port.writer.pad_to_page(1)?;
            }
            self.port.wait_for_room(BATCH as u32)?;
            for _ in 0..batch {
                let begun = counter.raw();
                self.append()?;
                let ended = counter.raw();
                if is_warm {
                    samples.append.record(begun, ended);
                }
            }
            for _ in 0..batch {
                self.append_entry()?;
                if is_warm {
                    samples
                        .entry
                        .record(self.port.begun_at, self.port.committed_at);
                }
            }
            let begun = counter.raw();
            for _ in 0..BATCH {
                self.append()?;
            }
            let ns = counter.ns(begun, counter.raw()) as f64;
            if is_warm {
                batch_ns.push(ns / BATCH as f64);
                left -= batch;
            }
            is_warm = true;
        }
        samples.batch_mean_ns = median(batch_ns).unwrap_or(0.0);
        Ok(())
    }

    /// One append through the port, which makes the bytes too.
    ///
    /// # Errors
    /// When the journal takes no more.
    pub(crate) fn append_entry(&mut self) -> Result<()> {
        let (input, decisions) = (&self.entry.input, &self.entry.decisions);
        let appended = self.port.append(MonotonicNs(1), input, decisions);
        appended.map_err(|_| anyhow!("the journal closed"))?;
        Ok(())
    }

    /// One append of bytes that lie ready.
    ///
    /// # Errors
    /// When the journal takes no more.
    #[inline]
    pub(crate) fn append(&mut self) -> Result<()> {
        let body = self.entry.bytes.as_slice();
        let kind = u16::from(EntryKind::Request.number());
        let mut entry = self.port.writer.begin(kind, 1, body.len())?;
        entry.put(body);
        std::hint::black_box(entry.commit());
        Ok(())
    }
}
