//! The few changes that recovery may make to files.
//!
//! Owns: keeping cut bytes aside, zeroing them in place, removing leftovers. Invariants: bytes are
//! durable in `aside/` before they are zeroed; zeroing goes from the end to the start, so that a
//! kill in between leaves the same decision to the next run; no file aside is ever overwritten.
//! Must not know: why (`recovery.rs` decided). Threads: start only.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags};

use crate::directory::ASIDE_DIRECTORY;
use crate::error::JournalError;
use crate::layout::PAGE_BYTES;
use crate::mapping::Region;
use crate::recovery::{Cut, Note};
use crate::segment::{open_segment, sync_directory};
use crate::survey::{Stop, Survey, Surveyed, Tail};

/// Takes everything behind the tail out of the journal.
///
/// # Errors
/// `Io`; the next run does the rest.
pub(crate) fn cut(directory: &Path, survey: &Survey, tail: &Tail) -> Result<Cut, JournalError> {
    let aside_directory = directory.join(ASIDE_DIRECTORY);
    if !aside_directory.is_dir() {
        DirBuilder::new()
            .mode(0o700)
            .create(&aside_directory)
            .map_err(|error| JournalError::io("creating", &aside_directory, error))?;
        sync_directory(directory)?;
    }
    let segment = &survey.segments[tail.at];
    let has_bytes = tail.facts.stop != Stop::Sealed && tail.bytes_end > tail.offset;
    let aside = if has_bytes {
        Some(keep_aside(
            &aside_directory,
            segment,
            tail.offset,
            tail.bytes_end,
        )?)
    } else {
        None
    };
    let mut segments_aside = Vec::new();
    for behind in survey.segments[tail.at + 1..]
        .iter()
        .rev()
        .filter(|segment| segment.is_used())
    {
        segments_aside.push(move_aside(directory, &aside_directory, behind)?);
    }
    if has_bytes {
        zero_in_place(segment, tail.offset, tail.bytes_end)?;
    }
    Ok(Cut {
        segment_index: segment.identity.segment_index,
        offset_bytes: tail.offset,
        cut_bytes: if has_bytes {
            u64::from(tail.bytes_end - tail.offset)
        } else {
            0
        },
        aside,
        segments_aside,
        later_entries: tail.later_count,
        later: tail.later.clone(),
    })
}

/// Removes unfinished files and spares that were never entered.
///
/// # Errors
/// `Io`.
pub(crate) fn remove_leftovers(
    directory: &Path,
    survey: &Survey,
    notes: &mut Vec<Note>,
) -> Result<(), JournalError> {
    let before = notes.len();
    let remove = |path: &PathBuf| {
        fs::remove_file(path).map_err(|error| JournalError::io("removing", path, error))
    };
    for temporary in &survey.inventory.temporaries {
        remove(temporary)?;
        notes.push(Note::RemovedTemporary(temporary.clone()));
    }
    // From the end, so that a kill in between leaves no gap.
    for spare in survey
        .segments
        .iter()
        .rev()
        .take_while(|segment| segment.opened.is_none())
    {
        if spare.path.exists() && !spare.is_used() {
            remove(&spare.path)?;
            notes.push(Note::RemovedSpare(spare.path.clone()));
        }
    }
    if notes.len() == before {
        Ok(())
    } else {
        sync_directory(directory)
    }
}

fn keep_aside(
    aside_directory: &Path,
    segment: &Surveyed,
    from: u32,
    end: u32,
) -> Result<PathBuf, JournalError> {
    let mut bytes = vec![0; (end - from) as usize];
    segment.region.copy_out(from, &mut bytes);
    let stem = format!(
        "segment-{:010}-offset-{from:010}",
        segment.identity.segment_index
    );
    let path = free_name(aside_directory, &stem, "cut");
    let io_error = |error| JournalError::io("keeping aside", &path, error);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&path).map_err(io_error)?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_error)?;
    sync_directory(aside_directory)?;
    Ok(path)
}

fn move_aside(
    directory: &Path,
    aside_directory: &Path,
    segment: &Surveyed,
) -> Result<PathBuf, JournalError> {
    let stem = format!("segment-{:010}", segment.identity.segment_index);
    let path = free_name(aside_directory, &stem, "mrj");
    rustix::fs::renameat_with(CWD, &segment.path, CWD, &path, RenameFlags::NOREPLACE)
        .map_err(|errno| JournalError::io("moving aside", &segment.path, errno.into()))?;
    sync_directory(aside_directory)?;
    sync_directory(directory)?;
    Ok(path)
}

fn zero_in_place(segment: &Surveyed, from: u32, end: u32) -> Result<(), JournalError> {
    let (path, identity) = (&segment.path, &segment.identity);
    let (file, _identity) = open_segment(path, identity.segment_index, true)?;
    let region = Region::map_file(&file, identity.segment_bytes as usize)
        .map_err(|error| JournalError::io("mapping", path, error))?;
    let region = Arc::new(region);
    let mut writer = region.claim_writer().expect("mapped just now");
    let mut above = end;
    while above > from {
        let below = ((above - 1) / PAGE_BYTES * PAGE_BYTES).max(from);
        writer.fill_zero(below, above - below);
        above = below;
    }
    region
        .sync(0, identity.segment_bytes)
        .map_err(|error| JournalError::io("syncing the cut", path, error))
}

fn free_name(directory: &Path, stem: &str, suffix: &str) -> PathBuf {
    let mut path = directory.join(format!("{stem}.{suffix}"));
    let mut copy = 1;
    while path.exists() {
        path = directory.join(format!("{stem}-{copy}.{suffix}"));
        copy += 1;
    }
    path
}
