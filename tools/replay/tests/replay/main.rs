//! `millrun replay` over real journals, written by the journal crate with the model's records.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod recorded; // a journal that the engine itself wrote, and what somebody may change in it
mod replaying; // one run of the command
mod story; // a small day of trading, and how to write it

mod explain; // one order from its request to its end
mod export; // tables of text
mod faults; // damage, foreign records, wrong options
mod filters; // each option that selects
mod forms; // text and JSON
mod live; // following, signals, closed pipes
mod verify; // re-execution finds every difference at its sequence
