//! A small day of trading, as the engine would journal it: place, ack, partial fill, cancel.
//!
//! Two strategies (`grid`, `hedge`), two instruments with different scales. The entries' sequences
//! are fixed, so the tests name them.

mod configuration; // what the engine runs with
mod records; // what its entries hold

use std::path::{Path, PathBuf};

use journal::{AppendError, Journal, JournalOptions, Mode, Writer};
use model::decision::{RequestRefused, VenueState};
use model::execution_report::*;
use model::input::*;
use model::journal_record::put_entry;
use model::order_request::OrderReference;
use model::sent_record::{FrameStamp, SentRecord, SentStamp};
use model::*;

pub(crate) use self::configuration::config;
pub(crate) use self::records::{ask, frame, new_order, order_id};
use self::records::{change, started, update};

pub(crate) const EPOCH: u32 = 497_520;
/// 2026-01-01T00:00:00Z at the monotonic moment 1,000 ns.
pub(crate) const ANCHOR: UtcAnchor = UtcAnchor {
    monotonic: MonotonicNs(1_000),
    unix: UnixNs(1_767_225_600_000_000_000),
    error_ns: 250_000,
};
/// Holds a control sequence, a bell and a backslash, as no venue should send.
pub(crate) const HOSTILE_FRAME: &[u8] =
    b"{\"state\":\"partially_filled\",\"msg\":\"\x1b[2J\x07\\ \xc2\x9b\"}";

/// A journal in a directory that cleans up after itself.
pub(crate) struct Stage {
    _temporary: tempfile::TempDir,
    pub(crate) directory: PathBuf,
    pub(crate) journal: Option<Journal>,
    pub(crate) now_ns: u64,
}

impl Stage {
    /// An empty journal, open for writing.
    pub(crate) fn empty() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("journal");
        let journal = Some(Journal::open(&options(&directory)).unwrap());
        Self {
            _temporary: temporary,
            directory,
            journal,
            now_ns: 500,
        }
    }

    /// The whole story, closed.
    pub(crate) fn told() -> Self {
        let mut stage = Self::empty();
        stage.tell_beginning();
        stage.tell_order();
        stage.close();
        stage
    }

    pub(crate) fn close(&mut self) {
        self.journal = None;
    }

    pub(crate) fn writer(&mut self) -> &mut Writer {
        &mut self.journal.as_mut().unwrap().writer
    }

    /// One entry, a microsecond after the one before.
    pub(crate) fn append(&mut self, input: &Input<'_>, decisions: &[Decision]) -> u64 {
        let mut body = Vec::new();
        put_entry(input, decisions, &mut body);
        self.append_bytes(u16::from(input.kind().number()), &body)
    }

    pub(crate) fn append_bytes(&mut self, kind: u16, body: &[u8]) -> u64 {
        let now_ns = self.now_ns;
        self.now_ns += 1_000;
        loop {
            // The keeper makes the next segment; a full one is tried again.
            match self.writer().begin(kind, now_ns, body.len()) {
                Ok(mut entry) => {
                    entry.put(body);
                    return entry.commit().sequence();
                }
                Err(AppendError::NoSpareSegment) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Frames of a kilobyte each: about 60 fill a segment.
    pub(crate) fn append_large_frames(&mut self, count: u64) {
        for _ in 0..count {
            self.append(&frame(&[b'x'; 1_000], &[]), &[]);
        }
    }

    fn append_sent(&mut self, intent_seq: u64, entry_sequence: u64, written_at: u64) {
        let now = self.now_ns;
        let before = |ns: u64| MonotonicNs(now.saturating_sub(ns));
        let stamp = SentStamp {
            intent_seq,
            entry_sequence,
            payload_hash: 0xfeed_0000_0000_0000 | intent_seq,
            taken_at: before(90),
            decided_at: before(40),
            committed_at: MonotonicNs(now),
            released_at: MonotonicNs(0),
            encoded_at: MonotonicNs(now + 50),
            flushed_at: MonotonicNs(now + 60),
            sealed_at: MonotonicNs(now + 340),
            written_at: MonotonicNs(if written_at == 0 {
                0
            } else {
                now + 340 + written_at
            }),
        };
        let frame = FrameStamp {
            entry_sequence,
            received_at: before(2_000),
            opened_at: before(1_400),
            begun_at: before(1_390),
            decoded_at: before(90),
            decided_at: before(40),
            committed_at: MonotonicNs(now),
            published_at: MonotonicNs(if written_at == 0 { 0 } else { now + 70 }),
        };
        let record = SentRecord {
            intents: vec![stamp],
            frames: vec![frame],
        };
        let mut body = Vec::new();
        record.put(&mut body);
        self.append_bytes(u16::from(EntryKind::Sent.number()), &body);
    }

    /// Entries 1 to 4: configuration, run, strategy, connection.
    pub(crate) fn tell_beginning(&mut self) {
        self.append(&Input::ConfigApplied(&config()), &[]);
        let started = RecoveryStarted {
            epoch: BootEpoch::new(EPOCH).unwrap(),
            engine_version: 1,
            anchor: ANCHOR,
        };
        self.append(&Input::RecoveryStarted(started), &[]);
        let (strategy, generation) = (StrategyId(0), 1);
        let attached = Decision::Strategy {
            strategy,
            generation,
            attached: true,
            next_event_seq: 1,
        };
        self.append(
            &Input::StrategyAttached {
                strategy,
                generation,
            },
            &[attached],
        );
        let up = LinkChanged {
            venue: VenueId(0),
            link: LinkId(3),
            state: LinkState::Up,
            reason: LinkReason::Ready,
        };
        let live = Decision::Venue {
            venue: VenueId(0),
            state: VenueState::Live,
        };
        self.append(&Input::LinkChanged(up), &[live]);
    }

    /// Entries 5 to 13: an order's life, a refusal, a timer.
    pub(crate) fn tell_order(&mut self) {
        let placed = ask(0, 1, Request::New(new_order()));
        let created = ChangeBody::Created {
            order: new_order(),
            created_at: UnixNs(1_767_225_600_000_003_500),
        };
        let decisions = [
            change(1, 1, OrderStatus::Validated, 0, created),
            change(
                2,
                1,
                OrderStatus::Submitted,
                0,
                started(1, CommandKind::New),
            ),
        ];
        self.append(&placed, &decisions);
        self.append_sent(1, 5, 2_100);
        self.tell_answers();
        let cancel = Request::Cancel {
            order: OrderReference::RequestId(RequestId(1)),
        };
        let decisions = [change(
            5,
            2,
            OrderStatus::PartiallyFilled,
            2_500,
            started(2, CommandKind::Cancel),
        )];
        self.append(&ask(0, 2, cancel), &decisions);
        self.append_sent(2, 9, 0);
        let ended = ChangeBody::Ended {
            end_code: 1,
            venue_time: UnixNs(1_767_225_600_010_000_000),
        };
        let decisions = [change(6, 2, OrderStatus::Cancelled, 2_500, ended)];
        let reports = [VenueReport::Order(update(VenueOrderState::Cancelled, None))];
        self.append(&frame(b"{\"state\":\"canceled\"}", &reports), &decisions);
        self.tell_refusal();
        self.append(&Input::Timer, &[]);
    }

    /// A replace that was taken, and one that was not.
    pub(crate) fn tell_replace(&mut self) {
        let replace = Request::Replace {
            order: OrderReference::ClientOrderId(order_id()),
            order_quantity: Quantity::from_units(5_000),
            limit_price: Price::from_units(6_400_010),
        };
        let body = started(1, CommandKind::Replace);
        let decisions = [change(1, 3, OrderStatus::Acknowledged, 0, body)];
        self.append(&ask(0, 3, replace), &decisions);
        self.append(&ask(0, 4, replace), &[]);
    }

    fn tell_answers(&mut self) {
        let venue_time = UnixNs(1_767_225_600_001_000_000);
        let venue_order_id = Text::new(b"2510789768709120").unwrap();
        let reply = VenueReport::Reply(CommandReply {
            client_order_id: order_id(),
            command: CommandKind::New,
            command_seq: 1,
            outcome: ReplyOutcome::Accepted,
            venue_order_id,
            venue_code: 0,
            message: Text::EMPTY,
            venue_time,
        });
        let acknowledged = ChangeBody::Acknowledged {
            venue_order_id,
            venue_time,
        };
        let decisions = [change(3, 1, OrderStatus::Acknowledged, 0, acknowledged)];
        self.append(
            &frame(b"{\"op\":\"order\",\"code\":\"0\"}", &[reply]),
            &decisions,
        );
        let fill = Fill {
            trade_id: Text::new(b"778").unwrap(),
            last_quantity: Quantity::from_units(2_500),
            last_price: Price::from_units(6_500_010),
            fee_units: -13_000_020_000,
            liquidity: LiquiditySide::Maker,
            venue_time,
        };
        let executed = ChangeBody::Executed {
            fill,
            late: false,
            overfill: false,
        };
        let decisions = [change(4, 1, OrderStatus::PartiallyFilled, 2_500, executed)];
        let reports = [VenueReport::Order(update(
            VenueOrderState::PartiallyFilled,
            Some(fill),
        ))];
        self.append(&frame(HOSTILE_FRAME, &reports), &decisions);
    }

    fn tell_refusal(&mut self) {
        let order = NewOrder {
            instrument: InstrumentId(1),
            order_quantity: Quantity::from_units(3),
            limit_price: Price::from_units(35_001),
            ..new_order()
        };
        let refused = RequestRefused {
            strategy: StrategyId(1),
            event_seq: 1,
            request_id: RequestId(1),
            client_order_id: None,
            reason: RejectReason::RiskPosition,
            limit: 2,
            actual: i128::from(u64::MAX) * 10,
        };
        self.append(
            &ask(1, 1, Request::New(order)),
            &[Decision::Refused(refused)],
        );
    }
}

pub(crate) fn options(directory: &Path) -> JournalOptions {
    let mut options = JournalOptions::new(directory.to_path_buf(), 7, u64::from(EPOCH));
    options.mode = Mode::Process;
    options.segment_bytes = 64 * 1024;
    options.allow_tmpfs = true;
    options
}
