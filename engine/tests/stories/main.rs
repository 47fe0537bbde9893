//! Stories: what is put in, and what must follow. Each runs in the rig, so each is folded along.

#[path = "../rig/mod.rs"]
mod rig;
mod stage;

mod acts;
mod executions;
mod kill;
mod limits;
mod orders;
mod positions;
mod refusals;
mod restarts;
mod state_bytes;
mod terms;
mod unknown;
