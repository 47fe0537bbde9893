//! Wire-true simulator of a trading venue: OKX API v5 over TLS, REST and WebSocket on one port.
//!
//! It owns a price-time matching engine for many accounts, a seeded background market, the venue's
//! limits and error codes, faults on demand, and a ledger of its own truth. It shares no code with
//! the engine it judges. Must not know: anything of ours. Threads: tokio tasks around one mutex.
#![forbid(unsafe_code)]

mod cli;
mod clock;
mod config;
mod faults;
mod instruments;
mod ledger;
mod limits;
mod link;
mod market;
mod matching;
mod okx;
mod server;
mod simulator;
mod tls;
mod witness;

pub use cli::run_cli;
pub use config::{
    AccountConfig, BackgroundMarket, FeeSchedule, KeyEnvironment, LimitConfig, SimulatorConfig,
};
pub use faults::{Fault, FaultRule, FaultTrigger};
pub use instruments::{Instrument, InstrumentKind, default_instruments};
pub use simulator::{OwnedSimulator, Running, Simulator, SimulatorStats};
pub use witness::{CommandWitness, ReceivedCommand, Transport, WitnessVerdict};
