//! The millrun daemon as a library: what `millrun start` is made of. Threads live in their modules.
#![forbid(unsafe_code)]

pub mod config;
pub mod secrets;
pub mod shadow_service;

pub mod clock;
pub mod log_sink;
pub mod pinning;

pub mod hot_thread;
pub mod journal_gauge;
pub mod journal_port;
pub mod kill_watch;
pub mod latch_files;
pub mod message_port;
mod open_link;
pub mod strategy_port;
pub mod venue_connection;
mod venue_outbox;
pub mod venue_port;

pub mod recovery;

pub mod assemble;
pub mod cold_services;
pub mod cold_thread;
pub mod journal_watch;
mod position_log;
pub mod start;
pub mod venue_rules;

pub mod journal_witness;
pub mod ledger;

pub mod cli;
pub mod commands;
