//! A journal that the engine itself wrote, over OKX's codec: every decision, report and hash is
//! what the live daemon would have recorded. And a copy of it, with changes, through the writer.

use engine::{Decisions, Engine, Moment};
use journal::Reader;
use model::input::*;
use model::journal_record::{EntryBuffers, payload_hash, put_entry, take_entry};
use model::order_request::OrderReference;
use model::recon_fact::SweepEnded;
use model::sent_record::{SentRecord, SentStamp};
use model::*;
use protocol::venue::okx::decode::OkxDecoder;
use protocol::venue::okx::encode::{MAX_COMMAND_BYTES, encode_command};
use protocol::venue::okx::instrument_table::InstrumentTable;

use serde_json::json;

use crate::story::{ANCHOR, EPOCH, Stage, ask, config, frame, new_order, order_id};

/// An engine with the journal that it writes.
pub(crate) struct Recording {
    pub(crate) stage: Stage,
    pub(crate) engine: Engine,
    decisions: Decisions,
    table: InstrumentTable,
    /// Added to the clock that the engine reads, and not to the one that is journaled.
    pub(crate) clock_error_ns: u64,
}

impl Recording {
    /// A run whose venue is open, decided by this build's engine.
    pub(crate) fn open() -> Self {
        Self::of_version(engine::ENGINE_VERSION)
    }

    /// A run that says that another version decided it.
    pub(crate) fn of_version(engine_version: u32) -> Self {
        let config = config();
        let mut recording = Self {
            stage: Stage::empty(),
            engine: Engine::new(&config),
            decisions: Decisions::with_capacity(256),
            table: InstrumentTable::in_force(VenueId(0), &config).unwrap(),
            clock_error_ns: 0,
        };
        recording.feed(&Input::ConfigApplied(&config));
        recording.begin_run(engine_version);
        recording.feed(&Input::StrategyAttached {
            strategy: StrategyId(0),
            generation: 1,
        });
        recording.open_venue();
        recording
    }

    fn begin_run(&mut self, engine_version: u32) {
        self.feed(&Input::RecoveryStarted(RecoveryStarted {
            epoch: BootEpoch::new(EPOCH).unwrap(),
            engine_version,
            anchor: ANCHOR,
        }));
    }

    fn open_venue(&mut self) {
        let venue = VenueId(0);
        let up = LinkChanged {
            venue,
            link: LinkId(3),
            state: LinkState::Up,
            reason: LinkReason::Ready,
        };
        let asked_at_seq = self.feed(&Input::LinkChanged(up));
        let sweep_no = self.engine.state().venues[0].sweep_no;
        self.feed(&Input::ReconFact(ReconFact::SweepEnded(SweepEnded {
            asked_at_seq,
            venue,
            sweep_no,
            complete: true,
        })));
        // A run that follows another waits out the rates of the one before.
        self.stage.now_ns += 2_000_000_000;
    }

    /// Handles an input, journals it, and journals what was written for it.
    pub(crate) fn feed(&mut self, input: &Input<'_>) -> u64 {
        let moment = Moment {
            sequence: self.stage.writer().next_sequence(),
            now: MonotonicNs(self.stage.now_ns + self.clock_error_ns),
        };
        self.engine.handle(moment, input, &mut self.decisions);
        let sequence = self.stage.append(input, self.decisions.as_slice());
        let stamps = intents(self.decisions.as_slice());
        let record = SentRecord {
            intents: stamps.map(|intent| self.sent(sequence, &intent)).collect(),
            frames: Vec::new(),
        };
        if !record.is_empty() {
            let mut body = Vec::new();
            record.put(&mut body);
            self.stage
                .append_bytes(u16::from(EntryKind::Sent.number()), &body);
        }
        sequence
    }

    fn sent(&self, entry_sequence: u64, intent: &OrderIntent) -> SentStamp {
        let mut payload = [0; MAX_COMMAND_BYTES];
        let length = encode_command(&mut payload, intent, &self.table).unwrap();
        let now = self.stage.now_ns;
        SentStamp {
            intent_seq: intent.intent_seq,
            entry_sequence,
            payload_hash: payload_hash(&payload[..length]),
            taken_at: MonotonicNs(now - 990),
            decided_at: MonotonicNs(now - 950),
            committed_at: MonotonicNs(now - 900),
            released_at: MonotonicNs(0),
            encoded_at: MonotonicNs(now - 500),
            flushed_at: MonotonicNs(now - 490),
            sealed_at: MonotonicNs(now - 200),
            written_at: MonotonicNs(now - 100),
        }
    }

    /// A frame of the venue, decoded as the session decodes it.
    pub(crate) fn hear(&mut self, text: &str) -> u64 {
        let mut reports = Vec::new();
        let mut payload = text.as_bytes().to_vec();
        OkxDecoder::new().decode(&mut payload, &self.table, &mut reports);
        self.feed(&frame(text.as_bytes(), &reports))
    }

    /// A request, written shortly before.
    pub(crate) fn ask(&mut self, strategy: u16, request_id: u64, request: Request) -> u64 {
        let Input::Request(asked) = ask(strategy, request_id, request) else {
            unreachable!("a request is a request");
        };
        let written_at = MonotonicNs(self.stage.now_ns - 700);
        self.feed(&Input::Request(RequestInput {
            written_at,
            ..asked
        }))
    }

    /// Placed, acknowledged, filled in part, cancelled; and a second order that risk refuses.
    pub(crate) fn trade(&mut self) {
        self.ask(0, 1, Request::New(new_order()));
        self.hear(&reply("order", "n1"));
        self.hear(&push("live", "0", None));
        self.hear(&push("partially_filled", "0.25", Some(("778", "0.25"))));
        let too_large = NewOrder {
            order_quantity: Quantity::from_units(60_000),
            ..new_order()
        };
        self.ask(0, 2, Request::New(too_large));
        let order = OrderReference::ClientOrderId(order_id());
        self.ask(0, 3, Request::Cancel { order });
        self.hear(&reply("cancel-order", "c2"));
        self.hear(&push("canceled", "0.25", None));
    }
}

fn intents(decisions: &[Decision]) -> impl Iterator<Item = OrderIntent> {
    decisions.iter().filter_map(|decision| match decision {
        Decision::Order(change) => match change.body {
            ChangeBody::CommandStarted(intent) => Some(intent),
            _ => None,
        },
        _ => None,
    })
}

/// The answer to a command of the story's order.
pub(crate) fn reply(op: &str, command: &str) -> String {
    let id = order_id().to_string();
    let data = json!({"clOrdId": id, "ordId": "2510", "tag": "", "ts": "1767225602001",
        "sCode": "0", "sMsg": ""});
    let message = json!({"id": format!("{id}{command}"), "op": op, "data": [data],
        "code": "0", "msg": "", "inTime": "1", "outTime": "2"});
    message.to_string()
}

/// A push of the story's order; `fill` is trade and quantity.
pub(crate) fn push(state: &str, filled: &str, fill: Option<(&str, &str)>) -> String {
    let (trade, quantity) = fill.unwrap_or(("", "0"));
    let (price, fee) = match fill {
        Some(_) => ("65000.1", "-0.013"),
        None => ("", "0"),
    };
    let order = json!({"instType": "SPOT", "instId": "BTC-USDT", "ccy": "", "ordId": "2510",
        "clOrdId": order_id().to_string(), "px": "65000.1", "sz": "1", "ordType": "post_only",
        "side": "buy", "tdMode": "cash", "fillPx": price, "tradeId": trade, "fillSz": quantity,
        "fillTime": "1767225602300", "fillFee": fee, "fillFeeCcy": "USDT", "execType": "M",
        "accFillSz": filled, "avgPx": "0", "state": state, "cancelSource": "", "amendSource": "",
        "uTime": "1767225602301", "cTime": "1767225602125", "reqId": "", "amendResult": "",
        "code": "0", "msg": ""});
    let message = json!({"arg": {"channel": "orders", "instType": "ANY"}, "data": [order]});
    message.to_string()
}

/// One entry as bytes, for somebody to change.
pub(crate) struct RawEntry {
    pub(crate) sequence: u64,
    pub(crate) kind: u16,
    pub(crate) now_ns: u64,
    pub(crate) body: Vec<u8>,
}

/// The same journal once more, written entry by entry through the writer, with changes: checksums
/// and sequences are right, only the history is another.
pub(crate) fn rewritten(original: &mut Stage, mut change: impl FnMut(&mut RawEntry)) -> Stage {
    original.close();
    let mut reader = Reader::open(&original.directory, 1).unwrap();
    let mut copy = Stage::empty();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut raw = RawEntry {
            sequence: entry.sequence,
            kind: entry.kind,
            now_ns: entry.now_ns,
            body: entry.body.to_vec(),
        };
        change(&mut raw);
        copy.now_ns = raw.now_ns;
        assert_eq!(copy.append_bytes(raw.kind, &raw.body), raw.sequence);
    }
    copy.close();
    copy
}

impl RawEntry {
    /// Changes the decisions.
    pub(crate) fn decide(&mut self, change: impl FnOnce(&mut Vec<Decision>)) {
        self.edit(|input, decisions| {
            let mut decisions = decisions.to_vec();
            change(&mut decisions);
            let mut body = Vec::new();
            put_entry(&input, &decisions, &mut body);
            body
        });
    }

    /// Changes everything.
    pub(crate) fn edit(&mut self, change: impl FnOnce(Input<'_>, &[Decision]) -> Vec<u8>) {
        let kind = EntryKind::from_number(u8::try_from(self.kind).unwrap()).unwrap();
        let mut buffers = EntryBuffers::default();
        let (input, decisions) = take_entry(kind, &self.body, &mut buffers).unwrap();
        let body = change(input, decisions);
        self.body = body;
    }
}
