//! An engine for one test: the real engine, journal and attach service, and a thread that does for
//! strategies what the hot thread does, at a venue that takes everything.
//!
//! Dropping it is its death: nothing is told to anybody, and what the kernel closes is closed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cold::attach::{
    AttachBell, AttachNotice, AttachService, AttachSettings, Detached, EngineLinks, Handover,
    HandoverAnswer, StrategyAccess,
};
use engine::{Decisions, Engine, Moment};
use journal::{Journal, JournalOptions, Mode, Reader};
use model::attach_message::RefusalCode;
use model::execution_report::{CommandReply, ReplyOutcome, VenueOrderState};
use model::input::{
    Admission, EntryKind, LinkChanged, LinkReason, LinkState, LossReason, RecoveryStarted,
    RequestInput,
};
use model::journal_record::{EntryBuffers, put_entry, take_entry};
use model::recon_fact::SweepEnded;
use model::{
    BootEpoch, ChangeBody, CommandKind, Decision, EngineConfig, Input, LinkId, MonotonicNs,
    OrderIntent, OrderUpdate, ReconFact, StrategyId, Text, UnixNs, UtcAnchor, VenueId, VenueReport,
    request_slot,
};
use rings::in_process::{Consumer, Producer, ring};
use rings::shared_memory::consumer::PopError;
use rings::shared_memory::producer::PushError;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use crate::config::{INSTANCE_TAG, config};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const REQUESTS_PER_TURN: usize = 64;

/// What tests tell the thread, and what it tells them.
#[derive(Default)]
pub(crate) struct Switches {
    stop: AtomicBool,
    /// Requests stay in their ring.
    pub(crate) holds_requests: AtomicBool,
    /// Handovers stay in their ring.
    pub(crate) holds_handovers: AtomicBool,
    /// Handovers are given back.
    pub(crate) refuses: AtomicBool,
    attached: AtomicU64,
    losses: Mutex<Vec<(Instant, LossReason)>>,
    lost: Condvar,
}

pub(crate) struct EngineStandIn {
    pub(crate) switches: Arc<Switches>,
    pub(crate) notices: Arc<Mutex<Vec<AttachNotice>>>,
    pub(crate) socket_path: PathBuf,
    service: Option<AttachService>,
    wake: Arc<OwnedFd>,
    hot: Option<JoinHandle<()>>,
}

impl EngineStandIn {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, |_| {})
    }

    /// Starts on what `data` holds of earlier runs.
    pub(crate) fn start_with(data: &Path, change: impl FnOnce(&mut AttachSettings)) -> Self {
        let journal_directory = data.join("journal");
        let (engine, journal) = recover(&journal_directory);
        let socket_path = data.join("run/attach.sock");
        let mut settings = AttachSettings::new(socket_path.clone(), journal_directory);
        settings.strategies = access(&engine);
        settings.instruments = config()
            .instruments
            .iter()
            .map(|policy| policy.instrument)
            .collect();
        change(&mut settings);
        let (to_hot, handovers) = ring("handovers", 16);
        let (answers, from_hot) = ring("answers", 16);
        let (detached, detached_from_hot) = ring("detached", 16);
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        let links = EngineLinks {
            to_hot,
            from_hot,
            detached_from_hot,
            wake_hot: Box::new({
                let wake = wake.clone();
                move || rung(&wake)
            }),
        };
        let notices = Arc::new(Mutex::new(Vec::new()));
        let sink = notices.clone();
        let sink = Arc::new(move |notice| sink.lock().unwrap().push(notice));
        let service = AttachService::start(settings, links, sink).unwrap();
        let switches = Arc::new(Switches::default());
        let hot = Hot {
            engine,
            journal,
            decisions: Decisions::with_capacity(4096),
            attachments: Vec::new(),
            handovers,
            answers,
            detached,
            bell: service.bell(),
            venue: VecDeque::new(),
            switches: switches.clone(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
        };
        watch(&hot.epoll, wake.as_fd(), u64::MAX).unwrap();
        let hot = std::thread::spawn(move || hot.run());
        Self {
            switches,
            notices,
            socket_path,
            service: Some(service),
            wake,
            hot: Some(hot),
        }
    }

    /// Lets the thread see a switch now.
    pub(crate) fn set(&self, switch: impl Fn(&Switches) -> &AtomicBool, value: bool) {
        switch(&self.switches).store(value, Ordering::SeqCst);
        rung(&self.wake);
    }

    /// Attachments so far.
    pub(crate) fn attached(&self) -> u64 {
        self.switches.attached.load(Ordering::SeqCst)
    }

    /// Waits until so many losses are journaled; when the last one was, and why.
    pub(crate) fn wait_for_losses(&self, count: usize) -> (Instant, LossReason) {
        let losses = self.switches.losses.lock().unwrap();
        let (losses, timeout) = self
            .switches
            .lost
            .wait_timeout_while(losses, PATIENCE, |losses| losses.len() < count)
            .unwrap();
        assert!(!timeout.timed_out(), "{losses:?}");
        losses[count - 1]
    }

    /// Waits for a notice.
    pub(crate) fn wait_for_notice(&self, wanted: impl Fn(&AttachNotice) -> bool) -> AttachNotice {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let notices = self.notices.lock().unwrap();
            if let Some(found) = notices.iter().find(|notice| wanted(notice)) {
                return found.clone();
            }
            assert!(Instant::now() < deadline, "{notices:?}");
            drop(notices);
            std::thread::yield_now();
        }
    }
}

impl Drop for EngineStandIn {
    fn drop(&mut self) {
        self.switches.stop.store(true, Ordering::SeqCst);
        rung(&self.wake);
        // The thread lets go of everything; then the service does.
        let ended = self.hot.take().unwrap().join();
        self.service = None;
        if !std::thread::panicking() {
            ended.expect("the stand-in does not panic");
        }
    }
}

struct Attachment {
    handover: Handover,
    number: u64,
    lost: Option<LossReason>,
    published: bool,
}

/// The stand-in for the hot thread.
struct Hot {
    engine: Engine,
    journal: Journal,
    decisions: Decisions,
    attachments: Vec<Attachment>,
    handovers: Consumer<Handover>,
    answers: Producer<HandoverAnswer>,
    detached: Producer<Detached>,
    bell: AttachBell,
    venue: VecDeque<OrderIntent>,
    switches: Arc<Switches>,
    epoll: OwnedFd,
}

impl Hot {
    fn run(mut self) {
        self.open_venue();
        while !self.switches.stop.load(Ordering::SeqCst) {
            let worked = self.take_handovers() | self.take_requests() | self.answer_commands();
            self.run_timers();
            self.lose();
            self.wake_clients();
            if !worked {
                self.park();
            }
        }
    }

    /// A link comes up and a sweep finds nothing.
    fn open_venue(&mut self) {
        let venue = VenueId(0);
        self.feed(&Input::LinkChanged(LinkChanged {
            venue,
            link: LinkId(1),
            state: LinkState::Up,
            reason: LinkReason::Ready,
        }));
        let sweep_no = self.engine.state().venues[0].sweep_no;
        let asked_at_seq = self.journal.writer.next_sequence() - 1;
        self.feed(&Input::ReconFact(ReconFact::SweepEnded(SweepEnded {
            asked_at_seq,
            venue,
            sweep_no,
            complete: true,
        })));
        self.run_timers();
    }

    fn take_handovers(&mut self) -> bool {
        if self.switches.holds_handovers.load(Ordering::SeqCst) {
            return false;
        }
        let mut worked = false;
        while let Some(handover) = self.handovers.pop() {
            worked = true;
            if self.switches.refuses.load(Ordering::SeqCst) {
                let code = RefusalCode::Recovering;
                let answer = HandoverAnswer::Refused { handover, code };
                self.answers.push(answer).expect("room for an answer");
                self.bell.ring();
                continue;
            }
            self.attach(handover);
        }
        worked
    }

    fn attach(&mut self, handover: Handover) {
        let (strategy, generation) = (handover.strategy, handover.generation);
        let number = self.switches.attached.fetch_add(1, Ordering::SeqCst);
        watch(&self.epoll, handover.hang_up.as_fd(), number).unwrap();
        watch(&self.epoll, handover.wake.as_fd(), u64::MAX).unwrap();
        let next_event_seq = self.state_of(strategy).next_event_seq;
        let sequence = self.feed(&Input::StrategyAttached {
            strategy,
            generation,
        });
        let last_request_id = self.state_of(strategy).last_request_id;
        self.attachments.push(Attachment {
            handover,
            number,
            lost: None,
            published: false,
        });
        let answer = HandoverAnswer::Attached {
            strategy,
            generation,
            sequence,
            next_event_seq,
            last_request_id,
        };
        self.answers.push(answer).expect("room for an answer");
        self.bell.ring();
    }

    fn state_of(&self, strategy: StrategyId) -> &engine::state::StrategyState {
        &self.engine.state().strategies[usize::from(strategy.0)]
    }

    fn take_requests(&mut self) -> bool {
        if self.switches.holds_requests.load(Ordering::SeqCst) {
            return false;
        }
        let mut worked = false;
        for at in 0..self.attachments.len() {
            for _ in 0..REQUESTS_PER_TURN {
                let attachment = &mut self.attachments[at];
                if attachment.lost.is_some() {
                    break;
                }
                let strategy = attachment.handover.strategy;
                let words = match attachment.handover.requests.pop() {
                    Ok(Some(words)) => words,
                    Ok(None) => break,
                    Err(PopError::Closed { .. }) => {
                        attachment.lost = Some(LossReason::HungUp);
                        break;
                    }
                    Err(PopError::Corrupt(_)) => {
                        attachment.lost = Some(LossReason::RingCorrupt);
                        break;
                    }
                };
                worked = true;
                let checked = request_slot::check(&words).expect("the client writes good slots");
                self.feed(&Input::Request(RequestInput {
                    strategy,
                    request_id: checked.request_id,
                    written_at: checked.written_at,
                    admission: Admission::Granted,
                    request: checked.request,
                }));
            }
        }
        worked
    }

    /// The venue takes every command at once.
    fn answer_commands(&mut self) -> bool {
        let Some(intent) = self.venue.pop_front() else {
            return false;
        };
        let venue_order_id = Text::new(intent.client_order_id.to_string().as_bytes()).unwrap();
        let venue_time = UnixNs(1_700_000_000_000_000_000);
        let reply = VenueReport::Reply(CommandReply {
            client_order_id: intent.client_order_id,
            command: intent.command,
            command_seq: intent.command_seq,
            outcome: ReplyOutcome::Accepted,
            venue_order_id,
            venue_code: 0,
            message: Text::EMPTY,
            venue_time,
        });
        let state = match intent.command {
            CommandKind::Cancel => VenueOrderState::Cancelled,
            CommandKind::New | CommandKind::Replace => VenueOrderState::Live,
        };
        let update = VenueReport::Order(OrderUpdate {
            client_order_id: Some(intent.client_order_id),
            venue_order_id,
            instrument: intent.instrument,
            side: intent.side,
            state,
            order_quantity: intent.order_quantity,
            limit_price: intent.limit_price,
            cum_quantity: model::Quantity::ZERO,
            fill: None,
            replace: None,
            end_code: 0,
            venue_time,
        });
        self.feed(&Input::VenueFrame {
            venue: VenueId(0),
            link: LinkId(1),
            raw: b"{}",
            reports: &[reply, update],
        });
        true
    }

    fn run_timers(&mut self) {
        while self.engine.next_deadline() <= now() {
            self.feed(&Input::Timer);
        }
    }

    /// Journals what is lost and gives it back.
    fn lose(&mut self) {
        while let Some(at) = self.attachments.iter().position(|one| one.lost.is_some()) {
            let Attachment { handover, lost, .. } = self.attachments.remove(at);
            let reason = lost.expect("found above");
            self.feed(&Input::StrategyLost {
                strategy: handover.strategy,
                generation: handover.generation,
                reason,
            });
            let mut losses = self.switches.losses.lock().unwrap();
            losses.push((Instant::now(), reason));
            self.switches.lost.notify_all();
            drop(losses);
            for fd in [&handover.hang_up, &handover.wake] {
                epoll::delete(&self.epoll, fd).unwrap();
            }
            assert!(self.detached.push(Detached(handover)).is_ok());
            self.bell.ring();
        }
    }

    fn wake_clients(&mut self) {
        for attachment in &mut self.attachments {
            if std::mem::take(&mut attachment.published)
                && attachment.handover.events.peer_is_parked()
            {
                attachment.handover.wake_client();
            }
        }
    }

    /// Sleeps until a client, the service or a deadline has something.
    fn park(&mut self) {
        let mut waiting =
            self.handovers.waiting() > 0 && !self.switches.holds_handovers.load(Ordering::SeqCst);
        let holds = self.switches.holds_requests.load(Ordering::SeqCst);
        for attachment in &mut self.attachments {
            attachment.handover.requests.park_begin();
            let ready = attachment.handover.requests.peek_ready().unwrap_or(true);
            waiting |= ready && !holds;
        }
        let left_ns = self.engine.next_deadline().since_ns(now());
        let left = Duration::from_nanos(left_ns).min(Duration::from_secs(1));
        if !waiting {
            let mut ready = Vec::with_capacity(16);
            let limit = Timespec::try_from(left).unwrap();
            let spare = rustix::buffer::spare_capacity(&mut ready);
            let _ = epoll::wait(&self.epoll, spare, Some(&limit));
            for event in ready {
                let gone = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP;
                let (flags, data) = (event.flags, event.data);
                let (hung_up, number) = (flags.intersects(gone), data.u64());
                let mut all = self.attachments.iter_mut();
                if hung_up && let Some(one) = all.find(|one| one.number == number) {
                    one.lost = one.lost.or(Some(LossReason::HungUp));
                }
            }
        }
        for attachment in &mut self.attachments {
            attachment.handover.requests.park_end();
        }
    }

    fn feed(&mut self, input: &Input<'_>) -> u64 {
        let moment = Moment {
            sequence: self.journal.writer.next_sequence(),
            now: now(),
        };
        self.engine.handle(moment, input, &mut self.decisions);
        append(&mut self.journal, moment, input, self.decisions.as_slice());
        for decision in self.decisions.as_slice() {
            if let Decision::Order(change) = decision
                && let ChangeBody::CommandStarted(intent) = change.body
            {
                self.venue.push_back(intent);
            }
            if let Some((strategy, event)) = decision.event() {
                let mut all = self.attachments.iter_mut();
                let Some(one) = all.find(|one| one.handover.strategy == strategy) else {
                    continue;
                };
                one.published = true;
                match one.handover.events.push(&event.to_words()) {
                    Ok(()) => {}
                    Err(PushError::Full) => {
                        one.handover.events.close(event.event_seq);
                        one.lost = Some(LossReason::EventOverrun);
                    }
                    Err(PushError::Closed) => {}
                    Err(PushError::Corrupt(_)) => one.lost = Some(LossReason::RingCorrupt),
                }
            }
        }
        moment.sequence
    }
}

fn append(journal: &mut Journal, moment: Moment, input: &Input<'_>, decisions: &[Decision]) {
    let mut body = Vec::new();
    put_entry(input, decisions, &mut body);
    let kind = input.kind().number().into();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match journal.writer.begin(kind, moment.now.0, body.len()) {
            Ok(mut entry) => {
                entry.put(&body);
                assert_eq!(entry.commit().sequence(), moment.sequence);
                return;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"), // the next segment is made
        }
        std::thread::yield_now();
    }
}

/// Opens the journal, folds all of it, and begins a run.
fn recover(directory: &Path) -> (Engine, Journal) {
    let mut options = JournalOptions::new(directory.to_path_buf(), INSTANCE_TAG.into(), 497_520);
    (options.mode, options.segment_bytes) = (Mode::Process, 1 << 20);
    options.allow_tmpfs = true;
    let mut journal = Journal::open(&options).unwrap();
    let config: EngineConfig = config();
    let mut engine = Engine::new(&config);
    let mut buffers = EntryBuffers::default();
    let mut reader = Reader::open(directory, 1).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        let kind = EntryKind::from_number(entry.kind.try_into().unwrap()).unwrap();
        let (input, decisions) = take_entry(kind, entry.body, &mut buffers).unwrap();
        let moment = Moment {
            sequence: entry.sequence,
            now: MonotonicNs(entry.now_ns),
        };
        engine.fold(moment, &input, decisions);
    }
    let input = Input::RecoveryStarted(RecoveryStarted {
        epoch: BootEpoch::new(journal.boot_epoch).unwrap(),
        engine_version: engine::ENGINE_VERSION,
        anchor: UtcAnchor {
            monotonic: now(),
            unix: UnixNs(1_700_000_000_000_000_000),
            error_ns: 0,
        },
    });
    let moment = Moment {
        sequence: journal.writer.next_sequence(),
        now: now(),
    };
    let mut decisions = Decisions::with_capacity(4096);
    engine.handle(moment, &input, &mut decisions);
    append(&mut journal, moment, &input, decisions.as_slice());
    (engine, journal)
}

fn access(engine: &Engine) -> Vec<StrategyAccess> {
    let our_uid = rustix::process::geteuid().as_raw();
    let policies = engine.state().config.strategies.iter();
    let states = engine.state().strategies.iter();
    let access = policies.zip(states).map(|(policy, state)| StrategyAccess {
        name: policy.name,
        id: policy.id,
        allowed_uid: our_uid,
        last_generation: state.generation,
    });
    access.collect()
}

fn watch(epoll: &OwnedFd, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
    let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
    epoll::add(epoll, fd, epoll::EventData::new_u64(number), flags)?;
    Ok(())
}

fn rung(wake: &OwnedFd) {
    let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
}

fn now() -> MonotonicNs {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap();
    MonotonicNs(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap())
}
