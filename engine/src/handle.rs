//! What is decided on each kind of input.

mod commands;
mod executions;
mod latches;
mod lookups;
mod operations;
mod positions;
mod reports;
pub(crate) mod request_checks;
mod requests;
mod tasks;
