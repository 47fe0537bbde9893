//! The engine's journal port over the mapped journal: an entry is encoded where it will lie.

use engine::ports::{CommittedEntry, IntentJournal, JournalClosed, JournalRoom};
use journal::{AppendError, BodyCursor, Mode, Writer};
use model::canonical_bytes::ByteSink;
use model::input::{EntryKind, Input};
use model::journal_record::put_entry;
use model::sent_record::SentRecord;
use model::time::NS_PER_MS;
use model::{Decision, MonotonicNs};

/// The most bytes that one decision or report takes; checked by a test.
const ITEM_BYTES_MAX: usize = 384;
/// The most bytes of an input that holds neither a frame nor a configuration.
const INPUT_BYTES_MAX: usize = 512;
/// What an open order may still need: one cancel and eight entries without raw bytes.
const RESERVE_PER_ORDER_BYTES: u64 = 9 * 768;
/// What the engine itself may still need.
const RESERVE_BYTES: u64 = 128 * 1024;

/// An entry waits no longer than this before its page is given to the keeper to sync.
const SYNC_WINDOW_NS: u64 = NS_PER_MS;

/// Proof of an append.
#[derive(Debug)]
pub struct Committed(journal::Committed);

impl CommittedEntry for Committed {
    fn sequence(&self) -> u64 {
        self.0.sequence()
    }
}

/// The journal's writing end, on the hot thread.
#[derive(Debug)]
pub struct JournalPort {
    writer: Writer,
    mode: Mode,
    unsynced_since: Option<MonotonicNs>,
    closed: Option<AppendError>,
}

impl JournalPort {
    /// Takes the writer over.
    pub fn new(writer: Writer, mode: Mode) -> Self {
        Self {
            writer,
            mode,
            unsynced_since: None,
            closed: None,
        }
    }

    /// Once a turn: when an entry has waited for the sync window, or a command waits for an entry
    /// up to `newest_parked`, ends the page and so lets the keeper sync it: a lone entry becomes
    /// durable too.
    ///
    /// # Errors
    /// [`JournalClosed`] after a failed sync, which is final, or without room.
    pub fn end_turn(&mut self, now: MonotonicNs, newest_parked: u64) -> Result<(), JournalClosed> {
        if !self.mode.syncs() {
            return Ok(());
        }
        if self.writer.progress().sync_failure().is_some() {
            return Err(JournalClosed);
        }
        if !self.writer.has_entries_above_limit() {
            self.unsynced_since = None;
            return Ok(());
        }
        let since = *self.unsynced_since.get_or_insert(now);
        let is_waited_for = newest_parked > self.writer.progress().limit_sequence();
        if now.since_ns(since) < SYNC_WINDOW_NS && !is_waited_for {
            return Ok(());
        }
        self.unsynced_since = None;
        match self.writer.pad_to_page(now.0) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.close(error)),
        }
    }

    /// When [`Self::end_turn`] has something to do.
    pub fn next_timeout(&self) -> MonotonicNs {
        self.unsynced_since
            .map_or(MonotonicNs::NEVER, |since| since.after_ns(SYNC_WINDOW_NS))
    }

    /// Why the journal takes no more entries, once it does not.
    pub fn closed(&self) -> Option<AppendError> {
        self.closed
    }

    /// Ends the journal: after a failed append nothing is ever tried again.
    fn close(&mut self, error: AppendError) -> JournalClosed {
        self.closed = Some(error);
        JournalClosed
    }

    fn entry(
        &mut self,
        kind: EntryKind,
        now: MonotonicNs,
        body_bytes_max: usize,
        fill: impl FnOnce(&mut Body<'_>),
    ) -> Result<Committed, JournalClosed> {
        if self.closed.is_some() {
            return Err(JournalClosed);
        }
        let error = match self
            .writer
            .begin(u16::from(kind.number()), now.0, body_bytes_max)
        {
            Ok(mut builder) => {
                fill(&mut Body(builder.cursor()));
                return Ok(Committed(builder.commit()));
            }
            Err(error) => error,
        };
        Err(self.close(error))
    }
}

impl IntentJournal for JournalPort {
    type Committed = Committed;

    fn next_sequence(&self) -> u64 {
        self.writer.next_sequence()
    }

    fn sendable_to(&self) -> u64 {
        match self.mode {
            Mode::Process | Mode::Group => u64::MAX,
            Mode::Strict => self.writer.progress().synced_sequence(),
        }
    }

    fn room(&mut self, _now: MonotonicNs, open_orders: u32) -> JournalRoom {
        let reserve = RESERVE_PER_ORDER_BYTES
            .saturating_mul(u64::from(open_orders).saturating_add(1))
            .saturating_add(RESERVE_BYTES);
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
        let input_bytes = match input {
            Input::VenueFrame { raw, reports, .. } => raw
                .len()
                .saturating_add(reports.len().saturating_mul(ITEM_BYTES_MAX)),
            Input::ConfigApplied(config) => {
                let lists = config
                    .venues
                    .len()
                    .saturating_mul(8)
                    .saturating_add(config.instruments.len())
                    .saturating_add(config.strategies.len());
                lists.saturating_mul(ITEM_BYTES_MAX)
            }
            _ => 0,
        };
        let body_bytes_max = decisions
            .len()
            .saturating_mul(ITEM_BYTES_MAX)
            .saturating_add(input_bytes)
            .saturating_add(INPUT_BYTES_MAX);
        self.entry(input.kind(), now, body_bytes_max, |body| {
            put_entry(input, decisions, body)
        })
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
