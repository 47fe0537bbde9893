//! Waiting for links, wake-ups and other descriptors of the hot thread.
//!
//! A thin wrapper over mio (epoll, edge-triggered). Edges mean: after an event read until
//! `WouldBlock` and flush until drained, or the next event may never come. Events may be spurious,
//! merged or late; an event is a hint to look, never a proof. A newly registered source that is
//! ready already gives one event.
//! Must not know: what a source is for; the caller's [`SourceId`] says it. Threads: the hot one;
//! only the [`Waker`] is for others.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::event::{Event, Source};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::link::{ByteStream, Link, ReadOutcome};

/// The caller's name for a source; below [`usize::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub usize);

const WAKE_TOKEN: Token = Token(usize::MAX);

/// What a wait told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Another thread used the waker; wake-ups merge.
    Woken,
    /// Look at this source.
    Source {
        /// Which.
        id: SourceId,
        /// Reading may give something, the end included.
        readable: bool,
        /// Writing may take something.
        writable: bool,
        /// The peer has gone, wholly or from its sending side; what it sent can still be read.
        hung_up: bool,
    },
}

/// The hot thread's wait.
pub struct PollLoop {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

impl PollLoop {
    /// Makes an empty loop that tells at most `events_per_wait` at once; the rest comes next time.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new(events_per_wait: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(events_per_wait),
            waker,
        })
    }

    /// Wakes this loop from any thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Watches a link for both directions.
    ///
    /// # Errors
    /// As epoll gives them; a link can be in one loop only.
    pub fn add_link<S: ByteStream + Source>(
        &self,
        id: SourceId,
        link: &mut Link<S>,
    ) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(link.stream_mut(), token(id), both)
    }

    /// Stops watching a link; before it is retired.
    ///
    /// # Errors
    /// When the link is not in this loop.
    pub fn remove_link<S: ByteStream + Source>(&self, link: &mut Link<S>) -> io::Result<()> {
        self.poll.registry().deregister(link.stream_mut())
    }

    /// Watches a descriptor for reading and hang-up: a wake-up eventfd of shared memory, which must
    /// be read to zero after an event, or an attach socket.
    ///
    /// # Errors
    /// As epoll gives them; regular files cannot be watched.
    pub fn add_descriptor(&self, id: SourceId, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let raw = descriptor.as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&raw), token(id), Interest::READABLE)
    }

    /// Stops watching a descriptor; before it is closed.
    ///
    /// # Errors
    /// When it is not in this loop.
    pub fn remove_descriptor(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let raw = descriptor.as_raw_fd();
        self.poll.registry().deregister(&mut SourceFd(&raw))
    }

    /// Waits until something is ready or `timeout` is over; `None` waits for ever, zero only looks.
    /// A signal ends the wait with nothing to tell.
    ///
    /// # Errors
    /// As epoll gives them.
    pub fn wait(
        &mut self,
        timeout: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = Readiness> + '_> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        Ok(self.events.iter().map(readiness))
    }
}

/// Whether a link is worth reading without asking the poll first: yes while its last read gave
/// data, as a read that finds nothing costs twice a look by `wait(0)` at all links together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadGate {
    is_open: bool,
}

impl Default for ReadGate {
    /// Open: a new link may hold early bytes.
    fn default() -> Self {
        Self { is_open: true }
    }
}

impl ReadGate {
    /// Whether to read the link now.
    pub const fn is_open(self) -> bool {
        self.is_open
    }

    /// Takes what a wait told about the link.
    pub fn note_readiness(&mut self, readiness: Readiness) {
        if let Readiness::Source {
            readable, hung_up, ..
        } = readiness
        {
            self.is_open |= readable || hung_up;
        }
    }

    /// Takes what a read of the link gave. It closes only at `WouldBlock`, which is what re-arms
    /// the edge, and at the end.
    pub fn note_read(&mut self, outcome: ReadOutcome) {
        self.is_open = matches!(outcome, ReadOutcome::Bytes(_));
    }
}

fn token(id: SourceId) -> Token {
    assert!(id.0 < WAKE_TOKEN.0, "the highest source id is the waker's");
    Token(id.0)
}

fn readiness(event: &Event) -> Readiness {
    if event.token() == WAKE_TOKEN {
        return Readiness::Woken;
    }
    let hung_up = event.is_read_closed() || event.is_write_closed() || event.is_error();
    Readiness::Source {
        id: SourceId(event.token().0),
        readable: event.is_readable() || hung_up,
        writable: event.is_writable(),
        hung_up,
    }
}
