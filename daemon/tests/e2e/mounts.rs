//! Disks of a test that really are small, really fail and really stall: loop images, as root.
//!
//! Invariant: everything is unmounted when the test ends, also by a panic. Needs root, `mount`,
//! `mkfs.ext4`, `filefrag`, `fallocate` and `fsfreeze`; without them the test fails and says so.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: is it installed?"));
    assert!(
        output.status.success(),
        "{program} {arguments:?} (as root?): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A mounted file system; unmounted when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    fn new(at: PathBuf, arguments: &[&str]) -> Self {
        fs::create_dir(&at).unwrap();
        let mut all = arguments.to_vec();
        all.push(text(&at));
        run("mount", &all);
        Self(at)
    }

    fn tmpfs(at: PathBuf, mib: u32) -> Self {
        Self::new(at, &["-t", "tmpfs", "-o", &format!("size={mib}m"), "none"])
    }

    fn ext4(at: PathBuf, image: &Path, mib: u32) -> Self {
        let file = File::create(image).unwrap();
        file.set_len(u64::from(mib) << 20).unwrap();
        // Without a journal of its own the file system goes on after an error of its disk.
        let options = ["-q", "-O", "^has_journal", "-m", "0", "-b", "4096"];
        run("mkfs.ext4", &[&options[..], &[text(image)]].concat());
        Self::new(at, &["-o", "loop", text(image)])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0).output();
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A disk for a data directory. Fields are dropped in this order.
pub(crate) struct LoopDisk {
    top: Mount,
    _below: Vec<Mount>,
    image: PathBuf,
    frozen: PathBuf,
    _directory: TempDir,
}

impl LoopDisk {
    /// A small ext4 disk on a tmpfs: it can be full, and it can fail.
    pub(crate) fn new(mib: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = Mount::tmpfs(directory.path().join("base"), mib + 2);
        let image = base.0.join("image");
        let top = Mount::ext4(directory.path().join("disk"), &image, mib);
        let frozen = base.0.clone();
        Self::with_data(top, vec![base], image, frozen, directory)
    }

    /// A disk on another one whose writes can be held up.
    pub(crate) fn that_can_stall(mib: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = Mount::tmpfs(directory.path().join("base"), mib + 12);
        let lower = Mount::ext4(
            directory.path().join("lower"),
            &base.0.join("image"),
            mib + 8,
        );
        let image = lower.0.join("image");
        let top = Mount::ext4(directory.path().join("disk"), &image, mib);
        let frozen = lower.0.clone();
        Self::with_data(top, vec![lower, base], image, frozen, directory)
    }

    fn with_data(
        top: Mount,
        below: Vec<Mount>,
        image: PathBuf,
        frozen: PathBuf,
        directory: TempDir,
    ) -> Self {
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).create(top.0.join("data")).unwrap();
        Self {
            top,
            _below: below,
            image,
            frozen,
            _directory: directory,
        }
    }

    /// Where the data directory is.
    pub(crate) fn data(&self) -> PathBuf {
        self.top.0.join("data")
    }

    /// Shows the data directory at another place too.
    pub(crate) fn bind(&self, at: PathBuf) -> Mount {
        Mount::new(at, &["--bind", text(&self.data())])
    }

    /// Takes all free space.
    pub(crate) fn fill(&self) {
        fill(&self.top.0.join("filler"));
    }

    /// Gives it back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.top.0.join("filler")).unwrap();
    }

    /// From now on no write of the journal's segments reaches the disk: their blocks are taken out
    /// of the image, and the space for new ones is gone.
    pub(crate) fn fail(&self) {
        run("sync", &["-f", text(&self.top.0)]);
        for segment in segments(&self.data().join("journal")) {
            let listed = run("filefrag", &["-v", "-b4096", text(&segment)]);
            for (from, blocks) in listed.lines().filter_map(extent) {
                let (from, length) = (from * 4096, blocks * 4096);
                let (from, length) = (from.to_string(), length.to_string());
                let arguments = ["-p", "-o", &from, "-l", &length, text(&self.image)];
                run("fallocate", &arguments);
            }
        }
        fill(&self.filler_below());
    }

    /// The disk takes writes again.
    pub(crate) fn mend(&self) {
        fs::remove_file(self.filler_below()).unwrap();
    }

    fn filler_below(&self) -> PathBuf {
        self.image.parent().unwrap().join("filler")
    }

    /// Holds up every write to the disk until the answer is dropped. Hold it in a variable that is
    /// dropped before any process that uses the disk: one that waits for it cannot be killed.
    pub(crate) fn stall(&self) -> Stall<'_> {
        run("fsfreeze", &["-f", text(&self.frozen)]);
        Stall(&self.frozen)
    }
}

/// Writes are held up.
pub(crate) struct Stall<'a>(&'a Path);

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["-u", text(self.0)]);
    }
}

/// Physical start and length in blocks, from a line of `filefrag -v`.
fn extent(line: &str) -> Option<(u64, u64)> {
    let mut columns = line.split(':');
    columns.next()?.trim().parse::<u32>().ok()?;
    let (_logical, physical, length) = (columns.next()?, columns.next()?, columns.next()?);
    let from = physical.split("..").next()?.trim().parse().ok()?;
    Some((from, length.trim().parse().ok()?))
}

fn segments(journal: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap());
    let named = found.filter(|entry| entry.file_name().to_str().unwrap().ends_with(".mrj"));
    named.map(|entry| entry.path()).collect()
}

fn fill(filler: &Path) {
    let mut file = OpenOptions::new();
    let file = file.create(true).truncate(true).write(true).open(filler);
    let mut file = file.unwrap();
    for size in [1 << 20, 4096] {
        let block = vec![0xA5_u8; size];
        while file.write_all(&block).is_ok() {}
    }
    let _ = file.write_at(b"end", 0);
    let _ = file.sync_all();
}
