//! A strategy that writes into its rings whatever it likes, past every library.
//!
//! The ring files are written through their descriptors, so that no mapping and no `unsafe` is
//! needed; to the engine that is the same memory.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use model::attach_message::{
    ATTACH_PROTOCOL_VERSION, Accepted, AttachReply, AttachRequest, MESSAGE_BYTES_MAX,
};
use model::{CanonicalBytes, RequestId, Text};
use rings::fd_passing::{receive_message, send_message};
use rings::shared_memory::layout::{
    HEAD_WORD, PAYLOAD_WORDS, SLOT_WORDS, SlotPayload, WORD_BYTES, ready_stamp, slot_word,
};
use rings::shared_memory::liveness::wait_for_hang_up;

use crate::engine_process::PATIENCE;

/// The writer's end of an attachment.
pub(crate) struct HostileWriter {
    socket: UnixStream,
    request_file: OwnedFd,
    event_file: OwnedFd,
    wake: OwnedFd,
    pub(crate) accepted: Accepted,
    position: u64,
}

impl HostileWriter {
    /// Attaches like any other strategy.
    pub(crate) fn attach(socket_path: &Path, strategy: &str) -> Self {
        let socket = UnixStream::connect(socket_path).unwrap();
        let request = AttachRequest {
            protocol_version: ATTACH_PROTOCOL_VERSION,
            strategy: Text::new(strategy.as_bytes()).unwrap(),
            last_event_seq: None,
            last_request_id: RequestId(0),
        };
        let mut bytes = Vec::new();
        request.put(&mut bytes);
        send_message(&socket, &bytes, &[]).unwrap();
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let mut files = Vec::new();
        let mut accepted = None;
        loop {
            let received = receive_message(&socket, &mut buffer).unwrap();
            files.extend(received.fds);
            match AttachReply::from_message(&buffer[..received.message_bytes]).unwrap() {
                AttachReply::Accepted(terms) => accepted = Some(terms),
                AttachReply::Live(_) => break,
                AttachReply::Refused { code, text } => panic!("{code}: {text}"),
                _ => {}
            }
        }
        let [request_file, event_file, wake] = files.try_into().unwrap();
        Self {
            socket,
            request_file,
            event_file,
            wake,
            accepted: accepted.unwrap(),
            position: 0,
        }
    }

    /// Writes one word of the request file.
    pub(crate) fn write_word(&self, word: usize, value: u64) {
        let at = (word * WORD_BYTES) as u64;
        let written = rustix::io::pwrite(&self.request_file, &value.to_ne_bytes(), at);
        assert_eq!(written.unwrap(), WORD_BYTES);
    }

    /// Tries to write one word of the engine's own file; whether that was possible.
    pub(crate) fn write_engines_word(&self, word: usize, value: u64) -> bool {
        let at = (word * WORD_BYTES) as u64;
        rustix::io::pwrite(&self.event_file, &value.to_ne_bytes(), at).is_ok()
    }

    /// How many requests the engine says that it has read.
    fn read_index(&self) -> u64 {
        let mut bytes = [0; WORD_BYTES];
        rustix::io::pread(
            &self.event_file,
            &mut bytes,
            (HEAD_WORD * WORD_BYTES) as u64,
        )
        .unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// First word of the slot that is written next.
    pub(crate) fn next_slot(&self) -> usize {
        slot_word(self.position, self.accepted.request_capacity)
    }

    /// Writes a slot whole, with the stamp that the engine waits for. Waits for room.
    pub(crate) fn push(&mut self, payload: &SlotPayload) {
        let deadline = Instant::now() + PATIENCE;
        while self.position - self.read_index() >= self.accepted.request_capacity {
            assert!(Instant::now() < deadline, "the engine takes nothing");
            self.wake();
            if self.is_hung_up(Duration::ZERO) {
                return;
            }
            std::thread::yield_now();
        }
        let slot = self.next_slot();
        let mut bytes = Vec::with_capacity(SLOT_WORDS * WORD_BYTES);
        for word in payload {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        assert_eq!(bytes.len(), PAYLOAD_WORDS * WORD_BYTES);
        let at = ((slot + 1) * WORD_BYTES) as u64;
        rustix::io::pwrite(&self.request_file, &bytes, at).unwrap();
        self.write_word(slot, ready_stamp(self.position));
        self.position += 1;
        self.wake();
    }

    /// Wakes the engine out of its sleep.
    pub(crate) fn wake(&self) {
        // A counter that is full wakes as well.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Whether the engine has hung up, within `timeout`.
    pub(crate) fn is_hung_up(&self, timeout: Duration) -> bool {
        wait_for_hang_up(self.socket.as_fd(), timeout).unwrap()
    }
}
