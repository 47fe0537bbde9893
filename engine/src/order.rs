//! One order: what is proved, what is under way, and what it can still cost.

mod executions;
mod record;
mod store;
pub mod transition;

pub use executions::ExecutionTable;
pub use record::{ASK_LOST_NS, Certainty, HeldEnd, Order, PENDING_MAX, PendingCommand};
pub(crate) use store::PROBES_MAX;
pub(crate) use store::mix as mixed;
pub use store::{OrderStore, Placement};
