//! From journal entries to lines: the order envelope.

use std::collections::BTreeMap;

use journal::Entry;
use model::input::EntryKind;
use model::journal_record::{EntryBuffers, take_entry};
use model::{ChangeBody, CommandKind, Decision, MonotonicNs, OrderChange, OrderIntent, UnixNs};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::journal_context::JournalContext;
use crate::store::rows::Cursor;

/// What is remembered of an order until its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenOrder {
    venue_order_id: String,
    correlation: String,
    submitted_at_ns: u64,
    is_submitted: bool,
}

/// The fold to lines.
pub(super) struct Envelopes {
    context: JournalContext,
    open_orders: BTreeMap<u64, OpenOrder>,
    buffers: EntryBuffers,
}

impl Envelopes {
    pub(super) fn new(
        cursor: Cursor,
        open_orders: BTreeMap<u64, OpenOrder>,
    ) -> Result<Self, String> {
        let context = JournalContext::new(cursor);
        Ok(Self {
            context: context
                .map_err(|error| format!("the configuration in the cursor: {error}"))?,
            open_orders,
            buffers: EntryBuffers::default(),
        })
    }

    pub(super) fn cursor(&self) -> &Cursor {
        &self.context.cursor
    }

    pub(super) fn open_orders(&self) -> &BTreeMap<u64, OpenOrder> {
        &self.open_orders
    }

    /// Takes one entry; lines go to `lines`, each with its end.
    pub(super) fn take(&mut self, entry: &Entry<'_>, lines: &mut Vec<u8>) -> Result<(), String> {
        let kind = u8::try_from(entry.kind).ok();
        let Some(kind) = kind.and_then(EntryKind::from_number) else {
            return Err(format!(
                "entry {} of the journal has kind {}: a newer version wrote it",
                entry.sequence, entry.kind
            ));
        };
        if !matches!(kind, EntryKind::Sent | EntryKind::Checkpoint) {
            let mut buffers = std::mem::take(&mut self.buffers);
            let (input, decisions) = take_entry(kind, entry.body, &mut buffers)
                .map_err(|error| format!("entry {} of the journal: {error}", entry.sequence))?;
            self.context.take_input(&input);
            let now = MonotonicNs(entry.now_ns);
            for decision in decisions {
                if let Decision::Order(change) = decision {
                    self.change(entry.sequence, now, change, lines);
                }
            }
            self.buffers = buffers;
        }
        self.context.note_entry(entry);
        Ok(())
    }

    fn change(
        &mut self,
        sequence: u64,
        now: MonotonicNs,
        change: &OrderChange,
        lines: &mut Vec<u8>,
    ) {
        let id = change.client_order_id.integer();
        let at = self.context.cursor.anchor.unix_at(now);
        match &change.body {
            ChangeBody::Created { .. } | ChangeBody::Adopted { .. } => {
                let correlation = format!("{}-{id}", self.context.cursor.boot_epoch);
                self.open_orders.insert(
                    id,
                    OpenOrder {
                        correlation,
                        ..OpenOrder::default()
                    },
                );
            }
            ChangeBody::CommandStarted(intent) if intent.command == CommandKind::New => {
                self.submitted(sequence, at, change, intent, lines);
            }
            _ => {}
        }
        if let ChangeBody::Adopted { venue_order_id, .. }
        | ChangeBody::Acknowledged { venue_order_id, .. }
        | ChangeBody::Linked { venue_order_id } = &change.body
            && let Some(order) = self.open_orders.get_mut(&id)
            && !venue_order_id.is_empty()
        {
            venue_order_id
                .as_str()
                .clone_into(&mut order.venue_order_id);
        }
        if change.status.is_terminal()
            && let Some(order) = self.open_orders.remove(&id)
        {
            let line = self.ended(sequence, at, change, &order);
            put_line(lines, &line);
        }
    }

    fn submitted(
        &mut self,
        sequence: u64,
        at: UnixNs,
        change: &OrderChange,
        intent: &OrderIntent,
        lines: &mut Vec<u8>,
    ) {
        let order = self
            .open_orders
            .entry(change.client_order_id.integer())
            .or_default();
        order.is_submitted = true;
        order.submitted_at_ns = at.0;
        let order = order.clone();
        let mut line = self.envelope("submitted", sequence, change, &order);
        line["order_type"] = json!(intent.order_type.name());
        line["time_in_force"] = json!(intent.time_in_force.name());
        line["post_only"] = json!(intent.post_only);
        line["reduce_only"] = json!(intent.reduce_only);
        line["attempt"] = json!(intent.send_no);
        put_line(lines, &line);
    }

    fn ended(&self, sequence: u64, at: UnixNs, change: &OrderChange, order: &OpenOrder) -> Value {
        let mut line = self.envelope("ended", sequence, change, order);
        line["status"] = json!(change.status.name());
        line["ended_at_ns"] = json!(at.0);
        match &change.body {
            ChangeBody::CommandEnded {
                message,
                venue_code,
                outcome,
                ..
            } => {
                line["venue_code"] = json!(venue_code);
                line["reason"] = if message.is_empty() {
                    json!(outcome.name())
                } else {
                    json!(message.as_str())
                };
            }
            ChangeBody::Ended { end_code, .. } => line["venue_code"] = json!(end_code),
            _ => {}
        }
        line
    }

    fn envelope(
        &self,
        event: &str,
        sequence: u64,
        change: &OrderChange,
        order: &OpenOrder,
    ) -> Value {
        let id = change.client_order_id.integer();
        let mut line = json!({
            "event": event,
            "sequence": sequence,
            "correlation": order.correlation,
            "order": id.to_string(),
            "venue_order_id": Some(&order.venue_order_id).filter(|id| !id.is_empty()),
            "strategy": self.context.strategy_name(change.strategy).as_str(),
            "request": change.request_id.0,
            "side": change.side.name(),
            "submitted_at_ns": order.is_submitted.then_some(order.submitted_at_ns),
        });
        if let Some((market, mode)) = self.context.market(change.instrument) {
            let quantity = |quantity: model::Quantity| quantity.text(market.quantity_scale);
            line["mode"] = json!(mode.name());
            line["venue"] = json!(market.venue.as_str());
            line["symbol"] = json!(market.symbol.as_str());
            line["quantity"] = json!(quantity(change.order_quantity).as_str());
            line["limit_price"] = json!(change.limit_price.text(market.price_scale).as_str());
            line["filled_quantity"] = json!(quantity(change.cum_quantity).as_str());
        }
        line
    }
}

fn put_line(lines: &mut Vec<u8>, line: &Value) {
    lines.extend_from_slice(line.to_string().as_bytes());
    lines.push(b'\n');
}
