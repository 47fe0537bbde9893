//! Latches as files in the data directory: the file is the latch, the journal's record the audit.
//!
//! `KILLED` is the kill over everything; `KILLED.venue.NAME`, `.instrument.SYMBOL` and
//! `.strategy.NAME` are narrower; `REDUCE_ONLY…` likewise. A file holds who closed it, when and
//! why, but an empty one made by hand counts as well. A re-arm writes a note beside the file
//! (`….rearm`) and then removes the file: a file that is gone without a note is put back.
//! Invariant: a latch and a note are on the disk before whoever wrote them is told so.

use anyhow::{Context, Result, bail};
use model::control::{Author, ControlOrigin, ControlScope, Latch, LatchOrder};
use model::{EngineConfig, InstrumentId, StrategyId, Text, UnixNs, VenueId};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Ends the name of a re-arm's note.
const NOTE: &str = ".rearm";

/// A latch by the names of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LatchName {
    is_kill: bool,
    scope: NamedScope,
}

/// What a latch is over, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedScope {
    /// Everything.
    All,
    /// A venue.
    Venue(String),
    /// An instrument, by its symbol.
    Instrument(String),
    /// A strategy.
    Strategy(String),
}

impl LatchName {
    /// A latch over a scope.
    ///
    /// # Errors
    /// A name that cannot be part of a file's name.
    pub fn new(latch: Latch, scope: NamedScope) -> Result<Self> {
        let is_kill = latch == Latch::Kill;
        let name = Self { is_kill, scope };
        let file = name.file_name();
        if file.contains('/') || file.len() > 200 || Self::parse(&file).as_ref() != Some(&name) {
            bail!("{file:?} cannot be a file's name: name a venue, instrument or strategy");
        }
        Ok(name)
    }

    /// The latch.
    pub fn latch(&self) -> Latch {
        if self.is_kill {
            Latch::Kill
        } else {
            Latch::ReduceOnly
        }
    }

    /// True for the kill over everything.
    pub fn is_kill_all(&self) -> bool {
        self.is_kill && self.scope == NamedScope::All
    }

    /// The file that is the latch.
    pub fn file_name(&self) -> String {
        let latch = if self.is_kill {
            "KILLED"
        } else {
            "REDUCE_ONLY"
        };
        match &self.scope {
            NamedScope::All => latch.to_owned(),
            NamedScope::Venue(name) => format!("{latch}.venue.{name}"),
            NamedScope::Instrument(symbol) => format!("{latch}.instrument.{symbol}"),
            NamedScope::Strategy(name) => format!("{latch}.strategy.{name}"),
        }
    }

    fn parse(file_name: &str) -> Option<Self> {
        if file_name.ends_with(NOTE) || file_name.ends_with(".tmp") {
            return None;
        }
        let (is_kill, rest) = match file_name.strip_prefix("KILLED") {
            Some(rest) => (true, rest),
            None => (false, file_name.strip_prefix("REDUCE_ONLY")?),
        };
        let scope = if rest.is_empty() {
            NamedScope::All
        } else if let Some(name) = rest.strip_prefix(".venue.") {
            NamedScope::Venue(name.to_owned())
        } else if let Some(symbol) = rest.strip_prefix(".instrument.") {
            NamedScope::Instrument(symbol.to_owned())
        } else {
            NamedScope::Strategy(rest.strip_prefix(".strategy.")?.to_owned())
        };
        Some(Self { is_kill, scope })
    }

    /// The scope by the configuration's numbers; `None` for a name that it does not have.
    pub fn resolve(&self, config: &EngineConfig) -> Option<ControlScope> {
        Some(match &self.scope {
            NamedScope::All => ControlScope::All,
            NamedScope::Venue(name) => {
                let mut venues = config.venues.iter();
                let at = venues.position(|venue| venue.name.as_str() == name)?;
                ControlScope::Venue(VenueId(u8::try_from(at).ok()?))
            }
            NamedScope::Instrument(symbol) => {
                let mut all = config.instruments.iter();
                let at = all.position(|policy| policy.instrument.symbol.as_str() == symbol)?;
                ControlScope::Instrument(InstrumentId(u32::try_from(at).ok()?))
            }
            NamedScope::Strategy(name) => {
                let mut strategies = config.strategies.iter();
                let at = strategies.position(|strategy| strategy.name.as_str() == name)?;
                ControlScope::Strategy(StrategyId(u16::try_from(at).ok()?))
            }
        })
    }

    /// The name of a latch that the engine holds.
    pub fn of(latch: Latch, scope: ControlScope, config: &EngineConfig) -> Option<Self> {
        let scope = match scope {
            ControlScope::All => NamedScope::All,
            ControlScope::Venue(id) => {
                let venue = config.venues.get(usize::from(id.0))?;
                NamedScope::Venue(venue.name.as_str().to_owned())
            }
            ControlScope::Instrument(id) => {
                let policy = config.instruments.get(usize::try_from(id.0).ok()?)?;
                NamedScope::Instrument(policy.instrument.symbol.as_str().to_owned())
            }
            ControlScope::Strategy(id) => {
                let strategy = config.strategies.get(usize::from(id.0))?;
                NamedScope::Strategy(strategy.name.as_str().to_owned())
            }
        };
        Self::new(latch, scope).ok()
    }

    /// The order to the engine.
    pub fn order(&self, scope: ControlScope, close: bool, author: Author) -> LatchOrder {
        LatchOrder {
            latch: self.latch(),
            scope,
            close,
            author,
        }
    }
}

/// Who orders something now, from this process.
pub fn author_now(origin: ControlOrigin, reason: &str) -> Author {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
    Author {
        origin,
        uid: rustix::process::getuid().as_raw(),
        ordered_at: UnixNs(now),
        reason: Text::lossy(reason.as_bytes()),
    }
}

/// Every latch file in the data directory.
///
/// # Errors
/// A directory that cannot be read.
pub fn list(data: &Path) -> Result<Vec<LatchName>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(data).with_context(|| format!("reading {}", data.display()))?;
    for entry in entries {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(LatchName::parse));
    }
    found.sort();
    Ok(found)
}

/// Closes a latch: the file, its content and its name are on the disk afterwards.
///
/// # Errors
/// A directory that cannot be written.
pub fn close(data: &Path, name: &LatchName, author: &Author) -> Result<()> {
    // An old note must not open what is closed now.
    remove(&note_path(data, name))?;
    put(data, &data.join(name.file_name()), author)
}

/// Opens a latch: the note first, then the file goes.
///
/// # Errors
/// As [`close`].
pub fn open(data: &Path, name: &LatchName, author: &Author) -> Result<()> {
    put(data, &note_path(data, name), author)?;
    remove(&data.join(name.file_name()))?;
    sync_directory(data)
}

/// Who closed the latch; what the file does not say, its owner and time tell.
pub fn closed_by(data: &Path, name: &LatchName) -> Author {
    read(&data.join(name.file_name()))
}

/// Who opened the latch, if there is a note.
pub fn opened_by(data: &Path, name: &LatchName) -> Option<Author> {
    let note = note_path(data, name);
    note.exists().then(|| read(&note))
}

/// The engine has heard: the note is not needed any more.
///
/// # Errors
/// As [`close`].
pub fn forget_note(data: &Path, name: &LatchName) -> Result<()> {
    remove(&note_path(data, name))
}

fn note_path(data: &Path, name: &LatchName) -> PathBuf {
    data.join(format!("{}{NOTE}", name.file_name()))
}

fn put(data: &Path, path: &Path, author: &Author) -> Result<()> {
    let said = json!({
        "origin": author.origin.name(),
        "uid": author.uid,
        "pid": std::process::id(),
        "ordered_at_ns": author.ordered_at.0,
        "reason": author.reason.as_str(),
    });
    let temporary = path.with_added_extension("tmp");
    let written = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        writeln!(file, "{said:#}")?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    written().with_context(|| format!("writing {}", path.display()))?;
    sync_directory(data)
}

fn sync_directory(data: &Path) -> Result<()> {
    let synced = File::open(data).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("syncing {}", data.display()))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Author {
    let said = std::fs::read_to_string(path).unwrap_or_default();
    let said: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
    let owner = std::fs::metadata(path).ok();
    let uid = said["uid"].as_u64().and_then(|uid| u32::try_from(uid).ok());
    let made_ns = owner.as_ref().map_or(0, |owner| {
        let seconds = u64::try_from(owner.mtime()).unwrap_or(0);
        seconds.saturating_mul(model::time::NS_PER_S)
    });
    let origin = match said["origin"].as_str() {
        Some("signal") => ControlOrigin::Signal,
        Some("start_policy") => ControlOrigin::StartPolicy,
        Some("watch") => ControlOrigin::Watch,
        _ => ControlOrigin::File,
    };
    Author {
        origin,
        uid: uid.unwrap_or_else(|| owner.as_ref().map_or(u32::MAX, MetadataExt::uid)),
        ordered_at: UnixNs(said["ordered_at_ns"].as_u64().unwrap_or(made_ns)),
        reason: Text::lossy(said["reason"].as_str().unwrap_or_default().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latch_is_closed_and_opened_by_its_files_and_an_empty_file_counts() {
        let data = tempfile::tempdir().unwrap();
        let kill = LatchName::new(Latch::Kill, NamedScope::All).unwrap();
        let narrow = NamedScope::Instrument("BTC-USDT-SWAP".to_owned());
        let narrow = LatchName::new(Latch::ReduceOnly, narrow).unwrap();
        close(data.path(), &kill, &author_now(ControlOrigin::File, "why")).unwrap();
        std::fs::write(data.path().join(narrow.file_name()), "").unwrap();
        std::fs::write(data.path().join("KILLED.old"), "").unwrap();
        assert_eq!(list(data.path()).unwrap(), [narrow.clone(), kill.clone()]);
        let by = closed_by(data.path(), &kill);
        let me = rustix::process::getuid().as_raw();
        assert_eq!((by.uid, by.reason.as_str()), (me, "why"));
        let by_hand = closed_by(data.path(), &narrow);
        assert!(by_hand.uid == me && by_hand.ordered_at.0 > 0);
        open(data.path(), &kill, &author_now(ControlOrigin::File, "calm")).unwrap();
        assert_eq!(list(data.path()).unwrap(), [narrow]);
        assert_eq!(
            opened_by(data.path(), &kill).unwrap().reason.as_str(),
            "calm"
        );
        close(
            data.path(),
            &kill,
            &author_now(ControlOrigin::File, "again"),
        )
        .unwrap();
        assert!(
            opened_by(data.path(), &kill).is_none(),
            "an old note opens nothing"
        );
    }

    #[test]
    fn a_name_that_would_leave_the_directory_is_refused() {
        for name in ["../x", "a/b", ".rearm", "x.tmp"] {
            let scope = NamedScope::Strategy(name.to_owned());
            assert!(LatchName::new(Latch::Kill, scope).is_err(), "{name}");
        }
    }
}
