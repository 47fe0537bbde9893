//! The engine's journal port over the real mapped journal, thin.
//!
//! Writes what the daemon's port writes and keeps the same reserves; a crate of measurements must
//! not depend on the daemon.

use anyhow::{Result, bail};
use engine::ports::{CommittedEntry, IntentJournal, JournalClosed, JournalRoom};
use journal::{BodyCursor, Journal, JournalOptions, Mode, Writer};
use model::canonical_bytes::ByteSink;
use model::input::{EntryKind, Input};
use model::journal_record::put_entry;
use model::sent_record::SentRecord;
use model::{Decision, MonotonicNs};
use std::any::Any;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::samples::Counter;

/// The most bytes that one decision or report takes.
const ITEM_BYTES_MAX: usize = 384;
/// The most bytes of an input without a frame.
const INPUT_BYTES_MAX: usize = 512;
/// What an open order may still need.
const RESERVE_PER_ORDER_BYTES: u64 = 9 * 768;
/// What the engine itself may still need.
const RESERVE_BYTES: u64 = 128 * 1024;
/// A keeper that has made no room after this long never will.
const ROOM_WITHIN: Duration = Duration::from_secs(60);
/// Minutes from 2025 to some day of this project: the epoch's lower bound is no matter here.
const MINUTES_SINCE_2025: u64 = 900_000;

/// Proof of an append.
#[derive(Debug)]
pub(crate) struct Committed(journal::Committed);

impl CommittedEntry for Committed {
    fn sequence(&self) -> u64 {
        self.0.sequence()
    }
}

/// The journal's writing end.
#[derive(Debug)]
pub(crate) struct JournalPort {
    /// The writer itself.
    pub(crate) writer: Writer,
    /// Epoch of this run.
    pub(crate) boot_epoch: u32,
    /// Whether new orders are refused when open ones might not find room any more.
    pub(crate) reserves_for_orders: bool,
    /// When the last append of an input began, in counts of the counter.
    pub(crate) begun_at: u64,
    /// When it was committed.
    pub(crate) committed_at: u64,
    counter: Counter,
    /// Keeper and lock, which must outlive the writer: fields drop in this order.
    _kept: Box<dyn Any>,
}

impl JournalPort {
    /// Opens a new journal in mode `process`. Its keeper runs where the caller is pinned.
    ///
    /// # Errors
    /// What the journal refuses: a folder that is in use, a full disk.
    pub(crate) fn open(directory: &Path, segment_bytes: u32) -> Result<Self> {
        Self::open_in(directory, segment_bytes, Mode::Process)
    }

    /// The same in another mode.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_in(directory: &Path, segment_bytes: u32, mode: Mode) -> Result<Self> {
        let mut options = JournalOptions::new(directory.to_owned(), 9, MINUTES_SINCE_2025);
        options.mode = mode;
        options.segment_bytes = segment_bytes;
        options.allow_tmpfs = true;
        let journal = Journal::open(&options)?;
        Ok(Self {
            writer: journal.writer,
            boot_epoch: journal.boot_epoch,
            reserves_for_orders: true,
            begun_at: 0,
            committed_at: 0,
            counter: Counter::new(),
            _kept: Box::new((journal.keeper, journal.lock)),
        })
    }

    /// Waits, outside of any measurement, until the keeper has made room for so many orders.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub(crate) fn wait_for_room(&mut self, open_orders: u32) -> Result<()> {
        if self.room(MonotonicNs(0), open_orders) == JournalRoom::Ample {
            return Ok(());
        }
        let begun = Instant::now();
        while self.room(MonotonicNs(0), open_orders) == JournalRoom::Low {
            if begun.elapsed() > ROOM_WITHIN {
                bail!("the journal has no room for {open_orders} open orders");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        kind: EntryKind,
        now: MonotonicNs,
        body_bytes_max: usize,
        fill: impl FnOnce(&mut Body<'_>),
    ) -> Result<Committed, JournalClosed> {
        let kind = u16::from(kind.number());
        match self.writer.begin(kind, now.0, body_bytes_max) {
            Ok(mut builder) => {
                fill(&mut Body(builder.cursor()));
                Ok(Committed(builder.commit()))
            }
            Err(_) => Err(JournalClosed),
        }
    }
}

impl IntentJournal for JournalPort {
    type Committed = Committed;

    fn next_sequence(&self) -> u64 {
        self.writer.next_sequence()
    }

    fn sendable_to(&self) -> u64 {
        u64::MAX
    }

    fn room(&mut self, _now: MonotonicNs, open_orders: u32) -> JournalRoom {
        let orders = if self.reserves_for_orders {
            open_orders
        } else {
            0
        };
        let reserve = RESERVE_PER_ORDER_BYTES * (u64::from(orders) + 1) + RESERVE_BYTES;
        if self.writer.remaining_bytes() >= reserve {
            JournalRoom::Ample
        } else {
            JournalRoom::Low
        }
    }

    fn append(
        &mut self,
        now: MonotonicNs,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<Self::Committed, JournalClosed> {
        self.begun_at = self.counter.raw();
        let input_bytes = match input {
            Input::VenueFrame { raw, reports, .. } => raw.len() + reports.len() * ITEM_BYTES_MAX,
            _ => 0,
        };
        let body_bytes_max = decisions.len() * ITEM_BYTES_MAX + input_bytes + INPUT_BYTES_MAX;
        let committed = self.entry(input.kind(), now, body_bytes_max, |body| {
            put_entry(input, decisions, body);
        });
        self.committed_at = self.counter.raw();
        committed
    }

    fn append_sent(&mut self, now: MonotonicNs, record: &SentRecord) -> Result<(), JournalClosed> {
        let body_bytes_max = record.bytes_max();
        self.entry(EntryKind::Sent, now, body_bytes_max, |body| {
            record.put(body)
        })?;
        Ok(())
    }
}

/// A body that is written in place, as a sink of canonical bytes.
struct Body<'b>(BodyCursor<'b>);

impl ByteSink for Body<'_> {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.0.put(bytes);
    }
}
