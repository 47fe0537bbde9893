//! A state at a sequence, as a file: what entries up to there add up to, for whoever knows how.
//!
//! Owns: the bytes of the header, the steps create → body in slices → header → sync → rename →
//! sync directory, and the checks on reading. Invariants: a file with its final name is whole and
//! synced; nothing of a body is given out before its SHA-256 matched; an existing name is never
//! replaced. Must not know: what a state is. Threads: any, off the hot thread; one step is bounded.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use sha2::{Digest, Sha256};

use crate::error::{JournalError, JournalErrorKind};
use crate::header::{u32_at, u64_at};
use crate::layout::BYTE_ORDER_MARK;
use crate::segment::{TEMPORARY_SUFFIX, sync_directory};

/// First eight bytes of a state file: `MLRNSTAT`.
pub const STATE_MAGIC: u64 = u64::from_le_bytes(*b"MLRNSTAT");
/// Version of the header.
pub const STATE_FILE_VERSION: u32 = 1;
/// The body starts here.
pub const STATE_HEADER_BYTES: u32 = 512;
/// Bytes of the body that one step writes, hashes and syncs.
pub const STATE_SLICE_BYTES: usize = 1024 * 1024;

/// Byte positions of the header; the reserved bytes between are zero.
mod at {
    pub(super) const MAGIC: u32 = 0;
    pub(super) const FILE_VERSION: u32 = MAGIC + 8;
    pub(super) const BYTE_ORDER: u32 = FILE_VERSION + 4;
    pub(super) const JOURNAL_ID: u32 = BYTE_ORDER + 4;
    pub(super) const SEQUENCE: u32 = JOURNAL_ID + 16;
    pub(super) const BOOT_EPOCH: u32 = SEQUENCE + 8;
    pub(super) const ENGINE_VERSION: u32 = BOOT_EPOCH + 4;
    pub(super) const STATE_DIGEST: u32 = ENGINE_VERSION + 4;
    pub(super) const CONFIG_HASH: u32 = STATE_DIGEST + 8;
    pub(super) const ENTRIES: u32 = CONFIG_HASH + 8;
    pub(super) const BODY_BYTES: u32 = ENTRIES + 8;
    pub(super) const BODY_SHA256: u32 = BODY_BYTES + 8;
    pub(super) const RESERVED: u32 = BODY_SHA256 + 32;
    pub(super) const CHECKSUM: u32 = super::STATE_HEADER_BYTES - 4;
}
const _: () = assert!(at::RESERVED < at::CHECKSUM);

/// What a state file says about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHeader {
    /// The journal that it belongs to.
    pub journal_id: u128,
    /// The last entry that is in the state.
    pub sequence: u64,
    /// Boot epoch of that entry: no two entries of one number have the same.
    pub boot_epoch: u32,
    /// Version of what made the state; the meaning is the caller's.
    pub engine_version: u32,
    /// A hash of the state; the meaning is the caller's.
    pub state_digest: u64,
    /// A hash of the configuration in the state; the meaning is the caller's.
    pub config_hash: u64,
    /// Entries that are in the state.
    pub entries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Create,
    WriteBody { from: usize },
    WriteHeader,
    Sync,
    Rename,
    SyncDirectory,
    Done,
}

/// Writes one state file, a bounded step at a time.
#[derive(Debug)]
pub struct StateFileWriter {
    path: PathBuf,
    header: StateHeader,
    body: Vec<u8>,
    sha256: Sha256,
    file: Option<File>,
    stage: Stage,
}

impl StateFileWriter {
    /// A file that will have the name `path`, in a directory that exists.
    pub fn new(path: PathBuf, header: StateHeader, body: Vec<u8>) -> Self {
        Self {
            path,
            header,
            body,
            sha256: Sha256::new(),
            file: None,
            stage: Stage::Create,
        }
    }

    /// Does one step; `true` when the file is whole, synced and has its name.
    ///
    /// # Errors
    /// `Io`. What was begun is left as a temporary file, which a later writer of the name replaces.
    pub fn advance(&mut self) -> Result<bool, JournalError> {
        let temporary = self.temporary_path();
        let io = |operation| {
            let temporary = temporary.clone();
            move |error| JournalError::io(operation, &temporary, error)
        };
        self.stage = match self.stage {
            Stage::Create => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o600);
                self.file = Some(options.open(&temporary).map_err(io("creating"))?);
                Stage::WriteBody { from: 0 }
            }
            Stage::WriteBody { from } => {
                let to = self.body.len().min(from + STATE_SLICE_BYTES);
                let offset = u64::from(STATE_HEADER_BYTES) + from as u64;
                let slice = &self.body[from..to];
                self.sha256.update(slice);
                self.open_file()
                    .write_all_at(slice, offset)
                    .and_then(|()| self.open_file().sync_data())
                    .map_err(io("writing state"))?;
                if to == self.body.len() {
                    Stage::WriteHeader
                } else {
                    Stage::WriteBody { from: to }
                }
            }
            Stage::WriteHeader => {
                let sha256 = std::mem::take(&mut self.sha256).finalize().into();
                let header = header_bytes(&self.header, self.body.len() as u64, &sha256);
                self.open_file()
                    .write_all_at(&header, 0)
                    .map_err(io("writing state header"))?;
                Stage::Sync
            }
            Stage::Sync => {
                self.open_file().sync_all().map_err(io("syncing state"))?;
                Stage::Rename
            }
            Stage::Rename => {
                let flags = RenameFlags::NOREPLACE;
                rustix::fs::renameat_with(CWD, &temporary, CWD, &self.path, flags)
                    .map_err(|errno| JournalError::io("naming", &self.path, errno.into()))?;
                Stage::SyncDirectory
            }
            Stage::SyncDirectory => {
                sync_directory(self.path.parent().unwrap_or(Path::new(".")))?;
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
        Ok(self.stage == Stage::Done)
    }

    /// All steps at once.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub fn write_now(mut self) -> Result<(), JournalError> {
        while !self.advance()? {}
        Ok(())
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        u64::from(STATE_HEADER_BYTES) + self.body.len() as u64
    }

    /// What the file says about its body.
    pub fn header(&self) -> &StateHeader {
        &self.header
    }

    fn open_file(&self) -> &File {
        self.file.as_ref().expect("opened by the first step")
    }

    fn temporary_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(TEMPORARY_SUFFIX);
        PathBuf::from(path)
    }
}

/// Reads the header alone.
///
/// # Errors
/// `BadMagic`, `Version`, `ChecksumMismatch`, `WrongLength`, `Io`.
pub fn read_state_header(path: &Path) -> Result<StateHeader, JournalError> {
    open(path).map(|(_, header, _)| header)
}

/// Reads a state file and checks all of it.
///
/// # Errors
/// As [`read_state_header`], and `BodyHash`.
pub fn read_state_file(path: &Path) -> Result<(StateHeader, Vec<u8>), JournalError> {
    let (mut file, header, expected) = open(path)?;
    let mut body = Vec::new();
    file.read_to_end(&mut body)
        .map_err(|error| JournalError::io("reading state", path, error))?;
    let found: [u8; 32] = Sha256::digest(&body).into();
    if found != expected {
        let offset = u64::from(STATE_HEADER_BYTES);
        return Err(JournalError::new(JournalErrorKind::BodyHash, path, offset));
    }
    Ok((header, body))
}

/// The file behind its checked header, and the SHA-256 that its body must have.
fn open(path: &Path) -> Result<(File, StateHeader, [u8; 32]), JournalError> {
    let refuse = |kind| JournalError::new(kind, path, 0);
    let io_error = |error| JournalError::io("reading state header", path, error);
    let mut file = File::open(path).map_err(io_error)?;
    let found_bytes = file.metadata().map_err(io_error)?.len();
    if found_bytes < u64::from(STATE_HEADER_BYTES) {
        let expected_bytes = u64::from(STATE_HEADER_BYTES);
        return Err(refuse(JournalErrorKind::WrongLength {
            expected_bytes,
            found_bytes,
        }));
    }
    let mut bytes = [0; STATE_HEADER_BYTES as usize];
    file.read_exact(&mut bytes).map_err(io_error)?;
    let (header, body_bytes, sha256) = read_header(&bytes).map_err(refuse)?;
    let expected_bytes = body_bytes.saturating_add(u64::from(STATE_HEADER_BYTES));
    if expected_bytes != found_bytes {
        return Err(refuse(JournalErrorKind::WrongLength {
            expected_bytes,
            found_bytes,
        }));
    }
    Ok((file, header, sha256))
}

fn header_bytes(
    header: &StateHeader,
    body_bytes: u64,
    sha256: &[u8; 32],
) -> [u8; STATE_HEADER_BYTES as usize] {
    let mut bytes = [0; STATE_HEADER_BYTES as usize];
    let mut put = |at: u32, field: &[u8]| {
        bytes[at as usize..at as usize + field.len()].copy_from_slice(field);
    };
    put(at::MAGIC, &STATE_MAGIC.to_le_bytes());
    put(at::FILE_VERSION, &STATE_FILE_VERSION.to_le_bytes());
    put(at::BYTE_ORDER, &BYTE_ORDER_MARK.to_le_bytes());
    put(at::JOURNAL_ID, &header.journal_id.to_le_bytes());
    put(at::SEQUENCE, &header.sequence.to_le_bytes());
    put(at::BOOT_EPOCH, &header.boot_epoch.to_le_bytes());
    put(at::ENGINE_VERSION, &header.engine_version.to_le_bytes());
    put(at::STATE_DIGEST, &header.state_digest.to_le_bytes());
    put(at::CONFIG_HASH, &header.config_hash.to_le_bytes());
    put(at::ENTRIES, &header.entries.to_le_bytes());
    put(at::BODY_BYTES, &body_bytes.to_le_bytes());
    put(at::BODY_SHA256, sha256);
    let checksum = crc32c::crc32c(&bytes[..at::CHECKSUM as usize]);
    bytes[at::CHECKSUM as usize..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn read_header(bytes: &[u8]) -> Result<(StateHeader, u64, [u8; 32]), JournalErrorKind> {
    let found = u64_at(bytes, at::MAGIC);
    if found != STATE_MAGIC {
        return Err(JournalErrorKind::BadMagic { found });
    }
    let found = u32_at(bytes, at::BYTE_ORDER);
    if found == BYTE_ORDER_MARK.swap_bytes() {
        return Err(JournalErrorKind::ForeignByteOrder { found });
    }
    let (expected, found) = (STATE_FILE_VERSION, u32_at(bytes, at::FILE_VERSION));
    if expected != found {
        return Err(JournalErrorKind::Version { expected, found });
    }
    let expected = crc32c::crc32c(&bytes[..at::CHECKSUM as usize]);
    let found = u32_at(bytes, at::CHECKSUM);
    if expected != found {
        let what = "state header";
        return Err(JournalErrorKind::ChecksumMismatch {
            what,
            expected,
            found,
        });
    }
    let id_low = u64_at(bytes, at::JOURNAL_ID);
    let id_high = u64_at(bytes, at::JOURNAL_ID + 8);
    let header = StateHeader {
        journal_id: u128::from(id_low) | u128::from(id_high) << 64,
        sequence: u64_at(bytes, at::SEQUENCE),
        boot_epoch: u32_at(bytes, at::BOOT_EPOCH),
        engine_version: u32_at(bytes, at::ENGINE_VERSION),
        state_digest: u64_at(bytes, at::STATE_DIGEST),
        config_hash: u64_at(bytes, at::CONFIG_HASH),
        entries: u64_at(bytes, at::ENTRIES),
    };
    let mut sha256 = [0; 32];
    let from = at::BODY_SHA256 as usize;
    sha256.copy_from_slice(&bytes[from..from + 32]);
    Ok((header, u64_at(bytes, at::BODY_BYTES), sha256))
}

/// Makes a directory for state files, with mode 0700, if it is missing.
///
/// # Errors
/// `Io`.
pub fn create_state_directory(directory: &Path) -> Result<(), JournalError> {
    crate::directory::create_directory(directory)
}

/// Removes a state file that is no longer wanted.
///
/// # Errors
/// `Io`.
pub fn remove_state_file(path: &Path) -> Result<(), JournalError> {
    fs::remove_file(path).map_err(|error| JournalError::io("removing", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> StateHeader {
        StateHeader {
            journal_id: 0x1234_5678_9abc_def0_1122_3344_5566_7788,
            sequence: 42,
            boot_epoch: 7,
            engine_version: 1,
            state_digest: 99,
            config_hash: 98,
            entries: 41,
        }
    }

    fn written(directory: &Path, body: &[u8]) -> PathBuf {
        let path = directory.join("state");
        StateFileWriter::new(path.clone(), header(), body.to_vec())
            .write_now()
            .unwrap();
        path
    }

    #[test]
    fn a_state_reads_back_as_it_was_written_whatever_its_length() {
        for length in [0, 1, STATE_SLICE_BYTES, STATE_SLICE_BYTES * 2 + 3] {
            let directory = tempfile::tempdir().unwrap();
            let body = vec![7; length];
            let path = written(directory.path(), &body);
            let (read, bytes) = read_state_file(&path).unwrap();
            assert_eq!((read, bytes.len()), (header(), body.len()));
            assert_eq!(read_state_header(&path).unwrap(), header());
        }
    }

    // covers: D17
    #[test]
    fn every_changed_byte_and_every_length_but_the_right_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path(), &[5; 300]);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            let error = read_state_file(&path).unwrap_err();
            assert!(
                matches!(error.code(), "JOURNAL_DAMAGED" | "JOURNAL_VERSION"),
                "byte {at}: {error}"
            );
        }
        for length in (0..good.len()).step_by(37) {
            fs::write(&path, &good[..length]).unwrap();
            assert!(read_state_file(&path).is_err(), "{length} bytes");
        }
        fs::write(&path, [good, vec![0]].concat()).unwrap();
        assert!(read_state_file(&path).is_err());
    }

    #[test]
    fn an_end_after_any_step_leaves_the_whole_file_or_none_and_the_next_writer_succeeds() {
        let body = vec![3; STATE_SLICE_BYTES + 10];
        for steps in 0..9 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("state");
            let mut writer = StateFileWriter::new(path.clone(), header(), body.clone());
            let done = (0..steps).any(|_| writer.advance().unwrap());
            drop(writer);
            if path.exists() {
                assert_eq!(read_state_file(&path).unwrap().1.len(), body.len());
            } else {
                assert!(!done, "after {steps} steps");
                let again = StateFileWriter::new(path.clone(), header(), body.clone());
                again.write_now().unwrap();
                read_state_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn a_file_that_exists_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path(), b"first");
        let second = StateFileWriter::new(path.clone(), header(), b"second".to_vec());
        assert!(second.write_now().is_err());
        assert_eq!(read_state_file(&path).unwrap().1, b"first");
    }
}
