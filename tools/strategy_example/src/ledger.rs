//! The strategy's own ledger: a line of JSON for each order, fill, end and mishap, as it saw them.
//!
//! Owns: the file. Invariant: a line is written before the next thing is done, and flushed before
//! the strategy waits. Numbers are decimal text: JSON numbers would lose digits on the way.
//! Must not know: what the strategy does next. Threads: one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use model::execution_report::FEE_SCALE;
use model::{DecimalText, Instrument, OrderEvent, OrderEventKind, RequestId};
use serde_json::{Value, json};

/// The file, or nothing.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: Option<BufWriter<File>>,
}

impl Ledger {
    /// Begins a new file; `None` keeps no ledger.
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = path.map(|path| {
            File::create(path).with_context(|| format!("creating the ledger {}", path.display()))
        });
        Ok(Self {
            file: file.transpose()?.map(BufWriter::new),
        })
    }

    /// What an event says about an order, if it belongs into a ledger.
    pub(crate) fn event(
        &mut self,
        event: &OrderEvent,
        instrument: Option<&Instrument>,
    ) -> anyhow::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        for line in lines(event, instrument) {
            self.write(&line)?;
        }
        Ok(())
    }

    /// The engine came back, or the strategy came again.
    pub(crate) fn attached(&mut self, generation: u64, backlog_events: u64) -> anyhow::Result<()> {
        self.write(&json!({
            "type": "attached",
            "generation": generation,
            "backlog_events": backlog_events,
        }))
    }

    /// A request of which nothing happened.
    pub(crate) fn not_taken(&mut self, request_id: RequestId) -> anyhow::Result<()> {
        self.write(&json!({ "type": "not_taken", "request_id": request_id.0 }))
    }

    /// Hands everything to the system.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        match &mut self.file {
            Some(file) => file.flush().context("writing the ledger"),
            None => Ok(()),
        }
    }

    fn write(&mut self, line: &Value) -> anyhow::Result<()> {
        match &mut self.file {
            Some(file) => writeln!(file, "{line}").context("writing the ledger"),
            None => Ok(()),
        }
    }
}

/// The lines of one event: an execution that ends its order makes two.
fn lines(event: &OrderEvent, instrument: Option<&Instrument>) -> Vec<Value> {
    let mut lines = Vec::new();
    match event.kind {
        OrderEventKind::OrderCreated => lines.push(order(event, instrument)),
        OrderEventKind::OrderPartiallyFilled
        | OrderEventKind::OrderFilled
        | OrderEventKind::LateFill => lines.push(fill(event, instrument)),
        OrderEventKind::RequestRefused | OrderEventKind::RequestsRefused => {
            lines.push(refused(event));
        }
        _ => {}
    }
    let ended = event.status.is_some_and(|status| status.is_terminal());
    let answer = matches!(
        event.kind,
        OrderEventKind::OrderState | OrderEventKind::LateFill
    );
    if ended && !answer && event.client_order_id.is_some() {
        lines.push(end(event, instrument));
    }
    lines
}

fn order(event: &OrderEvent, instrument: Option<&Instrument>) -> Value {
    json!({
        "type": "order",
        "event_seq": event.event_seq,
        "request_id": event.request_id.0,
        "client_order_id": id_text(event),
        "symbol": symbol(instrument),
        "side": event.side.map(|side| side.name()),
        "order_quantity": quantity(event.order_quantity.units(), instrument),
        "limit_price": price(event.limit_price.units(), instrument),
    })
}

fn fill(event: &OrderEvent, instrument: Option<&Instrument>) -> Value {
    json!({
        "type": "fill",
        "event_seq": event.event_seq,
        "client_order_id": id_text(event),
        "trade_id": event.text.as_str(),
        "symbol": symbol(instrument),
        "side": event.side.map(|side| side.name()),
        "last_quantity": quantity(event.last_quantity.units(), instrument),
        "last_price": price(event.last_price.units(), instrument),
        "cum_quantity": quantity(event.cum_quantity.units(), instrument),
        "fee": DecimalText::new(event.fee_units, FEE_SCALE).as_str(),
        "late": event.kind == OrderEventKind::LateFill,
    })
}

fn end(event: &OrderEvent, instrument: Option<&Instrument>) -> Value {
    json!({
        "type": "end",
        "event_seq": event.event_seq,
        "client_order_id": id_text(event),
        "status": event.status.map(|status| status.name()),
        "cum_quantity": quantity(event.cum_quantity.units(), instrument),
        "venue_code": event.venue_code,
    })
}

fn refused(event: &OrderEvent) -> Value {
    let count = match event.kind {
        OrderEventKind::RequestsRefused => event.order_quantity.units(),
        _ => 1,
    };
    json!({
        "type": "refused",
        "event_seq": event.event_seq,
        "request_id": event.request_id.0,
        "count": count,
        "client_order_id": id_text(event),
        "reason": event.reason.map(|reason| reason.name()),
    })
}

fn id_text(event: &OrderEvent) -> Option<String> {
    event.client_order_id.map(|id| id.to_string())
}

fn symbol(instrument: Option<&Instrument>) -> Option<&str> {
    instrument.map(|instrument| instrument.symbol.as_str())
}

fn quantity(units: i64, instrument: Option<&Instrument>) -> Option<String> {
    instrument.map(|known| DecimalText::new(units, known.quantity_scale).to_string())
}

fn price(units: i64, instrument: Option<&Instrument>) -> Option<String> {
    instrument.map(|known| DecimalText::new(units, known.price_scale).to_string())
}
