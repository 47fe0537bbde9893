//! One `millrun` process: started, watched through what it prints, and ended in every way.
//!
//! Invariant: no process outlives its test. Threads: two readers, which end with the pipes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Lines that a process printed, on both outputs.
#[derive(Default)]
struct Printed {
    lines: Mutex<(Vec<(Instant, String)>, u8)>,
    changed: Condvar,
}

impl Printed {
    fn follow(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let printed = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                printed.lines.lock().unwrap().0.push((Instant::now(), line));
                printed.changed.notify_all();
            }
            printed.lines.lock().unwrap().1 += 1;
            printed.changed.notify_all();
        });
    }
}

/// A running engine.
pub(crate) struct EngineProcess {
    child: Child,
    printed: Arc<Printed>,
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the engine printed:\n{}", self.all_printed());
        }
    }
}

impl EngineProcess {
    /// Starts an engine; `more` are further arguments of `millrun start`.
    pub(crate) fn spawn(config: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_millrun"))
            .args(["start", "--print-ready", "--config"])
            .arg(config)
            .args(more)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Printed::default());
        printed.follow(child.stdout.take().unwrap());
        printed.follow(child.stderr.take().unwrap());
        Self { child, printed }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that was printed so far.
    pub(crate) fn all_printed(&self) -> String {
        let guard = self.printed.lines.lock().unwrap();
        let lines: Vec<&str> = guard.0.iter().map(|(_, line)| line.as_str()).collect();
        lines.join("\n")
    }

    /// Waits for a line that holds `text`; when it came.
    pub(crate) fn wait_for_line(&self, text: &str) -> Instant {
        self.wait_for_lines(text, 1)
    }

    /// Waits until `count` lines hold `text`; when the last of them came.
    pub(crate) fn wait_for_lines(&self, text: &str, count: usize) -> Instant {
        let deadline = Instant::now() + PATIENCE;
        let mut guard = self.printed.lines.lock().unwrap();
        loop {
            let mut found = guard.0.iter().filter(|(_, line)| line.contains(text));
            if let Some((at, _)) = found.nth(count - 1) {
                return *at;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_over = left.is_zero() || guard.1 == 2;
            if is_over {
                drop(guard);
                panic!("{text:?} was not printed {count} times, but what follows");
            }
            guard = self.printed.changed.wait_timeout(guard, left).unwrap().0;
        }
    }

    /// Waits until every venue is open.
    pub(crate) fn wait_ready(&self) {
        self.wait_for_line("ready recover_ms=");
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops every thread where it is, until the process is killed. Waits until they stand.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let deadline = Instant::now() + PATIENCE;
        let tasks = format!("/proc/{}/task", self.pid());
        let stands = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.starts_with(" T"))
        };
        while !std::fs::read_dir(&tasks)
            .unwrap()
            .all(|task| stands(task.unwrap()))
        {
            assert!(Instant::now() < deadline, "the engine did not stand still");
            std::thread::yield_now();
        }
    }

    /// Waits for the process's own end.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        // Both outputs end with the process: no look at a clock is needed to see it.
        let mut guard = self.printed.lines.lock().unwrap();
        while guard.1 < 2 && Instant::now() < deadline {
            let waited = self.printed.changed.wait_timeout(guard, PATIENCE);
            guard = waited.unwrap().0;
        }
        let ended = guard.1 == 2;
        drop(guard);
        assert!(ended, "the engine did not end");
        self.child.wait().unwrap()
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.wait_exit()
    }

    /// True while it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}
