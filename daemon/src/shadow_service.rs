//! The shadow engine as the daemon runs it: its settings, and what an operator is told of it.
//!
//! A divergence closes the reduce-only latch over everything: the engine goes on cancelling,
//! booking and answering, and takes on no more risk until a person has looked.

use crate::cold_thread::HotWaker;
use crate::config::Settings;
use crate::message_port::StopSignal;
use crate::start::journal_directory;
use anyhow::{Context, Result};
use cold::shadow::{Shadow, ShadowNotice, ShadowSettings};
use cold::snapshots::Snapshots;
use std::sync::Arc;

/// Called once, when a decision differed.
pub type OnDiverged = Box<dyn Fn() + Send + Sync>;

/// What a divergence does: the hot thread closes the reduce-only latch at its next turn.
pub fn on_diverged(stop: &Arc<StopSignal>, waker: &HotWaker) -> OnDiverged {
    let (stop, waker) = (Arc::clone(stop), waker.clone());
    Box::new(move || {
        stop.reduce_only();
        waker.wake();
    })
}

/// Starts the shadow, if it is wanted.
///
/// # Errors
/// A thread that could not be started.
pub fn start_shadow(
    settings: &Settings,
    run_epoch: u32,
    on_diverged: OnDiverged,
) -> Result<Option<Shadow>> {
    let shadow = &settings.shadow;
    if !shadow.is_enabled {
        tracing::info!("no shadow engine: shadow.enabled is false, and no snapshots are written");
        return Ok(None);
    }
    let journal_directory = journal_directory(settings);
    let started = Shadow::start(
        ShadowSettings {
            snapshots: Snapshots::of_journal(&journal_directory),
            aside_directory: settings.data.directory.join("aside"),
            journal_directory,
            run_epoch,
            snapshot_every: shadow.snapshot_every_entries,
            snapshots_kept: shadow.snapshots_kept,
        },
        Arc::new(move |notice| {
            if matches!(notice, ShadowNotice::Diverged { .. }) {
                on_diverged();
            }
            log_shadow(notice);
        }),
    );
    Ok(Some(started.context("starting the shadow thread")?))
}

fn log_shadow(notice: ShadowNotice) {
    match notice {
        ShadowNotice::Following {
            sequence,
            snapshot,
            state_bytes,
        } => tracing::info!(
            sequence,
            snapshot,
            state_bytes,
            "the shadow engine follows the journal"
        ),
        ShadowNotice::PassedOver(passed) => {
            let file = passed.path.display();
            tracing::warn!("snapshot {file} was passed over: {}", passed.problem);
        }
        ShadowNotice::SnapshotWritten {
            sequence,
            bytes,
            encoded_in,
            written_in,
        } => tracing::info!(
            sequence,
            bytes,
            encode_us = encoded_in.as_micros(),
            written_ms = written_in.as_millis(),
            "snapshot written"
        ),
        ShadowNotice::SnapshotFailed(error) => {
            tracing::error!("DEGRADED: a snapshot could not be written, trading goes on: {error}");
        }
        ShadowNotice::Diverged {
            sequence,
            at,
            decisions,
            aside,
        } => tracing::error!(
            sequence,
            at,
            ?aside,
            "ALARM SHADOW_DIVERGED: the same engine decides otherwise on this entry; only orders \
             that reduce a position are taken from now on. Keep the journal and both states, run \
             `millrun replay --verify`, and report this: {decisions}"
        ),
        ShadowNotice::Ended(error) => tracing::error!(
            "DEGRADED: the shadow engine ended, trading goes on without comparison and without \
             new snapshots: {error}"
        ),
    }
}
