//! Segment files: made in small steps, off the hot thread, and only named when they are whole.
//!
//! Owns: the steps create → allocate → write zeros → birth sector → sync → rename → sync directory
//! → map. Invariants: a file named `segment-….mrj` is fully allocated, written, synced and has a
//! valid birth sector; an existing name is never replaced. Must not know: entries, the writer's
//! state. Threads: the preparer belongs to the keeper; a [`PreparedSegment`] moves to the hot
//! thread, and a [`RetiredSegment`] back, because unmapping interrupts other cores.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FallocateFlags, RenameFlags};

use crate::error::{JournalError, JournalErrorKind};
use crate::header;
use crate::layout::{
    SECTOR_BYTES, SEQUENCE_LIMIT, SegmentIdentity, is_segment_bytes, segment_path,
};
use crate::mapping::{Region, RegionWriter};

/// Bytes of zeros written and synced per step, so that the keeper can sync entries in between.
const ZERO_SLICE_BYTES: u32 = 1024 * 1024;
/// Suffix of a file that is not a segment yet.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// A whole, mapped, pre-faulted segment with the right to write it.
#[derive(Debug)]
pub struct PreparedSegment {
    identity: SegmentIdentity,
    writer: RegionWriter,
}

/// A segment that the writer is done with.
#[derive(Debug)]
pub struct RetiredSegment(PreparedSegment);

impl PreparedSegment {
    /// Takes the right to write `region`.
    ///
    /// # Panics
    /// If somebody else has it, or the region is not as long as the segment.
    pub(crate) fn over(identity: SegmentIdentity, region: &Arc<Region>) -> Self {
        assert!(
            region.region_bytes() == identity.segment_bytes as usize,
            "whole segment mapped"
        );
        let writer = region.claim_writer().expect("a segment has one writer");
        Self { identity, writer }
    }

    /// Which segment it is.
    pub fn identity(&self) -> &SegmentIdentity {
        &self.identity
    }

    /// Its bytes.
    pub fn region(&self) -> &Arc<Region> {
        self.writer.region()
    }

    pub(crate) fn writer(&mut self) -> &mut RegionWriter {
        &mut self.writer
    }

    pub(crate) fn retire(self) -> RetiredSegment {
        RetiredSegment(self)
    }
}

impl RetiredSegment {
    /// Which segment it was.
    pub fn segment_index(&self) -> u32 {
        self.0.identity.segment_index
    }
}

/// What all segments of this journal that this run makes have in common.
#[derive(Clone, Debug)]
pub struct SegmentPlan {
    /// The journal directory.
    pub directory: PathBuf,
    /// Id of the journal.
    pub journal_id: u128,
    /// Instance that owns it.
    pub instance_tag: u16,
    /// Epoch of this run.
    pub boot_epoch: u32,
    /// Size of new segments.
    pub segment_bytes: u32,
    /// Bytes pre-faulted before the hand-over.
    pub populate_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Create,
    Allocate,
    WriteZeros { from: u32 },
    WriteBirth,
    SyncFile,
    Rename,
    SyncDirectory,
    Map,
}

/// Makes one segment after the other, a bounded step at a time.
#[derive(Debug)]
pub struct SegmentPreparer {
    plan: SegmentPlan,
    next_index: u32,
    stage: Stage,
    file: Option<File>,
    identity: Option<SegmentIdentity>,
    zeros: Vec<u8>,
}

impl SegmentPreparer {
    /// Starts with segment `next_index`.
    ///
    /// # Errors
    /// `SegmentBytes` if the plan's size is not allowed.
    pub fn new(plan: SegmentPlan, next_index: u32) -> Result<Self, JournalError> {
        if !is_segment_bytes(plan.segment_bytes) {
            let found_bytes = u64::from(plan.segment_bytes);
            let kind = JournalErrorKind::SegmentBytes { found_bytes };
            return Err(JournalError::new(kind, &plan.directory, 0));
        }
        let zeros = vec![0; ZERO_SLICE_BYTES.min(plan.segment_bytes) as usize];
        let stage = Stage::Create;
        Ok(Self {
            plan,
            next_index,
            stage,
            file: None,
            identity: None,
            zeros,
        })
    }

    /// Does one step; `Some` when a segment is ready, after which the next one begins.
    ///
    /// # Errors
    /// `Io`. The unfinished file is removed and the next call starts it afresh.
    pub fn advance(&mut self) -> Result<Option<PreparedSegment>, JournalError> {
        let result = self.step();
        if result.is_err() {
            self.file = None;
            self.stage = Stage::Create;
            // May be gone already, or impossible now; recovery ignores such files too.
            let _left_for_recovery = fs::remove_file(self.temporary_path());
        }
        result
    }

    /// All steps at once: for start, when there is nothing to wait beside.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub fn prepare_now(&mut self) -> Result<PreparedSegment, JournalError> {
        loop {
            if let Some(prepared) = self.advance()? {
                return Ok(prepared);
            }
        }
    }

    /// Index of the segment that is being made.
    pub fn next_index(&self) -> u32 {
        self.next_index
    }

    fn step(&mut self) -> Result<Option<PreparedSegment>, JournalError> {
        let path = self.temporary_path();
        let segment_bytes = self.plan.segment_bytes;
        self.stage = match self.stage {
            Stage::Create => self.create(&path)?,
            Stage::Allocate => {
                let flags = FallocateFlags::empty();
                rustix::fs::fallocate(self.open_file(), flags, 0, u64::from(segment_bytes))
                    .map_err(|errno| JournalError::io("allocating", &path, errno.into()))?;
                Stage::WriteZeros { from: 0 }
            }
            Stage::WriteZeros { from } => self.write_zeros(from, &path)?,
            Stage::WriteBirth => {
                let identity = self.identity.expect("made by `create`");
                let sector = header::birth_sector(&identity);
                self.open_file()
                    .write_all_at(&sector, 0)
                    .map_err(|error| JournalError::io("writing header", &path, error))?;
                Stage::SyncFile
            }
            Stage::SyncFile => {
                self.open_file()
                    .sync_all()
                    .map_err(|error| JournalError::io("syncing", &path, error))?;
                Stage::Rename
            }
            Stage::Rename => {
                let name = segment_path(&self.plan.directory, self.next_index);
                rustix::fs::renameat_with(CWD, &path, CWD, &name, RenameFlags::NOREPLACE)
                    .map_err(|errno| JournalError::io("naming", &name, errno.into()))?;
                Stage::SyncDirectory
            }
            Stage::SyncDirectory => {
                sync_directory(&self.plan.directory)?;
                Stage::Map
            }
            Stage::Map => return self.map().map(Some),
        };
        Ok(None)
    }

    fn create(&mut self, path: &Path) -> Result<Stage, JournalError> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        let file = options
            .open(path)
            .map_err(|error| JournalError::io("creating", path, error))?;
        self.file = Some(file);
        let salt = random_u128().map_err(|error| JournalError::io("random", path, error))?;
        self.identity = Some(SegmentIdentity {
            journal_id: self.plan.journal_id,
            segment_salt: salt as u64 | SEQUENCE_LIMIT,
            segment_index: self.next_index,
            segment_bytes: self.plan.segment_bytes,
            instance_tag: self.plan.instance_tag,
            boot_epoch: self.plan.boot_epoch,
        });
        Ok(Stage::Allocate)
    }

    /// Written zeros spare the conversion of unwritten extents at each later sync.
    fn write_zeros(&mut self, from: u32, path: &Path) -> Result<Stage, JournalError> {
        let slice_bytes = ZERO_SLICE_BYTES.min(self.plan.segment_bytes - from);
        let file = self.open_file();
        file.write_all_at(&self.zeros[..slice_bytes as usize], u64::from(from))
            .and_then(|()| file.sync_data())
            .map_err(|error| JournalError::io("writing zeros", path, error))?;
        let from = from + slice_bytes;
        let is_whole = from == self.plan.segment_bytes;
        Ok(if is_whole {
            Stage::WriteBirth
        } else {
            Stage::WriteZeros { from }
        })
    }

    fn map(&mut self) -> Result<PreparedSegment, JournalError> {
        let path = segment_path(&self.plan.directory, self.next_index);
        let identity = self.identity.expect("made by `create`");
        let region = Region::map_file(self.open_file(), self.plan.segment_bytes as usize)
            .map_err(|error| JournalError::io("mapping", &path, error))?;
        let populate_bytes = self.plan.populate_bytes.min(self.plan.segment_bytes);
        region
            .populate(0, populate_bytes)
            .map_err(|error| JournalError::io("pre-faulting (Linux 5.14)", &path, error))?;
        self.file = None;
        self.next_index += 1;
        self.stage = Stage::Create;
        Ok(PreparedSegment::over(identity, &Arc::new(region)))
    }

    fn open_file(&self) -> &File {
        self.file.as_ref().expect("opened by `create`")
    }

    fn temporary_path(&self) -> PathBuf {
        let mut path = segment_path(&self.plan.directory, self.next_index).into_os_string();
        path.push(TEMPORARY_SUFFIX);
        PathBuf::from(path)
    }
}

/// Makes names in a directory durable.
///
/// # Errors
/// `Io`.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), JournalError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| JournalError::io("syncing directory", directory, error))
}

/// 128 bits from the system.
///
/// # Errors
/// Those of reading `/dev/urandom`.
pub(crate) fn random_u128() -> io::Result<u128> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

/// Opens a segment file and reads its birth sector; length and name are checked against it.
///
/// # Errors
/// `Io`, `ZeroLength`, `WrongLength`, those of the header, `WrongField` for another index.
pub(crate) fn open_segment(
    path: &Path,
    segment_index: u32,
    writable: bool,
) -> Result<(File, SegmentIdentity), JournalError> {
    let refuse = |kind| JournalError::new(kind, path, 0);
    let file = OpenOptions::new()
        .read(true)
        .write(writable)
        .open(path)
        .map_err(|error| JournalError::io("opening", path, error))?;
    let metadata = file
        .metadata()
        .map_err(|error| JournalError::io("stat", path, error))?;
    let found_bytes = metadata.len();
    if found_bytes == 0 {
        return Err(refuse(JournalErrorKind::ZeroLength));
    }
    let mut sector = [0; SECTOR_BYTES as usize];
    if found_bytes < u64::from(SECTOR_BYTES) {
        let expected_bytes = u64::from(crate::layout::SEGMENT_BYTES_MIN);
        return Err(refuse(JournalErrorKind::WrongLength {
            expected_bytes,
            found_bytes,
        }));
    }
    file.read_exact_at(&mut sector, 0)
        .map_err(|error| JournalError::io("reading header", path, error))?;
    let identity = header::read_birth(&sector).map_err(refuse)?;
    let expected_bytes = u64::from(identity.segment_bytes);
    if expected_bytes != found_bytes {
        return Err(refuse(JournalErrorKind::WrongLength {
            expected_bytes,
            found_bytes,
        }));
    }
    if identity.segment_index != segment_index {
        let (expected, found) = (u64::from(segment_index), u64::from(identity.segment_index));
        let what = "segment index";
        return Err(refuse(JournalErrorKind::WrongField {
            what,
            expected,
            found,
        }));
    }
    Ok((file, identity))
}
