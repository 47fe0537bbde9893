//! The story of one order: its entries, its commands with their stages, its fills, its doubts.
//!
//! Owns: what is drawn from the entries beyond telling them. Invariants: a stage is a difference on
//! one run's monotonic clock and is left out where a boundary was not stamped; a payload is what
//! the codec gives for the journaled intent, and says whether it is what was sent. Threads: any.

use std::collections::BTreeMap;

use engine::order::{Certainty, Order};
use engine::risk::check_run::{CheckRun, CheckUnit};
use journal::Entry;
use model::execution_report::{CommandReply, ReplaceResult};
use model::journal_record::payload_hash;
use model::order_request::CommandKind;
use model::sent_record::{FrameStamp, SentStamp};
use model::stage::{Stage, StageTime, between};
use model::{
    ChangeBody, ClientOrderId, Decision, Input, InstrumentId, MonotonicNs, OrderChange,
    OrderIntent, Request, VenueReport,
};
use serde_json::{Map, Value, json};

use crate::describe_state;
use crate::fields::decimal_text;
use crate::in_force::InForce;
use crate::venue_codec::VenueCodecs;

/// An entry that belongs to a story.
pub(crate) struct Found<'a> {
    pub(crate) entry: &'a Entry<'a>,
    pub(crate) known: &'a InForce,
    pub(crate) engine_version: Option<u32>,
    /// The entry as it is told, with only what belongs to the story.
    pub(crate) object: Value,
}

/// One command on its way out and back.
struct Command {
    intent: OrderIntent,
    told: Map<String, Value>,
    payload_hash: Option<u64>,
    boot_epoch: u32,
    /// 0 when no request asked for it.
    requested_at: MonotonicNs,
    /// The turn that journaled the intent.
    decided_in: MonotonicNs,
    stamp: Option<SentStamp>,
    /// The turn that journaled the venue's first word on it, and that entry.
    answered: Option<(MonotonicNs, u64)>,
}

/// Everything that the journal has of one order.
#[derive(Default)]
pub(crate) struct Story {
    steps: Vec<Value>,
    commands: Vec<Command>,
    fills: Vec<(u64, Map<String, Value>)>,
    /// By the entry of the frame.
    frames: BTreeMap<u64, FrameStamp>,
    /// By the number of the command: why its effect was not known, and since which entry.
    doubts: BTreeMap<u16, (String, u64)>,
    last_change: Option<OrderChange>,
    evicted_at: Option<u64>,
    previous: Option<(u32, u64)>,
    ended: Map<String, Value>,
}

impl Story {
    pub(crate) fn tell_input(
        &mut self,
        found: Found<'_>,
        input: &Input<'_>,
        decisions: &[Decision],
        checks: &[CheckRun],
        codecs: &mut VenueCodecs,
    ) {
        let (known, entry) = (found.known, found.entry);
        let instrument = instrument_of(input, decisions);
        let mut more = Map::new();
        if !checks.is_empty() {
            let told = checks.iter().map(|run| check(known, instrument, run));
            more.insert("checks".to_owned(), told.collect());
        }
        for decision in decisions {
            match decision {
                Decision::Order(change) => {
                    if let ChangeBody::CommandStarted(intent) = &change.body {
                        let command = self.begin(&found, input, change, intent, checks, codecs);
                        self.commands.push(command);
                    }
                    self.note_change(&found, change);
                }
                Decision::Evicted { .. } => self.evicted_at = Some(entry.sequence),
                _ => {}
            }
        }
        if let Input::VenueFrame { reports, .. } = input {
            let now = MonotonicNs(entry.now_ns);
            for report in *reports {
                self.note_answer(entry, report, now);
            }
        }
        if let Input::NotSent { intent_seq, reason } = input
            && let Some(command) = self.command(*intent_seq)
        {
            command
                .told
                .insert("not_sent".to_owned(), reason.name().into());
        }
        self.push(found, more);
    }

    pub(crate) fn tell_sent(&mut self, found: Found<'_>, stamps: &[SentStamp]) {
        for stamp in stamps {
            let sequence = found.entry.sequence;
            if let Some(command) = self.command(stamp.intent_seq) {
                command.stamp = Some(*stamp);
                let told = &mut command.told;
                told.insert("sent_sequence".to_owned(), sequence.into());
                let hash = format!("{:016x}", stamp.payload_hash);
                told.insert("sent_payload_hash".to_owned(), hash.into());
                let same = command.payload_hash == Some(stamp.payload_hash);
                told.insert("payload_is_as_sent".to_owned(), same.into());
            }
        }
        self.push(found, Map::new());
    }

    /// A frame of the story, on its way in.
    pub(crate) fn tell_frame(&mut self, stamp: &FrameStamp) {
        self.frames.insert(stamp.entry_sequence, *stamp);
    }

    /// The last state, from the store or from the last change.
    pub(crate) fn end(
        &mut self,
        id: Option<ClientOrderId>,
        order: Option<&Order>,
        known: &InForce,
    ) {
        let mut ended = match order {
            Some(order) => describe_state::order(known, order).into_map(),
            None => Map::new(),
        };
        if let (None, Some(change)) = (order, self.last_change) {
            let id = id.map(|id| id.to_string());
            ended.insert("client_order_id".to_owned(), id.into());
            ended.insert("status".to_owned(), change.status.name().into());
            ended.insert("unknown".to_owned(), change.unknown.into());
        }
        ended.insert("left_the_store_at".to_owned(), self.evicted_at.into());
        ended.insert("doubts".to_owned(), Value::Array(self.open_doubts(order)));
        self.ended = ended;
    }

    /// What is not known at the end, and why.
    fn open_doubts(&self, order: Option<&Order>) -> Vec<Value> {
        let Some(order) = order else {
            return Vec::new();
        };
        let mut doubts = Vec::new();
        for pending in order.pending.iter().flatten() {
            if pending.certainty == Certainty::InFlight {
                continue;
            }
            let why = self.doubts.get(&pending.command_seq);
            doubts.push(json!({
                "what": format!("the effect of the {} command {}", pending.command,
                    pending.command_seq),
                "why": why.map(|(cause, _)| cause),
                "since_sequence": why.map(|(_, sequence)| sequence),
                "needs_operator": pending.certainty == Certainty::NeedsOperator,
            }));
        }
        if order.fills_missing() {
            doubts.push(json!({
                "what": "executions that the venue counted and nobody told",
                "why": "the venue's filled total is above the sum of the booked executions",
                "since_sequence": Value::Null,
                "needs_operator": order.needs_operator,
            }));
        }
        if order.unseen {
            doubts.push(json!({
                "what": "whether it is open at the venue",
                "why": "a complete list of the venue's open orders did not show it",
                "since_sequence": Value::Null,
                "needs_operator": order.needs_operator,
            }));
        }
        doubts
    }

    /// The whole story as one object.
    pub(crate) fn json(&self) -> Value {
        let commands = self.commands.iter().map(|it| it.json(&self.frames));
        let fills = self.fills.iter().map(|(sequence, fill)| {
            let mut fill = fill.clone();
            fill.insert("stages".to_owned(), self.frame_stages(*sequence));
            Value::Object(fill)
        });
        let steps = self.steps.iter().map(|step| {
            let mut step = step.clone();
            let sequence = step["sequence"].as_u64().unwrap_or(0);
            if let Some(told) = step.as_object_mut()
                && self.frames.contains_key(&sequence)
            {
                told.insert("stages".to_owned(), self.frame_stages(sequence));
            }
            step
        });
        json!({
            "order": self.ended,
            "commands": commands.collect::<Vec<Value>>(),
            "fills": fills.collect::<Vec<Value>>(),
            "steps": steps.collect::<Vec<Value>>(),
        })
    }

    /// How long a frame took on its way in, as far as its turn was stamped.
    fn frame_stages(&self, sequence: u64) -> Value {
        let stamp = self.frames.get(&sequence);
        stages(stamp.into_iter().flat_map(FrameStamp::stages))
    }

    fn begin(
        &self,
        found: &Found<'_>,
        input: &Input<'_>,
        change: &OrderChange,
        intent: &OrderIntent,
        checks: &[CheckRun],
        codecs: &mut VenueCodecs,
    ) -> Command {
        let (entry, known) = (found.entry, found.known);
        let (payload, hash) = match codecs.encode(intent) {
            Ok(payload) => {
                let text = String::from_utf8_lossy(payload).into_owned();
                (Value::String(text), Some(payload_hash(payload)))
            }
            Err(error) => (json!({"cannot_be_encoded": error.to_string()}), None),
        };
        let checks = checks.iter();
        let checks: Vec<Value> = checks
            .map(|run| check(known, Some(intent.instrument), run))
            .collect();
        let told = json!({
            "command": intent.command.name(),
            "command_seq": intent.command_seq,
            "send_no": intent.send_no,
            "intent_seq": intent.intent_seq,
            "strategy": known.strategy(change.strategy),
            "request_id": change.request_id.0,
            "asked_by": input.kind().name(),
            "entry_sequence": entry.sequence,
            "segment": entry.place.segment_index,
            "offset_bytes": entry.place.offset_bytes,
            "boot_epoch": entry.boot_epoch,
            "config_version": known.config_version,
            "engine_version": found.engine_version,
            "checks": checks,
            "payload": payload,
            "payload_hash": hash.map(|hash| format!("{hash:016x}")),
        });
        let requested_at = match input {
            Input::Request(asked) => asked.written_at,
            _ => MonotonicNs(0),
        };
        Command {
            intent: *intent,
            told: told.as_object().cloned().unwrap_or_default(),
            payload_hash: hash,
            boot_epoch: entry.boot_epoch,
            requested_at,
            decided_in: MonotonicNs(entry.now_ns),
            stamp: None,
            answered: None,
        }
    }

    fn note_change(&mut self, found: &Found<'_>, change: &OrderChange) {
        let entry = found.entry;
        match &change.body {
            ChangeBody::CommandUnknown { command_seq, cause } => {
                let doubt = (cause.name().to_owned(), entry.sequence);
                self.doubts.insert(*command_seq, doubt);
            }
            ChangeBody::Executed { fill, .. } => {
                let (known, instrument) = (found.known, change.instrument);
                let told = crate::describe_report::fill(known, instrument, fill);
                let mut told = told.into_map();
                told.insert("sequence".to_owned(), entry.sequence.into());
                let utc = &found.object["utc"];
                told.insert("utc".to_owned(), utc.clone());
                told.insert(
                    "utc_error_ns".to_owned(),
                    found.object["utc_error_ns"].clone(),
                );
                told.insert("now_ns".to_owned(), entry.now_ns.into());
                told.insert("event_seq".to_owned(), change.event_seq.into());
                told.insert(
                    "strategy".to_owned(),
                    known.strategy(change.strategy).into(),
                );
                told.insert("request_id".to_owned(), change.request_id.0.into());
                self.fills.push((entry.sequence, told));
            }
            _ => {}
        }
        self.last_change = Some(*change);
    }

    /// The first word of the venue on a command.
    fn note_answer(&mut self, entry: &Entry<'_>, report: &VenueReport, now: MonotonicNs) {
        let (command, command_seq) = match report {
            VenueReport::Reply(CommandReply {
                command,
                command_seq,
                ..
            }) => (*command, *command_seq),
            VenueReport::Order(update) => match update.replace {
                Some(ReplaceResult { command_seq, .. }) => (CommandKind::Replace, command_seq),
                // A push of the order itself answers that it was placed.
                None => (CommandKind::New, 1),
            },
            _ => return,
        };
        let answered = self.commands.iter_mut().find(|it| {
            it.intent.command == command
                && it.intent.command_seq == command_seq
                && it.boot_epoch == entry.boot_epoch
                && it.answered.is_none()
        });
        if let Some(answered) = answered {
            answered.answered = Some((now, entry.sequence));
            let told = &mut answered.told;
            told.insert("answered_sequence".to_owned(), entry.sequence.into());
        }
    }

    fn command(&mut self, intent_seq: u64) -> Option<&mut Command> {
        let mut commands = self.commands.iter_mut();
        commands.find(|command| command.intent.intent_seq == intent_seq)
    }

    fn push(&mut self, found: Found<'_>, more: Map<String, Value>) {
        let entry = found.entry;
        let here = (entry.boot_epoch, entry.now_ns);
        let since = self.previous.filter(|(epoch, _)| *epoch == here.0);
        let since_ns = since.map(|(_, then)| here.1.saturating_sub(then));
        self.previous = Some(here);
        let mut step = found.object;
        if let Some(step) = step.as_object_mut() {
            step.insert("since_previous_ns".to_owned(), since_ns.into());
            step.insert("engine_version".to_owned(), found.engine_version.into());
            step.extend(more);
        }
        self.steps.push(step);
    }
}

impl Command {
    /// Every stage of the way out, and there and back, that was stamped.
    fn stages(&self, frames: &BTreeMap<u64, FrameStamp>) -> Value {
        let Some(stamp) = &self.stamp else {
            return Value::Array(Vec::new());
        };
        let back = self.answered.into_iter().flat_map(|(turn, sequence)| {
            let frame = frames.get(&sequence);
            let ack = frame
                .and_then(|frame| between(Stage::VenueAck, stamp.written_at, frame.received_at));
            [ack, between(Stage::IntentToAck, self.decided_in, turn)]
        });
        stages(stamp.stages(self.requested_at).chain(back.flatten()))
    }

    fn json(&self, frames: &BTreeMap<u64, FrameStamp>) -> Value {
        let mut told = self.told.clone();
        told.insert("stages".to_owned(), self.stages(frames));
        Value::Object(told)
    }
}

fn stages(times: impl Iterator<Item = StageTime>) -> Value {
    times
        .map(|(stage, ns)| json!({"stage": stage.name(), "ns": ns}))
        .collect()
}

fn instrument_of(input: &Input<'_>, decisions: &[Decision]) -> Option<InstrumentId> {
    match input {
        Input::Request(asked) => match &asked.request {
            Request::New(order) => Some(order.instrument),
            _ => decisions.iter().find_map(|decision| match decision {
                Decision::Order(change) => Some(change.instrument),
                _ => None,
            }),
        },
        _ => None,
    }
}

/// A check with its numbers in the units of a person.
fn check(known: &InForce, instrument: Option<InstrumentId>, run: &CheckRun) -> Value {
    let rules = instrument.and_then(|id| known.instrument(id));
    let (unit, scale) = match run.unit {
        CheckUnit::None => (None, None),
        CheckUnit::Nanoseconds => (Some("ns"), Some(0)),
        CheckUnit::Count => (Some("count"), Some(0)),
        CheckUnit::RequestId => (Some("request id"), Some(0)),
        CheckUnit::Price => (Some("price"), rules.map(|rules| rules.price_scale)),
        CheckUnit::Quantity => (Some("quantity"), rules.map(|rules| rules.quantity_scale)),
        CheckUnit::Notional => (Some("notional"), rules.map(|rules| rules.notional_scale())),
    };
    // Without a scale the count of units is told, and never a guess.
    let number = |units: i128| match (run.unit, scale) {
        (CheckUnit::None, _) => Value::Null,
        (_, Some(scale)) => Value::String(decimal_text(units, scale)),
        (_, None) => Value::String(format!("{units} units")),
    };
    json!({
        "check": run.reason.name(),
        "passed": run.passed,
        "limit": number(run.limit),
        "actual": number(run.actual),
        "unit": unit,
    })
}
