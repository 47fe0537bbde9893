//! The kill latch's watcher: from files and a signal to the hot thread's next turn.
//!
//! A thread waits for changes of the data directory (inotify, and a look each 20 ms) and sets the
//! atomic that every turn reads first; SIGUSR1 sets the same atomic by itself. Narrower latches and
//! re-arms go through a ring. Invariants: a kill needs neither the journal's, the database's nor
//! anybody else's help to reach the hot thread; a latch file that disappears without a re-arm's
//! note is put back. Threads: the watcher, and the hot thread's end.

use crate::cold_thread::HotWaker;
use crate::hot_thread::LiveTurn;
use crate::latch_files::{self, LatchName, NamedScope};
use anyhow::{Context, Result, bail};
use model::EngineConfig;
use model::control::{Author, Control, ControlOrigin, ControlScope, Latch};
use model::input::Input;
use rings::in_process::{Consumer, Producer, ring};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use signal_hook::consts::SIGUSR1;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Without any event the directory is looked at this often.
const LOOK_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};
/// Orders that may wait for the hot thread.
const ORDERS: usize = 64;

/// The hot thread's end.
pub struct KillEnd {
    closed: Arc<AtomicBool>,
    author: Arc<Mutex<Option<Author>>>,
    orders: Consumer<Control>,
    is_killed: bool,
}

impl KillEnd {
    pub(crate) fn set_killed(&mut self, is_killed: bool) {
        self.is_killed = is_killed;
    }

    /// The next order. One atomic is read when there is none; nothing waits.
    pub fn next_order(&mut self) -> Option<Control> {
        if !self.is_killed && self.closed.load(Ordering::Acquire) {
            self.is_killed = true;
            let told = self.author.try_lock().ok().and_then(|author| *author);
            let author = told.unwrap_or(BY_SIGNAL);
            return Some(kill_all(author));
        }
        let order = self.orders.pop()?;
        if let Control::SetLatch(order) = order
            && order.latch == Latch::Kill
            && order.scope == ControlScope::All
            && !order.close
        {
            self.is_killed = false;
        }
        Some(order)
    }
}

/// What is known of a kill that only a signal told of.
const BY_SIGNAL: Author = Author {
    origin: ControlOrigin::Signal,
    uid: 0,
    ordered_at: model::UnixNs(0),
    reason: model::Text::EMPTY,
};

fn kill_all(author: Author) -> Control {
    Control::SetLatch(model::control::LatchOrder {
        latch: Latch::Kill,
        scope: ControlScope::All,
        close: true,
        author,
    })
}

/// The watcher before its thread runs.
pub struct KillWatch {
    data: PathBuf,
    config: EngineConfig,
    closed: Arc<AtomicBool>,
    author: Arc<Mutex<Option<Author>>>,
    orders: Producer<Control>,
    known: BTreeSet<LatchName>,
    unresolved: BTreeSet<LatchName>,
}

impl KillWatch {
    /// Both ends; SIGUSR1 is caught from here on.
    ///
    /// # Errors
    /// A signal that cannot be caught.
    pub fn new(data: &Path, config: &EngineConfig) -> Result<(Self, KillEnd)> {
        let closed = Arc::new(AtomicBool::new(false));
        let author = Arc::new(Mutex::new(None));
        let (to_hot, orders) = ring("latch orders", ORDERS);
        signal_hook::flag::register(SIGUSR1, Arc::clone(&closed)).context("catching SIGUSR1")?;
        let watch = Self {
            data: data.to_owned(),
            config: config.clone(),
            closed: Arc::clone(&closed),
            author: Arc::clone(&author),
            orders: to_hot,
            known: BTreeSet::new(),
            unresolved: BTreeSet::new(),
        };
        let end = KillEnd {
            closed,
            author,
            orders,
            is_killed: false,
        };
        Ok((watch, end))
    }

    /// Before any thread runs: files and journal are made one. What a file closes is journaled;
    /// what the journal holds closed gets its file back, unless a note re-arms it.
    ///
    /// # Errors
    /// A data directory that cannot be read or written; a journal without room.
    pub fn settle(&mut self, turn: &mut LiveTurn, kill_on_start: bool) -> Result<()> {
        let all = LatchName::new(Latch::Kill, NamedScope::All)?;
        if kill_on_start && !latch_files::list(&self.data)?.contains(&all) {
            let author = latch_files::author_now(ControlOrigin::StartPolicy, "kill.on_start");
            latch_files::close(&self.data, &all, &author)?;
        }
        for (latch, scope) in turn.engine().state().latches.closed() {
            self.known
                .extend(LatchName::of(*latch, *scope, &self.config));
        }
        for order in self.look()? {
            let now = turn.clock.now();
            if turn.take(now, &Input::Control(order)).is_err() {
                bail!("the journal has no room for a latch: free space and start again");
            }
        }
        let is_killed = self.known.contains(&all);
        self.closed.store(is_killed, Ordering::Release);
        turn.messages.set_killed(is_killed);
        if is_killed {
            tracing::error!(
                open_orders = turn.engine().state().orders.open_count(),
                "KILLED: this run begins under the kill latch {}. Venues are HALTED: orders are \
                 compared with the venues, every open order is cancelled, fills go on, nothing new \
                 is taken. When the cause is gone: `millrun rearm`",
                self.data.join(all.file_name()).display()
            );
        }
        Ok(())
    }

    /// What changed in the directory since the last look, as orders.
    fn look(&mut self) -> Result<Vec<Control>> {
        let mut orders = Vec::new();
        let files: BTreeSet<_> = latch_files::list(&self.data)?.into_iter().collect();
        for name in files.difference(&self.known.clone()) {
            match name.resolve(&self.config) {
                Some(scope) => {
                    let author = latch_files::closed_by(&self.data, name);
                    orders.push(Control::SetLatch(name.order(scope, true, author)));
                    self.known.insert(name.clone());
                }
                None if self.unresolved.insert(name.clone()) => tracing::error!(
                    "{}: nothing of that name is configured: this latch closes nothing",
                    name.file_name()
                ),
                None => {}
            }
        }
        for name in self.known.clone().difference(&files) {
            let Some(scope) = name.resolve(&self.config) else {
                continue;
            };
            match latch_files::opened_by(&self.data, name) {
                Some(author) => {
                    orders.push(Control::SetLatch(name.order(scope, false, author)));
                    self.known.remove(name);
                    latch_files::forget_note(&self.data, name)?;
                }
                None => {
                    tracing::error!(
                        "{} is gone, but nobody re-armed: it is put back; use `millrun rearm`",
                        name.file_name()
                    );
                    let author = latch_files::author_now(ControlOrigin::Watch, "file was removed");
                    latch_files::close(&self.data, name, &author)?;
                }
            }
        }
        Ok(orders)
    }

    /// Lets the watcher run.
    ///
    /// # Errors
    /// A thread that could not be started.
    pub fn start(self, waker: HotWaker, stop: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name("kill-watch".to_owned());
        let spawned = thread.spawn(move || self.run(&waker, &stop));
        spawned.context("starting the kill latch's watcher")
    }

    fn run(mut self, waker: &HotWaker, stop: &AtomicBool) {
        let events = watch_directory(&self.data);
        if let Err(error) = &events {
            tracing::warn!("the data directory is only looked at each 20 ms: {error}");
        }
        let mut failing = false;
        while !stop.load(Ordering::Acquire) {
            if let Ok(events) = &events {
                let mut awaited = [PollFd::new(events, PollFlags::IN)];
                // However it ends, the directory is looked at.
                let _ = poll(&mut awaited, Some(&LOOK_EVERY));
                let mut buffer = [0; 4096];
                while rustix::io::read(events, &mut buffer).is_ok_and(|bytes| bytes > 0) {}
            } else {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let told = self.tell(waker);
            if let Err(error) = &told
                && !failing
            {
                tracing::error!("the kill latch's directory: {error:#}");
            }
            failing = told.is_err();
        }
    }

    fn tell(&mut self, waker: &HotWaker) -> Result<()> {
        let all = LatchName::new(Latch::Kill, NamedScope::All)?;
        if self.closed.load(Ordering::Acquire) && self.known.insert(all.clone()) {
            // A signal alone: the latch must outlive the process.
            waker.wake();
            if !latch_files::list(&self.data)?.contains(&all) {
                let author = latch_files::author_now(ControlOrigin::Signal, "SIGUSR1");
                latch_files::close(&self.data, &all, &author)?;
            }
        }
        for order in self.look()? {
            match order {
                Control::SetLatch(order) if is_kill_all(&order) && order.close => {
                    if let Ok(mut author) = self.author.lock() {
                        *author = Some(order.author);
                    }
                    self.closed.store(true, Ordering::Release);
                }
                order => {
                    if let Control::SetLatch(order) = &order
                        && is_kill_all(order)
                    {
                        self.closed.store(false, Ordering::Release);
                    }
                    if self.orders.push(order).is_err() {
                        bail!("the hot thread takes no orders");
                    }
                }
            }
            waker.wake();
        }
        Ok(())
    }
}

fn is_kill_all(order: &model::control::LatchOrder) -> bool {
    order.latch == Latch::Kill && order.scope == ControlScope::All
}

fn watch_directory(data: &Path) -> std::io::Result<OwnedFd> {
    let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let what = inotify::WatchFlags::CREATE
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::MOVED_FROM;
    inotify::add_watch(&events, data, what)?;
    Ok(events)
}
