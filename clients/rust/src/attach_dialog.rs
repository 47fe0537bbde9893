//! The client's side of the attach protocol: from connect to `Live`.
//!
//! Owns: the messages in their order and their checks. Invariants: events are taken over only in
//! the order of their numbers; everything that came before a failure is kept. Must not know: how
//! rings are used afterwards. Threads: the caller's; waits.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use model::attach_message::{
    Accepted, AttachReply, AttachRequest, EventWords, Live, MESSAGE_BYTES_MAX,
};
use model::canonical_bytes::CanonicalBytes;
use model::order_event::OrderEvent;
use rings::fd_passing::{FdPassingError, receive_message, send_message};
use rings::shared_memory::layout::PairShape;
use rings::shared_memory::pair::{ClientSide, open_announced_pair};

use crate::error::AttachError;
use crate::instrument_table::InstrumentTable;
use crate::resync::EventGap;

/// What outlives a failed attach.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Events that came over the socket and were not given to the strategy yet.
    pub(crate) backlog: VecDeque<OrderEvent>,
    /// The last event that came; `None` before the first attach of a client that wants no old ones.
    pub(crate) received_seq: Option<u64>,
}

/// A complete attachment.
#[derive(Debug)]
pub(crate) struct Dialogue {
    pub(crate) socket: UnixStream,
    pub(crate) rings: ClientSide,
    pub(crate) wake: OwnedFd,
    pub(crate) accepted: Accepted,
    pub(crate) live: Live,
    pub(crate) instruments: InstrumentTable,
    pub(crate) backlog_events: u64,
    pub(crate) gaps: Vec<EventGap>,
}

/// What the messages before `Live` have said.
#[derive(Default)]
struct Told {
    instruments: InstrumentTable,
    backlog_events: u64,
    gaps: Vec<EventGap>,
}

/// Attaches. `timeout` is for each message.
pub(crate) fn attach(
    socket_path: &Path,
    request: &AttachRequest,
    timeout: Duration,
    inbox: &mut Inbox,
) -> Result<Dialogue, AttachError> {
    let connect = |source| AttachError::Connect {
        path: socket_path.to_path_buf(),
        source,
    };
    let socket = UnixStream::connect(socket_path).map_err(connect)?;
    socket.set_read_timeout(Some(timeout)).map_err(connect)?;
    socket.set_write_timeout(Some(timeout)).map_err(connect)?;
    let mut message = Vec::new();
    request.put(&mut message);
    match send_message(&socket, &message, &[]) {
        // A service that refuses before it reads has its reason waiting for us.
        Ok(()) | Err(FdPassingError::System { .. }) => {}
        Err(error) => return Err(AttachError::Broken(error)),
    }
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let (accepted, fds) = accepted(&socket, &mut buffer, timeout)?;
    let [request_fd, event_fd, wake] = fds;
    let announced = PairShape {
        request_capacity: accepted.request_capacity,
        event_capacity: accepted.event_capacity,
        generation: accepted.generation,
        start_position: 0,
    };
    let rings = open_announced_pair(request_fd, event_fd, announced)?;
    let mut told = Told::default();
    let live = loop {
        let (reply, _) = receive(&socket, &mut buffer, timeout)?;
        if let Some(live) = told.take(reply, inbox)? {
            break live;
        }
    };
    Ok(Dialogue {
        socket,
        rings,
        wake,
        accepted,
        live,
        instruments: told.instruments,
        backlog_events: told.backlog_events,
        gaps: told.gaps,
    })
}

fn accepted(
    socket: &UnixStream,
    buffer: &mut [u8],
    timeout: Duration,
) -> Result<(Accepted, [OwnedFd; 3]), AttachError> {
    let (reply, fds) = receive(socket, buffer, timeout)?;
    let AttachReply::Accepted(accepted) = reply else {
        return Err(protocol("first reply", format!("{reply:?}")));
    };
    let count = fds.len();
    let fds = <[OwnedFd; 3]>::try_from(fds)
        .map_err(|_| protocol("accepted", format!("{count} descriptors, expected 3")))?;
    Ok((accepted, fds))
}

/// The next message; a refusal is an error wherever it comes.
fn receive(
    socket: &UnixStream,
    buffer: &mut [u8],
    timeout: Duration,
) -> Result<(AttachReply, Vec<OwnedFd>), AttachError> {
    let received = receive_message(socket, buffer).map_err(|error| match &error {
        FdPassingError::System { source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
            AttachError::TimedOut { waited: timeout }
        }
        _ => AttachError::Broken(error),
    })?;
    let message = &buffer[..received.message_bytes];
    let reply = AttachReply::from_message(message)
        .map_err(|error| protocol("attach reply", error.to_string()))?;
    if let AttachReply::Refused { code, text } = reply {
        let text = text.as_str().to_owned();
        return Err(AttachError::Refused { code, text });
    }
    Ok((reply, received.fds))
}

impl Told {
    /// Takes one message over; the last one is given back.
    fn take(&mut self, reply: AttachReply, inbox: &mut Inbox) -> Result<Option<Live>, AttachError> {
        match reply {
            AttachReply::Instruments(list) => self.instruments.add(list),
            AttachReply::Backlog(events) => {
                for event in &events {
                    inbox.take(event)?;
                }
                self.backlog_events += events.len() as u64;
            }
            AttachReply::Gap { from, to } => {
                inbox.skip(from, to)?;
                self.gaps.push(EventGap { from, to });
            }
            AttachReply::Live(live) => {
                inbox.up_to(live.next_event_seq)?;
                return Ok(Some(live));
            }
            AttachReply::Accepted(_) | AttachReply::Refused { .. } => {
                return Err(protocol("attach reply", "accepted twice".into()));
            }
        }
        Ok(None)
    }
}

impl Inbox {
    fn take(&mut self, words: &EventWords) -> Result<(), AttachError> {
        let event = OrderEvent::from_words(&words.0);
        let event = event.ok_or_else(|| protocol("event", format!("number {}", words.0[0])))?;
        self.expect(event.event_seq)?;
        self.received_seq = Some(event.event_seq);
        self.backlog.push_back(event);
        Ok(())
    }

    fn skip(&mut self, from: u64, to: u64) -> Result<(), AttachError> {
        self.expect(from)?;
        if to < from {
            return Err(protocol("gap", format!("from {from} to {to}")));
        }
        self.received_seq = Some(to);
        Ok(())
    }

    fn up_to(&mut self, next_event_seq: u64) -> Result<(), AttachError> {
        if self.received_seq.is_some() {
            self.expect(next_event_seq)?;
        }
        let last = next_event_seq.checked_sub(1);
        self.received_seq = Some(last.ok_or_else(|| protocol("live", "events start at 1".into()))?);
        Ok(())
    }

    fn expect(&self, found: u64) -> Result<(), AttachError> {
        let expected = self.received_seq.map(|last| last + 1);
        if expected == Some(found) {
            return Ok(());
        }
        let detail = format!("number {found}, expected {expected:?}");
        Err(protocol("event", detail))
    }
}

fn protocol(what: &'static str, detail: String) -> AttachError {
    AttachError::Protocol { what, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RequestId;
    use model::order_event::EVENT_WORDS;

    fn event(event_seq: u64) -> EventWords {
        let mut words = [0; EVENT_WORDS];
        words[0] = event_seq;
        words[1] = 20; // CancelAllAccepted
        EventWords(words)
    }

    fn live(next_event_seq: u64) -> AttachReply {
        AttachReply::Live(Live {
            sequence: 9,
            next_event_seq,
            last_request_id: RequestId(0),
        })
    }

    fn told(from: Option<u64>, replies: Vec<AttachReply>) -> Result<(Told, Inbox), AttachError> {
        let mut inbox = Inbox {
            received_seq: from,
            ..Inbox::default()
        };
        let mut told = Told::default();
        for reply in replies {
            told.take(reply, &mut inbox)?;
        }
        Ok((told, inbox))
    }

    #[test]
    fn events_and_gaps_that_join_without_a_hole_are_taken_over() {
        let replies = vec![
            AttachReply::Gap { from: 4, to: 6 },
            AttachReply::Backlog(vec![event(7), event(8)]),
            live(9),
        ];
        let (told, inbox) = told(Some(3), replies).unwrap();
        assert_eq!(told.gaps, [EventGap { from: 4, to: 6 }]);
        assert_eq!((told.backlog_events, inbox.backlog.len()), (2, 2));
        assert_eq!(inbox.received_seq, Some(8));
    }

    #[test]
    fn a_client_that_wants_no_old_events_starts_where_the_engine_says() {
        let (_, inbox) = told(None, vec![live(41)]).unwrap();
        assert_eq!(inbox.received_seq, Some(40));
    }

    #[test]
    fn a_hole_a_repetition_or_a_backward_gap_is_refused() {
        let cases = [
            vec![AttachReply::Backlog(vec![event(5)])],
            vec![AttachReply::Backlog(vec![event(4), event(4)])],
            vec![AttachReply::Gap { from: 4, to: 3 }],
            vec![AttachReply::Gap { from: 5, to: 6 }],
            vec![AttachReply::Backlog(vec![EventWords([4; EVENT_WORDS])])],
            vec![live(5)],
            vec![live(0)],
        ];
        for replies in cases {
            let text = format!("{replies:?}");
            let outcome = told(Some(3), replies);
            assert!(
                matches!(outcome, Err(AttachError::Protocol { .. })),
                "{text}"
            );
        }
    }
}
