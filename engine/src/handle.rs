//! What is decided on each kind of input.

mod commands;
mod executions;
mod lookups;
mod operations;
mod reports;
mod requests;
mod tasks;
