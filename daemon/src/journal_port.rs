//! The engine's journal port over the mapped journal: an entry is encoded where it will lie.

use crate::journal_gauge::{JournalGauge, JournalLevel, cause_of};
use engine::ports::{CommittedEntry, IntentJournal, JournalClosed, JournalRoom};
use journal::{AppendError, BodyCursor, Mode, Writer};
use model::canonical_bytes::ByteSink;
use model::input::{EntryKind, Input};
use model::journal_record::{FLAG_RAW_IS_DIGEST, frame_digest, put_entry};
use model::sent_record::SentRecord;
use model::time::NS_PER_MS;
use model::{Decision, MonotonicNs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most bytes that one decision or report takes; checked by a test.
const ITEM_BYTES_MAX: usize = 384;
/// The most bytes of an input that holds neither a frame nor a configuration.
const INPUT_BYTES_MAX: usize = 512;
/// What the cancel of an open order takes: its share of an entry, and of the `Sent` entry behind.
pub const CANCEL_BYTES: u64 = 512;
/// What one report about an order takes without the frame's bytes: the report and what it decides.
pub const REPORT_BYTES: u64 = 768;
/// Reports that are still expected of an open order.
const REPORTS_PER_ORDER: u64 = 8;
/// What the engine itself may still need, and what one turn may take before it is looked at again.
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

/// A start without room for a run.
#[derive(Debug, thiserror::Error)]
#[error(
    "JOURNAL_FULL: the journal has room for {remaining_bytes} bytes, a run needs {enough} to begin \
     with, and its next segment cannot be made ({cause}): free space on its disk, or raise the \
     limit, and start again; open orders stay at the venue until then"
)]
pub struct NoRoom {
    remaining_bytes: u64,
    enough: u64,
    cause: String,
}

/// What the journal promises, and from when on it is too late.
#[derive(Debug, Clone, Copy)]
pub struct JournalRules {
    /// What survives what.
    pub mode: Mode,
    /// New orders are refused while the oldest entry that is not on the disk is older than this.
    pub loss_window_max_ns: u64,
}

/// The journal's writing end, on the hot thread.
#[derive(Debug)]
pub struct JournalPort {
    writer: Writer,
    rules: JournalRules,
    gauge: Arc<JournalGauge>,
    level: JournalLevel,
    unsynced_since: Option<MonotonicNs>,
    closed: Option<AppendError>,
}

impl JournalPort {
    /// Takes the writer over. What its room allows is told through `gauge`.
    pub fn new(writer: Writer, rules: JournalRules, gauge: Arc<JournalGauge>) -> Self {
        Self {
            writer,
            rules,
            gauge,
            level: JournalLevel::Ample,
            unsynced_since: None,
            closed: None,
        }
    }

    /// Once a turn: when an entry has waited for the sync window, or a command waits for an entry
    /// up to `newest_parked`, ends the page and so lets the keeper sync it: a lone entry becomes
    /// durable too. Not when room is low, since a page's end costs a page: then it waits for the
    /// entries that fill it. After a failed sync there is nothing to sync for.
    ///
    /// # Errors
    /// [`JournalClosed`] without room.
    pub fn end_turn(&mut self, now: MonotonicNs, newest_parked: u64) -> Result<(), JournalClosed> {
        if !self.rules.mode.syncs() || self.sync_failure().is_some() {
            self.unsynced_since = None;
            return Ok(());
        }
        if !self.writer.has_entries_above_limit() {
            self.unsynced_since = None;
            return Ok(());
        }
        let since = *self.unsynced_since.get_or_insert(now);
        let is_waited_for = newest_parked > self.writer.progress().limit_sequence();
        let is_due = now.since_ns(since) >= SYNC_WINDOW_NS && self.level == JournalLevel::Ample;
        if !is_due && !is_waited_for {
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
        match (self.unsynced_since, self.level) {
            (Some(since), JournalLevel::Ample) => since.after_ns(SYNC_WINDOW_NS),
            _ => MonotonicNs::NEVER,
        }
    }

    /// Looks at the room anew: what it allows with so many open orders.
    pub fn look_at_room(&mut self, open_orders: u32) -> JournalLevel {
        let remaining_bytes = self.writer.remaining_bytes();
        let orders = u64::from(open_orders).saturating_add(1);
        let cancels_bytes = orders.saturating_mul(CANCEL_BYTES) + RESERVE_BYTES;
        let reports_bytes = orders.saturating_mul(REPORTS_PER_ORDER * REPORT_BYTES);
        let reserve_bytes = cancels_bytes
            .saturating_add(reports_bytes)
            .saturating_add(RESERVE_BYTES);
        // Once low, it takes a little more to be ample again: no flutter at the border.
        let reserve_bytes = match self.level {
            JournalLevel::Ample => reserve_bytes,
            JournalLevel::Low | JournalLevel::CancelsOnly => {
                reserve_bytes.saturating_add(RESERVE_BYTES / 2)
            }
        };
        self.level = if remaining_bytes >= reserve_bytes {
            JournalLevel::Ample
        } else if remaining_bytes >= cancels_bytes || self.is_next_on_its_way() {
            JournalLevel::Low
        } else {
            JournalLevel::CancelsOnly
        };
        self.gauge.set(self.level, remaining_bytes);
        self.level
    }

    /// Waits, before a run begins, until the keeper has made the next segment if this one is nearly
    /// full.
    ///
    /// # Errors
    /// [`NoRoom`] when no segment can be made and there is too little room to begin with.
    pub fn wait_for_room(&mut self, open_orders: u32, within: Duration) -> Result<(), NoRoom> {
        let began = Instant::now();
        loop {
            let level = self.look_at_room(open_orders);
            let progress = self.writer.progress();
            let cause = progress.prepare_failure();
            if level == JournalLevel::Ample {
                return Ok(());
            }
            if cause.is_some() || began.elapsed() >= within {
                // Less room is enough to go on with what is open, not to begin.
                let enough = 2 * RESERVE_BYTES + u64::from(open_orders) * CANCEL_BYTES;
                let remaining_bytes = self.gauge.remaining_bytes();
                return if remaining_bytes >= enough {
                    Ok(())
                } else {
                    Err(NoRoom {
                        remaining_bytes,
                        enough,
                        cause: cause_of(cause.unwrap_or(0)),
                    })
                };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Error number of the sync that failed, if one did: for ever.
    pub fn sync_failure(&self) -> Option<i32> {
        self.writer.progress().sync_failure()
    }

    /// True while the keeper may still bring the next segment: then there is no need to end.
    fn is_next_on_its_way(&self) -> bool {
        self.writer.progress().prepare_failure().is_none()
    }

    /// True while what is not on the disk is older than it may be.
    fn is_late(&self, now: MonotonicNs) -> bool {
        let oldest_ns = self.writer.progress().oldest_unsynced_ns();
        oldest_ns.is_some_and(|oldest_ns| {
            now.since_ns(MonotonicNs(oldest_ns)) > self.rules.loss_window_max_ns
        })
    }

    /// Closes the journal for good: no further entry is tried.
    fn close(&mut self, error: AppendError) -> JournalClosed {
        self.closed.get_or_insert(error);
        JournalClosed
    }

    fn entry(
        &mut self,
        kind: EntryKind,
        now: MonotonicNs,
        body_bytes_max: usize,
        flags: u16,
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
                builder.set_flags(flags);
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
        match self.rules.mode {
            Mode::Process | Mode::Group => u64::MAX,
            Mode::Strict => self.writer.progress().synced_sequence(),
        }
    }

    fn room(&mut self, now: MonotonicNs, open_orders: u32) -> JournalRoom {
        if self.sync_failure().is_some() {
            return JournalRoom::Failed;
        }
        match self.look_at_room(open_orders) {
            JournalLevel::Ample if self.is_late(now) => JournalRoom::Late,
            JournalLevel::Ample => JournalRoom::Ample,
            JournalLevel::Low | JournalLevel::CancelsOnly => JournalRoom::Low,
        }
    }

    fn append(
        &mut self,
        now: MonotonicNs,
        input: &Input<'_>,
        decisions: &[Decision],
    ) -> Result<Self::Committed, JournalClosed> {
        if let Input::VenueFrame {
            venue,
            link,
            raw,
            reports,
        } = *input
            && self.level != JournalLevel::Ample
        {
            let digest = frame_digest(raw);
            let short = Input::VenueFrame {
                venue,
                link,
                raw: &digest,
                reports,
            };
            let body_bytes_max = body_bytes_max(&short, decisions);
            return self.entry(
                input.kind(),
                now,
                body_bytes_max,
                FLAG_RAW_IS_DIGEST,
                |body| put_entry(&short, decisions, body),
            );
        }
        let body_bytes_max = body_bytes_max(input, decisions);
        self.entry(input.kind(), now, body_bytes_max, 0, |body| {
            put_entry(input, decisions, body)
        })
    }

    fn append_sent(&mut self, now: MonotonicNs, record: &SentRecord) -> Result<(), JournalClosed> {
        let body_bytes_max = record.bytes_max();
        self.entry(EntryKind::Sent, now, body_bytes_max, 0, |body| {
            record.put(body)
        })?;
        Ok(())
    }
}

/// The most bytes that an entry's body can take.
fn body_bytes_max(input: &Input<'_>, decisions: &[Decision]) -> usize {
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
    decisions
        .len()
        .saturating_mul(ITEM_BYTES_MAX)
        .saturating_add(input_bytes)
        .saturating_add(INPUT_BYTES_MAX)
}

/// A body that is written in place, as a sink of canonical bytes.
struct Body<'b>(BodyCursor<'b>);

impl ByteSink for Body<'_> {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.0.put(bytes);
    }
}
