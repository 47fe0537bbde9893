//! Rows out of the database: what a projection goes on from, and what a person asks for.
//!
//! Invariant: a value that no projection writes is an error that names its table and column.

use model::decimal_text::SCALE_MAX;
use model::engine_config::TradingMode;
use model::identifiers::{Symbol, VenueMessage};
use model::{
    AccountId, ClientOrderId, CommandKind, InstrumentId, MonotonicNs, OrderStatus, OrderType,
    Price, Quantity, Side, StrategyId, Text, TimeInForce, UnixNs, UtcAnchor, VenueOrderId,
};
use rusqlite::{OptionalExtension, Row, types::FromSql};

use super::rows::{Cursor, IntentRow, IntentState, Market, OrderRow};
use super::{Store, StoreError, StoreErrorKind};

const CURSOR: &str = "cursor";
const ORDERS: &str = "orders";
const INTENTS: &str = "trade_intents";

/// A row with its table's name, for errors.
struct Read<'a, 'b> {
    row: &'a Row<'b>,
    table: &'static str,
}

/// Why a row could not be read: SQLite's own error, or a value that is none of ours.
enum Unread {
    Sqlite(rusqlite::Error),
    Bad(&'static str, &'static str, String),
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Read<'_, '_> {
    fn get<T: FromSql>(&self, column: &'static str) -> Result<T, Unread> {
        Ok(self.row.get(column)?)
    }

    fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, Unread> {
        let found: i64 = self.get(column)?;
        T::try_from(found).map_err(|_| self.bad(column, &found))
    }

    fn scale(&self, column: &'static str) -> Result<u8, Unread> {
        let scale: u8 = self.number(column)?;
        if scale > SCALE_MAX {
            return Err(self.bad(column, &scale));
        }
        Ok(scale)
    }

    fn optional_number(&self, column: &'static str) -> Result<Option<u64>, Unread> {
        let found: Option<i64> = self.get(column)?;
        found
            .map(|found| u64::try_from(found).map_err(|_| self.bad(column, &found)))
            .transpose()
    }

    fn moment(&self, column: &'static str) -> Result<UnixNs, Unread> {
        self.number(column).map(UnixNs)
    }

    fn optional_moment(&self, column: &'static str) -> Result<Option<UnixNs>, Unread> {
        Ok(self.optional_number(column)?.map(UnixNs))
    }

    fn text<const N: usize>(&self, column: &'static str) -> Result<Text<N>, Unread> {
        let found: Option<String> = self.get(column)?;
        let found = found.unwrap_or_default();
        Text::new(found.as_bytes()).ok_or_else(|| self.bad(column, &found))
    }

    fn variant<T: Copy>(
        &self,
        column: &'static str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, Unread> {
        let found: String = self.get(column)?;
        let variant = all.iter().find(|variant| name(**variant) == found);
        variant.copied().ok_or_else(|| self.bad(column, &found))
    }

    fn wide(&self, column: &'static str) -> Result<i128, Unread> {
        let found: String = self.get(column)?;
        found.parse().map_err(|_| self.bad(column, &found))
    }

    fn order_id(&self, column: &'static str) -> Result<ClientOrderId, Unread> {
        let found: u64 = self.number(column)?;
        ClientOrderId::from_integer(found).ok_or_else(|| self.bad(column, &found))
    }

    fn bad(&self, column: &'static str, found: &impl ToString) -> Unread {
        Unread::Bad(self.table, column, found.to_string())
    }
}

impl Store {
    /// How far the rows go; `None` for a database without rows.
    ///
    /// # Errors
    /// Whatever SQLite says; a row that is not ours.
    pub fn cursor(&self) -> Result<Option<Cursor>, StoreError> {
        let mut found = self.rows(CURSOR, "SELECT * FROM cursor", [], cursor_of)?;
        Ok(found.pop())
    }

    /// An order.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn order(&self, id: ClientOrderId) -> Result<Option<OrderRow>, StoreError> {
        let query = "SELECT * FROM orders WHERE client_order_id = ?1";
        let mut found = self.rows(ORDERS, query, [bound(id.integer())], order_of)?;
        Ok(found.pop())
    }

    /// Every order, or only the open ones, by id.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn orders(&self, open_only: bool) -> Result<Vec<OrderRow>, StoreError> {
        let query = if open_only {
            "SELECT * FROM open_orders ORDER BY client_order_id"
        } else {
            "SELECT * FROM orders ORDER BY client_order_id"
        };
        self.rows(ORDERS, query, [], order_of)
    }

    /// The orders of one market window, by id.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn orders_of_window(&self, window_id: &str) -> Result<Vec<OrderRow>, StoreError> {
        let query = "SELECT * FROM orders WHERE window_id = ?1 ORDER BY client_order_id";
        self.rows(ORDERS, query, [window_id], order_of)
    }

    /// The commands of an order that are not over, and the one that created it.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn live_intents(
        &self,
        id: ClientOrderId,
        scales: (u8, u8),
    ) -> Result<Vec<IntentRow>, StoreError> {
        let query = "SELECT * FROM trade_intents WHERE client_order_id = ?1 \
                     AND (state IN ('pending', 'executing') OR command = 'new') \
                     ORDER BY intent_id";
        self.rows(INTENTS, query, [bound(id.integer())], |read| {
            intent_of(read, scales)
        })
    }

    /// The order that a command belongs to.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn order_of_intent(&self, intent_id: u64) -> Result<Option<ClientOrderId>, StoreError> {
        let query = "SELECT client_order_id FROM trade_intents WHERE intent_id = ?1";
        let mut found = self.rows(INTENTS, query, [bound(intent_id)], |read| {
            read.order_id("client_order_id")
        })?;
        Ok(found.pop())
    }

    /// Rows of a table, for what an operator is shown.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn count(&self, table: CountedTable) -> Result<u64, StoreError> {
        let query = match table {
            CountedTable::Orders => "SELECT count(*) FROM orders",
            CountedTable::Fills => "SELECT count(*) FROM fills",
            CountedTable::Intents => "SELECT count(*) FROM trade_intents",
            CountedTable::Logs => "SELECT count(*) FROM execution_logs",
        };
        let counted: Option<i64> = self.run("counting rows", |connection| {
            connection.query_row(query, [], |row| row.get(0)).optional()
        })?;
        Ok(counted
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    fn rows<T>(
        &self,
        table: &'static str,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl Fn(&Read<'_, '_>) -> Result<T, Unread>,
    ) -> Result<Vec<T>, StoreError> {
        let read_all = || -> Result<Vec<T>, Unread> {
            let mut statement = self.connection.prepare_cached(query)?;
            let mut rows = statement.query(parameters)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(&Read { row, table })?);
            }
            Ok(found)
        };
        read_all().map_err(|unread| match unread {
            Unread::Sqlite(error) => StoreError::sqlite("reading rows", &self.path, error),
            Unread::Bad(table, column, found) => {
                let kind = StoreErrorKind::BadRow {
                    table,
                    column,
                    found,
                };
                StoreError::new(&self.path, kind)
            }
        })
    }
}

/// What can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedTable {
    /// `orders`.
    Orders,
    /// `fills`.
    Fills,
    /// `trade_intents`.
    Intents,
    /// `execution_logs`.
    Logs,
}

fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn cursor_of(read: &Read<'_, '_>) -> Result<Cursor, Unread> {
    let journal_id: String = read.get("journal_id")?;
    let config: Option<Vec<u8>> = read.get("config")?;
    Ok(Cursor {
        journal_id: u128::from_str_radix(&journal_id, 16)
            .map_err(|_| read.bad("journal_id", &journal_id))?,
        sequence: read.number("sequence")?,
        entry_epoch: read.number("entry_epoch")?,
        entry_now: MonotonicNs(read.number("entry_now_ns")?),
        boot_epoch: read.number("boot_epoch")?,
        anchor: UtcAnchor {
            monotonic: MonotonicNs(read.number("anchor_monotonic_ns")?),
            unix: read.moment("anchor_unix_ns")?,
            error_ns: 0,
        },
        config: config.unwrap_or_default(),
    })
}

fn market_of(read: &Read<'_, '_>) -> Result<Market, Unread> {
    let symbol: Symbol = read.text("symbol")?;
    Ok(Market {
        instrument: InstrumentId(read.number("instrument_id")?),
        venue: read.text("venue")?,
        account: AccountId(read.number("account")?),
        symbol,
        price_scale: read.scale("price_scale")?,
        quantity_scale: read.scale("quantity_scale")?,
    })
}

fn order_of(read: &Read<'_, '_>) -> Result<OrderRow, Unread> {
    let order_id: VenueOrderId = read.text("order_id")?;
    let error_message: VenueMessage = read.text("error_message")?;
    let market = market_of(read)?;
    Ok(OrderRow {
        client_order_id: read.order_id("client_order_id")?,
        order_id,
        intent_id: read.optional_number("intent_id")?.unwrap_or(0),
        request_id: read.number("request_id")?,
        strategy: StrategyId(read.number("strategy_id")?),
        strategy_name: read.text("strategy")?,
        market,
        mode: read.variant("mode", TradingMode::ALL, TradingMode::name)?,
        side: read.variant("side", Side::ALL, Side::name)?,
        order_type: read.variant("order_type", OrderType::ALL, OrderType::name)?,
        time_in_force: read.variant("time_in_force", TimeInForce::ALL, TimeInForce::name)?,
        post_only: read.get("post_only")?,
        reduce_only: read.get("reduce_only")?,
        limit_price: Price::from_units(read.get("price_units")?),
        order_quantity: Quantity::from_units(read.get("quantity_units")?),
        cum_quantity: Quantity::from_units(read.get("filled_units")?),
        executed_value: read.wide("executed_value_units")?,
        fee_units: read.wide("fee_units")?,
        status: read.variant("status", OrderStatus::ALL, OrderStatus::name)?,
        unknown: read.get("unknown")?,
        needs_operator: read.get("needs_operator")?,
        created_at: read.moment("created_at_ns")?,
        submitted_at: read.optional_moment("submitted_at_ns")?,
        acknowledged_at: read.optional_moment("acknowledged_at_ns")?,
        filled_at: read.optional_moment("filled_at_ns")?,
        cancelled_at: read.optional_moment("cancelled_at_ns")?,
        ended_at: read.optional_moment("ended_at_ns")?,
        status_since: read.moment("status_since_ns")?,
        latency_us: read.optional_number("latency_us")?,
        venue_code: read.number("venue_code")?,
        error_message,
        last_sequence: read.number("last_sequence")?,
    })
}

fn intent_of(read: &Read<'_, '_>, scales: (u8, u8)) -> Result<IntentRow, Unread> {
    let hash: Option<String> = read.get("payload_hash")?;
    let payload_hash = hash
        .map(|hash| u64::from_str_radix(&hash, 16).map_err(|_| read.bad("payload_hash", &hash)))
        .transpose()?;
    let words = |column| {
        read.get::<Option<String>>(column)
            .map(Option::unwrap_or_default)
    };
    Ok(IntentRow {
        intent_id: read.number("intent_id")?,
        client_order_id: read.order_id("client_order_id")?,
        command: read.variant("command", CommandKind::ALL, CommandKind::name)?,
        command_seq: read.number("command_seq")?,
        send_no: read.number("send_no")?,
        request_id: read.number("request_id")?,
        scales,
        limit_price: Price::from_units(read.get("price_units")?),
        order_quantity: Quantity::from_units(read.get("quantity_units")?),
        state: read.variant("state", IntentState::ALL, IntentState::name)?,
        unknown: read.get("unknown")?,
        outcome: words("outcome")?,
        result: words("result")?,
        created_at: read.moment("created_at_ns")?,
        valid_until: read.moment("valid_until_ns")?,
        sent_at: read.optional_moment("sent_at_ns")?,
        completed_at: read.optional_moment("completed_at_ns")?,
        latency_us: read.optional_number("latency_us")?,
        payload_hash,
        boot_epoch: read.number("boot_epoch")?,
        decided_at: MonotonicNs(read.number("decided_at_ns")?),
        sequence: read.number("sequence")?,
    })
}
