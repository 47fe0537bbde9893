//! Single-producer single-consumer queues of millrun.
//!
//! Owns: the rings between threads of the process ([`in_process`]), the rings between the engine
//! and a strategy's process ([`shared_memory`]), and the passing of their file descriptors over a
//! Unix socket ([`fd_passing`]).
//!
//! Invariants: every ring is bounded and no call waits; a full ring hands the item back; each end
//! has exactly one owner (`&mut self`), so one producer and one consumer is a property of types.
//! Bytes that another process can write are copied out word by word and are never typed data.
//!
//! Must not know: what an item means, which thread holds an end, how an idle thread waits.
//!
//! Threads: every end is `Send`; no end is shared.

#![deny(unsafe_code)]

pub mod in_process;

pub mod shared_memory;

pub mod fd_passing;

mod sync;
