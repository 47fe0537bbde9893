//! A segment of which a sync failed in an earlier run: its bytes are given to the disk once more.
//!
//! After a failed sync the kernel may call pages clean that never reached the disk, so a later sync
//! of them proves nothing. Writing every page again makes them dirty, and the sync after that is a
//! new one. Must not know: entries. Threads: start only, before there is a writer.

use std::path::{Path, PathBuf};

use crate::error::JournalError;
use crate::header;
use crate::layout::{PAGE_BYTES, segment_index_of};
use crate::mapping::Region;
use crate::recovery::Note;
use crate::segment::open_segment;

/// Writes every suspect segment of the notes again and takes the mark off it.
///
/// # Errors
/// `Io` if the disk still does not take it: then the mark stays.
pub(crate) fn write_again(notes: &[Note]) -> Result<(), JournalError> {
    let suspects = notes.iter().filter_map(|note| match note {
        Note::SuspectSegment(path, _) => Some(path),
        _ => None,
    });
    suspects.map(PathBuf::as_path).try_for_each(write_one_again)
}

fn write_one_again(path: &Path) -> Result<(), JournalError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(index) = name.and_then(segment_index_of) else {
        return Ok(());
    };
    let (file, identity) = open_segment(path, index, true)?;
    let io_error = |error| JournalError::io("writing a suspect segment again", path, error);
    let region = Region::map_file(&file, identity.segment_bytes as usize).map_err(io_error)?;
    for page in (0..identity.segment_bytes).step_by(PAGE_BYTES as usize) {
        region.store_release(page, region.load_acquire(page));
    }
    region.sync(0, identity.segment_bytes).map_err(io_error)?;
    header::clear_suspect(&region);
    region.sync(0, PAGE_BYTES).map_err(io_error)
}
