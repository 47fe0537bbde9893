//! What follows the journal beside the cold thread, each on a thread of its own.
//!
//! Invariant: none of it is needed for trading. What fails is said in the log and tried again;
//! nobody waits for it.

use crate::config::Settings;
use crate::start::journal_directory;
use anyhow::{Context, Result};
use cold::latency::{LatencyNotice, LatencyRecorder, LatencySettings};
use cold::order_log::{OrderLog, OrderLogNotice, OrderLogSettings};
use cold::projector::{Projector, ProjectorNotice, ProjectorSettings};
use cold::shadow::Shadow;
use model::EngineConfig;
use std::sync::Arc;
use std::time::Duration;

/// How often the stages' figures are logged and kept.
const LATENCY_INTERVAL: Duration = Duration::from_secs(60);

/// The services that run.
#[derive(Debug)]
pub struct ColdServices {
    projector: Option<Projector>,
    order_log: Option<OrderLog>,
    latency: LatencyRecorder,
    shadow: Option<Shadow>,
}

impl ColdServices {
    /// Starts everything that the configuration asks for, for a run whose first entry is
    /// `from_sequence` and in which `config` is in force. The shadow is started before.
    ///
    /// # Errors
    /// A thread that could not be started.
    pub fn start(
        settings: &Settings,
        config: &EngineConfig,
        from_sequence: u64,
        shadow: Option<Shadow>,
    ) -> Result<Self> {
        Ok(Self {
            shadow,
            projector: start_projector(settings)?,
            order_log: start_order_log(settings)?,
            latency: start_latency(settings, config, from_sequence)?,
        })
    }

    /// Lets each read what the journal holds by now, and ends it.
    pub fn stop(self) {
        if let Some(shadow) = self.shadow {
            shadow.stop();
        }
        if let Some(projector) = self.projector {
            projector.stop();
        }
        if let Some(order_log) = self.order_log {
            order_log.stop();
        }
        self.latency.stop();
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

fn start_latency(
    settings: &Settings,
    config: &EngineConfig,
    from_sequence: u64,
) -> Result<LatencyRecorder> {
    let latency = LatencySettings {
        journal_directory: journal_directory(settings),
        from_sequence,
        config: config.clone(),
        log_directory: settings.data.directory.join("latency"),
        interval: LATENCY_INTERVAL,
    };
    LatencyRecorder::start(latency, Arc::new(log_latency)).context("starting the latency thread")
}

fn log_latency(notice: LatencyNotice) {
    match notice {
        LatencyNotice::Interval(told) => tracing::info!(
            venue = told.venue,
            stage = told.stage.name(),
            count = told.count,
            p50_ns = told.p50_ns,
            p99_ns = told.p99_ns,
            max_ns = told.max_ns,
            "latency"
        ),
        LatencyNotice::LogUnwritable { detail } => {
            tracing::warn!("the latency log could not be written: {detail}");
        }
        LatencyNotice::Ended { detail } => tracing::error!(
            "DEGRADED: no latency figures until the next start, trading goes on: {detail}"
        ),
    }
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

fn start_order_log(settings: &Settings) -> Result<Option<OrderLog>> {
    let order_log = &settings.order_log;
    if !order_log.is_enabled {
        return Ok(None);
    }
    let writing = OrderLogSettings {
        journal_directory: journal_directory(settings),
        path: order_log.path.clone(),
        file_bytes_max: u64::from(order_log.file_mib).saturating_mul(1024 * 1024),
        files_kept: order_log.files_kept,
    };
    let started = OrderLog::start(writing, Arc::new(log_order_log));
    Ok(Some(started.context("starting the order log's thread")?))
}

fn log_order_log(notice: OrderLogNotice) {
    match notice {
        OrderLogNotice::Following => tracing::debug!("the order log follows the journal"),
        OrderLogNotice::Degraded { detail, retry_in } => tracing::error!(
            retry_ms = retry_in.as_millis(),
            "DEGRADED: the order log stands still, trading goes on: {detail}"
        ),
    }
}
