//! Whether a directory may hold a journal, and what lies in it.
//!
//! Owns: the checks of mode, owner and file system, and the list of its files. Invariants: nothing
//! is changed here but that a missing directory is made. Must not know: what is in a segment.
//! Threads: start only.

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use crate::boot_epoch::{EPOCH_FILE, EPOCH_TEMPORARY};
use crate::error::{JournalError, JournalErrorKind};
use crate::layout::segment_index_of;
use crate::lock::LOCK_FILE;
use crate::segment::{TEMPORARY_SUFFIX, sync_directory};

/// Where cut bytes are kept.
pub(crate) const ASIDE_DIRECTORY: &str = "aside";
/// Where sealed segments go when they are compressed, by others.
pub(crate) const ARCHIVE_DIRECTORY: &str = "archive";
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// File systems that cannot keep a journal: magic number (`statfs(2)`), name, what is missing.
const REFUSED_FILE_SYSTEMS: [(u64, &str, &str); 14] = [
    (0x6969, "nfs", NETWORK),
    (0x517B, "smb", NETWORK),
    (0xFE53_4D42, "smb2", NETWORK),
    (0xFF53_4D42, "cifs", NETWORK),
    (0x0102_1997, "9p", NETWORK),
    (0x00C3_6400, "ceph", NETWORK),
    (0x5346_414F, "afs", NETWORK),
    (0x6B41_4653, "kafs", NETWORK),
    (0x7375_7245, "coda", NETWORK),
    (0x6573_5546, "fuse", NETWORK),
    (0x0BD0_0BD0, "lustre", NETWORK),
    (0x9123_683E, "btrfs", COPY_ON_WRITE),
    (0xCA45_1A4E, "bcachefs", COPY_ON_WRITE),
    (0x2FC1_2FC1, "zfs", COPY_ON_WRITE),
];
const NETWORK: &str = "mappings of one writer are not shared reliably over a network";
const COPY_ON_WRITE: &str = "allocated space is not kept for the next write";
const IN_MEMORY: &str = "its files end with the machine's power";
const TMPFS_MAGIC: u64 = 0x0102_1994;
const RAMFS_MAGIC: u64 = 0x8584_58F6;

/// What lies in a journal directory.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Segments in order of their index.
    pub(crate) segments: Vec<(u32, PathBuf)>,
    /// Unfinished files of ours.
    pub(crate) temporaries: Vec<PathBuf>,
    /// Names that mean nothing to us.
    pub(crate) strays: Vec<PathBuf>,
}

/// Makes the directory with mode 0700 if it is missing.
///
/// # Errors
/// `Io`.
pub fn create_directory(directory: &Path) -> Result<(), JournalError> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
        .map_err(|error| JournalError::io("creating directory", directory, error))?;
    directory.parent().map_or(Ok(()), |parent| {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        sync_directory(parent)
    })
}

/// Checks mode, owner, file system and that it can be written.
///
/// # Errors
/// `TooOpen`, `WrongOwner`, `FileSystem`, `ReadOnly`, `Io`, each with the path.
pub fn check_directory(directory: &Path, allow_tmpfs: bool) -> Result<(), JournalError> {
    let metadata = fs::metadata(directory)
        .map_err(|error| JournalError::io("stat of directory", directory, error))?;
    check_owner_and_mode(directory, &metadata, DIRECTORY_MODE)?;
    let statfs = rustix::fs::statfs(directory)
        .map_err(|errno| JournalError::io("statfs", directory, errno.into()))?;
    let magic = statfs.f_type.cast_unsigned() & 0xFFFF_FFFF;
    if let Some((name, why)) = refused_file_system(magic, allow_tmpfs) {
        let kind = JournalErrorKind::FileSystem { name, why };
        return Err(JournalError::new(kind, directory, 0));
    }
    let mount = rustix::fs::statvfs(directory)
        .map_err(|errno| JournalError::io("statvfs", directory, errno.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(JournalError::new(JournalErrorKind::ReadOnly, directory, 0));
    }
    Ok(())
}

/// Checks owner and mode of a file of ours.
///
/// # Errors
/// `TooOpen`, `WrongOwner`, `Io`.
pub(crate) fn check_file(path: &Path) -> Result<(), JournalError> {
    let metadata = fs::metadata(path).map_err(|error| JournalError::io("stat", path, error))?;
    check_owner_and_mode(path, &metadata, FILE_MODE)
}

/// Lists the directory. Names only; nothing is opened.
///
/// # Errors
/// `Io`.
pub(crate) fn take_inventory(directory: &Path) -> Result<Inventory, JournalError> {
    let io_error = |error| JournalError::io("listing", directory, error);
    let mut inventory = Inventory::default();
    for found in fs::read_dir(directory).map_err(io_error)? {
        let found = found.map_err(io_error)?;
        let path = found.path();
        let name = found.file_name();
        let name = name.to_str().unwrap_or_default();
        let unfinished = name
            .strip_suffix(TEMPORARY_SUFFIX)
            .and_then(segment_index_of)
            .is_some();
        match segment_index_of(name) {
            Some(index) => inventory.segments.push((index, path)),
            None if unfinished || name == EPOCH_TEMPORARY => inventory.temporaries.push(path),
            None if is_known(name) => {}
            None => inventory.strays.push(path),
        }
    }
    inventory.segments.sort_unstable();
    inventory.temporaries.sort_unstable();
    inventory.strays.sort_unstable();
    Ok(inventory)
}

fn is_known(name: &str) -> bool {
    [LOCK_FILE, EPOCH_FILE, ASIDE_DIRECTORY, ARCHIVE_DIRECTORY].contains(&name)
}

fn refused_file_system(magic: u64, allow_tmpfs: bool) -> Option<(&'static str, &'static str)> {
    match magic {
        TMPFS_MAGIC if !allow_tmpfs => Some(("tmpfs", IN_MEMORY)),
        RAMFS_MAGIC if !allow_tmpfs => Some(("ramfs", IN_MEMORY)),
        _ => REFUSED_FILE_SYSTEMS
            .iter()
            .find(|refused| refused.0 == magic)
            .map(|(_, name, why)| (*name, *why)),
    }
}

fn check_owner_and_mode(
    path: &Path,
    metadata: &Metadata,
    expected_mode: u32,
) -> Result<(), JournalError> {
    let (expected, found) = (rustix::process::geteuid().as_raw(), metadata.uid());
    if expected != found {
        let kind = JournalErrorKind::WrongOwner { expected, found };
        return Err(JournalError::new(kind, path, 0));
    }
    let found = metadata.permissions().mode() & 0o777;
    if found != expected_mode {
        let kind = JournalErrorKind::TooOpen {
            expected: expected_mode,
            found,
        };
        return Err(JournalError::new(kind, path, 0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: D14
    #[test]
    fn a_directory_that_others_may_enter_is_refused_with_path_and_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        create_directory(&path).unwrap();
        check_directory(&path, true).unwrap();
        for mode in [0o750, 0o755, 0o777, 0o701, 0o500] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = check_directory(&path, true).unwrap_err();
            assert_eq!(error.code(), "JOURNAL_DIRECTORY");
            let text = error.to_string();
            assert!(text.contains(&format!("{mode:04o}")), "{text}");
            assert!(text.contains(path.to_str().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, b"x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(check_file(&path).unwrap_err().code(), "JOURNAL_DIRECTORY");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        check_file(&path).unwrap();
    }

    // covers: D13
    #[test]
    fn network_copy_on_write_and_memory_file_systems_are_refused_by_name() {
        for (magic, name) in [
            (0x6969, "nfs"),
            (0x9123_683E, "btrfs"),
            (0xFF53_4D42, "cifs"),
        ] {
            for allow_tmpfs in [false, true] {
                let refused = refused_file_system(magic, allow_tmpfs);
                assert_eq!(refused.map(|refused| refused.0), Some(name));
            }
        }
        assert_eq!(
            refused_file_system(TMPFS_MAGIC, false).map(|r| r.0),
            Some("tmpfs")
        );
        assert_eq!(refused_file_system(TMPFS_MAGIC, true), None);
        let ext4_magic = 0xEF53;
        assert_eq!(refused_file_system(ext4_magic, false), None);
    }

    #[test]
    fn a_real_tmpfs_is_recognised() {
        let shared_memory = Path::new("/dev/shm");
        let directory = tempfile::tempdir_in(shared_memory).unwrap();
        let path = directory.path().join("journal");
        create_directory(&path).unwrap();
        let error = check_directory(&path, false).unwrap_err();
        assert_eq!(error.code(), "JOURNAL_FILE_SYSTEM");
        assert!(error.to_string().contains("tmpfs"), "{error}");
        check_directory(&path, true).unwrap();
    }
}
