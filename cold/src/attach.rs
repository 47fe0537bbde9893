//! The attach service: strategies' processes get their rings and the events that they missed.
//!
//! Owns: the attach socket, the memory files of every attachment until they are unmapped, and the
//! count of attachments (generations). Invariants: a strategy has at most one attachment at a time;
//! a new one is handed over only after the loss of the old one is journaled; rings are mapped and
//! unmapped here, never on the hot thread; the client gets its descriptors only after the
//! attachment is in the journal. Must not know: the live engine's memory, order state, venues.
//!
//! Threads: one router ([`AttachService::start`]) and one short-lived thread per connecting client,
//! so a client that is slow or silent holds up nobody else. The hot thread meets the router over
//! three rings and never waits for it.
//!
//! The hot thread's part, per [`Handover`] that it takes:
//! 1. journal `StrategyAttached`; note the entry's sequence, the strategy's next event number
//!    before anything else is decided, and its highest request id; answer with
//!    [`HandoverAnswer::Attached`]; or give the handover back with [`HandoverAnswer::Refused`];
//! 2. publish every event from that number on to [`Handover::events`], and when the push says that
//!    the client is parked, call [`Handover::wake_client`];
//! 3. register [`Handover::hang_up`] and [`Handover::wake`] with its own poll, edge-triggered, and
//!    never read from either: their flags are shared with the client, which could make a read wait;
//! 4. on hang-up, corruption or overrun: journal `StrategyLost`, then give all of it back as
//!    [`Detached`]. After each answer and each [`Detached`], ring the [`AttachBell`].

mod backlog;
mod conversation;
mod endpoint;
mod router;

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use model::attach_message::{IdleMode, RefusalCode};
use model::identifiers::{RequestId, StrategyId, Text};
use model::instrument::Instrument;
use rings::in_process;
use rings::shared_memory::pair::{SharedConsumer, SharedProducer};
use rustix::net::SendFlags;

/// Who may attach as which strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrategyAccess {
    /// The strategy's name in the configuration.
    pub name: Text<31>,
    /// The engine's number of it.
    pub id: StrategyId,
    /// The one user whose processes may be this strategy.
    pub allowed_uid: u32,
    /// The generation of its last attachment in the journal; 0 = none.
    pub last_generation: u64,
}

/// How the service is set up.
#[derive(Debug, Clone)]
pub struct AttachSettings {
    /// Where it listens; the directory is made with mode 0700 if missing, and must have it.
    pub socket_path: PathBuf,
    /// Where missed events are read.
    pub journal_directory: PathBuf,
    /// The strategies that exist.
    pub strategies: Vec<StrategyAccess>,
    /// The instruments that clients are told.
    pub instruments: Vec<Instrument>,
    /// Slots from client to engine; a power of two.
    pub request_capacity: u64,
    /// Slots from engine to client; a power of two. Events that come while a client still reads
    /// its backlog must fit.
    pub event_capacity: u64,
    /// How the hot thread waits when it has nothing to do.
    pub idle_mode: IdleMode,
    /// Whether the hot thread calls [`Handover::wake_client`]; told to clients.
    pub wakes_clients: bool,
    /// A client that has not said who it is after this long is hung up on.
    pub request_timeout: Duration,
    /// The engine's answer, and the loss of a dead predecessor, are waited for this long.
    pub answer_timeout: Duration,
}

impl AttachSettings {
    /// Settings without strategies and instruments: 1,024 requests, 16,384 events, `park`.
    pub fn new(socket_path: PathBuf, journal_directory: PathBuf) -> Self {
        Self {
            socket_path,
            journal_directory,
            strategies: Vec::new(),
            instruments: Vec::new(),
            request_capacity: 1_024,
            event_capacity: 16_384,
            idle_mode: IdleMode::Park,
            wakes_clients: true,
            request_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(5),
        }
    }
}

/// The engine's ends of one attachment. Goes to the hot thread and comes back to be unmapped.
#[derive(Debug)]
pub struct Handover {
    /// Who.
    pub strategy: StrategyId,
    /// The attachment's number.
    pub generation: u64,
    /// What the strategy asks.
    pub requests: SharedConsumer,
    /// What the engine says to it.
    pub events: SharedProducer,
    /// The attach socket, for the hot loop's poll: hangs up when the process dies. Never read.
    pub hang_up: OwnedFd,
    /// An eventfd that the client writes when it finds the engine parked. Never read.
    pub wake: OwnedFd,
}

impl Handover {
    /// Wakes a client that sleeps for events. One system call that never waits: a socket whose
    /// buffer is full holds wake-ups enough.
    pub fn wake_client(&self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // A peer that is gone is seen as a hang-up, so an error says nothing new.
        let _ = rustix::net::send(&self.hang_up, &[1], flags);
    }
}

/// What the hot thread makes of a handover.
#[derive(Debug)]
pub enum HandoverAnswer {
    /// It is journaled and the strategy may send.
    Attached {
        /// Who.
        strategy: StrategyId,
        /// The attachment's number.
        generation: u64,
        /// Journal sequence of the attachment's entry, committed.
        sequence: u64,
        /// Number of the first event that goes over the ring.
        next_event_seq: u64,
        /// The highest request id that the journal holds.
        last_request_id: RequestId,
    },
    /// It is not wanted.
    Refused {
        /// The ends, to be unmapped.
        handover: Handover,
        /// Why; told to the client.
        code: RefusalCode,
    },
}

/// An attachment whose loss is journaled, to be unmapped and closed.
#[derive(Debug)]
pub struct Detached(pub Handover);

/// The service's ways to and from the hot thread.
pub struct EngineLinks {
    /// New attachments.
    pub to_hot: in_process::Producer<Handover>,
    /// What became of them.
    pub from_hot: in_process::Consumer<HandoverAnswer>,
    /// Attachments that are over.
    pub detached_from_hot: in_process::Consumer<Detached>,
    /// Called after each handover, to wake a parked hot thread.
    pub wake_hot: Box<dyn Fn() + Send>,
}

impl fmt::Debug for EngineLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.to_hot.stats();
        f.debug_struct("EngineLinks")
            .field("to_hot", &stats)
            .finish_non_exhaustive()
    }
}

/// What the service reports for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachNotice {
    /// A strategy is attached and up to date.
    Attached {
        /// Who.
        strategy: StrategyId,
        /// The attachment's number.
        generation: u64,
        /// The process; to show only.
        pid: i32,
        /// Events that it had missed.
        backlog_events: u64,
    },
    /// A client was sent away.
    Refused {
        /// The code that it got.
        code: RefusalCode,
        /// What it said or did.
        detail: String,
    },
    /// A client went away, or was hung up on, before it was attached.
    Abandoned {
        /// What happened.
        detail: String,
    },
    /// An attachment's memory was given back.
    Unmapped {
        /// Who.
        strategy: StrategyId,
        /// The attachment's number.
        generation: u64,
    },
    /// Pages of an attachment could not be prefaulted or locked: it may cost page faults.
    PagesNotKept {
        /// What the system said.
        detail: String,
    },
    /// Missed events could not be read; the client was told of a gap.
    JournalUnreadable {
        /// What the journal said.
        detail: String,
    },
}

/// Where notices go. Called on the service's threads.
pub type NoticeSink = Arc<dyn Fn(AttachNotice) + Send + Sync>;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachServiceError {
    /// The socket's directory is open to others, not ours, or no directory.
    #[error("{}: {defect}; it must be a directory of our own user with mode 0700", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        defect: String,
    },
    /// Something that is no dead socket of ours is in the way.
    #[error("{}: {defect}", path.display())]
    InTheWay {
        /// The socket's path.
        path: PathBuf,
        /// What it is.
        defect: &'static str,
    },
    /// The system refused.
    #[error("{}: {call}: {source}", path.display())]
    System {
        /// What was tried.
        call: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Tells the router that a ring has something for it. Made by us alone and shared with no client,
/// so ringing it never waits.
#[derive(Debug, Clone)]
pub struct AttachBell(Arc<OwnedFd>);

impl AttachBell {
    /// Rings. One system call.
    pub fn ring(&self) {
        // A bell that cannot count further is rung already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

/// The running service. Dropping it stops it.
#[derive(Debug)]
pub struct AttachService {
    bell: AttachBell,
    stop: Arc<router::StopFlag>,
    router: Option<JoinHandle<()>>,
}

impl AttachService {
    /// Binds the socket and starts the service.
    ///
    /// # Errors
    /// [`AttachServiceError`]; nothing is left behind.
    pub fn start(
        settings: AttachSettings,
        links: EngineLinks,
        notices: NoticeSink,
    ) -> Result<Self, AttachServiceError> {
        let system = |call, source: std::io::Error| AttachServiceError::System {
            call,
            path: settings.socket_path.clone(),
            source,
        };
        let bell = endpoint::bell().map_err(|error| system("eventfd", error))?;
        let listener = endpoint::listen(&settings.socket_path)?;
        let stop = Arc::new(router::StopFlag::default());
        let socket_path = settings.socket_path.clone();
        let router = router::Router::new(settings, links, notices, bell.clone(), stop.clone());
        let router = std::thread::Builder::new()
            .name("attach".into())
            .spawn(move || router.run(listener))
            .map_err(|source| AttachServiceError::System {
                call: "starting the thread",
                path: socket_path,
                source,
            })?;
        Ok(Self {
            bell,
            stop,
            router: Some(router),
        })
    }

    /// The bell that the hot thread rings after it has put something into a ring.
    pub fn bell(&self) -> AttachBell {
        self.bell.clone()
    }

    /// Takes no more clients, ends conversations that are not yet live, and removes the socket.
    /// Live attachments stay as they are: they belong to the hot thread.
    pub fn stop(mut self) {
        self.stop_router();
    }

    fn stop_router(&mut self) {
        self.stop.set();
        self.bell.ring();
        if let Some(router) = self.router.take() {
            let _ = router.join();
        }
    }
}

impl Drop for AttachService {
    fn drop(&mut self) {
        self.stop_router();
    }
}
