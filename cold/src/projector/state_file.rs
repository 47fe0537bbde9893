//! What the projector says about itself to other processes: a small file beside the database.
//!
//! `millrun status` reads it. Losing it loses nothing: the database's own cursor says how far the
//! rows go.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::beside;

/// What a projector said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedState {
    /// `following`, `degraded` or `stopped`.
    pub state: String,
    /// Why it is degraded, and what to do.
    pub reason: Option<String>,
    /// The process that said it.
    pub pid: u32,
}

/// What the projector of `database` said last; `None` when it never ran.
pub fn read_state(database: &Path) -> Option<ReportedState> {
    let text = std::fs::read_to_string(beside(database, "state")).ok()?;
    serde_json::from_str(&text).ok()
}

/// The file, written when the state changes.
pub(super) struct StateFile {
    path: PathBuf,
    written: Option<ReportedState>,
}

impl StateFile {
    pub(super) fn new(database: &Path) -> Self {
        Self {
            path: beside(database, "state"),
            written: None,
        }
    }

    pub(super) fn following(&mut self) {
        self.write("following", None);
    }

    pub(super) fn stopped(&mut self) {
        self.write("stopped", None);
    }

    pub(super) fn degraded(&mut self, reason: &str) {
        self.write("degraded", Some(reason.to_owned()));
    }

    fn write(&mut self, state: &str, reason: Option<String>) {
        let state = ReportedState {
            state: state.to_owned(),
            reason,
            pid: std::process::id(),
        };
        if self.written.as_ref() == Some(&state) {
            return;
        }
        // A full disk may be the very reason; the notice has been given already.
        if self.replace(&state).is_ok() {
            self.written = Some(state);
        }
    }

    fn replace(&self, state: &ReportedState) -> std::io::Result<()> {
        let fresh = beside(&self.path, "new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(serde_json::to_string(state)?.as_bytes())?;
        std::fs::rename(&fresh, &self.path)
    }
}
