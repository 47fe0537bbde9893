//! Memory-mapped append-only journal of millrun.
//!
//! One writer appends entries to pre-allocated, pre-faulted segment files; any thread or process
//! reads them while they grow. An entry exists once its commit word is stored, which is the last
//! thing done to it; before that it never happened. The journal does not know what an entry means.
//!
//! Promises: from [`Writer::begin`] to [`EntryBuilder::commit`] no system call, lock or allocation;
//! damage is never skipped or guessed ([`recovery`]); what each [`Mode`] can lose is its name's
//! meaning. Not offered: more than one writer, changing or deleting entries, compression.
//!
//! The bytes are described in `docs/JOURNAL_FORMAT.md`. Must not know: any other crate of ours.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use millrun_journal::{Journal, JournalOptions, Mode, Reader};
//! let directory = tempfile::tempdir()?;
//! let mut options = JournalOptions::new(directory.path().join("journal"), 1, 497_520);
//! (options.mode, options.segment_bytes) = (Mode::Process, 64 * 1024);
//! # options.allow_tmpfs = true;
//! let mut journal = Journal::open(&options)?;
//! let mut entry = journal.writer.begin(7, 1_000, 64)?;
//! entry.put(b"what happened");
//! assert_eq!(entry.commit().sequence(), 1);
//! let mut reader = Reader::open(&options.directory, 1)?;
//! assert_eq!(reader.next_entry()?.expect("one entry").body, b"what happened");
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

pub mod layout;
pub mod mapping;

mod entry;
mod header;

mod entry_builder;
pub mod error;
mod loss_window;
mod progress;
mod segment;
mod writer;

mod keeper;
mod sync;

mod reader;

pub mod boot_epoch;
pub mod directory;
pub mod lock;

pub mod recovery;
mod repair;
mod survey;

mod start;
mod suspect;

pub mod held;
pub mod state_file;

#[cfg(test)]
mod heap_tests;

pub use entry::{Entry, Place, Unverified};
pub use entry_builder::{BodyCursor, EntryBuilder};
pub use error::{AppendError, EntryFault, JournalError, JournalErrorKind};
pub use held::{HeldSegment, held_segments};
pub use keeper::Keeper;
pub use loss_window::LossWindowFigures;
pub use progress::{Progress, SyncFigures};
pub use reader::{Follower, Reader, synced_sequence_of};
pub use recovery::{Cut, Note, Recovered};
pub use segment::{PreparedSegment, RetiredSegment, SegmentPlan, SegmentPreparer};
pub use start::{Journal, JournalOptions};
pub use survey::{LaterEntry, Stop, TailFacts};
pub use sync::{MappedFileSync, Mode, SyncDevice};
pub use writer::{Committed, Writer};
