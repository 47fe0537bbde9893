//! What follows the journal beside the cold thread, each on a thread of its own.
//!
//! Invariant: none of it is needed for trading. What fails is said in the log and tried again;
//! nobody waits for it.

use crate::config::Settings;
use crate::start::journal_directory;
use anyhow::{Context, Result};
use cold::projector::{Projector, ProjectorNotice, ProjectorSettings};
use std::sync::Arc;

/// The services that run.
#[derive(Debug)]
pub struct ColdServices {
    projector: Option<Projector>,
}

impl ColdServices {
    /// Starts everything that the configuration asks for.
    ///
    /// # Errors
    /// A thread that could not be started.
    pub fn start(settings: &Settings) -> Result<Self> {
        Ok(Self {
            projector: start_projector(settings)?,
        })
    }

    /// Lets each read what the journal holds by now, and ends it.
    pub fn stop(self) {
        if let Some(projector) = self.projector {
            projector.stop();
        }
    }
}

fn start_projector(settings: &Settings) -> Result<Option<Projector>> {
    let database = &settings.database;
    if !database.is_enabled {
        return Ok(None);
    }
    let projector = ProjectorSettings {
        journal_directory: journal_directory(settings),
        database: database.path.clone(),
        batch_entries: database.batch_entries,
    };
    let started = Projector::start(projector, Arc::new(log_projector));
    Ok(Some(started.context("starting the projector thread")?))
}

fn log_projector(notice: ProjectorNotice) {
    match notice {
        ProjectorNotice::Following { sequence } => {
            tracing::info!(sequence, "the database follows the journal");
        }
        ProjectorNotice::Degraded { detail, retry_in } => tracing::error!(
            retry_ms = retry_in.as_millis(),
            "DEGRADED: the database stands still, trading goes on: {detail}"
        ),
        ProjectorNotice::FillDoubled { sequence } => tracing::error!(
            sequence,
            "FILL_DOUBLED: this entry books an execution that was booked before; the database \
             keeps the first; please report this"
        ),
    }
}
