//! The vocabulary of millrun: numbers, ids, requests, reports, decisions, and their bytes.
//!
//! Everything that crosses a boundary (shared memory, journal, threads) is a type of this crate.
//! It owns no clock, socket, file, thread or venue knowledge, and it never uses binary floating
//! point: prices and quantities are integer counts of 10^-scale units.

#![forbid(unsafe_code)]
#![deny(
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

pub mod canonical_bytes;
pub mod decimal_text;
pub mod identifiers;
pub mod price;
pub mod quantity;
pub mod time;

pub mod instrument;

pub mod order_request;
pub mod request_slot;

pub mod account_statement;
pub mod execution_report;
pub mod recon_fact;

pub mod order_change;
pub mod order_event;
pub mod reject_reason;

pub mod attach_message;

pub mod control;
pub mod decision;
pub mod engine_config;
pub mod input;
pub mod journal_record;
pub mod sent_record;
pub mod stage;

pub use account_statement::{
    BalanceStated, MarginMode, PositionCells, PositionSide, PositionStated,
};
pub use canonical_bytes::{ByteSink, ByteSource, BytesError, CanonicalBytes};
pub use decimal_text::{DecimalAmount, DecimalError, DecimalText};
pub use decision::Decision;
pub use engine_config::EngineConfig;
pub use execution_report::{OrderUpdate, VenueReport};
pub use identifiers::{
    AccountId, BootEpoch, ClientOrderId, InstanceTag, InstrumentId, LinkId, RequestId, StrategyId,
    Text, TradeId, VenueId, VenueOrderId,
};
pub use input::Input;
pub use instrument::Instrument;
pub use order_change::{ChangeBody, OrderChange};
pub use order_event::{OrderEvent, OrderEventKind};
pub use order_request::{
    CommandKind, NewOrder, OrderIntent, OrderStatus, OrderType, Request, Side, TimeInForce,
};
pub use price::{Notional, Price};
pub use quantity::Quantity;
pub use recon_fact::ReconFact;
pub use reject_reason::RejectReason;
pub use time::{MonotonicNs, UnixNs, UtcAnchor};
