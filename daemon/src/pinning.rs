//! Pinning a thread to a core, and keeping pages in memory. Both degrade with a line to print.

use rustix::mm::{MlockAllFlags, mlockall};

/// Pins the calling thread. `Err` says what to do; the thread goes on unpinned.
pub fn pin_to_cpu(cpu: usize) -> Result<(), String> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() == 1 {
        return Err("only one core: the hot thread shares it, unpinned".to_owned());
    }
    match cores.iter().find(|core| core.id == cpu) {
        Some(core) if core_affinity::set_for_current(*core) => Ok(()),
        Some(_) => Err(format!(
            "the system refused to pin to cpu {cpu}: running unpinned"
        )),
        None => {
            let known: Vec<usize> = cores.iter().map(|core| core.id).collect();
            Err(format!(
                "hot.cpu = {cpu} is not one of {known:?}: running unpinned"
            ))
        }
    }
}

/// Locks what is mapped now and later. `Err` says what to do; the process goes on unlocked.
pub fn lock_memory() -> Result<(), String> {
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|error| {
        format!("memory is not locked ({error}): raise `ulimit -l` or set hot.lock_memory = false")
    })
}
