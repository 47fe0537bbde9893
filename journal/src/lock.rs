//! One engine per data directory.
//!
//! Owns: the file `LOCK`, locked as long as this value lives, with the owner's pid inside.
//! Invariants: the kernel's lock decides, never the pid; a killed owner's lock is gone with it.
//! Must not know: anything else of the directory. Threads: start only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{JournalError, JournalErrorKind};

/// Name of the file.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// Holds the directory. Released on drop and by the death of the process.
#[derive(Debug)]
pub struct DirectoryLock {
    _held: File,
}

impl DirectoryLock {
    /// Takes the lock without waiting.
    ///
    /// # Errors
    /// `AlreadyRunning` with the owner's pid; `Io`.
    pub fn acquire(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(LOCK_FILE);
        let io_error = |error| JournalError::io("locking", &path, error);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(&path).map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The owner may be just writing it; 0 then stands for "not known".
                let _length = file.read_to_string(&mut text);
                let pid = text.trim().parse().unwrap_or(0);
                return Err(JournalError::new(
                    JournalErrorKind::AlreadyRunning { pid },
                    &path,
                    0,
                ));
            }
            Err(TryLockError::Error(error)) => return Err(io_error(error)),
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_start| writeln!(file, "{}", std::process::id()))
            .map_err(io_error)?;
        Ok(Self { _held: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: C12
    #[test]
    fn a_second_owner_is_refused_with_the_pid_and_a_stale_file_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LOCK_FILE), "4194303\n").unwrap(); // left by a kill
        let first = DirectoryLock::acquire(directory.path()).unwrap();
        let error = DirectoryLock::acquire(directory.path()).unwrap_err();
        assert_eq!(error.code(), "ALREADY_RUNNING");
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        assert!(DirectoryLock::acquire(directory.path()).is_ok());
    }
}
