//! The machine that a run was made on: what it is, how busy it was, where we are pinned.
//!
//! Invariant: what cannot be read is printed as not known, never guessed. Linux only.

use std::fs;
use std::process::Command;

use core_affinity::CoreId;

/// What a run is made of, from the root of the repository.
const MEASURED: [&str; 7] = [
    "benches",
    "engine/src",
    "gateway/protocol/src",
    "journal/src",
    "model/src",
    "rings/src",
    "Cargo.toml",
];

/// What stands above every report.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Model of the processor.
    pub(crate) cpu: String,
    /// How many of them we may use.
    pub(crate) cpus: usize,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Commit of the repository that we are in, `+changes` when what is measured differs from it.
    pub(crate) commit: String,
    /// The command line.
    pub(crate) command: String,
    /// Load average when the run began: what else wanted the processors.
    pub(crate) load_before: String,
}

impl Host {
    /// Reads everything. Starts `git`: not between measurements.
    pub(crate) fn read() -> Self {
        Self {
            cpu: cpu_model().unwrap_or_else(unknown),
            cpus: cores().len(),
            kernel: first_line("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            commit: commit().unwrap_or_else(unknown),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            load_before: load_average(),
        }
    }
}

/// The load average now.
pub(crate) fn load_average() -> String {
    let line = first_line("/proc/loadavg");
    line.and_then(|line| Some(line.split(' ').next()?.to_owned()))
        .unwrap_or_else(unknown)
}

/// Minor faults of the calling thread so far; `None` where the system does not say.
pub(crate) fn minor_faults() -> Option<u64> {
    let stat = fs::read_to_string("/proc/thread-self/stat").ok()?;
    // The name before it may hold blanks; it ends with the last parenthesis. Then: state, ppid,
    // pgrp, session, tty, tpgid, flags, minflt (proc_pid_stat(5)).
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(7)?
        .parse()
        .ok()
}

/// Where threads run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pinning {
    /// The measuring thread's processor.
    pub(crate) hot: Option<CoreId>,
    /// Everything else's; `None` when there is only one.
    pub(crate) peer: Option<CoreId>,
}

impl Pinning {
    /// The first two processors that we may use.
    pub(crate) fn choose() -> Self {
        let mut cores = cores().into_iter();
        Self {
            hot: cores.next(),
            peer: cores.next(),
        }
    }
}

/// Pins the calling thread, and every thread that it starts from now on. False when refused.
pub(crate) fn pin(core: Option<CoreId>) -> bool {
    core.is_some_and(core_affinity::set_for_current)
}

fn cores() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> Option<String> {
    let commit = output_of(&["rev-parse", "--short=12", "HEAD"])?;
    let root = output_of(&["rev-parse", "--show-toplevel"])?;
    let mut status = vec!["-C", &root, "status", "--porcelain", "--"];
    status.extend(MEASURED);
    let changed = output_of(&status)?;
    let mark = if changed.is_empty() { "" } else { "+changes" };
    Some(format!("{commit}{mark}"))
}

fn output_of(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

fn unknown() -> String {
    "not known".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_page_counts_as_a_minor_fault_of_this_thread() {
        let before = minor_faults().expect("Linux says");
        let pages = vec![1_u8; 4 << 20];
        std::hint::black_box(&pages);
        let after = minor_faults().expect("Linux says");
        assert!(after > before, "{before} then {after}");
    }
}
