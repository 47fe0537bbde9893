//! One client's way from connect to live, on a thread of its own.
//!
//! Owns: the messages of the attach protocol in their order. Invariants: nothing of the client's is
//! believed before it is checked; whatever goes wrong after the hand-over ends with the socket shut
//! down, so that the hot thread's poll sees a hang-up and the attachment is undone by the same path
//! as a dead client's. Must not know: other clients, the hot thread. Threads: its own; may wait.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use model::attach_message::{
    ATTACH_PROTOCOL_VERSION, Accepted, AttachReply, AttachRequest, LIST_MAX, Live,
    MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX, RefusalCode,
};
use model::canonical_bytes::CanonicalBytes;
use model::identifiers::{StrategyId, Text};
use rings::fd_passing::{
    FdPassingError, PeerCredentials, peer_credentials, receive_message, send_message,
};

use super::backlog::{EventIndex, Missed, Piece};
use super::router::FromConversation;
use super::{AttachBell, AttachNotice, AttachSettings, NoticeSink, StrategyAccess};

/// A client that takes nothing for this long while it is sent its backlog is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// What every conversation needs.
pub(super) struct Surroundings {
    pub(super) settings: AttachSettings,
    pub(super) index: EventIndex,
    pub(super) notices: NoticeSink,
    pub(super) bell: AttachBell,
}

/// A refusal with what the log should say about it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: RefusalCode,
    pub(super) detail: String,
}

/// What the router says to an ask.
pub(super) type Verdict = Result<Granted, Refusal>;

/// An attachment that is in the journal.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) accepted: Accepted,
    pub(super) live: Live,
    pub(super) fds: [OwnedFd; 3],
}

/// Why a conversation ended before the client was live.
enum Ended {
    Refused(Refusal),
    Broken(String),
}

impl From<FdPassingError> for Ended {
    fn from(error: FdPassingError) -> Self {
        Self::Broken(error.to_string())
    }
}

pub(super) struct Conversation {
    pub(super) number: u64,
    pub(super) socket: UnixStream,
    pub(super) to_router: mpsc::Sender<FromConversation>,
    pub(super) surroundings: Arc<Surroundings>,
}

impl Conversation {
    /// Talks until the client is live or sent away.
    pub(super) fn run(self) {
        let notice = match self.talk() {
            Ok(notice) => notice,
            Err(ended) => {
                let notice = self.end(ended);
                let _ = self.socket.shutdown(std::net::Shutdown::Both);
                notice
            }
        };
        (self.surroundings.notices)(notice);
        self.surroundings.bell.ring();
    }

    fn talk(&self) -> Result<AttachNotice, Ended> {
        let broken = |error: std::io::Error| Ended::Broken(error.to_string());
        // Sockets that were accepted are blocking; the router ends a client that says too little.
        self.socket
            .set_write_timeout(Some(SEND_TIMEOUT))
            .map_err(broken)?;
        let peer = peer_credentials(&self.socket)?;
        let request = self.request()?;
        let access = self.access(&request, &peer).map_err(Ended::Refused)?;
        let granted = self.ask(access.id)?;
        let missed = missed(&request, access.id, &granted.live).map_err(Ended::Refused)?;
        self.accept(&granted)?;
        let backlog_events = self.backlog(&missed)?;
        self.send(&AttachReply::Live(granted.live), &[])?;
        Ok(AttachNotice::Attached {
            strategy: access.id,
            generation: granted.accepted.generation,
            pid: peer.pid,
            backlog_events,
        })
    }

    fn request(&self) -> Result<AttachRequest, Ended> {
        let bad = |detail: String| {
            Ended::Refused(Refusal {
                code: RefusalCode::BadMessage,
                detail,
            })
        };
        let mut buffer = [0; REQUEST_BYTES_MAX];
        let received = match receive_message(&self.socket, &mut buffer) {
            Ok(received) => received,
            Err(
                error @ (FdPassingError::MessageTooLong { .. } | FdPassingError::TooManyFds { .. }),
            ) => return Err(bad(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        if !received.fds.is_empty() {
            return Err(bad("an attach request carries no descriptors".into()));
        }
        let message = &buffer[..received.message_bytes];
        // The version stands first in every version, so that a newer client is told, not guessed.
        if let Some(version) = message
            .first_chunk()
            .map(|bytes| u16::from_le_bytes(*bytes))
            && version != ATTACH_PROTOCOL_VERSION
        {
            return Err(Ended::Refused(Refusal {
                code: RefusalCode::UnsupportedVersion,
                detail: format!("protocol version {version}, expected {ATTACH_PROTOCOL_VERSION}"),
            }));
        }
        AttachRequest::from_message(message).map_err(|error| bad(error.to_string()))
    }

    fn access(
        &self,
        request: &AttachRequest,
        peer: &PeerCredentials,
    ) -> Result<StrategyAccess, Refusal> {
        let name = request.strategy;
        let mut known = self.surroundings.settings.strategies.iter();
        let Some(access) = known.find(|access| access.name == name) else {
            return Err(Refusal {
                code: RefusalCode::UnknownStrategy,
                detail: format!("no strategy {name} is configured"),
            });
        };
        if access.allowed_uid != peer.uid {
            return Err(Refusal {
                code: RefusalCode::NotAuthorised,
                detail: format!(
                    "uid {} asked for strategy {name}, which is for uid {}",
                    peer.uid, access.allowed_uid
                ),
            });
        }
        Ok(*access)
    }

    /// Asks the router for an attachment and waits for its verdict.
    fn ask(&self, strategy: StrategyId) -> Result<Granted, Ended> {
        let gone = || Ended::Broken("the attach service is stopping".into());
        let (verdict_to, verdict) = mpsc::sync_channel(1);
        let socket = self
            .socket
            .try_clone()
            .map_err(|error| Ended::Broken(error.to_string()))?;
        let ask = FromConversation {
            conversation: self.number,
            strategy,
            socket: socket.into(),
            verdict: verdict_to,
        };
        self.to_router.send(ask).map_err(|_| gone())?;
        self.surroundings.bell.ring();
        // The router answers every ask or drops it.
        verdict.recv().map_err(|_| gone())?.map_err(Ended::Refused)
    }

    fn accept(&self, granted: &Granted) -> Result<(), Ended> {
        let fds = granted.fds.each_ref().map(AsFd::as_fd);
        self.send(&AttachReply::Accepted(granted.accepted), &fds)?;
        for list in self.surroundings.settings.instruments.chunks(LIST_MAX) {
            self.send(&AttachReply::Instruments(list.to_vec()), &[])?;
        }
        Ok(())
    }

    /// Sends what the client missed; gives the number of events.
    fn backlog(&self, missed: &Missed) -> Result<u64, Ended> {
        let mut sent_events = 0;
        let unreadable = self.surroundings.index.stream(missed, &mut |piece| {
            let reply = match piece {
                Piece::Events(events) => {
                    sent_events += events.len() as u64;
                    AttachReply::Backlog(events)
                }
                Piece::Gap(from, to) => AttachReply::Gap { from, to },
            };
            self.send(&reply, &[])
        })?;
        if let Some(detail) = unreadable {
            (self.surroundings.notices)(AttachNotice::JournalUnreadable { detail });
        }
        Ok(sent_events)
    }

    fn send(&self, reply: &AttachReply, fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), Ended> {
        let mut message = Vec::new();
        reply.put(&mut message);
        debug_assert!(message.len() <= MESSAGE_BYTES_MAX);
        Ok(send_message(&self.socket, &message, fds)?)
    }

    fn end(&self, ended: Ended) -> AttachNotice {
        match ended {
            Ended::Broken(detail) => AttachNotice::Abandoned { detail },
            Ended::Refused(Refusal { code, detail }) => {
                let text = Text::lossy(detail.as_bytes());
                // It is sent away either way.
                let _ = self.send(&AttachReply::Refused { code, text }, &[]);
                AttachNotice::Refused { code, detail }
            }
        }
    }
}

/// The events between what the client has and what will come over the ring.
fn missed(request: &AttachRequest, strategy: StrategyId, live: &Live) -> Result<Missed, Refusal> {
    let end = live.next_event_seq;
    let first = match request.last_event_seq {
        None => end,
        Some(last) if last < end => last + 1,
        Some(last) => {
            return Err(Refusal {
                code: RefusalCode::EventsAhead,
                detail: format!("client has event {last}, the journal's next one is {end}"),
            });
        }
    };
    Ok(Missed {
        strategy,
        first,
        end,
        last_sequence: live.sequence,
    })
}
