//! An established link: plaintext in and out, TLS between, the socket below.
//!
//! Invariants: bytes leave in the order taken, each once, however the socket cuts them; refused
//! plaintext leaves no trace; ciphertext that the socket has not taken is bounded and dies with the
//! link, it is never sent on another. A failed write does not end reading: what the peer said
//! before is still given out. Must not know: frames, JSON, who is at the other end.
//! Threads: the connector makes it, then the hot thread alone owns it; dead ones go back.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::net::TcpStream;
use rustls::ClientConnection;

use crate::error::{LinkEnd, WriteRefused};
use crate::tls::established_fault;

/// Bound of ciphertext that the socket has not taken yet, in bytes.
pub const CIPHERTEXT_BACKLOG_BYTES: usize = 65_536;

/// Room beyond the bound for what TLS itself has to say: alerts and key updates.
const CONTROL_ROOM_BYTES: usize = 1_024;

/// Plaintext of one TLS record at most; longer writes make more records.
const RECORD_PLAINTEXT_BYTES: usize = 16_384;

/// Most that a record adds: header 5, TLS 1.2 explicit nonce 8, tag 16, content type 1; rounded up.
const RECORD_OVERHEAD_BYTES: usize = 32;

/// Records without plaintext that one read passes over before it lets others have a turn.
const CONTROL_READS_PER_CALL: usize = 16;

/// A non-blocking stream of bytes under a link.
pub trait ByteStream: Read + Write {
    /// Ends the stream at once in both directions; what the system has not sent is discarded.
    fn cut(&mut self);
}

impl ByteStream for TcpStream {
    fn cut(&mut self) {
        // Both are best effort: a socket that the peer has reset already is as good as cut.
        // A zero linger makes the reset that follows discard the send queue.
        let _ = rustix::net::sockopt::set_socket_linger(&*self, Some(Duration::ZERO));
        let _ = rustix::net::connect_unspec(&*self);
    }
}

/// What a read led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes of plaintext; there may be more. Zero when only TLS control data came.
    Bytes(usize),
    /// Nothing now; wait for the poll loop.
    WouldBlock,
    /// Nothing ever again.
    Ended(LinkEnd),
}

/// How far sending came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushState {
    /// The socket has taken everything.
    Drained,
    /// The socket takes no more now; so many bytes are left.
    Pending(usize),
    /// The link sends no more; what was left is gone.
    Ended(LinkEnd),
}

/// One established connection.
pub struct Link<S = TcpStream> {
    stream: S,
    tls: ClientConnection,
    /// Plaintext that was decrypted during the upgrade; given out first.
    early: Vec<u8>,
    early_read: usize,
    backlog: Backlog,
    read_end: Option<LinkEnd>,
    write_end: Option<LinkEnd>,
}

impl<S: ByteStream> Link<S> {
    /// Takes over a connection whose TLS handshake is done; allocates the backlog.
    pub fn new(stream: S, mut tls: ClientConnection) -> Self {
        // The bound is ours to keep, by refusing whole writes; rustls would cut them.
        tls.set_buffer_limit(None);
        Self {
            stream,
            tls,
            early: Vec::new(),
            early_read: 0,
            backlog: Backlog::new(CIPHERTEXT_BACKLOG_BYTES + CONTROL_ROOM_BYTES),
            read_end: None,
            write_end: None,
        }
    }

    /// Fills `space` with what the peer sent. A new link is read once before the first wait: early
    /// plaintext wakes no poll. Reads until `WouldBlock` re-arm the poll loop's edge.
    pub fn read_plaintext(&mut self, space: &mut [u8]) -> ReadOutcome {
        self.read_plaintext_noting(space, || {})
    }

    /// As [`Self::read_plaintext`]; calls `received` each time the socket has given bytes, before
    /// they are decrypted.
    pub fn read_plaintext_noting(
        &mut self,
        space: &mut [u8],
        mut received: impl FnMut(),
    ) -> ReadOutcome {
        if space.is_empty() {
            return ReadOutcome::Bytes(0);
        }
        if self.early_read < self.early.len() {
            return ReadOutcome::Bytes(self.read_early(space));
        }
        for _ in 0..CONTROL_READS_PER_CALL {
            if self.read_end == Some(LinkEnd::Killed) {
                return ReadOutcome::Ended(LinkEnd::Killed);
            }
            match self.tls.reader().read(space) {
                Ok(0) => self.end_reading(LinkEnd::ClosedByPeer { clean: true }),
                Ok(bytes) => return ReadOutcome::Bytes(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.end_reading(LinkEnd::ClosedByPeer { clean: false }),
            }
            if let Some(end) = self.read_end {
                return ReadOutcome::Ended(end);
            }
            match self.tls.read_tls(&mut self.stream) {
                Ok(_) => {
                    received();
                    self.process_records();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return ReadOutcome::WouldBlock;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end_reading(LinkEnd::Socket(error.kind())),
            }
        }
        ReadOutcome::Bytes(0)
    }

    /// Seals `plaintext` behind what is unsent; one record when it has at most 16 KiB. Call
    /// [`Self::flush`] once all of a turn is written.
    ///
    /// # Errors
    /// When the backlog has no room for all of it, or the link sends no more; nothing was taken.
    pub fn write_plaintext(&mut self, plaintext: &[u8]) -> Result<(), WriteRefused> {
        if let Some(end) = self.write_end {
            return Err(WriteRefused::Ended(end));
        }
        let needed_bytes = sealed_bytes_at_most(plaintext.len());
        let free_bytes = CIPHERTEXT_BACKLOG_BYTES.saturating_sub(self.backlog.len());
        if needed_bytes > free_bytes {
            return Err(WriteRefused::BacklogFull {
                needed_bytes,
                free_bytes,
            });
        }
        let taken = self.tls.writer().write(plaintext).unwrap_or(0);
        assert_eq!(
            taken,
            plaintext.len(),
            "an unbounded TLS writer took part of a frame"
        );
        self.collect_ciphertext();
        Ok(())
    }

    /// Gives the socket what it takes, by one write when it takes all.
    pub fn flush(&mut self) -> FlushState {
        loop {
            if let Some(end) = self.write_end
                && end != LinkEnd::ClosedByUs
            {
                return FlushState::Ended(end);
            }
            // What found no room in the backlog is still in TLS.
            self.collect_ciphertext();
            if self.backlog.is_empty() {
                return match self.write_end {
                    Some(end) => FlushState::Ended(end),
                    None => FlushState::Drained,
                };
            }
            match self.stream.write(self.backlog.unsent()) {
                Ok(0) => self.end_writing(LinkEnd::Socket(io::ErrorKind::WriteZero)),
                Ok(bytes) => self.backlog.consume(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return FlushState::Pending(self.backlog.len());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end_writing(LinkEnd::Socket(error.kind())),
            }
        }
    }

    /// Ciphertext in bytes that the socket has not taken.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog.len()
    }

    /// How many bytes of ciphertext were made in the link's life so far.
    pub fn sealed_bytes(&self) -> u64 {
        self.backlog.consumed_bytes + self.backlog.len() as u64
    }

    /// True when the socket has taken the first so many bytes of ciphertext.
    pub fn has_sent(&self, sealed_bytes: u64) -> bool {
        self.backlog.consumed_bytes >= sealed_bytes
    }

    /// Most plaintext in bytes that one write can take now.
    pub fn plaintext_room_bytes(&self) -> usize {
        let free_bytes = CIPHERTEXT_BACKLOG_BYTES.saturating_sub(self.backlog.len());
        let records = free_bytes.div_ceil(RECORD_PLAINTEXT_BYTES);
        free_bytes.saturating_sub(records * RECORD_OVERHEAD_BYTES)
    }

    /// Says goodbye inside TLS; nothing more is taken, reading goes on. Then [`Self::flush`].
    pub fn close_sending(&mut self) {
        if self.write_end.is_none() {
            self.tls.send_close_notify();
            self.collect_ciphertext();
            self.write_end = Some(LinkEnd::ClosedByUs);
        }
    }

    /// Cuts the link: unsent ciphertext is discarded here and in the system, the peer gets a reset.
    pub fn kill(&mut self) {
        self.backlog.clear();
        self.early_read = self.early.len();
        self.read_end = Some(LinkEnd::Killed);
        self.write_end = Some(LinkEnd::Killed);
        self.stream.cut();
    }

    /// Why the link gives no more bytes, if so.
    pub fn read_end(&self) -> Option<LinkEnd> {
        self.read_end
    }

    /// Why the link takes no more bytes, if so.
    pub fn write_end(&self) -> Option<LinkEnd> {
        self.write_end
    }

    /// The TLS session, to see what was agreed.
    pub fn tls(&self) -> &ClientConnection {
        &self.tls
    }

    /// Puts plaintext before all that the peer sends later.
    pub(crate) fn set_early(&mut self, early: Vec<u8>) {
        self.early = early;
        self.early_read = 0;
    }

    /// The stream, for the poll loop.
    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, to ask the system about it.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    fn read_early(&mut self, space: &mut [u8]) -> usize {
        let rest = &self.early[self.early_read..];
        let taken = rest.len().min(space.len());
        space[..taken].copy_from_slice(&rest[..taken]);
        self.early_read += taken;
        taken
    }

    /// Decrypts what was read. Plaintext before a fault is still given out first.
    fn process_records(&mut self) {
        let result = self.tls.process_new_packets();
        if self.tls.wants_write() && self.write_end != Some(LinkEnd::Killed) {
            self.collect_ciphertext();
        }
        if let Err(error) = result {
            let end = LinkEnd::Tls(established_fault(&error));
            self.end_reading(end);
            // The alert that tells the peer is the last thing to leave, if the socket takes it.
            let _ = self.flush();
            self.end_writing(end);
        }
    }

    /// Moves sealed records from TLS to the backlog as far as there is room.
    fn collect_ciphertext(&mut self) {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.backlog) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }

    /// The first reason stays.
    fn end_reading(&mut self, end: LinkEnd) {
        self.read_end.get_or_insert(end);
    }

    fn end_writing(&mut self, end: LinkEnd) {
        if self
            .write_end
            .is_none_or(|before| before == LinkEnd::ClosedByUs)
        {
            self.write_end = Some(end);
        }
        self.backlog.clear();
    }
}

/// Most ciphertext in bytes that `plaintext_bytes` can become.
const fn sealed_bytes_at_most(plaintext_bytes: usize) -> usize {
    plaintext_bytes + plaintext_bytes.div_ceil(RECORD_PLAINTEXT_BYTES) * RECORD_OVERHEAD_BYTES
}

/// Unsent ciphertext, contiguous so that one write can take it all.
struct Backlog {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// All that the socket ever took.
    consumed_bytes: u64,
}

impl Backlog {
    fn new(capacity_bytes: usize) -> Self {
        Self {
            bytes: vec![0; capacity_bytes].into_boxed_slice(),
            start: 0,
            end: 0,
            consumed_bytes: 0,
        }
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn consume(&mut self, sent_bytes: usize) {
        assert!(
            sent_bytes <= self.len(),
            "the socket took more than it was given"
        );
        self.start += sent_bytes;
        self.consumed_bytes += sent_bytes as u64;
        if self.is_empty() {
            self.clear();
        }
    }
}

impl Write for Backlog {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() - self.end < more.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let taken = more.len().min(self.bytes.len() - self.end);
        self.bytes[self.end..self.end + taken].copy_from_slice(&more[..taken]);
        self.end += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
