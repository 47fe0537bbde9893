//! The TCP stream under TLS, with faults a network can have: cut, cut after N bytes, silence,
//! dribble.
//!
//! Invariants: without a fault the stream is the socket. A silent link swallows what is written and
//! delivers nothing, as a black hole does. Threads: the control may be used from any thread.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// No byte limit is armed.
const UNLIMITED: i64 = i64::MAX;

/// Remote control of one connection's faults.
pub(crate) struct LinkControl {
    is_cut: AtomicBool,
    is_silent: AtomicBool,
    writable_bytes: AtomicI64,
    largest_write_bytes: AtomicUsize,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl LinkControl {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            is_cut: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            writable_bytes: AtomicI64::new(UNLIMITED),
            largest_write_bytes: AtomicUsize::new(usize::MAX),
            reader: Mutex::new(None),
            writer: Mutex::new(None),
        })
    }

    /// Breaks the connection now, without TLS close notify or WebSocket close.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.wake();
    }

    /// Breaks the connection once `bytes` more (ciphertext) bytes were written to the client.
    pub(crate) fn cut_after_bytes(&self, bytes: u32) {
        self.writable_bytes
            .store(i64::from(bytes), Ordering::Release);
    }

    /// From now on nothing arrives in either direction; the socket stays open.
    pub(crate) fn silence(&self) {
        self.is_silent.store(true, Ordering::Release);
        self.wake();
    }

    /// Writes at most this many bytes per system call.
    pub(crate) fn dribble(&self, bytes: usize) {
        self.largest_write_bytes
            .store(bytes.max(1), Ordering::Release);
    }

    fn wake(&self) {
        for slot in [&self.reader, &self.writer] {
            let waker = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn park(slot: &Mutex<Option<Waker>>, context: &Context<'_>) {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.as_ref() {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => *slot = Some(context.waker().clone()),
        }
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Acquire)
    }
}

/// A TCP stream that obeys a [`LinkControl`].
pub(crate) struct FaultyLink {
    stream: TcpStream,
    control: Arc<LinkControl>,
}

impl FaultyLink {
    pub(crate) fn new(stream: TcpStream, control: Arc<LinkControl>) -> Self {
        Self { stream, control }
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the simulated link was cut")
}

impl AsyncRead for FaultyLink {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        LinkControl::park(&self.control.reader, context);
        if self.control.is_cut() {
            return Poll::Ready(Err(broken()));
        }
        if self.control.is_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FaultyLink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        LinkControl::park(&self.control.writer, context);
        if self.control.is_cut() {
            return Poll::Ready(Err(broken()));
        }
        if self.control.is_silent() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let left = self.control.writable_bytes.load(Ordering::Acquire);
        if left <= 0 {
            self.control.cut();
            return Poll::Ready(Err(broken()));
        }
        let allowed = usize::try_from(left).unwrap_or(usize::MAX);
        let most = self
            .control
            .largest_write_bytes
            .load(Ordering::Acquire)
            .min(allowed);
        let end = bytes.len().min(most);
        let written = Pin::new(&mut self.stream).poll_write(context, &bytes[..end]);
        if let Poll::Ready(Ok(count)) = written
            && left != UNLIMITED
        {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.control
                .writable_bytes
                .fetch_sub(count, Ordering::AcqRel);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.is_silent() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
