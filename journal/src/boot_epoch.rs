//! The durable boot epoch: part of every order id, so that losing the journal's tail never makes an
//! old id new again.
//!
//! Owns: the file `EPOCH` (text, with a checksum) and which boot of the machine wrote it.
//! Invariants: a claimed epoch is on the disk, with its name, before anything uses it; epochs
//! strictly increase; a damaged file is never guessed. Must not know: clocks (the caller gives the
//! minutes). Threads: start only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{JournalError, JournalErrorKind};
use crate::segment::sync_directory;

/// Widths of an order id leave the epoch 25 bits: 63 years of minutes.
pub const BOOT_EPOCH_MAX: u32 = (1 << 25) - 1;
/// Name of the file.
pub(crate) const EPOCH_FILE: &str = "EPOCH";
/// Its name while it is being written.
pub(crate) const EPOCH_TEMPORARY: &str = "EPOCH.tmp";
const FIRST_LINE: &str = "millrun-epoch 1";
const UNKNOWN_BOOT: &str = "unknown";

/// What the epoch file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEpoch {
    /// Epoch of the last run.
    pub boot_epoch: u32,
    /// The machine's boot during which that run started.
    machine_boot: String,
}

/// Whether the machine went down since the last run: only then can synced and un-synced pages
/// differ, and a hole in the un-synced region be anything but damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineSince {
    /// Same boot, or it cannot be told: the page cache is taken to be whole.
    SameBoot,
    /// Another boot: pages that were not synced may be missing in any order.
    Restarted,
}

/// Reads the file; `None` if there is none.
///
/// # Errors
/// `EpochDamaged`, `Io`.
pub fn read_epoch(directory: &Path) -> Result<Option<StoredEpoch>, JournalError> {
    let path = epoch_path(directory);
    match fs::read(&path) {
        Ok(bytes) => parse(&bytes)
            .map(Some)
            .map_err(|what| JournalError::new(JournalErrorKind::EpochDamaged { what }, &path, 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::io("reading", &path, error)),
    }
}

/// Compares the stored boot with the machine's present one.
pub fn machine_since(stored: Option<&StoredEpoch>) -> MachineSince {
    match stored {
        Some(stored) if stored.machine_boot != UNKNOWN_BOOT => {
            let now = machine_boot();
            let same = now == UNKNOWN_BOOT || now == stored.machine_boot;
            if same {
                MachineSince::SameBoot
            } else {
                MachineSince::Restarted
            }
        }
        _ => MachineSince::SameBoot,
    }
}

/// Takes the next epoch, max(stored + 1, journal's + 1, minutes since 2025-01-01 UTC), and makes it
/// durable before returning it.
///
/// # Errors
/// `EpochOutOfRange`, `EpochDamaged`, `Io`. On an error nothing was claimed.
pub fn claim_epoch(
    directory: &Path,
    journal_epoch: u32,
    minutes_since_2025: u64,
) -> Result<u32, JournalError> {
    let path = epoch_path(directory);
    let stored = read_epoch(directory)?.map_or(0, |stored| stored.boot_epoch);
    let next = minutes_since_2025.max(u64::from(stored.max(journal_epoch)) + 1);
    let boot_epoch = u32::try_from(next)
        .ok()
        .filter(|epoch| *epoch <= BOOT_EPOCH_MAX);
    let Some(boot_epoch) = boot_epoch else {
        let kind = JournalErrorKind::EpochOutOfRange {
            found: next,
            max: BOOT_EPOCH_MAX,
        };
        return Err(JournalError::new(kind, &path, 0));
    };
    let text = format_epoch(&StoredEpoch {
        boot_epoch,
        machine_boot: machine_boot(),
    });
    replace(directory, &path, text.as_bytes())?;
    Ok(boot_epoch)
}

/// Temporary, sync, rename, sync of the directory: either the old or the new content survives.
fn replace(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let temporary = directory.join(EPOCH_TEMPORARY);
    let io_error = |error| JournalError::io("writing epoch", &temporary, error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file: File = options.open(&temporary).map_err(io_error)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_error)?;
    fs::rename(&temporary, path).map_err(|error| JournalError::io("naming", path, error))?;
    sync_directory(directory)
}

fn epoch_path(directory: &Path) -> PathBuf {
    directory.join(EPOCH_FILE)
}

fn format_epoch(stored: &StoredEpoch) -> String {
    let StoredEpoch {
        boot_epoch,
        machine_boot,
    } = stored;
    let lines = format!("{FIRST_LINE}\nepoch {boot_epoch}\nmachine_boot {machine_boot}\n");
    let checksum = crc32c::crc32c(lines.as_bytes());
    format!("{lines}crc32c {checksum:08x}\n")
}

fn parse(bytes: &[u8]) -> Result<StoredEpoch, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_not_text| "not text")?;
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err("first line");
    }
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let boot_epoch = value("epoch")
        .and_then(|digits| digits.parse().ok())
        .ok_or("epoch")?;
    let machine_boot = value("machine_boot").ok_or("machine boot")?.to_owned();
    let stored = StoredEpoch {
        boot_epoch,
        machine_boot,
    };
    // Comparing with the canonical text checks the checksum and every byte at once.
    if format_epoch(&stored) != text {
        return Err("checksum");
    }
    if boot_epoch > BOOT_EPOCH_MAX {
        return Err("range");
    }
    Ok(stored)
}

fn machine_boot() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let id = read.map(|text| text.trim().to_owned()).unwrap_or_default();
    let plain = !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if plain { id } else { UNKNOWN_BOOT.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_strictly_increase_even_when_the_clock_stands_or_goes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(claim_epoch(path, 0, 500).unwrap(), 500);
        assert_eq!(claim_epoch(path, 0, 500).unwrap(), 501);
        assert_eq!(claim_epoch(path, 0, 3).unwrap(), 502);
        assert_eq!(
            claim_epoch(path, 900, 3).unwrap(),
            901,
            "the journal knew a later one"
        );
        assert_eq!(read_epoch(path).unwrap().unwrap().boot_epoch, 901);
    }

    #[test]
    fn an_epoch_beyond_25_bits_is_refused_and_nothing_is_claimed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(
            claim_epoch(path, 0, u64::from(BOOT_EPOCH_MAX)).unwrap(),
            BOOT_EPOCH_MAX
        );
        let error = claim_epoch(path, 0, 1).unwrap_err();
        assert_eq!(error.code(), "EPOCH_OUT_OF_RANGE");
        assert_eq!(
            read_epoch(path).unwrap().unwrap().boot_epoch,
            BOOT_EPOCH_MAX
        );
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_of_the_epoch_file_is_refused() {
        let stored = StoredEpoch {
            boot_epoch: 497_520,
            machine_boot: "0a-1b".to_owned(),
        };
        let text = format_epoch(&stored).into_bytes();
        assert_eq!(parse(&text), Ok(stored));
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&damaged).is_err(), "bit {bit}");
        }
        for len in 0..text.len() {
            assert!(parse(&text[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_leftover_temporary_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        claim_epoch(directory.path(), 0, 7).unwrap();
        fs::write(directory.path().join(EPOCH_TEMPORARY), b"millrun-ep").unwrap();
        assert_eq!(read_epoch(directory.path()).unwrap().unwrap().boot_epoch, 7);
        assert_eq!(claim_epoch(directory.path(), 0, 7).unwrap(), 8);
    }

    #[test]
    fn another_boot_of_the_machine_is_noticed_and_doubt_counts_as_the_same() {
        let of = |boot: &str| StoredEpoch {
            boot_epoch: 1,
            machine_boot: boot.to_owned(),
        };
        assert_eq!(machine_since(None), MachineSince::SameBoot);
        assert_eq!(
            machine_since(Some(&of(UNKNOWN_BOOT))),
            MachineSince::SameBoot
        );
        assert_eq!(
            machine_since(Some(&of(&machine_boot()))),
            MachineSince::SameBoot
        );
        assert_eq!(machine_since(Some(&of("0-1"))), MachineSince::Restarted);
    }
}
