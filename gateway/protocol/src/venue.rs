//! The venues, one folder each: how a command is written and what a message says.

pub mod okx;
