//! The order in which a daemon comes up: everything that can refuse a start, before any thread
//! runs.
//!
//! Keys, directory and lock, recovery, epoch, fold, venue rules, configuration. Then `assemble`
//! makes the threads; and only when a venue's orders are compared with ours does its ring open.

use crate::assemble::{Running, assemble};
use crate::clock::utc_anchor;
use crate::config::{Settings, VenueSettings};
use crate::pinning::lock_memory;
use crate::recovery::{Folded, open_and_fold};
use crate::venue_rules::{venue_credentials, venue_rules};
use anyhow::{Context, Result};
use journal::{Journal, JournalOptions, Note};
use model::EngineConfig;
use model::time::NS_PER_S;
use protocol::venue::okx::rate_rules::rate_rules;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Unix seconds of 2025-01-01 UTC, from which boot epochs count minutes.
const EPOCH_BEGAN_S: u64 = 1_735_689_600;

/// Where the journal lies in a data directory.
pub fn journal_directory(settings: &Settings) -> PathBuf {
    settings.data.directory.join("journal")
}

/// What a run is told by its command line.
pub struct RunOptions {
    /// On a stop, cancel every open order and wait for the answers.
    pub cancel_on_stop: bool,
    /// Called when every venue is open for the first time, with the milliseconds since the start.
    pub on_live: Box<dyn FnOnce(u128) + Send>,
}

/// Everything that is open before threads start.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) folded: Folded,
    pub(crate) config: EngineConfig,
    pub(crate) config_is_new: bool,
}

/// Starts a daemon.
///
/// # Errors
/// Everything that a start can refuse, each with what, where and what to do.
pub fn start(settings: &Settings, options: RunOptions) -> Result<Running> {
    let began = Instant::now();
    let opened = open(settings)?;
    if settings.hot.lock_memory
        && let Err(text) = lock_memory()
    {
        tracing::warn!("{text}");
    }
    assemble(settings, options, opened, began)
}

/// Lock, recovery, fold, venue rules: nothing is sent and no thread but the keeper runs.
fn open(settings: &Settings) -> Result<Opened> {
    for venue in &settings.venues {
        // A key that is missing or open to others is said before anything is touched.
        venue_credentials(venue)?;
    }
    let directory = journal_directory(settings);
    let anchor = utc_anchor();
    let minutes = (anchor.unix.0 / NS_PER_S).saturating_sub(EPOCH_BEGAN_S) / 60;
    create_private_directory(&settings.data.directory)?;
    let mut options = JournalOptions::new(
        directory.clone(),
        u16::from(settings.engine.instance_tag),
        minutes,
    );
    options.mode = settings.journal.mode;
    options.segment_bytes = settings.journal.segment_bytes();
    options.allow_tmpfs = settings.journal.allow_tmpfs;
    let (journal, folded) = open_and_fold(&options, |sequence| {
        tracing::info!(sequence, "reading the journal");
    })?;
    report_recovery(&journal);
    report_fold(&folded);
    let known = folded.config.as_ref();
    let rules = venue_rules(settings, known)?;
    let version = known.map_or(1, |config| config.version);
    let rates = |_: &VenueSettings| rate_rules();
    let mut config = settings.engine_config(version, &rules, &rates, known)?;
    let config_is_new = known != Some(&config);
    if config_is_new && known.is_some() {
        config.version = version.saturating_add(1);
    }
    Ok(Opened {
        journal,
        folded,
        config,
        config_is_new,
    })
}

fn create_private_directory(directory: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    made.with_context(|| {
        format!(
            "data.directory {}: cannot be made: make it writable for us",
            directory.display()
        )
    })
}

/// With which snapshot the state began, and how long it took.
fn report_fold(folded: &Folded) {
    for passed in &folded.passed_over {
        let file = passed.path.display();
        tracing::warn!("snapshot {file} was passed over: {}", passed.problem);
    }
    let took_ms = folded.took.as_millis();
    if let Some(engine) = &folded.engine {
        // The same number that `millrun replay --at` prints for this sequence.
        let digest = format!("{:016x}", engine.state().digest());
        tracing::info!(
            last_sequence = folded.last_sequence,
            state_digest = digest,
            "state folded"
        );
    }
    match folded.snapshot {
        Some(snapshot) => tracing::info!(
            snapshot,
            entries = folded.folded_entries,
            took_ms,
            "state read from a snapshot and the entries behind it"
        ),
        None => tracing::info!(
            entries = folded.folded_entries,
            took_ms,
            "state read from the whole journal, without a snapshot"
        ),
    }
}

fn report_recovery(journal: &Journal) {
    let recovered = &journal.recovered;
    tracing::info!(
        entries = recovered.entries,
        last_sequence = recovered.last_sequence,
        epoch = journal.boot_epoch,
        "journal recovered"
    );
    if let Some(cut) = &recovered.cut {
        tracing::warn!(
            segment = cut.segment_index,
            offset = cut.offset_bytes,
            bytes = cut.cut_bytes,
            later_entries = cut.later_entries,
            "the torn end of the journal was cut and kept in aside/"
        );
    }
    for note in &recovered.notes {
        match note {
            Note::SuspectSegment(path, errno) => tracing::error!(
                "{}: a sync of it failed in an earlier run (error number {errno}): what power \
                 loss would have left of it was not known; it was read whole, and is on the disk \
                 now: it was written once more. Compare positions with the venue, and look at \
                 the disk",
                path.display()
            ),
            other => tracing::info!("journal: {other:?}"),
        }
    }
}
