//! Rows into the database: a batch and its cursor in one transaction.

use model::execution_report::FEE_SCALE;
use model::{CommandKind, DecimalText, Instrument, Text, UnixNs};
use rusqlite::{Connection, TransactionBehavior, params};

use super::exact_text::{average_text, decimal_text};
use super::rows::{Cursor, FillRow, IntentRow, LogRow, OrderRow};
use super::{Store, StoreError};

/// What one transaction writes. Orders and intents replace their earlier rows.
#[derive(Debug, Default)]
pub struct Batch {
    /// Instruments whose rules came into force, with their venue's name.
    pub instruments: Vec<(Instrument, Text<15>)>,
    /// Orders that changed, as they stand now; by id, so that pages are written in their order.
    pub orders: Vec<OrderRow>,
    /// Commands that changed, as they stand now; by id.
    pub intents: Vec<IntentRow>,
    /// Executions.
    pub fills: Vec<FillRow>,
    /// What happened.
    pub logs: Vec<LogRow>,
}

impl Store {
    /// Writes a batch and moves the cursor; all or nothing. The executions that the table had
    /// already under their own id, which no right journal has, by sequence.
    ///
    /// # Errors
    /// Whatever SQLite says; nothing is changed then.
    pub fn write(&mut self, batch: &Batch, cursor: &Cursor) -> Result<Vec<u64>, StoreError> {
        let path = &self.path;
        let failed = |error| StoreError::sqlite("writing rows", path, error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut doubled = Vec::new();
        let written = write_all(&transaction, batch, cursor, &mut doubled);
        written
            .and_then(|()| transaction.commit())
            .map_err(failed)?;
        Ok(doubled)
    }
}

fn write_all(
    connection: &Connection,
    batch: &Batch,
    cursor: &Cursor,
    doubled: &mut Vec<u64>,
) -> rusqlite::Result<()> {
    for (instrument, venue) in &batch.instruments {
        put_instrument(connection, instrument, venue)?;
    }
    for order in &batch.orders {
        put_order(connection, order)?;
    }
    for intent in &batch.intents {
        put_intent(connection, intent)?;
    }
    for fill in &batch.fills {
        if !put_fill(connection, fill)? {
            doubled.push(fill.sequence);
        }
    }
    for log in &batch.logs {
        put_log(connection, log)?;
    }
    put_cursor(connection, cursor)
}

/// Numbers of ours fit 63 bits; a value that does not is stored as the largest.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn moment(at: Option<UnixNs>) -> Option<i64> {
    at.map(|at| int(at.0))
}

fn some_text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn put_instrument(
    connection: &Connection,
    instrument: &Instrument,
    venue: &Text<15>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO instruments (instrument_id, venue, account, symbol, venue_code, kind, state, \
         price_scale, quantity_scale, tick, lot, quantity_min, quantity_max, multiplier) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
         ON CONFLICT (instrument_id) DO UPDATE SET venue = excluded.venue, \
         account = excluded.account, symbol = excluded.symbol, venue_code = excluded.venue_code, \
         kind = excluded.kind, state = excluded.state, price_scale = excluded.price_scale, \
         quantity_scale = excluded.quantity_scale, tick = excluded.tick, lot = excluded.lot, \
         quantity_min = excluded.quantity_min, quantity_max = excluded.quantity_max, \
         multiplier = excluded.multiplier",
    )?;
    let quantity = |quantity: model::Quantity| quantity.text(instrument.quantity_scale);
    let multiplier = DecimalText::new(instrument.multiplier_units, instrument.multiplier_scale);
    statement.execute(params![
        instrument.id.0,
        venue.as_str(),
        instrument.account.0,
        instrument.symbol.as_str(),
        int(instrument.venue_code),
        instrument.kind.name(),
        instrument.state.name(),
        instrument.price_scale,
        instrument.quantity_scale,
        instrument.tick.text(instrument.price_scale).as_str(),
        quantity(instrument.lot).as_str(),
        quantity(instrument.quantity_min).as_str(),
        quantity(instrument.quantity_max).as_str(),
        multiplier.as_str(),
    ])?;
    Ok(())
}

const PUT_ORDER: &str = "\
INSERT INTO orders (client_order_id, order_id, intent_id, request_id, strategy_id, strategy, \
 venue, account, instrument_id, symbol, side, order_type, time_in_force, post_only, \
 reduce_only, mode, price_scale, quantity_scale, price, price_units, quantity, quantity_units, \
 filled_quantity, filled_units, executed_value_units, average_fill_price, fee, fee_units, \
 status, unknown, needs_operator, created_at_ns, submitted_at_ns, acknowledged_at_ns, \
 filled_at_ns, cancelled_at_ns, ended_at_ns, status_since_ns, latency_us, venue_code, \
 error_message, last_sequence) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, \
 ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, \
 ?39, ?40, ?41, ?42) \
ON CONFLICT (client_order_id) DO UPDATE SET order_id = excluded.order_id, \
 intent_id = excluded.intent_id, price = excluded.price, price_units = excluded.price_units, \
 quantity = excluded.quantity, quantity_units = excluded.quantity_units, \
 filled_quantity = excluded.filled_quantity, filled_units = excluded.filled_units, \
 executed_value_units = excluded.executed_value_units, \
 average_fill_price = excluded.average_fill_price, fee = excluded.fee, \
 fee_units = excluded.fee_units, status = excluded.status, unknown = excluded.unknown, \
 needs_operator = excluded.needs_operator, submitted_at_ns = excluded.submitted_at_ns, \
 acknowledged_at_ns = excluded.acknowledged_at_ns, filled_at_ns = excluded.filled_at_ns, \
 cancelled_at_ns = excluded.cancelled_at_ns, ended_at_ns = excluded.ended_at_ns, \
 status_since_ns = excluded.status_since_ns, latency_us = excluded.latency_us, \
 venue_code = excluded.venue_code, error_message = excluded.error_message, \
 last_sequence = excluded.last_sequence";

fn put_order(connection: &Connection, order: &OrderRow) -> rusqlite::Result<()> {
    let market = &order.market;
    let cum_units = order.cum_quantity.units();
    let average = average_text(order.executed_value, cum_units, market.price_scale);
    let quantity = |quantity: model::Quantity| quantity.text(market.quantity_scale);
    connection.prepare_cached(PUT_ORDER)?.execute(params![
        int(order.client_order_id.integer()),
        some_text(order.order_id.as_str()),
        Some(int(order.intent_id)).filter(|id| *id != 0),
        int(order.request_id),
        order.strategy.0,
        order.strategy_name.as_str(),
        market.venue.as_str(),
        market.account.0,
        market.instrument.0,
        market.symbol.as_str(),
        order.side.name(),
        order.order_type.name(),
        order.time_in_force.name(),
        order.post_only,
        order.reduce_only,
        order.mode.name(),
        market.price_scale,
        market.quantity_scale,
        order.limit_price.text(market.price_scale).as_str(),
        order.limit_price.units(),
        quantity(order.order_quantity).as_str(),
        order.order_quantity.units(),
        quantity(order.cum_quantity).as_str(),
        cum_units,
        order.executed_value.to_string(),
        average,
        decimal_text(order.fee_units, u32::from(FEE_SCALE)),
        order.fee_units.to_string(),
        order.status.name(),
        order.unknown,
        order.needs_operator,
        int(order.created_at.0),
        moment(order.submitted_at),
        moment(order.acknowledged_at),
        moment(order.filled_at),
        moment(order.cancelled_at),
        moment(order.ended_at),
        int(order.status_since.0),
        order.latency_us.map(int),
        order.venue_code,
        some_text(order.error_message.as_str()),
        int(order.last_sequence),
    ])?;
    Ok(())
}

const PUT_INTENT: &str = "\
INSERT INTO trade_intents (intent_id, client_order_id, command, command_seq, send_no, request_id, \
 price, price_units, quantity, quantity_units, state, unknown, outcome, result, created_at_ns, \
 valid_until_ns, sent_at_ns, completed_at_ns, latency_us, payload_hash, boot_epoch, \
 decided_at_ns, sequence) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
 ?21, ?22, ?23) \
ON CONFLICT (intent_id) DO UPDATE SET state = excluded.state, unknown = excluded.unknown, \
 outcome = excluded.outcome, result = excluded.result, sent_at_ns = excluded.sent_at_ns, \
 completed_at_ns = excluded.completed_at_ns, latency_us = excluded.latency_us, \
 payload_hash = excluded.payload_hash";

fn put_intent(connection: &Connection, intent: &IntentRow) -> rusqlite::Result<()> {
    let (price_scale, quantity_scale) = intent.scales;
    connection.prepare_cached(PUT_INTENT)?.execute(params![
        int(intent.intent_id),
        int(intent.client_order_id.integer()),
        CommandKind::name(intent.command),
        intent.command_seq,
        intent.send_no,
        int(intent.request_id),
        intent.limit_price.text(price_scale).as_str(),
        intent.limit_price.units(),
        intent.order_quantity.text(quantity_scale).as_str(),
        intent.order_quantity.units(),
        intent.state.name(),
        intent.unknown,
        some_text(&intent.outcome),
        some_text(&intent.result),
        int(intent.created_at.0),
        int(intent.valid_until.0),
        moment(intent.sent_at),
        moment(intent.completed_at),
        intent.latency_us.map(int),
        intent.payload_hash.map(|hash| format!("{hash:016x}")),
        intent.boot_epoch,
        int(intent.decided_at.0),
        int(intent.sequence),
    ])?;
    Ok(())
}

/// False when the table had the execution already.
fn put_fill(connection: &Connection, row: &FillRow) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO fills (sequence, ordinal, kind, venue, symbol, execution_id, \
         client_order_id, strategy, side, price_scale, quantity_scale, price, price_units, \
         quantity, quantity_units, commission, commission_units, liquidity, late, overfill, \
         venue_time_ns, booked_at_ns) \
         VALUES (?1, ?2, 'fill', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, \
         ?17, ?18, ?19, ?20, ?21) \
         ON CONFLICT (venue, symbol, execution_id, client_order_id, kind) DO NOTHING",
    )?;
    let (market, fill) = (&row.market, &row.fill);
    let inserted = statement.execute(params![
        int(row.sequence),
        row.ordinal,
        market.venue.as_str(),
        market.symbol.as_str(),
        execution_id(row),
        int(row.client_order_id.integer()),
        row.strategy_name.as_str(),
        row.side.name(),
        market.price_scale,
        market.quantity_scale,
        fill.last_price.text(market.price_scale).as_str(),
        fill.last_price.units(),
        fill.last_quantity.text(market.quantity_scale).as_str(),
        fill.last_quantity.units(),
        DecimalText::new(fill.fee_units, FEE_SCALE).as_str(),
        fill.fee_units,
        fill.liquidity.name(),
        row.late,
        row.overfill,
        int(fill.venue_time.0),
        int(row.booked_at.0),
    ])?;
    Ok(inserted == 1)
}

/// The venue's id of the match; where it gave none, our own place of it.
fn execution_id(row: &FillRow) -> String {
    if row.fill.trade_id.is_empty() {
        format!("journal-{}-{}", row.sequence, row.ordinal)
    } else {
        row.fill.trade_id.as_str().to_owned()
    }
}

fn put_log(connection: &Connection, row: &LogRow) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO execution_logs (sequence, ordinal, client_order_id, request_id, strategy, \
         kind, from_status, to_status, unknown, at_ns, attempt, reason, metadata) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    statement.execute(params![
        int(row.sequence),
        row.ordinal,
        row.client_order_id.map(|id| int(id.integer())),
        int(row.request_id),
        row.strategy_name.as_str(),
        row.kind,
        row.from.map(model::OrderStatus::name),
        row.to.map(model::OrderStatus::name),
        row.unknown,
        int(row.at.0),
        row.attempt,
        some_text(&row.reason),
        some_text(&row.metadata),
    ])?;
    Ok(())
}

fn put_cursor(connection: &Connection, cursor: &Cursor) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO cursor (only_row, journal_id, sequence, entry_epoch, entry_now_ns, \
         boot_epoch, anchor_monotonic_ns, anchor_unix_ns, config) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (only_row) DO UPDATE SET journal_id = excluded.journal_id, \
         sequence = excluded.sequence, entry_epoch = excluded.entry_epoch, \
         entry_now_ns = excluded.entry_now_ns, boot_epoch = excluded.boot_epoch, \
         anchor_monotonic_ns = excluded.anchor_monotonic_ns, \
         anchor_unix_ns = excluded.anchor_unix_ns, config = excluded.config",
    )?;
    statement.execute(params![
        format!("{:032x}", cursor.journal_id),
        int(cursor.sequence),
        cursor.entry_epoch,
        int(cursor.entry_now.0),
        cursor.boot_epoch,
        int(cursor.anchor.monotonic.0),
        int(cursor.anchor.unix.0),
        Some(cursor.config.as_slice()).filter(|config| !config.is_empty()),
    ])?;
    Ok(())
}
