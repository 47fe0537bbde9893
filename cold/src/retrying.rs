//! Following the journal for as long as the engine runs, whatever fails in between.
//!
//! Owns the loop that every projection has: begin, step by step, and after a failure or a panic
//! begin again at what is stored, later each time. Must not know what a step does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks when nothing happened.
const PAUSE: Duration = Duration::from_millis(5);
/// The first wait after a failure; doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A stretch of following, from what is stored to the first thing that fails.
pub(crate) trait Stretch: Sized {
    /// What begins it, and is told how it goes.
    type Owner;

    /// Begins at what is stored.
    ///
    /// # Errors
    /// What fails, and what to do, in words.
    fn begin(owner: &mut Self::Owner) -> Result<Self, String>;

    /// Takes what there is, and stores it; how many entries that were.
    ///
    /// # Errors
    /// What fails, in words; the stretch is dropped then.
    fn step(&mut self, owner: &mut Self::Owner) -> Result<u64, String>;

    /// The first step went through.
    fn is_well(&mut self, owner: &mut Self::Owner);

    /// Told to stop, and there is no more.
    ///
    /// # Errors
    /// What fails, in words.
    fn end(self, owner: &mut Self::Owner) -> Result<(), String>;

    /// It failed; it is tried again after a while.
    fn degraded(owner: &mut Self::Owner, detail: String, retry_in: Duration);
}

/// Follows until `stop` is set and the journal has no more, or the last try failed.
pub(crate) fn follow<S: Stretch>(owner: &mut S::Owner, stop: &AtomicBool) {
    let mut retry_in = RETRY_FIRST;
    loop {
        let stretch = AssertUnwindSafe(|| one_stretch::<S>(owner, stop, &mut retry_in));
        let detail = match catch_unwind(stretch) {
            Ok(Ok(())) => return,
            Ok(Err(detail)) => detail,
            Err(_) => {
                "PROJECTOR_PANICKED: a bug, named on standard error: please report it".to_owned()
            }
        };
        let wait = retry_in;
        retry_in = (wait * 2).min(RETRY_MAX);
        // Somebody who is told and panics must not end the following.
        drop(catch_unwind(AssertUnwindSafe(|| {
            S::degraded(owner, detail, wait);
        })));
        if is_stopped_within(stop, wait) {
            return;
        }
    }
}

fn one_stretch<S: Stretch>(
    owner: &mut S::Owner,
    stop: &AtomicBool,
    retry_in: &mut Duration,
) -> Result<(), String> {
    let mut stretch = S::begin(owner)?;
    let mut told = false;
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let entries = stretch.step(owner)?;
        if !told {
            told = true;
            stretch.is_well(owner);
        }
        if entries > 0 {
            *retry_in = RETRY_FIRST;
        } else if stopping {
            return stretch.end(owner);
        } else {
            std::thread::sleep(PAUSE);
        }
    }
}

fn is_stopped_within(stop: &AtomicBool, wait: Duration) -> bool {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if stop.load(Ordering::Acquire) {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    stop.load(Ordering::Acquire)
}
