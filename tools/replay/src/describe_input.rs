//! An entry's body as fields: what came in, and lists of what came with it.
//!
//! Owns: [`Description`], the common ground of both forms of output. Invariant: every member of the
//! model's type is told; a new one does not compile until it is. Threads: any.

use model::engine_config::{InstrumentPolicy, RateRule, StrategyPolicy, VenuePolicy};
use model::input::{Admission, LinkChanged, RecoveryStarted, RequestInput, RoomRefused};
use model::order_request::OrderReference;
use model::sent_record::{FrameStamp, SentRecord, SentStamp};
use model::stage::{Stage, StageTime};
use model::{Decision, EngineConfig, Input, Instrument, MonotonicNs, NewOrder, Request, UtcAnchor};
use serde_json::{Map, Value};

use crate::describe_control;
use crate::describe_decision::decision;
use crate::describe_report::{fact, report};
use crate::fields::{Fields, decimal_text};
use crate::in_force::InForce;
use crate::record::Body;

type Told = Map<String, Value>;

/// An entry's body, told.
pub(crate) struct Description<'a> {
    pub(crate) body: Told,
    /// Each with its name in JSON and the word for one item.
    pub(crate) lists: Vec<(&'static str, &'static str, Vec<Told>)>,
    /// The raw bytes, if the entry is a frame.
    pub(crate) raw: Option<&'a [u8]>,
    pub(crate) decisions: Vec<Told>,
}

/// Tells an entry's body.
pub(crate) fn describe<'a>(known: &InForce, body: &Body<'a>) -> Description<'a> {
    let none = Fields::new(known);
    match body {
        Body::Input(input, decisions) => {
            let (fields, lists) = input_fields(none, input, decisions);
            let raw = match input {
                Input::VenueFrame { raw, .. } => Some(*raw),
                _ => None,
            };
            let decisions = decisions
                .iter()
                .map(|it| decision(known, it).into_map())
                .collect();
            Description {
                body: fields.into_map(),
                lists,
                raw,
                decisions,
            }
        }
        Body::Sent(record) => sent(known, record),
        Body::Opaque(bytes) => {
            let body = none.put("body_bytes", bytes.len()).into_map();
            Description {
                body,
                lists: Vec::new(),
                raw: None,
                decisions: Vec::new(),
            }
        }
    }
}

/// The terms of a new order.
pub(crate) fn new_order<'k>(fields: Fields<'k>, order: &NewOrder) -> Fields<'k> {
    let NewOrder {
        instrument,
        side,
        order_type,
        time_in_force,
        post_only,
        reduce_only,
        order_quantity,
        limit_price,
        valid_for_ns,
    } = order;
    fields
        .instrument(*instrument)
        .text("side", side)
        .text("order_type", order_type)
        .text("time_in_force", time_in_force)
        .put("post_only", *post_only)
        .put("reduce_only", *reduce_only)
        .quantity("order_quantity", *instrument, *order_quantity)
        .price("limit_price", *instrument, *limit_price)
        .put("valid_for_ns", *valid_for_ns)
}

type Lists = Vec<(&'static str, &'static str, Vec<Told>)>;

fn input_fields<'k>(
    none: Fields<'k>,
    input: &Input<'_>,
    decisions: &[Decision],
) -> (Fields<'k>, Lists) {
    let fields = match input {
        Input::Request(asked) => request_input(none, asked, decisions),
        Input::VenueFrame {
            venue,
            link,
            raw,
            reports,
        } => {
            let known = none.known();
            let told = reports
                .iter()
                .map(|it| report(known, it).into_map())
                .collect();
            let fields = none
                .venue(*venue)
                .put("link", link.0)
                .put("raw_bytes", raw.len());
            return (fields, vec![("reports", "report", told)]);
        }
        Input::LinkChanged(LinkChanged {
            venue,
            link,
            state,
            reason,
        }) => none
            .venue(*venue)
            .put("link", link.0)
            .text("state", state)
            .text("reason", reason),
        Input::Timer => none,
        Input::Control(control) => describe_control::control(none, control),
        Input::ConfigApplied(config) => return config_fields(none, config),
        Input::InstrumentApplied(rules) => instrument(none, rules),
        Input::ReconFact(proved) => fact(none.known(), proved),
        Input::StrategyAttached { .. } | Input::StrategyLost { .. } | Input::RoomRefused(_) => {
            strategy_input(none, input)
        }
        Input::UtcAnchor(pair) => anchor(none, pair),
        Input::NotSent { intent_seq, reason } => {
            none.put("intent_seq", *intent_seq).text("reason", reason)
        }
        Input::RecoveryStarted(RecoveryStarted {
            epoch,
            engine_version,
            anchor: pair,
        }) => anchor(
            none.put("epoch", epoch.get())
                .put("engine_version", *engine_version),
            pair,
        ),
    };
    (fields, Vec::new())
}

/// What happened to a strategy as a whole.
fn strategy_input<'k>(none: Fields<'k>, input: &Input<'_>) -> Fields<'k> {
    match input {
        Input::StrategyAttached {
            strategy,
            generation,
        } => none.strategy(*strategy).put("generation", *generation),
        Input::StrategyLost {
            strategy,
            generation,
            reason,
        } => none
            .strategy(*strategy)
            .put("generation", *generation)
            .text("reason", reason),
        Input::RoomRefused(RoomRefused {
            strategy,
            first,
            last,
            count,
            reason,
        }) => none
            .strategy(*strategy)
            .put("first_request_id", first.0)
            .put("last_request_id", last.0)
            .put("count", *count)
            .text("reason", reason),
        _ => none,
    }
}

fn anchor<'k>(fields: Fields<'k>, pair: &UtcAnchor) -> Fields<'k> {
    let UtcAnchor {
        monotonic,
        unix,
        error_ns,
    } = pair;
    fields
        .put("monotonic_ns", monotonic.0)
        .moment("anchor_utc", *unix)
        .put("error_ns", *error_ns)
}

fn request_input<'k>(
    fields: Fields<'k>,
    asked: &RequestInput,
    decisions: &[Decision],
) -> Fields<'k> {
    let RequestInput {
        strategy,
        request_id,
        written_at,
        admission,
        request,
    } = asked;
    let known = fields.known();
    let admission = match admission {
        Admission::Granted => "granted",
        Admission::Refused(reason) => reason.name(),
    };
    let typed = |name| Fields::of_type(known, name);
    let request = match request {
        Request::New(order) => new_order(typed("new"), order),
        Request::Cancel { order } => reference(typed("cancel"), order),
        Request::Replace {
            order,
            order_quantity,
            limit_price,
        } => {
            // The request names no instrument, but what was decided on its order does.
            let instrument = decisions.iter().find_map(|decision| match decision {
                Decision::Order(change) => Some(change.instrument),
                _ => None,
            });
            reference(typed("replace"), order)
                .quantity("order_quantity", instrument, *order_quantity)
                .price("limit_price", instrument, *limit_price)
        }
        Request::CancelAll {
            instrument: Some(instrument),
        } => typed("cancel_all").instrument(*instrument),
        Request::CancelAll { instrument: None } => typed("cancel_all")
            .put("instrument", ())
            .put("instrument_id", ()),
        Request::Query { order } => reference(typed("query"), order),
    };
    fields
        .strategy(*strategy)
        .put("request_id", request_id.0)
        .put("written_at_ns", written_at.0)
        .text("admission", admission)
        .nested("request", request)
}

fn reference<'k>(fields: Fields<'k>, order: &OrderReference) -> Fields<'k> {
    match order {
        OrderReference::ClientOrderId(id) => fields.order(Some(*id)).put("order_request_id", ()),
        OrderReference::RequestId(id) => fields.order(None).put("order_request_id", id.0),
    }
}

fn config_fields<'k>(fields: Fields<'k>, config: &EngineConfig) -> (Fields<'k>, Lists) {
    let EngineConfig {
        version,
        instance_tag,
        order_capacity,
        execution_capacity,
        answer_window,
        terminal_keep_ns,
        request_age_max_ns,
        venues,
        instruments,
        strategies,
    } = config;
    let known = fields.known();
    let empty = || Fields::new(known);
    let venues = venues.iter().map(|it| venue_policy(empty(), it).into_map());
    let instruments = instruments
        .iter()
        .map(|it| instrument_policy(empty(), it).into_map());
    let strategies = strategies
        .iter()
        .map(|it| strategy_policy(empty(), it).into_map());
    let lists = vec![
        ("venues", "venue", venues.collect()),
        ("instruments", "instrument", instruments.collect()),
        ("strategies", "strategy", strategies.collect()),
    ];
    let fields = fields
        .put("version", *version)
        .put("instance_tag", instance_tag.get())
        .put("order_capacity", *order_capacity)
        .put("execution_capacity", *execution_capacity)
        .put("answer_window", *answer_window)
        .put("terminal_keep_ns", *terminal_keep_ns)
        .put("request_age_max_ns", *request_age_max_ns);
    (fields, lists)
}

fn venue_policy<'k>(fields: Fields<'k>, policy: &VenuePolicy) -> Fields<'k> {
    let VenuePolicy {
        id,
        name: _,
        dialect,
        mode,
        command_window_ns,
        settle_ns,
        command_timeout_ns,
        sweep_interval_ns,
        ask_interval_ns,
        ask_attempts,
        rates,
    } = policy;
    let rates: Vec<Value> = rates
        .iter()
        .map(|rule| rate(fields.known(), rule))
        .collect();
    fields
        .venue(*id)
        .text("dialect", dialect)
        .text("mode", mode)
        .put("command_window_ns", *command_window_ns)
        .put("settle_ns", *settle_ns)
        .put("command_timeout_ns", *command_timeout_ns)
        .put("sweep_interval_ns", *sweep_interval_ns)
        .put("ask_interval_ns", *ask_interval_ns)
        .put("ask_attempts", *ask_attempts)
        .put("rates", rates)
}

fn rate(known: &InForce, rule: &RateRule) -> Value {
    let RateRule {
        scope,
        counts_new,
        counts_cancel,
        counts_replace,
        messages,
        window_ns,
    } = rule;
    let fields = Fields::new(known)
        .text("scope", scope)
        .put("counts_new", *counts_new)
        .put("counts_cancel", *counts_cancel)
        .put("counts_replace", *counts_replace)
        .put("messages", *messages)
        .put("window_ns", *window_ns);
    Value::Object(fields.into_map())
}

fn instrument_policy<'k>(fields: Fields<'k>, policy: &InstrumentPolicy) -> Fields<'k> {
    let InstrumentPolicy {
        instrument: rules,
        trade_mode,
        order_quantity_max,
        order_notional_max,
        open_orders_max,
        position_long_max,
        position_short_max,
        halt_on_recon_break,
    } = policy;
    let notional = decimal_text(order_notional_max.0, rules.notional_scale());
    instrument(fields, rules)
        .text("trade_mode", trade_mode)
        .quantity("order_quantity_max", rules.id, *order_quantity_max)
        .put("order_notional_max", notional)
        .put("open_orders_max", *open_orders_max)
        .quantity("position_long_max", rules.id, *position_long_max)
        .quantity("position_short_max", rules.id, *position_short_max)
        .put("halt_on_recon_break", *halt_on_recon_break)
}

fn strategy_policy<'k>(fields: Fields<'k>, policy: &StrategyPolicy) -> Fields<'k> {
    let StrategyPolicy {
        id,
        name: _,
        open_orders_max,
        orders_per_s_max,
        on_loss,
    } = policy;
    fields
        .strategy(*id)
        .put("open_orders_max", *open_orders_max)
        .put("orders_per_s_max", *orders_per_s_max)
        .text("on_loss", on_loss)
}

fn instrument<'k>(fields: Fields<'k>, rules: &Instrument) -> Fields<'k> {
    let Instrument {
        id,
        venue,
        account,
        symbol: _,
        venue_code,
        kind,
        state,
        price_scale,
        quantity_scale,
        tick,
        lot,
        quantity_min,
        quantity_max,
        multiplier_units,
        multiplier_scale,
    } = rules;
    fields
        .instrument(*id)
        .venue(*venue)
        .put("account", account.0)
        .put("venue_code", *venue_code)
        .text("kind", kind)
        .text("state", state)
        .put("price_scale", *price_scale)
        .put("quantity_scale", *quantity_scale)
        .price("tick", *id, *tick)
        .quantity("lot", *id, *lot)
        .quantity("quantity_min", *id, *quantity_min)
        .quantity("quantity_max", *id, *quantity_max)
        .put(
            "multiplier",
            decimal_text(i128::from(*multiplier_units), *multiplier_scale),
        )
}

/// What a turn sent and took in.
fn sent(known: &InForce, record: &SentRecord) -> Description<'static> {
    let intents = record.intents.iter();
    let intents = intents.map(|it| stamp(Fields::new(known), it).into_map());
    let frames = record.frames.iter();
    let frames = frames.map(|it| frame_stamp(Fields::new(known), it).into_map());
    Description {
        body: Told::new(),
        lists: vec![
            ("stamps", "stamp", intents.collect()),
            ("frames", "frame", frames.collect()),
        ],
        raw: None,
        decisions: Vec::new(),
    }
}

/// Stages are differences on one monotonic clock. What lies before the ring is not in a `Sent`.
pub(crate) fn stamp<'k>(fields: Fields<'k>, stamp: &SentStamp) -> Fields<'k> {
    const STAGES: [Stage; 8] = [
        Stage::Decide,
        Stage::Journal,
        Stage::SyncWait,
        Stage::Encode,
        Stage::Batch,
        Stage::Seal,
        Stage::Write,
        Stage::TakeToWire,
    ];
    let named = fields
        .put("intent_seq", stamp.intent_seq)
        .put("entry_sequence", stamp.entry_sequence)
        .text("payload_hash", format!("{:016x}", stamp.payload_hash))
        .put("committed_at_ns", stamp.committed_at.0);
    stages(named, &STAGES, stamp.stages(MonotonicNs(0))).put("in_backlog", stamp.written_at.0 == 0)
}

fn frame_stamp<'k>(fields: Fields<'k>, stamp: &FrameStamp) -> Fields<'k> {
    const STAGES: [Stage; 7] = [
        Stage::Open,
        Stage::FrameWait,
        Stage::Decode,
        Stage::Apply,
        Stage::JournalIn,
        Stage::Publish,
        Stage::WireToRing,
    ];
    let named = fields
        .put("entry_sequence", stamp.entry_sequence)
        .put("received_at_ns", stamp.received_at.0);
    stages(named, &STAGES, stamp.stages())
}

/// A stage whose boundary was not reached has no value.
fn stages<'k>(
    fields: Fields<'k>,
    named: &[Stage],
    times: impl Iterator<Item = StageTime>,
) -> Fields<'k> {
    let times: Vec<StageTime> = times.collect();
    named.iter().fold(fields, |fields, stage| {
        let time = times.iter().find(|(found, _)| found == stage);
        fields.put(&format!("{}_ns", stage.name()), time.map(|(_, ns)| *ns))
    })
}
