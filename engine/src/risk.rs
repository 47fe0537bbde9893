//! Checks before the wire: data in, verdict out. A check that cannot be made refuses.

pub mod check;
pub mod check_run;
pub mod exposure;
pub mod message_rate;
pub mod reduce_only;
