//! The memory file of one ring: created and sealed by the engine, checked by the client.
//!
//! Owns: creation, first contents, seals, and the one reading of the header. Invariants: a
//! [`RingFile`] can neither shrink nor grow, by anyone, so a mapping of it never faults; the
//! header is copied out once, checked, and never looked at again; the file has no name in any
//! directory. Must not know: mappings, payloads. Threads: any; cold side only (system calls).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;

use super::layout::{
    HEAD_WORD, HEADER_WORDS, HeaderError, RingHeader, RingKind, SLOT_BYTES, SLOTS_WORD, WORD_BYTES,
    empty_stamp, file_bytes,
};

/// Why an attachment could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A capacity or a header is not usable.
    #[error("{kind:?} ring: {source}")]
    Header {
        /// Which file.
        kind: RingKind,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// The file lacks seals, so its sender could pull it from under us.
    #[error("{kind:?} ring file has seals {found:#x}, expected at least {expected:#x}")]
    SealsMissing {
        /// Which file.
        kind: RingKind,
        /// `F_SEAL_*` bits that it must have.
        expected: u32,
        /// `F_SEAL_*` bits that it has.
        found: u32,
    },
    /// A system call failed.
    #[error("{kind:?} ring file: {call}: {source}")]
    System {
        /// Which file.
        kind: RingKind,
        /// The call.
        call: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// A memory file that holds one ring and whose size is fixed for good.
pub(super) struct RingFile {
    fd: OwnedFd,
    kind: RingKind,
    bytes: u64,
}

impl RingFile {
    /// Creates the file with header and empty slots; its size is sealed, writing not yet.
    pub(super) fn create(header: &RingHeader) -> Result<Self, SetupError> {
        let kind = header.kind;
        let bytes = file_bytes(header.capacity);
        let fd = memory_file(kind)?;
        rustix::fs::ftruncate(&fd, bytes).map_err(system(kind, "ftruncate"))?;
        let file = Self { fd, kind, bytes };
        file.write_words(0, &header.encode())?;
        file.write_words(HEAD_WORD, &[header.start_position])?;
        file.write_empty_slots(header)?;
        file.add_seals(SealFlags::SHRINK | SealFlags::GROW)?;
        Ok(file)
    }

    /// Takes a file from the peer, if it has the seals, the size and the header of a ring of
    /// `kind`. The header is read here, once, into private memory.
    pub(super) fn accept(fd: OwnedFd, kind: RingKind) -> Result<(Self, RingHeader), SetupError> {
        let seals = rustix::fs::fcntl_get_seals(&fd).map_err(system(kind, "fcntl F_GET_SEALS"))?;
        let expected = required_seals(kind);
        if !seals.contains(expected) {
            return Err(SetupError::SealsMissing {
                kind,
                expected: expected.bits(),
                found: seals.bits(),
            });
        }
        let stat = rustix::fs::fstat(&fd).map_err(system(kind, "fstat"))?;
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let words = read_header(&fd, kind)?;
        let header = RingHeader::decode(&words, kind, bytes)
            .map_err(|source| SetupError::Header { kind, source })?;
        Ok((Self { fd, kind, bytes }, header))
    }

    /// Adds the last seals. An event file must be mapped writable by its owner before.
    pub(super) fn seal(&self) -> Result<(), SetupError> {
        self.add_seals(required_seals(self.kind))
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub(super) fn kind(&self) -> RingKind {
        self.kind
    }

    /// Size of the file; a whole number of words.
    pub(super) fn bytes(&self) -> usize {
        self.bytes as usize
    }

    fn add_seals(&self, seals: SealFlags) -> Result<(), SetupError> {
        rustix::fs::fcntl_add_seals(&self.fd, seals).map_err(system(self.kind, "fcntl F_ADD_SEALS"))
    }

    /// Writes each slot's first empty stamp, which also gives every page its memory. One write
    /// for each page of slots.
    fn write_empty_slots(&self, header: &RingHeader) -> Result<(), SetupError> {
        const SLOTS_A_WRITE: u64 = (4096 / SLOT_BYTES) as u64;
        let slot_words = SLOT_BYTES / WORD_BYTES;
        let capacity = header.capacity;
        let mut first = 0;
        while first < capacity {
            let count = SLOTS_A_WRITE.min(capacity - first);
            let mut words = vec![0; count as usize * slot_words];
            for offset in 0..count {
                // The position of this lap that falls on slot `first + offset`.
                let slot = first + offset;
                let distance = slot.wrapping_sub(header.start_position) & (capacity - 1);
                let position = header.start_position.wrapping_add(distance);
                words[offset as usize * slot_words] = empty_stamp(position, capacity);
            }
            self.write_words(SLOTS_WORD + first as usize * slot_words, &words)?;
            first += count;
        }
        Ok(())
    }

    fn write_words(&self, first_word: usize, words: &[u64]) -> Result<(), SetupError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut written = 0;
        while written < bytes.len() {
            let offset = (first_word * WORD_BYTES + written) as u64;
            match rustix::io::pwrite(&self.fd, &bytes[written..], offset) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(system(self.kind, "pwrite")(error)),
            }
        }
        Ok(())
    }
}

/// Seals that a file must have before the other side may rely on it.
fn required_seals(kind: RingKind) -> SealFlags {
    let size = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    match kind {
        RingKind::Request => size,
        RingKind::Event => size | SealFlags::FUTURE_WRITE,
    }
}

/// A fresh memory file, not executable where the kernel (6.3 and later) can say so.
fn memory_file(kind: RingKind) -> Result<OwnedFd, SetupError> {
    let name = match kind {
        RingKind::Request => "millrun-request-ring",
        RingKind::Event => "millrun-event-ring",
    };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let created = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        other => other,
    };
    created.map_err(system(kind, "memfd_create"))
}

fn read_header(fd: impl AsFd, kind: RingKind) -> Result<[u64; HEADER_WORDS], SetupError> {
    let mut bytes = [0_u8; HEADER_WORDS * WORD_BYTES];
    let count = rustix::io::retry_on_intr(|| rustix::io::pread(&fd, &mut bytes[..], 0))
        .map_err(system(kind, "pread"))?;
    if count != bytes.len() {
        let (expected, found) = (bytes.len() as u64, count as u64);
        let source = HeaderError::FileBytes { expected, found };
        return Err(SetupError::Header { kind, source });
    }
    let mut words = [0; HEADER_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<WORD_BYTES>().0) {
        *word = u64::from_ne_bytes(*chunk);
    }
    Ok(words)
}

fn system(kind: RingKind, call: &'static str) -> impl Fn(Errno) -> SetupError {
    move |error| SetupError::System {
        kind,
        call,
        source: error.into(),
    }
}
