//! The strategy's side of millrun: orders go in through shared memory, numbered events come back.
//!
//! Owns: the way to attach, the client's ends of both rings, the numbers of requests, the check
//! that no event is missing. Invariants: a request id is never used twice; a request is never sent
//! again by this library; no call but [`Client::attach`], [`Client::reattach`] and
//! [`Client::next_event`] waits; every event is given once, in order, or a gap is named.
//! Must not know: venues, the engine's insides. Threads: a [`Client`] belongs to one thread at a
//! time and may move.
//!
//! ```no_run
//! use std::time::Duration;
//! use millrun_client::{Client, NewOrderSpec, OrderEventKind, Resume, Side};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let attached = Client::attach("data/attach.sock", "grid", Resume::FROM_NOW)?;
//! let mut client = attached.client;
//! let order = NewOrderSpec::limit("BTC-USDT-SWAP", Side::Buy, "0.01", "64000.5").post_only();
//! let request = client.place(&order)?;
//! while let Some(event) = client.next_event(Duration::from_secs(1))? {
//!     if event.request_id == request && event.kind == OrderEventKind::OrderAcknowledged {
//!         client.cancel_request(request)?;
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When the engine dies
//!
//! Calls give `Disconnected`; [`Client::reattach`] brings back, exactly, what happened: first every
//! event that was missed, in order; then [`Resync::not_taken`] names the requests that were written
//! but never taken. Nothing of them happened or will happen; whether to ask again is the strategy's
//! decision, with a new request id.
//!
//! # When the strategy dies
//!
//! Keep `last_event_seq` and `last_request_id` where they survive, and attach with them; or let a
//! [`ResumeFile`] do it. A strategy that kept nothing attaches with [`Resume::FROM_NOW`] and asks
//! for what it needs ([`Client::query`], [`Client::cancel_all`]).

#![forbid(unsafe_code)]

mod client;
pub use client::{AttachOptions, Attached, Client};

mod order_spec;
pub use order_spec::{InstrumentRef, NewOrderSpec, PriceValue, QuantityValue};

mod error;
pub use error::{AttachError, EventError, Remedy, RequestError};

mod resync;
pub use resync::{EventGap, RequestRange, Resume, Resync};

mod resume_file;
pub use resume_file::ResumeFile;

mod attach_dialog;
mod instrument_table;
pub use instrument_table::InstrumentTable;

pub use model::attach_message::{IdleMode, RefusalCode};
pub use model::order_event::{OrderEvent, OrderEventKind};
pub use model::order_request::{OrderReference, OrderStatus, Side, TimeInForce};
pub use model::{ClientOrderId, DecimalError, Instrument, InstrumentId, Price, Quantity};
pub use model::{RejectReason, RequestId};
