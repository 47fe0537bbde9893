//! The projection: rows equal what the journal says, whatever happens to the projector.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod database;
mod folding;
mod following;
mod kills;
mod order_log;
mod row_by_row;
mod trading_day;
