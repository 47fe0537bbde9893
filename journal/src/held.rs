//! Which segments a journal directory holds, oldest first, by their headers alone.
//!
//! Owns: the list. Invariants: nothing but headers is read and nothing is changed; a spare is no
//! segment yet. Must not know: whether entries are good. Threads: any thread of any process.

use std::path::{Path, PathBuf};

use crate::directory::take_inventory;
use crate::error::JournalError;
use crate::header;
use crate::layout::SegmentIdentity;
use crate::mapping::Region;
use crate::segment::open_segment;

/// A segment that is or was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSegment {
    /// Its file.
    pub path: PathBuf,
    /// Its birth.
    pub identity: SegmentIdentity,
    /// First sequence in it.
    pub first_sequence: u64,
}

/// Lists the segments in order of their index.
///
/// # Errors
/// Those of opening a segment.
pub fn held_segments(directory: &Path) -> Result<Vec<HeldSegment>, JournalError> {
    let mut held = Vec::new();
    for (index, path) in take_inventory(directory)?.segments {
        let (file, identity) = open_segment(&path, index, false)?;
        let region = Region::map_file_read_only(&file, identity.segment_bytes as usize)
            .map_err(|error| JournalError::io("mapping", &path, error))?;
        let opened = header::read_opening(&region, &identity)
            .map_err(|kind| JournalError::new(kind, &path, 0))?;
        if let Some(opened) = opened {
            held.push(HeldSegment {
                path,
                identity,
                first_sequence: opened.first_sequence,
            });
        }
    }
    Ok(held)
}
