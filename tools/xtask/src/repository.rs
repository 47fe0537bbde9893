//! Where the project lies on disk, its files and its packages.
//!
//! Owns the search for the root, so that every verb works from any directory in the tree.
//! Invariant: paths handed out by [`Repository::files`] are relative to the root, with `/`, sorted.
//! Must not know what the verbs look for in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Folders that hold what tools made, not what people wrote. Used only where git cannot be asked.
const GENERATED_FOLDERS: &[&str] = &["target", ".git", ".tools", "__pycache__", "node_modules"];

/// The checked-out project.
pub(crate) struct Repository {
    /// Absolute path of the folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
}

/// What `cargo metadata --no-deps` says, as far as the verbs need it.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    /// Our packages.
    pub(crate) packages: Vec<Package>,
    /// Where cargo builds, `CARGO_TARGET_DIR` respected.
    pub(crate) target_directory: PathBuf,
}

/// One of our packages.
#[derive(Deserialize)]
pub(crate) struct Package {
    /// As in its `Cargo.toml`.
    pub(crate) name: String,
    /// Absolute path of its `Cargo.toml`.
    pub(crate) manifest_path: PathBuf,
    /// Normal, build and dev dependencies, with the real package names.
    pub(crate) dependencies: Vec<Dependency>,
    /// Libraries, binaries, tests, benches, examples.
    pub(crate) targets: Vec<Target>,
}

/// One line of a dependencies table.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    /// The package's own name, not the name it is renamed to.
    pub(crate) name: String,
    /// Set when it is one of ours.
    pub(crate) path: Option<PathBuf>,
}

/// One crate that cargo builds from a package.
#[derive(Deserialize)]
pub(crate) struct Target {
    /// Of the file it makes.
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, …
    pub(crate) kind: Vec<String>,
    /// The crate's root file, absolute.
    pub(crate) src_path: PathBuf,
}

impl Repository {
    /// Finds the root above the manifest that cargo runs us for, wherever the caller stands.
    ///
    /// # Errors
    /// If no folder above it has a workspace's `Cargo.toml`.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let is_root = |folder: &&Path| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml"));
            manifest.is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
        };
        let root = manifest.ancestors().find(is_root);
        let root = root.with_context(|| format!("no workspace above {}", manifest.display()))?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// Every file that is, or could be, committed.
    ///
    /// # Errors
    /// If neither git nor the folder can be read.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut files = match self.files_known_to_git() {
            Some(files) => files,
            None => self.files_on_disk()?,
        };
        // git also lists files that are deleted but not yet committed so.
        files.retain(|file| self.root.join(file).is_file());
        Ok(files.into_iter().collect())
    }

    /// Whether the file or folder at that relative path exists.
    pub(crate) fn has(&self, relative: &str) -> bool {
        self.root.join(relative).exists()
    }

    /// Our packages and where they are built.
    ///
    /// # Errors
    /// If cargo fails or prints what we cannot read.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(&self.root)
            .output()
            .context("running cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        serde_json::from_slice(&output.stdout).context("reading the output of cargo metadata")
    }

    /// An absolute path relative to the root, with `/`; unchanged if it lies elsewhere.
    pub(crate) fn relative(&self, absolute: &Path) -> String {
        absolute
            .strip_prefix(&self.root)
            .unwrap_or(absolute)
            .to_string_lossy()
            .replace('\\', "/")
    }

    fn files_known_to_git(&self) -> Option<BTreeSet<String>> {
        let output = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.root)
            .output()
            .ok()?;
        if !output.status.success() {
            return None;
        }
        let listing = String::from_utf8(output.stdout).ok()?;
        Some(
            listing
                .split('\0')
                .filter(|file| !file.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    fn files_on_disk(&self) -> Result<BTreeSet<String>> {
        let mut files = BTreeSet::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let entries =
                fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
            for entry in entries {
                let entry = entry?;
                let generated = entry.file_name().to_str().is_some_and(is_generated);
                if entry.file_type()?.is_dir() {
                    if !generated {
                        folders.push(entry.path());
                    }
                } else {
                    files.insert(self.relative(&entry.path()));
                }
            }
        }
        Ok(files)
    }
}

impl Target {
    /// Whether it is a library or a binary, and not a test, bench or example.
    pub(crate) fn is_shipped(&self) -> bool {
        self.kind
            .iter()
            .any(|kind| matches!(kind.as_str(), "lib" | "cdylib" | "staticlib" | "bin"))
    }
}

impl Metadata {
    /// The path of a package's debug binary, if the package has a binary.
    pub(crate) fn debug_binary(&self, package: &str) -> Option<PathBuf> {
        let package = self
            .packages
            .iter()
            .find(|candidate| candidate.name == package)?;
        let binary = package
            .targets
            .iter()
            .find(|t| t.kind.iter().any(|kind| kind == "bin"))?;
        Some(self.target_directory.join("debug").join(&binary.name))
    }
}

fn is_generated(folder: &str) -> bool {
    GENERATED_FOLDERS.contains(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_a_walk_of_the_disk_both_find_the_sources() {
        let repository = Repository::find().unwrap();
        let own = "tools/xtask/src/repository.rs".to_owned();
        assert!(repository.files_on_disk().unwrap().contains(&own));
        assert!(repository.files().unwrap().contains(&own));
    }

    #[test]
    fn metadata_names_our_packages_and_their_roots() {
        let metadata = Repository::find().unwrap().metadata().unwrap();
        let xtask = metadata
            .packages
            .iter()
            .find(|package| package.name == "xtask")
            .unwrap();
        assert!(
            xtask
                .targets
                .iter()
                .any(|target| target.src_path.ends_with("src/main.rs"))
        );
        assert!(
            metadata
                .debug_binary("xtask")
                .unwrap()
                .ends_with("debug/xtask")
        );
        assert_eq!(metadata.debug_binary("no-such-package"), None);
    }
}
