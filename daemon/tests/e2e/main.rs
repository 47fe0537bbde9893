//! The engine as its users meet it: a real process, a venue behind real TLS, strategies over rings.
//!
//! Each test has a simulator, a directory and engine processes of its own; nothing is shared. Must
//! not know: the engine's insides, but for its journal and its ledger, which are public forms.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod canaries;
mod database;
mod dry_run;
mod engine_process;
mod flood;
mod hostile_writer;
mod mounts;
mod rig;
mod trader;

mod disk_limits;
mod kill;
mod orders;
mod process_deaths;
mod refusals;
mod snapshots;
mod stage_stamps;
mod stories;
mod strategies;
mod strict;
mod venue_faults;
