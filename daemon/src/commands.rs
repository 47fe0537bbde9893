//! The commands of `millrun`, one module each.

pub mod check_config;
pub mod db;
pub mod demo;
pub mod export_sqlite;
pub mod kill;
pub mod latency;
pub mod order;
pub mod rearm;
pub mod start;
pub mod status;

mod logging;
