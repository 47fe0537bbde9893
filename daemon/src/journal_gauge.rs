//! How the journal is doing, as the hot thread says it and the cold side shows it.
//!
//! Atomics only: the hot thread stores, anybody loads, nobody waits.

use std::io::Error;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What the journal's room still allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalLevel {
    /// Everything.
    Ample,
    /// What open orders need; frames by their hash. New orders get `JOURNAL_LOW`.
    Low,
    /// The cancels of what is open, and then the end with `JOURNAL_FULL`.
    CancelsOnly,
}

impl JournalLevel {
    /// The word for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Low => "low",
            Self::CancelsOnly => "cancels only",
        }
    }
}

/// The hot thread's word on the journal's room.
#[derive(Debug, Default)]
pub struct JournalGauge {
    level: AtomicU8,
    remaining_bytes: AtomicU64,
}

impl JournalGauge {
    /// Hot thread: so much room, and what it allows.
    pub(crate) fn set(&self, level: JournalLevel, remaining_bytes: u64) {
        let number = match level {
            JournalLevel::Ample => 0,
            JournalLevel::Low => 1,
            JournalLevel::CancelsOnly => 2,
        };
        self.level.store(number, Ordering::Relaxed);
        self.remaining_bytes
            .store(remaining_bytes, Ordering::Relaxed);
    }

    /// What the room allows.
    pub fn level(&self) -> JournalLevel {
        match self.level.load(Ordering::Relaxed) {
            0 => JournalLevel::Ample,
            1 => JournalLevel::Low,
            _ => JournalLevel::CancelsOnly,
        }
    }

    /// Bytes that can be written for certain.
    pub fn remaining_bytes(&self) -> u64 {
        self.remaining_bytes.load(Ordering::Relaxed)
    }
}

/// The system's words for an error number, with its name where an operator knows it by that.
pub(crate) fn cause_of(errno: i32) -> String {
    let name = match rustix::io::Errno::from_raw_os_error(errno) {
        rustix::io::Errno::NOSPC => "ENOSPC: ",
        rustix::io::Errno::DQUOT => "EDQUOT: ",
        rustix::io::Errno::FBIG => "EFBIG, the file-size limit of ulimit -f: ",
        rustix::io::Errno::IO => "EIO: ",
        _ => "",
    };
    match errno {
        1.. => format!("{name}{}", Error::from_raw_os_error(errno)),
        _ => "no error number".to_owned(),
    }
}
