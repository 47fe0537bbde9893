//! The router: one attachment per strategy, from socket to hot thread and back.
//!
//! Owns: the listener, the rings to and from the hot thread, what each strategy's place is doing,
//! and the deadlines. Invariants: a place is free, or one generation holds it until the hot thread
//! has given its ends back; every ask is answered or its conversation's socket is shut down; the
//! number of conversations is bounded. Must not know: what is said over a socket.
//! Threads: one; it waits in `poll` only.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::attach_message::{Accepted, Live, RefusalCode};
use model::identifiers::StrategyId;
use rings::shared_memory::liveness::peer_hung_up;
use rings::shared_memory::pair::{EngineSide, create_pair};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::backlog::EventIndex;
use super::conversation::{Conversation, Granted, Refusal, Surroundings, Verdict};
use super::{
    AttachBell, AttachNotice, AttachSettings, Detached, EngineLinks, Handover, HandoverAnswer,
    NoticeSink, endpoint,
};

/// Clients that may be on their way to live at once; more are hung up on.
const CONVERSATIONS_MAX: usize = 16;
/// How long the router sleeps at most while a client is on its way: deadlines are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Set once, to end the router.
#[derive(Debug, Default)]
pub(super) struct StopFlag(AtomicBool);

impl StopFlag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A checked client asks for its strategy's place.
#[derive(Debug)]
pub(super) struct FromConversation {
    pub(super) conversation: u64,
    pub(super) strategy: StrategyId,
    /// A descriptor of the client's socket, for the hot thread.
    pub(super) socket: OwnedFd,
    pub(super) verdict: mpsc::SyncSender<Verdict>,
}

/// What a strategy's place is doing.
#[derive(Debug)]
enum Place {
    Free,
    /// A generation was handed over, and maybe attached; it is over when its ends come back.
    Taken {
        generation: u64,
        socket: OwnedFd,
        /// Until the hot thread has answered or the client was told that it does not.
        asking: Option<Asking>,
    },
}

#[derive(Debug)]
struct Asking {
    since: Instant,
    accepted: Accepted,
    fds: [OwnedFd; 3],
    verdict: mpsc::SyncSender<Verdict>,
}

#[derive(Debug)]
struct StrategyPlace {
    strategy: StrategyId,
    last_generation: u64,
    place: Place,
}

/// A client on its way.
#[derive(Debug)]
struct Talking {
    number: u64,
    socket: UnixStream,
    /// It must have said who it is by then.
    deadline: Option<Instant>,
    thread: JoinHandle<()>,
}

pub(super) struct Router {
    surroundings: Arc<Surroundings>,
    links: EngineLinks,
    stop: Arc<StopFlag>,
    places: Vec<StrategyPlace>,
    talking: Vec<Talking>,
    conversations: u64,
    asks_from: mpsc::Receiver<FromConversation>,
    asks_to: mpsc::Sender<FromConversation>,
    /// Asks that wait for the loss of a dead predecessor.
    waiting: Vec<(Instant, FromConversation)>,
}

impl Router {
    pub(super) fn new(
        settings: AttachSettings,
        links: EngineLinks,
        notices: NoticeSink,
        bell: AttachBell,
        stop: Arc<StopFlag>,
    ) -> Self {
        let places = settings.strategies.iter().map(|access| StrategyPlace {
            strategy: access.id,
            last_generation: access.last_generation,
            place: Place::Free,
        });
        let (asks_to, asks_from) = mpsc::channel();
        Self {
            places: places.collect(),
            surroundings: Arc::new(Surroundings {
                index: EventIndex::new(settings.journal_directory.clone()),
                settings,
                notices,
                bell,
            }),
            links,
            stop,
            talking: Vec::new(),
            conversations: 0,
            asks_from,
            asks_to,
            waiting: Vec::new(),
        }
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self, listener: UnixListener) {
        while !self.stop.is_set() {
            self.wait(&listener);
            endpoint::hush(&self.surroundings.bell);
            self.take_detached();
            self.take_answers();
            self.take_clients(&listener);
            self.take_asks();
            self.check_deadlines();
            self.talking.retain(|talking| !talking.thread.is_finished());
        }
        self.end();
    }

    /// Sleeps until a client, the bell or the next look.
    fn wait(&self, listener: &UnixListener) {
        let asking = self.places.iter().any(StrategyPlace::is_asking);
        let idle = self.talking.is_empty() && self.waiting.is_empty() && !asking;
        let limit = Timespec::try_from(LOOK_AGAIN).expect("50 ms are a timespec");
        let limit = if idle { None } else { Some(&limit) };
        let mut watched = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(&*self.surroundings.bell.0, PollFlags::IN),
        ];
        // Interrupted or failed: the loop looks at everything anyway.
        let _ = poll(&mut watched, limit);
    }

    fn take_clients(&mut self, listener: &UnixListener) {
        while let Ok((socket, _)) = listener.accept() {
            if self.talking.len() >= CONVERSATIONS_MAX {
                self.notice(AttachNotice::Abandoned {
                    detail: format!("{CONVERSATIONS_MAX} clients are on their way already"),
                });
                continue;
            }
            if let Err(error) = self.begin_conversation(socket) {
                let detail = format!("no conversation: {error}");
                self.notice(AttachNotice::Abandoned { detail });
            }
        }
    }

    fn begin_conversation(&mut self, socket: UnixStream) -> std::io::Result<()> {
        self.conversations += 1;
        let conversation = Conversation {
            number: self.conversations,
            socket: socket.try_clone()?,
            to_router: self.asks_to.clone(),
            surroundings: self.surroundings.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("attach-client".into())
            .spawn(move || conversation.run())?;
        self.talking.push(Talking {
            number: self.conversations,
            socket,
            deadline: Some(Instant::now() + self.surroundings.settings.request_timeout),
            thread,
        });
        Ok(())
    }

    fn take_asks(&mut self) {
        while let Ok(ask) = self.asks_from.try_recv() {
            let mut talking = self.talking.iter_mut();
            if let Some(talking) = talking.find(|talking| talking.number == ask.conversation) {
                talking.deadline = None;
            }
            self.waiting.push((Instant::now(), ask));
        }
        for (since, ask) in std::mem::take(&mut self.waiting) {
            self.decide(since, ask);
        }
    }

    /// Hands over if the place is free, waits if its holder is dead, refuses if it lives.
    fn decide(&mut self, since: Instant, ask: FromConversation) {
        let mut places = self.places.iter();
        let at = places.position(|place| place.strategy == ask.strategy);
        let at = at.expect("asks are made for configured strategies only");
        let holder_lives = match &self.places[at].place {
            Place::Free => return self.hand_over(at, ask),
            Place::Taken { socket, .. } => !peer_hung_up(socket).unwrap_or(false),
        };
        let answer_timeout = self.surroundings.settings.answer_timeout;
        let refusal = if holder_lives {
            Refusal {
                code: RefusalCode::RingBusy,
                detail: "another process is attached as this strategy".into(),
            }
        } else if since.elapsed() >= answer_timeout {
            Refusal {
                code: RefusalCode::Recovering,
                detail: "the engine has not given the previous attachment back".into(),
            }
        } else {
            return self.waiting.push((since, ask));
        };
        // A conversation that is gone needs no answer.
        let _ = ask.verdict.send(Err(refusal));
    }

    fn hand_over(&mut self, at: usize, ask: FromConversation) {
        let generation = self.places[at].last_generation + 1;
        let (handover, asking, socket) = match self.prepare(generation, &ask) {
            Ok(prepared) => prepared,
            Err(detail) => {
                let code = RefusalCode::NoResources;
                let _ = ask.verdict.send(Err(Refusal { code, detail }));
                return;
            }
        };
        if self.links.to_hot.push(handover).is_err() {
            let _ = asking.verdict.send(Err(Refusal {
                code: RefusalCode::Recovering,
                detail: "the engine does not take attachments now".into(),
            }));
            return;
        }
        self.places[at].last_generation = generation;
        self.places[at].place = Place::Taken {
            generation,
            socket,
            asking: Some(asking),
        };
        (self.links.wake_hot)();
    }

    /// Makes and maps the files, and every descriptor that goes one way or the other.
    fn prepare(
        &self,
        generation: u64,
        ask: &FromConversation,
    ) -> Result<(Handover, Asking, OwnedFd), String> {
        let text = |error: std::io::Error| error.to_string();
        let settings = &self.surroundings.settings;
        let side = create_pair(
            settings.request_capacity,
            settings.event_capacity,
            generation,
        )
        .map_err(|error| error.to_string())?;
        self.note_pages(&side);
        let wake = endpoint::wake_fd().map_err(text)?;
        let handover = Handover {
            strategy: ask.strategy,
            generation,
            requests: side.requests,
            events: side.events,
            hang_up: ask.socket.try_clone().map_err(text)?,
            wake: wake.try_clone().map_err(text)?,
        };
        let asking = Asking {
            since: Instant::now(),
            accepted: Accepted {
                strategy: ask.strategy,
                generation,
                request_capacity: settings.request_capacity,
                event_capacity: settings.event_capacity,
                idle_mode: settings.idle_mode,
                wakes_clients: settings.wakes_clients,
            },
            fds: [side.request_fd, side.event_fd, wake],
            verdict: ask.verdict.clone(),
        };
        Ok((handover, asking, ask.socket.try_clone().map_err(text)?))
    }

    fn take_answers(&mut self) {
        while let Some(answer) = self.links.from_hot.pop() {
            match answer {
                HandoverAnswer::Attached {
                    strategy,
                    generation,
                    sequence,
                    next_event_seq,
                    last_request_id,
                } => {
                    let live = Live {
                        sequence,
                        next_event_seq,
                        last_request_id,
                    };
                    if let Some(asking) = self.asking(strategy, generation) {
                        let (accepted, fds) = (asking.accepted, asking.fds);
                        let granted = Granted {
                            accepted,
                            live,
                            fds,
                        };
                        let _ = asking.verdict.send(Ok(granted));
                    }
                }
                HandoverAnswer::Refused { handover, code } => {
                    if let Some(asking) = self.asking(handover.strategy, handover.generation) {
                        let detail = format!("the engine refused: {code}");
                        let _ = asking.verdict.send(Err(Refusal { code, detail }));
                    }
                    self.give_back(handover);
                }
            }
        }
    }

    fn take_detached(&mut self) {
        while let Some(Detached(handover)) = self.links.detached_from_hot.pop() {
            // The answer to a generation lies before its end, in another ring.
            self.take_answers();
            // Tells a client that lives that it is attached no more.
            let _ = rustix::net::shutdown(&handover.hang_up, rustix::net::Shutdown::Both);
            self.give_back(handover);
        }
    }

    /// Unmaps the ends and frees the place.
    fn give_back(&mut self, handover: Handover) {
        let (strategy, generation) = (handover.strategy, handover.generation);
        drop(handover);
        if let Some(place) = self.place_of(strategy, generation) {
            place.place = Place::Free;
        }
        self.notice(AttachNotice::Unmapped {
            strategy,
            generation,
        });
    }

    /// Takes the ask that a generation answers, if it still waits.
    fn asking(&mut self, strategy: StrategyId, generation: u64) -> Option<Asking> {
        match &mut self.place_of(strategy, generation)?.place {
            Place::Taken { asking, .. } => asking.take(),
            Place::Free => None,
        }
    }

    fn place_of(&mut self, strategy: StrategyId, generation: u64) -> Option<&mut StrategyPlace> {
        self.places.iter_mut().find(|place| {
            let held = match place.place {
                Place::Taken { generation, .. } => generation,
                Place::Free => 0,
            };
            place.strategy == strategy && held == generation
        })
    }

    fn check_deadlines(&mut self) {
        let now = Instant::now();
        for talking in &mut self.talking {
            if talking.deadline.is_some_and(|deadline| deadline <= now) {
                talking.deadline = None;
                // Its thread sees the end of the stream, and ends.
                let _ = talking.socket.shutdown(std::net::Shutdown::Both);
            }
        }
        let answer_timeout = self.surroundings.settings.answer_timeout;
        for place in &mut self.places {
            let Place::Taken { asking, .. } = &mut place.place else {
                continue;
            };
            if let Some(late) = asking.take_if(|asking| asking.since.elapsed() >= answer_timeout) {
                // The place stays taken: the hot thread may still attach it, and then sees the
                // hang-up that the refusal ends with.
                let code = RefusalCode::Recovering;
                let detail = "the engine has not answered".into();
                let _ = late.verdict.send(Err(Refusal { code, detail }));
            }
        }
    }

    /// Ends what is not live yet and removes the socket.
    fn end(self) {
        for talking in &self.talking {
            let _ = talking.socket.shutdown(std::net::Shutdown::Both);
        }
        // Dropping the asks ends the conversations that wait for a verdict.
        drop((self.waiting, self.places, self.asks_from, self.asks_to));
        for talking in self.talking {
            let _ = talking.thread.join();
        }
        let _ = std::fs::remove_file(&self.surroundings.settings.socket_path);
    }

    fn note_pages(&self, side: &EngineSide) {
        for (name, note) in [("request", side.request_note), ("event", side.event_note)] {
            if let Some(error) = note.prefault_error.or(note.lock_error) {
                let error = std::io::Error::from_raw_os_error(error);
                let detail = format!("pages of the {name} file: {error}");
                self.notice(AttachNotice::PagesNotKept { detail });
            }
        }
    }

    fn notice(&self, notice: AttachNotice) {
        (self.surroundings.notices)(notice);
    }
}

impl StrategyPlace {
    fn is_asking(&self) -> bool {
        matches!(
            self.place,
            Place::Taken {
                asking: Some(_),
                ..
            }
        )
    }
}
