//! The file of lines with its cursor, and its turning over when it is full.
//!
//! Invariant: the lines up to the cursor's length are on the disk before the cursor is; whatever
//! stands behind them is cut at the next start and written again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::{MonotonicNs, UnixNs, UtcAnchor};
use serde::{Deserialize, Serialize};

use super::OrderLogSettings;
use super::envelope::{Envelopes, OpenOrder};
use crate::store::beside;
use crate::store::rows::Cursor;

/// The cursor file's content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredCursor {
    journal_id: String,
    sequence: u64,
    entry_epoch: u32,
    entry_now_ns: u64,
    boot_epoch: u32,
    anchor_monotonic_ns: u64,
    anchor_unix_ns: u64,
    config: String,
    file_no: u32,
    file_bytes: u64,
    pub(super) open_orders: BTreeMap<u64, OpenOrder>,
}

impl StoredCursor {
    /// The place in the journal.
    pub(super) fn cursor(&self) -> Result<Cursor, String> {
        let bad = |what: &str| format!("the cursor file's {what} is none: move the log away");
        Ok(Cursor {
            journal_id: u128::from_str_radix(&self.journal_id, 16)
                .map_err(|_| bad("journal_id"))?,
            sequence: self.sequence,
            entry_epoch: self.entry_epoch,
            entry_now: MonotonicNs(self.entry_now_ns),
            boot_epoch: self.boot_epoch,
            anchor: UtcAnchor {
                monotonic: MonotonicNs(self.anchor_monotonic_ns),
                unix: UnixNs(self.anchor_unix_ns),
                error_ns: 0,
            },
            config: from_hex(&self.config).ok_or_else(|| bad("config"))?,
        })
    }
}

/// The open file.
pub(super) struct LineFile {
    path: PathBuf,
    file: File,
    file_no: u32,
    bytes: u64,
    waiting: Vec<u8>,
}

impl LineFile {
    /// Opens the file and cuts it to its cursor; with what the cursor file holds.
    pub(super) fn open(
        settings: &OrderLogSettings,
    ) -> Result<(Self, Option<StoredCursor>), String> {
        let path = &settings.path;
        let stored = read_cursor(path)?;
        let (mut file_no, mut bytes) = stored
            .as_ref()
            .map_or((1, 0), |stored| (stored.file_no, stored.file_bytes));
        // Killed between the turning over and the new cursor: the lines are in the full file.
        if stored.is_some() && full_file(path, file_no).exists() {
            (file_no, bytes) = (file_no + 1, 0);
        }
        let mut file = open_private(path).map_err(|error| failed("opening", path, &error))?;
        let length = file
            .metadata()
            .map_err(|error| failed("opening", path, &error))?;
        if length.len() < bytes {
            return Err(format!(
                "ORDER_LOG_SHORT: {} has {} bytes and its cursor says {bytes}: somebody cut it; \
                 move it and its .cursor away, and it is written anew",
                path.display(),
                length.len()
            ));
        }
        file.set_len(bytes)
            .and_then(|()| file.seek(SeekFrom::Start(bytes)))
            .map_err(|error| failed("cutting", path, &error))?;
        let opened = Self {
            path: path.clone(),
            file,
            file_no,
            bytes,
            waiting: Vec::new(),
        };
        Ok((opened, stored))
    }

    /// Lines that are not written yet.
    pub(super) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Writes them.
    pub(super) fn write_waiting(&mut self) -> Result<(), String> {
        let written = self.file.write_all(&self.waiting);
        written.map_err(|error| failed("writing", &self.path, &error))?;
        self.bytes += u64::try_from(self.waiting.len()).unwrap_or(0);
        self.waiting.clear();
        Ok(())
    }

    /// Makes lines and cursor durable, in this order.
    pub(super) fn store(&mut self, envelopes: &Envelopes) -> Result<(), String> {
        let path = &self.path;
        self.file
            .sync_data()
            .map_err(|error| failed("syncing", path, &error))?;
        let cursor = envelopes.cursor();
        let stored = StoredCursor {
            journal_id: format!("{:032x}", cursor.journal_id),
            sequence: cursor.sequence,
            entry_epoch: cursor.entry_epoch,
            entry_now_ns: cursor.entry_now.0,
            boot_epoch: cursor.boot_epoch,
            anchor_monotonic_ns: cursor.anchor.monotonic.0,
            anchor_unix_ns: cursor.anchor.unix.0,
            config: to_hex(&cursor.config),
            file_no: self.file_no,
            file_bytes: self.bytes,
            open_orders: envelopes.open_orders().clone(),
        };
        write_cursor(path, &stored)
    }

    /// True when the next lines belong into a new file.
    pub(super) fn is_full(&self, settings: &OrderLogSettings) -> bool {
        self.bytes >= settings.file_bytes_max
    }

    /// Turns over to a new file; the cursor says that this one is whole.
    pub(super) fn rotate_if_full(
        &mut self,
        settings: &OrderLogSettings,
        envelopes: &mut Envelopes,
    ) -> Result<(), String> {
        if !self.is_full(settings) {
            return Ok(());
        }
        let path = &self.path;
        let full = full_file(path, self.file_no);
        std::fs::rename(path, &full).map_err(|error| failed("turning over", path, &error))?;
        self.file = open_private(path).map_err(|error| failed("opening", path, &error))?;
        if let Some(oldest) = self.file_no.checked_sub(settings.files_kept) {
            // One that is gone already is as good.
            drop(std::fs::remove_file(full_file(path, oldest)));
        }
        (self.file_no, self.bytes) = (self.file_no + 1, 0);
        self.store(envelopes)
    }
}

fn full_file(path: &Path, file_no: u32) -> PathBuf {
    beside(path, &format!("{file_no:05}"))
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path)
}

fn read_cursor(path: &Path) -> Result<Option<StoredCursor>, String> {
    let path = beside(path, "cursor");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| format!("{}: {error}: move the log away", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", &path, &error)),
    }
}

fn write_cursor(path: &Path, stored: &StoredCursor) -> Result<(), String> {
    let (path, fresh) = (beside(path, "cursor"), beside(path, "cursor.new"));
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(&serde_json::to_vec(stored)?)?;
        file.sync_data()?;
        std::fs::rename(&fresh, &path)
    };
    write().map_err(|error| failed("storing", &path, &error))
}

fn failed(doing: &str, path: &Path, error: &std::io::Error) -> String {
    let doing_what = format!("{doing} {}: {error}", path.display());
    format!("{doing_what}: free space on its disk, or make it writable for millrun")
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs
        .map(|pair| if pair.len() == 2 { byte(pair) } else { None })
        .collect()
}
